"""Lists of videos: what is written, what foreign lists look like, and what no list can hold."""

from pathlib import Path

import pytest

from carescene.clips import OMNIFALL16
from carescene.clips.formats import (
    ListedVideo,
    kinetics_path,
    read_kinetics,
    read_video_list,
    write_kinetics_lists,
)
from carescene.errors import UserError


def test_lists_round_trip_and_name_their_classes(tmp_path: Path) -> None:
    videos = {
        "train": [ListedVideo("train/fall/a.mp4", 1), ListedVideo("train/walk/b.mp4", 0)],
        "test": [ListedVideo("test/jump/c.mp4", 15)],
    }
    write_kinetics_lists(tmp_path, videos)
    assert (tmp_path / "train.csv").read_text() == "train/fall/a.mp4 1\ntrain/walk/b.mp4 0\n"
    assert read_video_list(tmp_path / "train.csv") == videos["train"]
    assert read_video_list(tmp_path / "val.csv") == []
    classes = (tmp_path / "classes.txt").read_text().splitlines()
    for video in (*videos["train"], *videos["test"]):
        assert classes[video.label] == video.path.split("/")[1]


def test_foreign_lists(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("some where/a.mp4 3\nb.mp4,12\n\nc.mp4 -1\n")
    assert read_video_list(path) == [
        ListedVideo("some where/a.mp4", 3),
        ListedVideo("b.mp4", 12),
        ListedVideo("c.mp4", -1),
    ]
    path.write_text("a.mp4 3\nb.mp4 fall\n")
    with pytest.raises(UserError, match=r"line 2.*fall"):
        read_video_list(path)
    path.write_text("3\n")
    with pytest.raises(UserError, match="line 1"):
        read_video_list(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_video_list(tmp_path / "none.csv")


def test_where_a_video_belongs() -> None:
    assert [str(kinetics_path("val", label, "x")) for label in (1, 15)] == ["val/fall/x.mp4", "val/jump/x.mp4"]
    with pytest.raises(UserError, match="white space"):
        kinetics_path("val", 1, "my clip")
    for label in (-1, len(OMNIFALL16)):
        with pytest.raises(UserError, match="a class from 0 to 15"):
            kinetics_path("val", label, "x")


def test_folders_are_read(tmp_path: Path) -> None:
    for name in (
        "train/fall/b.mp4",
        "train/fall/a.mp4",
        "val/walk/c.mp4",
        "train/fall/.d.part.mp4",
        "train/fall/e.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = read_kinetics(tmp_path)
    assert found["train"] == [(tmp_path / "train/fall/a.mp4", "fall"), (tmp_path / "train/fall/b.mp4", "fall")]
    assert found["val"] == [(tmp_path / "val/walk/c.mp4", "walk")] and found["test"] == []
    with pytest.raises(UserError, match="Expected videos"):
        read_kinetics(tmp_path / "train")
