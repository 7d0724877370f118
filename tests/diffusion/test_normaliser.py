"""Statistics of the training data."""

import pytest
import torch

from carescene.errors import UserError
from diffusion.normaliser import Normaliser
from diffusion.representation import BODY, EVENT, FEATURES, JOINTS


def frames(count: int = 4000) -> torch.Tensor:
    scale = torch.rand(FEATURES) * 3 + 0.05
    features = torch.randn(count, FEATURES) * scale + torch.randn(FEATURES)
    features[:, EVENT] = torch.nn.functional.one_hot(torch.randint(0, 3, (count,)), 16).float()
    return features


def test_there_and_back():
    features = frames()
    normaliser = Normaliser.fit(features)
    torch.testing.assert_close(normaliser.denormalise(normaliser.normalise(features)), features, atol=1e-5, rtol=1e-5)


def test_normalised_motion_has_mean_0_and_unit_spread_per_kind():
    features = frames()
    normalised = Normaliser.fit(features).normalise(features)
    torch.testing.assert_close(normalised[:, : EVENT.start].mean(0), torch.zeros(EVENT.start), atol=1e-4, rtol=0)
    for part in (normalised[:, :2], normalised[:, 2:3], normalised[:, BODY.start : BODY.start + 6]):
        assert part.var(0).mean().item() == pytest.approx(1, abs=0.01)


def test_one_joint_has_one_scale():
    std = Normaliser.fit(frames()).std
    assert (std[JOINTS].unflatten(0, (22, 3)).diff(dim=1) == 0).all()
    assert (std[BODY].unflatten(0, (21, 6)).diff(dim=1) == 0).all()
    assert std[0] == std[1]


def test_constant_features_do_not_explode():
    features = frames()
    features[:, JOINTS] = 0.5
    normaliser = Normaliser.fit(features)
    assert normaliser.std.min() >= 0.01
    noise = features + 1e-4 * torch.randn_like(features)
    assert normaliser.normalise(noise)[:, JOINTS].abs().max() < 0.1


def test_rare_labels_are_no_spikes():
    features = frames()
    features[:, EVENT] = 0
    features[:, EVENT.start] = 1
    features[0, EVENT] = torch.eye(16)[5]
    assert Normaliser.fit(features).normalise(features)[:, EVENT].abs().max() < 5


@pytest.mark.parametrize("damage", ["one frame", "nan"])
def test_refuses(damage):
    features = frames(10)
    if damage == "nan":
        features[3, 7] = float("nan")
    with pytest.raises(UserError, match="at least two finite frames"):
        Normaliser.fit(features[:1] if damage == "one frame" else features)
