"""Key points of everybody in a video of a static camera, without anybody's annotations: MediaPipe, person by person."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Int
from tqdm import tqdm

from reconstruction.blazepose import BlazePose
from reconstruction.body_finder import BodyFinder
from reconstruction.footage import Footage
from reconstruction.found_people import Found, FoundPeople, clothes
from reconstruction.observations import Keypoints
from reconstruction.plate import Plate


def detect_people(
    footage: Footage,
    plate: Plate,
    *,
    rate: float | int = 30.0,
    frames: Int[np.ndarray, "frame"] | None = None,
    resume: Path | None = None,
    progress: bool | Callable[[float], None] = True,
) -> Keypoints:
    """Find everybody in a video and follow them through it.

    Whoever the person network hardly ever confirms is left out, and so is whoever is there for less than a third of a
    second.

    Args:
        footage: the view of a static camera.
        plate: its room without people.
        rate: pictures a second to look at, at most.
        frames: increasing frames to look at, a stretch without a cut; None for the whole video at `rate`.
        resume: a folder to keep what is found in while the work goes on; a call that was killed goes on from there. It
            is emptied of that at the end.
        progress: whether to show a progress bar with the time left; or what to call with the share that is done.

    Returns:
        Key points in pixels of the footage's view, people numbered as they appear; nobody at all is no error here.

    Raises:
        UserError: without MediaPipe, or when nothing of the video can be decoded.
    """
    frames = footage.analysed(rate) if frames is None else frames
    kept = FoundPeople(resume, footage, frames)
    waiting = kept.waiting(frames)
    with tqdm(
        total=len(frames), initial=len(kept.frames), desc="finding people", unit="frame", dynamic_ncols=True,
        disable=progress is not True,
    ) as bar:  # fmt: skip
        if len(waiting):
            with BlazePose() as network:
                # Paths of before the kill end there; the two parts are linked like any others.
                finder = BodyFinder(network, plate, first_path=kept.paths)
                for index, picture in footage.pictures(waiting):
                    bodies = finder.find(picture, float(footage.times[index]))
                    scale = footage.width / picture.shape[1]
                    found = [
                        Found(one.pixels * scale, one.confidence, clothes(picture, one.pixels), one.path, one.opinion)
                        for one in bodies
                    ]
                    kept.add(index, found)
                    bar.update()
                    if callable(progress):
                        progress(len(kept.frames) / len(frames))
    keypoints = kept.people(footage, "mediapipe")
    kept.clear()
    return keypoints
