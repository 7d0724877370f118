"""From vectors back to a room that can exist: everything inside the walls, nothing inside anything, and ways to walk.

A sample is close to a room, not a room: a chair two centimetres in the wall, a door beside it. What does not fit is
moved by the shortest of some shifts, and what fits nowhere near is left out, the least important first. Everything that
was changed is reported.
"""

import dataclasses
import math
from collections.abc import Collection
from typing import Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError
from carescene.scenes import Scene, SceneObject, default_object, validate_scene
from carescene.scenes.check import OVERLAP_TOLERANCE_M, may_overlap, overlap_depth
from carescene.scenes.footprint import footprint, overlap, rectangle_distance, within_walls
from carescene.scenes.generator import people_can_walk
from carescene.scenes.layout import DOORWAY_M, HEAD_ROOM_M, against, moved, swing_of, walls_of
from diffusion.room_plan import Plan, plan_of
from diffusion.room_things import closed_door, is_present, is_room, kind_of, plain_thing, thing_of
from diffusion.world import KIND

# The earlier, the more a room is about it; what comes late gives way.
_IMPORTANCE: Final = (
    "door",
    "bed",
    "toilet",
    "wheelchair",
    "recliner",
    "chair",
    "basin",
    "cabinet",
    "table",
    "overbed_table",
    "walker",
    "iv_pole",
    "wall",
    "window",
    "curtain",
    "handrail",
    "other",
)
# Placed in this order: openings first, since they can stand nowhere but on walls.
_OPENINGS: Final = ("door", "window")
# Along walls if they are nearly so; seats, tables and aids stand as people left them.
_ALIGNED: Final = ("bed", "cabinet", "basin", "toilet", "curtain", "handrail", "wall", "other")
_ALIGN_TURN: Final = math.radians(8)
# The generator's rooms hold to half of what the checks allow, and so do repaired ones.
_OVERLAP_M: Final = OVERLAP_TOLERANCE_M / 2
_OUTSIDE_M: Final = 0.01
_DISTANCES_M: Final = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.9, 1.1)
_DIRECTIONS: Final = 16
_DOOR_ENDS_M: Final = 0.1  # from a door's frame to the corner of the room


def plain_scene(objects: Float[Tensor, "object 28"], name: str = "room") -> Scene:
    """A room exactly as its vectors say, unrepaired: for measuring how good they are."""
    if not any(is_room(vector) for vector in objects):
        return Scene(id=name, polygon=[])
    plan = plan_of(objects)
    things = _named([(at, kind_of(objects[at])) for at in _things(objects, plan)])
    placed = [plain_thing(objects[at], thing) for at, thing in things]
    return Scene(id=name, polygon=[plan.out(corner) for corner in plan.polygon], height=plan.height, objects=placed)


def room_faults(scene: Scene) -> list[str]:
    """What is wrong with a room by the checks of the scene generator: `validate_scene`, and that people can walk."""
    try:
        validate_scene(scene)
    except UserError as error:
        return [str(error)]
    return [] if people_can_walk(scene) else ["people cannot walk from the door to beds and to most of the floor"]


def decode_scene(
    objects: Float[Tensor, "object 28"],
    name: str = "room",
    *,
    paths: Float[np.ndarray, "point 2"] | None = None,
    pinned: Collection[int] = (),
) -> Scene:
    """A valid room from vectors in metres; see `decode_with_changes`."""
    return decode_with_changes(objects, name, paths=paths, pinned=pinned)[0]


def decode_with_changes(
    objects: Float[Tensor, "object 28"],
    name: str = "room",
    *,
    paths: Float[np.ndarray, "point 2"] | None = None,
    pinned: Collection[int] = (),
) -> tuple[Scene, list[str]]:
    """A valid room from vectors, and one sentence for everything that was moved, resized, added or left out.

    Kinds are the likeliest; sizes come into the catalogue's limits; things that nearly stand along walls do; doors and
    windows go to the nearest wall; overlaps are solved by the smallest of some shifts or by leaving the lesser thing
    out; a missing door is added. Rooms made by `encode_scene` come back as they were, up to what vectors do not say
    (drawn curtains, rails of beds, things on tables).

    Args:
        objects: vectors of one room, metres.
        name: id of the scene.
        paths: where people are, in the frame of the vectors, metres; the room grows to hold them.
        pinned: slots that stay as they are while others give way.

    Raises:
        UserError: for vectors that are not finite.
    """
    if not bool(objects.isfinite().all()):
        raise UserError(
            f"Expected finite object vectors for room '{name}', but got NaN or infinity. Sampling went "
            "wrong; lower the guidance weights."
        )
    objects = objects.detach().double().cpu()
    plan = plan_of(objects, paths)
    repair = _Repair(plan)
    chosen = _things(objects, plan)
    ranks = {at: _IMPORTANCE.index(kind_of(objects[at])) for at in chosen}
    order = sorted(chosen, key=lambda at: (at not in pinned, kind_of(objects[at]) not in _OPENINGS, ranks[at], at))
    for at, thing_name in _named([(at, kind_of(objects[at])) for at in order]):
        thing, changes = thing_of(objects[at], thing_name, plan.height)
        repair.changes += changes
        repair.add(plan.inwards(thing), at in pinned)
    repair.make_walkable()
    return repair.scene(name, repair.things), repair.changes


def _things(objects: Tensor, plan: Plan) -> list[int]:
    """Slots of furniture: present, neither the room nor one of its filled corners."""
    return [
        at
        for at, vector in enumerate(objects)
        if is_present(vector) and int(vector[KIND].argmax()) != 0 and at not in plan.used
    ]


def _named(kinds: list[tuple[int, str]]) -> list[tuple[int, str]]:
    counts: dict[str, int] = {}
    names = []
    for at, kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
        names.append((at, f"{kind}-{counts[kind]}"))
    return names


class _Repair:
    """A room in its own frame that is furnished with what fits."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.polygon, self.height = plan.polygon, plan.height
        self.walls = walls_of(plan.polygon)
        self.things: list[SceneObject] = []
        self.changes = list(plan.changes)
        self._pinned: set[str] = set()

    def add(self, thing: SceneObject, pinned: bool) -> None:
        """Put a thing where it is, or near there, or leave it out."""
        if pinned:
            self._pinned.add(thing.id)
        placed = self._on_wall(thing) if thing.kind in _OPENINGS else self._in_room(thing)
        if placed is None:
            self.changes.append(f"{thing.id}: left out, no room near {_place(thing)}")
            return
        shift = math.dist(placed.center[:2], thing.center[:2])
        if shift > 1e-3:
            self.changes.append(f"{thing.id}: moved by {100 * shift:.0f} cm")
        if abs(math.remainder(placed.yaw - thing.yaw, 2 * math.pi)) > 1e-3:
            self.changes.append(f"{thing.id}: turned to the walls")
        self.things.append(placed)

    def make_walkable(self) -> None:
        """Add a door if there is none, and take out what keeps people from walking."""
        if not any(thing.kind == "door" for thing in self.things):
            self._add_door()
        if self.walkable(self.things):
            return
        for at, thing in enumerate(self.things):
            if thing.kind == "door" and "open_deg" in thing.params and thing.id not in self._pinned:
                self.things[at] = closed_door(thing)
                self.changes.append(f"{thing.id}: closed, its leaf may be in people's way")
        # Out with the least important until people can walk, then back in with whatever does no harm.
        ranked = sorted(self.things, key=self._rank)
        kept, out = list(ranked), []
        while len(kept) > 1 and not self.walkable(kept):
            out.append(kept.pop())
        for thing in reversed(out):
            if self.walkable([*kept, thing]):
                kept.append(thing)
            else:
                self.changes.append(f"{thing.id}: left out, it is in people's way")
        self.things = sorted(kept, key=self._rank)

    def _rank(self, thing: SceneObject) -> tuple[bool, bool, int, str]:
        first_door = next((other.id for other in self.things if other.kind == "door"), None)
        return thing.id != first_door, thing.id not in self._pinned, _IMPORTANCE.index(thing.kind), thing.id

    def walkable(self, things: list[SceneObject]) -> bool:
        """Whether people can walk between these things; asked in the world's frame, where it will be asked again."""
        return people_can_walk(self.scene("room", things))

    def scene(self, name: str, things: list[SceneObject]) -> Scene:
        """The room with these things in the frame of the vectors."""
        polygon = [self._plan.out(corner) for corner in self.polygon]
        return Scene(id=name, polygon=polygon, height=self.height, objects=[self._plan.outwards(t) for t in things])

    def _in_room(self, thing: SceneObject) -> SceneObject | None:
        quarters = round(thing.yaw / (math.pi / 2))
        if thing.kind in _ALIGNED and abs(thing.yaw - quarters * math.pi / 2) < _ALIGN_TURN:
            thing = moved(thing, *thing.center[:2], quarters * math.pi / 2)
        if self._fits(thing):
            return thing
        inside = self._pulled_in(thing)
        for distance in (0.0, *_DISTANCES_M):
            for number in range(_DIRECTIONS if distance else 1):
                angle = 2 * math.pi * number / _DIRECTIONS
                x, y = inside.center[0] + distance * math.cos(angle), inside.center[1] + distance * math.sin(angle)
                shifted = moved(inside, x, y, thing.yaw)
                if self._fits(shifted):
                    return shifted
        return None

    def _pulled_in(self, thing: SceneObject) -> SceneObject:
        """The thing moved by the shortest way into the rectangle, or to its middle where it is too long."""
        corners, floor = footprint(thing).corners, np.array(self.polygon)
        low, high = floor.min(0) - corners.min(0), floor.max(0) - corners.max(0)
        shift = np.where(low <= high, np.clip(0.0, low, high), (low + high) / 2)
        return moved(thing, thing.center[0] + float(shift[0]), thing.center[1] + float(shift[1]), thing.yaw)

    def _fits(self, thing: SceneObject) -> bool:
        for other in self.things:
            if not may_overlap(thing, other) and overlap_depth(thing, other) > _OVERLAP_M:
                return False
        part = footprint(thing)
        doors = [other for other in self.things if other.kind == "door"]
        if thing.kind not in _OPENINGS and any(overlap(part, swing_of(door, DOORWAY_M)) for door in doors):
            return False
        return within_walls(part, self.polygon, _OUTSIDE_M)

    def _on_wall(self, thing: SceneObject) -> SceneObject | None:
        """A door or window with its back on the nearest wall that it fits on."""
        width, depth, height = thing.size
        candidates: list[tuple[float, SceneObject]] = []
        for wall in self.walls:
            room = wall.length - 2 * (_DOOR_ENDS_M if thing.kind == "door" else 0.02)
            least = 0.8 if thing.kind == "door" else 0.3
            if room < least:
                continue
            fitted = dataclasses.replace(thing, size=(min(width, room), depth, height))
            half = fitted.size[0] / 2 + (wall.length - room) / 2
            along = wall.along(thing)
            steps = sorted({along, half, wall.length - half, *np.arange(half, wall.length - half, 0.1).tolist()})
            for step in steps:
                if half - 1e-6 <= step <= wall.length - half + 1e-6:
                    placed = against(fitted, wall, step)
                    turned = abs(math.remainder(placed.yaw - thing.yaw, 2 * math.pi))
                    # A quarter turn counts like half a metre: the place says more about the wall than the yaw.
                    cost = math.dist(placed.center[:2], thing.center[:2]) + turned / math.pi
                    candidates.append((cost, placed))
        for _, placed in sorted(candidates, key=lambda each: each[0]):
            if self._fits(placed):
                return placed
        return None

    def _add_door(self) -> None:
        """A door where the fewest and least important things are in its way; those are taken out."""
        best: tuple[tuple[float, float], SceneObject, list[SceneObject]] | None = None
        natural = default_object("door", "door-1", x=0, y=0)
        for wall in self.walls:
            half = natural.size[0] / 2 + _DOOR_ENDS_M
            for along in np.arange(half, wall.length - half + 1e-6, 0.2):
                door = against(natural, wall, float(along))
                ground = swing_of(door, DOORWAY_M)
                blocking = [
                    thing
                    for thing in self.things
                    if (not may_overlap(thing, door) and overlap_depth(thing, door) > _OVERLAP_M)
                    or (thing.center[2] - thing.size[2] / 2 < HEAD_ROOM_M and overlap(footprint(thing), ground))
                ]
                spot = np.array([[ground.x, ground.y]])
                near = [float(rectangle_distance(spot, footprint(thing))[0]) for thing in self.things]
                price = float(sum(100.0 / (1 + _IMPORTANCE.index(thing.kind)) for thing in blocking))
                cost = (price, -min(near, default=0.0))
                if best is None or cost < best[0]:
                    best = cost, door, blocking
        assert best is not None, "a room of 2 m has a wall for a door"
        for thing in best[2]:
            self.things.remove(thing)
            self.changes.append(f"{thing.id}: left out, it stood where the only door can be")
        self.things.insert(0, best[1])
        self.changes.append("door-1: added, since the room had none")


def _place(thing: SceneObject) -> str:
    return f"({thing.center[0]:.1f}, {thing.center[1]:.1f})"
