"""Hips of somebody who comes to lie on a side: heights that their own body has there."""

import math

import pytest
import torch

from carescene.humans.body import load_body
from carescene.humans.skeleton import JOINT
from carescene.situations import EventRequest
from carescene.situations.label_plan import LabelSpan
from carescene.situations.plan import PersonPlan
from diffusion.asking.lying import side_targets

PLAN = PersonPlan("standing", None, labels=[LabelSpan("fall", 2.0, 3.5), LabelSpan("fallen", 3.5, 6.0)])


@pytest.fixture(scope="module")
def rest() -> torch.Tensor:
    return load_body().rest_joints(torch.zeros(1, 10))[0]


@pytest.mark.parametrize(("side", "other"), [("left", "right"), ("right", "left")])
def test_the_hip_of_the_side_is_below(rest, side, other):
    event = EventRequest(ward_event="fall_trip", onset_s=2.0, side=side)
    found = side_targets(event, PLAN, rest, 6.0)
    assert {each.joint for each in found} == {"left_hip", "right_hip"}
    assert min(each.time_s for each in found) == pytest.approx(3.7)
    assert 5.5 < max(each.time_s for each in found) < 6.0
    low, high = ({each.z for each in found if each.joint == f"{name}_hip"} for name in (side, other))
    (below,), (above,) = low, high
    width = float((rest[JOINT["left_hip"]] - rest[JOINT["right_hip"]]).norm())
    assert 0.05 < below < 0.12
    # No further apart than the hips are wide, and rolled by more than the 45 degrees that make a side.
    assert math.sin(math.radians(45)) * width < above - below < width
    assert all((each.x, each.y) == (None, None) for each in found)


def test_nothing_without_a_side_or_a_fall(rest):
    assert side_targets(EventRequest(ward_event="fall_trip", onset_s=2.0), PLAN, rest, 6.0) == []
    assert side_targets(EventRequest(ward_event="bed_exit", onset_s=2.0, side="left"), PLAN, rest, 6.0) == []
    event = EventRequest(ward_event="fall_trip", onset_s=2.0, side="left")
    assert side_targets(event, PersonPlan("standing", None), rest, 6.0) == []


def test_a_clip_that_ends_early_is_asked_at_its_end(rest):
    event = EventRequest(ward_event="fall_trip", onset_s=2.0, side="left")
    assert [each.time_s for each in side_targets(event, PLAN, rest, 3.6)] == pytest.approx([3.55, 3.55])
