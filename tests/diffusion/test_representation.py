"""The 217 numbers: layout, round trips, bodies of other size, linear world joints."""

import pytest
import torch

from carescene.errors import UserError
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.mirror import mirror_motion
from carescene.humans.reference import reference_rest_joints
from carescene.humans.rotations import rotvec_to_matrix
from diffusion.representation import (
    EVENT,
    FEATURES,
    GROUPS,
    JOINTS,
    decode_motion,
    encode_motion,
    features_to_joints,
    joint_consistency,
    leg_length,
    leg_ratio,
)


def motion(*batch: int, frames: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random poses (hands straight), positions and labels (unknown included)."""
    poses = torch.randn(*batch, frames, 24, 3, dtype=torch.float64) * 0.7
    poses[..., 22:, :] = 0
    trans = torch.randn(*batch, frames, 3, dtype=torch.float64)
    return poses, trans, torch.randint(-1, 16, (*batch, frames))


def taller(factor: float) -> torch.Tensor:
    return reference_rest_joints().double() * factor


def test_groups_cover_every_feature_once():
    covered = [index for part in GROUPS.values() for index in range(part.start, part.stop)]
    assert covered == list(range(FEATURES))


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_round_trip(batch):
    poses, trans, label = motion(*batch)
    features = encode_motion(poses, trans, label)
    assert features.shape == (*batch, 7, 217)
    decoded_poses, decoded_trans, decoded_label = decode_motion(features)
    torch.testing.assert_close(rotvec_to_matrix(decoded_poses), rotvec_to_matrix(poses))
    torch.testing.assert_close(decoded_trans, trans)
    assert torch.equal(decoded_label.long(), label)


def test_mirrored_round_trip():
    """Encoding the mirrored motion and decoding it gives the mirrored motion, with joints mirrored in the world."""
    poses, trans, label = motion(2)
    mirrored = mirror_motion(poses, trans)
    features = encode_motion(*mirrored, label)
    decoded_poses, decoded_trans, _ = decode_motion(features)
    again = mirror_motion(decoded_poses, decoded_trans)
    torch.testing.assert_close(rotvec_to_matrix(again[0]), rotvec_to_matrix(poses))
    torch.testing.assert_close(again[1], trans)


def test_joint_features_are_the_posed_joints():
    poses, trans, label = motion()
    features = encode_motion(poses, trans, label)
    posed, _ = forward_kinematics(rotvec_to_matrix(poses), trans, reference_rest_joints().double())
    torch.testing.assert_close(features_to_joints(features), posed[:, :22])
    assert joint_consistency(features).max() < 1e-9
    stored = features[..., JOINTS].unflatten(-1, (22, 3))
    torch.testing.assert_close(stored[:, 0, :2], torch.zeros_like(stored[:, 0, :2]))
    torch.testing.assert_close(stored[..., 2], posed[:, :22, 2])


def test_inconsistent_joints_are_measured_in_metres():
    features = encode_motion(*motion())
    features[..., JOINTS.start + 3 * 5 + 2] += 0.25
    distance = joint_consistency(features)
    torch.testing.assert_close(distance[:, 5], torch.full((7,), 0.25, dtype=torch.float64))
    assert distance[:, :5].max() < 1e-9


def test_world_joints_are_linear_in_the_features():
    first, second = encode_motion(*motion()), encode_motion(*motion())
    mixed = features_to_joints(0.3 * first + 0.7 * second)
    torch.testing.assert_close(mixed, 0.3 * features_to_joints(first) + 0.7 * features_to_joints(second))


@pytest.mark.parametrize("factor", [0.8, 1.15])
def test_other_leg_lengths_there_and_back(factor):
    poses, trans, label = motion(2)
    rest = taller(factor).expand(2, 24, 3)
    features = encode_motion(poses, trans, label, rest)
    torch.testing.assert_close(features[..., :2], trans[..., :2])
    torch.testing.assert_close(features[..., 2], trans[..., 2] / factor)
    torch.testing.assert_close(decode_motion(features, rest)[1], trans)
    torch.testing.assert_close(leg_ratio(rest), torch.full((2,), 1 / factor, dtype=torch.float64))


def test_a_scaled_person_standing_on_the_floor_stands_on_it_as_reference_body():
    """Feet at the height of the floor stay there: the pelvis' height scales with the legs."""
    rest = taller(1.2)
    poses = torch.zeros(3, 24, 3, dtype=torch.float64)
    poses[:, 0, 0] = torch.pi / 2  # rest frame upright in the z-up world
    lowest = rest[:22, 1].min() - rest[0, 1]
    trans = torch.tensor([0.0, 0.0, -lowest]).double().expand(3, 3)
    features = encode_motion(poses, trans, torch.full((3,), 8), rest)
    assert features_to_joints(features)[..., 2].min().abs() < 1e-6


def test_leg_length_of_a_plain_skeleton():
    rest = torch.zeros(24, 3)
    for side, x in (((1, 4, 7, 10), 0.1), ((2, 5, 8, 11), -0.1)):
        for joint, (y, z) in zip(side, ((-0.1, 0.0), (-0.5, 0.0), (-0.9, 0.0), (-0.96, 0.12)), strict=True):
            rest[joint] = torch.tensor([x, y, z])
    assert leg_length(rest).item() == pytest.approx(0.1 + 0.4 + 0.4 + 0.06)


def test_unsure_event_channel_is_unknown():
    features = encode_motion(*motion())
    features[..., EVENT] = 0.1
    assert (decode_motion(features)[2] == -1).all()
    features[..., EVENT.start + 6] = 0.7
    assert (decode_motion(features)[2] == 6).all()


def test_decode_gradient():
    features = encode_motion(*motion(frames=1))
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda f: decode_motion(f)[:2], (features,), fast_mode=True)


@pytest.mark.parametrize("which", [0, 1])
def test_refuses_numbers_that_are_not_finite(which):
    parts = motion()
    parts[which][3, 0] = float("nan")
    with pytest.raises(UserError, match="finite"):
        encode_motion(*parts)


@pytest.mark.parametrize("label", [-2, 16])
def test_refuses_labels_that_do_not_exist(label):
    poses, trans, labels = motion()
    labels[2] = label
    with pytest.raises(UserError, match="OmniFall-16"):
        encode_motion(poses, trans, labels)
