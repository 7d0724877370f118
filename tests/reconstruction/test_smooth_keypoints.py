"""Exchanged limbs and jumps of a walking person, planted and found again."""

from dataclasses import replace

import numpy as np
import pytest

from reconstruction.landmarks import free_landmarks
from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.sigma import detector_sigma
from reconstruction.smooth_keypoints import LIMBS, find_exchanged, find_jumps, repair_keypoints

FPS = 20.0


def walker(turn: float, frames: int = 120, height: float = 300.0, noise: float = 2.0, seed: int = 0) -> Keypoints:
    """Somebody who walks past, seen from an angle: limbs swing by a stride of 0.4 of the height, once a second."""
    model = free_landmarks()
    joints, offsets = model.rest(np.zeros(10))
    rest = joints[model.carrier] + offsets
    time = np.arange(frames) / FPS
    points = np.tile(rest, (frames, 1, 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        swing = sign * np.sin(2 * np.pi * time)
        for part, reach in {"knee": 0.15, "ankle": 0.35, "big_toe": 0.35, "small_toe": 0.35, "heel": 0.35}.items():
            points[:, LANDMARK[f"{side}_{part}"], 2] += reach * swing
        for part, reach, down in (("elbow", 0.1, 0.3), ("wrist", 0.3, 0.55)):
            hanging = rest[LANDMARK[f"{side}_shoulder"]] - [0.0, down, 0.0]
            points[:, LANDMARK[f"{side}_{part}"]] = hanging
            points[:, LANDMARK[f"{side}_{part}"], 2] -= reach * swing
    across = points[..., 0] * np.cos(turn) + points[..., 2] * np.sin(turn) + np.sin(turn) * 1.2 * time[:, None]
    scale = height / np.ptp(rest[:, 1])
    rng = np.random.default_rng(seed)
    pixels = np.stack([400 + scale * across, 400 - scale * points[..., 1]], -1)[None]
    pixels += rng.normal(0, noise, pixels.shape)
    confidence = np.where(rng.random(pixels.shape[:3]) < 0.1, 0.0, 0.9)
    pixels[confidence == 0] = np.nan
    sigma = detector_sigma(pixels, confidence)
    return Keypoints(time, np.arange(frames), 1280, 720, pixels, confidence, sigma, ("person 1",), "mediapipe")


def exchange(keypoints: Keypoints, limb: str, frames: list[int]) -> Keypoints:
    left = [LANDMARK[f"left_{part}"] for part in LIMBS[limb]]
    right = [LANDMARK[f"right_{part}"] for part in LIMBS[limb]]
    changed = {}
    for name in ("pixels", "confidence", "sigma"):
        values = getattr(keypoints, name).copy()
        for frame in frames:
            values[0, frame, left + right] = values[0, frame, right + left]
        changed[name] = values
    return replace(keypoints, **changed)


@pytest.mark.parametrize("turn", [0.0, 0.5, 1.0, np.pi / 2])
def test_nothing_is_wrong_with_a_walk(turn):
    """Legs that pass each other in side view are not exchanged; steady points do not jump."""
    keypoints = walker(turn)
    assert not any(found.any() for found in find_exchanged(keypoints).values())
    assert not find_jumps(keypoints).any()
    np.testing.assert_array_equal(repair_keypoints(keypoints).pixels, keypoints.pixels)


@pytest.mark.parametrize("limb", ["arms", "legs"])
@pytest.mark.parametrize("turn", [0.0, 0.6])
def test_exchanges_are_put_back(limb, turn):
    keypoints = walker(turn)
    planted = [17, 40, 41, 42, 43, 90]
    repaired = repair_keypoints(exchange(keypoints, limb, planted))
    assert np.flatnonzero(find_exchanged(exchange(keypoints, limb, planted))[limb][0]).tolist() == planted
    for name in ("pixels", "confidence", "sigma"):
        np.testing.assert_array_equal(getattr(repaired, name), getattr(keypoints, name))


@pytest.mark.parametrize("limb", ["arms", "legs"])
def test_long_exchanges_are_put_back_where_both_sides_leap(limb):
    """Nobody turns from one frame to the next, in the middle of a video or before its first frame."""
    keypoints = walker(0.0)
    for planted in (list(range(40, 60)), list(range(15))):
        swapped = exchange(keypoints, limb, planted)
        assert np.flatnonzero(find_exchanged(swapped)[limb][0]).tolist() == planted
        np.testing.assert_array_equal(repair_keypoints(swapped).pixels, keypoints.pixels)


def test_a_turn_is_no_exchange():
    """Half a turn within a second, out of the view across the shoulders: both sides pass through one place."""
    one = walker(0.0)
    angle = np.clip((one.times - 2.0) / 1.0, 0.0, 1.0) * np.pi
    middle = 400.0
    across = middle + (one.pixels[..., 0] - middle) * np.cos(angle)[None, :, None]
    turned = replace(one, pixels=np.stack([across, one.pixels[..., 1]], -1))
    assert not any(found.any() for found in find_exchanged(turned).values())


def test_exchanges_across_a_gap_stay():
    """Who was out of sight for half a second may have turned."""
    keypoints = walker(0.3)
    confidence = keypoints.confidence.copy()
    confidence[:, 35:45], confidence[:, 60:70] = 0.0, 0.0
    gaps = replace(keypoints, confidence=confidence)
    swapped = exchange(gaps, "legs", list(range(45, 60)))
    assert not find_exchanged(swapped)["legs"].any()


def test_jumps_lose_trust():
    keypoints = walker(0.6)
    pixels = keypoints.pixels.copy()
    planted = np.zeros(keypoints.confidence.shape, bool)
    for start, name in ((20, "left_wrist"), (21, "nose"), (70, "right_ankle")):
        frame = start + int(np.flatnonzero(keypoints.seen[0, start:, LANDMARK[name]])[0])
        pixels[0, frame, LANDMARK[name]] += [90.0, -60.0]
        planted[0, frame, LANDMARK[name]] = True
    jumped = replace(keypoints, pixels=pixels)
    np.testing.assert_array_equal(find_jumps(jumped), planted)
    repaired = repair_keypoints(jumped)
    np.testing.assert_allclose(repaired.confidence[planted], 0.18)
    np.testing.assert_array_equal(repaired.confidence[~planted], keypoints.confidence[~planted])


def test_nobody_and_two_frames():
    keypoints = walker(0.0, frames=2)
    assert not find_exchanged(keypoints)["legs"].any()
    nobody = replace(
        keypoints, pixels=np.zeros((0, 2, 26, 2)), confidence=np.zeros((0, 2, 26)), sigma=np.zeros((0, 2, 26)), names=()
    )
    assert repair_keypoints(nobody).pixels.shape == (0, 2, 26, 2)
