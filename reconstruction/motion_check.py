"""Whether a camera stood still: cuts and moves found, stretches between them kept, a small shake taken out."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from carescene.errors import UserError
from reconstruction.footage import Footage
from reconstruction.picture_motion import corner_way, picture_motion

# Pictures a second and their longer side: a pan of a tenth of the picture a second is 3 pixels from one to the next.
_RATE, _LONGEST = 10.0, 320
# Less than this share of the patches is found again after a cut; somebody who walks by the lens does the same, but the
# old picture comes back.
_CUT: Final = 0.25
# Shares of the longer side: from frame to frame a still picture moves less than the first, and over a whole stretch by
# less than the second, or the camera moves; less than the third is how exactly this can be measured.
_STEP, _RANGE, _SHAKE = 0.004, 0.025, 0.0025
# A stretch worth reconstructing.
_LEAST_S: Final = 1.0


@dataclass(frozen=True)
class CameraMotion:
    """What a camera did.

    Attributes:
        segments: stretches in which it stood still, as (first, last exclusive) frames of the file.
        cuts: seconds at which another picture begins.
        moving: seconds (from, to) in which the camera moved.
        shake: how far the picture's corners go within a stretch, in nine frames of ten, as a share of its longer side.
    """

    segments: tuple[tuple[int, int], ...]
    cuts: tuple[float, ...]
    moving: tuple[tuple[float, float], ...]
    shake: float

    @property
    def shaky(self) -> bool:
        """Whether `steadied` is worth its time."""
        return self.shake > _SHAKE


def check_camera(footage: Footage) -> CameraMotion:
    """Find the stretches of a video in which its camera stands still.

    Ten pictures a second are compared with the one before and with the first of their stretch, patch by patch, so that
    people moving in less than half of the picture and lights do not count as motion of the camera. A video with too
    little texture to tell is taken for still.

    Raises:
        UserError: if there is no stretch of a second in which the camera stands still.
    """
    taken = footage.analysed(_RATE)
    frames, pictures = [], []
    for index, picture in footage.pictures(taken, _LONGEST):
        frames.append(index)
        pictures.append(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    cuts = _cuts(pictures)
    segments, moving, shakes = [], [], [0.0]
    for first, last in zip([0, *cuts], [*cuts, len(pictures)], strict=True):
        for begin, end, still, shake in _runs(pictures[first:last]):
            ends_at = frames[first + end] if first + end < len(frames) else len(footage.times)
            span = (frames[first + begin], ends_at)
            if still and _long_enough(footage, *span):
                segments.append(span)
                shakes.append(shake)
            elif not still:
                moving.append((float(footage.times[span[0]]), float(footage.times[span[1] - 1])))
    if not segments:
        where = f"moves from {moving[0][0]:.1f} s to {moving[0][1]:.1f} s" if moving else "cuts every second"
        raise UserError(
            f"Expected a camera that stands still, but '{footage.path}' {where}. Its motion cannot be told from "
            "that of people. Give a film of a fixed camera, or the part in which it stands still for a second or more."
        )
    cut_times = tuple(float(footage.times[frames[cut]]) for cut in cuts)
    return CameraMotion(tuple(segments), cut_times, tuple(moving), max(shakes))


def steadied(footage: Footage, segments: tuple[tuple[int, int], ...]) -> Footage:
    """The same footage with every frame moved back onto the first of its stretch, which takes out a small shake.

    Frames in which nothing can be found again stay as they are.
    """
    frames, matrices = [], []
    for begin, end in segments:
        first: np.ndarray | None = None
        for index, picture in footage.pictures(np.arange(begin, end), 2 * _LONGEST):
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            first = grey if first is None else first
            matrix = picture_motion(first, grey).matrix
            if matrix is not None:
                # In shares of the width, so that it holds at every size.
                scaled = matrix / np.array([[1, 1, picture.shape[1]]])
                frames.append(index)
                matrices.append(scaled)
    return replace(footage, steadying=(np.array(frames, np.int64), np.array(matrices).reshape(-1, 2, 3)))


def _cuts(pictures: list[np.ndarray]) -> list[int]:
    """Index of the first picture after each cut."""
    cuts: list[int] = []
    reference = pictures[0]
    waiting: int | None = None
    for index in range(1, len(pictures)):
        if picture_motion(reference, pictures[index]).alike >= _CUT:
            # The old picture is back: something was in front of the lens.
            waiting = None
            continue
        sudden = picture_motion(pictures[index - 1], pictures[index]).alike < _CUT
        if sudden and waiting is None:
            waiting = index
        if waiting is not None and (index - waiting >= _RATE or index == len(pictures) - 1):
            cuts.append(waiting)
            reference, waiting = pictures[waiting], None
        elif waiting is None and not sudden:
            # The picture changes little by little: the newest is what comes next is compared with.
            reference = pictures[index]
    return cuts


def _runs(pictures: list[np.ndarray]) -> list[tuple[int, int, bool, float]]:
    """Stretches (first, last exclusive, whether still, shake) of pictures without a cut."""
    if len(pictures) < 2:
        return [(0, len(pictures), True, 0.0)]
    steps = [picture_motion(one, other) for one, other in pairwise(pictures)]
    # One step alone may be a mistake or a nudge; a camera that moves does so for a while.
    quick = np.array([step.moved > _STEP for step in steps])
    going = np.r_[False, quick & (np.r_[quick[1:], False] | np.r_[False, quick[:-1]])]
    edges = np.flatnonzero(np.diff(going.astype(np.int8))) + 1
    runs = []
    for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(pictures)], strict=True):
        shake = _shake([step.matrix for step in steps[begin : end - 1]], pictures[begin], pictures[begin:end])
        runs.append((begin, end, bool(not going[begin] and shake <= _RANGE), shake))
    return runs


def _shake(steps: list[np.ndarray | None], first: np.ndarray, pictures: list[np.ndarray]) -> float:
    """How far a stretch drifts from its first picture: read directly where they are alike, else added up."""
    height, width = first.shape
    total, ways = np.eye(3), []
    for step, picture in zip(steps, pictures[1:], strict=True):
        if step is not None:
            total = np.vstack([step, [0, 0, 1]]) @ total
        direct = picture_motion(first, picture).matrix
        if direct is not None:
            total = np.vstack([direct, [0, 0, 1]])
        ways.append(corner_way(total[:2], width, height))
    # Somebody large in front of the lens can spoil a few readings.
    return float(np.quantile(ways, 0.9)) if ways else 0.0


def _long_enough(footage: Footage, begin: int, end: int) -> bool:
    seconds = float(footage.times[end - 1] - footage.times[begin])
    return seconds >= _LEAST_S - 1.5 / footage.fps and end - begin >= 2
