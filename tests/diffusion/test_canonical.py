"""The canonical frame: first frame at the origin facing +y, also for people who lie."""

import math

import pytest
import torch

from carescene.humans.rotations import matrix_to_rotvec, rotation_about, rotvec_to_matrix
from diffusion.canonical import canonical_frame, canonicalise, heading, move


def upright(angle: float) -> torch.Tensor:
    """A person upright, turned by `angle` from facing world +y."""
    facing_minus_y = rotation_about("x", torch.tensor(math.pi / 2, dtype=torch.float64))
    return rotation_about("z", torch.tensor(angle + math.pi, dtype=torch.float64)) @ facing_minus_y


def motion(*batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    poses = torch.randn(*batch, 6, 24, 3, dtype=torch.float64) * 0.6
    poses[..., 22:, :] = 0
    return poses, torch.randn(*batch, 6, 3, dtype=torch.float64) * 2


@pytest.mark.parametrize("angle", [0.0, 0.5, -2.0, 3.0])
def test_heading_of_an_upright_person(angle):
    root = upright(angle)
    assert heading(root).item() == pytest.approx(angle)
    forward = root @ torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    expected = torch.tensor([-math.sin(angle), math.cos(angle), 0.0]).double()
    torch.testing.assert_close(forward, expected)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("tilt", [-1.7, -1.5, 1.5, 1.7])
def test_heading_does_not_flip_when_a_fall_passes_90_degrees(axis, tilt):
    """Falling forwards, backwards or sideways leaves the heading, before and after the body is horizontal."""
    fallen = rotation_about("z", torch.tensor(0.4, dtype=torch.float64)) @ rotation_about(
        axis, torch.tensor(tilt, dtype=torch.float64)
    )
    root = fallen @ upright(0.0)
    assert heading(root).item() == pytest.approx(0.4)


def test_canonical_motion_starts_at_the_origin_facing_y():
    poses, trans = canonicalise(*motion(3))
    torch.testing.assert_close(trans[:, 0, :2], torch.zeros(3, 2).double())
    torch.testing.assert_close(heading(rotvec_to_matrix(poses[:, 0, 0])), torch.zeros(3).double())


def test_canonical_motion_forgets_place_and_direction_only():
    poses, trans = motion(2)
    moved = move(poses, trans, torch.tensor([0.7, -2.0], dtype=torch.float64), torch.randn(2, 2).double())
    first, second = canonicalise(poses, trans), canonicalise(*moved)
    torch.testing.assert_close(rotvec_to_matrix(first[0]), rotvec_to_matrix(second[0]))
    torch.testing.assert_close(first[1], second[1])
    torch.testing.assert_close(first[1][..., 2], trans[..., 2])


def test_persons_of_one_scene_move_together():
    poses, trans = motion(2)
    angle, origin = canonical_frame(poses[:1], trans[:1])
    _, moved = move(poses, trans, angle, origin)
    torch.testing.assert_close((moved[0] - moved[1]).norm(dim=-1), (trans[0] - trans[1]).norm(dim=-1))


def test_move_uses_proper_rotations():
    poses, trans = motion()
    root = rotvec_to_matrix(
        move(poses, trans, torch.tensor(1.0, dtype=torch.float64), torch.zeros(2).double())[0][:, 0]
    )
    torch.testing.assert_close(root, rotvec_to_matrix(matrix_to_rotvec(root)))
    turned = rotation_about("z", torch.tensor(-1.0, dtype=torch.float64)) @ rotvec_to_matrix(poses[:, 0])
    torch.testing.assert_close(root, turned)
