"""Motion that goes on where other motion ends, without a step: what differs at the seam fades within half a second.

Inertialization (Bollo 2018, "Inertialization: high-performance animation transitions in Gears of War"): the difference
between where the body was going and where the new motion begins is added to the new motion and decays as a minimum-jerk
curve (Flash & Hogan 1985).
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix

_FADES_S: Final = 0.5


def joined(
    poses: Float[np.ndarray, "frame 24 3"],
    trans: Float[np.ndarray, "frame 3"],
    before_poses: Float[np.ndarray, "past 24 3"],
    before_trans: Float[np.ndarray, "past 3"],
    fps: float | int,
) -> tuple[Float[np.ndarray, "frame 24 3"], Float[np.ndarray, "frame 3"]]:
    """New frames of one person, made to go on from the last two frames of what was before.

    Args:
        poses, trans: axis-angle rotations (radians) and pelvis (metres) of the new frames.
        before_poses, before_trans: the frames right before, two at least.
    """
    left = fade(np.arange(len(trans)) / float(fps) / _FADES_S)
    ahead = 2 * before_trans[-1] - before_trans[-2]
    moved = trans + left[:, None] * (ahead - trans[0])
    was, last = (rotvec_to_matrix(torch.from_numpy(np.ascontiguousarray(p)).double()) for p in before_poses[-2:])
    new = rotvec_to_matrix(torch.from_numpy(np.ascontiguousarray(poses)).double())
    wanted = last @ was.transpose(-1, -2) @ last
    miss = matrix_to_rotvec(new[0].transpose(-1, -2) @ wanted)
    turned = new @ rotvec_to_matrix(torch.from_numpy(left)[:, None, None] * miss)
    return matrix_to_rotvec(turned).numpy().astype(poses.dtype), moved.astype(trans.dtype)


def fade(share: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """1 at 0 and 0 from 1 on, with no speed and no acceleration at either end."""
    s = np.clip(share, 0.0, 1.0)
    return 1 - s**3 * (10 - 15 * s + 6 * s**2)
