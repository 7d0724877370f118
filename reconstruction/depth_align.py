"""How a depth sensor's picture lies on the colour picture beside it, from people who move in both.

The two cameras of one device sit a few centimetres apart and look the same way: one zoom and one shift bring their
pictures together to a pixel or two at a room's distances.
"""

from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float

from reconstruction.footage import Footage

# Kinect's colour camera sees a tenth wider than its depth camera; other devices up to a quarter either way.
_ZOOMS: Final = np.linspace(0.78, 1.24, 24)
# Share of the picture by which the middles may differ.
_SHIFT: Final = 0.12
_PICTURES: Final = 24
# Somebody is where depth is this much less than the room's, relatively, or colour differs by so many grey levels.
_NEARER, _OTHER_COLOUR = 0.07, 28
_LEAST: Final = 0.004
_WIDTH: Final = 160
# Below this overlap of the silhouettes nothing was recognised, and pictures are taken as they are.
_GOOD: Final = 0.5

Warp = Float[np.ndarray, "3"]
SAME: Final = np.array([1.0, 0.0, 0.0])


def align_depth(
    maps: dict[int, Float[np.ndarray, "row column"]], plate: Float[np.ndarray, "row column"], footage: Footage
) -> Warp:
    """Zoom about the middle and shift (right, down, as shares of width and height) that take depth onto colour.

    Silhouettes of moving people are cut out of both and compared at many zooms, over all shifts at once by Fourier
    transform. Where nothing moves, or the best overlap is poor, the pictures are left as they are.

    Args:
        maps: depth by frame of the video, metres, NaN where unknown.
        plate: the room's depth.
        footage: the colour video.
    """
    numbers = sorted(maps)
    pictures = dict(footage.pictures(numbers, longest=_WIDTH))
    numbers = [number for number in numbers if number in pictures]
    if len(numbers) < 3:
        return SAME
    stack = np.stack([pictures[number] for number in numbers]).astype(np.int16)
    room = np.median(stack, axis=0)
    height, width = room.shape[:2]
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for number, picture in zip(numbers, stack, strict=True):
        colour = _clean(np.abs(picture - room).max(axis=-1) > _OTHER_COLOUR)
        with np.errstate(invalid="ignore"):
            nearer = _clean(_resize(maps[number] < (1 - _NEARER) * plate, width, height))
        if min(colour.mean(), nearer.mean()) > _LEAST:
            pairs.append((colour, nearer))
    if not pairs:
        return SAME
    chosen = np.unique(np.linspace(0, len(pairs) - 1, _PICTURES).round().astype(int))
    pairs = [pairs[k] for k in chosen]
    best, score = SAME, _GOOD
    for zoom in _ZOOMS:
        found, shift = _overlap(pairs, float(zoom))
        if found > score:
            best, score = np.array([zoom, *shift]), found
    return best


def warp_depth(plane: Float[np.ndarray, "row column"], warp: Warp) -> Float[np.ndarray, "row column"]:
    """The map as the colour camera's picture shows it; NaN where the sensor did not look. No values are mixed."""
    if np.array_equal(warp, SAME):
        return plane
    height, width = plane.shape
    matrix = _matrix(float(warp[0]), width, height)
    matrix[:, 2] += warp[1:] * [width, height]
    return cv2.warpAffine(
        plane.astype(np.float32), matrix, (width, height), flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(float("nan"),),
    )  # fmt: skip


def _overlap(pairs: list[tuple[np.ndarray, np.ndarray]], zoom: float) -> tuple[float, np.ndarray]:
    """Best share of overlap (intersection over union) of zoomed depth silhouettes with colour's, and its shift."""
    height, width = pairs[0][0].shape
    matrix = _matrix(zoom, width, height)
    common, total = np.zeros((height, width)), 0.0
    for colour, nearer in pairs:
        moved = cv2.warpAffine(nearer.astype(np.float32), matrix, (width, height))
        common += np.fft.irfft2(np.fft.rfft2(colour.astype(np.float64)) * np.conj(np.fft.rfft2(moved)), (height, width))
        total += float(colour.sum() + moved.sum())
    down = np.fft.fftfreq(height)[:, None]
    across = np.fft.fftfreq(width)[None]
    common = np.where((np.abs(down) < _SHIFT) & (np.abs(across) < _SHIFT), common, 0)
    row, column = np.unravel_index(int(np.argmax(common)), common.shape)
    peak = float(common[row, column])
    return peak / max(total - peak, 1e-9), np.array([across[0, column], down[row, 0]])


def _matrix(zoom: float, width: int, height: int) -> np.ndarray:
    """Affine map that zooms about the middle of the picture."""
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.column_stack([zoom * np.eye(2), (1 - zoom) * middle])


def _resize(mask: Bool[np.ndarray, "row column"], width: int, height: int) -> Bool[np.ndarray, "row column"]:
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5


def _clean(mask: Bool[np.ndarray, "row column"]) -> Bool[np.ndarray, "row column"]:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)
