"""Smoothing and enlarging of light over a picture without crossing the edges of things."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, sparse

# Two pixels lie on the same surface when each lies this close (metres) to the other's tangent plane ...
_PLANE = 0.025
# ... and their normals differ by less than about 37 degrees.
_COSINE = 0.8
_Window = tuple[slice, slice]


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
        for first, second, share in _neighbours(height, width, step):
            match = same_surface(points[first], normals[first], points[second], normals[second])[..., None]
            match = (share * match).astype(np.float32)
            total[first] += match * values[second]
            total[second] += match * values[first]
            weight[first] += match
            weight[second] += match
        values = total / weight
    return values


def _neighbours(height: int, width: int, step: int) -> Iterator[tuple[_Window, _Window, float]]:
    """Every pair of 3x3 neighbours `step` pixels apart once: windows of the first and the second ones, and a weight."""
    for down, right in ((0, step), (step, 0), (step, step), (step, -step)):
        if down >= height or abs(right) >= width:
            continue
        first = np.s_[: height - down, max(0, -right) : width - max(0, right)]
        second = np.s_[down:, max(0, right) : width + min(0, right)]
        yield first, second, 2.0 if right == 0 or down == 0 else 1.0


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


def smoothing(
    points: Float[np.ndarray, "height width 3"], normals: Float[np.ndarray, "height width 3"], step: int
) -> sparse.csr_matrix:
    """One step of `smooth` as a matrix over the picture's pixels, for pictures whose geometry stays."""
    height, width = points.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    rows, columns, shares = [index.ravel()], [index.ravel()], [np.full(index.size, 4.0, np.float32)]
    for first, second, weight in _neighbours(height, width, step):
        match = same_surface(points[first], normals[first], points[second], normals[second])
        here, there = index[first][match], index[second][match]
        share = np.full(len(here), weight, np.float32)
        rows, columns, shares = [*rows, here, there], [*columns, there, here], [*shares, share, share]
    matrix = sparse.csr_matrix((np.concatenate(shares), (np.concatenate(rows), np.concatenate(columns))))
    return sparse.csr_matrix(sparse.diags(1 / np.asarray(matrix.sum(axis=1)).ravel()) @ matrix, dtype=np.float32)


def enlarge(
    values: Float[np.ndarray, "rows columns channel"],
    points: Float[np.ndarray, "rows columns 3"],
    normals: Float[np.ndarray, "rows columns 3"],
    fine_points: Float[np.ndarray, "point 3"],
    fine_normals: Float[np.ndarray, "point 3"],
    place: Float[np.ndarray, "point 2"],
) -> Float[np.ndarray, "point channel"]:
    """Values of a coarse picture at fine places; see `enlarging`."""
    flat = values.reshape(-1, values.shape[2])
    return enlarging(points, normals, fine_points, fine_normals, place) @ flat


def enlarging(
    points: Float[np.ndarray, "rows columns 3"],
    normals: Float[np.ndarray, "rows columns 3"],
    fine_points: Float[np.ndarray, "point 3"],
    fine_normals: Float[np.ndarray, "point 3"],
    place: Float[np.ndarray, "point 2"],
) -> sparse.csr_matrix:
    """Weights, `(point, coarse pixel)`, of a coarse picture at fine places (row and column in coarse pixels, centres at
    whole numbers).

    Bilinear over the four pixels around, but only those on the same surface count; where none is, the nearest pixel in
    space counts alone (joint bilateral upsampling, Kopf et al. 2007).
    """
    rows, columns = points.shape[:2]
    flat_points, flat_normals = points.reshape(-1, 3), normals.reshape(-1, 3)
    corner = np.floor(place).astype(np.int32)
    inside = (place - corner).astype(np.float32)
    index = np.empty((len(place), 4), np.int32)
    share, apart = np.empty((len(place), 4), np.float32), np.empty((len(place), 4), np.float32)
    for number, (down, right) in enumerate(np.ndindex(2, 2)):
        row = np.clip(corner[:, 0] + down, 0, rows - 1)
        cell = row * columns + np.clip(corner[:, 1] + right, 0, columns - 1)
        bilinear = np.abs(1 - down - inside[:, 0]) * np.abs(1 - right - inside[:, 1]) + 1e-4
        index[:, number] = cell
        share[:, number] = bilinear * same_surface(fine_points, fine_normals, flat_points[cell], flat_normals[cell])
        off = flat_points[cell] - fine_points
        turned = 1 - np.einsum("pc,pc->p", flat_normals[cell], fine_normals)
        apart[:, number] = np.einsum("pc,pc->p", off, off) + 0.1 * turned
    whole = share[:, 0] + share[:, 1] + share[:, 2] + share[:, 3]
    alone = np.flatnonzero(whole <= 0)
    share[alone, np.argmin(apart[alone], axis=1)] = 1
    whole[alone] = 1
    starts = np.arange(0, index.size + 1, 4, dtype=np.int32)
    weights = (share / whole[:, None]).ravel()
    return sparse.csr_matrix((weights, index.ravel(), starts), shape=(len(place), rows * columns))
