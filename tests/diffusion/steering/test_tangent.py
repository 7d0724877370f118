import torch

from carescene.humans.reference import reference_rest_joints
from carescene.humans.rotations import rotvec_to_matrix
from diffusion.representation import MOTION_FEATURES, encode_motion
from diffusion.steering.tangent import MOVES, Posture, pull, pull_joints, push, push_joints


def _poses(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    poses = 0.4 * torch.randn(count, 24, 3, dtype=torch.float64)
    poses[:, 22:] = 0
    return poses, torch.randn(count, 3, dtype=torch.float64)


def _features(poses: torch.Tensor, trans: torch.Tensor) -> torch.Tensor:
    return encode_motion(poses, trans, torch.full((len(poses),), -1))[:, :MOTION_FEATURES]


def test_push_is_the_derivative_of_the_features_along_a_movement() -> None:
    poses, trans = _poses(3)
    rotations = rotvec_to_matrix(poses)
    move = torch.randn(3, MOVES, dtype=torch.float64)
    step = 1e-6

    def moved(sign: int) -> torch.Tensor:
        from carescene.humans.rotations import matrix_to_rotvec

        turn = torch.zeros(3, 24, 3, dtype=torch.float64)
        turn[:, :22] = sign * step * move[:, 3:].unflatten(-1, (22, 3))
        turned = matrix_to_rotvec(rotations @ rotvec_to_matrix(turn))
        return _features(turned, trans + sign * step * move[:, :3])

    slope = (moved(1) - moved(-1)) / (2 * step)
    found = push(move, Posture.of(rotations, trans))
    assert torch.allclose(found, slope, atol=2e-3)  # the reference skeleton has single precision
    assert float((found - slope).abs().mean()) < 1e-4


def test_pull_is_the_transpose_of_push() -> None:
    poses, trans = _poses(4)
    posture = Posture.of_features(_features(poses, trans))
    move, gradient = torch.randn(4, MOVES).double(), torch.randn(4, MOTION_FEATURES).double()
    assert torch.allclose((push(move, posture) * gradient).sum(), (move * pull(gradient, posture)).sum())
    force = torch.randn(4, 22, 3).double()
    left = (push_joints(move, posture) * force).sum()
    assert torch.allclose(left, (move * pull_joints(force, posture)).sum())


def test_a_lift_of_the_pelvis_lifts_all_joints_and_a_shift_moves_none_of_the_relative_ones() -> None:
    poses, trans = _poses(2)
    posture = Posture.of(rotvec_to_matrix(poses), trans, reference_rest_joints())
    move = torch.zeros(2, MOVES).double()
    move[:, 2] = 0.1
    joints = push(move, posture)[:, 135:].unflatten(-1, (22, 3))
    assert torch.allclose(joints[..., 2], torch.full((2, 22), 0.1).double())
    move[:, :3] = torch.tensor([1.0, 2.0, 0.0]).double()
    change = push(move, posture)
    assert torch.allclose(change[:, 3:], torch.zeros(1).double()) and torch.allclose(change[:, :3], move[:, :3])


def test_a_torque_acts_as_a_force_away_from_the_joint() -> None:
    # A point fixed to the pelvis at some lever: its velocity under a turn of the pelvis is turn x lever.
    poses, trans = _poses(1)
    posture = Posture.of(rotvec_to_matrix(poses), trans)
    lever, force = torch.randn(3).double(), torch.randn(3).double()
    zero = torch.zeros(1, 22, 3).double()
    own, torque = zero.clone(), zero.clone()
    own[0, 0], torque[0, 0] = force, torch.linalg.cross(lever, force)
    found = pull_joints(own, posture, torque)
    turn = torch.randn(3).double()
    world = posture.world[0, 0] @ turn
    assert torch.allclose(found[0, 3:6] @ turn, torch.linalg.cross(world, lever) @ force)
    assert torch.allclose(found[0, :3], force)
