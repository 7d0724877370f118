"""From a video to key points in one call: still stretches of the camera, plate, people, repaired points."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from carescene.errors import UserError
from reconstruction.detect import detect_people
from reconstruction.footage import Footage
from reconstruction.motion_check import check_camera, steadied
from reconstruction.observations import Keypoints
from reconstruction.plate import background_plate
from reconstruction.smooth_keypoints import repair_keypoints

# Finds people like `detect_people`: takes footage, plate, and by name frames, resume and progress.
Detector: TypeAlias = Callable[..., Keypoints]


def find_keypoints(
    footage: Footage,
    *,
    detector: Detector = detect_people,
    rate: float | int = 30.0,
    resume: Path | None = None,
    progress: bool = True,
) -> Keypoints:
    """Find everybody in a video, stretch by stretch where it has cuts or its camera was moved.

    People of different stretches are different people, since nothing tells who is who across a cut.

    Args:
        footage: the video's view.
        detector: what finds people in a stretch.
        rate: pictures a second to look at, at most.
        resume: a folder in which a killed call leaves what it found; the next call goes on from there.
        progress: whether to show progress bars with the time left.

    Raises:
        UserError: if the camera never stands still, nobody is found, or as `detector` does.
    """
    motion = check_camera(footage)
    if motion.shaky:
        footage = steadied(footage, motion.segments)
    parts = []
    for number, (first, last) in enumerate(motion.segments):
        frames = footage.analysed(rate)
        frames = frames[(frames >= first) & (frames < last)]
        plate = background_plate(footage, frames=frames)
        own = None if resume is None else resume / f"stretch_{number}"
        parts.append(repair_keypoints(detector(footage, plate, frames=frames, resume=own, progress=progress)))
    if not any(part.present.any() for part in parts):
        raise UserError(
            f"Expected somebody in '{footage.path}', but nobody was found in {len(footage.times)} frames. People must "
            "be an eighth of the picture tall or more; another view of the frame, or key points of your own, may help."
        )
    return join_stretches(parts)


def join_stretches(parts: list[Keypoints]) -> Keypoints:
    """Key points of one video found stretch by stretch as those of the whole; nobody goes on from one to the next."""
    if len(parts) == 1:
        return parts[0]
    times = np.concatenate([part.times for part in parts])
    people = sum(len(part.names) for part in parts)
    points = parts[0].pixels.shape[2]
    pixels = np.full((people, len(times), points, 2), np.nan)
    confidence, sigma = np.zeros(pixels.shape[:-1]), np.ones(pixels.shape[:-1])
    person = frame = 0
    for part in parts:
        rows, columns = slice(person, person + len(part.names)), slice(frame, frame + len(part.times))
        pixels[rows, columns], confidence[rows, columns] = part.pixels, part.confidence
        sigma[rows, columns] = part.sigma
        person, frame = rows.stop, columns.stop
    return Keypoints(
        times=times,
        frames=np.concatenate([part.frames for part in parts]),
        width=parts[0].width,
        height=parts[0].height,
        pixels=pixels,
        confidence=confidence,
        sigma=sigma,
        names=tuple(f"person {number + 1}" for number in range(people)),
        source=parts[0].source,
    )
