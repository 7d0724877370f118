"""What a depth picture of an empty room says about its floor, walls and ceiling."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import median_filter, uniform_filter

from carescene.errors import UserError
from carescene.rendering.camera import Camera

# Columns of the grid on which a depth picture is looked at: 3 cm on the floor at 5 m through a 90 degree lens.
_COLUMNS: Final = 320
# Neighbours whose depths differ by more than this share belong to different surfaces. A floor seen from 2.4 m up
# changes by 2 % from row to row at 6 m, the edge of a bed by 15 %.
_JUMP: Final = 0.04
# Relative noise of single samples beyond which the median's window grows by so many pixels.
_NOISE: Final = ((0.006, 6), (0.002, 2))
# Surfaces seen more slantwise than this (84 degrees) are mostly smear between two others.
_SLANT: Final = 0.1
# Least evidence in square metres.
_FLOOR_M2: Final = 0.3
_WALL_M2: Final = 0.6
_CEILING_M2: Final = 0.5
# The floor is looked for this far around z = 0, as a share of the eye's height: half or double the depth at most.
_FLOOR_SEARCH: Final = 0.6
_SCALES: Final = (0.7, 1.4)
_TILT_DEG: Final = 8.0
_TALLEST_FURNITURE_M: Final = 1.6
# Points of one wall lie within this, also where the depth is noisy or the wall not quite at a right angle.
_WALL_BAND_M: Final = 0.20
_BIN_M: Final = 0.04


@dataclass(frozen=True)
class Surfels:
    """Small pieces of surface, one per sample of a depth picture, in the world (metres).

    Attributes:
        points: where the ray ends, NaN where the depth is unknown.
        normals: unit, towards the eye; NaN where there is no neighbour on the same surface.
        area: of the piece in square metres, 0 where there is no normal.
        linked_right, linked_down: whether the next sample lies on the same surface.
    """

    points: Float[np.ndarray, "row column 3"]
    normals: Float[np.ndarray, "row column 3"]
    area: Float[np.ndarray, "row column"]
    linked_right: Bool[np.ndarray, "row less_column"]
    linked_down: Bool[np.ndarray, "less_row column"]

    @property
    def whole(self) -> Bool[np.ndarray, "row column"]:
        """Samples with a point and a normal."""
        return self.area > 0


def find_surfels(depth: Float[np.ndarray, "height width"], camera: Camera, scale: float | int = 1.0) -> Surfels:
    """Unproject a depth picture and find the normals of what it shows.

    Args:
        depth: metres along the view axis, NaN or not positive where unknown; any size of the camera's own picture.
        camera: in the world.
        scale: factor on the depth.

    Raises:
        UserError: if fewer than 50 samples are known.
    """
    height, width = depth.shape
    step = max(1, round(width / _COLUMNS))
    rows, columns = np.arange(step // 2, height, step), np.arange(step // 2, width, step)
    known = np.isfinite(depth) & (depth > 0)
    calm = _calmed(np.where(known, depth, 0.0).astype(np.float64), 2 * (step // 2) + 3)
    z = np.where(known & (calm > 0), calm, np.nan)[np.ix_(rows, columns)] * scale
    if np.isfinite(z).sum() < 50:
        raise UserError(
            f"Expected a depth picture of the room, but only {int(known.sum())} of its {depth.size} pixels hold a "
            "depth. The depth is probably in other units or empty. Leave it out."
        )
    pixels = np.stack(
        np.meshgrid((columns + 0.5) * camera.width / width, (rows + 0.5) * camera.height / height), axis=-1
    )
    rays = camera.rays(pixels)
    points = camera.eye + z[..., None] * rays
    with np.errstate(invalid="ignore"):
        right = np.abs(np.diff(z, axis=1)) < _JUMP * np.minimum(z[:, 1:], z[:, :-1])
        down = np.abs(np.diff(z, axis=0)) < _JUMP * np.minimum(z[1:], z[:-1])
    across, along = _slopes(points, right, 1), _slopes(points, down, 0)
    normal = np.cross(along, across)
    # Mean over 5 x 5 samples: single normals of noisy depth point anywhere.
    there = np.isfinite(normal).all(axis=-1)
    length = np.linalg.norm(np.where(there[..., None], normal, 1.0), axis=-1, keepdims=True)
    unit = np.where(there[..., None], normal / np.maximum(length, 1e-12), 0.0)
    unit *= -np.sign(np.einsum("rcx,rcx->rc", unit, rays))[..., None]
    smooth = np.stack([uniform_filter(unit[..., axis], size=5) for axis in range(3)], axis=-1)
    size = np.linalg.norm(smooth, axis=-1, keepdims=True)
    there &= size[..., 0] > 1e-6
    smooth = smooth / np.maximum(size, 1e-12)
    facing = -np.einsum("rcx,rcx->rc", smooth, rays) / np.linalg.norm(rays, axis=-1)
    there &= facing > _SLANT
    flat = z**2 * (camera.width / width * step) * (camera.height / height * step) / np.prod(camera.scale)
    # Rays are 1 m long along the axis, so a piece across the axis counts as such; slanted ones are larger.
    area = np.where(there, flat / np.maximum(facing * np.linalg.norm(rays, axis=-1), _SLANT), 0.0)
    return Surfels(points, np.where(there[..., None], smooth, np.nan), np.nan_to_num(area), right, down)


def _calmed(depth: Float[np.ndarray, "height width"], size: int) -> Float[np.ndarray, "height width"]:
    """Depth without specks, edges kept: a median over a window that grows with the noise; 0 stands for unknown."""
    calm = median_filter(depth, size=size)
    known = (depth > 0) & (calm > 0)
    noise = float(np.median(np.abs(depth[known] / calm[known] - 1))) if known.any() else 0.0
    for limit, more in _NOISE:
        if noise > limit:
            return median_filter(depth, size=size + more)
    return calm


def _slopes(points: np.ndarray, linked: np.ndarray, axis: int) -> np.ndarray:
    """Difference to the neighbours on the same surface along an axis, NaN where there is none."""
    step = np.diff(points, axis=axis)
    step = np.where(linked[..., None], step, np.nan)
    edge = np.full_like(np.take(points, [0], axis=axis), np.nan)
    before, after = np.concatenate([edge, step], axis=axis), np.concatenate([step, edge], axis=axis)
    known = np.isfinite(before).astype(float) + np.isfinite(after)
    with np.errstate(invalid="ignore"):
        return np.where(known > 0, (np.nan_to_num(before) + np.nan_to_num(after)) / known, np.nan)


@dataclass(frozen=True)
class FloorFit:
    """The floor as the depth has it.

    Attributes:
        height: of the depth's floor over z = 0 below the middle of what is seen of it, metres.
        tilt_deg: between the depth's floor and the horizontal.
        area: seen, square metres.
        scale: factor on the depth that brings its floor to z = 0.
    """

    height: float
    tilt_deg: float
    area: float
    scale: float


def fit_floor(seen: Surfels, eye_height: float | int) -> FloorFit | None:
    """The lowest large level surface near z = 0, fitted as a plane by trimmed least squares; None if there is none.

    The scale follows from similar triangles: a depth that is too short by a factor brings the floor nearer to the eye.
    """
    up = seen.whole & (np.nan_to_num(seen.normals[..., 2]) > 0.85)
    points, area = seen.points[up], seen.area[up]
    search = _FLOOR_SEARCH * float(eye_height)
    near = np.abs(points[:, 2]) < search
    points, area = points[near], area[near]
    if area.sum() < _FLOOR_M2:
        return None
    edges = np.arange(-search, search + _BIN_M, _BIN_M)
    counts, _ = np.histogram(points[:, 2], bins=edges, weights=area)
    spread = np.convolve(counts, np.ones(5), mode="same")
    strong = np.flatnonzero(spread > max(0.4 * spread.max(), _FLOOR_M2))
    if not len(strong):
        return None
    # The lowest of the strong levels: beds are level too.
    first = strong[0]
    level = edges[first + int(np.argmax(spread[first : first + 4]))] + _BIN_M / 2
    plane, kept = np.array([0.0, 0.0, level]), np.abs(points[:, 2] - level) < 0.15
    for band in (0.10, 0.06, 0.04):
        columns = np.column_stack([points[kept, :2], np.ones(int(kept.sum()))])
        weight = np.sqrt(area[kept])
        plane, *_ = np.linalg.lstsq(columns * weight[:, None], points[kept, 2] * weight, rcond=None)
        kept = np.abs(points[:, 2] - points[:, :2] @ plane[:2] - plane[2]) < band
        if area[kept].sum() < _FLOOR_M2:
            return None
    middle = np.average(points[kept, :2], axis=0, weights=area[kept])
    height = float(middle @ plane[:2] + plane[2])
    tilt = math.degrees(math.atan(float(np.hypot(*plane[:2]))))
    return FloorFit(height, tilt, float(area[kept].sum()), float(eye_height / max(eye_height - height, 1e-3)))


def explained_by_scale(fit: FloorFit) -> bool:
    """Whether how the depth's floor lies can be a fault of the depth's scale alone.

    Boxes of a floor that is tilted by more than 8 degrees would stand askew: at 4 m it is half a metre too high.
    """
    return _SCALES[0] <= fit.scale <= _SCALES[1] and fit.tilt_deg <= _TILT_DEG


def wall_direction(seen: Surfels) -> float:
    """Azimuth in radians, within 45 degrees of 0, of a room whose walls are at right angles; 0 if no wall is seen.

    The strongest direction, modulo a quarter turn, of the normals of upright surfaces, weighted by area (the Manhattan
    world of Coughlan and Yuille 1999).
    """
    upright = seen.whole & (np.abs(np.nan_to_num(seen.normals[..., 2], nan=1.0)) < 0.35)
    normals, area = seen.normals[upright], seen.area[upright]
    if area.sum() < _WALL_M2:
        return 0.0
    quarter = np.mod(np.arctan2(normals[:, 1], normals[:, 0]), math.pi / 2)
    counts, _ = np.histogram(quarter, bins=90, range=(0.0, math.pi / 2), weights=area)
    spread = sum(np.roll(counts, shift) for shift in range(-3, 4))
    peak = (int(np.argmax(spread)) + 0.5) / 90 * math.pi / 2
    for _ in range(3):
        away = np.mod(quarter - peak + math.pi / 4, math.pi / 2) - math.pi / 4
        close = np.abs(away) < math.radians(6)
        peak += float(np.average(away[close], weights=area[close]))
    return float(np.mod(peak + math.pi / 4, math.pi / 2) - math.pi / 4)


class Wall(NamedTuple):
    """How far out a wall stands, and the standard deviation of its points from there, metres."""

    place: float
    spread: float


def find_wall(seen: Surfels, outward: Float[np.ndarray, "2"]) -> Wall | None:
    """How far along a horizontal unit direction the room's wall stands, from the origin; None if it is not seen.

    Of the planes across the direction on which upright surfaces face back, the wall is the farthest that is large,
    higher than furniture, and not much smaller than the largest.
    """
    normals = np.nan_to_num(seen.normals)
    facing = seen.whole & (normals[..., :2] @ outward < -0.93)
    points, area = seen.points[facing], seen.area[facing]
    if area.sum() < _WALL_M2:
        return None
    along = points[:, :2] @ outward
    low = float(along.min()) - 2 * _BIN_M
    counts, edges = np.histogram(along, bins=np.arange(low, along.max() + 3 * _BIN_M, _BIN_M), weights=area)
    spread = np.convolve(counts, np.ones(3), mode="same")
    found: list[tuple[float, float]] = []  # place, square metres
    for place in np.flatnonzero(spread >= _WALL_M2):
        middle = edges[place] + _BIN_M / 2
        near = np.abs(along - middle) < 2 * _BIN_M
        tall = np.quantile(points[near, 2], [0.03, 0.97])
        if tall[1] > _TALLEST_FURNITURE_M and tall[1] - tall[0] > 0.9:
            found.append((float(_weighted_median(along[near], area[near])), float(area[near].sum())))
    if not found:
        return None
    largest = max(size for _, size in found)
    place = max(place for place, size in found if size > 0.35 * largest)
    for _ in range(3):
        near = np.abs(along - place) < _WALL_BAND_M
        place = float(_weighted_median(along[near], area[near]))
    near = np.abs(along - place) < _WALL_BAND_M
    return Wall(place, 1.48 * float(_weighted_median(np.abs(along[near] - place), area[near])))


def find_ceiling(seen: Surfels) -> float | None:
    """Height of the level surface above 1.9 m that faces down, metres; None if less than half a square metre of it."""
    down = seen.whole & (np.nan_to_num(seen.normals[..., 2]) < -0.7) & (np.nan_to_num(seen.points[..., 2]) > 1.9)
    area = seen.area[down]
    return None if area.sum() < _CEILING_M2 else float(_weighted_median(seen.points[down][:, 2], area))


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
