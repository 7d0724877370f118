"""Legs reach where they are sent, keep their lengths, and bend the right way."""

import pytest
import torch

from carescene.humans.kinematics import forward_kinematics, global_rotations
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from diffusion.leg_ik import LEGS, move_ankles, smallest_turn
from diffusion.representation import reference_rest_joints


def pose(frames: int = 6, bend: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Somebody upright with bent knees and a little of everything else, in double precision."""
    rotvec = 0.1 * torch.randn(frames, 24, 3, dtype=torch.float64)
    rotvec[:, 0] = torch.tensor([torch.pi / 2, 0.0, 0.0])
    for hip, knee, _ in LEGS:
        rotvec[:, hip, 0] = -bend
        rotvec[:, knee] = torch.tensor([2 * bend, 0.0, 0.0])
    rotations = rotvec_to_matrix(rotvec)
    return rotations, positions(rotations)


def positions(rotations: torch.Tensor) -> torch.Tensor:
    trans = torch.tensor([0.0, 0.0, 0.95], dtype=rotations.dtype).expand(len(rotations), 3)
    return forward_kinematics(rotations, trans, reference_rest_joints().to(rotations))[0]


def test_ankles_arrive_and_nothing_else_moves():
    rotations, joints = pose()
    shift = 0.05 * torch.randn(6, 2, 3, dtype=torch.float64)
    moved = move_ankles(rotations, joints, shift)
    after = positions(moved)
    ankles = [ankle for _, _, ankle in LEGS]
    torch.testing.assert_close(after[:, ankles], joints[:, ankles] + shift, atol=1e-9, rtol=0)
    legs = {joint for leg in LEGS for joint in leg} | {JOINT["left_foot"], JOINT["right_foot"]}
    rest = [joint for joint in range(24) if joint not in legs]
    torch.testing.assert_close(after[:, rest], joints[:, rest])


def test_feet_keep_their_orientation():
    rotations, joints = pose()
    moved = move_ankles(rotations, joints, 0.05 * torch.randn(6, 2, 3, dtype=torch.float64))
    feet = [JOINT[name] for name in ("left_ankle", "right_ankle", "left_foot", "right_foot")]
    torch.testing.assert_close(global_rotations(moved)[:, feet], global_rotations(rotations)[:, feet])


def test_no_shift_changes_nothing():
    rotations, joints = pose()
    moved = move_ankles(rotations, joints, torch.zeros(6, 2, 3, dtype=torch.float64))
    torch.testing.assert_close(moved, rotations, atol=1e-7, rtol=0)


def test_raising_the_foot_of_a_straight_leg_bends_the_knee_forwards():
    rotations, joints = pose(frames=1, bend=0.0)
    lift = torch.tensor([[[0.0, 0.0, 0.1], [0.0, 0.0, 0.0]]], dtype=torch.float64)
    after = positions(move_ankles(rotations, joints, lift))
    hip, knee, ankle = LEGS[0]
    middle = (after[0, hip] + after[0, ankle]) / 2
    # Upright with the root turned by 90 degrees about x, a person faces world -y.
    assert (after[0, knee] - middle)[1] < -0.05


def test_out_of_reach_is_approached():
    rotations, joints = pose()
    shift = torch.zeros(6, 2, 3, dtype=torch.float64)
    shift[..., 2] = -1.0
    after = positions(move_ankles(rotations, joints, shift))
    for side, (hip, knee, ankle) in enumerate(LEGS):
        wanted = joints[:, ankle] + shift[:, side] - joints[:, hip]
        got = after[:, ankle] - joints[:, hip]
        length = (joints[:, knee] - joints[:, hip]).norm(dim=-1) + (joints[:, ankle] - joints[:, knee]).norm(dim=-1)
        torch.testing.assert_close(got.norm(dim=-1), 0.999 * length)
        torch.testing.assert_close(got / got.norm(dim=-1, keepdim=True), wanted / wanted.norm(dim=-1, keepdim=True))


@pytest.mark.parametrize("angle", [1e-6, 0.3, 3.0])
def test_smallest_turn_is_about_the_common_normal(angle):
    start = torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)
    end = torch.tensor([torch.cos(torch.tensor(angle)), torch.sin(torch.tensor(angle)), 0.0]).double()
    turn = smallest_turn(start, end)
    torch.testing.assert_close(turn @ start, 2 * end / end.norm(), atol=1e-6, rtol=0)
    torch.testing.assert_close(turn[2], torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))


def test_gradients_pass_through():
    rotations, joints = pose(frames=2)
    shift = (0.03 * torch.randn(2, 2, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: move_ankles(rotations, joints, s), (shift,), atol=1e-4, fast_mode=True)
