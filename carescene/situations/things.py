"""Which thing of a room is meant, where one sits, lies or stands at it; refusals name the line."""

import math
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
from jaxtyping import Bool, Float

from carescene.scenes.footprint import Footprint, footprint, rectangle_distance
from carescene.scenes.furniture import bed_surface, seat_surface
from carescene.scenes.scene import KINDS, Scene, SceneObject, object_to_world
from carescene.scenes.walkable import WalkGrid, door_spot, reachable, walkable_grid
from carescene.situations.consistency import refuse_at
from carescene.situations.situation import Situation

# From the pelvis joint down to the skin, as `carescene.scenes.resting` measured it on recorded people.
_LYING_M: Final = 0.10
_SITTING_M: Final = 0.12
# From the pelvis of somebody who sits in to the edge of a bed, and forward from a backrest.
_FROM_EDGE_M: Final = 0.22
_TO_BACKREST_M: Final = 0.18


@dataclass(frozen=True)
class Spot:
    """Where the pelvis is and where the person faces.

    Attributes:
        x, y: on the floor plan, metres.
        z: height of the pelvis joint, metres; None where the body decides.
        facing: angle between world +y and the direction faced, radians, positive to the left; of somebody who lies,
            the direction from head to feet.
        thing: id of what carries the person, if anything does.
        pose: lying or sitting on that thing; or standing, for who is to face that way at that time.
    """

    x: float | int
    y: float | int
    z: float | int | None = None
    facing: float | int | None = None
    thing: str | None = None
    pose: str | None = None


class Room:
    """A scene with what finding places in it needs, computed once."""

    def __init__(self, scene: Scene, situation: Situation) -> None:
        self.scene = scene
        self.situation = situation
        self._grids: dict[float, WalkGrid] = {}

    def grid(self, radius_m: float | int) -> WalkGrid:
        """Where a disc of this radius fits."""
        if radius_m not in self._grids:
            self._grids[radius_m] = walkable_grid(self.scene, radius_m)
        return self._grids[radius_m]

    def refuse(self, path: str, expected: str, got: str, advice: str) -> NoReturn:
        """Raise a UserError that names the line of this part of the situation."""
        refuse_at(self.situation, path, expected, got, advice)

    def things(self, name: str, path: str) -> list[SceneObject]:
        """All things of a kind, or the one of an id.

        Raises:
            UserError: if the room has none; tells what it has.
        """
        kind = name if name in KINDS else None
        found = [thing for thing in self.scene.objects if name in (thing.kind, thing.id)]
        if not found:
            has = sorted({thing.kind if kind else thing.id for thing in self.scene.objects})
            word = f"a {name}" if kind else f"a thing called '{name}'"
            self.refuse(
                path,
                f"{word} in room '{self.scene.id}'",
                f"a room with {', '.join(has) if has else 'nothing in it'}",
                "choose another room or another thing",
            )
        return found

    def door(self, name: str, path: str) -> SceneObject:
        """The door that is meant; the first one for `door`."""
        return self.things(name, path)[0]

    def from_door(self, radius_m: float | int) -> Bool[np.ndarray, "row column"]:
        """Cells that somebody of this radius can walk to from any door; all free ones in a room without doors."""
        grid = self.grid(radius_m)
        doors = self.scene.of_kind("door")
        if not doors:
            return grid.free
        found = np.zeros_like(grid.free)
        for door in doors:
            found |= reachable(grid, door_spot(door))
        return found

    def floor(
        self,
        radius_m: float | int,
        near: SceneObject | None = None,
        side: str | None = None,
        within_m: float | int = 0.7,
    ) -> Float[np.ndarray, "spot 2"]:
        """Free places that can be walked to, near a thing and on one of its sides if asked."""
        grid = self.grid(radius_m)
        points = grid.points()[self.from_door(radius_m)]
        if near is None:
            return points
        part = footprint(near)
        close = rectangle_distance(points, part) <= within_m
        return points[close & on_side(points, part, side)]


def on_side(points: Float[np.ndarray, "spot 2"], part: Footprint, side: str | None) -> Bool[np.ndarray, "spot"]:
    """Whether points are beside the left (-x) or right (+x) of a thing, past its edge; all are for None."""
    if side is None:
        return np.ones(len(points), dtype=bool)
    across = (points - [part.x, part.y]) @ part.axes[0]
    return across < -part.half_x if side == "left" else across > part.half_x


def lying_spot(bed: SceneObject) -> Spot:
    """Where the pelvis of somebody is who lies on a bed or recliner with the head on the pillow."""
    if bed.kind != "bed":
        seat = seat_spot(bed)
        return Spot(seat.x, seat.y, seat.z, seat.facing, bed.id, "sitting")
    surface = bed_surface(bed)
    x, y = footprint(bed).world(0.0, float(surface.hinge[1]) + 0.04)
    return Spot(x, y, surface.height + _LYING_M, bed.yaw, bed.id, "lying")


def edge_spot(bed: SceneObject, side: str) -> Spot:
    """Where the pelvis of somebody is who sits on a side of a bed, feet on the floor."""
    seat = seat_surface(bed, "left" if side == "left" else "right")
    sign = 1.0 if side == "right" else -1.0
    x, y = footprint(bed).world(float(seat.front[0]) - sign * _FROM_EDGE_M, float(seat.front[1]))
    # The bed's own +x is a quarter turn to the right of its +y.
    return Spot(x, y, seat.height + _SITTING_M, wrapped(bed.yaw - sign * math.pi / 2), bed.id, "sitting")


def seat_spot(thing: SceneObject) -> Spot:
    """Where the pelvis of somebody is who sits on a chair, recliner, wheelchair or toilet."""
    seat = seat_surface(thing)
    ahead = float(seat.front[1]) - seat.depth + min(_TO_BACKREST_M, seat.depth - 0.1)
    x, y, _ = object_to_world(thing, (0.0, ahead, 0.0))
    return Spot(x, y, seat.height + _SITTING_M, thing.yaw, thing.id, "sitting")


def beside_spot(bed: SceneObject, side: str, off_m: float | int = 0.35) -> Spot:
    """Where somebody stands who has just got up from a side of a bed, `off_m` from its edge."""
    edge = edge_spot(bed, side)
    x, y = np.array([edge.x, edge.y]) + (_FROM_EDGE_M + off_m) * direction(edge.facing or 0.0)
    return Spot(float(x), float(y), None, edge.facing)


def direction(facing: float | int) -> Float[np.ndarray, "2"]:
    """Unit vector of a facing angle (0 is world +y, positive to the left)."""
    return np.array([-math.sin(facing), math.cos(facing)])


def facing_of(vector: Float[np.ndarray, "2"]) -> float:
    """Facing angle of a vector on the floor; the inverse of `direction`."""
    return math.atan2(-float(vector[0]), float(vector[1]))


def wrapped(angle: float | int) -> float:
    """The same angle within a half turn to either side."""
    return math.remainder(angle, 2 * math.pi)
