"""`lightning prepare keypoints VIDEO` from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from lightning_app.main import main
from reconstruction.footage import open_footage
from reconstruction.formats import read_footage_keypoints


@pytest.mark.slow
def test_finds_people_and_the_file_reads_back(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = shared_data / "video/urfd/fall-06-cam0.mp4", tmp_path / "found.json"
    assert main(["prepare", "keypoints", str(video), "--out", str(out), "--rate", "6"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("\n") == 1 and "1 person in 20 frames (" in shown.out and str(out) in shown.out
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]
    document = json.loads(out.read_text())
    image, (category,) = document["images"][1], document["categories"]
    # The whole frame, depth and colour, because that is what annotation tools show.
    assert (image["width"], image["height"], image["frame"]) == (640, 240, 5)
    assert category["keypoints"][0] == "nose" and "left_heel" in category["keypoints"]
    footage = open_footage(video)
    again = read_footage_keypoints(out, footage, frames=footage.analysed(6))
    assert again.pixels.shape == (1, 20, 26, 2) and (again.width, again.height) == (320, 240)
    assert np.nanmax(again.pixels[..., 0]) < 320


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["keypoints"], "a video"),
        (["keypoints", "{tmp}/none.mp4"], "none at"),
        (["keypoints", "{tmp}/text.mp4"], "no video"),
        (["keypoints", "{tmp}/text.mp4", "--detector", "yolo"], "detector"),
        (["mocap", "{tmp}/text.mp4", "--source", "{tmp}", "--out", "{tmp}/out"], "no further words"),
        (["mocap", "--source", "{tmp}"], "--out"),
    ],
)
def test_mistakes(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("no film")
    assert main(["prepare", *(word.replace("{tmp}", str(tmp_path)) for word in arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("error: ") and message in shown.err
    assert shown.err.count("\n") == 1 and "Traceback" not in shown.err
