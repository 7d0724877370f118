"""Moments of recordings other than walks: standing still, a hand stretched out, the way down to a seat."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT
from carescene.simulation.situations.references import Recording

# Hands hang when the wrists are at most this far above the pelvis, metres.
_HANGING: Final = 0.06
_STILL_SPEED: Final = 0.25


def standing_moment(rng: np.random.Generator, recording: Recording, joints: Float[np.ndarray, "frame 24 3"]) -> float:
    """Draw a moment at which the person stands with hanging arms, in seconds of the recording.

    Raises:
        UserError: there is none.
    """
    wrists = joints[:, [JOINT["left_wrist"], JOINT["right_wrist"]], 2].max(axis=1)
    hanging = wrists < joints[:, JOINT["pelvis"], 2] + _HANGING
    speed = np.linalg.norm(np.gradient(joints, axis=0), axis=-1).max(axis=1) * recording.fps
    return _draw(rng, hanging & (speed < _STILL_SPEED) & (recording.labels == OMNIFALL_ID["standing"]), recording)


def reaching_moment(recording: Recording, joints: Float[np.ndarray, "frame 24 3"]) -> float:
    """Moment at which a hand is farthest from the middle of the chest, in seconds of the recording."""
    wrists = joints[:, [JOINT["left_wrist"], JOINT["right_wrist"]]]
    far = np.linalg.norm(wrists - joints[:, [JOINT["spine2"]]], axis=-1).max(axis=1)
    return float(far.argmax() / recording.fps)


def sitting_down_moment(
    rng: np.random.Generator, recording: Recording, joints: Float[np.ndarray, "frame 24 3"]
) -> float:
    """Draw a moment half to nine tenths down the way to a seat, in seconds of the recording.

    Raises:
        UserError: the recording has no sitting down of at least a quarter metre.
    """
    height = joints[:, JOINT["pelvis"], 2]
    down = np.flatnonzero(recording.labels == OMNIFALL_ID["sit_down"])
    if len(down) < 3:
        raise UserError("Expected somebody who sits down in the recording, but nobody does. Take another one.")
    first, last = int(down[0]), int(down[-1])
    top, bottom = float(height[first]), float(height[last])
    if top - bottom < 0.25:
        raise UserError(f"Expected a way down of 0.25 m to the seat, but got {top - bottom:.2f} m. Take another one.")
    level = top - rng.uniform(0.5, 0.9) * (top - bottom)
    return float((first + int(np.argmax(height[first : last + 1] < level))) / recording.fps)


def resting_moment(rng: np.random.Generator, recording: Recording, label: str) -> float:
    """Draw a moment of sitting or lying, in the later half of the recording so that it can be led up to.

    Raises:
        UserError: there is none.
    """
    return _draw(rng, recording.labels == OMNIFALL_ID[label], recording, later=True)


def _draw(
    rng: np.random.Generator, fitting: Bool[np.ndarray, "frame"], recording: Recording, *, later: bool = False
) -> float:
    frames = np.flatnonzero(fitting)
    if later:
        frames = frames[len(frames) // 2 :]
    if not len(frames):
        raise UserError("Expected the wanted posture in the recording, but it is not there. Take another one.")
    return float(rng.choice(frames) / recording.fps)
