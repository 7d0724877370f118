"""Forward kinematics against a plain recursion with 4x4 matrices."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from carescene.humans import MIRROR, PARENTS, forward_kinematics, global_rotations, local_rotations, rotvec_to_matrix


def _random_pose() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rotvec = torch.from_numpy(Rotation.random(24, random_state=1).as_rotvec())
    return rotvec_to_matrix(rotvec), torch.randn(3, dtype=torch.float64), torch.randn(24, 3, dtype=torch.float64)


def test_positions_match_homogeneous_matrices() -> None:
    rotations, trans, rest = _random_pose()
    positions, world = forward_kinematics(rotations, trans, rest)
    matrices: list[np.ndarray] = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[joint].numpy()
        local[:3, 3] = trans.numpy() if parent < 0 else (rest[joint] - rest[parent]).numpy()
        matrices.append(local if parent < 0 else matrices[parent] @ local)
    expected = torch.from_numpy(np.stack(matrices))
    torch.testing.assert_close(positions, expected[:, :3, 3])
    torch.testing.assert_close(world, expected[:, :3, :3])


def test_batches_and_bodies_broadcast() -> None:
    rotations, trans, rest = _random_pose()
    batch = rotations.expand(2, 5, 24, 3, 3), trans.expand(2, 5, 3)
    one_body, _ = forward_kinematics(*batch, rest)
    own_body, _ = forward_kinematics(*batch, torch.stack((rest, 2 * rest))[:, None])
    assert one_body.shape == (2, 5, 24, 3)
    torch.testing.assert_close(own_body[0], one_body[0])
    torch.testing.assert_close(own_body[1] - trans, 2 * (one_body[1] - trans))


def test_local_and_global_rotations_are_inverse() -> None:
    rotations, _, _ = _random_pose()
    torch.testing.assert_close(local_rotations(global_rotations(rotations)), rotations)


def test_gradient() -> None:
    rotations, trans, rest = _random_pose()
    trans.requires_grad_()
    rest.requires_grad_()
    assert torch.autograd.gradcheck(lambda t, r: forward_kinematics(rotations, t, r)[0], (trans, rest))


def test_mirror_is_an_involution_that_keeps_the_tree() -> None:
    assert [MIRROR[MIRROR[joint]] for joint in range(24)] == list(range(24))
    for joint, parent in enumerate(PARENTS):
        assert parent < 0 or PARENTS[MIRROR[joint]] == MIRROR[parent]
