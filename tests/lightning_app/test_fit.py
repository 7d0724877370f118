"""`lightning fit` and its siblings through the command line: every shipped config, resumption, and bad input."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from callbacks import predicted_clips
from carescene.clips import load_clip
from lightning_app.main import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
# A network so small that a step takes milliseconds.
SMALL = [
    *("--model.denoiser.dim=32", "--model.denoiser.depth=1", "--model.denoiser.heads=2", "--model.denoiser.hidden=32"),
    *("--data.batch_size=4", "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"),
]
# A run without a config.
SHORT = ["--trainer.logger=false", "--trainer.max_steps=2"]

pytestmark = pytest.mark.usefixtures("letter_encoder")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs write to the current folder."""
    monkeypatch.chdir(tmp_path)


def fit(config: str, folder: Path, *options: str) -> int:
    return main(["fit", "--config", str(CONFIGS / config), f"--data.data_dir={folder}", *SMALL, *options])


# Configs that bring classes of their own are tested with those.
PLAIN = sorted(
    f"diffusion/{path.name}"
    for path in (CONFIGS / "diffusion").glob("*.yaml")
    if "\n  class_path:" not in path.read_text()
)


@pytest.mark.parametrize("config", PLAIN)
def test_every_config_runs(config: str, prepared_folder: Path) -> None:
    assert fit(config, prepared_folder, "--trainer.fast_dev_run=true") == 0


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")  # as it should be
def test_fit_resume_validate_predict(prepared_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The life of a run: interrupted at step 30 of 60, resumed, its model file used, its test captions generated."""
    assert fit("diffusion/debug.yaml", prepared_folder, "--trainer.max_steps=30") == 0
    summary = capsys.readouterr().out.splitlines()[-1]
    assert summary.startswith("trained to step 30: log in runs/debug/version_0, checkpoints in ")
    assert fit("diffusion/debug.yaml", prepared_folder, "--ckpt_path=last") == 0
    assert "trained to step 60: log in runs/debug/version_1" in capsys.readouterr().out
    checkpoint = torch.load(tmp_path / "runs/debug/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 60

    shared = [f"--config={CONFIGS / 'diffusion/debug.yaml'}", f"--data.data_dir={prepared_folder}", *SMALL]
    weights = "--ckpt_path=runs/debug/checkpoints/last.ckpt"
    assert main(["validate", *shared, weights]) == 0
    assert "val/loss" in capsys.readouterr().out
    assert main(["predict", *shared, weights]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == "clips of the test captions (3) written to runs/debug/predictions"
    folder = tmp_path / "runs/debug/predictions"
    made = {path.stem: load_clip(path) for path in predicted_clips(folder)}
    assert set(made) == {"test-0", "test-1", "test-2"}
    for name, clip in made.items():
        assert clip.num_frames == load_clip(prepared_folder / "clips" / name).num_frames

    # Once more: nothing is left to do; after a loss, the lost clip alone is made, as it was; other weights are refused.
    stamps = {path.stem: path.stat().st_mtime_ns for path in predicted_clips(folder)}
    lost = load_clip(folder / "test-1")
    (folder / "test-1.json").unlink()
    assert main(["predict", *shared, weights]) == 0
    assert [name for name in stamps if (folder / f"{name}.json").stat().st_mtime_ns != stamps[name]] == ["test-1"]
    np.testing.assert_allclose(load_clip(folder / "test-1").trans, lost.trans, atol=1e-4)
    assert main(["predict", *shared, weights]) == 0
    assert main(["predict", *shared, weights, "--data.seed=3", "--predictions.folder=elsewhere"]) == 0
    assert len(predicted_clips(tmp_path / "elsewhere")) == 3
    capsys.readouterr()
    (folder / "test-1.json").unlink()
    assert main(["predict", *shared]) == 2
    assert "--predictions.folder" in capsys.readouterr().err


def test_print_config_explains_every_field_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["fit", "--config", str(CONFIGS / "diffusion/mocap.yaml"), "--print_config"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    settings = yaml.safe_load(printed)
    ours = printed[printed.index("\nmodel:") : printed.index("\n# Path/URL of the checkpoint")].splitlines()
    fields = [number for number, line in enumerate(ours) if re.match(r"\s+\w+:", line)]
    assert len(fields) > len(settings["model"]) + len(settings["data"])
    missing = [ours[number] for number in fields if not re.match(r"\s+# ?\S", ours[number - 1])]
    assert not missing, "fields without a comment above them"
    unexplained = [ours[number] for number in fields if re.match(r"\s+#\s+\(type:", ours[number - 1])]
    assert not unexplained, "fields with a type but no explanation"


# ------------------------------------------------------------------------------------------------ bad input


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one sentence that the command says when it refuses."""
    assert main(list(argv)) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    return error[0]


@pytest.mark.parametrize("text", ["model:\n  learning_rat: 1.0\n", "trainer:\n  max_step: 3\n", "mdel:\n  dim: 3\n"])
def test_unknown_key(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text(text)
    message = refused(capsys, "fit", "--config", str(config), "--data.data_dir=x")
    assert re.search("learning_rat|max_step|mdel", message)


def test_value_of_the_wrong_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert "batch_size" in refused(capsys, "fit", "--data.data_dir=x", "--data.batch_size=many")


def test_value_out_of_range(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Expected data.batch_size of at least 1" in refused(
        capsys, "fit", "--data.data_dir=x", "--data.batch_size=0"
    )


def test_missing_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.yaml" in refused(capsys, "fit", "--config", "nowhere.yaml")


def test_missing_checkpoint(prepared_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "fit", f"--data.data_dir={prepared_folder}", "--ckpt_path=none.ckpt", *SMALL)
    assert "Expected a checkpoint at 'none.ckpt'" in message


def test_missing_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "fit", f"--data.data_dir={tmp_path / 'nothing'}", *SMALL, *SHORT)
    assert "lightning prepare mocap" in message


def test_folder_that_cannot_be_written(
    prepared_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    message = refused(
        capsys, "fit", f"--data.data_dir={prepared_folder}", f"--data.pack_dir={tmp_path / 'file' / 'packs'}", *SMALL,
        *SHORT,
    )  # fmt: skip
    assert "data.pack_dir" in message


SCENES = "--data=datamodules.SceneDataModule"
CALLBACK = "--trainer.callbacks+="


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([SCENES, "--data.init_args.data_dir=.", "--data.init_args.balance=3"], "data.balance from 0"),
        ([SCENES], "Expected a prepared folder in data.data_dirs"),
        (
            ["--data.data_dir=.", f"{CALLBACK}callbacks.ExportModel", "--trainer.callbacks.every=0"],
            "`every` of at least",
        ),
        (["--data.data_dir=.", f"{CALLBACK}ModelCheckpoint", "--trainer.callbacks.save_top_k=-5"], "save_top_k=-5"),
    ],
)
def test_what_classes_of_a_config_refuse_is_one_sentence(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser wraps what a class named by `class_path` raises into a page about types."""
    assert main(["fit", *SHORT, *options]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and told in lines[0] and "subtypes" not in lines[0]
