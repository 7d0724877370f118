"""The pelvis' rotation from joint positions and local rotations, and the bones of the person, for data that lack them.

InterHuman (and files like it) gives where the joints are and how each turned against its parent, but not how the pelvis
is turned. Every bone says it: seen from the world, bone j is `R G_p o_j`, with R the pelvis' rotation, G_p the
product of local rotations down to the bone's parent, and o_j the bone at rest, the same in all frames. Bones and
rotations are found in turn, each exactly given the other (the rotations by Kabsch 1976), from ordinary bones on.
"""

from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.humans.pose_from_joints import rigid_turns
from carescene.humans.skeleton import MODEL_JOINTS, PARENTS

_BONES: Final = tuple(range(1, MODEL_JOINTS))
# The step from ordinary bones to a person's own is small; beyond a hundredth of a millimetre nothing can be seen.
_ROUNDS: Final = 200
_CLOSE_M: Final = 1e-6
# Poses a third of a second apart say as much about the bones as all of them.
_POSES: Final = 48
# Steps are nearly alike where little bends; going further along them (successive over-relaxation) saves most rounds.
_STEP: Final = 1.8


def root_from_joints(
    positions: Float[np.ndarray, "frame 22 3"],
    rotations: Float[np.ndarray, "frame 21 3 3"],
    rest: Float[np.ndarray, "24 3"],
) -> tuple[Float[np.ndarray, "frame 3 3"], Float[np.ndarray, "22 3"], Float[np.ndarray, "frame"]]:
    """World rotation of the pelvis, the person's bones at rest, and what is left unexplained.

    Args:
        positions: world positions of the first 22 SMPL joints, metres.
        rotations: of joints 1 to 21 relative to their parents.
        rest: rest joints of an ordinary body (y up), from which the search starts and which decides where frames in
            which nothing bends leave the bones open.

    Returns:
        rotations `(frame, 3, 3)` from the rest frame to the world; `(22, 3)` each joint's place in its parent's rest
        frame, the pelvis' zero; and per frame the mean distance in metres between bones as given and as explained.
    """
    parents = np.array(PARENTS[1:MODEL_JOINTS])
    seen = positions[:, 1:] - positions[:, parents]
    turned = _turned(rotations)[:, parents]
    bones = rest[1:MODEL_JOINTS] - rest[parents]
    chosen = np.unique(np.linspace(0, len(seen) - 1, _POSES).round().astype(int))
    some_turned, some_seen = turned[chosen], seen[chosen]
    for _ in range(_ROUNDS):
        some_root = rigid_turns(some_seen, np.einsum("tjab,jb->tja", some_turned, bones))
        step = np.einsum("tjba,tcb,tjc->ja", some_turned, some_root, some_seen) / len(chosen) - bones
        bones = bones + _STEP * step
        if np.abs(step).max() < _CLOSE_M:
            break
    root = rigid_turns(seen, np.einsum("tjab,jb->tja", turned, bones))
    explained = np.einsum("tab,tjbc,jc->tja", root, turned, bones)
    error = np.linalg.norm(explained - seen, axis=-1).mean(axis=1)
    return root, np.concatenate((np.zeros((1, 3)), bones)), error


def _turned(rotations: Float[np.ndarray, "frame 21 3 3"]) -> Float[np.ndarray, "frame 22 3 3"]:
    """Rotation of every joint relative to the pelvis."""
    turned = np.empty((len(rotations), MODEL_JOINTS, 3, 3))
    turned[:, 0] = np.eye(3)
    for joint in _BONES:
        turned[:, joint] = turned[:, PARENTS[joint]] @ rotations[:, joint - 1]
    return turned
