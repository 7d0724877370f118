"""Occlusion against closed forms: open floor, corners, balls."""

import numpy as np
import pytest

from carescene.rendering.occlusion import (
    Balls,
    balls_hide,
    hemisphere,
    hidden_share,
    openness,
    people_openness,
    scatter,
    tangents,
)
from carescene.rendering.raycast import build_caster

UP = np.array([0.0, 0.0, 1.0], np.float32)


def plane(origin, first, second) -> tuple[np.ndarray, np.ndarray]:
    origin, first, second = (np.array(v, float) for v in (origin, first, second))
    return np.stack([origin, origin + first, origin + first + second, origin + second]), np.array(
        [[0, 1, 2], [0, 2, 3]]
    )


@pytest.fixture(scope="module")
def corner():
    """A floor and one wall at x = 0, both 20 m large."""
    floor, faces = plane((0, -10, 0), (20, 0, 0), (0, 20, 0))
    wall, _ = plane((0, -10, 0), (0, 20, 0), (0, 0, 20))
    return build_caster(np.concatenate([floor, wall]), np.concatenate([faces, faces + 4]))


def test_hidden_share_knows_how_far_to_look(corner):
    start, way = np.array([[1.0, 0.0, 1.0]] * 2), np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(hidden_share(corner, start, way), [1, 0])
    np.testing.assert_array_equal(hidden_share(corner, start, way, 0.9), [0, 0])


def test_hemisphere_is_weighted_by_the_cosine():
    ways = hemisphere(4000)
    np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1, atol=1e-5)
    # Under a cosine weight the mean cosine is 2/3 and the sideways parts cancel.
    np.testing.assert_allclose(ways.mean(axis=0), [0, 0, 2 / 3], atol=2e-3)


def test_tangents_make_a_right_handed_frame():
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(200, 3))
    normals[:3] = [[0, 0, 1], [0, 0, -1], [1, 0, 0]]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    first, second = tangents(normals)
    np.testing.assert_allclose(np.cross(first, second), normals, atol=1e-7)


def test_open_floor_is_open_and_the_foot_of_a_wall_is_half_closed(corner):
    points = np.array([[5.0, 0.0, 0.0], [0.001, 0.0, 0.0]], np.float32)
    normals, turn = np.tile(UP, (2, 1)), scatter(2, 0)[:, 0]
    middle, foot = openness(corner, points, normals, turn, rays=300)
    assert middle == 1
    # At the very foot the wall hides half of the cosine-weighted hemisphere.
    assert foot == pytest.approx(0.5, abs=0.02)


def test_occlusion_fades_away_from_the_wall(corner):
    points = np.array([[x, 0.0, 0.0] for x in (0.01, 0.1, 0.3, 0.7, 1.2)], np.float32)
    open_ = openness(corner, points, np.tile(UP, (5, 1)), scatter(5, 0)[:, 0], rays=120)
    assert (np.diff(open_) > 0).all()
    assert open_[-1] == 1


def test_ball_above_the_horizon_hides_its_closed_form():
    """A ball straight above hides (radius / distance)^2; a tilted one times the cosine."""
    point = np.zeros((1, 3))
    center = np.array([[0.0, 0.0, 2.0], [np.sin(0.8) * 2, 0.0, np.cos(0.8) * 2]])
    hidden, away = balls_hide(point, UP[None], center, np.array([0.5, 0.5]))
    np.testing.assert_allclose(hidden[0], [1 / 16, np.cos(0.8) / 16], rtol=1e-5)
    np.testing.assert_allclose(away[0], 1.5, rtol=1e-5)


@pytest.mark.parametrize("tilt", [0.0, 0.6, 1.2, 1.5, 1.7, 2.2])
def test_ball_against_rays(tilt):
    center, radius = np.array([np.sin(tilt), 0.0, np.cos(tilt)]) * 1.2, 0.4
    ways = hemisphere(20000)
    along = ways @ center
    counted = ((along > 0) & (center @ center - along**2 < radius**2)).mean()
    hidden, _ = balls_hide(np.zeros((1, 3)), UP[None], center[None], np.array([radius]))
    assert hidden[0, 0] == pytest.approx(counted, abs=0.012)


def test_people_never_brighten_and_do_nothing_from_afar():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (200, 3))
    points[:, 2] = 0
    centers, radius = np.array([[0.0, 0.0, 0.12], [0.0, 0.0, 0.5]]), np.array([0.1, 0.15])
    normals = np.tile(UP, (200, 1))
    open_ = people_openness(points, normals, centers, radius)
    assert (open_ > 0).all()
    assert (open_ <= 1).all()
    near, far = np.array([[0.05, 0.0, 0.0]]), np.array([[4.0, 0.0, 0.0]])
    assert people_openness(near, UP[None], centers, radius)[0] < 0.6
    assert people_openness(far, UP[None], centers, radius)[0] == 1


def test_balls_follow_a_limb():
    """A tube 0.1 m wide and 0.6 m long is cut into a row of balls on its axis."""
    rng = np.random.default_rng(0)
    turn, height = rng.uniform(0, 2 * np.pi, 2000), rng.uniform(0, 0.6, 2000)
    tube = np.stack([0.05 * np.cos(turn), 0.05 * np.sin(turn), height], axis=-1)
    balls = Balls.of(tube, np.zeros(2000, int))
    centers = balls.centers(tube)
    assert 3 <= len(centers) <= 4
    np.testing.assert_allclose(centers[:, :2], 0, atol=0.01)
    np.testing.assert_allclose(balls.radius, 0.05, rtol=0.1)
    moved = balls.centers(tube + np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(moved - centers, np.tile([1.0, 2.0, 3.0], (len(centers), 1)), atol=1e-5)


def test_every_part_has_a_ball():
    rng = np.random.default_rng(0)
    part = np.repeat(np.arange(5), 40)
    balls = Balls.of(rng.normal(size=(200, 3)) * 0.05 + part[:, None], part)
    shares = np.asarray(balls.members.sum(axis=1)).ravel()
    np.testing.assert_allclose(shares, 1, rtol=1e-5)
    assert len(balls.radius) >= 5


def test_scatter_repeats():
    np.testing.assert_array_equal(scatter(50, 3), scatter(50, 3))
    assert not np.array_equal(scatter(50, 3), scatter(50, 4))
