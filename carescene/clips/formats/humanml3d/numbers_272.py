"""The 272 numbers of MotionStreamer (Xiao et al. 2025): SMPL's true rotations, 30 frames per second, y up.

    0:2      way of the pelvis from the last frame (x, z), seen from the last frame's heading, metres; 0 in the first
    2:8      turn of the heading from the last frame, 6D; identity in the first
    8:74     joints 0..21 seen from the heading: x and z relative to the pelvis, y above the floor, metres
    74:140   the difference of these to the last frame; 0 in the first
    140:272  6D rotations of joints 0..21 relative to their parents, the root's without the heading

6D is the first two ROWS of a matrix here, where HumanML3D has its first two columns. The heading is that of the pelvis'
own forward axis, so that it fails only where that axis is vertical. N frames make N rows.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.clips.clip import Clip
from carescene.clips.formats.humanml3d.clips import clip_motion, rest_joints
from carescene.clips.formats.humanml3d.layout import JOINTS, SWAP_UP
from carescene.clips.formats.humanml3d.rotations import turns_about_y
from carescene.humans.kinematics import forward_kinematics

FPS_272: Final = 30
WIDTH_272: Final = 272
_WAY: Final = slice(0, 2)
_TURN: Final = slice(2, 8)
_PLACES: Final = slice(8, 74)
_STEPS: Final = slice(74, 140)
_ROTATIONS: Final = slice(140, 272)


def clip_to_272(clip: Clip, person: int = 0) -> Float[np.ndarray, "frame 272"]:
    """The 272 numbers of one person of a clip, in the person's own body, float32.

    The clip starts facing +z with its lowest joint at 0, resampled to 30 frames per second by time.

    Args:
        clip: metres, z up.
        person: which.

    Raises:
        UserError: the person never exists or exists with a break.
    """
    rotations, trans = clip_motion(clip, person, FPS_272)
    rest = rest_joints(clip.betas[person])
    positions, _ = forward_kinematics(torch.from_numpy(rotations), torch.from_numpy(trans), torch.from_numpy(rest))
    local = rotations[:, :JOINTS].copy()
    local[:, 0] = SWAP_UP @ local[:, 0]
    return encode_272(positions[:, :JOINTS].numpy() @ SWAP_UP.T, local)


def encode_272(
    joints: Float[np.ndarray, "frame 22 3"], rotations: Float[np.ndarray, "frame 22 3 3"]
) -> Float[np.ndarray, "frame 272"]:
    """The 272 numbers of joints and rotations, float32.

    Args:
        joints: metres, y up.
        rotations: relative to the parents, the root's in the same y-up world.
    """
    headings = -np.arctan2(rotations[:, 0, 0, 2], rotations[:, 0, 2, 2])
    turn = turns_about_y(headings)
    lowest = joints[..., 1].min()
    places = joints - joints[:, :1] * [1, 0, 1] - [0, lowest, 0]
    places = np.einsum("fij,fkj->fki", turn, places).reshape(len(joints), -1)
    steps = joints[1:, 0] - joints[:-1, 0]
    upright = rotations.copy()
    upright[:, 0] = turn @ rotations[:, 0]
    out = np.zeros((len(joints), WIDTH_272))
    out[1:, _WAY] = np.einsum("fij,fj->fi", turn[:-1], steps)[:, [0, 2]]
    out[0, _TURN] = np.eye(3)[:2].ravel()
    out[1:, _TURN] = turns_about_y(np.diff(headings))[:, :2].reshape(-1, 6)
    out[:, _PLACES] = places
    out[1:, _STEPS] = np.diff(places, axis=0)
    out[:, _ROTATIONS] = upright[..., :2, :].reshape(len(joints), -1)
    return out.astype(np.float32)


def decode_272(
    numbers: Float[np.ndarray, "frame 272"],
) -> tuple[Float[np.ndarray, "frame 22 3"], Float[np.ndarray, "frame 22 3 3"]]:
    """Joints (metres, y up, the first frame at x = z = 0 with heading 0) and rotations relative to the parents."""
    turn = _matrices(numbers[:, _TURN])
    world = np.empty_like(turn)
    world[0] = turn[0]
    for frame in range(1, len(turn)):
        world[frame] = turn[frame] @ world[frame - 1]
    back = world.swapaxes(-1, -2)
    ways = np.zeros((len(numbers), 3))
    ways[:, [0, 2]] = numbers[:, _WAY]
    ways[1:] = np.einsum("fij,fj->fi", back[:-1], ways[1:])
    places = np.einsum("fij,fkj->fki", back, numbers[:, _PLACES].reshape(-1, JOINTS, 3))
    rotations = _matrices(numbers[:, _ROTATIONS].reshape(-1, JOINTS, 6))
    rotations[:, 0] = back @ rotations[:, 0]
    return places + np.cumsum(ways, axis=0)[:, None], rotations


def _matrices(rows: Float[np.ndarray, "*batch 6"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotations of their first two rows, made orthonormal (Zhou et al. 2019)."""
    rows = rows.astype(np.float64)
    first = rows[..., :3] / np.linalg.norm(rows[..., :3], axis=-1, keepdims=True)
    second = rows[..., 3:] - (first * rows[..., 3:]).sum(-1, keepdims=True) * first
    second /= np.linalg.norm(second, axis=-1, keepdims=True)
    return np.stack((first, second, np.cross(first, second)), axis=-2)
