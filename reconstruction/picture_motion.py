"""How a whole picture moved between two frames: textured patches found again, and the similarity most of them obey."""

from typing import Final, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

# Patches on a grid, their side and how far they are searched for, as shares of the picture's longer side.
_GRID, _PATCH, _REACH = (9, 6), 0.07, 0.035
# Grey levels by which a patch must vary to be found again, and the correlation from which it is.
_LEAST_TEXTURE, _FOUND = 5.0, 0.75
# Patches off by more pixels than this do not obey the camera's motion: people.
_INLIER_PX: Final = 1.0
# Below so many patches, or where they lie within less than this share of the width or height, nothing can be said.
_LEAST_PATCHES, _SPREAD = 5, 0.4


class PictureMotion(NamedTuple):
    """What two frames say about the camera.

    Attributes:
        alike: share of the textured patches found again where one motion puts them (by chance a patch is found
            anywhere), NaN where the picture has too little texture.
        matrix: similarity (2, 3) from the first picture's pixels to the second's; None where no motion explains at
            least half of the patches that were found, spread over the picture.
        moved: largest way that a corner of the picture goes, as a share of its longer side; NaN without a matrix.
    """

    alike: float
    matrix: Float[np.ndarray, "2 3"] | None
    moved: float


def picture_motion(
    first: UInt8[np.ndarray, "height width"], second: UInt8[np.ndarray, "height width"]
) -> PictureMotion:
    """Motion of the camera between two grey pictures, whatever people do in fewer than half of the patches.

    Normalised cross-correlation does not mind a light that is switched on or a camera that adapts.
    """
    height, width = first.shape
    longest = max(height, width)
    side, reach = max(8, round(_PATCH * longest)), max(3, round(_REACH * longest))
    corners = _textured(first, side, reach)
    if len(corners) < _LEAST_PATCHES:
        return PictureMotion(np.nan, None, np.nan)
    found = [_find(first, second, corner, side, reach) for corner in corners]
    hits = np.array([place is not None for place in found])
    if hits.sum() < _LEAST_PATCHES:
        return PictureMotion(float(hits.mean()), None, np.nan)
    before = corners[hits].astype(np.float64)
    after = np.array([place for place in found if place is not None])
    # RANSAC of OpenCV draws from its own generator: the same pictures give the same motion.
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.estimateAffinePartial2D(before, after, ransacReprojThreshold=_INLIER_PX)
    if matrix is None:
        return PictureMotion(0.0, None, np.nan)
    obeying = before[inliers[:, 0].astype(bool)]
    alike = len(obeying) / len(corners)
    # Before a blank wall the only texture may be somebody's clothes.
    spread = np.ptp(obeying, axis=0) / (width, height)
    if len(obeying) < 0.5 * hits.sum() or spread.min() < _SPREAD:
        return PictureMotion(alike, None, np.nan)
    return PictureMotion(alike, matrix, corner_way(matrix, width, height))


def corner_way(matrix: Float[np.ndarray, "2 3"], width: int, height: int) -> float:
    """How far the corner that goes farthest goes, as a share of the longer side."""
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    ways = corners @ matrix[:, :2].T + matrix[:, 2] - corners
    return float(np.linalg.norm(ways, axis=1).max()) / max(width, height)


def _textured(picture: np.ndarray, side: int, reach: int) -> Int[np.ndarray, "patch 2"]:
    """Upper left corners (x, y) of patches that can be found again, whole with their surroundings."""
    height, width = picture.shape
    across = np.linspace(reach, width - side - reach, _GRID[0]).round().astype(np.int64)
    down = np.linspace(reach, height - side - reach, _GRID[1]).round().astype(np.int64)
    places = [(x, y) for y in down for x in across if min(x, y) >= 0]
    kept = [(x, y) for x, y in places if picture[y : y + side, x : x + side].std() >= _LEAST_TEXTURE]
    return np.array(kept, np.int64).reshape(-1, 2)


def _find(
    first: np.ndarray, second: np.ndarray, corner: np.ndarray, side: int, reach: int
) -> tuple[float, float] | None:
    x, y = int(corner[0]), int(corner[1])
    around = second[y - reach : y + side + reach, x - reach : x + side + reach]
    likeness = cv2.matchTemplate(around, first[y : y + side, x : x + side], cv2.TM_CCOEFF_NORMED)
    _, best, _, (column, row) = cv2.minMaxLoc(likeness)
    if best < _FOUND:
        return None
    return (
        x - reach + column + _peak(likeness[row], column),
        y - reach + row + _peak(likeness[:, column], row),
    )


def _peak(line: np.ndarray, at: int) -> float:
    """Where between pixels a parabola through the best and its neighbours has its top."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, best, after = (float(value) for value in line[at - 1 : at + 2])
    curve = before - 2 * best + after
    return 0.5 * (before - after) / curve if curve < -1e-9 else 0.0
