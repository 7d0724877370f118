"""Frame labels that are planned: all phases, in order, from the first frame to the last."""

from itertools import pairwise

import pytest

from carescene.clips.taxonomy import WARD_EVENTS
from carescene.situations import EVENT_FACTS, parse_situation
from carescene.situations.label_plan import LabelSpan, event_spans, label_spans


def spans_of(name: str, state: str, seconds: float = 10.0, more: str = "") -> list[LabelSpan]:
    text = f"""
seconds: {seconds}
persons:
  - {{role: patient, start: {{state: {state}}}}}
  - {{role: staff}}
events:
  - {{person: 0, ward_event: {name}, onset_s: 2.0{more}}}
scene: ward_single
"""
    return label_spans(parse_situation(text), 0, state)


def course(spans: list[LabelSpan]) -> list[str]:
    return [span.label for span in spans]


@pytest.mark.parametrize("name", list(EVENT_FACTS))
def test_every_frame_of_an_event_has_a_label(name):
    facts = EVENT_FACTS[name]
    spans = spans_of(name, facts.starts[0])
    assert spans[0].from_s == 0.0
    assert spans[-1].to_s == 10.0
    assert all(before.to_s == pytest.approx(after.from_s) for before, after in pairwise(spans))
    assert all(span.to_s > span.from_s for span in spans)
    begun = [span for span in spans if span.from_s >= 2.0 - 1e-9]
    assert course(begun) == [label for label, _ in facts.phases][: len(begun)]
    # What the taxonomy says that the event runs through is there.
    assert set(WARD_EVENTS[name]) - {"standing", "walk"} <= set(course(spans)), name


def test_phases_take_the_time_that_people_take_and_hurry_where_the_clip_is_short():
    usual = sum(seconds for _, seconds in EVENT_FACTS["bed_exit"].phases[:-1])
    event = parse_situation(
        "persons: [{role: patient}]\nevents: [{ward_event: bed_exit, onset_s: 1}]\nscene: ward_single"
    )
    easy = event_spans(event.events[0], "lying", 10.0)
    assert easy[-1].from_s == pytest.approx(1.0 + usual)
    short = event_spans(event.events[0], "lying", 7.0)
    assert short[-1].from_s == pytest.approx(6.6)
    assert course(short) == course(easy)
    # Nobody is faster than six tenths of the usual time: the event goes on past the end.
    cut = event_spans(event.events[0], "lying", 4.0)
    assert cut[1].from_s == pytest.approx(1.0 + 0.6 * 4.0)


def test_a_fall_takes_its_time_and_an_end_that_is_asked_for_is_kept():
    fall = spans_of("fall_trip", "walking", 3.0)
    assert course(fall) == ["walk", "fall"]
    ended = spans_of("fall_trip", "walking", 6.0, ", end_s: 3.0")
    assert [(span.label, span.from_s) for span in ended] == [("walk", 0.0), ("fall", 2.0), ("fallen", 3.0)]


@pytest.mark.parametrize(
    ("name", "state", "labels"),
    [
        ("bed_exit", "sitting", ["sitting", "stand_up", "standing"]),
        ("bed_entry", "sitting", ["sitting", "lie_down", "lying"]),
        ("tie_shoes", "sitting", ["sitting", "sitting"]),
        ("floor_exercise", "fallen", ["lying", "other", "lying"]),
        ("fall_missed_seat", "standing", ["standing", "sit_down", "fall", "fallen"]),
        ("fall_weight_shift", "lying", ["lying", "stand_up", "sitting", "stand_up", "standing", "fall", "fallen"]),
        ("fall_out_of_bed", "lying", ["lying", "fall", "fallen"]),
    ],
)
def test_the_course_follows_from_the_start(name, state, labels):
    assert course(spans_of(name, state)) == labels


def test_states_without_a_time_last_and_people_to_whom_nothing_happens_rest():
    still = parse_situation("persons: [{role: patient}]\nevents: [{ward_event: in_bed_still}]\nscene: ward_single")
    assert label_spans(still, 0, "lying") == [LabelSpan("lying", 0.0, 6.0)]
    rest = parse_situation("persons: [{role: patient, start: {near: bed, state: lying}}]\nscene: ward_single")
    assert label_spans(rest, 0, "lying") == [LabelSpan("lying", 0.0, 6.0)]
    assert label_spans(rest, 0, "walking") == []
