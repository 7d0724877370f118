"""Errors of what was fixed, against clips whose joints are known."""

import pytest

from carescene.errors import UserError
from carescene.evaluation.constraints import constraint_errors
from carescene.evaluation.tracks import clip_joints
from carescene.humans.skeleton import JOINT


def test_errors_are_distances_at_the_time_asked_for(play):
    clip = play("walking")
    joints = clip_joints(clip)
    wrist = joints[0, 40, JOINT["left_wrist"]]
    asked = [
        {"person": 0, "kind": "pelvis_xy", "time_s": 1.0, "value": [0.003, -1.0]},
        {"kind": "height", "time_s": 0.0, "value": [0.95]},
        {"kind": "pelvis", "time_s": 3.0, "value": [0.0, -3.0, 0.99]},
        {"kind": "joint", "joint": "left_wrist", "time_s": 2.0, "value": wrist.tolist()},
        {"kind": "joint", "joint": "left_wrist", "time_s": 2.0, "value": [None, None, float(wrist[2]) + 0.5]},
    ]
    assert constraint_errors(clip, joints, asked) == pytest.approx([0.003, 0.0, 0.04, 0.0, 0.5], abs=1e-5)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "nose"}, "kind 'nose'"),
        ({"kind": "joint", "joint": "tail"}, "joint 'tail'"),
        ({"person": 1}, "person 1"),
        ({"time_s": 9.0}, "9.00 s"),
        ({"value": [1.0]}, "expected 2 numbers"),
    ],
)
def test_refuses_what_the_clip_does_not_have(play, change, text):
    clip = play("standing")
    row = {"person": 0, "kind": "pelvis_xy", "time_s": 1.0, "value": [0.0, 0.0]} | change
    with pytest.raises(UserError, match=text):
        constraint_errors(clip, clip_joints(clip), [row])
