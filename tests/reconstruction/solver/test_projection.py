"""Projection with slopes, against the camera itself and against differences."""

import dataclasses

import numpy as np
import pytest

from carescene.rendering.lens import Distortion
from reconstruction.camera_parameters import camera_of, plain_camera
from reconstruction.projection import project_points

STEP = 1e-6


@pytest.mark.parametrize("lens", [(0.0,) * 5, (-0.3, 0.03, 0.001, -0.002, 0.01), (0.2, 0.0, 0.0, 0.0, 0.0)])
def test_slopes(lens: Distortion) -> None:
    """Some points lie so far out that the lens' polynomial is continued in a straight line."""
    rng = np.random.default_rng(0)
    like = dataclasses.replace(plain_camera(1280, 720, 800), distortion=lens, aspect=1.02, shift=(3.0, 4.0))
    parameters = np.array([np.log(700.0), 0.4, 0.1, np.log(2.6), lens[0]])
    places = rng.standard_normal((300, 3)) * [2, 1.5, 1] + [0, 3.5, 1]
    camera = camera_of(parameters, like)
    seen = project_points(camera, places)
    there = seen.visible
    pixels, depth = camera.project(places)
    np.testing.assert_allclose(seen.pixels[there], pixels[there], atol=1e-9)
    np.testing.assert_allclose(seen.depth[there], depth[there], atol=1e-12)
    for axis in range(3):
        step = STEP * np.eye(3)[axis]
        ahead, back = (project_points(camera, places + sign * step).pixels for sign in (1, -1))
        np.testing.assert_allclose(seen.by_point[there, :, axis], ((ahead - back) / (2 * STEP))[there], atol=1e-4)
    for unknown in range(5):
        step = STEP * np.eye(5)[unknown]
        ahead, back = (project_points(camera_of(parameters + sign * step, like), places) for sign in (1, -1))
        slope = (ahead.pixels - back.pixels) / (2 * STEP)
        np.testing.assert_allclose(seen.by_camera[there, :, unknown], slope[there], rtol=1e-5, atol=1e-3)
        slope = (ahead.depth - back.depth) / (2 * STEP)
        np.testing.assert_allclose(seen.depth_by_camera[there, unknown], slope[there], atol=1e-7)


def test_behind_the_eye() -> None:
    camera = camera_of(np.array([np.log(700.0), 0.0, 0.0, 0.0, 0.0]), plain_camera(100, 100, 700))
    assert not project_points(camera, np.array([[0.0, -1.0, 1.0]])).visible.any()
