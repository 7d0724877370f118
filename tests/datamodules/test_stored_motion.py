"""Motion on disk: how exact it is, and what does not fit."""

import pytest
import torch

from carescene.errors import UserError
from datamodules.stored_motion import restored, stored
from diffusion.representation import JOINTS, ROOT, encode_motion


def test_stored_motion_is_exact_to_a_tenth_of_a_millimetre() -> None:
    poses = torch.randn(40, 24, 3)
    trans = torch.randn(40, 3) * torch.tensor([9.0, 9.0, 0.1]) + torch.tensor([0.0, 0.0, 0.9])
    features = encode_motion(poses, trans, torch.zeros(40, dtype=torch.long))
    path, numbers = stored(features, "clip")
    back = restored(torch.from_numpy(path), torch.from_numpy(numbers))
    error = (back - features[:, :201]).abs()
    assert error[:, :3].max() == 0
    assert error[:, JOINTS].max() < 6e-5
    assert error[:, ROOT.start : JOINTS.start].max() < 2e-5
    assert numbers.nbytes + path.nbytes < 0.51 * features[:, :201].numpy().nbytes


def test_half_precision_would_not_be_exact_enough() -> None:
    features = encode_motion(torch.randn(40, 24, 3), torch.rand(40, 3) * 8, torch.zeros(40, dtype=torch.long))
    assert (features.half().float() - features)[:, :201].abs().max() > 1e-3


def test_refuses_joints_that_are_out_of_reach() -> None:
    features = encode_motion(torch.zeros(5, 24, 3), torch.full((5, 3), 4.0), torch.zeros(5, dtype=torch.long))
    with pytest.raises(UserError, match=r"Clip 'high': expected joints within 3\.28 m"):
        stored(features, "high")
