"""A CLIP so small that tests can save and load it."""

from pathlib import Path

import pytest
import torch

from diffusion.text import import_clip


@pytest.fixture(scope="session")
def clip_state() -> dict[str, torch.Tensor]:
    """State dict of a random CLIP, 1 layer and 64 channels, but with the full vocabulary."""
    torch.manual_seed(0)
    model = import_clip().model.CLIP(
        embed_dim=32, image_resolution=32, vision_layers=1, vision_width=64, vision_patch_size=16,
        context_length=77, vocab_size=49408, transformer_width=64, transformer_heads=1, transformer_layers=2,
    )  # fmt: skip
    return model.state_dict()


@pytest.fixture(scope="session")
def clip_file(clip_state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in a file."""
    path = tmp_path_factory.mktemp("clip") / "tiny.pt"
    torch.save(clip_state, path)
    return path
