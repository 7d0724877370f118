"""Turns as vectors and matrices: against scipy, there and back, and slopes against differences."""

import numpy as np
from scipy.spatial.transform import Rotation

from carescene.humans.turns import cross_matrix, exp_turn, log_slope, log_turn

RNG = np.random.default_rng(3)
STEP = 1e-6


def test_cross_matrix() -> None:
    left, right = RNG.standard_normal((2, 7, 3))
    product = (cross_matrix(left) @ right[..., None])[..., 0]
    np.testing.assert_allclose(product, np.cross(left, right), atol=1e-12)


def test_turns_there_and_back() -> None:
    vectors = RNG.standard_normal((500, 3))
    vectors *= (np.pi * RNG.random(500) / np.linalg.norm(vectors, axis=1))[:, None]
    for size in (1.0, 1e-3, 1e-9, 0.0):
        np.testing.assert_allclose(log_turn(exp_turn(size * vectors)), size * vectors, atol=1e-12)
    np.testing.assert_allclose(exp_turn(vectors), Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12)
    half = Rotation.from_rotvec([0.0, np.pi, 0.0]).as_matrix()
    np.testing.assert_allclose(np.abs(log_turn(half)), [0.0, np.pi, 0.0], atol=1e-7)


def test_log_slope() -> None:
    for size in (1.2, 1e-5):
        vectors, small = size * RNG.uniform(-1, 1, (50, 3)), RNG.standard_normal((50, 3))
        ahead, back = (log_turn(exp_turn(vectors) @ exp_turn(sign * STEP * small)) for sign in (1, -1))
        expected = (log_slope(vectors) @ small[..., None])[..., 0]
        np.testing.assert_allclose((ahead - back) / (2 * STEP), expected, rtol=1e-6, atol=1e-6)
