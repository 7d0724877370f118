"""Painter: colour and infrared pictures of people in a room, from what every pixel shows."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from carescene.errors import UserError
from carescene.rendering.bounce import LightField
from carescene.rendering.draw import Drawn
from carescene.rendering.gbuffer import CLOTH_BASE, PERSON_BASE
from carescene.rendering.infrared import infrared_light, lamp_light
from carescene.rendering.lights import light_room
from carescene.rendering.outlines import Outline, find_outlines
from carescene.rendering.people import PeopleFrame
from carescene.rendering.people_light import Influence, LightOnPeople, PeopleLight
from carescene.rendering.room_picture import Palette, RoomPicture, material_color
from carescene.rendering.room_view import RoomView
from carescene.rendering.shading import exposure, lambert, tone
from carescene.scenes.materials import MATERIALS
from carescene.scenes.mesh import SceneMesh
from carescene.scenes.scene import Scene

# Mean brightness of infrared pictures: bright near the lamp, dark towards the room's end.
_INFRARED_BRIGHTNESS: Final = 0.16
# Moments kept for a second kind of picture: more than one picture with motion blur is made of.
_KEPT: Final = 6
# Garment numbers of cloths that nobody wears count down from here.
_LOOSE: Final = 999


@runtime_checkable
class Look(Protocol):
    """Albedo of points on a person."""

    @property
    def color(self) -> Float[np.ndarray, "hit 3"]:
        """Linear red, green, blue."""
        ...

    @property
    def infrared(self) -> Float[np.ndarray, "hit"]:
        """Near-infrared."""
        ...

    @property
    def garment(self) -> Int[np.ndarray, "hit"]:
        """Which garment is hit."""
        ...


@runtime_checkable
class Looks(Protocol):
    """Whoever knows what people wear."""

    def look(self, person: int, corners: Any, weights: Any) -> Look:
        """What is worn where: vertex indices and barycentric weights of each hit's triangle."""
        ...


def measure_light(scene: Scene, mesh: SceneMesh, view: RoomView, light: str, seed: int) -> LightField:
    """The light of a room; it does not depend on the camera, so several cameras' painters may share it."""
    albedo = Palette.of(scene, mesh.materials).albedo
    return LightField.of(scene, mesh, view.caster, albedo, light_room(scene, light, seed), seed=seed)


@dataclass(frozen=True)
class Moment:
    """One moment as seen by one camera, before it becomes a picture.

    Attributes:
        influence: what people do to the light on the room.
        pixel: pixels that show people or cloth, with the `light` on them and their `albedo` (red, green, blue,
            infrared).
        outline: extra samples at their edges; `shown` are those (counted through) that show people or cloth, with
            `outline_albedo`.
    """

    influence: Influence
    pixel: Int[np.ndarray, "pixel"]
    light: LightOnPeople
    albedo: Float[np.ndarray, "pixel 4"]
    outline: Outline
    shown: Int[np.ndarray, "sample"]
    outline_albedo: Float[np.ndarray, "sample 4"]


class Painter:
    """Paints one camera's pictures of one room in one light.

    The still room is lit once. Each picture then costs only the pixels that show people, or that their shadows and
    nearness change; all others are exactly the still room's.
    """

    def __init__(
        self,
        scene: Scene,
        mesh: SceneMesh,
        view: RoomView,
        looks: Looks | None,
        light: str = "day",
        seed: int = 0,
        *,
        field: LightField | None = None,
    ) -> None:
        """Light the still room.

        Args:
            mesh: of the scene.
            view: the mesh cast with one sample per pixel.
            looks: what people wear; None where nobody will be drawn.
            light: one of `carescene.rendering.lights.LIGHTS`.
            field: from `measure_light` with the same scene, light and seed, to share it between cameras.

        Raises:
            UserError: for an unknown light.
        """
        self._view, self._looks = view, looks
        self._field = field if field is not None else measure_light(scene, mesh, view, light, seed)
        if self._field.light.name != light:
            raise UserError(
                f"Expected a light field made for '{light}', but got one for '{self._field.light.name}'. "
                "Measure the light anew."
            )
        self.room = RoomPicture.of(scene, mesh, view, self._field, seed=seed)
        self._people = PeopleLight(view, self.room, self._field, seed)
        self._scene = scene
        # Colour and infrared of one picture, and of all its moments with motion blur, need the same light.
        self._recent: deque[tuple[Drawn, Moment]] = deque(maxlen=_KEPT)
        self.gain = exposure(self.room.color, self._field.light.brightness)
        level = exposure(np.repeat(self.room.infrared[..., None], 3, axis=2), _INFRARED_BRIGHTNESS)
        self.infrared_gain = float(level[1])
        self._empty = tone(self.room.color * self.gain).astype(np.float32)
        self._empty_infrared = tone(self.room.infrared * self.infrared_gain).astype(np.float32)

    def empty(self) -> Float[np.ndarray, "height width 3"]:
        """The room without people, linear, 0 to 1."""
        return self._empty.copy()

    def rgb(self, drawn: Drawn, people: PeopleFrame) -> Float[np.ndarray, "height width 3"]:
        """A colour picture, linear, 0 to 1; `drawn` must have its casters."""
        moment = self._moment(drawn, people)
        influence, light = moment.influence, moment.light
        behind = self.room.color.reshape(-1, 3).copy()
        behind[influence.pixel] *= self._darkening(influence)
        picture = self._empty.reshape(-1, 3).copy()
        picture[influence.pixel] = tone(behind[influence.pixel] * self.gain)
        self._lay(picture, behind, moment, light.direct + light.passed, slice(0, 3), self.gain)
        return picture.reshape(self._empty.shape)

    def infrared(self, drawn: Drawn, people: PeopleFrame) -> Float[np.ndarray, "height width"]:
        """A near-infrared picture, linear, 0 to 1; `drawn` must have its casters."""
        moment, camera = self._moment(drawn, people), self._view.camera
        influence, light, name = moment.influence, moment.light, self._field.light.name
        index, around = influence.pixel, self.room.around
        total = (self.room.direct + self.room.passed).reshape(-1, 3)[index]
        total += self.room.sun.ravel()[index, None] * self.room.sunlight
        lamp, open_ = self.room.lamp.ravel()[index], self.room.open.ravel()[index]
        before = infrared_light(lamp, open_, total, around, name)
        after = infrared_light(lamp, open_ * influence.open, total * self._darkening(influence), around, name)
        behind = self.room.infrared.reshape(-1, 1).copy()
        behind[index, 0] *= after / np.maximum(before, 1e-9)
        gain = np.array([self.infrared_gain], np.float32)
        picture = self._empty_infrared.reshape(-1, 1).copy()
        picture[index] = tone(behind[index] * gain)
        lamp = lamp_light(light.points, light.normals, camera.eye, camera.rotation[2])
        falling = infrared_light(lamp, light.open, light.direct + light.passed, around, name)
        self._lay(picture, behind, moment, falling[:, None], slice(3, 4), gain)
        return picture.reshape(self._empty_infrared.shape)

    def _moment(self, drawn: Drawn, people: PeopleFrame) -> Moment:
        """What colour and infrared pictures of one moment share, kept for the last few."""
        for known, moment in tuple(self._recent):
            if known is drawn:
                return moment
        stand = self._people.stand(drawn, people)
        influence = self._people.on_room(stand)
        moving = drawn.buffer.instance >= CLOTH_BASE
        pixel, buffer = np.flatnonzero(moving), drawn.buffer
        light = self._people.on_people(drawn, moving, stand)
        faces, weights = buffer.face.ravel()[pixel], buffer.weights.reshape(-1, 3)[pixel]
        albedo, garment = self._worn(drawn, people, buffer.instance.ravel()[pixel], faces, weights)
        garments = np.full(moving.shape, -1)
        garments[moving] = garment
        outline = find_outlines(drawn, self._view, garments)
        shown = np.flatnonzero(outline.instance.ravel() >= CLOTH_BASE)
        faces, weights = outline.face.ravel()[shown], outline.weights.reshape(-1, 3)[shown]
        outline_albedo, _ = self._worn(drawn, people, outline.instance.ravel()[shown], faces, weights)
        moment = Moment(influence, pixel, light, albedo, outline, shown, outline_albedo)
        self._recent.append((drawn, moment))
        return moment

    def _darkening(self, influence: Influence) -> Float[np.ndarray, "pixel 3"]:
        """Light that people leave to room pixels, as a share of what they had."""
        index = influence.pixel
        direct, passed = self.room.direct.reshape(-1, 3)[index], self.room.passed.reshape(-1, 3)[index]
        sun = self.room.sun.ravel()[index, None] * self.room.sunlight
        left = direct * influence.lamps[:, None] + passed * influence.open[:, None] + sun * influence.sun[:, None]
        return left / np.maximum(direct + passed + sun, 1e-9)

    def _lay(
        self,
        picture: Float[np.ndarray, "pixel channel"],
        behind: Float[np.ndarray, "pixel channel"],
        moment: Moment,
        falling: Float[np.ndarray, "moving channel"],
        channels: slice,
        gain: Float[np.ndarray, "channel"],
    ) -> None:
        """Lay what moves over the room, in place, and smooth its outlines.

        An outline's pixel is the mean of its centre and its extra samples, each toned on its own, as a display would
        show them.
        """
        outline, count = moment.outline, moment.outline.instance.shape[1]
        samples = np.repeat(behind[outline.pixel][:, None], count, axis=1).reshape(-1, behind.shape[1])
        light = np.zeros_like(behind)
        light[moment.pixel] = falling
        behind[moment.pixel] = lambert(moment.albedo[:, channels], falling)
        picture[moment.pixel] = tone(behind[moment.pixel] * gain)
        like = outline.like.ravel()[moment.shown]
        samples[moment.shown] = lambert(moment.outline_albedo[:, channels], light[like])
        total = tone(samples * gain).reshape(-1, count, behind.shape[1]).sum(axis=1)
        picture[outline.pixel] = (total + tone(behind[outline.pixel] * gain)) / (count + 1)

    def _worn(
        self, drawn: Drawn, people: PeopleFrame, instance: np.ndarray, face: np.ndarray, weights: np.ndarray
    ) -> tuple[Float[np.ndarray, "pixel 4"], Int[np.ndarray, "pixel"]]:
        """Albedo (red, green, blue, infrared) and garment of people's and cloths' pixels."""
        albedo = np.empty((len(instance), 4), np.float32)
        garment = np.full(len(instance), _LOOSE)
        for index, name in enumerate(drawn.cloths):
            mine = instance == CLOTH_BASE + index
            albedo[mine] = [*material_color(self._scene, name), MATERIALS[name].infrared]
            # Where blanket and sheet meet, the outline between them is smoothed as well.
            garment[mine] = _LOOSE - index
        for number in np.unique(instance[instance >= PERSON_BASE]).tolist():
            mine = np.flatnonzero(instance == number)
            assert self._looks is not None, "people are drawn, so their looks must be known"
            look = self._looks.look(number - PERSON_BASE, people.topology.faces[face[mine]], weights[mine])
            albedo[mine, :3], albedo[mine, 3] = look.color, look.infrared
            garment[mine] = look.garment
        return albedo, garment
