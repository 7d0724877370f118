"""Closed forms: motions whose skating, jerk and penetration are known by construction."""

import math

import pytest
import torch

from carescene import UserError
from carescene.evaluation import physics
from carescene.humans import JOINT

FPS = 20.0


def standing(frames: int = 40) -> torch.Tensor:
    """Somebody standing still: feet at their resting heights, all other joints a metre up."""
    joints = torch.zeros(frames, 22, 3)
    joints[..., 2] = 1.0
    joints[:, list(physics.CONTACT_JOINTS), 2] = torch.tensor(physics.REST_HEIGHTS)
    return joints


def sliding(speed: float, frames: int = 40) -> torch.Tensor:
    joints = standing(frames)
    joints[..., 1] = speed / FPS * torch.arange(frames)[:, None]
    return joints


def test_standing_feet_do_not_skate():
    joints = standing()
    assert physics.foot_skating(joints, FPS) == 0
    assert physics.sliding_fraction(joints, FPS) == 0
    assert physics.stance_intervals(joints, FPS).stance.all()


@pytest.mark.parametrize("speed", [0.1, 0.3, 0.45])
def test_skating_is_the_speed_of_a_sliding_foot(speed: float):
    assert physics.foot_skating(sliding(speed), FPS).item() == pytest.approx(speed, rel=1e-4)
    assert physics.sliding_fraction(sliding(speed), FPS).item() == float(speed > physics.SLIDE_SPEED)


def test_skating_does_not_depend_on_the_frame_rate_or_direction():
    t = torch.arange(0, 121) / 60.0
    joints = standing(121)
    joints[..., 0] = 0.18 * t[:, None]
    joints[..., 1] = -0.24 * t[:, None]
    assert physics.foot_skating(joints, 60.0).item() == pytest.approx(0.3, rel=1e-4)


def test_only_one_foot_of_two_slides():
    joints = standing()
    for name in ("left_ankle", "left_foot"):
        joints[:, JOINT[name], 0] = 0.2 / FPS * torch.arange(40)
    assert physics.foot_skating(joints, FPS).item() == pytest.approx(0.1, rel=1e-4)
    assert physics.sliding_fraction(joints, FPS).item() == pytest.approx(0.5)


def test_a_still_foot_in_the_air_is_no_stance():
    """Feet of somebody who lies in bed are slow: the height test must keep them out."""
    joints = standing()
    joints[..., 2] += 0.5
    assert not physics.stance_intervals(joints, FPS).stance.any()
    assert physics.foot_skating(joints, FPS) == 0


def test_a_swinging_foot_near_the_floor_is_no_stance():
    """A shuffling foot swings low: the speed test must keep it out."""
    joints = standing()
    for name in ("left_ankle", "left_foot"):
        joints[:, JOINT[name], 0] = 2.0 / FPS * torch.arange(40)
    intervals = physics.stance_intervals(joints, FPS)
    assert intervals.stance.any(0).tolist() == [False, True, False, True]
    assert physics.foot_skating(joints, FPS) == 0
    assert physics.support_speed(joints, FPS) == 0


def test_gliding_faster_than_any_slide_shows_in_the_support_speed():
    joints = sliding(1.5)
    assert physics.foot_skating(joints, FPS) == 0
    assert physics.support_speed(joints, FPS).item() == pytest.approx(1.5, rel=1e-4)


def test_padding_counts_nothing():
    joints = sliding(0.3)
    valid = torch.arange(40) < 25
    spoiled = joints.clone()
    spoiled[25:] = torch.randn(15, 22, 3) * 100
    for measure in (physics.foot_skating, physics.sliding_fraction, physics.support_speed, physics.jerk):
        torch.testing.assert_close(measure(spoiled, FPS, valid), measure(joints[:25], FPS))


def test_batches_pool_stance_intervals_not_clip_means():
    """A clip with few stances weighs little."""
    long, short = sliding(0.1, 40), sliding(0.4, 40)
    valid = torch.stack((torch.ones(40, dtype=torch.bool), torch.arange(40) < 14))
    pooled = physics.foot_skating(torch.stack((long, short)), FPS, valid)
    assert pooled.item() == pytest.approx((39 * 0.1 + 13 * 0.4) / 52, rel=1e-4)


@pytest.mark.parametrize("fps", [20.0, 30.0, 120.0])
def test_jerk_of_cubic_motion_is_its_third_derivative(fps: float):
    t = torch.arange(60, dtype=torch.float64) / fps
    direction = torch.tensor([2.0, -3.0, 6.0], dtype=torch.float64)  # of length 7
    joints = (t[:, None] ** 3 * direction + t[:, None] ** 2 - 5 * t[:, None]).unsqueeze(1).expand(60, 22, 3)
    assert physics.jerk(joints, fps).item() == pytest.approx(6 * 7.0, rel=1e-6)


def test_jerk_of_a_sine_is_close_to_the_integral():
    """Mean of |w^3 cos(wt)| over whole periods is 2 w^3 / pi; finite differences see sinc(w dt / 2)^3 of it."""
    w, fps = 2 * math.pi, 100.0
    t = torch.arange(0, 1003, dtype=torch.float64) / fps
    joints = torch.zeros(1003, 22, 3, dtype=torch.float64)
    joints[..., 2] = torch.sin(w * t)[:, None]
    attenuation = (math.sin(w / fps / 2) / (w / fps / 2)) ** 3
    assert physics.jerk(joints, fps).item() == pytest.approx(2 * w**3 / math.pi * attenuation, rel=1e-3)


def test_jerk_of_steady_motion_far_from_the_origin_is_small_in_single_precision():
    assert physics.jerk(sliding(1.0, 200) + 8.0, FPS).item() < 0.05


def test_clips_without_a_third_difference_count_nothing():
    assert physics.jerk(standing(3), FPS) == 0
    assert physics.jerk_total(standing(3), FPS).count == 0


def test_penetration_of_a_body_sunk_by_two_centimetres():
    vertices = torch.rand(10, 500, 3)
    vertices[..., 2] -= vertices[..., 2].amin(-1, keepdim=True) + 0.02
    torch.testing.assert_close(physics.floor_penetration(vertices), torch.tensor(0.02), atol=1e-6, rtol=0)
    torch.testing.assert_close(physics.floor_penetration(vertices + 0.02), torch.tensor(0.0), atol=1e-6, rtol=0)


def test_penetration_and_floating_frame_by_frame():
    points = torch.zeros(4, 3, 3)
    points[:, 1, 2] = torch.tensor([-0.03, 0.0, 0.02, 0.30])
    points[:, 0, 2] = points[:, 2, 2] = 1.0
    assert physics.penetration_depth(points).tolist() == pytest.approx([0.03, 0, 0, 0])
    assert physics.floating_height(points).tolist() == pytest.approx([0, 0, 0.02, 0.30])
    assert physics.floor_penetration(points).item() == pytest.approx(0.03 / 4)
    assert physics.floating_fraction(points).item() == pytest.approx(0.25)
    valid = torch.tensor([True, True, False, False])
    assert physics.floor_penetration(points, valid).item() == pytest.approx(0.015)
    assert physics.floating_fraction(points, valid) == 0


def test_a_single_frame_has_no_stance_interval():
    with pytest.raises(UserError, match="at least 2 frames"):
        physics.foot_skating(standing(1), FPS)


def test_too_few_joints_are_refused():
    with pytest.raises(UserError, match="12 SMPL joints"):
        physics.foot_skating(torch.zeros(10, 5, 3), FPS)
