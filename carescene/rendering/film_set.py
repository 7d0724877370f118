"""Everything about a film that does not depend on the camera: the dressed people, the room and its light."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from carescene.clips.clip import Clip
from carescene.humans.body import Body
from carescene.rendering.blanket import Blanket, cover_beds, without_folded_blankets
from carescene.rendering.bounce import LightField
from carescene.rendering.camera import Camera
from carescene.rendering.camera_sight import RoomSight
from carescene.rendering.draw import Drawn, draw_buffer
from carescene.rendering.keypoints import KeypointModel, keypoint_model
from carescene.rendering.painter import Painter, measure_light
from carescene.rendering.people import PeopleFrame, PosedPeople, pose_people
from carescene.rendering.room_view import RoomView
from carescene.rendering.wardrobe import Wardrobe, dress_clip
from carescene.scenes.mesh import SceneMesh
from carescene.scenes.room_mesh import scene_mesh
from carescene.scenes.scene import Scene


@dataclass
class FilmSet:
    """A clip ready to be filmed by any number of cameras: bodies are posed and dressed, and the room is built, once.

    Attributes:
        clip: with its people where they are in the room.
        scene: the room.
        folder: to which the names of the scene's own meshes are relative.
        mesh: of the room.
        people: posed and dressed.
        wardrobe: what they wear.
        blankets: over those who lie in bed as the clip begins.
        models: key points, per person.
        light: name of the light, the same for all cameras.
        seed: of clothes and light.
    """

    clip: Clip
    scene: Scene
    folder: Path | None
    mesh: SceneMesh
    people: PosedPeople
    wardrobe: Wardrobe
    blankets: list[Blanket]
    models: list[KeypointModel]
    light: str
    seed: int
    _field: LightField | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, clip: Clip, scene: Scene, body: Body, *, light: str = "day", seed: int = 0, folder: Path | None = None
    ) -> "FilmSet":
        """Pose and dress everybody and build the room.

        Raises:
            UserError: if the body has no face to take key points from, or a mesh of the scene cannot be read.
        """
        bare = pose_people(clip, body)
        wardrobe = dress_clip(clip, body, bare.topology, seed=seed)
        people = wardrobe.wear(bare)
        # Folded blankets are of no use any more where one lies over somebody.
        scene = without_folded_blankets(scene, people)
        return cls(
            clip=clip,
            scene=scene,
            folder=folder,
            mesh=scene_mesh(scene, folder),
            people=people,
            wardrobe=wardrobe,
            blankets=cover_beds(scene, people, seed=seed),
            models=[keypoint_model(body, betas) for betas in clip.betas],
            light=light,
            seed=seed,
        )

    @cached_property
    def sight(self) -> RoomSight:
        """What can be seen in the empty room, the same for all cameras."""
        return RoomSight.of(self.mesh)

    def view(self, camera: Camera) -> RoomView:
        """The empty room from one camera."""
        return RoomView.cast(self.mesh, camera, caster=self.sight.caster)

    def draw(self, view: RoomView, time_s: float | int, *, shadows: bool) -> tuple[Drawn, PeopleFrame]:
        """What one camera's view shows at a time in seconds, people and blankets laid into it, and the people."""
        people = self.people.at(time_s)
        cloths = [cloth for blanket in self.blankets for cloth in blanket.at(time_s)]
        return draw_buffer(view, people, cloths, shadows=shadows), people

    def painter(self, view: RoomView) -> Painter:
        """A painter for one camera's view; the room's light is measured for the first and shared by the others."""
        if self._field is None:
            self._field = measure_light(self.scene, self.mesh, view, self.light, self.seed)
        return Painter(self.scene, self.mesh, view, self.wardrobe, self.light, self.seed, field=self._field)
