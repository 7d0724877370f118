"""People without an event have known labels for the whole clip, where somebody else has one."""

from pathlib import Path

import pytest

from carescene.scenes import Scene, default_object
from carescene.scenes.scene import SceneObject
from carescene.situations import load_situation, parse_situation
from carescene.situations.bystanders import with_bystanders
from carescene.situations.plan import plan_situation
from carescene.situations.rooms import room_for

SITUATIONS = Path(__file__).parents[3] / "configs" / "situations"


def spans(text: str, scene: Scene | None = None, person: int = 1) -> list[tuple[str, float, float]]:
    situation = parse_situation(text)
    plan = with_bystanders(situation, plan_situation(situation, scene, 3))
    return [(span.label, float(span.from_s), float(span.to_s)) for span in plan.persons[person].labels]


def room() -> Scene:
    things = [
        default_object("bed", "bed-1", x=3.0, y=3.0, yaw=0.5),
        SceneObject("door-1", "door", (1.0, 0.05, 1.05), (1.0, 0.1, 2.1)),
    ]
    return Scene("room", [(0.0, 0.0), (6.0, 0.0), (6.0, 6.0), (0.0, 6.0)], objects=things)


def test_who_comes_in_walks_and_then_stands():
    text = """
seconds: 8
persons: [{role: patient, start: {near: bed, state: lying}}, {role: staff, enter: door, at_s: 1.0}]
events: [{label: fall, cause: roll, onset_s: 2.0}]
scene: ward_single
"""
    (walk, stand) = spans(text, room())
    assert (walk[0], walk[1], stand[0], stand[2]) == ("walk", 1.0, "standing", 8.0)
    assert 1.5 < walk[2] == stand[1] < 8.0


def test_the_others_stay_as_they_are():
    text = "{persons: [{}, {start: {state: STATE}}], events: [{label: fall, onset_s: 2}], seconds: 5}"
    for state, label in (("standing", "standing"), ("sitting", "sitting"), ("walking", "walk")):
        assert spans(text.replace("STATE", state)) == [(label, 0.0, 5.0)]


def test_who_helps_somebody_down_is_free_to_bend():
    text = """
persons: [{role: patient, start: {state: standing}}, {role: staff, start: {state: standing}}]
events: [{ward_event: lowered_by_staff, onset_s: 2}]
"""
    assert spans(text) == [("standing", 0.0, 2.0), ("other", 2.0, 6.0)]


def test_a_text_alone_may_tell_what_happens():
    assert spans("{text: a man sits down, persons: [{start: {state: standing}}]}", person=0) == []


@pytest.mark.parametrize("name", ["fall_at_the_bedside", "visitor", "lowered_by_a_nurse"])
def test_everybody_in_the_worked_situations_is_covered(name):
    situation = load_situation(SITUATIONS / f"{name}.yaml")
    plan = with_bystanders(situation, plan_situation(situation, room_for(situation, 0, 3), 3))
    busy = {event.person for event in situation.events}
    for person, one in enumerate(plan.persons):
        if busy and person not in busy:
            assert float(one.labels[0].from_s) == float(one.since_s)
            assert float(one.labels[-1].to_s) == float(situation.seconds)
