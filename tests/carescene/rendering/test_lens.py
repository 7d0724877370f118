"""Lenses and camera files against OpenCV, and the inverse of the lens against the lens."""

import dataclasses

import cv2
import numpy as np
import pytest

from carescene import UserError
from carescene.rendering.camera import Camera, camera_from_dict, check_lens, look_at, look_rotation
from carescene.rendering.lens import distort, model_end, undistort

BARREL = (-0.12, 0.015, 1e-3, -7e-4, -1e-3)
PINCUSHION = (0.08, 0.01, -5e-4, 1e-3, 0.002)


def wide_camera(distortion=BARREL) -> Camera:
    camera = look_at(np.array([2.7, -2.2, 2.5]), np.array([-0.4, 0.3, 0.6]), width=320, height=240, field_of_view=1.2)
    return dataclasses.replace(camera, distortion=distortion)


def opencv_pixels(camera: Camera, points: np.ndarray) -> np.ndarray:
    turn, _ = cv2.Rodrigues(camera.rotation)
    shift = -camera.rotation @ camera.eye
    return cv2.projectPoints(points, turn, shift, camera.matrix, np.array(camera.distortion))[0][:, 0]


# What a calibration finds: pixels that are not quite square, and a lens that does not sit quite before the middle.
CALIBRATED = {"aspect": 1.02, "shift": (-7.3, 4.1)}


@pytest.mark.parametrize("intrinsics", [{}, CALIBRATED])
@pytest.mark.parametrize("distortion", [(0.0, 0.0, 0.0, 0.0, 0.0), BARREL, PINCUSHION])
def test_projection_is_that_of_opencv(distortion, intrinsics):
    camera = dataclasses.replace(wide_camera(distortion), **intrinsics)
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 1, (500, 2)) * (camera.width, camera.height)
    points = camera.eye + rng.uniform(0.5, 9, (500, 1)) * camera.directions(pixels)
    np.testing.assert_allclose(camera.project(points)[0], opencv_pixels(camera, points), atol=1e-4)
    # Directions belong to the same lens: seen from OpenCV, they come from the pixels they were asked for.
    np.testing.assert_allclose(opencv_pixels(camera, points), pixels, atol=1e-4)


@pytest.mark.parametrize("distortion", [BARREL, PINCUSHION, (-0.3, 0.09, 0.0, 0.0, 0.0), (-0.25, 0.0, 2e-3, 1e-3, 0.0)])
def test_view_directions_invert_the_lens_far_beyond_the_picture(distortion):
    camera = wide_camera(distortion)
    pixels = np.random.default_rng(1).uniform(-1, 2, (400, 2)) * (camera.width, camera.height)
    rays = camera.rays(pixels)
    again, depth = camera.project(camera.eye + 3 * rays)
    np.testing.assert_allclose(again, pixels, atol=1e-6)
    np.testing.assert_allclose(depth, 3, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(camera.directions(pixels), axis=-1), 1)


def test_lens_never_folds_back():
    radius = np.linspace(0, 30, 3000)
    flat = np.stack([radius, np.zeros_like(radius)], axis=-1)
    folding = (-0.2, 0.0, 0.0, 0.0, 0.0)
    assert np.diff(radius * (1 + folding[0] * radius**2)).min() < 0
    assert np.diff(distort(flat, folding)[:, 0]).min() > 0


def test_lens_is_smooth_where_the_polynomial_ends():
    end, slope = model_end(BARREL)
    step = 1e-5
    flat = np.array([[end - step, 0.0], [end, 0.0], [end + step, 0.0]])
    before, after = np.diff(distort(flat, (BARREL[0], BARREL[1], 0.0, 0.0, BARREL[4]))[:, 0]) / step
    assert before == pytest.approx(after, abs=1e-3)
    assert after == pytest.approx(slope, abs=1e-3)


def test_undistortion_of_nothing_and_of_the_axis():
    assert undistort(np.zeros((0, 2)), BARREL).shape == (0, 2)
    np.testing.assert_allclose(undistort(np.zeros(2), BARREL), 0, atol=1e-12)


def test_angle_across_includes_the_lens():
    plain = look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]), width=400, height=200, field_of_view=np.pi / 2)
    assert plain.hfov == pytest.approx(2 * np.arctan(2), abs=1e-9)
    assert dataclasses.replace(plain, distortion=(-0.02, 0.0, 0.0, 0.0, 0.0)).hfov > plain.hfov


def test_camera_survives_its_dictionary():
    camera = dataclasses.replace(wide_camera(), name="corner", **CALIBRATED)
    values = camera.to_dict()
    again = camera_from_dict(values)
    np.testing.assert_allclose(again.rotation, camera.rotation)
    np.testing.assert_allclose(again.matrix, camera.matrix)
    assert (again.focal, again.distortion, again.name) == (camera.focal, camera.distortion, "corner")
    assert values["height_m"] == 2.5
    forward = camera.rotation[2]
    assert values["tilt_deg"] == pytest.approx(np.rad2deg(np.arctan2(-forward[2], np.hypot(*forward[:2]))))
    assert values["hfov_deg"] == pytest.approx(np.rad2deg(camera.hfov))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"K": None}, "K 3x3"),
        ({"eye": [0.0, 1.0]}, "eye of 3"),
        ({"R": np.diag([1.0, 1.0, -1.0]).tolist()}, "rotation"),
        ({"K": [[200.0, 0, 400], [0, 200, 120], [0, 0, 1]]}, "pictures of this size"),
        ({"K": [[200.0, 3, 160], [0, 200, 120], [0, 0, 1]]}, "Skew"),
        ({"K": [[200.0, 0, 160], [0, -200, 120], [0, 0, 1]]}, "positive focal lengths"),
        ({"distortion": [-0.9, 0, 0, 0, 0]}, "folds back"),
        ({"distortion": [0.1]}, "1 numbers"),
    ],
)
def test_damaged_camera_dictionaries_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        camera_from_dict(wide_camera().to_dict() | change)


def test_distortion_may_leave_out_k3():
    values = wide_camera().to_dict() | {"distortion": [-0.05, 0.01, 1e-3, 1e-3]}
    assert camera_from_dict(values).distortion == (-0.05, 0.01, 1e-3, 1e-3, 0.0)


def test_camera_dictionary_without_pose_is_refused():
    with pytest.raises(UserError, match="with K, R, eye"):
        camera_from_dict({"K": np.eye(3).tolist()})


def test_usual_lens_is_accepted():
    camera = wide_camera()
    assert check_lens(camera) is camera


def test_looking_straight_down_needs_a_direction_that_is_up():
    rotation = look_rotation(np.array([0.0, 0.0, -2.0]), up=(0.0, 1.0, 0.0))
    np.testing.assert_allclose(rotation, [[1, 0, 0], [0, -1, 0], [0, 0, -1]], atol=1e-12)
    with pytest.raises(UserError, match="upwards"):
        look_rotation(np.array([0.0, 2.0, 0.0]), up=(0.0, 1.0, 0.0))
