"""Mirroring against the mirror image of the joints themselves."""

import torch

from carescene.humans import MIRROR, forward_kinematics, rotation_about, rotvec_to_matrix
from carescene.humans.mirror import mirror_motion

FLIP = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)


def symmetric_rest() -> torch.Tensor:
    rest = torch.randn(24, 3, dtype=torch.float64)
    return (rest + rest[list(MIRROR)] * FLIP) / 2


def test_joints_are_the_mirror_image() -> None:
    rest = symmetric_rest()
    poses, trans = torch.randn(2, 5, 24, 3, dtype=torch.float64), torch.randn(2, 5, 3, dtype=torch.float64)
    joints, _ = forward_kinematics(rotvec_to_matrix(poses), trans, rest)
    other_poses, other_trans = mirror_motion(poses, trans)
    other, _ = forward_kinematics(rotvec_to_matrix(other_poses), other_trans, rest)
    torch.testing.assert_close(other, joints[..., list(MIRROR), :] * FLIP)


def test_twice_is_nothing() -> None:
    poses, trans = torch.randn(3, 24, 3), torch.randn(3, 3)
    back_poses, back_trans = mirror_motion(*mirror_motion(poses, trans))
    torch.testing.assert_close(back_poses, poses)
    torch.testing.assert_close(back_trans, trans)


def test_a_left_turn_becomes_a_right_turn() -> None:
    poses = torch.zeros(1, 24, 3)
    poses[0, 0, 2] = 0.5  # about the world's vertical, counterclockwise from above: to the left
    mirrored, _ = mirror_motion(poses, torch.zeros(1, 3))
    torch.testing.assert_close(rotvec_to_matrix(mirrored[0, 0]), rotation_about("z", torch.tensor(-0.5)))
