"""`lightning fit` on InterHuman's folder and on shards, with the shipped configs."""

from pathlib import Path

import pytest

from datamodules.shard_writing import prepare_shards
from lightning_app.main import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "diffusion"
SMALL = [
    *("--model.denoiser.dim=32", "--model.denoiser.depth=1", "--model.denoiser.heads=2", "--model.denoiser.hidden=32"),
    *("--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu", "--trainer.precision=32-true"),
    "--data.init_args.batch_size=2",
]

pytestmark = pytest.mark.usefixtures("letter_encoder")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs write to the current folder."""
    monkeypatch.chdir(tmp_path)


def fit(config: str, *options: str) -> int:
    return main(["fit", "--config", str(CONFIGS / config), *SMALL, *options])


def test_pairs_and_single_people_train_together(
    interhuman_folder: Path, prepared_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        f"--data.init_args.folder={interhuman_folder}",
        f"--data.init_args.others=[{prepared_folder}]",
        "--data.init_args.shares=[0.5,0.5]",
        "--data.init_args.convert_workers=1",
        "--trainer.fast_dev_run=true",
    ]
    (interhuman_folder / "annots" / "2.txt").write_text("")
    assert fit("interhuman.yaml", *options) == 2
    assert "Expected captions at" in capsys.readouterr().err
    assert fit("interhuman.yaml", *options, "--data.init_args.on_bad=skip") == 0
    assert "trained to step 1" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_shards_train_and_a_stopped_run_goes_on(
    interhuman_folder: Path, prepared_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_shards([prepared_folder], tmp_path / "shards", clips_per_shard=5, workers=1, progress=False)
    options = ["--data.init_args.data_dir=shards", "--data.init_args.num_workers=0", "--trainer.limit_val_batches=1"]
    options += ["--trainer.callbacks=lightning.pytorch.callbacks.ModelCheckpoint"]
    options += ["--trainer.callbacks.dirpath=kept", "--trainer.callbacks.save_last=true"]
    options += ["--trainer.callbacks.every_n_train_steps=2", "--trainer.val_check_interval=4"]
    options += ["--trainer.log_every_n_steps=1"]
    assert fit("shards.yaml", *options, "--trainer.max_steps=4") == 0
    capsys.readouterr()
    resumed = "--ckpt_path=kept/last.ckpt"
    assert fit("shards.yaml", *options, "--trainer.max_steps=7", resumed) == 0
    assert "trained to step 7" in capsys.readouterr().out
    changed = [option.replace("=2", "=3") if "batch_size" in option else option for option in SMALL]
    command = ["fit", "--config", str(CONFIGS / "shards.yaml"), *changed, *options]
    assert main([*command, "--trainer.max_steps=9", resumed]) == 2
    assert "Expected batch_size 2 as in the run that is to go on, but got 3" in capsys.readouterr().err
