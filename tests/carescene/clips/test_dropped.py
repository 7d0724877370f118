"""Damaged items are refused or counted by name; items that a rule leaves out never stop anything."""

import json
from pathlib import Path

import pytest

from carescene.clips.dropped import DropReport
from carescene.errors import UserError


def test_refusing_raises_the_precise_error_at_once() -> None:
    report = DropReport("clips", "refuse")
    with pytest.raises(UserError, match="Expected a text at 'annots/7"):
        report.damaged("7", "missing text", UserError("Expected a text at 'annots/7.txt', but there is none."))
    assert report.left_out == 0


def test_skipping_counts_and_names_every_item(tmp_path: Path) -> None:
    report = DropReport("clips", "skip")
    report.keep(90)
    for number in range(7):
        report.damaged(f"a{number}", "missing text", UserError(f"no text for a{number}"))
    report.damaged("b", "NaN", UserError("NaN in b"))
    assert report.counts == {"missing text": 7, "NaN": 1}
    assert report.summary() == ("90 clips used, 8 left out: 7 missing text (a0, a1, a2, a3, a4 and 2 more); 1 NaN (b)")
    assert report.reasons["a6"] == "no text for a6"
    report.write(tmp_path / "dropped.json")
    written = json.loads((tmp_path / "dropped.json").read_text())
    assert written["damaged"]["NaN"] == {"b": "NaN in b"}
    assert (written["used"], written["left_out"]) == (90, 8)


@pytest.mark.parametrize("on_bad", ["refuse", "skip"])
def test_what_a_rule_leaves_out_is_no_mistake(on_bad: str) -> None:
    report = DropReport("clips", on_bad)  # type: ignore[arg-type]
    report.leave_out("short", "shorter than 15 frames")
    assert report.counts == {"shorter than 15 frames": 1}
    assert report.reasons == {}
    assert "1 shorter than 15 frames (short)" in report.summary()


def test_nothing_left_out() -> None:
    report = DropReport("clips")
    report.keep()
    assert report.summary() == "1 clips used, none left out"


def test_there_is_no_third_way() -> None:
    with pytest.raises(Exception, match=r"refuse or skip|on_bad"):
        DropReport("clips", "silent")  # type: ignore[arg-type]
