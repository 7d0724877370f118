"""Beds and chairs that carry somebody: set to the height at which the person rests, and where on them the person is."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.scenes.footprint import footprint
from carescene.scenes.furniture import bed_surface, default_object, seat_surface
from carescene.scenes.resting import Resting
from carescene.scenes.scene import Scene, SceneObject

_BED_M: Final = (0.30, 0.80)
_SEATS_M: Final = {"chair": (0.38, 0.56), "recliner": (0.40, 0.58)}
# Below this the trunk lies flat enough for a flat bed.
_FLAT_DEG: Final = 12.0
_HEAD_DEG: Final = 60.0
# From the spine of somebody who sits back to the backrest; never so far forward that the pelvis leaves the seat.
_TO_BACKREST_M: Final = 0.15
_ON_SEAT_M: Final = 0.10
# From the pelvis of somebody who sits on a bed's edge in to that edge.
_FROM_EDGE_M: Final = 0.22


@dataclass(frozen=True)
class CarryingBed:
    """A bed set for somebody, and the height of its mattress, metres."""

    thing: SceneObject
    height: float


def as_bed(bed: SceneObject, rest: Resting, empty: bool) -> CarryingBed:
    """The bed set to how somebody lies on it: height (kept if the person never touches the floor), backrest, rails.

    Args:
        empty: the person gets in or out, so the rails are down.
    """
    params = dict(bed.params)
    if rest.grounded:
        params["mattress_height_m"] = round(min(max(rest.height, _BED_M[0]), _BED_M[1]), 3)
    if rest.kind == "edge":
        params["head_angle_deg"] = 0.0
    else:
        tilt = 0.0 if rest.tilt_deg < _FLAT_DEG else min(rest.tilt_deg, _HEAD_DEG)
        params["head_angle_deg"] = round(tilt, 1)
        # Feet lie where a blanket lies folded on an empty bed.
        params["folded_blanket"] = False
    if empty:
        params["rails"] = "none"
    x, y, _ = bed.center
    set_bed = default_object(
        "bed", bed.id, x=x, y=y, yaw=bed.yaw, size=(bed.size[0], bed.size[1], None), bottom=None, **params
    )
    return CarryingBed(set_bed, bed_surface(set_bed).height)


def bed_places(bed: SceneObject, rest: Resting) -> Iterator[tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]]:
    """Where the pelvis may be on a bed (seen from above) and where the person's front points; best first."""
    part, surface = footprint(bed), bed_surface(bed)
    ahead = np.array([-math.sin(bed.yaw), math.cos(bed.yaw)])
    aside = np.array([math.cos(bed.yaw), math.sin(bed.yaw)])
    if rest.kind == "lie":
        for along in (0.04, -0.06, 0.14):
            for across in (0.0, 0.1, -0.1, 0.2, -0.2):
                for turn in (0.0, 0.1, -0.1):
                    yield np.array(part.world(across, float(surface.hinge[1]) + along)), _turned(ahead, turn)
        return
    for sign in (1.0, -1.0):
        edge = seat_surface(bed, "right" if sign > 0 else "left").front
        for along in (0.0, -0.2, 0.2, 0.4):
            for turn in (0.0, 0.2, -0.2):
                place = part.world(float(edge[0]) - sign * _FROM_EDGE_M, float(edge[1]) + along)
                yield np.array(place), _turned(sign * aside, turn)


def seat_places(scene: Scene, seats: list[Resting], rng: np.random.Generator) -> tuple[list[str], list[SceneObject]]:
    """A chair for each place where somebody sits, in the clip's own frame, and which of the room's chairs they are.

    Chairs of the room are used as long as there are some; then chairs are brought in.
    """
    there = [thing for thing in scene.of_kind("chair", "recliner") if thing.mesh is None]
    order = [there[number] for number in rng.permutation(len(there))]
    names = {thing.id for thing in scene.objects}
    taken, chairs = [], []
    for rest in seats:
        fitting = [thing for thing in order if thing.id not in taken and _could_carry(thing, rest)]
        if fitting:
            name, kind, params = fitting[0].id, fitting[0].kind, dict(fitting[0].params)
            taken.append(name)
        else:
            kind, params = "chair", {}
            name = next(f"chair-{number}" for number in range(1, 1000) if f"chair-{number}" not in names)
            names.add(name)
        chairs.append(_under(rest, kind, name, params))
    return taken, chairs


def _could_carry(thing: SceneObject, rest: Resting) -> bool:
    low, high = _SEATS_M[thing.kind]
    return low - 0.02 <= rest.height <= high + 0.02


def _under(rest: Resting, kind: str, name: str, params: dict) -> SceneObject:
    low, high = _SEATS_M[kind]
    params["seat_height_m"] = round(min(max(rest.height, low), high), 3)
    if kind == "chair":
        # Recorded elbows and hands know nothing of arm rests.
        params["arms"] = False
    yaw = math.atan2(-rest.front[0], rest.front[1])
    chair = default_object(kind, name, x=0.0, y=0.0, yaw=yaw, **params)
    seat = seat_surface(chair)
    # Place the pelvis in front of the backrest; the chair's own frame lies around its box's middle.
    from_back = min(_TO_BACKREST_M + rest.behind, seat.depth - _ON_SEAT_M)
    from_middle = float(seat.front[1]) - seat.depth + from_back
    x, y = rest.at - from_middle * rest.front
    return default_object(kind, name, x=float(x), y=float(y), yaw=yaw, **params)


def _turned(direction: Float[np.ndarray, "2"], angle: float) -> Float[np.ndarray, "2"]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([cos * direction[0] - sin * direction[1], sin * direction[0] + cos * direction[1]])
