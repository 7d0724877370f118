"""Scene: one room and what stands in it, with everything needed to draw it, walk in it and measure in it."""

import math
from dataclasses import dataclass, field
from typing import Final

from carescene.errors import UserError

SCENE_SCHEMA_VERSION: Final = 1

# What a room may hold. `other` is for a user's own mesh, or a plain box. A `wall` here is a partition inside the room;
# the outer walls come from the room's polygon.
KINDS: Final = (
    "bed",
    "cabinet",
    "overbed_table",
    "chair",
    "recliner",
    "wheelchair",
    "walker",
    "iv_pole",
    "curtain",
    "door",
    "window",
    "toilet",
    "basin",
    "table",
    "handrail",
    "wall",
    "other",
)

Parameter = float | int | str | bool


@dataclass
class SceneObject:
    """One thing in a room.

    Its own frame has its origin in the middle of the oriented box, x to its right, y to its front (the side from which
    it is used: a chair's front edge, a bed's foot end, a door's or window's room side), z up. `yaw` turns that frame
    counter-clockwise about the world's z axis, so that at 0 the front looks along world +y.

    Attributes:
        id: unique in its scene, such as "bed-1".
        kind: one of `KINDS`.
        center: middle of the oriented box in the world, metres.
        size: width (x), depth (y) and height (z) of the oriented box, metres.
        yaw: radians.
        params: what the kind's builder understands, such as a bed's `head_angle_deg`.
        mesh: file of a user's own mesh in the object's own frame, in metres; relative to the scene file.
    """

    id: str
    kind: str
    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0
    params: dict[str, Parameter] = field(default_factory=dict)
    mesh: str | None = None


@dataclass
class Scene:
    """One room in the world (metres, z up, floor at z = 0).

    Attributes:
        id: name of the room, unique in a collection.
        polygon: corners of the floor, counter-clockwise seen from above.
        height: of the ceiling, metres.
        objects: furniture, doors, windows, partitions.
        style: colours of this room by material name, linear red, green, blue from 0 to 1; others keep their default.
        preset, seed: how the room was made, if it was generated.
        mesh: file of a user's own mesh of the whole room, in the world's frame; relative to the scene file.
    """

    id: str
    polygon: list[tuple[float, float]]
    height: float = 2.7
    objects: list[SceneObject] = field(default_factory=list)
    style: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    preset: str | None = None
    seed: int | None = None
    mesh: str | None = None

    def of_kind(self, *kinds: str) -> list[SceneObject]:
        """Objects of these kinds, in the scene's order."""
        return [thing for thing in self.objects if thing.kind in kinds]


def area(polygon: list[tuple[float, float]]) -> float:
    """Signed area of a polygon in square metres, positive when its corners run counter-clockwise (shoelace formula)."""
    following = polygon[1:] + polygon[:1]
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(polygon, following, strict=True)) / 2


def object_to_world(thing: SceneObject, point: tuple[float, float, float]) -> tuple[float, float, float]:
    """A point of an object's own frame in the world, metres."""
    x, y, z = point
    cos, sin = math.cos(thing.yaw), math.sin(thing.yaw)
    return thing.center[0] + cos * x - sin * y, thing.center[1] + sin * x + cos * y, thing.center[2] + z


def require(condition: bool, scene: Scene, where: str, expected: str, got: object, advice: str) -> None:
    """Raise a UserError that names the scene and the place in it, unless the condition holds."""
    if not condition:
        raise UserError(f"Scene '{scene.id}': expected {where} to be {expected}, but got {got}. {advice}")
