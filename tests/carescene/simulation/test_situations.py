"""Samplers of situations: the same under a seed, valid, in the right order, of the right people."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from carescene.clips.taxonomy import WARD_EVENTS
from carescene.errors import UserError
from carescene.humans.anthropometry import body_from
from carescene.simulation.events import Settle, check_events
from carescene.simulation.situations import FAMILIES, ReferenceLibrary, draw_person, load_references, tickets
from carescene.simulation.situations.catalogue import Ticket
from carescene.simulation.situations.gait import find_steps, joint_positions
from carescene.simulation.situations.people import draw_reaction
from carescene.simulation.situations.plan import (
    HEADINGS,
    Imitation,
    Plan,
    heading,
    impulse_force,
    recorded_moments,
)


@pytest.fixture(scope="module")
def library(recordings: Path) -> ReferenceLibrary:
    return load_references(recordings)


def _draw(family: str, library: ReferenceLibrary, number: int) -> Plan:
    return FAMILIES[family].draw(Ticket(family, number, 3).chance(0), library)


@pytest.mark.parametrize("family", FAMILIES)
def test_plans_repeat_under_a_seed_and_differ_between_numbers(family: str, library: ReferenceLibrary) -> None:
    first, again, other = (_draw(family, library, number) for number in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("family", FAMILIES)
def test_plans_are_valid(family: str, library: ReferenceLibrary) -> None:
    for number in range(12):
        plan = _draw(family, library, number)
        assert plan.family == family
        assert plan.ward_event in WARD_EVENTS
        assert plan.direction in HEADINGS
        assert plan.split in ("train", "val", "test")
        # The recording is of the plan's own split, so that nothing is seen on two sides.
        assert library.references[plan.imitation.reference].split == plan.split
        assert 0.5 < plan.onset_s < plan.onset_s + plan.loss_s < plan.seconds
        assert 4.0 <= plan.seconds <= 9.5
        assert plan.seconds * 20 == pytest.approx(round(plan.seconds * 20))
        starts = [e.not_before_s if isinstance(e, Settle) else e.time_s for e in plan.events]
        assert starts == sorted(starts)
        assert min(starts) >= plan.onset_s
        things = tuple(f"{piece.kind}-{n}" for n, piece in enumerate(plan.furniture, start=1))
        check_events(list(plan.events), things)
        assert plan.recovers == plan.ward_event.endswith("_recover")


@pytest.mark.parametrize("family", ["fall_out_of_bed", "grab_recover", "trip", "slip", "support_loss"])
def test_sided_families_name_a_side(family: str, library: ReferenceLibrary) -> None:
    sides = {_draw(family, library, number).side for number in range(16)}
    assert sides == {"left", "right"}


def test_tickets_grow_at_the_end_and_follow_the_shares() -> None:
    short, long = tickets(50, 7), tickets(1000, 7)
    assert long[:50] == short
    made = {name: sum(ticket.family == name for ticket in long) for name in FAMILIES}
    total = sum(family.share for family in FAMILIES.values())
    for name, family in FAMILIES.items():
        assert made[name] == pytest.approx(1000 * family.share / total, abs=1.0)


def test_a_ticket_is_the_same_whatever_else_is_made() -> None:
    everything, alone = tickets(200, 7), tickets(10, 7, ["slip"])
    assert [ticket for ticket in everything if ticket.family == "slip"][:10] == alone
    assert alone[0].chance(0).random() == everything[everything.index(alone[0])].chance(0).random()
    assert alone[0].chance(0).random() != alone[0].chance(1).random()


@pytest.mark.parametrize(
    ("count", "seed", "families", "said"),
    [
        (0, 1, ["trip"], "at least 1 clip, but got 0"),
        (5, -1, ["trip"], "seed from 0"),
        (5, 1, ["trip", "levitation"], "but got levitation"),
        (5, 1, [], "but got none"),
    ],
)
def test_impossible_wishes_are_refused(count: int, seed: int, families: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        tickets(count, seed, families)


def test_people_are_mostly_old_and_have_bodies() -> None:
    rng = np.random.default_rng(5)
    people = [draw_person(rng) for _ in range(400)]
    ages = np.array([person.age_years for person in people])
    assert ages.min() >= 20 and ages.max() <= 95
    assert 0.66 < (ages >= 65).mean() < 0.82
    women = np.array([person.sex == "female" for person in people])
    heights = np.array([person.height_m for person in people])
    assert 0.48 < women.mean() < 0.64
    assert 0.08 < heights[~women].mean() - heights[women].mean() < 0.20
    for person in people[:20]:
        betas = body_from(
            age_years=person.age_years, height_m=person.height_m, weight_kg=person.weight_kg, sex=person.sex
        )
        assert bool(betas.isfinite().all())


def test_the_frail_answer_less() -> None:
    rng = np.random.default_rng(6)
    people = [draw_person(rng) for _ in range(600)]
    reactions = [(person.frailty, draw_reaction(rng, person)) for person in people]
    frail = [reaction.arms for frailty, reaction in reactions if frailty > 0.8]
    strong = [reaction.arms for frailty, reaction in reactions if frailty < 0.4]
    assert np.mean(frail) < np.mean(strong) - 0.1


def test_steps_of_a_walk_are_found_alternately(library: ReferenceLibrary) -> None:
    recording = library.recording("walk-train")
    steps = find_steps(joint_positions(recording), recording.fps)
    # One swing of each foot a second, over six seconds.
    assert 9 <= len(steps) <= 13
    sides = [step.side for step in steps]
    assert all(one != other for one, other in pairwise(sides))
    assert all(step.down_s > step.swing_s for step in steps)


def test_mirrored_recordings_step_with_the_other_foot(library: ReferenceLibrary) -> None:
    plain, mirrored = (
        find_steps(joint_positions(recording), recording.fps)
        for recording in (library.recording("walk-train", flip) for flip in (False, True))
    )
    other = {"left": "right", "right": "left"}
    assert [step.side for step in mirrored] == [other[step.side] for step in plain]


def test_recordings_fade_to_a_stop_after_the_onset() -> None:
    at = np.array([0.0, 1.0, 2.0, 30.0])
    going = recorded_moments(Imitation("walk", False, 3.0, stretch=2.0), 2.0, at)
    assert going == pytest.approx([2.0, 2.5, 3.0, 17.0])
    fading = recorded_moments(Imitation("walk", False, 3.0, stretch=2.0, fade_s=0.4), 2.0, at)
    # At the onset the speed goes on smoothly; in the end 0.4 s of the clip have been played, at half speed.
    assert fading == pytest.approx([2.0, 2.5, 3.0, 3.2])
    assert recorded_moments(Imitation("walk", False, 3.0, hold=True), 2.0, at) == pytest.approx([3.0] * 4)


def test_headings_point_where_they_say() -> None:
    rng = np.random.default_rng(1)
    for name, (x, y) in HEADINGS.items():
        vector = np.array(heading(rng, name, 0.1))
        assert np.linalg.norm(vector) == pytest.approx(0.0 if name == "down" else 1.0)
        assert name == "down" or float(vector @ [x, y]) > 0.9


def test_a_push_changes_the_speed_it_says() -> None:
    person = draw_person(np.random.default_rng(2))
    peak, seconds = impulse_force(person, 0.8, 0.25), 0.25
    time = np.linspace(0.0, seconds, 2001)
    impulse = np.trapz(peak * np.sin(np.pi * time / seconds), time)
    assert impulse / person.weight_kg == pytest.approx(0.8, rel=1e-4)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lightning prepare mocap"):
        load_references(tmp_path)
