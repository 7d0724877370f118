"""Painter: colour and infrared pictures of people in a room, from what every pixel shows."""

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
        stand = self._people.stand(drawn, people)
        influence = self._people.on_room(stand)
        room = self.room.color.reshape(-1, 3)
        changed = influence.pixel
        shaded = room[changed] * self._darkening(influence)
        picture = self._empty.reshape(-1, 3).copy()
        picture[changed] = tone(shaded * self.gain)
        moving = drawn.buffer.instance >= CLOTH_BASE
        if moving.any():
            behind = room.copy()
            behind[changed] = shaded
            on_people = self._people.on_people(drawn, moving, stand)
            self._paint_people(picture, behind, drawn, people, moving, on_people.direct + on_people.passed, self.gain)
        return picture.reshape(self._empty.shape)

    def infrared(self, drawn: Drawn, people: PeopleFrame) -> Float[np.ndarray, "height width"]:
        """A near-infrared picture, linear, 0 to 1; `drawn` must have its casters."""
        stand = self._people.stand(drawn, people)
        influence = self._people.on_room(stand)
        changed = influence.pixel
        room = self.room.infrared.ravel()
        light = self._field.light
        total = (self.room.direct + self.room.passed).reshape(-1, 3)[changed]
        total += self.room.sun.ravel()[changed, None] * light.sun.astype(np.float32)
        lamp, open_ = self.room.lamp.ravel()[changed], self.room.open.ravel()[changed]
        before = infrared_light(lamp, open_, total, self.room.around, light.name)
        after_room = total * self._darkening(influence)
        after = infrared_light(lamp, open_ * influence.open, after_room, self.room.around, light.name)
        shaded = room[changed] * after / np.maximum(before, 1e-9)
        picture = self._empty_infrared.reshape(-1, 1).copy()
        picture[changed, 0] = tone(shaded * self.infrared_gain)
        moving = drawn.buffer.instance >= CLOTH_BASE
        if moving.any():
            behind = room.copy()
            behind[changed] = shaded
            on_people = self._people.on_people(drawn, moving, stand)
            falling = self._infrared_on_people(drawn, moving, on_people)
            self._paint_people(
                picture, behind[:, None], drawn, people, moving, falling[:, None], np.array([self.infrared_gain])
            )
        return picture.reshape(self._empty_infrared.shape)

    def _darkening(self, influence: Influence) -> Float[np.ndarray, "pixel 3"]:
        """Light that people leave to room pixels, as a share of what they had."""
        index = influence.pixel
        direct, passed = self.room.direct.reshape(-1, 3)[index], self.room.passed.reshape(-1, 3)[index]
        sun = self.room.sun.ravel()[index, None] * self._field.light.sun.astype(np.float32)
        left = direct * influence.lamps[:, None] + passed * influence.open[:, None] + sun * influence.sun[:, None]
        return left / np.maximum(direct + passed + sun, 1e-9)

    def _infrared_on_people(
        self, drawn: Drawn, moving: np.ndarray, on_people: LightOnPeople
    ) -> Float[np.ndarray, "pixel"]:
        camera = self._view.camera
        depth = drawn.buffer.depth[moving][:, None]
        points = camera.eye.astype(np.float32) + depth * self._view.rays[moving]
        lamp = lamp_light(points, drawn.buffer.normal[moving], camera.eye, camera.rotation[2])
        room = on_people.direct + on_people.passed
        return infrared_light(lamp, on_people.open, room, self.room.around, self._field.light.name)

    def _paint_people(
        self,
        picture: Float[np.ndarray, "pixel channel"],
        behind: Float[np.ndarray, "pixel channel"],
        drawn: Drawn,
        people: PeopleFrame,
        moving: np.ndarray,
        falling: Float[np.ndarray, "moving channel"],
        gain: np.ndarray,
    ) -> None:
        """Lay what moves over the room, in place, and smooth its outlines."""
        buffer, pixel = drawn.buffer, np.flatnonzero(moving)
        channels = picture.shape[1]
        weights = buffer.weights.reshape(-1, 3)[pixel]
        albedo, garment = self._worn(
            people, drawn.cloths, buffer.instance.ravel()[pixel], buffer.face.ravel()[pixel], weights, channels
        )
        garments = np.full(moving.shape, -1)
        garments[moving] = garment
        light = np.zeros((moving.size, channels), np.float32)
        light[pixel] = falling
        color = lambert(albedo, falling)
        picture[pixel] = tone(color * gain)
        whole = behind.copy()
        whole[pixel] = color
        outline = find_outlines(drawn, self._view, garments)
        picture[outline.pixel] = self._blend(outline, whole, behind, light, people, drawn.cloths, gain)

    def _blend(
        self,
        outline: Outline,
        whole: np.ndarray,
        behind: np.ndarray,
        light: np.ndarray,
        people: PeopleFrame,
        cloths: tuple[str, ...],
        gain: np.ndarray,
    ) -> Float[np.ndarray, "pixel channel"]:
        """Mean over a pixel's centre and its extra samples, each toned on its own, as a display shows them."""
        channels = whole.shape[1]
        count = outline.instance.shape[1]
        samples = np.repeat(behind[outline.pixel][:, None], count, axis=1).reshape(-1, channels)
        shown = np.flatnonzero(outline.instance.ravel() >= CLOTH_BASE)
        albedo, _ = self._worn(
            people,
            cloths,
            outline.instance.ravel()[shown],
            outline.face.ravel()[shown],
            outline.weights.reshape(-1, 3)[shown],
            channels,
        )
        samples[shown] = lambert(albedo, light[outline.like.ravel()[shown]])
        total = tone(samples * gain).reshape(-1, count, channels).sum(axis=1) + tone(whole[outline.pixel] * gain)
        return total / (count + 1)

    def _worn(
        self,
        people: PeopleFrame,
        cloths: tuple[str, ...],
        instance: np.ndarray,
        face: np.ndarray,
        weights: np.ndarray,
        channels: int,
    ) -> tuple[Float[np.ndarray, "pixel channel"], Int[np.ndarray, "pixel"]]:
        """Albedo and garment of people's and cloths' pixels; one channel is infrared."""
        albedo = np.empty((len(instance), channels), np.float32)
        garment = np.full(len(instance), _LOOSE)
        for index, name in enumerate(cloths):
            cloth = material_color(self._scene, name) if channels == 3 else MATERIALS[name].infrared
            albedo[instance == CLOTH_BASE + index] = cloth
            # Where blanket and sheet meet, the outline between them is smoothed as well.
            garment[instance == CLOTH_BASE + index] = _LOOSE - index
        for number in np.unique(instance[instance >= PERSON_BASE]).tolist():
            mine = np.flatnonzero(instance == number)
            assert self._looks is not None, "people are drawn, so their looks must be known"
            look = self._looks.look(number - PERSON_BASE, people.topology.faces[face[mine]], weights[mine])
            albedo[mine] = look.color if channels == 3 else look.infrared[:, None]
            garment[mine] = look.garment
        return albedo, garment
