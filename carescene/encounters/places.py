"""Where in a room somebody is, in words: beside the bed, at the door, between the bed and the cabinet."""

import math
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.scenes.footprint import footprint, rectangle_distance
from carescene.scenes.scene import Scene, SceneObject

_NAMES: Final = {
    "bed": "bed",
    "cabinet": "cabinet",
    "chair": "chair",
    "recliner": "recliner",
    "wheelchair": "wheelchair",
    "table": "table",
    "toilet": "toilet",
    "basin": "basin",
    "walker": "walker",
    "overbed_table": "overbed table",
    "window": "window",
    "door": "door",
}
# How near (metres, to the thing's box) one must be to speak of being beside it; small things are not landmarks.
_BESIDE_M: Final = {"bed": 0.75, "door": 0.9, "window": 0.8, "toilet": 0.6, "basin": 0.6, "table": 0.6}
_OTHER_M: Final = 0.45
_BETWEEN_M: Final = 0.8
_ROOMS: Final = {"bathroom": "in the bathroom", "corridor": "in the corridor", "day_room": "in the day room"}


def place_words(scene: Scene, spot: Float[np.ndarray, "2"], lies_on: str | None = None) -> str:
    """A phrase for a place on the floor, such as "between the bed and the cabinet".

    Args:
        scene: the room.
        spot: metres.
        lies_on: kind of the thing that carries the person, if one does: "in bed", "on a chair".
    """
    if lies_on == "bed":
        return "in bed"
    if lies_on is not None:
        return f"on the {_NAMES.get(lies_on, lies_on)}"
    near = nearest_things(scene, spot)
    if len(near) > 1 and {near[0][1].kind, near[1][1].kind} & {"bed"} and near[1][0] < _BETWEEN_M:
        first, second = near[0][1], near[1][1]
        if first.kind != second.kind and _between(spot, first, second):
            bed, other = (first, second) if first.kind == "bed" else (second, first)
            return f"between the {_NAMES[bed.kind]} and the {_NAMES[other.kind]}"
    if near and near[0][0] < _BESIDE_M.get(near[0][1].kind, _OTHER_M):
        thing = near[0][1]
        if thing.kind == "bed":
            return bed_words(thing, spot)
        return f"{'at' if thing.kind in ('door', 'window') else 'beside'} the {_NAMES[thing.kind]}"
    return _ROOMS.get(scene.preset or "", "in the middle of the room")


def bed_words(bed: SceneObject, spot: Float[np.ndarray, "2"]) -> str:
    """Where beside a bed a place is: at its foot, or on its left or right as seen by who lies in it."""
    local = (spot - np.array(bed.center[:2])) @ footprint(bed).axes.T
    if local[1] > bed.size[1] / 2 and abs(local[0]) < bed.size[0] / 2 + 0.1:
        return "at the foot of the bed"
    # Who lies on the back has the bed's own -x on the left.
    return f"beside the bed, on its {bed_side(bed, spot)}"


def bed_side(bed: SceneObject, spot: Float[np.ndarray, "2"]) -> str:
    """The side of a bed that a place is on, "left" or "right" as seen by who lies in it on the back."""
    local = (spot - np.array(bed.center[:2])) @ footprint(bed).axes.T
    return "left" if local[0] < 0 else "right"


def nearest_things(scene: Scene, spot: Float[np.ndarray, "2"]) -> list[tuple[float, SceneObject]]:
    """Things that can be named, with their distance in metres from a place, nearest first."""
    found = [
        (float(rectangle_distance(spot[None], footprint(thing))[0]), thing)
        for thing in scene.objects
        if thing.kind in _NAMES
    ]
    return sorted(found, key=lambda each: each[0])


def _between(spot: np.ndarray, first: SceneObject, second: SceneObject) -> bool:
    """Whether two things lie in more or less opposite directions from a place."""
    ways = []
    for thing in (first, second):
        part = footprint(thing)
        local = (spot - [part.x, part.y]) @ part.axes.T
        nearest = np.array(part.world(*np.clip(local, [-part.half_x, -part.half_y], [part.half_x, part.half_y])))
        ways.append(math.atan2(*(nearest - spot)[::-1]))
    return abs(math.remainder(ways[1] - ways[0], 2 * math.pi)) > math.radians(110)
