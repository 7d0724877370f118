"""Steps of people and camera together: the same to first order, straight in pixels and log depth beyond."""

import numpy as np

from reconstruction.camera_parameters import camera_of, plain_camera
from reconstruction.placing import moved_places

RNG = np.random.default_rng(2)
CAMERA = np.array([np.log(900.0), 0.4, 0.05, np.log(2.4), 0.0])
PLACES = np.array([0.0, 5.0, 0.9]) + RNG.normal(scale=[1.0, 1.5, 0.2], size=(20, 3))
STEPS, CHANGE = RNG.standard_normal((20, 3)), np.array([0.3, 0.1, -0.05, 0.2, 0.01])


def moved(size: float, steps: np.ndarray, change: np.ndarray, places: np.ndarray = PLACES) -> np.ndarray:
    cameras = tuple(camera_of(CAMERA + end * size * change, plain_camera(1280, 720, 900)) for end in (0, 1))
    return moved_places(places, size * steps, cameras, size * change)


def test_the_same_to_first_order() -> None:
    slope = (moved(1e-5, STEPS, CHANGE) - moved(-1e-5, STEPS, CHANGE)) / 2e-5
    np.testing.assert_allclose(slope, STEPS, atol=1e-6)
    np.testing.assert_allclose(moved(0.0, STEPS, CHANGE), PLACES, atol=1e-12)


def test_pixels_move_evenly() -> None:
    """Half a step moves every pixel half as far as the whole one, though the focal length grows by a third."""
    change = CHANGE * [1, 1, 1, 1, 0]

    def pixels(size: float) -> np.ndarray:
        camera = camera_of(CAMERA + size * change, plain_camera(1280, 720, 900))
        return camera.project(moved(size, 0.3 * STEPS, change))[0]

    whole, half = pixels(1.0) - pixels(0.0), pixels(0.5) - pixels(0.0)
    assert np.abs(whole).max() > 30
    np.testing.assert_allclose(half, whole / 2, atol=1e-6)


def test_behind_the_eye_the_world_is_straight() -> None:
    behind = np.array([[0.0, -3.0, 1.0]])
    np.testing.assert_allclose(moved(1.0, STEPS[:1], CHANGE, behind), behind + STEPS[:1])
