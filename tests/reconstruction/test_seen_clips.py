"""Clips as a detector would see them, against their own truth."""

from pathlib import Path

import numpy as np
import pytest

from carescene.clips import load_clip
from carescene.errors import UserError
from reconstruction.landmarks import free_landmarks
from reconstruction.observations import LANDMARK
from reconstruction.seen_clips import DetectorErrors, clip_landmarks, draw_clips, see_clip, ward_camera

EXACT = DetectorErrors(noise=0.0, missing=0.0, outliers=0.0)


@pytest.fixture
def folder(prepared_source: Path) -> Path:
    return prepared_source


def test_exact_points_are_projections_of_the_landmarks(folder: Path):
    clip = draw_clips([folder], 1, seed=0)[0]
    seen = see_clip(clip, seed=3, errors=EXACT)
    joints, rotations, points = clip_landmarks(clip)
    assert np.array_equal(seen.joints, joints) and np.array_equal(seen.rotations, rotations)
    pixels, _ = seen.camera.project(points)
    there = seen.keypoints.seen
    assert there.mean() > 0.9
    assert np.allclose(seen.keypoints.pixels[there], pixels[there])
    assert np.isnan(seen.keypoints.pixels[~there]).all()
    # Joints of limbs are their own landmarks.
    assert free_landmarks().carrier[LANDMARK["left_knee"]] == 4
    assert np.allclose(points[..., LANDMARK["left_knee"], :], joints[..., 4, :])


def test_errors_have_the_asked_size(folder: Path):
    clip = draw_clips([folder], 1, seed=0)[0]
    exact, noisy = see_clip(clip, 3, EXACT), see_clip(clip, 3)
    both = exact.keypoints.seen & noisy.keypoints.seen
    assert noisy.keypoints.seen.sum() / exact.keypoints.seen.sum() == pytest.approx(0.9, abs=0.03)
    error = (noisy.keypoints.pixels - exact.keypoints.pixels)[both]
    far = np.linalg.norm(error, axis=-1) > 40
    assert far.mean() == pytest.approx(0.05, abs=0.02)
    assert error[~far].std() == pytest.approx(3.0, abs=0.3)
    again = see_clip(clip, 3)
    assert np.array_equal(again.keypoints.pixels, noisy.keypoints.pixels, equal_nan=True)


def test_the_known_distance_lies_on_the_floor(folder: Path):
    seen = see_clip(draw_clips([folder], 1, seed=0)[0], seed=4)
    rays = seen.camera.rays(seen.known_pixels)
    ends = seen.camera.eye - rays * (seen.camera.eye[2] / rays[:, 2:])
    assert np.allclose(ends[:, 2], 0.0)
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(seen.known_metres)


def test_cameras_hang_as_on_wards():
    points = np.random.default_rng(0).uniform([-1, -1, 0], [1, 1, 1.8], size=(200, 3))
    for seed in range(10):
        camera = ward_camera(points, np.random.default_rng(seed), 640, 480)
        pixels, depth = camera.project(points)
        inside = (depth > 0) & (pixels >= 0).all(-1) & (pixels < [640, 480]).all(-1)
        assert inside.mean() > 0.9
        assert 2.0 <= camera.eye[2] <= 3.0
        assert camera.rotation[2, 2] < 0


def test_clips_are_drawn_evenly_and_cut(folder: Path, prepared_folder: Path, tmp_path: Path):
    other = prepared_folder
    clips = draw_clips([folder, other], 6, seed=1, longest=15)
    assert [clip.num_frames for clip in clips] == [15] * 6
    assert [clip.id for clip in clips] == [clip.id for clip in draw_clips([folder, other], 6, seed=1, longest=15)]
    whole = load_clip(folder / "clips" / clips[0].id)
    start = (whole.num_frames - 15) // 2
    assert np.array_equal(clips[0].trans, whole.trans[:, start : start + 15])
    with pytest.raises(UserError, match="prepared folder"):
        draw_clips([tmp_path], 1, seed=0)
