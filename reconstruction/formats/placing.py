"""Laying annotations over a video: which of its frames a picture is, and where in its pixels the points are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from carescene.errors import UserError
from reconstruction.formats.annotations import AnnotatedFrame, Annotations

# A file that lists every picture but fewer than this part of the video's is of another rate or another video.
_LEAST_SHARE = 0.9
# Sizes may be rounded, and decoders differ in the last frames.
_SHAPE_TOLERANCE = 0.02
_FRAME_TOLERANCE = 2
# Part of the points that may lie outside the picture, and how far beyond the border a point is still taken.
_OUTSIDE_SHARE = 0.2
_MARGIN = 0.02
# So many people that they would not all stay in one quarter of the picture.
_MANY = 20


@dataclass(frozen=True)
class VideoFrames:
    """The frames of a video that are looked at.

    Attributes:
        times: seconds of each.
        frames: index of each in the video file, increasing.
        width, height: of the upright picture.
        total: frames in the video file.
        name: of the video, without ending.
    """

    times: Float[np.ndarray, "frame"]
    frames: Int[np.ndarray, "frame"]
    width: int
    height: int
    total: int
    name: str = ""


def frame_slots(found: Annotations, video: VideoFrames, where: str) -> Int[np.ndarray, "picture"]:
    """Which of the looked-at frames each picture of the annotations is; -1 for those that are skipped.

    Names are matched by their last number, counted from 1 where they begin so (as ffmpeg does). A picture between two
    looked-at frames goes to the nearer one; of several for one frame the nearest stays.

    Raises:
        UserError: the pictures are not those of this video.
    """
    pictures = _of_this_video(found.frames, video, where)
    numbers = _numbers([found.frames[index] for index in pictures], video, where)
    if found.total is not None and abs(found.total - video.total) > max(_FRAME_TOLERANCE, 0.01 * video.total):
        raise _another(where, f"{found.total} frames", f"{video.total}", "Give the video that was annotated.")
    over = numbers[numbers >= video.total + _FRAME_TOLERANCE]
    if len(over):
        raise _another(where, f"frame {int(over.max())}", f"{video.total} frames", "Give the video that was annotated.")
    # Files that know the video's length, or name frames as CVAT does, may well show only a part of it.
    certain = found.total is not None or all(re.fullmatch(r"frame_\d{6}", _plain(one.name)) for one in found.frames)
    dense = len(numbers) > 1 and np.array_equal(np.sort(numbers), np.arange(len(numbers)))
    few = len(numbers) < _LEAST_SHARE * video.total - _FRAME_TOLERANCE
    if found.complete and not certain and dense and few:
        raise _another(
            where, f"{len(numbers)} pictures numbered one by one", f"{video.total} frames",
            "If they show this video at a lower rate, name each after the number of its frame; if they show its "
            "beginning, cut the video there.",
        )  # fmt: skip
    slots = np.full(len(found.frames), -1)
    after = np.searchsorted(video.frames, numbers).clip(0, len(video.frames) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(video.frames[before] - numbers) < np.abs(video.frames[after] - numbers), before, after)
    distance = np.abs(numbers - video.frames[nearest])
    reach = 0.5 * float(np.median(np.diff(video.frames))) if len(video.frames) > 1 else 0.0
    taken: dict[int, int] = {}
    for index in np.argsort(distance, kind="stable").tolist():
        if distance[index] <= reach and int(nearest[index]) not in taken:
            taken[int(nearest[index])] = pictures[index]
    for slot, picture in taken.items():
        slots[picture] = slot
    return slots


def pixel_scales(
    found: Annotations, video: VideoFrames, size: tuple[int, int] | None, where: str
) -> Float[np.ndarray, "picture 2"]:
    """What to multiply the points of each picture with to get pixels of the video.

    Raises:
        UserError: a picture has another shape than the video, or the file and `size` contradict each other.
    """
    scales = np.ones((len(found.frames), 2))
    for index, frame in enumerate(found.frames):
        if frame.width and frame.height:
            if size is not None and size != (frame.width, frame.height):
                raise UserError(
                    f"Expected pictures of {size[0]}x{size[1]} in '{where}', but the file itself says "
                    f"{frame.width}x{frame.height}. Leave out the size."
                )
            width, height = frame.width, frame.height
        else:
            width, height = size or (video.width, video.height)
        if not same_shape((width, height), (video.width, video.height)):
            turned = "They seem to be turned: " if same_shape((width, height), (video.height, video.width)) else ""
            raise _another(
                where, f"pictures of {width}x{height}", f"{video.width}x{video.height}",
                f"{turned}{'a' if turned else 'A'}nnotate pictures of the shape in which players show the video.",
            )  # fmt: skip
        pixels = (video.width, video.height)
        scales[index] = pixels if found.relative else (pixels[0] / width, pixels[1] / height)
    return scales


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two widths and heights have one ratio, to the rounding of pictures made smaller."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1.0) <= _SHAPE_TOLERANCE


def check_inside(
    points: Float[np.ndarray, "person landmark 2"], video: VideoFrames, sized: bool, where: str
) -> np.ndarray:
    """Which points lie in the picture, or so close beside it that they may stay; boolean, people and landmarks.

    Args:
        points: pixels of the video, NaN where missing.
        video: whose picture it is.
        sized: whether the size of the annotated pictures is known rather than taken to be the video's.
        where: file to name in messages.

    Raises:
        UserError: too many lie outside, or all in one corner, so that they belong to pictures of another size.
    """
    known = np.isfinite(points).all(-1)
    size = np.array([video.width, video.height])
    near = ((points > -_MARGIN * size) & (points < (1 + _MARGIN) * size)).all(-1)
    count = int(known.sum())
    outside = count - int((near & known).sum())
    if outside > _OUTSIDE_SHARE * count:
        raise UserError(
            f"Expected points inside the video's {video.width}x{video.height} pixels in '{where}', but {outside} of "
            f"{count} lie outside. They belong to another video, or to pictures of another size: give that size."
        )
    if not sized and len(points) >= _MANY:
        reach = np.nanmax(np.where(known[..., None], points, np.nan), axis=(0, 1))
        if (reach < 0.55 * size).all():
            raise UserError(
                f"Expected people anywhere in the video's {video.width}x{video.height} pixels in '{where}', which has "
                f"no size of its own, but none goes beyond {reach[0]:.0f}, {reach[1]:.0f}. Pictures were probably "
                "made smaller before: give their size."
            )
    return near & known


def _of_this_video(frames: Sequence[AnnotatedFrame], video: VideoFrames, where: str) -> list[int]:
    """Pictures that belong to this video, where a file holds those of several."""
    stems = [_stem(frame.name) for frame in frames]
    different = sorted(set(stems))
    if len(different) <= 1 or any(frame.number is not None or not _digits(frame.name) for frame in frames):
        return list(range(len(frames)))
    mine = [stem for stem in different if video.name and stem == _stem(video.name + "_0")]
    if not mine:
        raise UserError(
            f"Expected pictures of one video in '{where}', but their names begin with "
            f"{', '.join(repr(stem) for stem in different[:4])}. Keep those of '{video.name or 'this video'}' alone."
        )
    return [index for index, stem in enumerate(stems) if stem == mine[0]]


def _stem(name: str) -> str:
    """A picture's name without folder, ending and the number at its end; Label Studio's prefix is taken off."""
    return re.sub(r"\d+\D*$", "", re.sub(r"^[0-9a-f]{8}-", "", _plain(name))).strip("_-. ")


def _plain(name: str) -> str:
    return re.sub(r"\.[A-Za-z]\w{1,4}$", "", re.split(r"[/\\]", name)[-1])


def _digits(name: str) -> list[str]:
    return re.findall(r"\d+", _plain(name))


def _numbers(frames: Sequence[AnnotatedFrame], video: VideoFrames, where: str) -> Int[np.ndarray, "picture"]:
    if all(frame.number is not None for frame in frames):
        return np.array([frame.number for frame in frames], np.int64)
    digits = [_digits(frame.name) for frame in frames]
    if all(digits):
        numbers = np.array([int(found[-1]) for found in digits], np.int64)
        if len(np.unique(numbers)) == len(numbers):
            from_one = numbers.min() == 1 and (numbers.max() == video.total or np.ptp(numbers) + 1 == len(numbers))
            return numbers - (1 if from_one else 0)
    if len(frames) == video.total:
        return np.arange(len(frames))
    names = ", ".join(repr(frame.name) for frame in frames[:3])
    raise UserError(
        f"Expected the number of the video's frame at the end of each picture's name in '{where}', but got {names}. "
        "Name pictures like frame_000012.png."
    )


def _another(where: str, got: str, video: str, advice: str) -> UserError:
    return UserError(
        f"Expected key points of this video ({video}) in '{where}', but got {got}. They are of another video, or "
        f"of another cut of it. {advice}"
    )
