"""Compiled situations: what is given, what is asked exactly, and that it is where the plan has it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import OMNIFALL_ID, load_clip
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.scenes import Scene, SceneObject, default_object
from carescene.situations import parse_situation
from diffusion.asking.compile import compile_situation
from diffusion.steering import JointTarget, LieLow, LookAt, PelvisHeight, Reach, RootPoint
from diffusion.world import CENTER, KIND, OBJECT_KINDS, ROLES

SITUATIONS = Path(__file__).parents[3] / "configs" / "situations"
FALL = """
seconds: 7
persons:
  - {role: patient, age_years: 84, sex: male, start: {near: bed, state: lying}}
  - {role: staff, enter: door, at_s: 1.0}
events:
  - {label: fall, cause: weight_shift, direction: left, onset_s: 3.0}
scene: ward_single
"""


@pytest.fixture(scope="module")
def body():
    return load_body()


def room() -> Scene:
    things = [
        default_object("bed", "bed-1", x=3.0, y=3.0, yaw=0.5),
        SceneObject("door-1", "door", (1.0, 0.05, 1.05), (1.0, 0.1, 2.1)),
    ]
    return Scene("room", [(0.0, 0.0), (6.0, 0.0), (6.0, 6.0), (0.0, 6.0)], objects=things)


@pytest.fixture(scope="module")
def asked(body):
    return compile_situation(parse_situation(FALL), room(), 3, body=body)


def points(asked, person):
    return {c.time_s: (c.x, c.y) for c in asked.constraints if isinstance(c, RootPoint) and c.person == person}


def test_sizes_and_people(asked):
    assert (asked.frames, asked.persons) == (140, 2)
    assert asked.known.motion.shape == (1, 2, 140, 201)
    assert [ROLES[role] for role in asked.roles] == ["patient", "staff"]
    assert (asked.infos[0].age_years, asked.infos[0].sex) == (84.0, "male")
    assert asked.given.shape.all()
    assert asked.text.startswith("an old man gets up from the bed and loses his balance")


def test_who_comes_later_is_not_there_before(asked):
    assert asked.there[0].all()
    assert not asked.there[1, :20].any()
    assert asked.there[1, 20:].all()
    assert min(points(asked, 1)) == 1.0


def test_the_first_person_starts_at_the_origin_on_the_bed(asked):
    start = points(asked, 0)[0.0]
    assert start == pytest.approx((0.0, 0.0))
    heights = [c for c in asked.constraints if isinstance(c, PelvisHeight)]
    assert heights[0].z == pytest.approx(asked.plan.persons[0].start.z)
    bed = OBJECT_KINDS.index("bed")
    rows = asked.known.objects[0]
    row = rows[rows[:, KIND].argmax(-1) == bed][0]
    # The pelvis lies on the bed, a little off its middle.
    assert row[CENTER][:2].norm() < 0.6
    # The neck is behind the pelvis: the head lies towards the head end, the feet towards +y.
    neck = next(c for c in asked.constraints if isinstance(c, JointTarget) and c.joint == "neck")
    assert neck.x == pytest.approx(0.0, abs=1e-6)
    assert neck.y < -0.4


def test_places_are_those_of_the_plan(asked):
    for person, plan in enumerate(asked.plan.persons):
        for point in plan.points:
            x, y = points(asked, person)[min(point.at_s, 139 / 20)]
            assert asked.frame.out(x, y) == pytest.approx((point.spot.x, point.spot.y))


def test_labels_are_known_from_beginning_to_end(asked):
    assert asked.given.event[0, 0].all()
    label = asked.known.event[0, 0].argmax(-1)
    assert label[0] == OMNIFALL_ID["lying"]
    assert (label[52:60] == OMNIFALL_ID["standing"]).all()
    assert (label[60:72] == OMNIFALL_ID["fall"]).all()
    assert (label[130:140] == OMNIFALL_ID["fallen"]).all()


def test_nobody_copies_the_event_of_another(asked):
    assert asked.given.event[0, 1, 5:].all(), "since the nurse is there"
    assert not asked.given.event[0, 1, :5].any()
    label = asked.known.event[0, 1, 20:140].argmax(-1)
    assert label[0] == OMNIFALL_ID["walk"]
    assert label[-1] == OMNIFALL_ID["standing"]
    assert set(label.tolist()) == {OMNIFALL_ID["walk"], OMNIFALL_ID["standing"]}


def test_nothing_is_held_up_after_the_fall(asked):
    (wish,) = [energy for energy in asked.energies if isinstance(energy, LieLow)]
    label = asked.known.event[0, 0].argmax(-1)
    begins = int((label == OMNIFALL_ID["fallen"]).nonzero()[0]) / 20
    assert wish.person == 0
    assert wish.start_s == pytest.approx(begins + 0.5, abs=0.05)


def test_who_slides_to_the_floor_may_sit_there(body):
    people = "persons: [{start: {state: sitting}}], seconds: 9"
    text = f"{{events: [{{ward_event: slide_from_wheelchair, onset_s: 0.5}}], {people}}}"
    assert compile_situation(parse_situation(text), None, 3, body=body).energies == []


def test_the_same_seed_gives_the_same(body, asked):
    again = compile_situation(parse_situation(FALL), room(), 3, body=body)
    assert list(map(str, again.constraints)) == list(map(str, asked.constraints))
    torch.testing.assert_close(again.known.shape, asked.known.shape)
    other = compile_situation(parse_situation(FALL), room(), 4, body=body)
    assert not torch.equal(other.known.shape[0, 1], asked.known.shape[0, 1])


def test_own_wishes_are_put_into_the_worlds_frame(body):
    text = FALL + (
        "constraints:\n"
        "  path: [{person: 1, at_s: 5, x: 2, y: 1}]\n"
        "  joints: [{person: 1, at_s: 4, joint: right_wrist, z: 1.2}]\n"
        "  look_at: [{person: 1, at: 0}, {person: 1, at: bed}]\n"
        "  reach: [{person: 1, at_s: 5.5, object: bed, hand: left}]\n"
    )
    asked = compile_situation(parse_situation(text), room(), 3, body=body)
    x, y = points(asked, 1)[5.0]
    assert asked.frame.out(x, y) == pytest.approx((2.0, 1.0))
    hands = [c for c in asked.constraints if isinstance(c, JointTarget) and c.joint == "right_wrist"]
    assert (hands[0].x, hands[0].y, hands[0].z) == (None, None, 1.2)
    kinds = [type(energy) for energy in asked.energies]
    assert kinds.count(LookAt) == 2
    assert kinds.count(Reach) == 1
    assert asked.requested[0]["value"] == [2.0, 1.0]


def test_a_single_axis_in_a_turned_room_is_refused(body):
    text = FALL + "constraints:\n  joints: [{at_s: 4, joint: head, x: 1.0}]\n"
    with pytest.raises(UserError, match=r"line 10: expected x and y of a joint together"):
        compile_situation(parse_situation(text), room(), 3, body=body)


def test_a_body_that_cannot_be_is_refused_with_its_line(body):
    text = FALL.replace("age_years: 84", "height_m: 1.4, weight_kg: 190")
    with pytest.raises(UserError, match=r"line 4: expected a body that exists"):
        compile_situation(parse_situation(text), room(), 3, body=body)


def test_somebody_played_from_a_clip_is_given(body):
    text = (SITUATIONS / "react_to_somebody.yaml").read_text()
    situation = parse_situation(text, "react.yaml", SITUATIONS)
    asked = compile_situation(situation, None, 0, body=body)
    clip = load_clip(SITUATIONS / "given_walk.json")
    assert asked.given.motion[0, 0].all()
    assert not asked.given.motion[0, 1].any()
    assert asked.known.motion[0, 0, 0, :2].tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    # The way through the world is as long as in the clip.
    way = np.linalg.norm(np.diff(asked.known.motion[0, 0, :100, :2].numpy(), axis=0), axis=1).sum()
    assert way == pytest.approx(np.linalg.norm(np.diff(clip.trans[0, :100, :2], axis=0), axis=1).sum(), rel=1e-4)
    missing = dataclasses.replace(situation.persons[0], take=3)
    with pytest.raises(UserError, match="line 5: expected a person of 0 to 0"):
        compile_situation(dataclasses.replace(situation, persons=(missing,)), None, 0, body=body)
