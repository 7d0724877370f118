"""What is under somebody's pelvis: the mattress of a bed, a seat, or nothing but the floor."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from carescene.scenes.furniture import bed_surface, seat_surface
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.scene_files import scene_from_dict

SEAT_KINDS: Final = ("chair", "recliner", "wheelchair", "toilet")
# The pelvis joint is 10 to 15 cm above what carries somebody who lies or sits; blankets, slouching and a person who is
# just leaving take more, and a soft mattress takes some.
_BELOW_M: Final = 0.05
_ABOVE_BED_M: Final = 0.42
_ABOVE_SEAT_M: Final = 0.30
# Somebody on the very edge of a mattress or seat still sits, with the thighs alone on it.
_EDGE_M: Final = 0.12


class Support(NamedTuple):
    """What carries a pelvis in every frame: a bed, a seat, and the index of that thing in the scene (-1: none)."""

    bed: Bool[np.ndarray, "frame"]
    seat: Bool[np.ndarray, "frame"]
    thing: np.ndarray
    height: Float[np.ndarray, "frame"]


@dataclass(frozen=True)
class _Surface:
    """A rectangle in a thing's own frame: x and y range, and its profile as (y, height over the floor)."""

    index: int
    thing: SceneObject
    is_bed: bool
    low: tuple[float, float]
    high: tuple[float, float]
    profile: tuple[tuple[float, float], ...]

    def tops(self, points: Float[np.ndarray, "*batch 3"], within_m: float = 0.0) -> Float[np.ndarray, "*batch"]:
        """Height of the top over or under points of the world, metres; NaN beside it or nearer to its edge."""
        flat = to_own(self.thing, points)
        top = np.interp(flat[..., 1], [y for y, _ in self.profile], [z for _, z in self.profile])
        low, high = np.array(self.low) + within_m, np.array(self.high) - within_m
        return np.where(((flat > low) & (flat < high)).all(axis=-1), top, np.nan)

    def holds(self, points: Float[np.ndarray, "frame 3"]) -> tuple[np.ndarray, np.ndarray]:
        flat = to_own(self.thing, points)
        top = np.interp(flat[:, 1], [y for y, _ in self.profile], [z for _, z in self.profile])
        inside = ((flat > np.array(self.low) - _EDGE_M) & (flat < np.array(self.high) + _EDGE_M)).all(axis=1)
        above = points[:, 2] - top
        reach = _ABOVE_BED_M if self.is_bed else _ABOVE_SEAT_M
        return inside & (above > -_BELOW_M) & (above < reach), top


@dataclass(frozen=True)
class Carriers:
    """The beds and seats of a room; make it with `Carriers.of`."""

    scene: Scene | None
    surfaces: tuple[_Surface, ...]

    @classmethod
    def of(cls, scene: dict[str, Any] | Scene | None) -> "Carriers":
        """The beds and seats of a scene (as a clip holds it), or of no scene at all.

        Raises:
            UserError: a damaged scene.
        """
        if scene is None:
            return cls(None, ())
        room = scene if isinstance(scene, Scene) else scene_from_dict(scene)
        surfaces = [
            _surface(index, thing)
            for index, thing in enumerate(room.objects)
            if thing.kind in ("bed", *SEAT_KINDS) and thing.mesh is None
        ]
        return cls(room, tuple(surfaces))

    def under(self, points: Float[np.ndarray, "frame 3"]) -> Support:
        """What carries pelvis joints at these places of the world, metres."""
        frames = len(points)
        bed, seat = np.zeros(frames, bool), np.zeros(frames, bool)
        thing, height = np.full(frames, -1), np.zeros(frames)
        for surface in self.surfaces:
            held, top = surface.holds(points)
            held &= thing < 0
            thing[held], height[held] = surface.index, top[held]
            bed |= held & surface.is_bed
            seat |= held & (not surface.is_bed)
        return Support(bed, seat, thing, height)


def to_own(thing: SceneObject, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
    """Places on the floor in a thing's own frame (x to its right, y to its front, from its middle), metres."""
    x, y = points[..., 0] - thing.center[0], points[..., 1] - thing.center[1]
    cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
    return np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1)


def distance_to_box(thing: SceneObject, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
    """Distance on the floor plan from points to the rectangle that a thing covers, metres; 0 above it."""
    outside = np.abs(to_own(thing, points)) - np.array(thing.size[:2]) / 2
    return np.linalg.norm(np.maximum(outside, 0.0), axis=-1)


def _surface(index: int, thing: SceneObject) -> _Surface:
    middle = thing.center[2]
    if thing.kind == "bed":
        bed = bed_surface(thing)
        ends = sorted((float(at[1]), float(at[2]) + middle) for at in (bed.foot, bed.hinge, bed.head))
        half = bed.width / 2
        return _Surface(index, thing, True, (-half, ends[0][0]), (half, ends[-1][0]), tuple(ends))
    seat = seat_surface(thing)
    front = float(seat.front[1])
    low, high = (-seat.width / 2, front - seat.depth), (seat.width / 2, front)
    return _Surface(index, thing, False, low, high, ((front, seat.height),))
