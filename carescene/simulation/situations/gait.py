"""Moments of a recorded walk: feet in mid swing and feet that touch down."""

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import find_peaks

from carescene.humans.body import load_body
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.simulation.situations.plan import Side
from carescene.simulation.situations.references import Recording

# A swinging foot is at least this fast at its fastest, in metres per second; feet of shuffling people reach 1.
_SWING_SPEED: Final = 0.8
# Steps of one foot are at least this far apart, in seconds.
_STRIDE_S: Final = 0.6
# Slower than this, a foot has touched down.
_DOWN_SPEED: Final = 0.35


@dataclass(frozen=True)
class Step:
    """One step: the foot, the moment of its fastest swing and the moment it stands, in seconds of the recording."""

    side: Side
    swing_s: float
    down_s: float


@functools.lru_cache(maxsize=64)
def _rest_joints(betas: tuple[float, ...]) -> torch.Tensor:
    with torch.no_grad():
        return load_body().rest_joints(torch.tensor(betas, dtype=torch.float32)).double()


def joint_positions(recording: Recording) -> Float[np.ndarray, "frame 24 3"]:
    """Joints of a recording in its world, metres."""
    rotations = rotvec_to_matrix(torch.from_numpy(recording.poses).double())
    rest = _rest_joints(tuple(recording.betas.tolist()))
    positions, _ = forward_kinematics(rotations, torch.from_numpy(recording.trans).double(), rest)
    return positions.numpy()


def find_steps(joints: Float[np.ndarray, "frame 24 3"], fps: float | int) -> list[Step]:
    """Steps of both feet in the order of their swings: peaks of the ankles' horizontal speed, and the stance after."""
    steps = []
    sides: tuple[Side, Side] = ("left", "right")
    for side in sides:
        path = joints[:, JOINT[f"{side}_ankle"], :2]
        speed = np.linalg.norm(np.gradient(path, axis=0), axis=-1) * fps
        peaks, _ = find_peaks(speed, height=_SWING_SPEED, distance=max(int(_STRIDE_S * fps), 1))
        for peak in peaks:
            slow = np.flatnonzero(speed[peak:] < _DOWN_SPEED)
            if len(slow):
                steps.append(Step(side, float(peak / fps), float((peak + slow[0]) / fps)))
    return sorted(steps, key=lambda step: step.swing_s)
