"""What carries people: the floor, mattresses and seats as boxes that skin may sink into a little."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.scenes.furniture import bed_surface, seat_surface
from carescene.scenes.scene import SceneObject, object_to_world

# How far skin gives way before it counts, metres: flesh on a floor, foam under a body.
FLOOR_GIVES: Final = 0.003
FOAM_GIVES: Final = 0.008
# Deeper than anybody sinks, so that the nearest way out of a mattress is never its underside.
_MATTRESS_DEEP: Final = 0.34
# Across and along the bed; heads and shoulders press a pillow to half of its height.
_PILLOW_SIZE: Final = (0.60, 0.36)
PILLOW_GIVES: Final = 0.05
_SEAT_DEEP: Final = 0.16
_BACK_THICK: Final = 0.20


@dataclass(frozen=True)
class Surface:
    """A box (or the half space below z = 0 without `size`) that skin enters by `gives` metres and no more.

    `rotation` columns are the box's axes in the world; `size` are its full lengths.
    """

    gives: float
    center: Float[np.ndarray, "3"]
    rotation: Float[np.ndarray, "3 3"]
    size: Float[np.ndarray, "3"] | None


def floor() -> Surface:
    """The floor z = 0."""
    return Surface(FLOOR_GIVES, np.zeros(3), np.eye(3), None)


def penetration(
    surface: Surface, points: Float[np.ndarray, "*batch 3"]
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch 3"]]:
    """How much deeper than `gives` points are (0 outside), metres, and the direction of the nearest way out."""
    if surface.size is None:
        depth = -points[..., 2] - surface.gives
        return np.maximum(depth, 0), np.broadcast_to(np.array([0.0, 0.0, 1.0]), points.shape)
    local = (points - surface.center) @ surface.rotation
    inside = surface.size / 2 - np.abs(local)
    axis = inside.argmin(axis=-1)
    depth = np.take_along_axis(inside, axis[..., None], axis=-1)[..., 0] - surface.gives
    sign = np.sign(np.take_along_axis(local, axis[..., None], axis=-1))
    normal = surface.rotation.T[axis] * np.where(sign == 0, 1.0, sign)
    return np.maximum(depth, 0), normal


def surfaces_of(things: list[SceneObject]) -> list[Surface]:
    """The floor and the lying and sitting surfaces of furniture, in the world."""
    found = [floor()]
    for thing in things:
        turn = Rotation.from_euler("z", thing.yaw).as_matrix()
        if thing.kind == "bed":
            found += _bed(thing, turn)
        elif thing.kind in ("chair", "recliner", "wheelchair", "toilet"):
            found += _seat(thing, turn)
    return found


def _box(
    thing: SceneObject, turn: np.ndarray, at: np.ndarray, size: tuple[float, float, float], tilt: float | int = 0.0
):
    center = np.array(object_to_world(thing, (float(at[0]), float(at[1]), float(at[2]))))
    rotation = turn @ Rotation.from_euler("x", tilt).as_matrix()
    return Surface(FOAM_GIVES, center, rotation, np.array(size))


def _bed(thing: SceneObject, turn: np.ndarray) -> list[Surface]:
    bed = bed_surface(thing)
    long = float(bed.foot[1] - bed.hinge[1])
    middle = (bed.foot + bed.hinge) / 2 - np.array([0.0, 0.0, _MATTRESS_DEEP / 2])
    flat = _box(thing, turn, middle, (bed.width, long, _MATTRESS_DEEP))
    along = bed.head - bed.hinge
    reach = float(np.linalg.norm(along))
    _, normal = bed.at(bed.length)
    back = (bed.head + bed.hinge) / 2 - normal * _MATTRESS_DEEP / 2
    pieces = [flat, _box(thing, turn, back, (bed.width, reach, _MATTRESS_DEEP), -bed.head_angle)]
    if bed.pillow is not None:
        # As deep as the mattress, so that the way out of it is upwards.
        wide, long = _PILLOW_SIZE
        middle = bed.pillow - normal * _MATTRESS_DEEP / 2
        pillow = _box(thing, turn, middle, (wide, long, _MATTRESS_DEEP), -bed.head_angle)
        pieces.append(replace(pillow, gives=PILLOW_GIVES))
    return pieces


def _seat(thing: SceneObject, turn: np.ndarray) -> list[Surface]:
    seat = seat_surface(thing)
    middle = seat.front - np.array([0.0, seat.depth / 2, _SEAT_DEEP / 2])
    pieces = [_box(thing, turn, middle, (seat.width, seat.depth, _SEAT_DEEP))]
    lean = np.radians({"chair": 10.0, "recliner": 12.0, "wheelchair": 0.0, "toilet": 6.0}[thing.kind])
    tall = min(thing.size[2] - seat.height - 0.05, 0.5)
    if tall > 0.1:
        foot = seat.front - np.array([0.0, seat.depth + 0.0, 0.0])
        up = np.array([0.0, -np.sin(lean), np.cos(lean)])
        out = np.array([0.0, np.cos(lean), np.sin(lean)])
        at = foot + up * (0.05 + tall / 2) - out * (_BACK_THICK / 2 - 0.02)
        pieces.append(_box(thing, turn, at, (seat.width, _BACK_THICK, tall), float(lean)))
    return pieces
