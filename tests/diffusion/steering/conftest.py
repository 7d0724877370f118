"""Motions that the tests of steering share."""

from collections.abc import Callable

import pytest
import torch

from diffusion.representation import MOTION_FEATURES, encode_motion

FRAMES = 48


@pytest.fixture
def swaying() -> Callable[..., torch.Tensor]:
    """Makes `(batch, person, 48, 201)` of people that sway and turn slowly: every feature fits every other."""

    def make(batch: int = 1, persons: int = 1, seed: int = 0) -> torch.Tensor:
        chance = torch.Generator().manual_seed(seed)
        time = torch.linspace(0, 1, FRAMES).double()[:, None, None]
        size = (batch * persons, 1, 24, 3)
        base, swing = (0.3 * torch.randn(size, generator=chance).double() for _ in range(2))
        poses = base + swing * torch.sin(4 * time)
        poses[:, :, 22:] = 0
        ahead = torch.tensor([1.0, 1.0, 0.0]) * time[:, :, 0]
        trans = torch.randn(batch * persons, 1, 3, generator=chance).double() * ahead
        trans[..., 2] = 0.9
        features = encode_motion(poses, trans, torch.full(poses.shape[:2], -1))[..., :MOTION_FEATURES]
        return features.unflatten(0, (batch, persons))

    return make
