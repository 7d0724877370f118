"""Light where people are: the shadows and the darkening that they lay on the room, and the light that falls on them."""

from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from carescene.rendering.bounce import LightField
from carescene.rendering.draw import Drawn
from carescene.rendering.filters import enlarging, smooth, smoothing
from carescene.rendering.gbuffer import PERSON_BASE
from carescene.rendering.occlusion import OCCLUSION_REACH, Balls, dither, openness, people_openness
from carescene.rendering.people import PeopleFrame
from carescene.rendering.room_picture import RoomPicture
from carescene.rendering.room_view import RoomView
from carescene.rendering.shadows import ShadowRays, sun_seen

# Shadows of people on the room are asked for at every second pixel across and down, in large pictures every third.
_STRIDES: Final = ((300, 2), (10_000, 3))
_ROOM_RAYS: Final = 6
_SELF_RAYS: Final = 4
_SELF_OCCLUSION_RAYS: Final = 6
# Rays leave skin and clothes this far off (metres): their triangles are flat where the shaded surface is round.
_SKIN_LIFT: Final = 0.012
# Changes of less than this are not drawn (a step of an 8-bit picture is 1/255).
_UNSEEN: Final = 0.004
_SLABS: Final = 5
# See `room_picture`: what balls hide counts a little more, because the light field knows nothing of them at all.
_DEEPER: Final = 1.4


@dataclass(frozen=True)
class Stand:
    """What stands for people when light asks for them: their balls, and few larger ones that hold all of a person."""

    balls: list[tuple[Float[np.ndarray, "_ 3"], Float[np.ndarray, "_"]]]
    casters: list[Any]
    enclosing: list[tuple[Float[np.ndarray, "_ 3"], Float[np.ndarray, "_"]]]


@dataclass(frozen=True)
class Influence:
    """Pixels of the still room that people darken: share of lamps, of the sun, and of the surroundings still seen."""

    pixel: Int[np.ndarray, "pixel"]
    lamps: Float[np.ndarray, "pixel"]
    sun: Float[np.ndarray, "pixel"]
    open: Float[np.ndarray, "pixel"]


@dataclass(frozen=True)
class LightOnPeople:
    """Irradiance on pixels that show people or loose cloth.

    `points` and `normals` say where they are. `open` is the share of their near surroundings that is not hidden;
    `passed` is already darkened by it.
    """

    points: Float[np.ndarray, "pixel 3"]
    normals: Float[np.ndarray, "pixel 3"]
    direct: Float[np.ndarray, "pixel 3"]
    passed: Float[np.ndarray, "pixel 3"]
    open: Float[np.ndarray, "pixel"]


@dataclass
class PeopleLight:
    """Asks for people's shadows in one picture after the other; what depends only on the room is kept."""

    view: RoomView
    room: RoomPicture
    field: LightField
    seed: int
    _balls: dict[int, Balls] = attribute(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        height, width = self.room.shown.shape
        self._stride = next(stride for rows, stride in _STRIDES if height <= rows)
        coarse = np.s_[:: self._stride, :: self._stride]
        self._points, self._normals = self.room.points[coarse], self.room.normals[coarse]
        self._noise = dither(height, width)
        shown = self.room.shown[coarse].ravel() & ~self.room.glows[coarse].ravel()
        given = self.room.given[coarse].reshape(len(shown), -1) * shown[:, None]
        flat, flat_normals = self._points.reshape(-1, 3), self._normals.reshape(-1, 3)
        # Every coarse pixel's own pattern: taken from the fine one it would skip steps.
        noise = dither(*self._points.shape[:2])
        light = self.field.light
        self._rays = ShadowRays.towards_patches(flat, flat_normals, given, light, noise, _ROOM_RAYS)
        self._shown = shown
        self._lit = (self.room.shown & ~self.room.glows).ravel()
        place = np.stack(np.divmod(np.arange(height * width), width), axis=1).astype(np.float32) / self._stride
        all_points, all_normals = self.room.points.reshape(-1, 3), self.room.normals.reshape(-1, 3)
        self._spread = [smoothing(self._points, self._normals, step) for step in (1, 2)]
        self._spread.append(enlarging(self._points, self._normals, all_points, all_normals, place))
        # A sunbeam's shadow has sharp edges: it is asked for at every pixel that the sun reaches.
        sunlit = np.where(self.room.glows, 0, self.room.sun).ravel()
        self._sun_rays = ShadowRays.towards_sun(all_points, all_normals, sunlit, light)

    def stand(self, drawn: Drawn, people: PeopleFrame) -> Stand:
        """Stand-ins for everybody and every cloth of one moment."""
        balls, casters, enclosing = [], [], []
        for instance, caster in drawn.casters.items():
            person = instance - PERSON_BASE
            if person < 0:
                continue
            vertices = people.vertices[person]
            if person not in self._balls:
                self._balls[person] = Balls.of(vertices, people.topology.vertex_part)
            balls.append((self._balls[person].centers(vertices), self._balls[person].radius))
            casters.append(caster)
            enclosing.append(enclose(vertices))
        return Stand(balls, casters, enclosing)

    def on_room(self, stand: Stand) -> Influence:
        """Where people darken the room, and how much; pixels that are not named keep their light exactly."""
        lamps = 1 - self._rays.blocked(stand.casters, stand.enclosing)
        near = np.ones(len(lamps), np.float32)
        flat, flat_normals = self._points.reshape(-1, 3), self._normals.reshape(-1, 3)
        for centers, radius in stand.balls:
            low, high = centers.min(axis=0) - OCCLUSION_REACH, centers.max(axis=0) + OCCLUSION_REACH
            chosen = np.flatnonzero(_in_box(flat, low, high) & self._shown)
            near[chosen] *= people_openness(flat[chosen], flat_normals[chosen], centers, radius) ** _DEEPER
        # Darkness rather than light is spread: where there is none, nothing changes, not even by rounding.
        dark = np.stack([1 - lamps, 1 - near], axis=-1)
        for matrix in self._spread:
            dark = matrix @ dark
        pixel = np.flatnonzero((np.maximum(dark[:, 0], dark[:, 1]) > _UNSEEN) & self._lit)
        values = 1 - dark[pixel]
        sun_blocked = self._sun_rays.blocked(stand.casters, stand.enclosing)
        shaded = np.flatnonzero(sun_blocked > 0)
        every = np.union1d(pixel, shaded)
        result = np.ones((len(every), 2), np.float32)
        result[np.searchsorted(every, pixel)] = values
        return Influence(every, result[:, 0], 1 - sun_blocked[every], result[:, 1])

    def on_people(self, drawn: Drawn, moving: Bool[np.ndarray, "height width"], stand: Stand) -> LightOnPeople:
        """Light on all pixels that show something that moves, in the order of `np.flatnonzero(moving)`."""
        pixel = np.flatnonzero(moving)
        depth = drawn.buffer.depth.ravel()[pixel]
        normals = drawn.buffer.normal.reshape(-1, 3)[pixel].astype(np.float32)
        points = self.view.camera.eye.astype(np.float32) + depth[:, None] * self.view.rays.reshape(-1, 3)[pixel]
        points = points.astype(np.float32)
        noise = self._noise[pixel]
        direct, given = self.field.direct(points + 0.05 * normals, normals)
        rays = ShadowRays.towards_patches(points, normals, given, self.field.light, noise, _SELF_RAYS, lift=_SKIN_LIFT)
        lamps = 1 - rays.blocked(stand.casters, stand.enclosing)
        near = openness(self.view.caster, points + 0.01 * normals, normals, noise[:, 1], rays=_SELF_OCCLUSION_RAYS)
        if not len(pixel):
            return LightOnPeople(points, normals, direct, direct, near)
        smoothed = _smooth_pixels(np.stack([lamps, near], axis=-1), moving, points, normals)
        lamps, near = smoothed[:, 0], smoothed[:, 1]
        for centers, radius in stand.balls:
            low, high = centers.min(axis=0) - OCCLUSION_REACH, centers.max(axis=0) + OCCLUSION_REACH
            close = np.flatnonzero(_in_box(points, low, high))
            near[close] *= people_openness(points[close], normals[close], centers, radius)
        direct *= lamps[:, None]
        light = self.field.light
        if light.sun.any():
            sun = sun_seen(self.view.caster, points, normals, light)
            if sun.any():
                beams = ShadowRays.towards_sun(points, normals, sun, light, lift=_SKIN_LIFT)
                sun *= 1 - beams.blocked(stand.casters, stand.enclosing)
                direct += sun[:, None] * self.room.sunlight
        passed = self.field.passed_on(points + 0.12 * normals, normals) * near[:, None]
        return LightOnPeople(points, normals, direct, passed, near)


def enclose(vertices: Float[np.ndarray, "vertex 3"]) -> tuple[Float[np.ndarray, "ball 3"], Float[np.ndarray, "ball"]]:
    """A few balls that hold all vertices: the body cut across its longest side, one ball around each slab."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    axis = int(np.argmax(high - low))
    along = (vertices[:, axis] - low[axis]) / max(float(high[axis] - low[axis]), 1e-6)
    slab = np.minimum((along * _SLABS).astype(np.int64), _SLABS - 1)
    centers, radius = [], []
    for index in range(_SLABS):
        mine = vertices[slab == index]
        if len(mine):
            center = (mine.min(axis=0) + mine.max(axis=0)) / 2
            centers.append(center)
            # Triangles reach a little beyond a slab's own vertices.
            radius.append(float(np.sqrt(((mine - center) ** 2).sum(axis=1).max())) + 0.04)
    return np.array(centers, np.float32), np.array(radius, np.float32)


def _in_box(
    points: Float[np.ndarray, "point 3"], low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"]
) -> Bool[np.ndarray, "point"]:
    inside = np.ones(len(points), bool)
    for axis in range(3):
        inside &= (points[:, axis] > low[axis]) & (points[:, axis] < high[axis])
    return inside


def _window(mask: Bool[np.ndarray, "rows columns"], margin: int) -> tuple[slice, slice]:
    """Smallest window that holds the mask, with a margin."""
    down, right = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, int(down[0]) - margin), int(down[-1]) + margin + 1),
        slice(max(0, int(right[0]) - margin), int(right[-1]) + margin + 1),
    )


def _smooth_pixels(
    values: Float[np.ndarray, "pixel channel"],
    mask: Bool[np.ndarray, "height width"],
    points: Float[np.ndarray, "pixel 3"],
    normals: Float[np.ndarray, "pixel 3"],
) -> Float[np.ndarray, "pixel channel"]:
    """`smooth` for a list of pixels: laid out in the window that holds them, smoothed, read back."""
    window = _window(mask, 0)
    inside = mask[window]

    def lay(rows: np.ndarray) -> np.ndarray:
        grid = np.zeros((*inside.shape, rows.shape[1]), np.float32)
        grid[inside] = rows
        return grid

    return smooth(lay(values), lay(points), lay(normals), steps=(1, 2))[inside]
