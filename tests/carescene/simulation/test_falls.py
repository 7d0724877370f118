"""Whole situations from a plan to a labelled clip, one for each family, on handmade recordings."""

from pathlib import Path

import numpy as np
import pytest

from carescene.clips import OMNIFALL_ID, load_clip, save_clip, validate_clip
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.scenes import scene_from_dict
from carescene.simulation.falls import Simulated, simulate_plan
from carescene.simulation.situations import FAMILIES, ReferenceLibrary, Ticket, load_references
from carescene.simulation.situations.plan import Plan


@pytest.fixture(scope="module")
def library(recordings: Path) -> ReferenceLibrary:
    return load_references(recordings)


def _accepted(family: str, library: ReferenceLibrary) -> tuple[Plan, Simulated]:
    """The first accepted situation of a family; handmade recordings are cruder than real ones."""
    body, reasons = load_body(), []
    for number in range(12):
        rng = Ticket(family, number, 5).chance(0)
        try:
            plan = FAMILIES[family].draw(rng, library)
            done = simulate_plan(plan, library, body, f"{family}-{number}", number)
        except UserError as error:
            reasons.append(str(error))
            continue
        if done.clip is not None:
            return plan, done
        reasons.append(done.reason)
    raise AssertionError(f"no situation of {family} was accepted: {reasons}")


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_clips_say_what_happened(family: str, library: ReferenceLibrary, tmp_path: Path) -> None:
    plan, done = _accepted(family, library)
    clip, outcome = done.clip, done.outcome
    assert clip is not None and outcome is not None
    validate_clip(clip)
    save_clip(clip, tmp_path)
    assert load_clip(tmp_path / f"{clip.id}.json").attributes == clip.attributes
    assert clip.num_frames == round(plan.seconds * 20)
    assert 2 <= len(clip.text) <= 4
    assert clip.source is not None and clip.source.licence == "MIT"
    assert clip.persons[0].age_years == plan.person.age_years
    event = next(event for event in clip.events if event.ward_event == plan.ward_event)
    assert (event.start_s, event.cause, event.direction) == (plan.onset_s, plan.cause, outcome.direction)
    if clip.scene is not None:
        assert isinstance(clip.scene, dict)
        assert len(scene_from_dict(clip.scene).objects) == len(plan.furniture) > 0
    labels, onset = clip.frame_label[0], round(plan.onset_s * 20)
    if plan.recovers:
        assert event.label == "other"
        assert clip.trans[0, -1, 2] > 0.7
        assert OMNIFALL_ID["fall"] not in labels
        assert plan.onset_s < outcome.rest_s < plan.seconds
        return
    assert outcome.onset_s < outcome.descent_s < outcome.impact_s < outcome.rest_s <= plan.seconds
    rest = round(outcome.rest_s * 20)
    assert (labels[onset:rest] == OMNIFALL_ID["fall"]).all()
    assert (labels[rest:] == OMNIFALL_ID["fallen"]).all()
    assert not np.isin(labels[:onset], [OMNIFALL_ID["fall"], OMNIFALL_ID["fallen"]]).any()
    assert clip.trans[0, -1, 2] < 0.4
    assert float(clip.attributes["impact_s"]) == pytest.approx(outcome.impact_s)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bump", "fall_out_of_bed"])
def test_the_direction_is_where_the_body_goes(family: str, library: ReferenceLibrary) -> None:
    _, done = _accepted(family, library)
    assert done.clip is not None and done.outcome is not None
    trans = done.clip.trans[0]
    # The person faced +y at the onset; lying on the back with the feet towards +y, left is -x as well.
    moved = trans[round(done.outcome.impact_s * 20)] - trans[round(done.outcome.onset_s * 20)]
    ways = {"forward": moved[1], "backward": -moved[1], "left": -moved[0], "right": moved[0]}
    assert done.outcome.direction == "down" or ways[done.outcome.direction] > 0.05


@pytest.mark.slow
def test_the_same_plan_falls_the_same_way(library: ReferenceLibrary) -> None:
    plan = FAMILIES["collapse"].draw(Ticket("collapse", 2, 5).chance(0), library)
    first, second = (simulate_plan(plan, library, load_body(), "twice", 3) for _ in range(2))
    assert first.motion is not None and second.motion is not None
    np.testing.assert_array_equal(first.motion.poses, second.motion.poses)
    np.testing.assert_array_equal(first.motion.trans, second.motion.trans)
