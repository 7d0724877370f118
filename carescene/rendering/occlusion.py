"""Ambient occlusion: how much of its surroundings a point sees, and how much people near it hide.

The still room is measured once by short rays. People move, so each of them is stood in for by some fifty balls whose
occlusion has a closed form.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Integer
from scipy import sparse

from carescene.rendering.raycast import to_open3d

# Rays of three lengths (metres): what is near darkens more than what is far, without asking for distances.
_REACHES: Final = (0.18, 0.45, 1.1)
# Bodies much longer than wide get several balls: one per this many radii of length.
_BALL_STEP: Final = 1.3
# People further away than this (metres, surface to surface) do not darken a point.
OCCLUSION_REACH: Final = 0.9


def hidden_share(
    caster: Any, starts: Float[np.ndarray, "ray 3"], ways: Float[np.ndarray, "ray 3"], reach: float | int = np.inf
) -> Float[np.ndarray, "ray"]:
    """1 for every ray that meets something before `reach` times its own length, else 0."""
    packed = np.empty((len(starts), 6), np.float32)
    packed[:, :3], packed[:, 3:] = starts, ways
    return caster.test_occlusions(to_open3d(packed), tfar=float(reach), nthreads=1).numpy().astype(np.float32)


def hemisphere(count: int) -> Float[np.ndarray, "count 3"]:
    """Directions around +z, denser towards it in proportion to the cosine (a sunflower disc lifted to the sphere)."""
    steps = np.arange(count)
    radius, turn = np.sqrt((steps + 0.5) / count), steps * np.pi * (3 - np.sqrt(5))
    x, y = radius * np.cos(turn), radius * np.sin(turn)
    return np.stack([x, y, np.sqrt(np.maximum(1 - radius**2, 0))], axis=-1).astype(np.float32)


def tangents(
    normals: Float[np.ndarray, "point 3"],
) -> tuple[Float[np.ndarray, "point 3"], Float[np.ndarray, "point 3"]]:
    """Two unit vectors that make a right-handed frame with each normal (Duff et al. 2017, "Building an orthonormal
    basis, revisited")."""
    x, y, z = normals.T
    sign = np.where(z < 0, -1.0, 1.0).astype(normals.dtype)
    a = -1 / (sign + z)
    b = x * y * a
    return (
        np.stack([1 + sign * x * x * a, sign * b, -sign * x], axis=-1),
        np.stack([b, sign + y * y * a, -y], axis=-1),
    )


def scatter(count: int, seed: int) -> Float[np.ndarray, "count 2"]:
    """Numbers from 0 to 1 per point, the same for the same seed and the same place in the list."""
    return np.random.default_rng([seed, 11]).random((count, 2), dtype=np.float32)


def dither(height: int, width: int) -> Float[np.ndarray, "pixel 2"]:
    """Two numbers from 0 to 1 per pixel of a picture, spread so evenly over every few neighbours that smoothing them
    leaves hardly any grain (interleaved gradient noise: Jimenez 2014)."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    numbers = [52.9829189 * ((0.06711056 * (x + dx) + 0.00583715 * (y + dy)) % 1) % 1 for dx, dy in ((0, 0), (47, 17))]
    return np.stack(numbers, axis=-1).reshape(-1, 2).astype(np.float32)


def openness(
    caster: Any,
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    turn: Float[np.ndarray, "point"],
    *,
    rays: int,
) -> Float[np.ndarray, "point"]:
    """Share of the cosine-weighted hemisphere over each point that nothing nearby hides: 1 is open, 0 is closed.

    Every third ray looks 0.18 m, 0.45 m and 1.1 m far (fewer at the end if `rays` is no multiple of 3). They are turned
    about the normal by a number from 0 to 1 per point, so that smoothing over neighbours takes the place of more rays.
    """
    side, other = tangents(normals)
    turn = 2 * np.pi * turn
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    side, other = cos * side + sin * other, cos * other - sin * side
    starts = points + 0.004 * normals
    hidden = np.zeros(len(points), np.float32)
    for index, (x, y, z) in enumerate(hemisphere(rays)):
        ways = x * side + y * other + z * normals
        hidden += hidden_share(caster, starts, ways, _REACHES[index % len(_REACHES)])
    return 1 - hidden / rays


@dataclass(frozen=True)
class Balls:
    """Balls that follow a body: each is the mean of some vertices, `(ball, vertex)`, with a radius in metres."""

    members: sparse.csr_matrix
    radius: Float[np.ndarray, "ball"]

    @classmethod
    def of(cls, vertices: Float[np.ndarray, "vertex 3"], part: Integer[np.ndarray, "vertex"]) -> "Balls":
        """Cut every part of a body along its longest axis into pieces about as long as wide, one ball each."""
        label = np.zeros(len(vertices), np.int64)
        radii: list[float] = []
        for index in np.unique(part):
            mine = np.flatnonzero(part == index)
            away = vertices[mine] - vertices[mine].mean(axis=0)
            spread, axes = np.linalg.eigh(away.T @ away / len(mine))
            along = away @ axes[:, -1]
            # A shell of radius r has variance r^2 / 2 across its axis.
            wide = max(float(np.sqrt(spread[0] + spread[1])), 0.01)
            low, high = float(along.min()), float(along.max())
            pieces = int(np.clip(round((high - low) / (_BALL_STEP * wide)), 1, 4))
            piece = np.clip(((along - low) / max(high - low, 1e-6) * pieces).astype(int), 0, pieces - 1)
            for number in range(pieces):
                chosen = mine[piece == number]
                if len(chosen):
                    label[chosen] = len(radii)
                    radii.append(wide)
        rows = sparse.csr_matrix((np.ones(len(label), np.float32), (label, np.arange(len(label)))))
        count = np.asarray(rows.sum(axis=1)).ravel()
        means = sparse.csr_matrix(sparse.diags(1 / count) @ rows, dtype=np.float32)
        return cls(means, np.array(radii, np.float32))

    def centers(self, vertices: Float[np.ndarray, "vertex 3"]) -> Float[np.ndarray, "ball 3"]:
        """Where the balls are on a posed body, metres."""
        return self.members @ vertices.astype(np.float32)


def balls_hide(
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    centers: Float[np.ndarray, "ball 3"],
    radius: Float[np.ndarray, "ball"],
) -> tuple[Float[np.ndarray, "point ball"], Float[np.ndarray, "point ball"]]:
    """Share of the cosine-weighted hemisphere over each point that each ball hides, and its surface's distance (m).

    A ball of angular radius a wholly above the horizon hides cos(elevation from the normal) * sin(a)^2 exactly; one
    that the horizon cuts is blended so that value and slope are continuous (after Quilez, "Sphere ambient occlusion").
    """
    points, normals = np.asarray(points, np.float32), np.asarray(normals, np.float32)
    centers, radius = np.asarray(centers, np.float32), np.asarray(radius, np.float32)
    square = (points**2).sum(1)[:, None] + (centers**2).sum(1) - 2 * points @ centers.T
    distance = np.sqrt(np.maximum(square, 1e-8))
    lift = (normals @ centers.T - (normals * points).sum(1)[:, None]) / distance
    sine = np.minimum(radius / distance, 1)
    cut = np.clip(lift + sine, 0, None)
    hidden = np.where(lift > sine, lift * sine**2, sine * np.minimum(cut, 2 * sine) ** 2 / 4)
    return hidden, distance - radius


def people_openness(
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    centers: Float[np.ndarray, "ball 3"],
    radius: Float[np.ndarray, "ball"],
) -> Float[np.ndarray, "point"]:
    """Share of the hemisphere that a person's balls leave open; each hides its part of what the others left.

    It fades to 1 towards `OCCLUSION_REACH`, so that the border of the pixels that are looked at is not seen.
    """
    hidden, away = balls_hide(points, normals, centers, radius)
    hidden *= np.clip(1 - away / OCCLUSION_REACH, 0, 1)
    return np.prod(1 - np.minimum(hidden, 0.97), axis=1)
