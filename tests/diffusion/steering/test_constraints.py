import math

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.humans.reference import reference_rest_joints
from diffusion.steering import (
    Constraint,
    EventSpan,
    JointMeeting,
    JointTarget,
    Keyframe,
    PelvisHeight,
    RootPath,
    RootPoint,
    RootVelocity,
    compile_constraints,
)
from diffusion.steering.rows import ClipConstraints

SQUARE = [(-2.0, -2.0), (2.0, -2.0), (2.0, 2.0), (-2.0, 2.0)]


def _compile(*asked: Constraint, persons: int = 2, **more) -> ClipConstraints:
    return compile_constraints(asked, persons=persons, frames=40, canonical=False, **more)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (RootPoint(0, 2.5, 0, 0), "time_s within the clip's 0..2 s"),
        (RootPoint(0, math.nan, 0, 0), "time_s"),
        (RootPoint(2, 1.0, 0, 0), "a person of 0..1"),
        (RootPoint(0, 1.0, 31.0, 0), "coordinates within 30 m"),
        (RootPoint(0, 1.0, 2.5, 0), "inside the room"),
        (RootPath(0, 1.0, 0.5, [(0.0, 0.0), (1.0, 1.0)]), "an end after its start"),
        (RootPath(0, 0.0, 1.0, [(0.0, 0.0)]), "at least two points"),
        (PelvisHeight(0, 1.0, 9.0), "a height within"),
        (JointTarget(0, 1.0, "left_elbo", 0, 0, 1), "'left_elbo'"),
        (JointTarget(0, 1.0, "left_hand", 0, 0, 1), "'left_hand'"),
        (JointTarget(0, 1.0, "head"), "a coordinate"),
        (JointMeeting(0, 1.0, "head", 0, "head"), "two different persons"),
        (RootVelocity(0, 0.0, 1.0, 20.0), "at most 12 m/s"),
        (Keyframe(0, 1.0, np.zeros((22, 3)), np.zeros(3)), "poses (24, 3)"),
        (Keyframe(0, 1.0, np.full((24, 3), np.nan), np.zeros(3)), "finite numbers"),
        (EventSpan(0, "tumble", 1.0), "'tumble'"),
        (EventSpan(0, "fall", 1.0, before="fall"), "another label before"),
        (EventSpan(0, "fall", 1.0, end_s=0.5), "an end after its start"),
    ],
)
def test_what_cannot_be_is_refused_by_name(asked: Constraint, words: str) -> None:
    with pytest.raises(UserError) as caught:
        _compile(asked, floor_plan=SQUARE)
    assert words in str(caught.value) and str(asked) in str(caught.value)


def test_two_places_in_one_frame_are_refused_with_both_names() -> None:
    first, second = RootPoint(0, 1.0, 0, 0), RootPoint(0, 1.02, 0.5, 0)
    with pytest.raises(UserError) as caught:
        _compile(first, second)
    assert str(first) in str(caught.value) and str(second) in str(caught.value)


def test_standing_still_contradicts_being_elsewhere_after() -> None:
    # Only all equations together contradict each other: no pair of them has the same left side.
    still, start, end = RootVelocity(1, 0.5, 1.5), RootPoint(1, 0.5, 0, 0), RootPoint(1, 1.5, 0.3, 0)
    with pytest.raises(UserError, match="contradicts the"):
        _compile(start, still, end)
    assert len(_compile(start, still, RootPoint(1, 1.5, 0, 0)).rows) == 2 + 2 * 20


def test_the_same_place_asked_twice_is_one_equation() -> None:
    assert len(_compile(RootPoint(0, 1.0, 0.1, 0.2), RootPoint(0, 1.0, 0.1, 0.2)).rows) == 2


def test_a_keyframe_contradicts_another_place_in_its_frame_and_answers_its_own() -> None:
    trans = np.array([0.2, 0.1, 0.9])
    key = Keyframe(0, 1.0, np.zeros((24, 3)), trans)
    with pytest.raises(UserError, match=r"root point.*contradicts the keyframe"):
        _compile(key, RootPoint(0, 1.0, 0.9, 0.1))
    assert len(_compile(key, RootPoint(0, 1.0, 0.2, 0.1)).rows) == 0
    with pytest.raises(UserError, match="one pose of a person in a frame"):
        _compile(key, Keyframe(0, 1.0, np.full((24, 3), 0.1), trans))


def test_a_meeting_with_somebody_in_a_keyframe_becomes_a_place() -> None:
    trans = np.array([0.2, 0.1, 0.9])
    found = _compile(Keyframe(1, 1.0, np.zeros((24, 3)), trans), JointMeeting(0, 1.0, "left_wrist", 1, "pelvis"))
    assert found.rows.person.tolist() == [0, 0, 0]
    assert torch.allclose(found.rows.value, torch.tensor(trans), atol=1e-6)


def test_a_path_has_a_point_for_every_frame_between_its_ends() -> None:
    rows = _compile(RootPath(0, 0.5, 1.5, [(0.0, 0.0), (1.0, 2.0)])).rows
    x = rows.value[rows.axis == 0]
    assert rows.frame.unique().tolist() == list(range(10, 31))
    assert torch.allclose(x, torch.linspace(0, 1, 21).double())


def test_the_end_of_the_clip_counts_for_its_last_frame() -> None:
    assert _compile(RootPoint(0, 2.0, 0, 0)).rows.frame.tolist() == [39, 39]


def test_the_start_of_person_0_is_held_unless_asked_otherwise() -> None:
    def start(*asked: Constraint) -> list[float]:
        rows = compile_constraints(asked, persons=1, frames=40).rows
        return rows.value[rows.frame == 0].tolist()

    assert start(RootPoint(0, 1.0, 1, 1)) == [0, 0]
    assert start(RootPoint(0, 0.0, 1, 2)) == [1, 2]


def test_rows_speak_of_positions_in_the_world() -> None:
    rows = _compile(JointMeeting(0, 1.0, "left_wrist", 1, "head", (0.1, 0, 0)), RootVelocity(1, 0.5, 0.55, 1.0)).rows
    joints = torch.randn(2, 40, 22, 3).double()
    left = rows.apply(joints)
    gap = joints[0, 20, 20] - joints[1, 20, 15]
    step = joints[1, 11, 0] - joints[1, 10, 0]
    assert torch.allclose(left, torch.cat((gap, step[:2])))
    assert torch.allclose(rows.value, torch.tensor([0.1, 0, 0, 0.05, 0]).double())


def test_event_spans_fill_the_channel() -> None:
    asked = (EventSpan(0, "fall", 1.0, 1.5, before="walk"), EventSpan(0, "fallen", 1.5))
    found = _compile(*asked)
    channel = torch.full((40, 16), torch.nan).double()
    channel[found.event_at[:, 1], found.event_at[:, 2]] = found.event_value
    fall = channel[:, 1]
    assert fall[:20].eq(0).all() and fall[20:30].eq(1).all() and fall[30:].eq(0).all()
    assert channel[19, 0] == 1 and channel[29, 2] == 0 and channel[30:36, 2].eq(1).all()
    assert channel[37:, 2].isnan().all()  # what comes after is left to the model


def test_contradictory_events_are_refused() -> None:
    with pytest.raises(UserError, match="contradicts the event"):
        _compile(EventSpan(0, "fall", 1.0, 1.5), EventSpan(0, "walk", 1.2, 1.6))


def test_bodies_of_another_size_have_a_ratio() -> None:
    found = _compile(RootPoint(0, 1.0, 0, 0), rest_joints=[reference_rest_joints() * 0.8, None])
    assert found.ratio.tolist() == pytest.approx([1.25, 1.0])
    with pytest.raises(UserError, match="one body for each of 2 persons"):
        _compile(rest_joints=[None])
