"""What is said about a take: its windows, their captions, attributes and frame labels."""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8
from torch import Tensor

from carescene.clips.captions import action_class, captions_for, take_attributes
from carescene.clips.frame_labels import frame_labels
from carescene.clips.prepare.takes import Take
from carescene.clips.prepare.windows import cut_windows


@dataclass(frozen=True)
class Window:
    """A part of a take that becomes a clip: frames `start` to `end` (exclusive) and what is said about them."""

    start: int
    end: int
    captions: list[str]
    attributes: dict[str, str]
    labels: Int8[np.ndarray, "frame"]


def describe_take(take: Take, joints: Float[Tensor, "frame 24 3"], fps: float) -> list[Window]:
    """Cut a take into windows and describe each."""
    windows = []
    for start, end in cut_windows(joints.numpy(), fps):
        attributes = take_attributes(take.dataset, take.original_id)
        attributes["class"] = action_class(attributes)
        labels = frame_labels(joints[start:end], fps, attributes["action"])
        seed = int.from_bytes(hashlib.blake2b(f"{take.id}/{start}".encode(), digest_size=4).digest())
        windows.append(Window(start, end, captions_for(attributes, seed), attributes, labels))
    return windows
