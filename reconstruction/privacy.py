"""Faces made unrecognisable in pictures that are written."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from reconstruction.observations import LANDMARK, Keypoints

_FACE: Final = np.array([LANDMARK[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")])
_SHOULDERS: Final = np.array([LANDMARK[name] for name in ("left_shoulder", "right_shoulder")])
_HIPS: Final = np.array([LANDMARK[name] for name in ("left_hip", "right_hip")])
# A head with its hair is 0.24 m high and 0.3 m with a margin, where shoulders are 0.36 m and hips 0.5 m below them
# apart; half of it is the radius. Of these guesses the largest counts: to cover too much does no harm.
_PER_SHOULDERS, _PER_TRUNK, _PER_FACE = 0.45, 0.36, 1.5
# No face is known from fewer blocks than this across.
_BLOCKS: Final = 4
# Points below this confidence may be anywhere; but where they are all there is, they are covered too.
_SURE: Final = 0.1
# A head is covered for so long while its owner is not found, and by so much more.
_MEMORY_S, _WIDER = 1.0, 1.25


def head_circle(
    pixels: Float[np.ndarray, "landmark 2"], confidence: Float[np.ndarray, "landmark"]
) -> tuple[float, float, float] | None:
    """Circle (x, y, radius) in pixels that covers a person's head, hair included.

    The middle is that of the face's points, or where a head belongs above the shoulders if none is seen; the radius is
    the largest that the face, the shoulders and the trunk ask for, so that it holds from the side and from above too.

    Returns:
        None for somebody of whom neither face nor shoulders are seen.
    """
    known = np.isfinite(pixels).all(-1) & (confidence > 0)
    sure = known & (confidence >= _SURE)

    def chosen(group: np.ndarray) -> np.ndarray:
        best = group[sure[group]]
        return pixels[best if len(best) else group[known[group]]]

    face, shoulders, hips = chosen(_FACE), chosen(_SHOULDERS), chosen(_HIPS)
    if len(face) + len(shoulders) == 0:
        return None
    trunk = shoulders.mean(0) - hips.mean(0) if len(shoulders) and len(hips) else np.zeros(2)
    radii = [_PER_TRUNK * float(np.linalg.norm(trunk))]
    if len(shoulders) == 2:
        radii.append(_PER_SHOULDERS * float(np.linalg.norm(shoulders[0] - shoulders[1])))
    if len(face):
        middle = face.mean(0)
        radii.append(_PER_FACE * float(np.linalg.norm(face - middle, axis=1).max()))
    else:
        middle = shoulders.mean(0) + 0.55 * trunk
    return float(middle[0]), float(middle[1]), max(*radii, 4.0)


def blur_faces(
    picture: UInt8[np.ndarray, "height width 3"],
    pixels: Float[np.ndarray, "person landmark 2"],
    confidence: Float[np.ndarray, "person landmark"],
) -> UInt8[np.ndarray, "height width 3"]:
    """A copy of a picture in which every head is a few blocks of its mean colours.

    Blocks rather than a Gaussian blur, which can be undone in part.

    Args:
        pixels, confidence: of everybody in the picture, in its pixels; NaN and 0 where missing.
    """
    found = (head_circle(points, trust) for points, trust in zip(pixels, confidence, strict=True))
    return _hidden(picture, [circle for circle in found if circle is not None])


def face_hider(keypoints: Keypoints) -> Callable[[UInt8[np.ndarray, "height width 3"], float], np.ndarray]:
    """A function that hides every head in the picture of a time, seconds from the first of `keypoints.times`.

    Where somebody was not found for a moment, both the head before and the one after are hidden, a little wider.
    """
    times = keypoints.times - keypoints.times[0]

    def hide(picture: np.ndarray, time: float) -> np.ndarray:
        scale = np.array([picture.shape[1] / keypoints.width, picture.shape[0] / keypoints.height])
        circles = []
        for pixels, confidence, present in zip(keypoints.pixels, keypoints.confidence, keypoints.present, strict=True):
            # Film and key points need not have the same rate: the frames on either side of a time both count.
            for frame in _neighbours(times, present, time):
                circle = head_circle(pixels[frame] * scale, confidence[frame])
                if circle is not None:
                    circles.append((*circle[:2], circle[2] * (1.0 if times[frame] == time else _WIDER)))
        return _hidden(picture, circles)

    return hide


def _neighbours(times: np.ndarray, present: np.ndarray, time: float) -> list[int]:
    """The last frame before and the first after a time in which a person is there, if no farther than a second."""
    there = np.flatnonzero(present)
    before, after = there[times[there] <= time][-1:], there[times[there] > time][:1]
    near = [int(frame) for frame in (*before, *after) if abs(times[frame] - time) <= _MEMORY_S]
    return near[:1] if near and times[near[0]] == time else near


def _hidden(picture: np.ndarray, circles: list[tuple[float, float, float]]) -> np.ndarray:
    result = picture.copy()
    height, width = picture.shape[:2]
    for x, y, radius in circles:
        left, right = max(0, int(x - radius)), min(width, int(np.ceil(x + radius)) + 1)
        top, bottom = max(0, int(y - radius)), min(height, int(np.ceil(y + radius)) + 1)
        if left >= right or top >= bottom:
            continue
        part = result[top:bottom, left:right]
        coarse = cv2.resize(part, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
        blocks = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)
        rows, columns = np.mgrid[top:bottom, left:right]
        inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        part[inside] = blocks[inside]
    return result
