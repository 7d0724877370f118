"""Tail weights: what is drawn has the shares asked for, and its weights bring back what happens in truth."""

import dataclasses

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.situations import parse_situation
from carescene.situations.drawing import check_oversampling, drawn_situation
from carescene.situations.priors import load_priors
from carescene.situations.weights import effective_size, self_normalised, standard_errors

RARE = """
seconds: 6
persons:
  - {role: patient, start: {state: walking}}
events:
  - {label: fall, onset_s: 2.5}
oversample:
  cause: {weight_shift: 0.2, trip: 0.15, bump: 0.05, support_loss: 0.1, collapse: 0.25, slip: 0.25}
  company: {alone: 0.5, with_staff: 0.5}
scene: day_room
count: 256
"""


def draws(situation, count):
    return [drawn_situation(situation, index)[0] for index in range(count)]


def test_published_shares_come_back_within_two_per_cent():
    situation = parse_situation(RARE)
    made = draws(situation, 256)
    weights = np.array([draw.w for draw in made])
    priors = load_priors()
    for name in ("cause", "company"):
        shares = priors.of(name, 6.0).shares
        found = self_normalised([draw.values[name] for draw in made], weights)
        for value, share in found.items():
            assert share == pytest.approx(shares[value], abs=0.02)
    assert 10 < effective_size(weights) < 256


def test_shares_asked_for_are_met_and_weights_are_exact():
    situation = parse_situation(RARE)
    made = draws(situation, 64)
    slips = np.mean([draw.values["cause"] == "slip" for draw in made])
    assert slips == pytest.approx(0.25, abs=0.04)
    draw = next(d for d in made if d.values["cause"] == "slip" and d.values["company"] == "alone")
    assert draw.q == pytest.approx(0.25 * 0.5)
    assert draw.p == pytest.approx(0.03 * 0.88)
    assert draw.w == pytest.approx(draw.p / draw.q)


def test_a_draw_does_not_depend_on_the_number_of_clips():
    situation = parse_situation(RARE)
    more = dataclasses.replace(situation, count=1000)
    assert [d.values for d in draws(situation, 16)] == [d.values for d in draws(more, 16)]
    other = dataclasses.replace(situation, seed=1)
    assert [d.values for d in draws(situation, 16)] != [d.values for d in draws(other, 16)]


def test_a_drawn_situation_says_what_was_drawn():
    situation = parse_situation(RARE)
    for index in range(16):
        draw, own = drawn_situation(situation, index)
        assert own.events[0].cause == draw.values["cause"]
        assert own.events[0].ward_event == f"fall_{draw.values['cause']}"
        assert len(own.people) == (1 if draw.values["company"] == "alone" else 2)


def test_events_are_weighted_by_their_rates():
    situation = parse_situation(
        "seconds: 6\npersons: [{start: {near: bed, state: sitting}}]\n"
        "events: [{ward_event: bed_exit, onset_s: 2}]\nscene: ward_single\n"
        "oversample: {event: {fall: 0.5, bed_exit: 0.3, none: 0.2}}\n"
    )
    for draw in draws(check_oversampling(situation), 32):
        rate = {"fall": 0.00356, "bed_exit": 0.64}.get(draw.values["event"])
        p = 1 - (0.00356 + 0.64) * 6 / 86400 if rate is None else rate * 6 / 86400
        assert draw.p == pytest.approx(p)
    none = next(own for d, own in (drawn_situation(situation, i) for i in range(32)) if d.values["event"] == "none")
    assert none.events == ()


def test_effective_size():
    assert effective_size(np.ones(10)) == pytest.approx(10)
    assert effective_size(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)


def test_all_bundled_priors_add_up():
    for prior in load_priors().attributes.values():
        assert sum(prior.shares.values()) == pytest.approx(1)
        assert prior.source


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("cause:", "couse:", "'cause' is probably meant"),
        ("slip: 0.25", "slipp: 0.25", "'slip' is probably meant"),
        ("company: {alone: 0.5", "activity: {other: 0.5, alone: 0.0", "a value with a prior"),
        ("label: fall, onset_s", "ward_event: walk_free, onset_s", "no fall among the events"),
        ("label: fall", "label: fall, cause: trip", "leave one of them out"),
        ("company:", "event:", "either event or cause"),
    ],
)
def test_what_cannot_be_oversampled_is_refused(was, becomes, words):
    assert was in RARE
    text = RARE.replace(was, becomes)
    if becomes == "event:":
        text = text.replace("{alone: 0.5, with_staff: 0.5}", "{fall: 0.5, none: 0.5}")
    with pytest.raises(UserError, match="line") as refused:
        check_oversampling(parse_situation(text.replace("with_staff: 0.5", "with_staff: 0.5")))
    assert words in str(refused.value)


def test_own_priors(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("attributes:\n  company:\n    shares: {alone: 0.5}\nrates_per_patient_day: {fall: 0.1}\n")
    priors = load_priors(path)
    assert priors.of("company", 6).shares == {"alone": 0.5, "other": 0.5}
    assert priors.of("event", 86400).shares["fall"] == pytest.approx(0.1)
    with pytest.raises(UserError, match=r"company"):
        priors.of("compny", 6)
    path.write_text("attributes:\n  company:\n    shares: {alone: 0.9, with: 0.5}\n")
    with pytest.raises(UserError, match="line 3"):
        load_priors(path)


def test_standard_errors_are_those_of_shares_where_all_weigh_the_same_and_hold_for_weights():
    values = ["slip"] * 30 + ["trip"] * 70
    assert standard_errors(values, np.full(100, 3.0))["slip"] == pytest.approx(np.sqrt(0.3 * 0.7 / 100))
    # Half of the draws are slips, a tenth in truth: the spread over many repetitions is the error told by one.
    rng = np.random.default_rng(0)
    found, told = [], []
    for _ in range(400):
        slips = rng.random(200) < 0.5
        names = ["slip" if slip else "trip" for slip in slips]
        weights = np.where(slips, 0.1 / 0.5, 0.9 / 0.5)
        found.append(self_normalised(names, weights)["slip"])
        told.append(standard_errors(names, weights)["slip"])
    assert np.std(found) == pytest.approx(np.mean(told), rel=0.15)
