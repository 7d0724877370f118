"""The floor plan of a room from its vectors: a rectangle, less the corners that walls fill."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from carescene.scenes import SceneObject
from diffusion.room_things import is_present, is_room, kind_of, plain_thing
from diffusion.world import KIND, PRESENT

Point = tuple[float, float]

# The smallest room that a door and a person fit into, and the longest corridor; metres.
_SIDES_M: Final = (2.0, 30.0)
_HEIGHTS_M: Final = (2.3, 3.6)
_HEIGHT_M: Final = 2.7
# Room around things when no slot holds the room itself.
_AROUND_M: Final = 1.5
# Free floor around everybody's pelvis.
_AROUND_PEOPLE_M: Final = 0.45
# A wall that fills a corner: at least this thick both ways, this near to both walls, this much of the height.
_CORNER_M: Final = 0.5
_TOUCH_M: Final = 0.15
_OF_HEIGHT: Final = 0.9
# What must remain of a side beside its corners: a door.
_LEFT_OVER_M: Final = 1.3


@dataclass(frozen=True)
class Plan:
    """A rectangle in the frame of the vectors, and the polygon in the rectangle's own frame (middle, turned), metres.

    Attributes:
        center, yaw: of the rectangle, radians.
        polygon: counter-clockwise corners in the rectangle's own frame.
        height: of the ceiling.
        used: slots of walls that became corners.
        changes: what was not taken as it came.
    """

    center: Point
    yaw: float
    polygon: list[Point]
    height: float
    used: frozenset[int]
    changes: list[str]

    def inwards(self, thing: SceneObject) -> SceneObject:
        """A thing of the vectors' frame in the rectangle's own."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        x, y = thing.center[0] - self.center[0], thing.center[1] - self.center[1]
        center = (cos * x + sin * y, cos * y - sin * x, thing.center[2])
        return SceneObject(thing.id, thing.kind, center, thing.size, self._wrapped(thing.yaw - self.yaw), thing.params)

    def outwards(self, thing: SceneObject) -> SceneObject:
        """The inverse of `inwards`."""
        x, y = self.out(thing.center[:2])
        center = (x, y, thing.center[2])
        return SceneObject(thing.id, thing.kind, center, thing.size, self._wrapped(thing.yaw + self.yaw), thing.params)

    def out(self, point: Point) -> Point:
        """A point of the rectangle's own frame in the vectors' frame."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        x, y = point
        return self.center[0] + cos * x - sin * y, self.center[1] + sin * x + cos * y

    @staticmethod
    def _wrapped(yaw: float) -> float:
        return math.remainder(yaw, 2 * math.pi)


def plan_of(objects: Float[Tensor, "object 28"], paths: Float[np.ndarray, "point 2"] | None = None) -> Plan:
    """The floor plan that the vectors of a room say, brought to a size that can be furnished.

    Args:
        objects: vectors of one room.
        paths: points that must lie inside with some floor around them, metres; the rectangle grows to hold them.
    """
    changes: list[str] = []
    rooms = [at for at, vector in enumerate(objects) if is_room(vector)]
    if rooms:
        best = max(rooms, key=lambda at: float(objects[at, PRESENT] * objects[at, KIND.start]))
        room = plain_thing(objects[best], "room")
        center, yaw, height = room.center[:2], room.yaw, room.size[2]
        low, high = np.array([-room.size[0], -room.size[1]]) / 2, np.array([room.size[0], room.size[1]]) / 2
    else:
        center, yaw, height, low, high = _around(objects)
        changes.append("room: none among the vectors, made around the things")
    asked = np.concatenate([low, high])
    if paths is not None and len(paths):
        cos, sin = math.cos(yaw), math.sin(yaw)
        local = (paths - np.array(center)) @ np.array([[cos, -sin], [sin, cos]])
        low = np.minimum(low, local.min(0) - _AROUND_PEOPLE_M)
        high = np.maximum(high, local.max(0) + _AROUND_PEOPLE_M)
    middle = (low + high) / 2
    sides = np.clip(high - low, *_SIDES_M)
    if np.abs(np.concatenate([middle - sides / 2, middle + sides / 2]) - asked).max() > 0.01:
        changes.append(
            f"room: {asked[2] - asked[0]:.2f} x {asked[3] - asked[1]:.2f} m to {sides[0]:.2f} x {sides[1]:.2f}"
        )
    limited = min(max(height, _HEIGHTS_M[0]), _HEIGHTS_M[1])
    if abs(limited - height) > 0.01:
        changes.append(f"room: ceiling {height:.2f} to {limited:.2f} m")
    plan = Plan(center, yaw, [], limited, frozenset(), changes)
    plan = Plan(plan.out((float(middle[0]), float(middle[1]))), yaw, [], limited, frozenset(), changes)
    polygon, used = _cut(plan, objects, float(sides[0]), float(sides[1]))
    return Plan(plan.center, yaw, polygon, limited, frozenset(used), changes)


def _around(objects: Tensor) -> tuple[Point, float, float, np.ndarray, np.ndarray]:
    things = [plain_thing(vector, "thing") for vector in objects if is_present(vector)]
    spots = np.array([thing.center[:2] for thing in things]) if things else np.zeros((1, 2))
    # Turned like the largest thing: beds and cabinets stand along walls.
    yaw = max(things, key=lambda thing: thing.size[0] * thing.size[1]).yaw if things else 0.0
    yaw = math.remainder(yaw, math.pi / 2)
    cos, sin = math.cos(yaw), math.sin(yaw)
    local = spots @ np.array([[cos, -sin], [sin, cos]])
    return (0.0, 0.0), yaw, _HEIGHT_M, local.min(0) - _AROUND_M, local.max(0) + _AROUND_M


def _cut(plan: Plan, objects: Tensor, width: float, depth: float) -> tuple[list[Point], set[int]]:
    """The rectangle's corners, each one or three points where a wall fills it, counter-clockwise from lower left."""
    cuts: dict[Point, tuple[float, float, int]] = {}
    for at, vector in enumerate(objects):
        if not is_present(vector) or kind_of(vector) != "wall":
            continue
        wall = plan.inwards(plain_thing(vector, "wall"))
        turn = round(wall.yaw / (math.pi / 2))
        size = wall.size[:2] if turn % 2 == 0 else (wall.size[1], wall.size[0])
        aligned = abs(wall.yaw - turn * math.pi / 2) < math.radians(8)
        if not aligned or min(size) < _CORNER_M or wall.size[2] < _OF_HEIGHT * plan.height:
            continue
        sign = (math.copysign(1.0, wall.center[0]), math.copysign(1.0, wall.center[1]))
        gaps = [
            abs(half - (s * middle + extent / 2))
            for half, s, middle, extent in zip((width / 2, depth / 2), sign, wall.center, size, strict=False)
        ]
        if max(gaps) > _TOUCH_M or sign in cuts:
            continue
        # From the wall's inner faces to the corner.
        inner = [
            half - (s * middle - extent / 2)
            for half, s, middle, extent in zip((width / 2, depth / 2), sign, wall.center, size, strict=False)
        ]
        beside = cuts.get((-sign[0], sign[1]), (0.0, 0.0, 0))[0], cuts.get((sign[0], -sign[1]), (0.0, 0.0, 0))[1]
        if inner[0] + beside[0] > width - _LEFT_OVER_M or inner[1] + beside[1] > depth - _LEFT_OVER_M:
            continue
        cuts[sign] = (inner[0], inner[1], at)
    polygon: list[Point] = []
    for sign in ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)):
        x, y = sign[0] * width / 2, sign[1] * depth / 2
        if sign not in cuts:
            polygon.append((x, y))
            continue
        wide, deep, _ = cuts[sign]
        along, inside, across = (
            (x, y - sign[1] * deep),
            (x - sign[0] * wide, y - sign[1] * deep),
            (x - sign[0] * wide, y),
        )
        # Counter-clockwise the first point of a corner lies on the side that comes before it.
        polygon += [along, inside, across] if sign[0] * sign[1] > 0 else [across, inside, along]
    return polygon, {at for _, _, at in cuts.values()}
