"""What is said about a take: its windows, their captions, attributes and frame labels."""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8
from torch import Tensor

from carescene.clips.captions import action_class, captions_for, take_attributes
from carescene.clips.frame_labels import frame_labels
from carescene.clips.prepare.takes import Take
from carescene.clips.prepare.windows import LONGEST_S, SHORTEST_S, cut_windows
from carescene.clips.takes import captions_for_window, has_timeline, segments_for, window_attributes, windows_for


@dataclass(frozen=True)
class Window:
    """A part of a take that becomes a clip: frames `start` to `end` (exclusive) and what is said about them."""

    start: int
    end: int
    captions: list[str]
    attributes: dict[str, str]
    labels: Int8[np.ndarray, "frame"]


def describe_take(take: Take, joints: Float[Tensor, "frame 24 3"], fps: float) -> list[Window]:
    """Cut a take into windows and describe each: by its watched timeline where there is one, else by its name."""
    if has_timeline(take.original_id):
        return _by_timeline(take, joints, fps)
    windows = []
    for start, end in cut_windows(joints.numpy(), fps):
        attributes = take_attributes(take.dataset, take.original_id)
        attributes["class"] = action_class(attributes)
        labels = frame_labels(joints[start:end], fps, attributes["action"])
        windows.append(Window(start, end, captions_for(attributes, _seed(take, start)), attributes, labels))
    return windows


def _by_timeline(take: Take, joints: Float[Tensor, "frame 24 3"], fps: float) -> list[Window]:
    duration = len(joints) / fps
    windows = []
    for first, last in windows_for(take.original_id, duration):
        start, end = round(first * fps), min(round(last * fps), len(joints))
        # Rounding both ends to frames may make ten seconds a frame too long.
        end = min(end, start + int(LONGEST_S * fps))
        if end - start < int(SHORTEST_S * fps):
            continue
        times = (start / fps, end / fps)
        attributes = window_attributes(take.original_id, *times)
        attributes["class"] = attributes["action"]
        timeline = segments_for(take.original_id, *times)
        labels = frame_labels(joints[start:end], fps, attributes["action"], timeline)
        captions = captions_for_window(take.original_id, *times, _seed(take, start))
        windows.append(Window(start, end, captions, attributes, labels))
    return windows


def _seed(take: Take, start: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{take.id}/{start}".encode(), digest_size=4).digest())
