"""Clips: round trip through files, and one clear error for each way a clip can be wrong."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from carescene import UserError
from carescene.clips import (
    OMNIFALL16,
    WARD_EVENTS,
    Clip,
    Event,
    Generator,
    PersonInfo,
    Source,
    Weight,
    list_clips,
    load_clip,
    save_clip,
    validate_clip,
)


def make_clip(persons: int = 2, frames: int = 7) -> Clip:
    rng = np.random.default_rng(0)
    return Clip(
        id="take_1",
        fps=20.0,
        poses=rng.normal(size=(persons, frames, 24, 3)).astype(np.float32),
        trans=rng.normal(size=(persons, frames, 3)).astype(np.float32),
        betas=rng.normal(size=(persons, 10)).astype(np.float32),
        frame_label=np.full((persons, frames), -1, np.int8),
        valid=np.ones((persons, frames), bool),
        text=["jemand geht über den Flur"],
        persons=[PersonInfo(role="patient", age_years=84.0, height_m=1.7, sex="male", aid="cane")] * persons,
        events=[Event(person=0, label="fall", start_s=0.1, end_s=0.35, ward_event="fall_trip", cause="trip")],
        attributes={"action": "walk"},
        scene="ward.json",
        source=Source("a data set", "a licence", "original"),
        generator=Generator("0.1", "abc", 3, "ddim", 10, 2.5),
        weight=Weight(0.1, 0.5, 0.2),
        quality={"skate": 0.1},
        trans_std=np.ones((persons, frames, 3), np.float32),
    )


def test_round_trip(tmp_path: Path) -> None:
    clip = make_clip()
    path = save_clip(clip, tmp_path / "new" / "folder")
    for spelling in (path, path.with_suffix(".npz"), path.with_suffix("")):
        loaded = load_clip(spelling)
        for field in dataclasses.fields(clip):
            np.testing.assert_equal(getattr(loaded, field.name), getattr(clip, field.name))
    assert list_clips(path.parent) == [path]
    assert sorted(p.name for p in path.parent.iterdir()) == ["take_1.json", "take_1.npz"]


def test_duration() -> None:
    clip = make_clip(frames=50)
    assert (clip.num_persons, clip.num_frames, clip.seconds) == (2, 50, 2.5)


def _nan(clip: Clip) -> None:
    clip.poses[1, 4, 3] = np.nan


def _label(clip: Clip) -> None:
    clip.frame_label[0, 0] = 16


def _setter(name: str, value: object) -> Callable[[Clip], None]:
    return lambda clip: setattr(clip, name, value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_nan, r"'take_1'.*`poses`.*finite.*frame 4"),
        (_label, r"`frame_label`.*16"),
        (_setter("fps", 0.0), r"`fps`.*positive"),
        (_setter("persons", [PersonInfo()]), r"`persons`.*2 persons.*1 entries"),
        (_setter("persons", [PersonInfo(sex="m")] * 2), r"`persons.sex`"),
        (_setter("events", [Event(2, "fall", 0.0, 0.1)]), r"`events.person`.*0 to 1, but got 2"),
        (_setter("events", [Event(0, "tumble", 0.0, 0.1)]), r"`events.label`.*tumble"),
        (_setter("events", [Event(0, "fall", 0.0, 9.0)]), r"`events`.*0.350"),
        (_setter("events", [Event(0, "fall", 0.0, 0.1, ward_event="party")]), r"ward_event.*party"),
    ],
)
def test_invalid_clips_are_refused(damage: Callable[[Clip], None], message: str, tmp_path: Path) -> None:
    clip = make_clip()
    damage(clip)
    with pytest.raises(UserError, match=message):
        save_clip(clip, tmp_path)
    assert not list(tmp_path.iterdir())


def test_frames_that_are_not_valid_may_hold_nan() -> None:
    clip = make_clip()
    _nan(clip)
    clip.valid[1, 4] = False
    assert validate_clip(clip) is clip


def test_truncated_npz(tmp_path: Path) -> None:
    path = save_clip(make_clip(), tmp_path).with_suffix(".npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"take_1\.npz.*truncated"):
        load_clip(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "JSON"), ("[]", "schema 1"), ('{"schema": 99}', "schema 1.*99"), ('{"schema": 1, "id": "x"}', "fps")],
)
def test_damaged_json(tmp_path: Path, text: str, message: str) -> None:
    path = save_clip(make_clip(), tmp_path)
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_clip(path)


def test_unknown_fields_are_refused(tmp_path: Path) -> None:
    path = save_clip(make_clip(), tmp_path)
    header = json.loads(path.read_text())
    header["events"][0]["sound"] = "thud"
    path.write_text(json.dumps(header))
    with pytest.raises(UserError, match="sound"):
        load_clip(path)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_clip(tmp_path / "nothing")
    with pytest.raises(UserError, match="does not exist"):
        list_clips(tmp_path / "nothing")
    with pytest.raises(UserError, match="found none"):
        list_clips(tmp_path)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="Choose a folder"):
        save_clip(make_clip(), tmp_path / "out")


def test_ward_events_run_through_known_labels() -> None:
    assert len(OMNIFALL16) == 16
    assert {label for labels in WARD_EVENTS.values() for label in labels} <= set(OMNIFALL16)
