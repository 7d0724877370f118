"""Verdicts: what was asked for is found where it is, and missed where it is not."""

import numpy as np
import pytest

from carescene.clips import OMNIFALL_ID, Clip
from diffusion.asking.verdict import Verdict, events_of, judge, label_spells


def standing_then_down(onset_s: float | int = 2.0, to: float | int = 1.0) -> Clip:
    """Somebody who stands facing -y and goes down like a plank about the feet within 0.8 s, forward for `to` 1."""
    frames, fps = 120, 20.0
    time = np.arange(frames) / fps
    tilt = np.clip((time - onset_s) / 0.8, 0, 1) ** 2 * np.pi / 2
    poses, trans = np.zeros((1, frames, 24, 3), np.float32), np.zeros((1, frames, 3), np.float32)
    poses[0, :, 0, 0] = np.pi / 2 + to * tilt
    trans[0, :, 1] = -to * 0.93 * np.sin(tilt)
    trans[0, :, 2] = np.maximum(0.93 * np.cos(tilt), 0.12)
    label = np.where(time < onset_s, OMNIFALL_ID["standing"], OMNIFALL_ID["fall"])
    label = np.where(time > onset_s + 0.8, OMNIFALL_ID["fallen"], label).astype(np.int8)
    return Clip("c", fps, poses, trans, np.zeros((1, 10), np.float32), label[None], np.ones((1, frames), dtype=bool))


def asked(**changes):
    event = {
        "person": 0, "label": "fall", "ward_event": None, "cause": "trip", "onset_s": 2.0, "end_s": None,
        "direction": "forward", "side": None, "place": [0.0, -0.93], "within_m": 0.5,
    }  # fmt: skip
    return {"events": [event | changes]}


def test_a_fall_is_found_as_asked():
    verdict = judge(standing_then_down(), asked())
    assert verdict.hit, verdict.found
    assert verdict.score == 1.0
    assert set(verdict.found[0]) >= {"event", "onset_s", "direction", "place"}
    assert abs(verdict.found[0]["onset_error_s"]) <= 0.15
    assert "side" not in verdict.found[0]


@pytest.mark.parametrize(
    ("knob", "changes"),
    [("direction", {"direction": "backward"}), ("place", {"place": [3.0, 0.0]}), ("onset", {"onset_s": 1.5})],
)
def test_each_knob_can_be_missed(knob, changes):
    verdict = judge(standing_then_down(), asked(**changes))
    missed = [name for name in Verdict.KNOBS if verdict.found[0].get(name) is False]
    assert missed == [knob]
    assert not verdict.hit
    assert 0 < verdict.score < 1


@pytest.mark.parametrize("name", ["slide_from_wheelchair", "lowered_by_staff", "fall_out_of_bed", "fall_support_loss"])
def test_onsets_that_geometry_cannot_see_are_left_alone(name):
    found = judge(standing_then_down(), asked(ward_event=name, onset_s=0.5)).found[0]
    assert found["onset_s"] is None
    assert "onset" not in found


def test_balance_is_lost_after_what_causes_the_fall():
    seen = [
        judge(standing_then_down(), asked(ward_event=f"fall_{cause}", cause=cause)).found[0]["onset_s"]
        for cause in ("trip", "weight_shift", "collapse")
    ]
    assert np.subtract(seen[0], seen) == pytest.approx([0.0, 0.25, 0.4])


def test_of_two_failures_the_nearer_onset_is_better():
    scores = [judge(standing_then_down(), asked(onset_s=onset)).score for onset in (2.0, 1.6, 1.2, 0.5)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores[:3])) == 3


def test_a_label_without_a_fall_is_no_fall():
    clip = standing_then_down()
    clip.trans[:] = clip.trans[:, :1]
    clip.poses[:] = clip.poses[:, :1]
    verdict = judge(clip, asked(onset_s=None, direction=None, place=None))
    assert not verdict.hit
    assert events_of(clip, asked(), verdict)[0].ward_event is None


def test_events_are_named_after_what_was_asked_for():
    clip = standing_then_down()
    request = asked(ward_event="fall_trip")
    events = events_of(clip, request, judge(clip, request))
    fall = next(event for event in events if event.label == "fall")
    assert (fall.ward_event, fall.cause, fall.direction) == ("fall_trip", "trip", "forward")
    assert fall.start_s == pytest.approx(2.0, abs=0.06)


def test_spells_of_labels():
    clip = standing_then_down()
    assert [name for name, _, _ in label_spells(clip, 0)] == ["standing", "fall", "fallen"]
    clip.valid[0, :20] = False
    assert label_spells(clip, 0)[0][1] == pytest.approx(1.0)
