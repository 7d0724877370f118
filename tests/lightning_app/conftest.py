"""What tests of the commands share: a text cache of their own, and models so small that sampling takes no time."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from diffusion.checkpoint import save_checkpoint
from diffusion.denoiser import DenoiserConfig
from diffusion.model import ModelConfig, MotionModel


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARESCENE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """Writes a network of a few thousand random weights of the size given; its output depends on all that it reads."""

    def write(size: float) -> Path:
        torch.manual_seed(0)
        model = MotionModel(ModelConfig(denoiser=DenoiserConfig(dim=16, depth=1, heads=2, hidden=16)))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(size * torch.randn_like(parameter))
        path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
        save_checkpoint(model, path)
        return path

    return write
