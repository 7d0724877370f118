"""Smoothing and enlarging of light over a picture without crossing the edges of things."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

# Two pixels lie on the same surface when each lies this close (metres) to the other's tangent plane ...
_PLANE = 0.025
# ... and their normals differ by less than about 37 degrees.
_COSINE = 0.8


def same_surface(
    points: Float[np.ndarray, "*grid 3"],
    normals: Float[np.ndarray, "*grid 3"],
    other_points: Float[np.ndarray, "*grid 3"],
    other_normals: Float[np.ndarray, "*grid 3"],
) -> Bool[np.ndarray, "*grid"]:
    """Whether pairs of pixels show one smooth surface; pixels that show nothing (NaN) match none."""
    off_plane = np.abs(np.einsum("...c,...c->...", other_points - points, normals))
    alike = np.einsum("...c,...c->...", normals, other_normals)
    return (off_plane < _PLANE) & (alike > _COSINE)


def smooth(
    values: Float[np.ndarray, "height width channel"],
    points: Float[np.ndarray, "height width 3"],
    normals: Float[np.ndarray, "height width 3"],
    *,
    steps: tuple[int, ...] = (1, 2),
) -> Float[np.ndarray, "height width channel"]:
    """Mean over 3x3 neighbours on the same surface, once per step; steps further apart reach further ("a trous",
    Dammertz et al. 2010)."""
    height, width = values.shape[:2]
    for step in steps:
        total, weight = 4 * values, np.full((height, width, 1), 4.0, np.float32)
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            down, right = step * down, step * right
            if down >= height or abs(right) >= width:
                continue
            first = np.s_[: height - down, max(0, -right) : width - max(0, right)]
            second = np.s_[down:, max(0, right) : width + min(0, right)]
            share = 2.0 if right == 0 or down == 0 else 1.0
            match = same_surface(points[first], normals[first], points[second], normals[second])[..., None]
            match = (share * match).astype(np.float32)
            total[first] += match * values[second]
            total[second] += match * values[first]
            weight[first] += match
            weight[second] += match
        values = total / weight
    return values


def fill_holes(
    values: Float[np.ndarray, "height width channel"], holes: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width channel"]:
    """Give single pixels that are known to be wrong the mean of their sound neighbours; larger holes stay in the
    middle."""
    sound = (~holes).astype(np.float32)
    weight = ndimage.uniform_filter(sound, 3, mode="nearest")
    filled, chosen = values.copy(), holes & (weight > 1e-3)
    for channel in range(values.shape[2]):
        mean = ndimage.uniform_filter(values[..., channel] * sound, 3, mode="nearest")
        filled[chosen, channel] = mean[chosen] / weight[chosen]
    return filled


def enlarge(
    values: Float[np.ndarray, "rows columns channel"],
    points: Float[np.ndarray, "rows columns 3"],
    normals: Float[np.ndarray, "rows columns 3"],
    fine_points: Float[np.ndarray, "point 3"],
    fine_normals: Float[np.ndarray, "point 3"],
    place: Float[np.ndarray, "point 2"],
) -> Float[np.ndarray, "point channel"]:
    """Values of a coarse picture at fine places (row and column in coarse cells, centres at whole numbers).

    Bilinear over the four cells around, but only those on the same surface count; where none is, the nearest cell in
    space counts alone (joint bilateral upsampling, Kopf et al. 2007).
    """
    rows, columns = values.shape[:2]
    flat, flat_points = values.reshape(rows * columns, -1), points.reshape(-1, 3)
    flat_normals = normals.reshape(-1, 3)
    corner = np.floor(place).astype(np.int64)
    inside = (place - corner).astype(np.float32)
    total = np.zeros((len(place), values.shape[2]), np.float32)
    weight = np.zeros(len(place), np.float32)
    nearest, best = np.zeros(len(place), np.int64), np.full(len(place), np.inf, np.float32)
    for down in (0, 1):
        for right in (0, 1):
            row = np.clip(corner[:, 0] + down, 0, rows - 1)
            index = row * columns + np.clip(corner[:, 1] + right, 0, columns - 1)
            share = np.abs(1 - down - inside[:, 0]) * np.abs(1 - right - inside[:, 1]) + 1e-4
            share = share * same_surface(fine_points, fine_normals, flat_points[index], flat_normals[index])
            total += share[:, None] * flat[index]
            weight += share
            off = flat_points[index] - fine_points
            apart = np.einsum("pc,pc->p", off, off) + 0.1 * (
                1 - np.einsum("pc,pc->p", flat_normals[index], fine_normals)
            )
            nearer = apart < best
            nearest, best = np.where(nearer, index, nearest), np.where(nearer, apart, best)
    alone = weight <= 0
    total[alone] = flat[nearest[alone]]
    weight[alone] = 1
    return total / weight[:, None]
