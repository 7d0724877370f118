"""Scores of whole clips: the body stands on its own soles, sinks by what it is sunk, and real beats real by 1."""

import math

import numpy as np
import pytest
import torch

from carescene import UserError
from carescene.clips import Clip
from carescene.evaluation.physics import CONTACT_JOINTS, REST_HEIGHTS
from carescene.evaluation.scores import MEASURES, pool, ratio_intervals, score_clip, score_clips
from carescene.humans.body import Body, load_body


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def standing(height: float, frames: int = 30, speed: float = 0.0) -> Clip:
    """The reference body upright in its T-pose with the pelvis at this height, gliding along y."""
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[..., 0, 0] = math.pi / 2
    trans = np.zeros((1, frames, 3), np.float32)
    trans[..., 1] = speed * np.arange(frames) / 20
    trans[..., 2] = height
    return Clip(
        id="standing",
        fps=20.0,
        poses=poses,
        trans=trans,
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, frames), 8, np.int8),
        valid=np.ones((1, frames), bool),
    )


@pytest.fixture(scope="module")
def stance(body: Body) -> float:
    """Height of the pelvis when the soles touch the floor."""
    rest = body.rest_vertices(torch.zeros(10))[:, 1].min() - body.rest_joints(torch.zeros(10))[0, 1]
    return -float(rest)


def test_resting_heights_are_those_of_the_bundled_body(body: Body, stance: float):
    joints = body.rest_joints(torch.zeros(10))
    heights = joints[list(CONTACT_JOINTS), 1] - joints[0, 1] + stance
    np.testing.assert_allclose(heights, REST_HEIGHTS, atol=0.005)


def test_standing_on_the_floor_is_perfect(body: Body, stance: float):
    values = pool([score_clip(standing(stance), body)])
    for name in ("skating", "sliding", "support", "jerk", "penetration", "deepest", "floating"):
        assert values[name] == pytest.approx(0.0, abs=1e-3), name


def test_a_body_sunk_by_two_centimetres(body: Body, stance: float):
    values = pool([score_clip(standing(stance - 0.02), body)])
    assert values["penetration"] == pytest.approx(0.02, abs=1e-4)
    assert values["deepest"] == pytest.approx(0.02, abs=1e-4)


def test_a_gliding_body_skates_at_its_speed_and_a_lifted_one_floats(body: Body, stance: float):
    assert pool([score_clip(standing(stance, speed=0.3), body)])["skating"] == pytest.approx(0.3, rel=1e-3)
    lifted = pool([score_clip(standing(stance + 0.2, speed=0.3), body)])
    assert lifted["floating"] == 1.0
    assert lifted["skating"] == 0.0


def test_frames_without_the_person_count_nothing(body: Body, stance: float):
    clip = standing(stance, speed=0.3)
    clip.valid[0, 15:] = False
    clip.trans[0, 15:] = -9.0
    score = score_clip(clip, body)
    assert score["penetration"] == (pytest.approx(0.0, abs=0.1), 15.0)
    assert pool([score])["skating"] == pytest.approx(0.3, rel=1e-3)


def test_pooling_weighs_by_stances(body: Body, stance: float):
    seen: list[int] = []
    clips = [standing(stance, 41, 0.1), standing(stance, 11, 0.3)]
    scores = score_clips(clips, body, lambda: seen.append(1))
    assert len(seen) == 2
    assert pool(scores)["skating"] == pytest.approx((40 * 0.1 + 10 * 0.3) / 50, rel=1e-3)


def fake_scores(values: list[float]) -> list[dict[str, tuple[float, float]]]:
    return [dict.fromkeys(MEASURES, (value, 1.0)) for value in values]


def test_ratio_intervals_hold_the_ratio_and_shrink_with_more_clips():
    rng = np.random.default_rng(0)
    widths = []
    for number in (20, 2000):
        real, made = rng.uniform(1, 3, number), rng.uniform(2, 6, number)
        low, high = ratio_intervals(fake_scores(made.tolist()), fake_scores(real.tolist()))["jerk"]
        assert low < 2.0 < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 5


def test_ratio_to_nothing_is_infinite():
    assert ratio_intervals(fake_scores([1.0]), fake_scores([0.0]))["floating"] == (math.inf, math.inf)


def test_limits_of_the_project():
    assert MEASURES["skating"].limit(0.1) == pytest.approx(0.13)
    assert MEASURES["jerk"].limit(100.0) == pytest.approx(120.0)
    assert MEASURES["penetration"].limit(0.005) == pytest.approx(0.015)
    assert MEASURES["floating"].limit(0.1) is None


def test_a_clip_too_short_to_measure_is_named(body: Body):
    with pytest.raises(UserError, match=r"'standing'.*4 valid frames"):
        score_clip(standing(1.0, frames=3), body)


def test_no_clips_are_refused():
    with pytest.raises(UserError, match="at least one clip"):
        pool([])
