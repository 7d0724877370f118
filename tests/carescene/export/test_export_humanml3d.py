"""Clips in HumanML3D's layout: read back by the reader of the published set, mirrored, flagged, resumed."""

import json
from pathlib import Path

import numpy as np
import pytest

from carescene.clips import Clip, load_clip, save_clip
from carescene.clips.formats.humanml3d import clip_to_vectors, read_humanml3d
from carescene.errors import UserError
from carescene.export import ExportSettings, export, export_humanml3d
from lightning_app.main import main

IDS = {"train": ["w0", "w1", "w2"], "val": ["w3"], "test": ["w4"]}


def walker(name: str, frames: int = 60, roll: float = 0.0) -> Clip:
    """Somebody who walks a curve, lifts the left arm, and may roll to the side at the end."""
    time = np.arange(frames) / 20
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[0, :, 0, 0] = np.pi / 2
    poses[0, :, 1, 0] = 0.4 * np.sin(5 * time)
    poses[0, :, 2, 0] = -poses[0, :, 1, 0]
    poses[0, :, 16, 2] = 0.2 + 0.1 * time
    turned = np.clip((time - 1.2) / 0.8, 0, 1) * roll
    # Upright, then a roll about the body's own forward axis (rest z): Rx(90 degrees) Rz(roll) as a rotation vector.
    half = turned / 2
    w, x, y, z = (np.cos(half), np.cos(half), -np.sin(half), np.sin(half))
    angle = 2 * np.arccos(np.clip(w / np.sqrt(2), -1, 1))
    axis = np.stack((x, y, z), -1) / np.sqrt(2) / np.maximum(np.sin(angle / 2), 1e-9)[:, None]
    poses[0, :, 0] = axis * angle[:, None]
    trans = np.stack((0.3 * np.sin(time), -0.6 * time, np.full(frames, 0.93)), -1)[None].astype(np.float32)
    return Clip(
        id=name,
        fps=20.0,
        poses=poses,
        trans=trans,
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, frames), -1, np.int8),
        valid=np.ones((1, frames), dtype=bool),
        text=["a person walks to the left, upright", "walking # fast"],
    )


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Five clips with lists."""
    folder = tmp_path / "prepared"
    for split, names in IDS.items():
        for name in names:
            save_clip(walker(name, 50 + int(name[1])), folder / "clips")
        (folder / "splits").mkdir(exist_ok=True)
        (folder / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def settings(out: Path) -> ExportSettings:
    return ExportSettings(out=out, workers=1, progress=False)


def test_the_reader_of_the_published_set_reads_it(prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = export(prepared, "humanml3d", settings(out))
    assert (done.written, done.kept, done.notes) == (5, 0, [])
    train = read_humanml3d(out, "train")
    assert [item.id for item in train.items] == ["w0", "w1", "w2", "Mw0", "Mw1", "Mw2"]
    assert [item.id for item in read_humanml3d(out, "test").items] == ["w4"]
    item, twin = train.items[1], train.items[4]
    assert np.array_equal(item.features(), clip_to_vectors(load_clip(prepared / "clips" / "w1")).vectors)
    assert [caption.text for caption in item.captions] == ["a person walks to the left, upright", "walking fast"]
    assert [caption.text for caption in twin.captions] == ["a person walks to the right, upright", "walking fast"]
    assert item.captions[0].tokens[-1] == "upright/OTHER"
    # The mirror image goes sideways the other way, at the same height; the body is not quite symmetric.
    assert np.abs(item.features()[:, 1]).max() > 0.01
    assert np.allclose(twin.features()[:, 1], -item.features()[:, 1], atol=2e-3)
    assert np.allclose(twin.features()[:, 3], item.features()[:, 3], atol=2e-3)
    joints = np.load(out / "new_joints" / "w1.npy")
    assert joints.shape == (50, 22, 3) and np.isclose(joints[..., 1].min(), 0, atol=1e-3)
    assert len((out / "all.txt").read_text().split()) == 8


def test_a_rerun_keeps_what_is_done_and_takes_in_what_is_new(prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_humanml3d([prepared], settings(out))
    save_clip(walker("w3", 70), prepared / "clips")
    again = export_humanml3d([prepared], settings(out))
    assert (again.written, again.kept) == (1, 4)
    assert len(np.load(out / "new_joint_vecs" / "w3.npy")) == 69
    (prepared / "splits" / "test.txt").write_text("")
    export_humanml3d([prepared], settings(out))
    assert not (out / "new_joint_vecs" / "w4.npy").exists()


def test_a_fall_that_rolls_past_90_degrees_is_flagged(prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    save_clip(walker("w1", 70, roll=np.radians(120)), prepared / "clips")
    save_clip(walker("w2", 70, roll=np.radians(60)), prepared / "clips")
    done = export_humanml3d([prepared], settings(out))
    flags = json.loads((out / "undefined_headings.json").read_text())
    assert list(flags) == ["w1"] and min(flags["w1"]) > 20
    assert done.notes == ["1 clips have frames without a heading that means anything, see undefined_headings.json"]
    # A flag outlives a rerun that has nothing to do.
    export_humanml3d([prepared], settings(out))
    assert json.loads((out / "undefined_headings.json").read_text()) == flags


def test_what_has_no_place_is_counted(prepared: Path, tmp_path: Path) -> None:
    pair, short, silent = walker("w0"), walker("w1", 40), walker("w3")
    arrays = ("poses", "trans", "betas", "valid", "frame_label")
    pair = Clip(**vars(pair) | {name: np.repeat(getattr(pair, name), 2, 0) for name in arrays})
    silent.text = []
    for clip in (pair, short, silent):
        save_clip(clip, prepared / "clips")
    done = export_humanml3d([prepared], settings(tmp_path / "out"))
    assert done.written == 2
    assert done.notes == [
        "left out: 1 clips of less than 41 frames, 1 clips of several people, 1 clips without a caption"
    ]


def test_several_folders_from_the_command_line(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "loose"
    for number in range(4):
        save_clip(walker(f"x{number}", 60), other)
    out = tmp_path / "out"
    command = ["export", f"{prepared},{other}", "--format", "humanml3d", "--out", str(out), "--workers", "1"]
    assert main(command) == 0
    assert "humanml3d: 9 clips written to" in capsys.readouterr().out
    splits = {split: (out / f"{split}.txt").read_text().split() for split in ("train", "val", "test")}
    assert {name for names in splits.values() for name in names if name[0] == "x"} == {"x0", "x1", "x2", "x3"}
    assert main([*command[:1], f"{prepared},{prepared}", *command[2:]]) == 2
    assert "twice" in capsys.readouterr().err


def test_nothing_to_train_on(prepared: Path, tmp_path: Path) -> None:
    (prepared / "splits" / "train.txt").write_text("")
    with pytest.raises(UserError, match="for training, but got none"):
        export_humanml3d([prepared], settings(tmp_path / "out"))
