"""lightning render: films a folder of clips, says what is wrong with options, and goes on after a stop."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carescene.clips import Clip, save_clip
from carescene.clips.rendered import list_items, load_item
from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import look_at
from carescene.rendering.video import FrameWriter, read_video
from carescene.scenes import Scene, save_scene
from lightning_app.commands.render import parse_size
from lightning_app.main import main


def write_clip(folder: Path, name: str, x: float = 2.0, frames: int = 3) -> Path:
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[:, :, JOINT["pelvis"]] = [np.pi / 2, 0, 0]
    trans = np.full((1, frames, 3), [x, 2.2, 0.95], np.float32)
    shape = 1, frames
    labels, valid = np.full(shape, 8, np.int8), np.ones(shape, np.bool_)
    return save_clip(Clip(name, 5.0, poses, trans, np.zeros((1, 10), np.float32), labels, valid), folder)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with three clips, an empty room and a camera in it."""
    for name in ("a", "b", "c"):
        write_clip(tmp_path / "clips", name)
    save_scene(Scene("box", [(0.0, 0.0), (4.0, 0.0), (4.0, 4.5), (0.0, 4.5)], 2.6), tmp_path / "room.json")
    camera = look_at(np.array([2.0, 0.3, 2.2]), np.array([2.0, 2.5, 0.9]), width=48, height=36, field_of_view=1.3)
    (tmp_path / "corner.json").write_text(json.dumps(camera.to_dict()))
    return tmp_path


def command(place: Path, *more: str, **changes: str) -> list[str]:
    options = {
        "scene": str(place / "room.json"),
        "camera": str(place / "corner.json"),
        "modalities": "depth,keypoints",
        "out": str(place / "out"),
        "fps": "5",
        "workers": "1",
    } | changes
    return ["render", str(place / "clips"), *(word for k, v in options.items() for word in (f"--{k}", v)), *more]


def test_renders_all_then_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(place)) == 0
    said = capsys.readouterr()
    assert "3 items rendered" in said.out and "3/3" in said.err
    items = [load_item(folder) for folder in list_items(place / "out")]
    assert [item.id for item in items] == ["a.corner", "b.corner", "c.corner"]
    assert items[0].card.modalities == {"depth": "depth.mkv", "keypoints": "keypoints.json"}
    assert items[0].card.camera["width"] == 48, "a camera file's own size is kept"
    before = {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*")}
    assert main(command(place)) == 0
    assert "0 items rendered" in (out := capsys.readouterr().out) and "3 were there already" in out
    assert {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*")} == before


def test_a_stop_is_clean_and_a_rerun_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, written = FrameWriter.write, [0]

    def write(self: FrameWriter, picture: Any) -> None:
        written[0] += 1
        if written[0] == 5:
            raise KeyboardInterrupt
        real(self, picture)

    monkeypatch.setattr(FrameWriter, "write", write)
    assert main(command(place)) == 130
    assert [path.name for path in (place / "out").iterdir()] == ["a.corner"]
    (place / "out" / ".b.corner.part").mkdir()
    (place / "out" / ".b.corner.part" / "card.json").write_text("{")
    assert main(command(place)) == 0
    assert "2 items rendered" in (out := capsys.readouterr().out) and "1 were there already" in out
    assert sorted(path.name for path in (place / "out").iterdir()) == ["a.corner", "b.corner", "c.corner"]


def test_a_full_disk_stops_the_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, written = FrameWriter.write, [0]

    def write(self: FrameWriter, picture: Any) -> None:
        written[0] += 1
        if written[0] == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, picture)

    monkeypatch.setattr(FrameWriter, "write", write)
    assert main(command(place)) == 2
    assert "No space left" in capsys.readouterr().err and written[0] == 5
    assert [path.name for path in (place / "out").iterdir()] == ["a.corner"]


def test_a_bad_clip_does_not_stop_the_others(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = dict(np.load(place / "clips" / "b.npz"))
    del arrays["betas"]
    np.savez(place / "clips" / "b.npz", **arrays)
    assert main(command(place)) == 2
    error = capsys.readouterr().err
    assert "1 failed; 2 items rendered" in error and "b: Expected" in error and "betas" in error
    assert [folder.name for folder in list_items(place / "out")] == ["a.corner", "c.corner"]


def test_other_settings_are_refused_or_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = str(place / "clips" / "a.npz")
    assert main(["render", one, *command(place)[2:]]) == 0
    assert main(command(place, seed="3")) == 2
    assert "other seed" in (error := capsys.readouterr().err) and "2 items rendered" in error
    assert main(command(place, seed="3", overwrite="true")) == 0
    assert "1 item rendered" in capsys.readouterr().out


def test_shares_of_machines_make_all(place: Path) -> None:
    for share in ("1/2", "2/2"):
        assert main(command(place, shard=share)) == 0
        assert len(list_items(place / "out")) == (2 if share == "1/2" else 3)


@pytest.mark.slow
def test_in_processes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "clips" / "b.npz").write_bytes(b"broken")
    assert main(command(place, workers="2")) == 2
    assert "2 items rendered" in capsys.readouterr().err
    assert [folder.name for folder in list_items(place / "out")] == ["a.corner", "c.corner"]


@pytest.mark.slow
def test_a_preset_room_with_a_preview(place: Path) -> None:
    for name in ("b", "c"):
        (place / "clips" / f"{name}.json").unlink()
    changes = {"scene": "ward_single", "camera": "ceiling_corner,wall", "modalities": "preview", "light": "sample"}
    assert main(command(place, size="64x48", sensor="cctv", **changes)) == 0
    items = [load_item(folder) for folder in list_items(place / "out")]
    assert [item.id for item in items] == ["a.ceiling_corner", "a.wall"]
    assert read_video(items[0].file("preview")).frames.shape == (3, 48, 3 * 64 + 8, 3)
    with Image.open(place / "out" / "contact_sheet.png") as sheet:
        # Three moments, of three pictures each one above the other, of two items.
        assert sheet.width == 3 * 288 + 4 * 8 and sheet.height > 2 * 3 * 288 * 48 / 64


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"modalities": "rgb,sound"}, "'sound'"),
        ({"modalities": ","}, "modalities out of"),
        ({"scene": "kitchen"}, "ward_single"),
        ({"scene": "nowhere.json"}, "nowhere.json"),
        ({"camera": "ceiling"}, "ceiling_corner"),
        ({"camera": "nowhere.json"}, "nowhere.json"),
        ({"camera": "wall,wall"}, "different cameras"),
        ({"camera": ""}, "different cameras"),
        ({"size": "320"}, "WIDTHxHEIGHT"),
        ({"fps": "60"}, "1 to 30"),
        ({"light": "neon"}, "--light"),
        ({"sensor": "eye"}, "sensor"),
        ({"crf": "99"}, "crf"),
        ({"blur": "0"}, "blur"),
        ({"views": "0"}, "--views"),
        ({"seed": "-1"}, "--seed"),
        ({"workers": "0"}, "worker"),
        ({"shard": "3/2"}, "I/N"),
        ({"body": "none.npz"}, "body"),
    ],
)
def test_wrong_options_are_told_before_anything_is_written(
    place: Path, changes: dict[str, str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(place, **changes)) == 2
    assert match in capsys.readouterr().err
    assert not (place / "out").exists()


def test_wrong_clips_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "empty").mkdir()
    for clips, match in (("empty", "found none"), ("nowhere", "there is none"), ("nowhere.json", "there is none")):
        assert main(["render", str(place / clips), *command(place)[2:]]) == 2
        assert match in capsys.readouterr().err


def test_a_camera_outside_the_room_and_a_clip_without_a_room(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    camera = json.loads((place / "corner.json").read_text())
    (place / "corner.json").write_text(json.dumps(camera | {"eye": [9.0, 0.0, 2.0]}))
    assert main(command(place)) == 2
    assert "inside the room" in (error := capsys.readouterr().err) and "3 failed" in error
    assert main(command(place, scene="clip")) == 2
    assert "--scene" in capsys.readouterr().err
    assert not list((place / "out").iterdir())


def test_a_camera_file_must_be_one_camera(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, match in (("[]", "got a list"), ("{", "JSON"), ("{}", "K, R, eye")):
        (place / "corner.json").write_text(text)
        assert main(command(place)) == 2
        assert match in capsys.readouterr().err


def test_sizes() -> None:
    assert parse_size("640x360") == (640, 360)
