"""Captions of simulated falls: different, repeatable, true to what happened."""

import pytest

from carescene.simulation.fall_captions import Story, fall_captions


def _story(**changes: str | float | None) -> Story:
    facts: dict[str, str | float | None] = {
        "age_years": 84.0,
        "sex": "female",
        "activity": "walking",
        "cause": "trip",
        "ward_event": "fall_trip",
        "direction": "left",
        "side": "right",
        "site": "hand",
        "below": "left",
        "after": "still",
        "furniture": None,
    }
    return Story(**{**facts, **changes})  # type: ignore[arg-type]  # values fit their fields


@pytest.mark.parametrize("seed", range(12))
def test_captions_differ_and_repeat_under_a_seed(seed: int) -> None:
    captions = fall_captions(_story(), seed)
    assert captions == fall_captions(_story(), seed)
    assert 2 <= len(captions) <= 4
    assert len({caption.lower() for caption in captions}) == len(captions)
    assert not any(mark in caption for caption in captions for mark in "[]{}")
    assert all("  " not in caption for caption in captions)


@pytest.mark.parametrize(
    ("direction", "word"), [("left", "left"), ("right", "right"), ("forward", "forward"), ("backward", "backward")]
)
def test_captions_name_the_direction(direction: str, word: str) -> None:
    for seed in range(20):
        story = _story(direction=direction, below="back", site=None)
        assert all(word in caption.lower() for caption in fall_captions(story, seed)[:2])


def test_captions_of_a_trip_can_name_the_foot() -> None:
    said = " ".join(caption for seed in range(40) for caption in fall_captions(_story(direction="forward"), seed))
    assert "right foot" in said
    assert "left foot" not in said


@pytest.mark.parametrize(("age", "words"), [(88.0, ("old", "elderly")), (30.0, ("young",))])
def test_captions_tell_the_age(age: float, words: tuple[str, ...]) -> None:
    said = " ".join(caption for seed in range(20) for caption in fall_captions(_story(age_years=age), seed)).lower()
    assert any(word in said for word in words)
    assert ("young" in said) == (age < 45)


def test_the_sex_decides_the_pronoun() -> None:
    for sex, right, wrong in (("female", " her", " his "), ("male", " his", " her ")):
        said = " ".join(caption for seed in range(40) for caption in fall_captions(_story(sex=sex), seed))
        assert right in said
        assert wrong not in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activity": "sitting", "cause": "slide", "ward_event": "slide_from_wheelchair", "furniture": "wheelchair"},
         ("wheelchair",)),
        ({"activity": "sitting", "cause": "slide", "ward_event": "slide_from_bed_edge", "furniture": "bed"}, ("bed",)),
        ({"activity": "lying", "cause": "roll", "ward_event": "fall_out_of_bed", "furniture": "bed"}, ("bed",)),
        ({"activity": "sitting_down", "cause": "missed_seat", "ward_event": "fall_missed_seat", "furniture": "chair"},
         ("chair", "seat")),
    ],
)  # fmt: skip
def test_captions_name_the_furniture(changes: dict[str, str], words: tuple[str, ...]) -> None:
    for seed in range(20):
        said = " ".join(fall_captions(_story(**changes), seed))
        assert any(word in said for word in words)


@pytest.mark.parametrize("event", ["stumble_recover", "sway_recover", "grab_recover"])
def test_captions_of_near_falls_do_not_end_on_the_floor(event: str) -> None:
    cause = "trip" if event == "stumble_recover" else "weight_shift"
    story = _story(
        ward_event=event, cause=cause, after="none", activity="standing", site=None, below="none", furniture="table"
    )
    for seed in range(30):
        said = " ".join(fall_captions(story, seed)).lower()
        assert "floor" not in said
        assert "lands" not in said
