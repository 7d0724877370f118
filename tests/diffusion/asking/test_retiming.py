"""Clips played so that an event begins when it was asked for."""

import dataclasses

import numpy as np
import pytest

from carescene.clips import OMNIFALL_ID, Clip
from diffusion.asking.retiming import played_at, played_times, retimed
from diffusion.asking.verdict import judge

FPS, FRAMES = 20.0, 120


def falls_at(onset_s: float) -> Clip:
    """Somebody who sways on the spot and goes down like a plank about the feet within 0.8 s."""
    time = np.arange(FRAMES) / FPS
    tilt = np.clip((time - onset_s) / 0.8, 0, 1) ** 2 * np.pi / 2
    poses, trans = np.zeros((1, FRAMES, 24, 3), np.float32), np.zeros((1, FRAMES, 3), np.float32)
    poses[0, :, 0, 0] = np.pi / 2 + tilt
    trans[0, :, 1] = -0.93 * np.sin(tilt)
    trans[0, :, 2] = np.maximum(0.93 * np.cos(tilt), 0.12)
    label = np.where(time < 2.0, OMNIFALL_ID["standing"], OMNIFALL_ID["fall"]).astype(np.int8)
    return Clip("c", FPS, poses, trans, np.zeros((1, 10), np.float32), label[None], np.ones((1, FRAMES), dtype=bool))


def asked(**changes):
    event = {
        "person": 0, "label": "fall", "ward_event": None, "cause": "trip", "onset_s": 2.0, "end_s": None,
        "direction": None, "side": None, "place": None, "within_m": None,
    }  # fmt: skip
    return {"events": [event], "constraints": [], "played": []} | changes


@pytest.mark.parametrize("late", [-0.7, -0.1, 0.0, 0.2, 0.7])
def test_times_rise_from_beginning_to_end_and_hit_the_onset(late):
    times = np.arange(FRAMES) / FPS
    shown = played_times(times, 2.0, late)
    assert shown[0] == 0.0
    assert shown[-1] == pytest.approx(times[-1])
    assert (np.diff(shown) > 0).all()
    assert np.interp(2.0, times, shown) == pytest.approx(2.0 + late)
    # The event itself is played as it is.
    first, last = (int(np.searchsorted(times, at)) for at in (2.0, times[-1] - 2.85))
    np.testing.assert_allclose(np.diff(shown[first:last]), 1 / FPS)


def test_an_onset_near_the_end_leaves_no_tail():
    times = np.arange(FRAMES) / FPS
    shown = played_times(times, 5.5, 0.2)
    assert np.interp(5.5, times, shown) == pytest.approx(5.7)
    assert (np.diff(shown) > 0).all()


@pytest.mark.parametrize("begins", [1.6, 2.25, 2.4])
def test_the_fall_begins_when_it_was_asked_for(begins):
    clip = falls_at(begins)
    before, after = (judge(each, asked()).found[0]["onset_error_s"] for each in (clip, retimed(clip, asked())))
    assert abs(before) > 0.15
    assert abs(after) <= 0.05


def test_between_frames_people_are_half_way():
    clip = falls_at(2.0)
    half = played_at(clip, (np.arange(FRAMES) + 0.5) / FPS)
    np.testing.assert_allclose(half.trans[0, :-1], (clip.trans[0, 1:] + clip.trans[0, :-1]) / 2, atol=1e-6)
    # Half a turn, at the end, has two axis-angle vectors.
    angle = clip.poses[0, :50, 0, 0]
    np.testing.assert_allclose(half.poses[0, :49, 0, 0], (angle[1:] + angle[:-1]) / 2, atol=1e-5)
    same = played_at(clip, np.arange(FRAMES) / FPS)
    np.testing.assert_allclose(same.poses[:, :50], clip.poses[:, :50], atol=1e-6)


def test_clips_that_must_keep_their_times_do():
    clip = falls_at(2.25)
    for changes in (
        {"constraints": [{"kind": "joint"}]},
        {"played": [1]},
        {"events": [asked()["events"][0] | {"onset_s": 1.0}]},
        {"events": [asked()["events"][0] | {"onset_s": None}]},
        {"events": asked()["events"] * 2},
        {"events": [asked()["events"][0] | {"ward_event": "chair_rise", "label": "stand_up"}]},
    ):
        assert retimed(clip, asked(**changes)) is clip
    late = dataclasses.replace(clip, valid=np.arange(FRAMES)[None] >= 5)
    assert retimed(late, asked()) is late
