"""Model files: round trip, half precision, and every way a pair of files can be wrong."""

import json
from pathlib import Path

import pytest
import torch

from carescene.errors import UserError
from diffusion.checkpoint import config_from_dict, load_checkpoint, save_checkpoint
from diffusion.denoiser import DenoiserConfig
from diffusion.model import LossConfig, ModelConfig, MotionModel
from diffusion.normaliser import Normaliser
from diffusion.process import ProcessConfig
from diffusion.representation import FEATURES


@pytest.fixture
def model() -> MotionModel:
    config = ModelConfig(
        ProcessConfig(schedule="shifted_cosine", shift=0.5, prediction="v"),
        DenoiserConfig(patch=2, text_dim=6, dim=16, depth=1, heads=2, hidden=16, smooth=0),
        LossConfig(trans=0.7),
        fps=20.0,
    )
    return MotionModel(config, Normaliser(torch.randn(FEATURES), torch.rand(FEATURES) + 0.1))


@pytest.fixture
def saved(model: MotionModel, tmp_path: Path) -> Path:
    path = tmp_path / "motion.safetensors"
    save_checkpoint(model, path, {"command": "lightning fit"})
    return path


def test_round_trip(model, saved):
    loaded, record = load_checkpoint(saved)
    assert loaded.config == model.config
    assert not loaded.training
    assert record["metadata"] == {"command": "lightning fit"}
    for name, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=0, atol=0)
    torch.testing.assert_close(loaded.process.alpha_bar, model.process.alpha_bar, rtol=0, atol=0)


def test_half_precision_halves_the_weights_and_keeps_the_statistics(model, saved, tmp_path):
    path = tmp_path / "half" / "motion.safetensors"
    save_checkpoint(model, path, half=True)
    assert path.stat().st_size < 0.7 * saved.stat().st_size
    loaded, _ = load_checkpoint(path)
    torch.testing.assert_close(loaded.feature_mean, model.feature_mean, rtol=0, atol=0)
    for name, value in model.named_parameters():
        torch.testing.assert_close(loaded.get_parameter(name), value.detach(), rtol=1e-3, atol=1e-6)
        assert loaded.get_parameter(name).dtype == torch.float32


def test_saving_again_replaces_both_files_and_leaves_nothing_else(model, saved):
    save_checkpoint(model, saved, {"command": "again"}, half=True)
    assert load_checkpoint(saved)[1]["metadata"] == {"command": "again"}
    assert sorted(file.name for file in saved.parent.iterdir()) == ["motion.json", "motion.safetensors"]


def test_config_from_plain_dictionaries():
    config = config_from_dict({"denoiser": {"dim": 64, "heads": 2}, "process": {"steps": 500}})
    assert config == ModelConfig(ProcessConfig(steps=500), DenoiserConfig(dim=64, heads=2))


@pytest.mark.parametrize("missing", ["motion.safetensors", "motion.json"])
def test_missing_file(saved, missing):
    (saved.parent / missing).unlink()
    with pytest.raises(UserError, match=missing):
        load_checkpoint(saved)


def test_truncated_weights(saved):
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(UserError, match="checksum"):
        load_checkpoint(saved)


def test_weights_of_another_model(model, saved, tmp_path):
    other = tmp_path / "other.safetensors"
    model.feature_mean.zero_()
    save_checkpoint(model, other)
    saved.write_bytes(other.read_bytes())
    with pytest.raises(UserError, match="different models"):
        load_checkpoint(saved)


def edit(saved: Path, **changes) -> None:
    twin = saved.with_suffix(".json")
    twin.write_text(json.dumps({**json.loads(twin.read_text()), **changes}))


@pytest.mark.parametrize("text", ["", "{", "\udcff"])
def test_unreadable_json(saved, text):
    saved.with_suffix(".json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match="json"):
        load_checkpoint(saved)


@pytest.mark.parametrize("content", ["[]", '{"format": "other"}'])
def test_json_of_another_kind(saved, content):
    saved.with_suffix(".json").write_text(content)
    with pytest.raises(UserError, match="format"):
        load_checkpoint(saved)


@pytest.mark.parametrize("config", [None, {"denoiser": {"width": 3}}, {"fps": 20.0, "colour": 1}, {"process": 3}])
def test_config_of_another_version(saved, config):
    edit(saved, config=config)
    with pytest.raises(UserError, match="configuration"):
        load_checkpoint(saved)


def test_config_that_does_not_fit_the_weights(model, saved):
    config = json.loads(saved.with_suffix(".json").read_text())["config"]
    config["denoiser"]["depth"] = 2
    edit(saved, config=config)
    with pytest.raises(UserError, match="fit its configuration"):
        load_checkpoint(saved)


def test_weights_that_are_no_safetensors(saved):
    import hashlib

    saved.write_bytes(b"not a tensor file")
    edit(saved, sha256=hashlib.sha256(b"not a tensor file").hexdigest())
    with pytest.raises(UserError, match="safetensors"):
        load_checkpoint(saved)


def test_wrong_suffix(model, tmp_path):
    with pytest.raises(UserError, match=r"\.safetensors"):
        save_checkpoint(model, tmp_path / "motion.pt")


def test_unwritable_folder(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="Choose a folder"):
        save_checkpoint(model, tmp_path / "file" / "motion.safetensors")
