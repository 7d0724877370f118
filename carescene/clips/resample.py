"""Resampling of rotations and positions by time."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from carescene.humans.source_motion import SourceMotion


def frame_times(seconds: float, fps: float) -> Float[np.ndarray, "frame"]:
    """Times of the frames at `fps` that lie within `seconds`, the first at zero."""
    # The slack keeps the last frame when a duration is a whole number of frames but for rounding.
    return np.arange(int(np.floor(seconds * fps + 1e-3)) + 1) / fps


def resample_rotations(
    times: Float[np.ndarray, "frame"], rotations: Float[np.ndarray, "frame *joint 3 3"], at: Float[np.ndarray, "new"]
) -> Float[np.ndarray, "new *joint 3 3"]:
    """Rotations at other times, by a cubic spline through hemisphere-continuous unit quaternions.

    Between frames of a recording the arc is short, so the normalised spline differs from spherical interpolation by
    its smoothness alone: slerp has kinks in velocity at every source frame, which read as jerk at the new rate.
    """
    shape = rotations.shape[1:-2]
    quats = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat().reshape(len(times), -1, 4)
    flips = np.where((quats[1:] * quats[:-1]).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    quats[1:] *= np.cumprod(flips, axis=0)
    at = np.clip(at, times[0], times[-1])
    new = CubicSpline(times, quats, axis=0)(at)
    return Rotation.from_quat(new.reshape(-1, 4)).as_matrix().reshape(len(at), *shape, 3, 3)


def resample_positions(
    times: Float[np.ndarray, "frame"], positions: Float[np.ndarray, "frame *point 3"], at: Float[np.ndarray, "new"]
) -> Float[np.ndarray, "new *point 3"]:
    """Positions at other times, by a cubic spline (linear interpolation would add jerk)."""
    return CubicSpline(times, positions, axis=0)(np.clip(at, times[0], times[-1]))


def resample_motion(motion: SourceMotion, fps: float) -> SourceMotion:
    """The same motion at `fps` frames per second, from its first frame to the last that its duration allows."""
    at = frame_times(motion.times[-1], fps)
    return SourceMotion(
        name=motion.name,
        joint_names=motion.joint_names,
        parents=motion.parents,
        rotations=resample_rotations(motion.times, motion.rotations, at),
        trans=resample_positions(motion.times, motion.trans, at),
        offsets=motion.offsets,
        times=at,
        betas=motion.betas,
    )
