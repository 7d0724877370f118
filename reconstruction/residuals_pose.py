"""Terms of single poses: what a network believes about them, and how far joints turn."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.humans.skeleton import JOINT
from carescene.humans.turns import log_slope, log_turn
from carescene.simulation.pose_limits import LIMITS, NEUTRAL
from reconstruction.chains import USUAL_FPS
from reconstruction.kernels import student
from reconstruction.posed import FREE_JOINTS
from reconstruction.sigmas import Sigmas
from reconstruction.window import CAMERA, Window

_LIMITED: Final = tuple(joint for joint in FREE_JOINTS if joint != JOINT["pelvis"])


def _ranges() -> Float[np.ndarray, "24 2 3"]:
    # Motion capture that was fitted to this body lets collars sink and turn by 44 degrees where arms hang or reach
    # forward (99 % of frames); with the anatomical 18 degrees, wrong collars bent arms and, through them, the lens.
    ranges = LIMITS.copy()
    low, high = np.radians([-24.0, -30.0, -45.0]), np.radians([20.0, 45.0, 35.0])
    ranges[JOINT["left_collar"]] = low, high
    # A mirror image keeps turns about x and swaps the sense of the others.
    ranges[JOINT["right_collar"]] = [[low[0], *-high[1:]], [high[0], *-low[1:]]]
    return ranges


# How far joints turn: low and high end of the three components of their rotation vectors, radians.
JOINT_RANGES: Final = _ranges()


def label_temper(frame_weight: Float[np.ndarray, "frame"], sigmas: Sigmas) -> Float[np.ndarray, "frame"]:
    """How much the label of a frame counts, at most 1: those within `Sigmas.label_memory` count as one together."""
    return np.minimum(frame_weight / USUAL_FPS / sigmas.label_memory, 1.0)


def label_energy(window: Window) -> float:
    """Half the sum of tempered Student t costs of w' information w, with R_j = mean_j exp(w_j).

    Joint 0 is compared in the camera's frame, so that it also speaks of the camera's pitch and roll. Information of
    joints that are not free now is conditioned on where they are.
    """
    chain, posed, sigmas = window.chain, window.now, window.sigmas
    camera = window.common.camera.rotation
    free = list(FREE_JOINTS)
    rotations = posed.rotations[:, free]
    rotations[:, 0] = camera @ rotations[:, 0]
    means = chain.label_means[window.own][:, free]
    turns = log_turn(means.swapaxes(-1, -2) @ rotations)
    information = chain.label_information[window.own].astype(np.float64)
    flat = turns.reshape(len(turns), -1)
    pulled = (information @ flat[..., None])[..., 0]
    squares = (pulled * flat).sum(-1)
    cost, weight = student(squares, sigmas.label_freedom)
    temper = label_temper(chain.frame_weight[window.own], sigmas)
    if window.into is not None:
        weight = temper * weight
        # A turn ω in the world is G' ω in the joint's own frame.
        slopes = log_slope(turns) @ posed.world[:, free].swapaxes(-1, -2)
        columns = np.flatnonzero(np.repeat(np.isin(free, window.free), 3))
        left = _block_product(slopes, information)
        square = _block_product(slopes, left.swapaxes(1, 2))[:, columns[:, None], columns]
        own = slice(3, 3 + len(columns))
        window.into.squares[0, : len(turns), own, own] += weight[:, None, None] * square
        force = (slopes.swapaxes(-1, -2) @ pulled.reshape(turns.shape)[..., None]).reshape(len(turns), -1)
        window.into.slope[: len(turns), own] += weight[:, None] * force[:, columns]
        # The root also turns with pitch (about the image of the world's x axis) and roll (about the view axis).
        axes = np.stack([camera[:, 0], np.array([0.0, 0.0, 1.0])], axis=-1)
        by_camera = log_slope(turns[:, 0]) @ rotations[:, 0].swapaxes(-1, -2) @ axes
        pitch_roll = slice(CAMERA[1], CAMERA[2] + 1)
        window.into.border[: len(turns), own, pitch_roll] += weight[:, None, None] * (left[:, columns, :3] @ by_camera)
        weighted = weight[:, None, None] * by_camera.swapaxes(1, 2)
        window.into.corner[pitch_roll, pitch_roll] += (weighted @ information[:, :3, :3] @ by_camera).sum(0)
        window.into.shared_slope[pitch_roll] += (weighted @ pulled[:, :3, None]).sum(0)[:, 0]
    return float((temper * cost).sum()) / 2


def _block_product(blocks: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Transpose of a block-diagonal matrix of 3x3 blocks `(frame, block, 3, 3)`, times a matrix."""
    frames, count = blocks.shape[:2]
    rows = matrix.reshape(frames, count, 3, -1)
    return (blocks.swapaxes(-1, -2) @ rows).reshape(frames, 3 * count, -1)


def limit_energy(window: Window) -> float:
    """Half the sum of squares of rotation vectors' components beyond their range, over sigma.

    Ranges are boxes against a neutral pose (`carescene.simulation.pose_limits`).
    """
    posed, joints = window.now, list(_LIMITED)
    vectors, over = beyond_limits(log_turn(NEUTRAL[joints].swapaxes(-1, -2) @ posed.rotations[:, joints]), joints)
    residual = over / window.sigmas.limit
    if window.into is not None and len(window.free) > 1:
        frame, joint = np.nonzero(residual.any(axis=-1))
        slopes = log_slope(vectors[frame, joint]) @ posed.world[:, joints][frame, joint].swapaxes(-1, -2)
        slopes /= window.sigmas.limit
        active = slopes * (over[frame, joint] != 0)[..., None]
        # The pelvis' position and turn come first.
        columns = 6 + 3 * joint[:, None] + np.arange(3)
        square, force = active.swapaxes(-1, -2) @ slopes, active.swapaxes(-1, -2) @ residual[frame, joint][..., None]
        # Each frame and joint occurs once, so that plain addition does not lose any.
        window.into.squares[0, frame[:, None, None], columns[:, :, None], columns[:, None]] += square
        window.into.slope[frame[:, None], columns] += force[..., 0]
    return float((residual**2).sum()) / 2


def beyond_limits(
    vectors: Float[np.ndarray, "frame joint 3"], joints: Sequence[int]
) -> tuple[Float[np.ndarray, "frame joint 3"], Float[np.ndarray, "frame joint 3"]]:
    """How far turns are beyond the range of their joints, radians, and the rotation vectors that say so.

    A turn of more than a quarter is also one of the other sense; the vector that is less beyond the range counts. So a
    raised arm costs the same on both sides of half a turn, where vectors of length at most pi jump to the other sense.
    """
    low, high = JOINT_RANGES[joints, 0], JOINT_RANGES[joints, 1]
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    far = angle > np.pi / 2
    other = np.where(far, vectors * (1 - 2 * np.pi / np.where(far, angle, 1.0)), vectors)
    both = np.stack([vectors, other])
    over = np.maximum(both - high, 0) + np.minimum(both - low, 0)
    wrong = (over[1] ** 2).sum(-1, keepdims=True) < (over[0] ** 2).sum(-1, keepdims=True)
    return np.where(wrong, other, vectors), np.where(wrong, over[1], over[0])
