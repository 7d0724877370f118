"""Where somebody sits: on chairs, recliners, wheelchairs, toilets, and on the edge of a bed."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError
from carescene.scenes.furniture.bathroom import ToiletParameters, toilet_bowl
from carescene.scenes.furniture.bed import bed_surface
from carescene.scenes.furniture.parameters import read_parameters
from carescene.scenes.furniture.seating import (
    ChairParameters,
    ReclinerParameters,
    WheelchairParameters,
    chair_seat,
    recliner_reach,
    wheelchair_seat,
)
from carescene.scenes.scene import SceneObject

SEATS: Final = ("chair", "recliner", "wheelchair", "toilet", "bed")
Side = Literal["front", "left", "right"]


@dataclass(frozen=True)
class SeatSurface:
    """The top of a seat in the object's own frame (origin in the middle of its box), metres.

    Attributes:
        height: above the floor.
        width, depth: across, and from the front edge to the backrest (or to the middle of a bed).
        front: middle of the front edge.
        facing: unit vector in which somebody sitting there looks.
    """

    height: float
    width: float
    depth: float
    front: Float[np.ndarray, "3"]
    facing: Float[np.ndarray, "3"]


def seat_surface(thing: SceneObject, side: Side = "front") -> SeatSurface:
    """The seat of a chair, recliner, wheelchair or toilet; of a bed the edge on its `left` (-x) or `right` (+x) side.

    Raises:
        UserError: for things without a seat, a bed without a side, or parameters out of range.
    """
    if thing.kind not in SEATS:
        raise UserError(
            f"Expected object '{thing.id}' to be one of {', '.join(SEATS)}, but got a {thing.kind}. "
            "Nobody can sit on it. Choose another object."
        )
    if (thing.kind == "bed") == (side == "front"):
        raise UserError(
            f"Expected the side of '{thing.id}' ({thing.kind}) to be left or right for a bed and front for others, "
            f"but got '{side}'. Choose the matching side."
        )
    floor = -thing.size[2] / 2
    if thing.kind == "bed":
        bed = bed_surface(thing)
        sign = 1.0 if side == "right" else -1.0
        # Between the hip hinge and the foot end, in front of the rails of the head half.
        middle = (bed.hinge[1] + bed.foot[1]) / 2
        front = np.array([sign * bed.width / 2, middle, floor + bed.height])
        return SeatSurface(
            bed.height, float(bed.foot[1] - bed.hinge[1]), bed.width / 2, front, np.array([sign, 0.0, 0.0])
        )
    height, width, depth, edge = _seat(thing)
    front = np.array([0.0, edge, floor + height])
    return SeatSurface(height, width, depth, front, np.array([0.0, 1.0, 0.0]))


def _seat(thing: SceneObject) -> tuple[float, float, float, float]:
    """Height, width, depth of the seat and where along y its front edge lies, metres."""
    if thing.kind == "chair":
        chair = read_parameters(ChairParameters, thing)
        return chair.seat_height_m, thing.size[0] - 0.11, *chair_seat(thing.size)
    if thing.kind == "recliner":
        recliner = read_parameters(ReclinerParameters, thing)
        back, front = recliner_reach(recliner)
        edge = thing.size[1] / 2 - front
        return recliner.seat_height_m, thing.size[0] - 0.20, edge + thing.size[1] / 2 - back, edge
    if thing.kind == "wheelchair":
        return read_parameters(WheelchairParameters, thing).seat_height_m, *wheelchair_seat(thing.size)
    toilet = read_parameters(ToiletParameters, thing)
    return toilet.seat_height_m, 0.36, *toilet_bowl(thing.size)
