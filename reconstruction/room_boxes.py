"""Boxes of furniture in a depth picture: what stands on the floor, how large it is, and what it may be."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from carescene.scenes.footprint import Footprint, footprint, wall_distance
from carescene.scenes.furniture import default_object
from carescene.scenes.furniture.catalogue import BUILDERS
from carescene.scenes.scene import SceneObject
from reconstruction.room_layout import fresh_name, nearest_wall_yaw
from reconstruction.room_surfaces import Surfels

_CELL_M: Final = 0.04
# From here up a thing is furniture rather than floor; from there on a lamp or the ceiling.
_LOW_M: Final = 0.20
_HIGH_M: Final = 2.2
# What stands this near to a wall belongs to it.
_OFF_WALL_M: Final = 0.08
# Neighbouring cells of one thing differ by at most this: a raised backrest climbs 4 cm per cell, a cabinet beside a bed
# stands 20 cm over it.
_STEP_M: Final = 0.10
_LEAST_M2: Final = 0.08
# A box is turned with the room unless turning it otherwise saves this much of its area.
_TURNED_SAVING: Final = 0.80
# Depth of a thing of which only the front is seen, if no wall is near behind it.
_FRONT_ONLY_M: Final = 0.40
_MATTRESS_TO_BOX: Final = (0.12, 0.13)


@dataclass(frozen=True)
class SeenBox:
    """The box around one connected thing.

    Attributes:
        place: its outline on the floor; the longer side runs along its y.
        surface: height of its largest level part, metres.
        top: height of its highest part.
        sigma: standard deviation of these heights, metres, by the distance from the eye.
        level_m2: area of the level part.
        rising: unit vector on the floor towards the end where it is higher (a bed's head), zero if it is level.
    """

    place: Footprint
    surface: float
    top: float
    sigma: float
    level_m2: float
    rising: Float[np.ndarray, "2"]

    @property
    def sides(self) -> tuple[float, float]:
        """Shorter and longer side, metres."""
        return 2 * self.place.half_x, 2 * self.place.half_y

    @property
    def is_bed(self) -> bool:
        """Whether somebody could lie on it: as large as a mattress, as high as one, mostly level."""
        short, long = self.sides
        size = 0.65 <= short <= 1.5 and 1.5 <= long <= 2.5 and 0.28 <= self.surface <= 0.85
        return size and self.level_m2 > 0.35 * short * long


def find_boxes(
    seen: Surfels, polygon: list[tuple[float, float]], ceiling: float, room_yaw: float, eye: Float[np.ndarray, "3"]
) -> list[SeenBox]:
    """Boxes around what stands inside the walls, largest first.

    Everything between 20 cm and 2.2 m is dropped onto a grid of 4 cm along the walls; neighbouring cells of similar
    height are one thing. Where little but an upright front is seen, the box reaches back to the wall behind it, or
    40 cm.

    Args:
        polygon: of the floor.
        ceiling: its height, metres.
        room_yaw: azimuth of a wall, radians: boxes stand along the walls if they fit so about as well.
        eye: of the camera, metres.
    """
    points = seen.points
    z = np.nan_to_num(points[..., 2], nan=-1.0)
    inside = seen.whole & (z > _LOW_M) & (z < min(_HIGH_M, ceiling - 0.15))
    inside[inside] = wall_distance(points[inside][:, :2], polygon) > _OFF_WALL_M
    if not inside.any():
        return []
    spots, level, area = points[inside], np.abs(seen.normals[inside][:, 2]) > 0.85, seen.area[inside]
    turn = _axes(room_yaw)
    flat = spots[:, :2] @ turn.T
    low = flat.min(axis=0)
    cells = ((flat - low) / _CELL_M).astype(int)
    shape = tuple(int(value) + 1 for value in cells.max(axis=0))
    number = np.ravel_multi_index((cells[:, 0], cells[:, 1]), shape)
    heights = _cell_heights(number, spots[:, 2], int(np.prod(shape))).reshape(shape)
    groups = _groups(heights)
    boxes = []
    for group in range(1, int(groups.max()) + 1):
        mine = groups[cells[:, 0], cells[:, 1]] == group
        box = _box(spots[mine], level[mine], area[mine], turn, room_yaw, polygon, eye)
        if box is not None:
            boxes.append(box)
    return sorted(boxes, key=lambda box: -box.sides[0] * box.sides[1])


def things_of(boxes: list[SeenBox], polygon: list[tuple[float, float]], names: set[str]) -> list[SceneObject]:
    """A thing of our vocabulary for each box, by its size; `other` where nothing fits."""
    return [_thing(box, polygon, names) for box in boxes]


def bed_of(box: SeenBox, name: str, height: float, front: Float[np.ndarray, "2"] | None) -> SceneObject:
    """The bed whose mattress a box is.

    Args:
        height: of the mattress, metres; cut to what beds have.
        front: unit vector from head to feet, if somebody lies there; else the head is where the box rises.
    """
    ahead = box.place.axes[1]
    toward_feet = float((front if front is not None else -box.rising) @ ahead)
    yaw = box.place.yaw if toward_feet >= 0 else box.place.yaw + math.pi
    low, high = BUILDERS["bed"].smallest, BUILDERS["bed"].largest
    size = [
        min(max(side + more, low[axis]), high[axis])
        for axis, (side, more) in enumerate(zip(box.sides, _MATTRESS_TO_BOX, strict=True))
    ]
    return default_object(
        "bed",
        name,
        x=box.place.x,
        y=box.place.y,
        yaw=math.remainder(yaw, 2 * math.pi),
        size=(size[0], size[1], None),
        mattress_height_m=round(min(max(height, 0.30), 0.80), 3),
        rails="none",
        pillow=False,
    )


def chair_of(box: SeenBox, name: str, height: float, front: Float[np.ndarray, "2"]) -> SceneObject:
    """A chair of natural size where a box of about its size was seen, facing as somebody sat on it."""
    return default_object(
        "chair",
        name,
        x=box.place.x,
        y=box.place.y,
        yaw=math.atan2(-float(front[0]), float(front[1])),
        seat_height_m=round(min(max(height, 0.38), 0.56), 3),
        arms=False,
    )


def _axes(yaw: float) -> Float[np.ndarray, "2 2"]:
    return np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])


def _cell_heights(number: np.ndarray, z: np.ndarray, count: int) -> Float[np.ndarray, "cell"]:
    """Highest point of each cell, NaN in empty ones."""
    heights = np.full(count, -np.inf)
    np.maximum.at(heights, number, z)
    return np.where(np.isfinite(heights), heights, np.nan)


def _groups(heights: Float[np.ndarray, "row column"]) -> np.ndarray:
    """Number of the thing in each cell, from 1; 0 where there is none."""
    there = np.isfinite(heights)
    number = np.arange(heights.size).reshape(heights.shape)
    starts, ends = [], []
    for right, down in ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2)):
        rows, columns = heights.shape[0] - abs(down), heights.shape[1] - right
        here = (slice(max(-down, 0), max(-down, 0) + rows), slice(0, columns))
        next_to = (slice(max(down, 0), max(down, 0) + rows), slice(right, right + columns))
        near = np.abs(np.nan_to_num(heights[here], nan=-9.0) - np.nan_to_num(heights[next_to], nan=9.0)) < _STEP_M
        starts.append(number[here][near])
        ends.append(number[next_to][near])
    row, column = np.concatenate(starts), np.concatenate(ends)
    links = coo_array((np.ones(len(row)), (row, column)), shape=(heights.size, heights.size))
    _, piece = connected_components(links, directed=False)
    piece = np.where(there.reshape(-1), piece, -1)
    names, index, counts = np.unique(piece, return_inverse=True, return_counts=True)
    large = (counts * _CELL_M**2 >= _LEAST_M2 / 4) & (names >= 0)
    order = np.zeros(len(names), int)
    order[large] = np.arange(1, int(large.sum()) + 1)
    return order[index].reshape(heights.shape)


def _box(
    spots: np.ndarray,
    level: Bool[np.ndarray, "point"],
    area: np.ndarray,
    turn: np.ndarray,
    room_yaw: float,
    polygon: list[tuple[float, float]],
    eye: np.ndarray,
) -> SeenBox | None:
    flat = spots[:, :2]
    yaw, low, high = _rectangle(flat, room_yaw)
    wide, long = high - low
    sigma = max(0.02, 0.012 * float(np.linalg.norm(spots.mean(axis=0) - eye)))
    top = float(np.quantile(spots[:, 2], 0.98))
    level_m2 = float(area[level].sum())
    if level_m2 < _LEAST_M2:
        # Only a front: it must be tall and broad to be worth a box.
        if top < 0.6 or max(wide, long) < 0.35 or float(area.sum()) < 4 * _LEAST_M2:
            return None
        low, high = _deepened(low, high, yaw, polygon, eye)
        wide, long = high - low
        surface = top
    else:
        counts, edges = np.histogram(spots[level, 2], bins=np.arange(_LOW_M, _HIGH_M + 0.05, 0.03), weights=area[level])
        spread = np.convolve(counts, np.ones(3), mode="same")
        middle = edges[int(np.argmax(spread))] + 0.015
        near = level & (np.abs(spots[:, 2] - middle) < 0.05)
        surface = float(np.average(spots[near, 2], weights=area[near]))
    if wide > long:
        yaw, low, high = yaw + math.pi / 2, np.array([low[1], -high[0]]), np.array([high[1], -low[0]])
    axes = _axes(yaw)
    x, y = (low + high) / 2 @ axes
    half = (high - low) / 2
    place = Footprint(float(x), float(y), float(half[0]), float(half[1]), yaw, 0.0, top)
    return SeenBox(place, surface, top, sigma, level_m2, _rising(spots, axes))


def _rectangle(flat: np.ndarray, room_yaw: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Yaw, and lowest and highest corner in the turned frame, of the rectangle around most of some points."""

    def around(yaw: float) -> tuple[float, np.ndarray, np.ndarray]:
        turned = flat @ _axes(yaw).T
        low, high = np.quantile(turned, 0.01, axis=0), np.quantile(turned, 0.99, axis=0)
        return float(np.prod(np.maximum(high - low, 0.02))), low, high

    best = min((around(room_yaw + angle)[0], angle) for angle in np.radians(np.arange(-44, 45, 2.0)))
    yaw = room_yaw if best[0] > _TURNED_SAVING * around(room_yaw)[0] else room_yaw + best[1]
    _, low, high = around(yaw)
    return yaw, low, high


def _deepened(
    low: np.ndarray, high: np.ndarray, yaw: float, polygon: list[tuple[float, float]], eye: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The thin rectangle of a front made deeper, away from the eye."""
    thin = int(np.argmin(high - low))
    axes = _axes(yaw)
    away = np.sign(float(axes[thin] @ ((low + high) / 2 @ axes - eye[:2])))
    middle = (low + high) / 2 @ axes
    steps = np.arange(0.05, 1.0, 0.05)
    free = wall_distance(middle + away * steps[:, None] * axes[thin], polygon)
    behind = steps[np.argmax(free < 0.03)] if (free < 0.03).any() else _FRONT_ONLY_M
    low, high = low.copy(), high.copy()
    if away > 0:
        high[thin] = max(high[thin], low[thin] + behind)
    else:
        low[thin] = min(low[thin], high[thin] - behind)
    return low, high


def _rising(spots: np.ndarray, axes: np.ndarray) -> Float[np.ndarray, "2"]:
    along = spots[:, :2] @ axes[1]
    low, high = np.quantile(along, [0.3, 0.7])
    difference = float(np.mean(spots[along > high, 2]) - np.mean(spots[along < low, 2]))
    return np.sign(difference) * axes[1] if abs(difference) > 0.05 else np.zeros(2)


def _thing(box: SeenBox, polygon: list[tuple[float, float]], names: set[str]) -> SceneObject:
    short, long = box.sides
    if box.is_bed:
        bed = bed_of(box, fresh_name("bed", names), box.surface, None)
        if not box.rising.any():
            # Heads of beds stand at walls.
            ends = np.array([footprint(bed).world(0.0, sign * bed.size[1] / 2) for sign in (-1.0, 1.0)])
            off = wall_distance(ends, polygon)
            if off[1] < off[0]:
                bed.yaw = math.remainder(bed.yaw + math.pi, 2 * math.pi)
        return bed
    at = (box.place.x, box.place.y)
    seat = 0.34 <= box.surface <= 0.58 and short >= 0.3 and long <= 0.85 and box.level_m2 > 0.08
    if seat:
        back = nearest_wall_yaw(at, polygon)
        height = round(min(max(box.surface, 0.38), 0.56), 3)
        return default_object("chair", fresh_name("chair", names), x=at[0], y=at[1], yaw=back, seat_height_m=height)
    level = box.top - box.surface < 0.15
    kind = "other"
    if level and 0.62 <= box.surface <= 0.90 and short >= 0.5 and long >= 0.7:
        kind = "table"
    elif level and box.top >= 0.5:
        kind = "cabinet"
    yaw, wide, deep = box.place.yaw, short, long
    if abs(math.remainder(nearest_wall_yaw(at, polygon) - yaw, math.pi)) > math.pi / 4:
        yaw, wide, deep = yaw + math.pi / 2, long, short
    if abs(math.remainder(nearest_wall_yaw(at, polygon) - yaw, 2 * math.pi)) > math.pi / 2:
        yaw += math.pi
    yaw = math.remainder(yaw, 2 * math.pi)
    size = (wide, deep, box.top)
    limits = zip(size, BUILDERS[kind].smallest, BUILDERS[kind].largest, strict=True)
    if not all(low <= value <= high for value, low, high in limits):
        kind = "other"
    return default_object(kind, fresh_name(kind, names), x=at[0], y=at[1], yaw=yaw, size=size, bottom=0.0)
