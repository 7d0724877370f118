"""The things of a room as vectors: what stands where, how large, turned how, as high as what to sit or lie on.

The layout is that of `diffusion.world`. One vector is the room itself, a rectangle turned about the vertical; corners
that a room lacks (an L-shaped ward around its bathroom) are things of kind "wall" that fill them. `diffusion.rooms`
goes the other way.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError
from carescene.scenes import Scene, SceneObject, bed_surface, seat_surface
from carescene.scenes.footprint import inside_polygon
from diffusion.world import CENTER, KIND, OBJECT_FEATURES, OBJECT_KINDS, PRESENT, SIZE, SUPPORT, YAW

ROOM: Final = OBJECT_KINDS.index("room")
WALL: Final = OBJECT_KINDS.index("wall")
# A ward room with one bed holds 11 to 15 things; what is left out hangs on far walls.
DEFAULT_SLOTS: Final = 12

_SEATS: Final = ("chair", "recliner", "wheelchair", "toilet")
# Always kept, in this order, when a room holds more things than there are slots.
_FIRST: Final = ("door", "bed")
# Nobody runs into what hangs this high.
_OVERHEAD_M: Final = 0.6
_OVERHEAD_PENALTY_M: Final = 3.0
_HALF_PI: Final = math.pi / 2
# Corners of a floor plan may be this much off the rectangle's grid.
_GRID_M: Final = 1e-3


def object_scale() -> Float[Tensor, "28"]:
    """What to divide object vectors by to give their numbers about unit variance: fixed, so that no data decides.

    Root mean squares over generated rooms of all presets seen from people in them (tools of the tests measure them
    again): centres 2.5 m across and 0.8 m up, sizes 1.6 m, supports 0.25 m. Kinds count as a one-hot code of 18
    equally frequent classes, like the event channel.
    """
    scale = torch.ones(OBJECT_FEATURES)
    classes = len(OBJECT_KINDS)
    scale[KIND] = math.sqrt(1 / classes * (1 - 1 / classes))
    scale[CENTER] = torch.tensor([2.5, 2.5, 0.8])
    scale[SIZE] = 1.6
    scale[YAW] = math.sqrt(0.5)
    scale[SUPPORT] = 0.25
    return scale


def encode_scene(
    scene: Scene,
    angle: float | int = 0.0,
    origin: Sequence[float] | Float[np.ndarray, "2"] = (0.0, 0.0),
    slots: int = DEFAULT_SLOTS,
    paths: Float[np.ndarray, "point 2"] | None = None,
) -> Float[Tensor, "slots 28"]:
    """A room as vectors in the frame at `origin` turned by `angle`: the room, its doors, its beds, then what is near.

    Args:
        scene: the room; things with meshes of their own count by their boxes.
        angle: heading of the frame against the world, radians, as `canonical_frame` gives it.
        origin: horizontal position of the frame, metres.
        slots: number of vectors; those that stay empty have present -1 and zeros elsewhere.
        paths: where people go, in the world, metres: things near them come first. By default the origin alone.

    Raises:
        UserError: with less than two slots, a kind that the model does not know, or wrong parameters.
    """
    if slots < 2:
        raise UserError(
            f"Expected at least 2 object slots, but got {slots}. The room itself and its door need one each."
        )
    points = np.asarray([origin] if paths is None or not len(paths) else paths, dtype=float)
    room, corners = _rectangle(scene)
    vectors = [_vector(thing) for thing in (room, *corners)] + _by_nearness(scene, points)
    out = torch.zeros(slots, OBJECT_FEATURES)
    out[:, PRESENT] = -1.0
    for row, vector in zip(out, vectors[:slots], strict=False):
        row.copy_(vector)
    return move_objects(out, torch.tensor(float(angle)), torch.as_tensor(np.asarray(origin, dtype=np.float32)))


def object_distance(
    objects: Float[np.ndarray, "object 28"], points: Float[np.ndarray, "point 2"]
) -> Float[np.ndarray, "object"]:
    """Distance on the floor in metres of each thing's box from the nearest of some points, 0 where one is over it."""
    cos, sin = objects[:, YAW.start, None], objects[:, YAW.start + 1, None]
    x, y = (points[:, axis] - objects[:, CENTER.start + axis, None] for axis in (0, 1))
    across = np.maximum(np.abs(cos * x + sin * y) - objects[:, SIZE.start, None] / 2, 0.0)
    along = np.maximum(np.abs(cos * y - sin * x) - objects[:, SIZE.start + 1, None] / 2, 0.0)
    return np.hypot(across, along).min(axis=1)


def move_objects(
    objects: Float[Tensor, "*batch object 28"],
    angle: Float[Tensor, "*#batch"],
    origin: Float[Tensor, "*#batch 2"],
) -> Float[Tensor, "*batch object 28"]:
    """Express things in a frame at `origin` turned by `angle` about the vertical, like `canonical.move`.

    Empty slots stay as they are. Rooms and walls look the same after a quarter turn: theirs is brought to
    within 45 degrees, width and depth changing places.
    """
    cos, sin = torch.cos(angle)[..., None], torch.sin(angle)[..., None]
    x, y = (objects[..., CENTER.start + axis] - origin[..., None, axis] for axis in (0, 1))
    old_cos, old_sin = objects[..., YAW.start], objects[..., YAW.start + 1]
    moved = objects.clone()
    moved[..., CENTER.start] = cos * x + sin * y
    moved[..., CENTER.start + 1] = cos * y - sin * x
    moved[..., YAW.start] = cos * old_cos + sin * old_sin
    moved[..., YAW.start + 1] = cos * old_sin - sin * old_cos
    return torch.where(objects[..., PRESENT] > 0, _upright_boxes(moved), objects)


def mirror_objects(
    objects: Float[Tensor, "*batch object 28"],
) -> Float[Tensor, "*batch object 28"]:
    """Mirror things at the plane x = 0, as `mirror_motion` does people; mirroring twice gives the input back."""
    sign = torch.ones(OBJECT_FEATURES, dtype=objects.dtype, device=objects.device)
    sign[CENTER.start] = -1.0
    sign[YAW.start + 1] = -1.0
    return _upright_boxes(objects * sign)


def _upright_boxes(objects: Tensor) -> Tensor:
    """Rooms and walls turned by quarters until their yaw lies within 45 degrees."""
    yaw = torch.atan2(objects[..., YAW.start + 1], objects[..., YAW.start])
    # A hair inside 45 degrees, so that rounding cannot make one that lies just there change places forever.
    boxes = (objects[..., KIND.start + ROOM] > 0.5) | (objects[..., KIND.start + WALL] > 0.5)
    quarters = torch.where(boxes, torch.round(yaw / _HALF_PI * 0.9999), 0.0)
    turned = yaw - quarters * _HALF_PI
    swap = (quarters % 2 != 0)[..., None]
    size = objects[..., SIZE]
    out = objects.clone()
    out[..., SIZE] = torch.where(swap, size[..., [1, 0, 2]], size)
    change = quarters != 0
    out[..., YAW.start] = torch.where(change, torch.cos(turned), objects[..., YAW.start])
    out[..., YAW.start + 1] = torch.where(change, torch.sin(turned), objects[..., YAW.start + 1])
    return out


def _by_nearness(scene: Scene, points: np.ndarray) -> list[Tensor]:
    vectors = [_vector(thing) for thing in scene.objects]
    if not vectors:
        return []
    distance = object_distance(torch.stack(vectors).numpy().astype(float), points)
    low = np.array([thing.center[2] - thing.size[2] / 2 for thing in scene.objects])
    # Windows, screens and dispensers are in nobody's way; a curtain's box starts low enough to count.
    late = distance + _OVERHEAD_PENALTY_M * (low > _OVERHEAD_M)
    rank = [_FIRST.index(thing.kind) if thing.kind in _FIRST else len(_FIRST) for thing in scene.objects]
    order = sorted(range(len(vectors)), key=lambda at: (rank[at], float(late[at])))
    return [vectors[at] for at in order]


def _vector(thing: SceneObject) -> Tensor:
    if thing.kind not in OBJECT_KINDS:
        raise UserError(
            f"Expected the kind of object '{thing.id}' to be one of {', '.join(OBJECT_KINDS[1:])}, but got "
            f"'{thing.kind}'. Use 'other' for anything else."
        )
    row = torch.zeros(OBJECT_FEATURES)
    row[PRESENT] = 1.0
    row[KIND.start + OBJECT_KINDS.index(thing.kind)] = 1.0
    row[CENTER] = torch.tensor(thing.center)
    row[SIZE] = torch.tensor(thing.size)
    row[YAW] = torch.tensor([math.cos(thing.yaw), math.sin(thing.yaw)])
    row[SUPPORT] = _support(thing)
    return row


def _support(thing: SceneObject) -> float:
    """Height of the mattress or the seat; a user's own mesh may have either at any height, so 0."""
    if thing.mesh is not None:
        return 0.0
    if thing.kind == "bed":
        return bed_surface(thing).height
    return seat_surface(thing).height if thing.kind in _SEATS else 0.0


def _rectangle(scene: Scene) -> tuple[SceneObject, list[SceneObject]]:
    """The smallest rectangle along a wall that holds the floor plan, as a thing, and what it has too much as walls."""
    corners = np.array(scene.polygon)
    best: tuple[float, float, np.ndarray, np.ndarray] | None = None
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        yaw = math.remainder(math.atan2(end[1] - start[1], end[0] - start[0]), _HALF_PI)
        local = corners @ _turn(yaw)
        low, high = local.min(0), local.max(0)
        area = float(np.prod(high - low))
        if best is None or area < best[0] - 1e-9:
            best = area, yaw, low, high
    assert best is not None, "a scene has walls"
    _, yaw, low, high = best
    room = _box("room", "room", yaw, low, high, scene.height)
    missing = _missing(scene, yaw, low, high)
    return room, [_box(f"corner-{at}", "wall", yaw, *part, scene.height) for at, part in enumerate(missing)]


def _missing(scene: Scene, yaw: float, low: np.ndarray, high: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rectangles (low and high corner in the turned frame) of a room's rectangle that are not floor.

    Only where all walls are at right angles; the slanted corner of a room is filled by nothing.
    """
    local = np.array(scene.polygon) @ _turn(yaw)
    edges = np.roll(local, -1, axis=0) - local
    if (np.abs(edges).min(axis=1) > _GRID_M).any():
        return []
    lines = [_distinct(local[:, axis]) for axis in (0, 1)]
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for left, right in zip(lines[0], lines[0][1:], strict=False):
        # One strip between two lines after the other; cells above each other, and equal strips, are joined.
        middles = np.array([[(left + right) / 2, (a + b) / 2] for a, b in zip(lines[1], lines[1][1:], strict=False)])
        empty = ~inside_polygon(middles @ _turn(yaw).T, scene.polygon)
        for at in np.flatnonzero(empty):
            low_part, high_part = np.array([left, lines[1][at]]), np.array([right, lines[1][at + 1]])
            if parts and np.allclose(parts[-1][1], [right, low_part[1]]) and np.isclose(parts[-1][0][0], left):
                parts[-1] = (parts[-1][0], high_part)
                continue
            parts.append((low_part, high_part))
    joined: list[tuple[np.ndarray, np.ndarray]] = []
    for low_part, high_part in parts:
        same = [
            at
            for at, (a, b) in enumerate(joined)
            if np.allclose([a[1], b[1], b[0]], [low_part[1], high_part[1], low_part[0]])
        ]
        if same:
            joined[same[0]] = (joined[same[0]][0], high_part)
        else:
            joined.append((low_part, high_part))
    return joined


def _distinct(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], np.diff(ordered) > _GRID_M])]


def _box(name: str, kind: str, yaw: float, low: np.ndarray, high: np.ndarray, height: float) -> SceneObject:
    """A box from floor to ceiling over a rectangle given in a frame turned by `yaw` about the world's origin."""
    x, y = _turn(yaw) @ ((low + high) / 2)
    width, depth = high - low
    return SceneObject(name, kind, (float(x), float(y), height / 2), (float(width), float(depth), float(height)), yaw)


def _turn(yaw: float) -> np.ndarray:
    """`points @ turn` are world points in a frame turned by `yaw`; `turn @ point` goes back."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([[cos, -sin], [sin, cos]])
