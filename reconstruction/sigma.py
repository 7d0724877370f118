"""How far a key point may be off: standard deviations in pixels for detectors and for people who click."""

from typing import Final

import numpy as np
from jaxtyping import Float

from reconstruction.observations import LANDMARK
from reconstruction.oks import LANDMARK_SIGMAS, covered_area

# Below this not even an exact point is trusted: pixels, compression and rolling shutters.
_LEAST_PX: Final = 1.5
# A click is 4 px off for a person 350 px tall, and hips lie hidden deep inside the body.
_CLICK_SHARE: Final = 4.0 / 350.0
_HIDDEN: Final = ("left_hip", "right_hip", "pelvis", "head_top", "neck")


def detector_sigma(
    pixels: Float[np.ndarray, "person frame landmark 2"],
    confidence: Float[np.ndarray, "person frame landmark"],
    area: Float[np.ndarray, "person frame"] | None = None,
) -> Float[np.ndarray, "person frame landmark"]:
    """Standard deviation per axis of a detector's points: COCO's spread between annotators times the person's size.

    sigma_j sqrt(area), with `LANDMARK_SIGMAS`: detectors at the level of today are about as far off as annotators
    differ. Somebody half hidden covers less, but is no better seen: the size is at least 0.7 of the person's usual one.

    Args:
        pixels: NaN where missing.
        confidence: 0 where missing.
        area: square pixels that the person covers, NaN or 0 where unknown; None takes it from the points.
    """
    return np.maximum(_LEAST_PX, LANDMARK_SIGMAS * _size(pixels, confidence, area)[..., None])


def click_sigma(
    pixels: Float[np.ndarray, "person frame landmark 2"], confidence: Float[np.ndarray, "person frame landmark"]
) -> Float[np.ndarray, "person frame landmark"]:
    """Standard deviation per axis of points that somebody clicked: 3 to 5 px for a person of 260 to 440 px.

    It grows with the person, is twice as much for hips, neck and the top of the head, which have no visible mark, and
    twice as much for points marked as occluded.
    """
    spread = np.full(pixels.shape[:-1], _CLICK_SHARE)
    spread[..., [LANDMARK[name] for name in _HIDDEN]] *= 2.0
    # sqrt(area) of an upright person is about 0.4 of the height.
    height = _size(pixels, confidence, None) / 0.4
    guessed = np.where((confidence > 0) & (confidence <= 0.5), 2.0, 1.0)
    return np.maximum(_LEAST_PX, spread * height[..., None] * guessed)


def _size(pixels: np.ndarray, confidence: np.ndarray, area: np.ndarray | None) -> np.ndarray:
    """Square root of the covered area, person and frame."""
    from_points = covered_area(pixels, confidence)
    known = from_points if area is None else np.where(np.nan_to_num(area) > 0, np.nan_to_num(area), from_points)
    size = np.sqrt(known)
    usual = np.array([np.median(row[row > 0]) if (row > 0).any() else 0.0 for row in size])
    return np.maximum(size, 0.7 * usual[:, None])
