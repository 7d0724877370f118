"""The camera against explicit 3 x 4 projection matrices, and the framing against what it promises."""

import numpy as np
import pytest

from carescene import UserError
from carescene.rendering.camera import (
    EYE_HEIGHT,
    closest_eye,
    frame_motion,
    frame_points,
    look_at,
    look_rotation,
)


def projection_matrix(camera) -> np.ndarray:
    """K [R | -R c] of Hartley and Zisserman, built without the code under test."""
    intrinsics = np.array([[camera.focal, 0, camera.width / 2], [0, camera.focal, camera.height / 2], [0, 0, 1]])
    extrinsics = np.hstack([camera.rotation, -camera.rotation @ camera.eye[:, None]])
    return intrinsics @ extrinsics


def test_projection_equals_matrix_product():
    camera = look_at(np.array([3.0, -4.0, 1.9]), np.array([0.2, 0.1, 0.9]), width=320, height=240)
    points = np.random.default_rng(0).normal(size=(50, 3))
    homogeneous = np.hstack([points, np.ones((50, 1))]) @ projection_matrix(camera).T
    pixels, depth = camera.project(points)
    np.testing.assert_allclose(pixels, homogeneous[:, :2] / homogeneous[:, 2:], atol=1e-9)
    np.testing.assert_allclose(depth, homogeneous[:, 2], atol=1e-12)


def test_target_is_in_the_middle_and_up_is_up():
    target = np.array([0.2, 0.1, 0.9])
    camera = look_at(np.array([3.0, -4.0, 1.9]), target, width=320, height=240)
    pixels, depth = camera.project(np.stack([target, target + np.array([0, 0, 0.3])]))
    np.testing.assert_allclose(pixels[0], [160, 120], atol=1e-9)
    assert pixels[1, 1] < 120
    assert pixels[1, 0] == pytest.approx(160)
    assert depth[0] == pytest.approx(np.linalg.norm(target - camera.eye))


def test_opencv_axes():
    rotation = look_rotation(np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(rotation, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_field_of_view_spans_the_shorter_side():
    camera = look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]), width=400, height=200, field_of_view=np.pi / 2)
    pixels, _ = camera.project(np.array([[0.0, 2.0, 2.0], [4.0, 2.0, 0.0]]))
    np.testing.assert_allclose(pixels, [[200, 0], [400, 100]], atol=1e-9)


def test_directions_invert_projection():
    camera = look_at(np.array([1.0, 2.0, 3.0]), np.zeros(3), width=64, height=48)
    pixels = np.random.default_rng(1).uniform(0, 48, size=(7, 5, 2))
    rays = camera.directions(pixels)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=-1), 1)
    np.testing.assert_allclose(camera.project(camera.eye + 2.7 * rays)[0], pixels, atol=1e-9)


def test_closest_eye_touches_opposite_sides_of_the_tighter_pair():
    points = np.random.default_rng(2).normal(size=(200, 3)) * [3, 1, 0.2]
    rotation = look_rotation(np.array([0.3, 1.0, -0.2]))
    tangents = (0.4, 0.3)
    seen = (points - closest_eye(points, rotation, tangents)) @ rotation.T
    across = seen[:, :2] / seen[:, 2:] / tangents
    assert seen[:, 2].min() > 0
    assert np.abs(across).max() == pytest.approx(1)
    tight = int(np.argmax(np.abs(across).max(axis=0)))
    assert across[:, tight].min() == pytest.approx(-1)
    assert across[:, tight].max() == pytest.approx(1)


@pytest.mark.parametrize("size", [(384, 384), (640, 360), (200, 400)])
@pytest.mark.parametrize("spread", [(0.3, 0.3), (6.0, 0.5), (0.5, 8.0)])
def test_framing_keeps_everything_inside_the_margin(size, spread):
    points = np.random.default_rng(3).uniform(0, 1, size=(300, 3)) * [*spread, 1.8]
    width, height = size
    camera = frame_points(points, 0.7, width=width, height=height, margin=0.08)
    pixels, depth = camera.project(points)
    assert depth.min() >= 3.5 - 1e-6
    assert (pixels >= np.array(size) * 0.08 - 1e-6).all()
    assert (pixels <= np.array(size) * 0.92 + 1e-6).all()


def test_eye_stands_where_a_visitor_would():
    points = np.random.default_rng(4).uniform(0, 1, size=(300, 3)) * [1.0, 1.0, 1.8]
    camera = frame_points(points, 0.0, width=384, height=384)
    assert camera.eye[2] == pytest.approx(EYE_HEIGHT, abs=1e-3)
    assert 1.6 <= EYE_HEIGHT <= 2.2
    assert camera.eye[0] > 3


def test_somebody_on_the_floor_is_still_seen_from_above():
    points = np.random.default_rng(5).uniform(0, 1, size=(300, 3)) * [1.7, 0.5, 0.3]
    camera = frame_points(points, 0.0, width=384, height=384)
    assert camera.eye[2] == pytest.approx(EYE_HEIGHT, abs=1e-3)
    assert camera.rotation[2, 2] < -0.2


def test_motion_is_watched_from_the_side_that_shows_it_largest():
    path = np.linspace(0, 8, 60)[:, None, None] * np.array([1.0, 0, 0])
    person = np.array([[-0.2, -0.3, 0], [0.2, 0.3, 1.8]])
    camera = frame_motion(path + person, 0.0, width=384, height=384, angles=np.deg2rad([70.0, 20.0]))
    azimuth = np.arctan2(-camera.rotation[2, 1], -camera.rotation[2, 0])
    assert azimuth == pytest.approx(np.deg2rad(20))


def test_vertical_view_is_refused():
    with pytest.raises(UserError, match="not vertical"):
        look_at(np.array([0.0, 0, 5]), np.zeros(3), width=10, height=10)


def test_impossible_pictures_are_refused():
    with pytest.raises(UserError, match="at least 1x1"):
        look_at(np.ones(3), np.zeros(3), width=0, height=10)
    with pytest.raises(UserError, match="angle"):
        look_at(np.ones(3), np.zeros(3), width=10, height=10, field_of_view=40.0)


def test_nothing_to_look_at_is_refused():
    with pytest.raises(UserError, match="finite point"):
        frame_points(np.zeros((0, 3)), 0.0, width=10, height=10)
    with pytest.raises(UserError, match="finite point"):
        frame_points(np.full((2, 3), np.nan), 0.0, width=10, height=10)
