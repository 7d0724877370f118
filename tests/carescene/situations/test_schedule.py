"""The course of a stream: rates, order, and ways back to rest."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.situations import StreamRequest, facts_of, parse_situation
from carescene.situations.schedule import make_schedule, stream_labels

NIGHT = """
persons:
  - {role: patient, start: {near: bed, state: lying}}
scene: ward_single
stream: {minutes: 600, rates: {in_bed_turning: 6, bed_exit: 2, fall_out_of_bed: 0.5}}
"""


def test_events_follow_each_other_possibly():
    steps = make_schedule(parse_situation(NIGHT))
    state, free = "lying", 0.0
    for step in steps:
        assert step.at_s >= free
        assert step.before == state
        starts = facts_of(step.ward_event, None).starts
        assert state in starts or (step.ward_event == "rise_alone" and state == "fallen")
        state, free = step.after, step.until_s
    assert state == "lying"


def test_rates_are_those_asked_for():
    situation = parse_situation(NIGHT)
    counts = []
    for seed in range(8):
        steps = make_schedule(dataclasses.replace(situation, seed=seed))
        counts.append([sum(s.asked and s.ward_event == name for s in steps) for name in situation.stream.rates])
    # Ten hours and eight nights: 480, 160 and 40 expected; four standard deviations of a Poisson count.
    for found, expected in zip(np.sum(counts, axis=0), (480, 160, 40), strict=True):
        assert abs(found - expected) < 4 * expected**0.5


def test_labels_cover_the_stream_in_order():
    situation = parse_situation(NIGHT)
    spans = stream_labels(situation, make_schedule(situation))
    assert spans[0].from_s == 0.0
    assert spans[-1].to_s == 36000.0
    for one, other in pairwise(spans):
        assert one.from_s < one.to_s <= other.from_s + 1e-9


def test_a_stream_without_rates_is_quiet():
    situation = dataclasses.replace(parse_situation(NIGHT), stream=StreamRequest(10))
    assert make_schedule(situation) == []


@pytest.mark.parametrize("rate", ["bed_exit_assisted: 1", "walk_free: 1", "chair_rise: 1"])
def test_events_that_cannot_be_in_a_stream(rate):
    with pytest.raises(UserError, match="line 5"):
        make_schedule(parse_situation(NIGHT.replace("bed_exit: 2", rate)))
