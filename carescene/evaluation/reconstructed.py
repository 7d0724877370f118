"""How near recovered motion is to the truth: the measures of world-grounded human motion recovery as pure functions.

Positions are in metres, frames by frames and joints by joints; `valid` names the frames that count. Conventions follow
the evaluation of WHAM (Shin et al. 2024) and GVHMR (Shen et al. 2024): errors per frame after moving the hips' middle,
chunks of 100 frames for positions in the world, acceleration and jitter by plain differences.
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from carescene.errors import UserError
from carescene.humans.skeleton import JOINT

# The middle of these is put onto the truth's before positions are compared.
HIPS: Final[tuple[int, int]] = (JOINT["left_hip"], JOINT["right_hip"])
# Frames that are aligned at once in W-MPJPE and WA-MPJPE.
CHUNK_FRAMES: Final = 100
# W-MPJPE aligns on the joints of so many frames at a chunk's start.
_FIRST_FRAMES: Final = 2
# Share of a normal distribution within one standard deviation of its mean.
ONE_SIGMA: Final = 0.6827


class Similarity(NamedTuple):
    """A map x -> scale R x + shift."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    shift: Float[np.ndarray, "3"]

    def apply(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """The mapped points."""
        return self.scale * points @ self.rotation.T + self.shift


def fit_similarity(
    points: Float[np.ndarray, "point 3"], target: Float[np.ndarray, "point 3"], scaled: bool = True
) -> Similarity:
    """The similarity (or, not `scaled`, the rigid motion) that brings `points` nearest to `target` in least squares.

    Closed form of Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns",
    with its sign that keeps the rotation from becoming a reflection. Points that all coincide are only shifted.

    Raises:
        UserError: without any point.
    """
    if len(points) == 0:
        raise UserError("Expected points to align, but got none. No frame is valid. Check `valid` of both motions.")
    middle, goal = points.mean(0), target.mean(0)
    moved, wanted = points - middle, target - goal
    left, spread, right = np.linalg.svd(wanted.T @ moved)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = (left * sign) @ right
    variance = float((moved**2).sum())
    scale = float(spread @ sign) / variance if scaled and variance > 0 else 1.0
    return Similarity(scale, rotation, goal - scale * rotation @ middle)


def mpjpe(
    joints: Float[np.ndarray, "*frame joint 3"],
    truth: Float[np.ndarray, "*frame joint 3"],
    root: tuple[int, ...] | None = HIPS,
) -> Float[np.ndarray, "*frame joint"]:
    """Distance of every joint from its true place after the middle of the joints `root` is put onto the truth's.

    None for `root` compares positions as they are. The mean over all is the mean per joint position error.
    """
    if root is not None:
        joints = joints - joints[..., root, :].mean(-2, keepdims=True)
        truth = truth - truth[..., root, :].mean(-2, keepdims=True)
    return np.linalg.norm(joints - truth, axis=-1)


def pa_mpjpe(
    joints: Float[np.ndarray, "*frame joint 3"], truth: Float[np.ndarray, "*frame joint 3"]
) -> Float[np.ndarray, "*frame joint"]:
    """Distance of every joint from its true place after the best similarity of each frame by itself (Procrustes)."""
    flat, goal = joints.reshape(-1, *joints.shape[-2:]), truth.reshape(-1, *truth.shape[-2:])
    pairs = zip(flat, goal, strict=True)
    errors = [np.linalg.norm(fit_similarity(one, other).apply(one) - other, axis=-1) for one, other in pairs]
    return np.array(errors).reshape(joints.shape[:-1])


def world_mpjpe(
    joints: Float[np.ndarray, "frame joint 3"],
    truth: Float[np.ndarray, "frame joint 3"],
    chunk: int = CHUNK_FRAMES,
    first: int | None = _FIRST_FRAMES,
) -> Float[np.ndarray, "frame joint"]:
    """Distances in the world after one similarity, scale included, per chunk of frames.

    W-MPJPE_100 aligns on the joints of the chunk's two `first` frames; WA-MPJPE_100 (`first` of None) on all of it.
    """
    errors = []
    for start in range(0, len(joints), chunk):
        one, other = joints[start : start + chunk], truth[start : start + chunk]
        alignment = fit_similarity(one[:first].reshape(-1, 3), other[:first].reshape(-1, 3))
        errors.append(np.linalg.norm(alignment.apply(one) - other, axis=-1))
    return np.concatenate(errors) if errors else np.zeros(joints.shape[:-1])


def root_error(
    root: Float[np.ndarray, "*frame 3"], truth: Float[np.ndarray, "*frame 3"], eye: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "*frame"]:
    """Distance of the root from its true place, not aligned, as a share of its true distance from the camera's eye."""
    return np.linalg.norm(root - truth, axis=-1) / np.linalg.norm(truth - eye, axis=-1)


def acceleration_error(
    joints: Float[np.ndarray, "frame joint 3"], truth: Float[np.ndarray, "frame joint 3"], fps: float | int
) -> Float[np.ndarray, "inner joint"]:
    """Length of the difference between the accelerations of both, m/s^2, by second differences."""
    return np.linalg.norm(np.diff(joints - truth, n=2, axis=0), axis=-1) * float(fps) ** 2


def jitter(joints: Float[np.ndarray, "frame joint 3"], fps: float | int) -> Float[np.ndarray, "inner joint"]:
    """Length of the third time derivative in 10 m/s^3, by third differences: the unit in which it is published."""
    return np.linalg.norm(np.diff(joints, n=3, axis=0), axis=-1) * float(fps) ** 3 / 10


def trajectory_errors(
    root: Float[np.ndarray, "frame 3"], truth: Float[np.ndarray, "frame 3"], scaled: bool = False
) -> tuple[float, float]:
    """ATE in metres and RTE in per cent: root errors after one rigid alignment of the whole trajectory.

    ATE is the root mean square of the distances; RTE their mean in per cent of the length of the true path, which is
    tiny where somebody stays on the spot (infinite where the truth does not move at all). `scaled` allows a scale.
    """
    distances = np.linalg.norm(fit_similarity(root, truth, scaled).apply(root) - truth, axis=-1)
    length = float(np.linalg.norm(np.diff(truth, axis=0), axis=-1).sum())
    return float(np.sqrt((distances**2).mean())), float(100 * distances.mean() / length) if length > 0 else np.inf


def interval_coverage(errors: Float[np.ndarray, "*item"], stated: Float[np.ndarray, "*item"]) -> float:
    """Share of errors within one stated standard deviation: 0.68 when the errors are normal and the statement is true.

    Errors are single numbers (one coordinate, one component of a rotation vector), not lengths. NaN without any.
    """
    return float((np.abs(errors) <= stated).mean()) if errors.size else float("nan")


def rotation_errors(
    rotations: Float[np.ndarray, "*frame joint 3 3"], truth: Float[np.ndarray, "*frame joint 3 3"]
) -> Float[np.ndarray, "*frame joint 3"]:
    """Rotation vectors w in radians with truth = rotations exp(w), each joint in its own frame."""
    between = np.swapaxes(rotations, -1, -2) @ truth
    return Rotation.from_matrix(between.reshape(-1, 3, 3)).as_rotvec().reshape(between.shape[:-1])


def valid_runs(valid: Bool[np.ndarray, "frame"], shortest: int = 1) -> list[slice]:
    """Stretches of valid frames of at least `shortest`: differences in time must not reach over a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], valid.astype(np.int8), [0]))))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= shortest]
