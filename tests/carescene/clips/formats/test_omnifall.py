"""OmniFall's csv: segments and frame labels say the same, foreign columns survive, damage is told with its line."""

import csv
from pathlib import Path

import numpy as np
import pytest

from carescene.clips.formats import (
    LabelledSegment,
    frame_labels_of,
    label_segments,
    read_omnifall,
    read_split_list,
    write_omnifall,
    write_split_list,
)
from carescene.errors import UserError


@pytest.mark.parametrize("fps", [1.0, 7.5, 20.0, 30.0])
def test_segments_and_frame_labels_say_the_same(tmp_path: Path, fps: float) -> None:
    labels = np.array([-1, -1, 8, 8, 1, 2, 2, 2, -1, 8, 0, 0, 15], np.int8)
    segments = label_segments(labels, fps, "clips/a", subject=3, cam=1, dataset="carescene")
    assert [segment.label for segment in segments] == [8, 1, 2, 8, 0, 15]
    assert segments[0].start == 2 / fps and segments[0].end == segments[1].start == 4 / fps
    assert segments[-1].end == len(labels) / fps
    write_omnifall(tmp_path / "a.csv", segments)
    back = read_omnifall(tmp_path / "a.csv")
    np.testing.assert_array_equal(frame_labels_of(back, np.arange(13) / fps, fps), labels)
    assert {(row.path, row.subject, row.cam, row.dataset) for row in back} == {("clips/a", 3, 1, "carescene")}


def test_the_columns_are_omnifalls(tmp_path: Path) -> None:
    write_omnifall(tmp_path / "a.csv", [LabelledSegment("x", 1, 0.5, 1 / 3 + 1)])
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["path", "label", "start", "end", "subject", "cam", "dataset"],
        ["x", "1", "0.5", "1.333333", "-1", "-1", ""],
    ]


def test_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "syn.csv").write_text(
        'age_group,path,label,start,end,subject,cam,dataset\nelderly_65_plus,"fall/one, two",1,0,2.5,-1,-1,of-syn\n'
        "toddlers_1_4,b,9,0.0,5.0,,,\n"
    )
    rows = read_omnifall(tmp_path / "syn.csv")
    assert rows[0] == LabelledSegment("fall/one, two", 1, 0.0, 2.5, -1, -1, "of-syn", {"age_group": "elderly_65_plus"})
    assert (rows[1].subject, rows[1].cam, rows[1].dataset) == (-1, -1, "")
    write_omnifall(tmp_path / "again.csv", rows)
    assert read_omnifall(tmp_path / "again.csv") == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,start\n", "no end"),
        ("", "no path, label, start, end"),
        ("path,label,start,end\na,fall,0,1\n", "line 2.*fall"),
        ("path,label,start,end\na,1,0,1\na,16,0,1\n", "line 3.*got 16"),
        ("path,label,start,end\na,1,2,1\n", "line 2.*2.0 and 1.0"),
        ("path,label,start,end\na,1,nan,1\n", "line 2.*nan"),
        ("path,label,start,end\na,1\n", "line 2"),
    ],
)
def test_damage(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_omnifall(tmp_path / "bad.csv")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_omnifall(tmp_path / "none.csv")


def test_splits(tmp_path: Path) -> None:
    write_split_list(tmp_path / "train.csv", ["a", "b/c"])
    assert (tmp_path / "train.csv").read_text() == "path\na\nb/c\n"
    assert read_split_list(tmp_path / "train.csv") == ["a", "b/c"]
    (tmp_path / "plain.csv").write_text("a\nb\n")
    assert read_split_list(tmp_path / "plain.csv") == ["a", "b"]
