"""Poses from joint positions: rigid parts, hinges, straight limbs, and bodies with other bones."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.pose_from_joints import pose_from_joints, rigid_turns
from carescene.humans.reference import reference_rest_joints
from carescene.humans.skeleton import JOINT, PARENTS

UPRIGHT = Rotation.from_matrix(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]))


def rest() -> Float[np.ndarray, "24 3"]:
    return reference_rest_joints().numpy().astype(np.float64)


def placed(rotations: np.ndarray, trans: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Positions of all joints from matrices relative to the parents."""
    positions, _ = forward_kinematics(torch.from_numpy(rotations), torch.from_numpy(trans), torch.from_numpy(body))
    return positions[:, :22].numpy()


def moving(frames: int, turned: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """An upright person turning about the vertical; named joints turn by the given rotation vectors at the end."""
    rotations = np.tile(np.eye(3), (frames, 24, 1, 1))
    share = np.linspace(0.2, 1, frames)
    for name, vector in turned.items():
        rotations[:, JOINT[name]] = Rotation.from_rotvec(share[:, None] * vector).as_matrix()
    spin = Rotation.from_rotvec(np.outer(np.linspace(0, 4, frames), [0, 0, 1.0]))
    rotations[:, 0] = (spin * UPRIGHT).as_matrix()
    trans = np.stack((0.1 * np.arange(frames), np.zeros(frames), np.full(frames, 0.9)), -1)
    return rotations, trans


def test_rigid_turns_find_a_rotation_and_never_a_reflection() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3, 3))
    turns = Rotation.random(20, random_state=1).as_matrix()
    assert np.allclose(rigid_turns(np.einsum("fij,pj->fpi", turns, points), points), turns, atol=1e-9)
    mirrored = (points * [-1, 1, 1])[None]
    assert np.allclose(np.linalg.det(rigid_turns(mirrored, points)), 1)


def test_bent_limbs_tell_their_turn_about_themselves() -> None:
    # The upper arm turned about itself by 1 rad shows in the forearm alone.
    turned = {
        "left_shoulder": np.array([1.0, 0, 0]),
        "left_elbow": np.array([0, -1.2, 0]),
        "right_hip": np.array([-0.9, 0.5, 0.2]),
        "right_knee": np.array([1.3, 0, 0]),
        "spine3": np.array([0.2, 0.5, 0]),
    }
    rotations, trans = moving(30, turned)
    fitted = pose_from_joints(placed(rotations, trans, rest()), rest())
    assert fitted.miss.max() < 2e-3
    assert np.abs(fitted.trans - trans).max() < 2e-3
    error = Rotation.from_rotvec(fitted.poses[-1]) * Rotation.from_matrix(rotations[-1]).inv()
    for name in ("pelvis", "left_shoulder", "left_elbow", "right_hip", "right_knee"):
        # Trust in the trunk costs some degrees; without the forearm's word the upper arm would be off by 1 rad.
        assert error.magnitude()[JOINT[name]] < 0.2, name
    # The turn of the chest is shared out over the spine; the chest itself is as it was.
    local = Rotation.from_rotvec(fitted.poses[-1]).as_matrix()
    chain = [JOINT[name] for name in ("pelvis", "spine1", "spine2", "spine3")]
    chest, wanted = (np.linalg.multi_dot(matrices[chain]) for matrices in (local, rotations[-1]))
    assert Rotation.from_matrix(chest @ wanted.T).magnitude() < 0.05


def test_straight_limbs_follow_the_trunk_without_jumps() -> None:
    rotations, trans = moving(60, {"left_shoulder": np.array([0, 0, 1.3]), "right_shoulder": np.array([0, 0, -1.3])})
    joints = placed(rotations, trans, rest()) + np.random.default_rng(0).normal(0, 1e-3, (60, 22, 3))
    fitted = pose_from_joints(joints, rest())
    local = Rotation.from_rotvec(fitted.poses.reshape(-1, 3)).as_matrix().reshape(60, 24, 3, 3)
    steps = (
        Rotation.from_matrix((local[:-1].swapaxes(-1, -2) @ local[1:]).reshape(-1, 3, 3)).magnitude().reshape(59, 24)
    )
    # The person turns by 0.07 rad a frame; noise of a millimetre must not swing an arm about itself.
    assert np.degrees(steps[:, [JOINT["left_shoulder"], JOINT["left_elbow"]]].max()) < 15


def test_other_bones_are_met_by_bending_and_moving() -> None:
    body = rest()
    longer = body.copy()
    for joint in range(1, 24):
        stretch = 1.08 if joint in (4, 5, 7, 8) else 0.95
        longer[joint] = longer[PARENTS[joint]] + stretch * (body[joint] - body[PARENTS[joint]])
    rotations, trans = moving(20, {"left_knee": np.array([1.0, 0, 0]), "left_hip": np.array([-0.8, 0, 0])})
    joints = placed(rotations, trans, longer)
    fitted = pose_from_joints(joints, body)
    # Directions alone, on the given pelvis.
    plain = np.linalg.norm(placed(rotations, trans, body) - joints, axis=-1)
    assert fitted.miss.mean() < 0.7 * plain.mean()
    posed = Rotation.from_rotvec(fitted.poses.reshape(-1, 3)).as_matrix().reshape(20, 24, 3, 3)
    again = np.linalg.norm(placed(posed, fitted.trans, body) - joints, axis=-1)
    assert np.allclose(again, fitted.miss, atol=1e-9)


def test_a_single_frame_and_bones_without_length() -> None:
    rotations, trans = moving(1, {})
    joints = placed(rotations, trans, rest())
    assert pose_from_joints(joints, rest()).poses.shape == (1, 24, 3)
    joints[:, JOINT["head"]] = joints[:, JOINT["neck"]]
    assert np.isfinite(pose_from_joints(joints, rest()).poses).all()
