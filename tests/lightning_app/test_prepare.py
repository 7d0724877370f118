"""`lightning prepare` from the command line: one line on success, one sentence and exit code 2 on mistakes."""

import json
from pathlib import Path

import pytest

from lightning_app.main import main


def standing(frames: int = 45) -> str:
    """A DeepMimic file of somebody who just stands."""
    still = [1.0, 0.0, 0.0, 0.0]
    row = [1 / 30, 0.0, 0.9, 0.0, *still * 4, 0.0, *still, *still, 0.3, *still, 0.0, *still, *still, 0.3]
    return json.dumps({"Frames": [row] * frames})


def test_prepares_and_says_what_is_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "humanoid3d_a.txt").write_text(standing())
    (source / "humanoid3d_b.txt").write_text(standing(5))
    command = ["prepare", "mocap", "--source", str(source), "--out", str(out), "--workers", "1"]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert shown.out.count("\n") == 1
    assert "1 clips (1 train, 0 val, 0 test; 0.0 min)" in shown.out and "1 left out" in shown.out
    assert str(out) in shown.out
    assert "prepare" in shown.err and "Traceback" not in shown.err
    assert (out / "report.md").is_file() and (out / "splits" / "train.txt").read_text() == "deepmimic_humanoid3d_a\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mocap", "--source", "{tmp}/nowhere", "--out", "{tmp}/out"], "does not exist"),
        (["mocap", "--source", "{tmp}", "--out", "{tmp}/out"], "found none"),
        (["mocap", "--source", "{tmp}", "--out", "{tmp}/out", "--datasets", "kinect"], "kinect"),
        (["mocap", "--out", "{tmp}/out"], "source"),
        (["video", "--source", "{tmp}", "--out", "{tmp}/out"], "mocap"),
        (["mocap", "--source", "{tmp}", "--out", "{tmp}/out", "--speed", "3"], "speed"),
    ],
)
def test_mistakes(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", *(word.replace("{tmp}", str(tmp_path)) for word in arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("error: ") and message in shown.err
    assert shown.err.count("\n") == 1 and "Traceback" not in shown.err
    assert not (tmp_path / "out").exists()


def test_nothing_usable_is_told_and_nothing_half_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "humanoid3d_a.txt").write_text(standing()[:-30])
    out = tmp_path / "out"
    assert main(["prepare", "mocap", "--source", str(source), "--out", str(out), "--workers", "1"]) == 2
    assert "does not parse" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.npz")) and not list(tmp_path.rglob("*.part"))
