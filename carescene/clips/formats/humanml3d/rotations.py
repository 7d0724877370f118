"""The rotation block of HumanML3D's vectors: shortest arcs from a stick figure's bones to the real ones.

They are no rotations of the body: a bone's own turn (twist) is not in joint positions. Do not pose a body by them.
"""

from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.clips.formats.humanml3d.layout import CHAINS, JOINTS

_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_LEFT, _RIGHT, _UP, _DOWN, _AHEAD = _X, (-1.0, 0.0, 0.0), _Y, (0.0, -1.0, 0.0), _Z
# Where the bone that ends in each joint points on the stick figure: y up, facing +z, its left is +x.
BONE_AXES: Final[Float[np.ndarray, "22 3"]] = np.array(
    [
        (0.0, 0.0, 0.0), _LEFT, _RIGHT, _UP, _DOWN, _DOWN, _UP, _DOWN, _DOWN, _UP, _AHEAD, _AHEAD, _UP, _LEFT, _RIGHT,
        _AHEAD, _DOWN, _DOWN, _DOWN, _DOWN, _DOWN, _DOWN,
    ]
)  # fmt: skip


def bone_parents() -> tuple[int, ...]:
    """Parent of each joint in the chains; -1 for the root."""
    parents = [-1] * JOINTS
    for chain in CHAINS:
        for parent, joint in pairwise(chain):
            parents[joint] = parent
    return tuple(parents)


def chain_rotations(
    joints: Float[np.ndarray, "frame 22 3"], headings: Float[np.ndarray, "frame"]
) -> Float[np.ndarray, "frame 21 6"]:
    """6D rotations (first column, then second) of joints 1..21, each relative to the one before it in its chain.

    The first of a chain is relative to the root, which is turned by the heading; arms begin at the root as well.

    Args:
        joints: metres, y up.
        headings: of each frame, radians, see `headings`.
    """
    out = np.zeros((len(joints), JOINTS, 3, 3))
    root = turns_about_y(headings)
    for chain in CHAINS:
        before = root
        for parent, joint in pairwise(chain):
            arc = shortest_arcs(BONE_AXES[joint], joints[:, joint] - joints[:, parent])
            out[:, joint] = before.swapaxes(-1, -2) @ arc
            before = arc
    return np.concatenate((out[:, 1:, :, 0], out[:, 1:, :, 1]), axis=-1)


def turns_about_y(angles: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices about +y by angles in radians."""
    matrix = np.zeros((*angles.shape, 3, 3))
    matrix[..., 0, 0] = matrix[..., 2, 2] = np.cos(angles)
    matrix[..., 0, 2] = np.sin(angles)
    matrix[..., 2, 0] = -np.sin(angles)
    matrix[..., 1, 1] = 1.0
    return matrix


def shortest_arcs(start: Float[np.ndarray, "3"], ends: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame 3 3"]:
    """Rotations by the smallest angle that turn a unit vector into the direction of others (Rodrigues' formula)."""
    ends = ends / np.maximum(np.linalg.norm(ends, axis=-1, keepdims=True), 1e-12)
    axis = np.cross(start, ends)
    cosine = ends @ start
    cross = np.zeros((len(ends), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross -= cross.swapaxes(-1, -2)
    arcs = np.eye(3) + cross + cross @ cross / np.maximum(1 + cosine, 1e-12)[:, None, None]
    # Exactly opposite: any axis across will do, where the formula divides zero by zero.
    opposite = cosine < -1 + 1e-9
    if opposite.any():
        across = np.eye(3)[np.argmin(np.abs(start))]
        across = across - start * (across @ start)
        across /= np.linalg.norm(across)
        arcs[opposite] = 2 * np.outer(across, across) - np.eye(3)
    return arcs
