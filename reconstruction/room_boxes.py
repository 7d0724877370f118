"""Boxes of furniture in a depth picture: what stands on the floor and how large it is."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from carescene.scenes.footprint import Footprint, wall_distance
from reconstruction.room_surfaces import Surfels

# Cells on the floor, as coarse as the samples of level surfaces at most lie apart.
_CELLS_M: Final = (0.04, 0.12)
# From here up a thing is furniture rather than floor; from there on a lamp or the ceiling.
_LOW_M: Final = 0.20
_HIGH_M: Final = 2.2
# What stands this near to a wall belongs to it.
_OFF_WALL_M: Final = 0.08
# Neighbouring cells of one thing differ by at most this: a raised backrest climbs 4 cm per cell, a cabinet beside a bed
# stands 20 cm over it.
_STEP_M: Final = 0.10
LEAST_M2: Final = 0.08
# A box is turned with the room unless turning it otherwise saves this much of its area.
_TURNED_SAVING: Final = 0.80
# Depth of a thing of which only the front is seen, if no wall is near behind it: of a cabinet, and of a partition.
_FRONT_ONLY_M: Final = 0.40
_THIN_M: Final = 0.10
# What is thinner is a fold of the depth, and nothing that stands.
_SHEET_M: Final = 0.02
# Wardrobes are lower than this, door frames higher.
PARTITION_M: Final = 2.05
# Single beds are narrower; wider ones are measured again by their level part alone.
_WIDE_M: Final = 1.1
# A bed's box is wider and longer than its mattress, metres.
MATTRESS_TO_BOX: Final = (0.12, 0.13)
# Boards and rails at a bed: thinner than this, at most so far from the mattress and so high above it.
_BOARD_M: Final = 0.30
_BOARD_GAP_M: Final = 0.35
_BOARD_ABOVE_M: Final = 0.60


@dataclass(frozen=True)
class SeenBox:
    """The box around one connected thing.

    Attributes:
        place: its outline on the floor; the longer side runs along its y.
        surface: height of its largest level part, metres.
        top: height of its highest part.
        sigma: standard deviation of these heights, metres, by the distance from the eye.
        level_m2: area of the level part.
        front: outline of what was seen of it, which is thinner than `place` where only a front was.
        rising: unit vector on the floor towards the end where it is higher (a bed's head), zero if it is level.
    """

    place: Footprint
    surface: float
    top: float
    sigma: float
    level_m2: float
    front: Footprint
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
    seen: Surfels,
    polygon: list[tuple[float, float]],
    ceiling: float,
    room_yaw: float,
    eye: Float[np.ndarray, "3"],
    wall_spread: float = 0.0,
) -> list[SeenBox]:
    """Boxes around what stands inside the walls, largest first.

    Everything between 20 cm and 2.2 m is dropped onto a grid along the walls; neighbouring cells of similar height are
    one thing. Where little but an upright front is seen, the box reaches back to the wall behind it, or
    40 cm.

    Args:
        polygon: of the floor.
        ceiling: its height, metres.
        room_yaw: azimuth of a wall, radians: boxes stand along the walls if they fit so about as well.
        eye: of the camera, metres.
        wall_spread: standard deviation of the walls' points, metres: what is within three of it belongs to the wall.
    """
    points = seen.points
    z = np.nan_to_num(points[..., 2], nan=-1.0)
    inside = seen.whole & (z > _LOW_M) & (z < min(_HIGH_M, ceiling - 0.15))
    inside[inside] = wall_distance(points[inside][:, :2], polygon) > max(_OFF_WALL_M, min(3 * wall_spread, 0.25))
    if not inside.any():
        return []
    spots, level, area = points[inside], np.abs(seen.normals[inside][:, 2]) > 0.85, seen.area[inside]
    turn = _axes(room_yaw)
    flat = spots[:, :2] @ turn.T
    low = flat.min(axis=0)
    cell = _cell(seen, inside)
    cells = ((flat - low) / cell).astype(int)
    shape = tuple(int(value) + 1 for value in cells.max(axis=0))
    number = cells[:, 0] * shape[1] + cells[:, 1]
    heights = _cell_heights(number, spots[:, 2], int(np.prod(shape))).reshape(shape)
    groups = _groups(heights, cell)
    boxes = []
    for group in range(1, int(groups.max()) + 1):
        mine = groups[cells[:, 0], cells[:, 1]] == group
        box = _box(spots[mine], level[mine], area[mine], turn, room_yaw, polygon, eye)
        if box is not None and box.sides[0] > _SHEET_M:
            boxes.append(box)
    return sorted(with_boards(boxes), key=lambda box: -box.sides[0] * box.sides[1])


def with_boards(boxes: list[SeenBox]) -> list[SeenBox]:
    """The boxes with boards and rails made part of the beds they stand at, which a footboard partly hides."""
    left = list(boxes)
    for bed in [box for box in boxes if box.is_bed]:
        half = np.array([bed.place.half_x, bed.place.half_y])
        low, high = -half, half
        for box in [each for each in left if each is not bed and not each.is_bed]:
            corners = (box.front.corners - [bed.place.x, bed.place.y]) @ bed.place.axes.T
            nearest, farthest = corners.min(axis=0), corners.max(axis=0)
            gap = np.maximum(nearest - half, -half - farthest)
            thin, beside = int(np.argmin(farthest - nearest)), int(np.argmax(gap))
            is_board = (farthest - nearest)[thin] < _BOARD_M and thin == beside and gap[beside] < _BOARD_GAP_M
            other = 1 - beside
            along = nearest[other] > -half[other] - 0.15 and farthest[other] < half[other] + 0.15
            if is_board and along and box.top < bed.surface + _BOARD_ABOVE_M:
                left.remove(box)
                # Boards belong to the box beside the mattress.
                edge = MATTRESS_TO_BOX[beside] / 2
                low[beside] = min(low[beside], nearest[beside] + edge)
                high[beside] = max(high[beside], farthest[beside] - edge)
        x, y = bed.place.world(*((low + high) / 2).tolist())
        size = (high - low) / 2
        grown = replace(bed.place, x=x, y=y, half_x=float(size[0]), half_y=float(size[1]))
        left[left.index(bed)] = replace(bed, place=grown)
    return left


def _axes(yaw: float) -> Float[np.ndarray, "2 2"]:
    return np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])


def _cell_heights(number: np.ndarray, z: np.ndarray, count: int) -> Float[np.ndarray, "cell"]:
    """Highest point of each cell, NaN in empty ones."""
    heights = np.full(count, -np.inf)
    np.maximum.at(heights, number, z)
    return np.where(np.isfinite(heights), heights, np.nan)


def _cell(seen: Surfels, inside: Bool[np.ndarray, "row column"]) -> float:
    """Side of a cell: the distance of neighbouring samples of level things, of nine in ten of them, metres."""
    level = inside & (np.nan_to_num(seen.normals[..., 2]) > 0.85)
    both = level[1:] & level[:-1] & seen.linked_down
    if not both.any():
        return _CELLS_M[0]
    apart = np.linalg.norm(np.diff(seen.points[..., :2], axis=0)[both], axis=-1)
    return float(np.clip(np.quantile(apart, 0.9), *_CELLS_M))


def _groups(heights: Float[np.ndarray, "row column"], cell: float) -> np.ndarray:
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
    large = (counts * cell**2 >= LEAST_M2 / 4) & (names >= 0)
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
    raw: Footprint | None = None
    sigma = max(0.02, 0.012 * float(np.linalg.norm(spots.mean(axis=0) - eye)))
    top = float(np.quantile(spots[:, 2], 0.98))
    level_m2 = float(area[level].sum())
    if level_m2 < LEAST_M2:
        # Only a front: it must be tall and broad to be worth a box.
        if top < 0.6 or max(wide, long) < 0.35 or float(area.sum()) < 2 * LEAST_M2:
            return None
        raw = _footprint(low, high, yaw, top)
        low, high = _deepened(low, high, yaw, polygon, eye, _THIN_M if top > PARTITION_M else _FRONT_ONLY_M)
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
    place = _footprint(low, high, yaw, top)
    box = SeenBox(place, surface, top, sigma, level_m2, raw or place, _rising(spots, place.axes))
    if box.is_bed and box.sides[0] > _WIDE_M:
        flat_part = np.abs(spots[:, 2] - surface) < 0.05
        return replace(box, place=_narrowed(place, spots[flat_part, :2]))
    return box


def _narrowed(place: Footprint, points: Float[np.ndarray, "point 2"]) -> Footprint:
    """The footprint as wide as some points across its long side: rails join what stands beside a bed to it."""
    across = (points - [place.x, place.y]) @ place.axes[0]
    left, right = np.quantile(across, [0.02, 0.98]).tolist()
    x, y = place.world((left + right) / 2, 0.0)
    return replace(place, x=x, y=y, half_x=(right - left) / 2)


def _footprint(low: np.ndarray, high: np.ndarray, yaw: float, top: float) -> Footprint:
    x, y = (low + high) / 2 @ _axes(yaw)
    half = (high - low) / 2
    return Footprint(float(x), float(y), float(half[0]), float(half[1]), yaw, 0.0, top)


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
    low: np.ndarray,
    high: np.ndarray,
    yaw: float,
    polygon: list[tuple[float, float]],
    eye: np.ndarray,
    otherwise: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The thin rectangle of a front made deeper, away from the eye: to a wall within a metre, or `otherwise`."""
    thin = int(np.argmin(high - low))
    axes = _axes(yaw)
    away = np.sign(float(axes[thin] @ ((low + high) / 2 @ axes - eye[:2])))
    middle = (low + high) / 2 @ axes
    steps = np.arange(0.05, 1.0, 0.05)
    free = wall_distance(middle + away * steps[:, None] * axes[thin], polygon)
    behind = steps[np.argmax(free < 0.03)] if (free < 0.03).any() else otherwise
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
