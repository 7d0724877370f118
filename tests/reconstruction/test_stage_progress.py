"""The bar over all stages."""

import pytest

from reconstruction.stage_progress import StageProgress


def test_stages_fill_the_bar_as_far_as_they_were_guessed(capsys: pytest.CaptureFixture[str]):
    bar = StageProgress({"short": 1.0, "long": 9.0})
    with bar.stage("short") as report:
        report(0.5)
    with bar.stage("long"):
        pass
    bar.close()
    text = capsys.readouterr().err
    assert "short" in text and " 10%" in text and "100%" in text and "left" in text
    assert list(bar.seconds) == ["short", "long"]
    assert all(seconds >= 0 for seconds in bar.seconds.values())


def test_what_is_skipped_or_guessed_anew_changes_the_rest(capsys: pytest.CaptureFixture[str]):
    bar = StageProgress({"kept": 8.0, "first": 1.0, "second": 1.0})
    bar.skip("kept")
    with bar.stage("first"):
        pass
    assert " 50%" in capsys.readouterr().err
    bar.guess(second=3.0, kept=5.0)
    with bar.stage("second") as report:
        report(0.0)
        assert " 25%" in capsys.readouterr().err
    bar.close()
    assert "kept" not in bar.seconds


def test_a_stage_that_fails_leaves_no_time(capsys: pytest.CaptureFixture[str]):
    bar = StageProgress({"broken": 1.0}, show=False)
    with pytest.raises(ValueError, match="broken"), bar.stage("broken"):
        raise ValueError("broken")
    bar.close()
    assert bar.seconds == {} and capsys.readouterr().err == ""


def test_stages_that_come_again_or_were_not_guessed_do_not_overfill_the_bar(capsys: pytest.CaptureFixture[str]):
    bar = StageProgress({"room": 1.0, "kept": 1.0, "film": 2.0})
    bar.skip("kept")
    for name in ("room", "room", "kept", "other"):
        with bar.stage(name):
            pass
    assert " 33%" in capsys.readouterr().err
    with bar.stage("film"):
        pass
    bar.close()
    assert "100%" in capsys.readouterr().err
    assert list(bar.seconds) == ["room", "kept", "other", "film"]
