"""Checks of a scene that was written by hand, by another program, or by a generator with a defect."""

import math
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np

from carescene.errors import UserError
from carescene.scenes.footprint import wall_distance
from carescene.scenes.furniture import check_object
from carescene.scenes.materials import MATERIALS
from carescene.scenes.scene import Scene, SceneObject, area, object_to_world, require

Point = tuple[float, float]

# A bathroom stall and a large hall, in square metres; a crawl space and a gymnasium, in metres.
_AREAS: Final = (1.0, 1000.0)
_HEIGHTS: Final = (1.8, 10.0)
# Two boxes may share this much (metres) before they count as overlapping: measured rooms are no better.
OVERLAP_TOLERANCE_M: Final = 0.01
_OUTSIDE_TOLERANCE_M: Final = 0.02
# How far a door's or window's back may be from the wall's line (metres), and how skewed (radians).
_ON_WALL_M: Final = 0.03
_ON_WALL_TURN: Final = math.radians(2)
# Boxes of meshes: the size of a gymnasium, and of a cup.
_MESH_SIZES: Final = (0.01, 50.0)

# Cloth gives way; windows and handrails are part of the wall, and things stand against them.
_BESIDE_ANYTHING: Final = frozenset({"curtain", "window", "handrail"})
# What is made to reach over or under the other.
_MAY_OVERLAP: Final = frozenset(
    frozenset(pair)
    for pair in (
        ("overbed_table", "bed"),
        ("overbed_table", "recliner"),
        ("overbed_table", "chair"),
        ("overbed_table", "wheelchair"),
        ("iv_pole", "bed"),
        ("chair", "table"),
        ("wheelchair", "table"),
        ("wheelchair", "basin"),
        ("cabinet", "basin"),
    )
)


def validate_scene(scene: Scene, *, folder: Path | None = None) -> Scene:
    """The scene itself, if it makes sense.

    The floor plan must be simple (edges do not cross), counter-clockwise, of 1 to 1000 square metres and 1.8 to 10 m
    high; names unique; kinds, parameters and sizes as `check_object` allows; everything inside the room (to 2 cm),
    doors and windows with their backs on a wall (to 3 cm and 2 degrees); and no two boxes may overlap by more than
    1 cm, except pairs that are made to (`may_overlap`). In a room with a mesh of its own, the boxes of objects without
    a mesh only name parts of it, so they may overlap and doors may be anywhere.

    Args:
        folder: where the names of meshes are relative to; if given, the files must exist.

    Raises:
        UserError: names the scene, the place in it, what was expected and what came.
    """
    require(bool(scene.id), scene, "its id", "a word", repr(scene.id), "Give it a name.")
    _check_bounds(scene)
    _check_style(scene)
    names = [thing.id for thing in scene.objects]
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, scene, "ids of objects", "unique", f"{', '.join(twice)} more than once", "Number them.")
    for thing in scene.objects:
        _check_size(scene, thing)
        _check_place(scene, thing)
    _check_overlaps(scene)
    if folder is not None:
        for name in [scene.mesh, *(thing.mesh for thing in scene.objects)]:
            require(
                name is None or (folder / name).is_file(),
                scene,
                f"mesh '{name}'",
                f"a file in '{folder}'",
                "no such file",
                "Names of meshes are relative to the scene file.",
            )
    return scene


def may_overlap(first: SceneObject, second: SceneObject) -> bool:
    """Whether the boxes of two objects may share room: cloth, things on walls, what reaches over or under another."""
    kinds = frozenset({first.kind, second.kind})
    return bool(kinds & _BESIDE_ANYTHING) or kinds in _MAY_OVERLAP


def overlap_depth(first: SceneObject, second: SceneObject) -> float:
    """How far two oriented boxes reach into each other, metres; negative by at least their gap if they do not.

    Separating axis theorem (Gottschalk, Lin and Manocha 1996, "OBBTree"); boxes turn about z only, so z and the four
    sides' directions are enough. The depth is the shortest way to push them apart.
    """
    offset = [b - a for a, b in zip(first.center, second.center, strict=True)]
    depth = (first.size[2] + second.size[2]) / 2 - abs(offset[2])
    for yaw in (first.yaw, first.yaw + math.pi / 2, second.yaw, second.yaw + math.pi / 2):
        reach = sum(
            thing.size[0] / 2 * abs(math.cos(thing.yaw - yaw)) + thing.size[1] / 2 * abs(math.sin(thing.yaw - yaw))
            for thing in (first, second)
        )
        depth = min(depth, reach - abs(offset[0] * math.cos(yaw) + offset[1] * math.sin(yaw)))
    return depth


def _check_bounds(scene: Scene) -> None:
    corners = scene.polygon
    require(len(corners) >= 3, scene, "its polygon", "at least 3 corners", f"{len(corners)}", "Add the missing ones.")
    finite = all(math.isfinite(value) for corner in corners for value in corner) and math.isfinite(scene.height)
    require(finite, scene, "its bounds", "finite numbers", "NaN or infinity", "Correct them.")
    edges = _edges(corners)
    for at, (start, end) in enumerate(edges):
        long = math.dist(start, end) >= 0.01
        require(long, scene, f"wall {at}", "at least 1 cm long", f"{start} to {end}", "Remove the repeated corner.")
    for (at, one), (other, two) in combinations(enumerate(edges), 2):
        neighbours = other - at == 1 or (at == 0 and other == len(edges) - 1)
        bad = _fold_back(one, two) if neighbours else _touch(one, two)
        advice = "List the corners in order around the room."
        require(not bad, scene, "its walls", "not to cross", f"walls {at} and {other} that do", advice)
    size = area(list(corners))
    advice = "Reverse the order of the corners."
    require(size > 0, scene, "the corners of its polygon", "counter-clockwise seen from above", "clockwise", advice)
    _check_range(scene, "its floor", size, _AREAS, "square metres", "Lengths are in metres.")
    _check_range(scene, "its height", scene.height, _HEIGHTS, "m", "Lengths are in metres.")


def _check_style(scene: Scene) -> None:
    for name, color in scene.style.items():
        advice = f"Known materials: {', '.join(MATERIALS)}."
        require(name in MATERIALS, scene, "names in its style", "materials", f"'{name}'", advice)
        fits = len(color) == 3 and all(0 <= value <= 1 for value in color)
        require(fits, scene, f"style '{name}'", "red, green, blue from 0 to 1", color, "Divide by 255 if need be.")


def _check_size(scene: Scene, thing: SceneObject) -> None:
    where = f"object '{thing.id}'"
    numbers = (*thing.center, *thing.size, thing.yaw)
    finite = all(math.isfinite(value) for value in numbers)
    require(finite, scene, f"numbers of {where}", "finite", numbers, "Correct them.")
    if thing.mesh is None:
        try:
            check_object(thing)
        except UserError as error:
            raise UserError(f"Scene '{scene.id}': {error}") from error
    else:
        for value in thing.size:
            _check_range(scene, f"size of {where}", value, _MESH_SIZES, "m", "It is the box around its mesh.")


def _check_place(scene: Scene, thing: SceneObject) -> None:
    where, half = f"object '{thing.id}' ({thing.kind})", thing.size[2] / 2
    low, high = thing.center[2] - half, thing.center[2] + half
    stands = low >= -_OUTSIDE_TOLERANCE_M and high <= scene.height + _OUTSIDE_TOLERANCE_M
    got = f"it from {low:.2f} to {high:.2f} m"
    advice = "The third number of center is the middle of its height."
    require(stands, scene, where, f"between floor and ceiling (0 to {scene.height:.2f} m)", got, advice)
    if scene.mesh is not None:
        return
    out = _sticks_out(scene.polygon, thing)
    got, advice = f"it up to {100 * out:.0f} cm in a wall or outside", "Move it, or make the room larger."
    require(out <= _OUTSIDE_TOLERANCE_M, scene, where, "inside the room", got, advice)
    if thing.kind in ("door", "window"):
        gap, turn = _off_wall(scene.polygon, thing)
        got = f"its back {100 * gap:.0f} cm off and {math.degrees(turn):.0f} degrees skew"
        fits = gap <= _ON_WALL_M and turn <= _ON_WALL_TURN
        advice = "Its own y axis must point from the wall into the room, and its back (-y) lie on the wall."
        require(fits, scene, where, "with its whole back on one wall", got, advice)


def _check_overlaps(scene: Scene) -> None:
    things = scene.objects if scene.mesh is None else [thing for thing in scene.objects if thing.mesh is not None]
    found = [
        (overlap_depth(first, second), first, second)
        for first, second in combinations(things, 2)
        if not may_overlap(first, second)
    ]
    found = sorted((each for each in found if each[0] > OVERLAP_TOLERANCE_M), key=lambda each: -each[0])
    if found:
        pairs = [f"'{a.id}' and '{b.id}' overlap by {100 * depth:.0f} cm" for depth, a, b in found]
        more = f" (and {len(pairs) - 3} more pairs)" if len(pairs) > 3 else ""
        require(False, scene, "furniture", "apart", "; ".join(pairs[:3]) + more, "Move or turn one of each pair.")


def _check_range(scene: Scene, where: str, got: float, allowed: tuple[float, float], unit: str, advice: str) -> None:
    low, high = allowed
    require(low <= got <= high, scene, where, f"from {low:g} to {high:g} {unit}", f"{got:.3g} {unit}", advice)


def _edges(corners: list[Point]) -> list[tuple[Point, Point]]:
    return list(zip(corners, corners[1:] + corners[:1], strict=True))


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _touch(one: tuple[Point, Point], two: tuple[Point, Point]) -> bool:
    """Whether two segments have a point in common."""
    (a, b), (c, d) = one, two
    sides = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if (sides[0] > 0) != (sides[1] > 0) and (sides[2] > 0) != (sides[3] > 0):
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(side == 0 and _between(*end) for side, end in zip(sides, ends, strict=True))


def _between(a: Point, b: Point, c: Point) -> bool:
    return all(min(p, q) <= r <= max(p, q) for p, q, r in zip(a, b, c, strict=True))


def _fold_back(one: tuple[Point, Point], two: tuple[Point, Point]) -> bool:
    """Whether of two walls that share a corner one runs back along the other."""
    # The last wall and the first one share the first one's start.
    (a, corner), (_, c) = (one, two) if one[1] == two[0] else (two, one)
    back = (a[0] - corner[0]) * (c[0] - corner[0]) + (a[1] - corner[1]) * (c[1] - corner[1]) > 0
    return back and abs(_turn(a, corner, c)) < 1e-9


def _sticks_out(polygon: list[Point], thing: SceneObject) -> float:
    """How far an object's box reaches through a wall, metres: 0 if it stands free."""
    behind = -float(wall_distance(np.array([thing.center[:2]]), polygon)[0])
    if behind > 0:
        return max(behind, min(thing.size[:2]) / 2)
    cos, sin = math.cos(thing.yaw), math.sin(thing.yaw)

    def local(point: Point) -> Point:
        x, y = point[0] - thing.center[0], point[1] - thing.center[1]
        return cos * x + sin * y, cos * y - sin * x

    return max(_depth_in_box(local(start), local(end), thing.size) for start, end in _edges(polygon))


def _depth_in_box(start: Point, end: Point, size: tuple[float, float, float]) -> float:
    """How deep a segment runs inside a box around the origin (Liang-Barsky clipping of ever smaller boxes)."""
    low, high = 0.0, min(size[:2]) / 2
    if not _enters(start, end, (size[0] / 2, size[1] / 2)):
        return 0.0
    for _ in range(20):
        middle = (low + high) / 2
        deeper = _enters(start, end, (size[0] / 2 - middle, size[1] / 2 - middle))
        low, high = (middle, high) if deeper else (low, middle)
    return low


def _enters(start: Point, end: Point, half: Point) -> bool:
    first, last = 0.0, 1.0
    for p, q, h in zip(start, end, half, strict=True):
        if p == q:
            if abs(p) >= h:
                return False
            continue
        near, far = sorted(((-h - p) / (q - p), (h - p) / (q - p)))
        first, last = max(first, near), min(last, far)
    return last - first > 1e-12


def _off_wall(polygon: list[Point], thing: SceneObject) -> tuple[float, float]:
    """How far (metres) and how skewed (radians) the back of an object lies off the wall that it fits best."""
    (width, depth, _), best = thing.size, (math.inf, math.inf)
    left, right = (object_to_world(thing, (side * width / 2, -depth / 2, 0.0))[:2] for side in (-1, 1))
    for start, end in _edges(polygon):
        # The room lies to the left of its walls, so an object with its back on one has the wall's direction as its x.
        skew = abs(math.remainder(math.atan2(end[1] - start[1], end[0] - start[0]) - thing.yaw, 2 * math.pi))
        gap = max(_to_segment(start, end, left), _to_segment(start, end, right))
        best = min(best, (gap, skew))
    return best


def _to_segment(start: Point, end: Point, point: Point) -> float:
    x, y = end[0] - start[0], end[1] - start[1]
    part = ((point[0] - start[0]) * x + (point[1] - start[1]) * y) / (x * x + y * y)
    part = min(max(part, 0.0), 1.0)
    return math.dist(point, (start[0] + part * x, start[1] + part * y))
