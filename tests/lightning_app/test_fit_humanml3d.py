"""`lightning fit` on an official HumanML3D folder, with the shipped config."""

from pathlib import Path

import pytest

from lightning_app.main import main

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "diffusion" / "humanml3d.yaml"
SMALL = [
    *("--model.denoiser.dim=32", "--model.denoiser.depth=1", "--model.denoiser.heads=2", "--model.denoiser.hidden=32"),
    *("--data.init_args.batch_size=2", "--data.init_args.convert_workers=1"),
    *("--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"),
]

pytestmark = pytest.mark.usefixtures("letter_encoder")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs write to the current folder."""
    monkeypatch.chdir(tmp_path)


def fit(folder: Path, *options: str) -> int:
    return main(["fit", "--config", str(CONFIG), f"--data.init_args.folder={folder}", *SMALL, *options])


def test_the_config_trains_on_an_official_folder(official_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(official_folder, "--trainer.fast_dev_run=true") == 0
    assert "trained to step 1" in capsys.readouterr().out


def test_a_damaged_folder_is_refused_before_training_or_skipped(
    official_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (official_folder / "new_joint_vecs" / "000010.npy").write_bytes(b"not an array")
    assert fit(official_folder, "--trainer.fast_dev_run=true") == 2
    shown = capsys.readouterr().err
    assert "Clip '000010'" in shown and "Traceback" not in shown
    assert fit(official_folder, "--trainer.fast_dev_run=true", "--data.init_args.on_bad=skip") == 0
    (summary,) = official_folder.glob("packs/*/summary.txt")
    assert "2 items of HumanML3D's val split used, 1 left out: 1 vectors damaged (000010)" in summary.read_text()
