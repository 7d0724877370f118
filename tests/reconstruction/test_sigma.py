"""Standard deviations of key points in pixels."""

import numpy as np
import pytest

from reconstruction.observations import LANDMARK
from reconstruction.oks import LANDMARK_SIGMAS, covered_area
from reconstruction.sigma import click_sigma, detector_sigma


def person(height: float = 350.0, frames: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Somebody 0.3 as wide as tall, the same in every frame."""
    points = np.zeros((1, frames, 26, 2))
    points[..., 0], points[..., 1] = np.linspace(0, 0.3 * height, 26), np.linspace(0, height, 26)
    return points, np.ones((1, frames, 26))


def test_detectors_follow_size():
    points, trust = person()
    area = np.array([[1e4, 1e4, 1e4, np.nan, 0.0]])
    sigma = detector_sigma(points, trust, area)
    np.testing.assert_allclose(sigma[0, :3], np.tile(np.maximum(1.5, 100 * LANDMARK_SIGMAS), (3, 1)))
    size = np.sqrt(covered_area(points[0, 3], trust[0, 3]))
    np.testing.assert_allclose(sigma[0, 3:], np.tile(np.maximum(1.5, size * LANDMARK_SIGMAS), (2, 1)))
    np.testing.assert_allclose(
        detector_sigma(2 * points, trust)[sigma > 3], 2 * detector_sigma(points, trust)[sigma > 3]
    )


def test_half_hidden_people_are_not_seen_better():
    points, trust = person()
    trust[0, 2, 5:] = 0
    sigma = detector_sigma(points, trust)
    np.testing.assert_allclose(sigma[0, 2, 13], 0.7 * sigma[0, 1, 13])
    assert (detector_sigma(points, 0 * trust) == 1.5).all()


def test_clicks_of_three_to_five_pixels():
    points, trust = person(350.0)
    trust[0, 1] = 0.5
    sigma = click_sigma(points, trust)
    assert 3.0 < sigma[0, 0, LANDMARK["left_knee"]] < 5.0
    assert sigma[0, 0, LANDMARK["left_hip"]] == pytest.approx(2 * sigma[0, 0, LANDMARK["left_knee"]])
    np.testing.assert_allclose(sigma[0, 1], 2 * sigma[0, 0])
    np.testing.assert_allclose(click_sigma(2 * points, trust), 2 * sigma)
