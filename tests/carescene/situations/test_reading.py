"""Reading situations: what comes out, and that everything wrong is refused in one sentence with its line."""

from pathlib import Path

import pytest

from carescene.errors import UserError
from carescene.situations import (
    EVENT_FACTS,
    EventRequest,
    PersonRequest,
    Situation,
    Start,
    check_situation,
    facts_of,
    load_situation,
    parse_situation,
)

DESIGN = """
seconds: 6
text: an old man gets up from the bed, loses his balance and falls on his left side while a nurse walks in
persons:
  - {role: patient, age_years: 84, sex: male, start: {near: bed, state: lying}}
  - {role: staff, enter: door}
events:
  - {person: 0, label: fall, cause: weight_shift, direction: left, onset_s: 3.0}
scene: ward_two_bed
camera: ceiling_corner
count: 16
seed: 7
"""


def test_the_example_of_the_design_is_read():
    situation = parse_situation(DESIGN, "fall.yaml")
    assert situation.name == "fall"
    assert (situation.seconds, situation.count, situation.seed) == (6.0, 16, 7)
    assert situation.persons[0] == PersonRequest(
        role="patient", age_years=84.0, sex="male", start=Start(near="bed", state="lying")
    )
    assert situation.persons[1].enter == "door"
    assert situation.events == (
        EventRequest(label="fall", ward_event="fall_weight_shift", cause="weight_shift", direction="left", onset_s=3.0),
    )
    assert situation.scene is not None
    assert situation.scene.preset == "ward_two_bed"
    assert situation.lines["events[0].onset_s"] == 8


def test_everything_may_be_left_out():
    situation = parse_situation("text: a person walks")
    assert situation.people == (PersonRequest(),)
    assert situation.scene is None
    assert situation.count == 1


# What is changed in the example -> the line that must be named, and words that must be told.
WRONG = {
    "onset after the end": ("onset_s: 3.0", "onset_s: 9", 8, "0 to 6"),
    "onset at the end": ("onset_s: 3.0", "onset_s: 5.8", 8, "0.5 s before"),
    "end before onset": ("onset_s: 3.0", "onset_s: 3.0, end_s: 2.0", 8, "after the onset"),
    "age 300": ("age_years: 84", "age_years: 300", 5, "18 to 110"),
    "age in words": ("age_years: 84", "age_years: old", 5, "'old'"),
    "not a number": ("seconds: 6", "seconds: .nan", 2, "1 to 10"),
    "misspelt key": ("direction: left", "direktion: left", 8, "'direction' is probably meant"),
    "misspelt top key": ("camera:", "kamera:", 10, "'camera' is probably meant"),
    "misspelt label": ("label: fall", "label: fal", 8, "'fall' is probably meant"),
    "misspelt event": ("label: fall, cause: weight_shift", "ward_event: bed_exitt", 8, "'bed_exit' is probably"),
    "misspelt room": ("scene: ward_two_bed", "scene: ward_two_beds", 9, "'ward_two_bed' is probably meant"),
    "unknown thing": ("near: bed", "near: sofa", 5, "'sofa'"),
    "lying on a chair": ("near: bed", "near: chair", 5, "to be lying on"),
    "side of nothing": ("near: bed, state: lying", "side: left, state: standing", 5, "a side of something"),
    "furniture without a room": ("scene: ward_two_bed", "scene: none", 5, "a room"),
    "starts and enters": ("{role: staff, enter: door}", "{role: staff, enter: door, start: {}}", 6, "both"),
    "enters by the window": ("enter: door", "enter: window", 6, "doors"),
    "enters too late": ("enter: door}", "enter: door, at_s: 5.5}", 6, "before the end"),
    "late but not entering": ("{role: staff, enter: door}", "{role: staff, at_s: 2}", 6, "enter"),
    "nobody there": ("person: 0", "person: 2", 8, "from 0 to 1"),
    "two causes": ("label: fall", "ward_event: fall_slip", 8, "slip"),
    "left and right": ("direction: left", "direction: left, side: right", 8, "that side"),
    "cause of no fall": ("label: fall, cause: weight_shift", "ward_event: bed_exit, cause: trip", 8, "only of falls"),
    "label of another event": ("label: fall, cause", "label: lying, ward_event: fall_trip, cause", 8, "runs through"),
    "nothing happens": ("label: fall, cause: weight_shift, direction: left, ", "", 8, "neither"),
    "negative guidance": ("seed: 7", "guidance: {text: -1}", 12, "from 0"),
    "half a clip": ("count: 16", "count: 1.5", 11, "whole number"),
    "no clip": ("count: 16", "count: 0", 11, "from 1"),
    "negative seed": ("seed: 7", "seed: -1", 12, "from 0"),
    "shares do not add up": ("seed: 7", "oversample: {cause: {slip: 0.5}}", 12, "add up to 1"),
    "path too fast": ("seed: 7", "constraints: {path: [{at_s: 0, x: 0, y: 0}, {at_s: 1, x: 9, y: 0}]}", 12, "m/s"),
    "looks at itself": ("seed: 7", "constraints: {look_at: [{at: 0}]}", 12, "somebody else"),
    "joint of nobody": ("seed: 7", "constraints: {joints: [{at_s: 1, joint: tail, z: 1}]}", 12, "one of pelvis"),
    "file that is not there": ("seed: 7", "priors: mine.yaml", 12, "beside the situation"),
    "same key twice": ("seed: 7", "count: 3", 12, "first on line 11"),
    "broken yaml": ("seed: 7", "seed: [7", 13, "valid YAML"),
    "two in one bed": (
        "{role: staff, enter: door}", "{start: {near: bed-1, state: lying}}\n  - {start: {near: bed-1, state: lying}}",
        7, "one person on",
    ),
    "events of a stream": ("seed: 7", "stream: {minutes: 10}", 7, "rates"),
    "rate of nothing": ("seed: 7", "stream: {minutes: 10, rates: {sneeze: 1}}", 12, "a key out of"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused_with_its_line(case, tmp_path):
    was, becomes, line, words = WRONG[case]
    assert was in DESIGN
    with pytest.raises(UserError) as refused:
        parse_situation(DESIGN.replace(was, becomes), "x.yaml", tmp_path)
    text = str(refused.value)
    assert f"line {line}:" in text
    assert words in text
    assert text.startswith("x.yaml")
    assert text.count(". ") == 0  # one sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty file"),
        ("- a\n- b", "the keys"),
        ("a: 1\n---\nb: 2", "line 2"),
        ("text: &a [*a]", "line 1"),
        ("text: !!python/object:os.system x", "line 1"),
        ("text: '\x00'", "line 1"),
        ("text: [" * 1000, "line 1"),
        ("text: " + "x" * 1001, "at most 1000"),
        ("? [a, b]\n: 1", "a name before the colon"),
        ("persons: [{}, {}, {}, {}, {}]", "at most 4"),
    ],
)
def test_files_that_are_no_situation(text, words):
    with pytest.raises(UserError, match=r"situation\.yaml") as refused:
        parse_situation(text)
    assert words in str(refused.value)


def test_a_short_file_that_stands_for_a_long_one_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(UserError, match="shorten it"):
        parse_situation("\n".join(lines))


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(UserError, match="there is none"):
        load_situation(tmp_path / "no.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="readable text"):
        load_situation(tmp_path / "bad.yaml")


def test_situations_made_in_python_are_checked_too():
    with pytest.raises(UserError, match=r"situation\.yaml: expected an onset"):
        check_situation(Situation(seconds=4, events=(EventRequest(label="fall", onset_s=4.0),)))


def test_every_ward_event_has_its_facts():
    for name, facts in EVENT_FACTS.items():
        assert facts.starts, name
        assert facts.phases[-1][1] > 0, name
        assert facts.is_fall == name.startswith(("fall_", "slide_", "lowered")), name
    assert facts_of(None, "fall").is_fall
    assert facts_of(None, "sit_down").phases[-1][0] == "sitting"


SITUATIONS = sorted((Path(__file__).parents[3] / "configs" / "situations").glob("*.yaml"))


@pytest.mark.parametrize("path", SITUATIONS, ids=lambda path: path.stem)
def test_worked_situations_are_read(path):
    situation = load_situation(path)
    assert situation.name == path.stem
    assert path.read_text().startswith("# ")  # says what it is for


def test_there_are_enough_worked_situations():
    named = {event.ward_event for path in SITUATIONS for event in load_situation(path).events}
    assert len(SITUATIONS) >= 15
    assert len(named - {None}) >= 15
