"""Measures against closed forms: shifts in pixels, glides, jumps into things, made doubts."""

import dataclasses

import made_rooms as made
import numpy as np
import pytest
import torch

from carescene.clips.clip import Clip
from carescene.evaluation.physics import foot_skating, jerk
from carescene.scenes import Scene, default_object
from reconstruction.landmarks import free_landmarks
from reconstruction.observations import Keypoints
from reconstruction.quality import (
    Doubt,
    doubt_ranges,
    frame_jerk,
    frame_skate,
    measure,
    pelvis_speed,
    posed_landmarks,
    reprojection_error,
    stature,
    with_quality,
)

CAMERA = made.ward_camera()
CLIP: Clip = made.walking_clip((-0.4, 2.6), (0.6, 2.9), frames=40)


def seen(clip: Clip, times: np.ndarray | None = None, shift: tuple[float, float] = (0.0, 0.0)) -> Keypoints:
    """Exact key points of a clip at its own frames, moved by some pixels."""
    _, points = posed_landmarks(clip, free_landmarks())
    pixels, _ = CAMERA.project(points)
    pixels = pixels + shift
    count = clip.num_frames
    there = np.isfinite(pixels[..., 0])
    times = np.arange(count) / clip.fps if times is None else times
    return Keypoints(times, np.arange(count), 320, 240, pixels, 0.9 * there, 2.0 * there, ("1",), "made")


def test_exact_key_points_have_no_error_and_shifted_ones_their_shift() -> None:
    exact = measure(CLIP, CAMERA, seen(CLIP))
    assert exact.means["reprojection_px"] < 1e-3
    assert exact.trusted.all() and exact.means["share_doubted"] == 0 and exact.doubts == ()
    moved = measure(CLIP, CAMERA, seen(CLIP, shift=(3.0, 4.0)))
    assert np.allclose(moved.reprojection_px, 5.0, atol=1e-3)


def test_the_height_in_pixels_is_that_of_a_standing_body() -> None:
    quality = measure(CLIP, CAMERA, seen(CLIP))
    tall = stature(free_landmarks(), np.zeros(10))
    assert 1.6 < tall < 1.85
    depth = (CLIP.trans[0, 0] - CAMERA.eye) @ CAMERA.rotation[2]
    assert abs(quality.height_px[0, 0] - CAMERA.focal * tall / depth) < 0.02 * quality.height_px[0, 0]
    assert np.allclose(quality.reprojection, quality.reprojection_px / quality.height_px)


def test_key_points_at_other_times_are_compared_in_between() -> None:
    model = free_landmarks()
    _, points = posed_landmarks(CLIP, model)
    halves = (points[:, 1:] + points[:, :-1]) / 2
    pixels, _ = CAMERA.project(halves)
    times = (np.arange(39) + 0.5) / 20
    ones = np.ones(pixels.shape[:3])
    between = Keypoints(times, np.arange(39), 320, 240, pixels, ones, ones, ("1",), "made")
    mean, median, count = reprojection_error(points, CLIP.fps, CAMERA, between, CLIP.valid)
    assert np.nanmax(mean) < 1e-6 and np.nanmax(median) < 1e-6
    assert (count == 26).all()


def test_the_median_ignores_outliers_and_the_mean_counts_them() -> None:
    found = seen(CLIP)
    found.pixels[0, :, 3] += 260.0
    _, points = posed_landmarks(CLIP, free_landmarks())
    mean, median, _ = reprojection_error(points, CLIP.fps, CAMERA, found, CLIP.valid)
    assert np.allclose(mean, 260 * 2**0.5 / 26, atol=1e-3) and median.max() < 1e-3
    assert measure(CLIP, CAMERA, found).trusted.all()


def test_frames_agree_with_the_measures_of_whole_clips() -> None:
    rng = np.random.default_rng(0)
    clip = dataclasses.replace(CLIP, trans=CLIP.trans + rng.normal(0, 0.004, CLIP.trans.shape).astype(np.float32))
    joints, _ = posed_landmarks(clip, free_landmarks())
    tensor = torch.from_numpy(joints)
    assert np.isclose(np.nanmean(frame_jerk(joints, 20.0, clip.valid)), float(jerk(tensor, 20.0)))
    skate = frame_skate(joints, 20.0, clip.valid)
    # Legs do not move, so the feet glide at the speed of the body, and all of them do.
    assert np.isclose(np.nanmean(skate), float(foot_skating(tensor, 20.0)), rtol=0.02)
    assert np.isnan(skate[0, -1])
    speed = pelvis_speed(made_line(1.5), 20.0)
    assert np.allclose(speed, 1.5)


def made_line(speed: float) -> np.ndarray:
    joints = np.zeros((1, 10, 24, 3))
    joints[..., 0] = speed * np.arange(10)[None, :, None] / 20
    return joints


@pytest.mark.parametrize("case", ["missing", "far", "jump", "deep", "above", "unsure", "outside"])
def test_every_reason_to_doubt_is_found_where_it_is(case: str) -> None:
    clip = dataclasses.replace(CLIP, trans=CLIP.trans.copy())
    points, some = seen(clip), slice(10, 20)
    scene = Scene("floor", [(-3.0, -1.0), (3.0, -1.0), (3.0, 6.0), (-3.0, 6.0)])
    if case == "missing":
        points.confidence[0, some] = 0.0
        points.pixels[0, some] = np.nan
        reason = "too few key points"
    elif case == "far":
        points.pixels[0, some] += 30.0
        reason = "far from the key points"
    elif case == "jump":
        clip.trans[0, some, 0] += 1.0
        reason = "too fast"
    elif case == "deep":
        clip.trans[0, some, 2] -= 0.3
        reason = "inside floor or furniture"
    elif case == "above":
        clip.trans[0, some, 2] += 0.3
        reason = "hovering"
    elif case == "unsure":
        clip.trans_std = np.full(clip.trans.shape, 0.02, np.float32)
        clip.trans_std[0, some] = 0.5
        reason = "large standard deviation"
    else:
        clip.trans[0, some, 0] += 5.0
        scene.polygon[1:3] = [(9.0, -1.0), (9.0, 6.0)]
        reason = "outside the picture"
    quality = measure(clip, CAMERA, points, scene)
    marked = np.flatnonzero(quality.doubted[reason][0])
    assert len(marked) and (marked >= 9).all() and (marked <= 20).all()
    if case not in ("jump", "above"):
        assert set(range(10, 20)) <= set(marked.tolist())
    (doubt,) = quality.doubts
    assert reason in doubt.reasons and 0.4 <= doubt.start_s <= 0.5 and 0.95 <= doubt.end_s <= 1.1
    assert not quality.trusted[0, marked].any() and quality.trusted[0, :8].all()


def test_what_lies_between_pictures_far_apart_is_a_guess() -> None:
    """One picture a second: frames of a quarter of a second around each are trusted, the others are not."""
    points, step = seen(CLIP), int(CLIP.fps)
    few = dataclasses.replace(
        points, times=points.times[::step], frames=points.frames[::step], pixels=points.pixels[:, ::step],
        confidence=points.confidence[:, ::step], sigma=points.sigma[:, ::step],
    )  # fmt: skip
    doubted = measure(CLIP, CAMERA, few).doubted["no picture near"][0]
    away = np.abs(points.times[:, None] - few.times).min(1)
    assert doubted.any() and np.array_equal(doubted, away > 0.2501)
    assert not measure(CLIP, CAMERA, points).doubted["no picture near"].any()


def test_a_deviation_common_to_all_frames_is_the_scales() -> None:
    clip = dataclasses.replace(CLIP, trans_std=np.full(CLIP.trans.shape, 0.4, np.float32))
    quality = measure(clip, CAMERA, seen(clip))
    assert quality.trusted.all() and abs(quality.means["root_std_m"] - 0.4 * 3**0.5) < 1e-6


def test_furniture_counts_as_well_as_the_floor() -> None:
    bed = default_object("bed", "bed-1", x=0.0, y=2.7, mattress_height_m=0.5, rails="none")
    room = Scene("room", [(-3.0, -1.0), (3.0, -1.0), (3.0, 6.0), (-3.0, 6.0)], objects=[bed])
    clip = made.walking_clip((0.0, 2.7), (0.02, 2.7), frames=10)
    assert measure(clip, CAMERA, None, room).means["penetration_m"] > 0.05
    assert measure(clip, CAMERA).means["penetration_m"] < 0.03


def test_doubts_close_gaps_and_leave_single_frames_out() -> None:
    mask = np.zeros((2, 100), bool)
    mask[0, 10:20] = mask[0, 24:30] = True
    mask[0, 60] = True
    mask[1, 98:] = True
    found = doubt_ranges({"a": mask, "b": np.zeros_like(mask)}, 20)
    assert found == (Doubt(0, 0.5, 1.5, ("a",)), Doubt(1, 4.9, 5.0, ("a",)))
    assert doubt_ranges({}, 20.0) == ()


def test_people_who_are_not_there_are_not_measured() -> None:
    clip = made.walking_clip((-0.4, 2.6), (0.6, 2.9), frames=40)
    points = seen(clip)
    clip.valid[0, 25:] = False
    clip.trans[0, 25:], clip.poses[0, 25:] = np.nan, np.nan
    quality = measure(clip, CAMERA, points)
    assert quality.trusted[0, :25].all() and not quality.trusted[0, 25:].any() and not quality.doubts
    assert np.isnan(quality.reprojection_px[0, 25:]).all()
    kept = with_quality(clip, quality)
    assert kept.quality["reprojection"] < 0.001 and "root_std_m" not in kept.quality
    clip.valid[:] = False
    empty = measure(clip, CAMERA, points)
    assert np.isnan(empty.means["reprojection"]) and empty.means["share_doubted"] == 0
