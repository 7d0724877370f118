"""From InterHuman's folder to a prepared one: splits, parts of long clips, continuation, damaged recordings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carescene.clips import list_clips, load_clip
from carescene.clips.prepare.interhuman import prepare_interhuman
from carescene.errors import UserError


def prepare(source: Path, out: Path, **options: Any) -> Any:
    return prepare_interhuman(source, out, workers=1, progress=False, **options)


def test_every_recording_becomes_a_clip_of_its_split(interhuman_source: Path, tmp_path: Path) -> None:
    done = prepare(interhuman_source, tmp_path)
    assert done.splits == {"train": 4, "val": 2, "test": 1}
    assert (tmp_path / "splits" / "val.txt").read_text() == "4\n5\n"
    clips = [load_clip(path) for path in list_clips(tmp_path / "clips")]
    assert all(clip.num_persons == 2 and clip.fps == 20 and len(clip.text) == 3 for clip in clips)
    assert json.loads((tmp_path / "dropped.json").read_text())["left_out"] == 0


def test_a_second_run_makes_nothing_anew_and_a_changed_file_is_converted_again(
    interhuman_folder: Path, tmp_path: Path
) -> None:
    prepare(interhuman_folder, tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "clips").iterdir()}
    (interhuman_folder / "annots" / "3.txt").write_text("they shake hands")
    (tmp_path / "out" / "takes" / "1.json").unlink()
    prepare(interhuman_folder, tmp_path / "out")
    changed = {path.stem for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == {"1", "3"}
    assert load_clip(tmp_path / "out" / "clips" / "3").text == ["they shake hands"]


def test_long_recordings_become_parts_of_at_most_10_s(interhuman_layout: Any, tmp_path: Path) -> None:
    root = interhuman_layout.write(tmp_path / "source", {"train": 1, "val": 0, "test": 0}, frames=700)
    done = prepare(root, tmp_path / "out")
    assert done.splits["train"] == 3
    clips = [load_clip(path) for path in list_clips(tmp_path / "out" / "clips")]
    assert [clip.id for clip in clips] == ["0_00", "0_01", "0_02"]
    assert max(clip.num_frames for clip in clips) <= 200
    assert sum(clip.num_frames for clip in clips) == 467
    # Parts follow one another without a gap.
    step = np.linalg.norm(clips[1].trans[0, 0] - clips[0].trans[0, -1])
    assert step < 0.1


def test_damaged_recordings_are_refused_or_reported(interhuman_folder: Path, tmp_path: Path) -> None:
    (interhuman_folder / "annots" / "2.txt").unlink()
    path = interhuman_folder / "motions_processed" / "person1" / "5.npy"
    motion = np.load(path)
    # The joints' rotations in another order than the joints.
    motion[:, 186:312] = np.roll(motion[:, 186:312], 6 * 5, axis=1)
    np.save(path, motion)
    with pytest.raises(UserError, match="Expected captions at"):
        prepare(interhuman_folder, tmp_path / "refused")
    done = prepare(interhuman_folder, tmp_path / "out", on_bad="skip")
    assert done.splits == {"train": 3, "val": 1, "test": 1}
    assert done.report.counts == {"missing text": 1, "rotations that do not fit the joints": 1}
    written = json.loads((tmp_path / "out" / "dropped.json").read_text())
    assert set(written["damaged"]["missing text"]) == {"2"}
    assert "5" not in (tmp_path / "out" / "splits" / "val.txt").read_text()


def test_a_folder_in_which_nothing_is_usable_is_refused(interhuman_folder: Path, tmp_path: Path) -> None:
    for path in (interhuman_folder / "annots").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="all were left out: 0 recordings of InterHuman used, 7 left out"):
        prepare(interhuman_folder, tmp_path / "out", on_bad="skip")
