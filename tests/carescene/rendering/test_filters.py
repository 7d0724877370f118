"""Smoothing stays on one surface; enlarging finds the right neighbours; holes are filled from around."""

import numpy as np
import pytest

from carescene.rendering.filters import enlarge, enlarging, fill_holes, same_surface, smooth, smoothing


def step(rows: int = 12, columns: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A floor seen from above, 1 cm per pixel, whose right half is a table 1 m higher."""
    y, x = np.mgrid[:rows, :columns] * 0.01
    height = np.where(x >= 0.01 * columns / 2, 1.0, 0.0)
    points = np.stack([x, y, height], axis=-1).astype(np.float32)
    normals = np.zeros_like(points)
    normals[..., 2] = 1
    return points, normals


def test_smoothing_does_not_cross_edges():
    points, normals = step()
    values = points[..., 2:].copy()
    np.testing.assert_allclose(smooth(values, points, normals), values, atol=1e-6)
    # Without the table the same values are smoothed.
    flat = points * np.array([1, 1, 0], np.float32)
    assert np.abs(smooth(values, flat, normals) - values).max() > 0.2


def test_smoothing_keeps_constants_and_lowers_noise():
    points, normals = step()
    rng = np.random.default_rng(0)
    noisy = rng.normal(size=(12, 16, 2)).astype(np.float32)
    constant = np.full((12, 16, 1), 3.0, np.float32)
    np.testing.assert_allclose(smooth(constant, points, normals), 3.0, rtol=1e-6)
    assert smooth(noisy, points, normals).std() < 0.5 * noisy.std()


def test_smoothing_leaves_its_input_alone():
    points, normals = step()
    values = np.random.default_rng(0).random((12, 16, 1)).astype(np.float32)
    before = values.copy()
    smooth(values, points, normals)
    np.testing.assert_array_equal(values, before)


def test_smoothing_of_a_single_row_works():
    points, normals = step(1, 16)
    assert np.isfinite(smooth(np.ones((1, 16, 1), np.float32), points, normals, steps=(1, 2, 4))).all()


@pytest.mark.parametrize(("shift", "same"), [((0.3, 0.0, 0.0), True), ((0.0, 0.0, 0.1), False)])
def test_same_surface_means_same_plane(shift, same):
    point, up = np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]])
    assert same_surface(point, up, point + np.array(shift), up)[0] == same
    assert not same_surface(point, up, point, -up)[0]


def test_enlarging_reproduces_a_slope_and_keeps_the_edge():
    points, normals = step(12, 16)
    coarse = np.s_[::2, ::2]
    values = (points[coarse][..., :1] + 10 * points[coarse][..., 2:]).astype(np.float32)
    place = np.moveaxis(np.mgrid[:12, :16], 0, -1).reshape(-1, 2).astype(np.float32) / 2
    fine = enlarge(
        values, points[coarse], normals[coarse], points.reshape(-1, 3), normals.reshape(-1, 3), place
    ).reshape(12, 16)
    table = points[..., 2] > 0.5
    assert (fine[table] > 9.9).all()
    assert (fine[~table] < 0.2).all()
    # Away from edges and borders the slope along x comes back.
    np.testing.assert_allclose(fine[2:-2, 1:6], points[2:-2, 1:6, 0], atol=1e-4)


def test_sample_without_a_like_neighbour_takes_the_nearest_in_space():
    points, normals = step(4, 4)
    values = points[..., 2:].copy()
    lone, up = np.array([[0.02, 0.0, 0.8]], np.float32), np.array([[0.0, 0.0, 1.0]], np.float32)
    found = enlarge(values, points, normals, lone, up, np.array([[0.0, 1.6]], np.float32))
    assert found[0, 0] == 1


def test_holes_take_the_mean_around_them():
    values = np.ones((5, 5, 2), np.float32)
    values[2, 2] = 77
    holes = np.zeros((5, 5), bool)
    holes[2, 2] = True
    np.testing.assert_allclose(fill_holes(values, holes), 1, rtol=1e-6)
    np.testing.assert_array_equal(fill_holes(values, np.zeros((5, 5), bool)), values)
    assert np.isfinite(fill_holes(values, np.ones((5, 5), bool))).all()


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_smoothing_matrix_does_what_smoothing_does(stride):
    points, normals = step()
    values = np.random.default_rng(0).random((12, 16, 2)).astype(np.float32)
    matrix = smoothing(points, normals, stride)
    expected = smooth(values, points, normals, steps=(stride,)).reshape(-1, 2)
    np.testing.assert_allclose(matrix @ values.reshape(-1, 2), expected, atol=1e-5)


def test_weights_of_enlarging_add_up_to_one():
    points, normals = step()
    place = np.moveaxis(np.mgrid[:24, :32], 0, -1).reshape(-1, 2).astype(np.float32) / 2
    fine = np.repeat(np.repeat(points, 2, 0), 2, 1).reshape(-1, 3)
    up = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (len(fine), 1))
    sums = np.asarray(enlarging(points, normals, fine, up, place).sum(axis=1)).ravel()
    np.testing.assert_allclose(sums, 1, atol=1e-5)
