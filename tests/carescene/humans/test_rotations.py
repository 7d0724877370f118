"""Rotation conversions against scipy and against each other."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.humans import (
    matrix_to_quat_xyzw,
    matrix_to_rotvec,
    matrix_to_sixd,
    quat_xyzw_to_matrix,
    rotation_about,
    rotvec_to_matrix,
    sixd_to_matrix,
    slerp,
)


@pytest.fixture
def rotvec() -> torch.Tensor:
    return torch.from_numpy(Rotation.random(50, random_state=3).as_rotvec())


def test_rotvec_matches_scipy(rotvec: torch.Tensor) -> None:
    expected = torch.from_numpy(Rotation.from_rotvec(rotvec.numpy()).as_matrix())
    torch.testing.assert_close(rotvec_to_matrix(rotvec), expected)
    torch.testing.assert_close(matrix_to_rotvec(expected), rotvec)


def test_quaternions_are_xyzw(rotvec: torch.Tensor) -> None:
    quat = torch.from_numpy(Rotation.from_rotvec(rotvec.numpy()).as_quat())
    torch.testing.assert_close(quat_xyzw_to_matrix(3.0 * quat), rotvec_to_matrix(rotvec))
    back = matrix_to_quat_xyzw(rotvec_to_matrix(rotvec))
    torch.testing.assert_close((back * quat).sum(-1).abs(), torch.ones(50, dtype=torch.float64))


def test_sixd_is_first_then_second_column(rotvec: torch.Tensor) -> None:
    matrix = rotvec_to_matrix(rotvec)
    sixd = matrix_to_sixd(matrix)
    torch.testing.assert_close(sixd[:, :3], matrix[:, :, 0])
    torch.testing.assert_close(sixd[:, 3:], matrix[:, :, 1])
    torch.testing.assert_close(sixd_to_matrix(sixd), matrix)


def test_sixd_of_anything_is_a_rotation() -> None:
    matrix = sixd_to_matrix(torch.randn(200, 6, dtype=torch.float64))
    identity = torch.eye(3, dtype=torch.float64).expand(200, 3, 3)
    torch.testing.assert_close(matrix @ matrix.transpose(-1, -2), identity)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(200, dtype=torch.float64))


def test_sixd_gradient() -> None:
    assert torch.autograd.gradcheck(sixd_to_matrix, torch.randn(4, 6, dtype=torch.float64, requires_grad=True))


def test_sixd_of_zeros_has_finite_gradient() -> None:
    sixd = torch.zeros(1, 6, requires_grad=True)
    sixd_to_matrix(sixd).sum().backward()
    assert sixd.grad is not None
    assert torch.isfinite(sixd.grad).all()


def test_slerp_goes_evenly() -> None:
    start, end = torch.eye(3, dtype=torch.float64), rotation_about("z", torch.tensor(1.2, dtype=torch.float64))
    half = slerp(start, end, torch.tensor(0.25, dtype=torch.float64))
    torch.testing.assert_close(half, rotation_about("z", torch.tensor(0.3, dtype=torch.float64)))


def test_rotation_about_x_turns_y_to_z() -> None:
    turned = rotation_about("x", torch.tensor(math.pi / 2)) @ torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(turned, torch.tensor([0.0, 0.0, 1.0]), atol=1e-6, rtol=0)
