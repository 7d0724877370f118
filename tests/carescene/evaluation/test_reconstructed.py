"""Measures of recovered motion against closed forms."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.errors import UserError
from carescene.evaluation.reconstructed import (
    ONE_SIGMA,
    acceleration_error,
    fit_similarity,
    interval_coverage,
    jitter,
    mpjpe,
    pa_mpjpe,
    root_error,
    rotation_errors,
    trajectory_errors,
    valid_runs,
    world_mpjpe,
)


def motion(frames: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, 24, 3)) + np.cumsum(rng.normal(scale=0.05, size=(frames, 1, 3)), axis=0)


def turned(points: np.ndarray, scale: float = 1.0) -> np.ndarray:
    return scale * points @ Rotation.from_rotvec([0.3, -0.5, 1.1]).as_matrix().T + np.array([1.0, -2.0, 0.5])


def test_similarity_is_found_again():
    points = motion()[0]
    found = fit_similarity(points, turned(points, 1.7))
    assert found.scale == pytest.approx(1.7)
    assert np.allclose(found.rotation, Rotation.from_rotvec([0.3, -0.5, 1.1]).as_matrix())
    assert np.allclose(found.apply(points), turned(points, 1.7))
    assert fit_similarity(points, turned(points, 1.7), scaled=False).scale == 1.0


def test_a_mirrored_body_is_not_aligned_by_mirroring():
    points = motion()[0]
    found = fit_similarity(points, points * [-1.0, 1.0, 1.0])
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)
    assert np.abs(found.apply(points) - points * [-1.0, 1.0, 1.0]).max() > 0.1


def test_similarity_is_the_least_squares_one():
    rng = np.random.default_rng(1)
    points, target = rng.normal(size=(2, 10, 3))
    found = fit_similarity(points, target)
    best = ((found.apply(points) - target) ** 2).sum()
    for _ in range(50):
        turn = Rotation.from_rotvec(rng.normal(scale=0.02, size=3)).as_matrix() @ found.rotation
        other = found._replace(
            scale=found.scale * (1 + rng.normal(scale=0.02)), rotation=turn, shift=found.shift + rng.normal(0, 0.02, 3)
        )
        assert ((other.apply(points) - target) ** 2).sum() > best


def test_mpjpe_counts_what_the_hips_do_not_explain():
    truth = motion()
    moved = truth + np.array([0.3, -0.2, 0.1])
    assert np.allclose(mpjpe(moved, truth), 0.0)
    assert np.allclose(mpjpe(moved, truth, root=None), np.linalg.norm([0.3, -0.2, 0.1]))
    moved[:, 5] += np.array([0.0, 0.03, 0.04])
    assert mpjpe(moved, truth).mean() == pytest.approx(0.05 / 24)


def test_pa_mpjpe_forgives_similarities_frame_by_frame():
    truth = motion()
    seen = np.stack([turned(frame, 0.5 + 0.1 * index) for index, frame in enumerate(truth)])
    assert np.allclose(pa_mpjpe(seen, truth), 0.0, atol=1e-12)
    assert pa_mpjpe(seen[:, ::-1], truth).mean() > 0.1


def test_world_mpjpe_grows_with_drift():
    truth = motion(frames=250)
    drift = truth + 0.001 * np.arange(250)[:, None, None] * np.array([1.0, 0.0, 0.0])
    aligned, whole = world_mpjpe(drift, truth), world_mpjpe(drift, truth, first=None)
    assert aligned.shape == (250, 24)
    # Each chunk starts afresh, and the alignment of its first two frames is nearly exact.
    assert aligned[0].mean() < 1e-3 and aligned[100].mean() < 1e-3 and aligned[200].mean() < 1e-3
    assert aligned[99].mean() == pytest.approx(0.1, rel=0.1)
    assert whole.mean() < aligned.mean()
    assert np.allclose(world_mpjpe(turned(truth, 2.0), truth), 0.0, atol=1e-9)


def test_root_error_is_a_share_of_the_distance():
    truth = np.array([[0.0, 4.0, 1.0], [0.0, 8.0, 1.0]])
    errors = root_error(truth + np.array([0.0, 0.2, 0.0]), truth, np.array([0.0, 0.0, 1.0]))
    assert np.allclose(errors, [0.05, 0.025])


def test_acceleration_and_jitter_of_polynomials():
    times = np.arange(20)[:, None, None] / 20
    joints = np.zeros((20, 24, 3))
    falling = joints - times**2 * np.array([0.0, 0.0, 4.905])
    assert np.allclose(acceleration_error(falling, joints, 20), 9.81)
    cubic = joints + times**3 * np.array([2.0, 0.0, 0.0])
    assert np.allclose(jitter(cubic, 20.0), 12.0 / 10)


def test_trajectory_errors_after_rigid_alignment():
    truth = np.stack([np.linspace(0, 4, 50), np.zeros(50), np.zeros(50)], axis=1)
    assert trajectory_errors(turned(truth), truth) == pytest.approx((0.0, 0.0), abs=1e-6)
    # A path of twice the length around the same middle: errors are the distances from it.
    distances = np.abs(truth[:, 0] - 2)
    ate, rte = trajectory_errors(2 * truth, truth)
    assert ate == pytest.approx(np.sqrt((distances**2).mean()))
    assert rte == pytest.approx(100 * distances.mean() / 4)
    assert trajectory_errors(2 * truth, truth, scaled=True)[0] == pytest.approx(0.0, abs=1e-9)
    assert trajectory_errors(truth[:1] + 1.0, truth[:1])[1] == np.inf


def test_coverage_of_normal_errors():
    rng = np.random.default_rng(0)
    stated = rng.uniform(0.1, 2.0, size=20_000)
    errors = rng.normal(size=20_000) * stated
    assert interval_coverage(errors, stated) == pytest.approx(ONE_SIGMA, abs=0.01)
    assert interval_coverage(errors, stated / 2) < 0.45
    assert np.isnan(interval_coverage(errors[:0], stated[:0]))


def test_rotation_errors_are_found_in_the_joints_frame():
    rng = np.random.default_rng(2)
    rotations = Rotation.from_rotvec(rng.normal(size=(48, 3))).as_matrix().reshape(2, 24, 3, 3)
    vectors = rng.normal(scale=0.3, size=(2, 24, 3))
    truth = rotations @ Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(2, 24, 3, 3)
    assert np.allclose(rotation_errors(rotations, truth), vectors)


def test_runs_of_valid_frames():
    valid = np.array([True, True, False, True, False, True, True, True])
    assert valid_runs(valid, 2) == [slice(0, 2), slice(5, 8)]
    assert valid_runs(np.zeros(3, bool)) == []


def test_nothing_to_align_is_refused():
    with pytest.raises(UserError, match="got none"):
        fit_similarity(np.zeros((0, 3)), np.zeros((0, 3)))
