"""MDM through the command line: trained, resumed and sampled on a folder in HumanML3D's layout; published weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from callbacks import predicted_clips
from carescene.clips import load_clip
from diffusion.mdm_files import published_shapes
from lightning_app.main import main
from lightning_app.mdm import MdmConfig, MdmModule

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
NETWORK = "--model.init_args.network"
SMALL = [
    *(f"{NETWORK}.{name}={value}" for name, value in {"text_dim": 384, "dim": 16, "depth": 1, "hidden": 16}.items()),
    *("--model.init_args.process.steps=6", "--data.init_args.text_encoder=minilm", "--data.init_args.batch_size=4"),
    *("--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu", "--trainer.max_steps=6"),
    *("--trainer.val_check_interval=3", "--trainer.log_every_n_steps=1", "--trainer.limit_val_batches=1"),
]
EVERY = "--trainer.callbacks.init_args.every_n_train_steps=3"

pytestmark = pytest.mark.usefixtures("letter_encoder")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs write to the current folder."""
    monkeypatch.chdir(tmp_path)


def run(command: str, folder: Path, *options: str) -> int:
    config = CONFIGS / "diffusion/mdm.yaml"
    return main([command, "--config", str(config), f"--data.init_args.folder={folder}", *SMALL, *options])


def test_fit_and_predict(official_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", official_folder, EVERY) == 0
    checkpoint = tmp_path / "runs/mdm/checkpoints/last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    assert content["global_step"] == 6
    assert content["mdm"]["network"]["mask_padding"] is True
    np.testing.assert_allclose(content["state_dict"]["model.feature_std"], np.load(official_folder / "Std.npy"))
    options = (EVERY, f"--ckpt_path={checkpoint}", "--model.init_args.sampler_steps=2")
    assert run("predict", official_folder, *options) == 0
    assert "test captions (4) written to runs/mdm/predictions" in capsys.readouterr().out
    made = {path.stem: load_clip(path) for path in predicted_clips(tmp_path / "runs/mdm/predictions")}
    assert set(made) == {"000020", "000021", "000022", "000023"}
    for clip in made.values():
        assert clip.fps == 20
        assert clip.num_frames % 4 == 0, "lengths are those of the published rule"
        assert len(clip.text) == 1


def test_published_weights_generate(official_folder: Path, tmp_path: Path) -> None:
    """The weights bring their own chain and sizes; the config's are not asked."""
    shapes = published_shapes(MdmConfig(text_dim=384, dim=8, depth=2, heads=4, hidden=16))
    torch.manual_seed(0)
    torch.save({name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}, tmp_path / "model000475000.pt")
    (tmp_path / "args.json").write_text(json.dumps({"diffusion_steps": 5, "arch": "trans_enc"}))
    weights = f"--model.init_args.weights={tmp_path / 'model000475000.pt'}"
    assert run("predict", official_folder, weights, "--predictions.folder=made") == 0
    assert len(predicted_clips(tmp_path / "made")) == 4
    module = MdmModule(weights=tmp_path / "model000475000.pt")
    assert module.sampler.steps == module.mdm.process.steps == 5
    assert not module.mdm.config.network.mask_padding


def test_refuses_text_of_another_width(official_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", official_folder, f"{NETWORK}.text_dim=512") == 2
    assert "network.text_dim=384" in capsys.readouterr().err


@pytest.mark.parametrize("preset", sorted(path.name for path in (CONFIGS / "trainer").glob("*.yaml")))
@pytest.mark.parametrize("config", ["world", "mdm"])
def test_presets_go_over_any_config(preset: str, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A preset says where to run; all else stays as the first config has it."""
    first, second = CONFIGS / f"diffusion/{config}.yaml", CONFIGS / f"trainer/{preset}"
    with pytest.raises(SystemExit) as left:
        main(["fit", "--config", str(first), "--config", str(second), "--print_config"])
    assert left.value.code == 0
    merged = yaml.safe_load(capsys.readouterr().out)["trainer"]
    base, over = (yaml.safe_load(path.read_text())["trainer"] for path in (first, second))
    for name, value in {**base, **over}.items():
        if name not in ("logger", "callbacks", "plugins"):
            assert merged[name] == value, name
    assert [one["class_path"] for one in merged["callbacks"]] == [one["class_path"] for one in base["callbacks"]]
    assert ("SLURMEnvironment" in str(merged["plugins"])) == (preset == "slurm.yaml")
