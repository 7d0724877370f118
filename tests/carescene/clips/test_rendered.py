"""Rendered items: what is written can be read, and what is not complete is not an item."""

import json
from pathlib import Path

import numpy as np
import pytest

from carescene.clips import OMNIFALL_ID, Event, PersonInfo, Source
from carescene.clips.rendered import (
    CARD_NAME,
    Card,
    FilmLabels,
    item_name,
    label_name,
    list_items,
    load_card,
    load_item,
    main_label,
    save_card,
    save_labels,
)
from carescene.errors import UserError


def labels(persons: int = 2, frames: int = 4) -> FilmLabels:
    rng = np.random.default_rng(0)
    box = rng.normal(size=(persons, frames, 4)).astype(np.float32)
    box[0, 0] = np.nan
    return FilmLabels(
        times=np.arange(frames) / 15,
        frame_label=rng.integers(-1, 16, (persons, frames)).astype(np.int8),
        box=box,
        keypoints=rng.normal(size=(persons, frames, 17, 3)).astype(np.float32),
        joints=rng.normal(size=(persons, frames, 24, 3)).astype(np.float32),
        visible_fraction=rng.random((persons, frames)).astype(np.float32),
        valid=rng.random((persons, frames)) > 0.5,
    )


def card(folder: Path, **changes: object) -> Card:
    fields = {
        "id": folder.name,
        "clip": "walk",
        "seed": 3,
        "version": "0",
        "scene": {"id": "room", "preset": "corridor"},
        "camera": {"name": "wall", "K": np.eye(3).tolist()},
        "fps": 15.0,
        "frames": 4,
        "light": "day",
        "sensor": {},
        "modalities": {"rgb": "rgb.mp4"},
        "persons": [PersonInfo(role="patient", age_years=81.0), PersonInfo()],
        "events": [Event(0, "fall", 0.1, 0.2, cause="slip")],
        "source": Source("synthetic", "CC0", "7"),
    }
    return Card(**(fields | changes))


def write_item(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "rgb.mp4").write_bytes(b"film")
    (folder / "scene.json").write_text("{}")
    save_labels(labels(), folder)
    save_card(card(folder), folder)
    return folder


def test_round_trip(tmp_path: Path) -> None:
    folder = write_item(tmp_path / "walk.wall")
    item = load_item(folder)
    assert item.card == card(folder) and item.id == "walk.wall"
    for name, array in vars(labels()).items():
        np.testing.assert_array_equal(getattr(item.labels, name), array)
        assert getattr(item.labels, name).dtype == array.dtype
    assert item.file("rgb").read_bytes() == b"film"
    with pytest.raises(UserError, match="to hold depth, but it holds rgb"):
        item.file("depth")


def test_only_folders_with_a_card_are_items(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        list_items(tmp_path / "nowhere")
    with pytest.raises(UserError, match="found none"):
        list_items(tmp_path)
    done = write_item(tmp_path / "b")
    first = write_item(tmp_path / "a.wall")
    (write_item(tmp_path / "c") / CARD_NAME).unlink()
    write_item(tmp_path / ".hidden")
    assert list_items(tmp_path) == [first, done]
    assert list_items(done) == [done]
    with pytest.raises(UserError, match="not finished"):
        load_item(tmp_path / "c")


def test_a_card_is_refused_before_its_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rgb\.mp4"):
        save_card(card(tmp_path), tmp_path)
    assert not (tmp_path / CARD_NAME).exists()


def test_damaged_items_are_refused(tmp_path: Path) -> None:
    folder = write_item(tmp_path / "x")
    whole = (folder / "labels.npz").read_bytes()
    (folder / "labels.npz").write_bytes(whole[:200])
    with pytest.raises(UserError, match="npz"):
        load_item(folder)
    (folder / "labels.npz").write_bytes(whole)
    fields = json.loads((folder / CARD_NAME).read_text())
    for wrong, match in [
        ("{", "JSON"),
        (json.dumps(fields | {"schema": 99}), "got 99"),
        (json.dumps(fields | {"more": 1}), "fields of a card"),
        ("[]", "schema 1"),
    ]:
        (folder / CARD_NAME).write_text(wrong)
        with pytest.raises(UserError, match=match):
            load_card(folder)
    (folder / CARD_NAME).write_text(json.dumps(fields))
    (folder / "rgb.mp4").unlink()
    with pytest.raises(UserError, match=r"rgb\.mp4"):
        load_item(folder)


def test_labels_must_fit_together(tmp_path: Path) -> None:
    folder = write_item(tmp_path / "x")
    wrong = vars(labels()) | {"box": np.zeros((2, 3, 4), np.float32)}
    np.savez(folder / "labels.npz", **wrong)
    with pytest.raises(UserError, match=r"box of shape \(2, 4, 4\)"):
        load_item(folder)


def named(*runs: tuple[str | None, int]) -> np.ndarray:
    ids = [-1 if name is None else OMNIFALL_ID[name] for name, count in runs for _ in range(count)]
    return np.array(ids, dtype=np.int8)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([("walk", 50), ("fall", 1), ("fallen", 40)], "fall"),
        ([("lying", 50), ("fallen", 2)], "fallen"),
        ([("standing", 30), ("sit_down", 10), ("sitting", 40)], "sit_down"),
        ([("standing", 96), ("sit_down", 4)], "standing"),
        ([("sitting", 20), ("stand_up", 10), ("sit_down", 12)], "sit_down"),
        ([(None, 90), ("walk", 5), ("standing", 3)], "walk"),
        ([("walk", 5), ("standing", 5)], "walk"),
        ([(None, 4)], "unknown"),
    ],
)
def test_main_label(runs: list[tuple[str | None, int]], expected: str) -> None:
    assert label_name(main_label(named(*runs)[None])) == expected


def test_main_label_counts_only_what_is_seen() -> None:
    both = np.stack([named(("fall", 10)), named(("walk", 10))])
    seen = np.array([[False] * 10, [True] * 10])
    assert label_name(main_label(both)) == "fall"
    assert label_name(main_label(both, seen)) == "walk"
    assert label_name(main_label(both, np.zeros_like(seen))) == "unknown"


def test_item_names() -> None:
    assert item_name("a", "wall") == "a.wall"
    assert item_name("a", "wall", 2) == "a.wall.v2"
