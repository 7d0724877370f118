"""The empty room behind the people: a masked temporal median, and what stands out from it in a picture."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from reconstruction.footage import Footage
from reconstruction.observations import Keypoints

# Pictures for the median: enough that one who stays for a third of the film is still outvoted at most places.
_PICTURES: Final = 61
_LONGEST: Final = 960
# A pixel differs when it is off by so many of its own standard deviations and so many grey levels (coding, sensor).
_NOISE_FACTOR, _LEAST_STEP = 4.0, 18.0
# A shadow dims what is behind it to no less than this and keeps its colour within so many levels.
_SHADOW_DIM, _SHADOW_TINT = 0.6, 14.0
# Longer side of the pictures that foregrounds are found in: limbs of a person of a quarter of it have two pixels.
_MASK_LONGEST: Final = 360
# A median of fewer uncovered pictures than this share is no better than the plain one.
_LEAST_SHARE: Final = 0.08
# Share of the people's height by which their key points are widened to cover the body around them.
_BODY_MARGIN: Final = 0.12


@dataclass(frozen=True)
class Plate:
    """The room without people.

    Attributes:
        picture: the plate, of the footage's view, smaller when that is larger than 960 pixels.
        noise: standard deviation of each pixel over time, grey levels, without the people.
        seen: share of the pictures looked at in which each pixel was not covered by a person; 0 means that what is
            behind is not known and the plate shows the person.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    noise: Float[np.ndarray, "height width"]
    seen: Float[np.ndarray, "height width"]

    @cached_property
    def _small(self) -> tuple[np.ndarray, np.ndarray]:
        """The plate and its threshold at the size of masks, as floats."""
        height, width = self.picture.shape[:2]
        scale = min(1.0, _MASK_LONGEST / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(self.picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        noise = cv2.resize(self.noise.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return picture, np.maximum(_LEAST_STEP, _NOISE_FACTOR * noise)

    def foreground(self, picture: UInt8[np.ndarray, "rows columns 3"]) -> Bool[np.ndarray, "height width"]:
        """Where a picture shows something that is not in the room, at no more than 360 pixels a side.

        The picture's brightness is first brought to the plate's, and cast shadows are let pass.

        Args:
            picture: of the same view, at any size.
        """
        plate, threshold = self._small
        small = cv2.resize(picture, (plate.shape[1], plate.shape[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
        small *= _gain(small, plate)
        difference = _largest(cv2.absdiff(small, plate))
        sums = np.array([[1.0, 1.0, 1.0]], np.float32)
        dimming = (cv2.transform(small, sums) + 1) / (cv2.transform(plate, sums) + 1)
        tint = _largest(cv2.absdiff(small, plate * dimming[..., None]))
        shadow = (dimming > _SHADOW_DIM) & (dimming < 1) & (tint < _SHADOW_TINT)
        mask = ((difference > threshold) & ~shadow).astype(np.uint8)
        mask = cv2.medianBlur(mask, 5)
        return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)).astype(bool)


def background_plate(
    footage: Footage,
    keypoints: Keypoints | None = None,
    frames: Int[np.ndarray, "frame"] | None = None,
    pictures: int = _PICTURES,
) -> Plate:
    """The room without people, by a temporal median in two passes over pictures spread across the video.

    Brightness is brought to that of the first median, because cameras adapt when somebody comes in. The second pass
    leaves out what differs from the first by more than its noise and, given key points, everybody they show: one who
    lies still for half of the film is in the first median, but not in the second.

    Args:
        footage: the view of a static camera.
        keypoints: who was found in this footage.
        frames: increasing frames to choose from, a stretch without a cut; None for the whole video.
        pictures: how many to look at.

    Raises:
        UserError: if nothing can be decoded.
    """
    choice = np.arange(len(footage.times)) if frames is None else frames
    wanted = np.unique(choice[np.linspace(0, len(choice) - 1, pictures).round().astype(np.int64)])
    taken = list(footage.pictures(wanted, _LONGEST))
    indices, stack = [index for index, _ in taken], np.stack([picture for _, picture in taken])
    first = _median(stack)
    for picture in stack:
        gain = _gain(picture[::4, ::4].astype(np.float32), first[::4, ::4].astype(np.float32))
        picture[:] = cv2.convertScaleAbs(picture, alpha=gain)
    first = _median(stack)
    away = np.stack([np.abs(picture.astype(np.int16) - first).max(-1).astype(np.uint8) for picture in stack])
    # 1.4826 turns the median absolute difference of normal noise into its standard deviation.
    noise = 1.4826 * _median(away).astype(np.float32)
    covered = away > np.maximum(_LEAST_STEP, _NOISE_FACTOR * noise)
    wide = np.ones((9, 9), np.uint8)
    covered = np.stack([cv2.dilate(cv2.medianBlur(mask.astype(np.uint8), 5), wide) for mask in covered]).astype(bool)
    if keypoints is not None:
        bodies = _bodies(keypoints, indices, footage, covered.shape[1:])
        # Where somebody lay long enough to be in the first median, it is the empty room that differs from it: in places
        # where anybody ever was, the key points decide alone.
        covered = np.where(bodies.any(0), bodies, covered)
    seen = 1 - covered.mean(0)
    picture = np.where((seen > _LEAST_SHARE)[..., None], _masked_median(stack, covered, first), first)
    return Plate(picture, noise.astype(np.float64), seen)


def _gain(picture: Float[np.ndarray, "row column 3"], reference: Float[np.ndarray, "row column 3"]) -> float:
    """Factor that brings a picture's brightness to the reference's, as most of its pixels have it."""
    step = max(1, picture.shape[0] // 60)
    ratio = (reference[::step, ::step].sum(-1) + 3) / (picture[::step, ::step].sum(-1) + 3)
    return float(np.clip(np.median(ratio), 0.5, 2.0))


def _largest(channels: Float[np.ndarray, "row column 3"]) -> Float[np.ndarray, "row column"]:
    """Largest of three channels, several times quicker than numpy's maximum along so short an axis."""
    return np.maximum(np.maximum(channels[..., 0], channels[..., 1]), channels[..., 2])


def _median(stack: UInt8[np.ndarray, "frame *picture"]) -> UInt8[np.ndarray, "*picture"]:
    """Median over frames (the upper of two), in rows so that the copy stays small."""
    middle = len(stack) // 2
    return np.stack([np.partition(stack[:, row], middle, axis=0)[middle] for row in range(stack.shape[1])])


def _masked_median(
    stack: UInt8[np.ndarray, "frame height width 3"],
    covered: Bool[np.ndarray, "frame height width"],
    first: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Median of the frames in which each pixel is not covered; `first` where it never is, or always."""
    result = first.copy()
    rows, columns = np.nonzero(covered.any(0) & ~covered.all(0))
    for start in range(0, len(rows), 1 << 16):
        row, column = rows[start : start + (1 << 16)], columns[start : start + (1 << 16)]
        hidden = covered[:, row, column]
        # Covered values sort behind all others.
        values = np.sort(np.where(hidden[..., None], 256, stack[:, row, column].astype(np.int16)), axis=0)
        middle = (~hidden).sum(0) // 2
        result[row, column] = values[middle, np.arange(len(row))]
    return result


def _bodies(
    keypoints: Keypoints, frames: list[int], footage: Footage, shape: tuple[int, ...]
) -> Bool[np.ndarray, "frame height width"]:
    """Pixels near anybody's key points, at the nearest time somebody looked for them."""
    masks = np.zeros((len(frames), *shape), np.uint8)
    scale = np.array([shape[1] / keypoints.width, shape[0] / keypoints.height])
    for mask, frame in zip(masks, frames, strict=True):
        nearest = int(np.argmin(np.abs(keypoints.times - footage.times[frame])))
        for pixels in keypoints.pixels[:, nearest]:
            points = pixels[np.isfinite(pixels).all(-1)] * scale
            if len(points) < 3:
                continue
            radius = max(2, round(_BODY_MARGIN * float(np.ptp(points, axis=0).max())))
            hull = cv2.convexHull(points.round().astype(np.int32))
            cv2.fillConvexPoly(mask, hull, (1,))
            cv2.polylines(mask, [hull], isClosed=True, color=(1,), thickness=2 * radius)
    return masks.astype(bool)
