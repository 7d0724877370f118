"""`lightning prepare interhuman` and `lightning prepare shards` from the command line."""

from pathlib import Path

import pytest

from lightning_app.main import main

pytestmark = pytest.mark.usefixtures("letter_encoder")


def test_interhuman_becomes_a_prepared_folder_and_that_shards(
    interhuman_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (interhuman_folder / "annots" / "3.txt").unlink()
    command = ["prepare", "interhuman", "--source", str(interhuman_folder), "--workers", "1", "--out"]
    assert main([*command, str(tmp_path / "refused")]) == 2
    assert "error: Expected captions at" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "clips"), "--on_bad", "skip"]) == 0
    shown = capsys.readouterr().out
    assert "6 clips (3 train, 2 val, 1 test)" in shown
    assert "1 left out: 1 missing text (3)" in shown
    command = ["prepare", "shards", "--source", str(tmp_path / "clips"), "--out", str(tmp_path / "shards")]
    assert main([*command, "--clips_per_shard", "2", "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "6 clips (3 train, 2 val, 1 test)" in shown
    assert "4 shards" in shown and "0 left out" in shown
    assert (tmp_path / "shards" / "train-000001.tar").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["interhuman", "--out", "{tmp}/out"], "Expected --source"),
        (["interhuman", "--source", "{tmp}", "--out", "{tmp}/out"], "motions_processed/person1"),
        (["shards", "--out", "{tmp}/out"], "Expected --source"),
        (["shards", "--source", "{tmp}", "--out", "{tmp}/out"], "prepared data folder"),
        (["shards", "--source", "{tmp}", "--out", "{tmp}/out", "--clips_per_shard", "0"], "at least 1 clip per shard"),
    ],
)
def test_mistakes(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", *(word.replace("{tmp}", str(tmp_path)) for word in arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ") and message in shown.err
    assert "Traceback" not in shown.err and shown.out == ""
    assert not (tmp_path / "out").exists()
