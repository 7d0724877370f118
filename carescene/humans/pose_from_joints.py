"""SMPL poses from joint positions: bones along bones, the turn of limbs about themselves from elbows and knees.

Positions do not say how a straight limb, the head or a hand is turned about its own axis. What they do say is used:
hips with spine1, and collars with neck, fix pelvis and chest; a bent elbow or knee fixes its limb, since it is a hinge.
"""

from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.skeleton import JOINT, MODEL_JOINTS, NUM_JOINTS, PARENTS

# Upper joint, its hinge, the end: and the axis about which the hinge bends the limb at rest (y up, facing +z).
_LIMBS: Final = (
    ("left_hip", "left_knee", "left_ankle", (1.0, 0.0, 0.0)),
    ("right_hip", "right_knee", "right_ankle", (1.0, 0.0, 0.0)),
    ("left_shoulder", "left_elbow", "left_wrist", (0.0, -1.0, 0.0)),
    ("right_shoulder", "right_elbow", "right_wrist", (0.0, 1.0, 0.0)),
)
# A limb bent by this sine is as sure of its turn as the trunk is for it; a straight one follows the trunk.
_TRUST_TRUNK: Final = 0.15
# Joints of recordings shake by a millimetre or two, which turns the axis of a nearly straight limb by far.
_AXIS_SMOOTHING_FRAMES: Final = 1.5
# Correction (more than two steps change nothing): an error of 1 cm weighs as much as a turn of 0.2 rad away from the
# first guess.
_NOISE_M: Final = 0.01
_TURN_RAD: Final = 0.2
_CORRECTIONS: Final = 2
# Joints whose turn moves another of the 22.
_TURNING: Final = tuple(joint for joint in range(MODEL_JOINTS) if joint in PARENTS[:MODEL_JOINTS])


class FittedPose(NamedTuple):
    """Poses (axis-angle, radians), pelvis positions (metres, z up), and how far each joint is missed (metres)."""

    poses: Float[np.ndarray, "frame 24 3"]
    trans: Float[np.ndarray, "frame 3"]
    miss: Float[np.ndarray, "frame 22"]


def pose_from_joints(joints: Float[np.ndarray, "frame 22 3"], rest: Float[np.ndarray, "24 3"]) -> FittedPose:
    """Poses of a body whose joints come nearest to the given ones.

    First by directions alone, from the pelvis outwards; then a few damped Gauss-Newton steps per frame on the
    positions, for bodies whose bones are not quite as long as the given ones.

    Args:
        joints: positions in the z-up world, metres, of SMPL's first 22 joints.
        rest: rest joints of the body (y up, facing +z), metres.
    """
    joints = joints.astype(np.float64)
    world = _world_rotations(joints, rest.astype(np.float64))
    local = np.empty_like(world)
    for joint, parent in enumerate(PARENTS):
        local[:, joint] = world[:, joint] if parent < 0 else world[:, parent].swapaxes(-1, -2) @ world[:, joint]
    trans = joints[:, 0].copy()
    for _ in range(_CORRECTIONS):
        local, trans = _corrected(local, trans, joints, rest)
    placed, _ = _place(local, trans, rest)
    miss = np.linalg.norm(placed[:, :MODEL_JOINTS] - joints, axis=-1)
    poses = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(-1, NUM_JOINTS, 3)
    return FittedPose(poses, trans, miss)


def rigid_turns(
    points: Float[np.ndarray, "frame point 3"], rest: Float[np.ndarray, "*frames point 3"]
) -> Float[np.ndarray, "frame 3 3"]:
    """Rotation of each frame that brings points at rest nearest to the given ones (Kabsch 1976).

    Args:
        points, rest: relative to the point that is turned about; rest may differ from frame to frame.
    """
    left, _, right = np.linalg.svd(points.swapaxes(-1, -2) @ rest)
    proper = np.ones((len(points), 3))
    proper[:, 2] = np.sign(np.linalg.det(left @ right))
    return (left * proper[:, None]) @ right


def _world_rotations(joints: np.ndarray, rest: np.ndarray) -> np.ndarray:
    world = np.tile(np.eye(3), (len(joints), NUM_JOINTS, 1, 1))

    def bone(start: str, end: str) -> tuple[np.ndarray, np.ndarray]:
        """Bone from one joint to another, of each frame and at rest."""
        return joints[:, JOINT[end]] - joints[:, JOINT[start]], rest[JOINT[end]] - rest[JOINT[start]]

    def rigid(joint: str, *ends: str) -> None:
        pairs = [bone(joint, end) for end in ends]
        # Of length 1: the longest bone would else decide alone.
        points = np.stack([_unit(moved) for moved, _ in pairs], axis=1)
        world[:, JOINT[joint]] = rigid_turns(points, np.stack([_unit(still) for _, still in pairs]))

    def follow(joint: str, end: str, base: np.ndarray) -> None:
        moved, still = bone(joint, end)
        world[:, JOINT[joint]] = _swing(base @ still, moved) @ base

    rigid("pelvis", "left_hip", "right_hip", "spine1")
    rigid("spine3", "neck", "left_collar", "right_collar")
    chest, pelvis = Rotation.from_matrix(world[:, JOINT["spine3"]]), Rotation.from_matrix(world[:, 0])
    twist = (pelvis.inv() * chest).as_rotvec()
    for joint, end, share in (("spine1", "spine2", 1 / 3), ("spine2", "spine3", 2 / 3)):
        follow(joint, end, (pelvis * Rotation.from_rotvec(share * twist)).as_matrix())
    for joint, end in (("neck", "head"), ("left_collar", "left_shoulder"), ("right_collar", "right_shoulder")):
        follow(joint, end, world[:, JOINT["spine3"]])
    world[:, JOINT["head"]] = world[:, JOINT["neck"]]
    for upper, hinge, end, axis in _LIMBS:
        (thigh, thigh_rest), (shin, shin_rest) = bone(upper, hinge), bone(hinge, end)
        parent = world[:, PARENTS[JOINT[upper]]]
        guess = _swing(parent @ thigh_rest, thigh) @ parent @ np.array(axis)
        bent = np.cross(_unit(thigh), _unit(shin))
        bent = gaussian_filter1d(bent, _AXIS_SMOOTHING_FRAMES, axis=0, mode="nearest") + _TRUST_TRUNK * guess
        for joint, moved, still in ((upper, thigh, thigh_rest), (hinge, shin, shin_rest)):
            world[:, JOINT[joint]] = _frames(moved, bent) @ _frames(still[None], np.array([axis])).swapaxes(-1, -2)
    for side in ("left", "right"):
        follow(f"{side}_ankle", f"{side}_foot", world[:, JOINT[f"{side}_knee"]])
        world[:, JOINT[f"{side}_foot"]] = world[:, JOINT[f"{side}_ankle"]]
        for end in ("wrist", "hand"):
            world[:, JOINT[f"{side}_{end}"]] = world[:, JOINT[f"{side}_elbow"]]
    return world


def _corrected(
    local: np.ndarray, trans: np.ndarray, joints: np.ndarray, rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One damped Gauss-Newton step on the positions of all joints, each frame by itself."""
    placed, world = _place(local, trans, rest)
    error = (joints - placed[:, :MODEL_JOINTS]) / _NOISE_M
    frames, columns = len(joints), 3 * len(_TURNING) + 3
    slope = np.zeros((frames, MODEL_JOINTS, 3, columns))
    slope[..., -3:] = np.eye(3) / _NOISE_M
    for at, joint in enumerate(_TURNING):
        moved = [end for end in range(joint + 1, MODEL_JOINTS) if _hangs_on(end, joint)]
        arm = placed[:, moved] - placed[:, joint : joint + 1]
        # A small turn w about the joint moves its end by w x arm.
        slope[:, moved, :, 3 * at : 3 * at + 3] = _cross_matrices(-arm) / _NOISE_M
    matrix = slope.reshape(frames, -1, columns)
    normal = matrix.swapaxes(-1, -2) @ matrix
    damping = np.full(columns, 1 / _TURN_RAD**2)
    damping[-3:] = 1 / _NOISE_M**2
    right = (matrix.swapaxes(-1, -2) @ error.reshape(frames, -1, 1))[..., 0]
    step = np.linalg.solve(normal + np.diag(damping), right[..., None])[..., 0]
    local = local.copy()
    for at, joint in enumerate(_TURNING):
        turn = Rotation.from_rotvec(step[:, 3 * at : 3 * at + 3]).as_matrix()
        parent = np.eye(3) if joint == 0 else world[:, PARENTS[joint]]
        local[:, joint] = parent.swapaxes(-1, -2) @ turn @ parent @ local[:, joint]
    return local, trans + step[:, -3:]


def _place(local: np.ndarray, trans: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    placed, world = forward_kinematics(
        torch.from_numpy(local), torch.from_numpy(trans), torch.from_numpy(rest).to(torch.float64)
    )
    return placed.numpy(), world.numpy()


def _hangs_on(joint: int, other: int) -> bool:
    while joint >= 0 and joint != other:
        joint = PARENTS[joint]
    return joint == other


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _frames(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed frames (columns) whose first axis is along `first` and whose second lies next to `second`."""
    x = _unit(first)
    y = _unit(second - x * (x * second).sum(-1, keepdims=True))
    return np.stack((x, y, np.cross(x, y)), axis=-1)


def _swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Rotations by the smallest angle that turn the direction of `start` into that of `end`."""
    start, end = _unit(start), _unit(end)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1)
    angle = np.arctan2(sine, (start * end).sum(-1))
    return Rotation.from_rotvec(axis * (angle / np.maximum(sine, 1e-9))[:, None]).as_matrix()


def _cross_matrices(vectors: np.ndarray) -> np.ndarray:
    """Matrices C with `C @ w = vector x w`."""
    out = np.zeros((*vectors.shape, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -vectors[..., 2], vectors[..., 1], -vectors[..., 0]
    return out - out.swapaxes(-1, -2)
