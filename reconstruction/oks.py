"""How alike two poses in a picture are: COCO's object key point similarity, for all 26 landmarks."""

from typing import Final

import numpy as np
from jaxtyping import Float

_COCO: Final = (0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087,
                0.089, 0.089)  # fmt: skip
# COCO-WholeBody gives 0.066 to 0.094 to the points of the feet, Halpe 0.079 to all.
_FEET: Final = (0.079,) * 6
# The top of a head under hair, a neck and the middle of two hips are placed about as well as shoulders and hips.
_OTHERS: Final = (0.079, 0.079, 0.107)

# How far people who mark the same point differ, relative to the square root of the area that the person covers.
LANDMARK_SIGMAS: Final[Float[np.ndarray, "landmark"]] = np.array(_COCO + _FEET + _OTHERS)
LANDMARK_SIGMAS.setflags(write=False)

# A person covers about this part of their box: what COCO-style scores use where there is no mask.
BOX_SHARE: Final = 0.53


def object_keypoint_similarity(
    pixels: Float[np.ndarray, "*#batch landmark 2"],
    truth: Float[np.ndarray, "*#batch landmark 2"],
    area: Float[np.ndarray, "*#batch"],
    counts: np.ndarray | None = None,
    sigmas: Float[np.ndarray, "landmark"] | None = None,
) -> Float[np.ndarray, "*batch"]:
    """Mean over landmarks of exp(-d^2 / (2 area (2 sigma)^2)), which COCO's detection challenge ranks poses by.

    Lin et al. 2014; the formula of https://cocodataset.org/#keypoints-eval.

    Args:
        pixels, truth: the two poses, in pixels; NaN in either leaves the landmark out.
        area: what the true person covers, square pixels.
        counts: which landmarks count besides, boolean; None for all.
        sigmas: per landmark; None for LANDMARK_SIGMAS, from its beginning (the first 17 are COCO's).

    Returns:
        0 to 1; NaN where the two have no landmark in common.
    """
    sigmas = LANDMARK_SIGMAS[: pixels.shape[-2]] if sigmas is None else sigmas
    squared = ((pixels - truth) ** 2).sum(-1)
    # COCO adds one unit in the last place to the area, so that an area of 0 does no harm.
    alike = np.exp(-squared / (2.0 * (area[..., None] + np.spacing(1)) * (2.0 * sigmas) ** 2))
    used = np.isfinite(squared) if counts is None else np.isfinite(squared) & counts
    number = used.sum(-1)
    total = np.where(used, alike, 0.0).sum(-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def covered_area(
    pixels: Float[np.ndarray, "*batch landmark 2"], confidence: Float[np.ndarray, "*batch landmark"]
) -> Float[np.ndarray, "*batch"]:
    """Area in square pixels that a person covers, from the box around their seen landmarks; 0 where nothing is seen."""
    seen = (confidence > 0)[..., None]
    low = np.where(seen, pixels, np.inf).min(-2)
    high = np.where(seen, pixels, -np.inf).max(-2)
    sides = np.where(seen.any(-2), high - low, 0.0)
    # Somebody seen edge on, or lying in line with the view, is never thinner than a fifth of their length.
    longest = sides.max(-1)
    return np.asarray(BOX_SHARE * longest * np.maximum(sides.min(-1), 0.2 * longest))
