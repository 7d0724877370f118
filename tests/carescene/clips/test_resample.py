"""Resampling against motions whose value at any time is known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.formats import SourceMotion
from carescene.clips.resample import frame_times, resample_motion, resample_positions, resample_rotations


def test_frame_times_end_where_the_recording_does() -> None:
    np.testing.assert_allclose(frame_times(0.35, 20.0), np.arange(8) / 20)
    np.testing.assert_allclose(frame_times(0.349, 20.0), np.arange(7) / 20)
    # 10 frames at 1/30 s are 0.3 s but for rounding.
    assert len(frame_times(9 * 0.0333333, 20.0)) == 7


@pytest.mark.parametrize("speed", [0.5, 5.0, 12.0])
def test_constant_turning(speed: float) -> None:
    times = np.arange(0, 2, 1 / 30)
    at = np.arange(0, 1.9, 1 / 20)
    axis = np.array([0.6, 0.0, 0.8])

    def turn(t: np.ndarray) -> np.ndarray:
        return Rotation.from_rotvec(speed * t[:, None] * axis).as_matrix()

    got = resample_rotations(times, turn(times), at)
    error = Rotation.from_matrix(got.transpose(0, 2, 1) @ turn(at)).magnitude()
    # At 12 rad/s a frame turns by 23 degrees; the spline still follows within a tenth of a degree.
    assert error.max() < 2e-3


def test_signs_of_quaternions_do_not_matter() -> None:
    # Passing through half a turn, where quaternions change sign between frames.
    times = np.arange(0, 2, 1 / 30)
    rotations = Rotation.from_rotvec(np.stack((0 * times, 0 * times, 2 * times + 1), -1)).as_matrix()
    got = resample_rotations(times, rotations[:, None], np.array([0.71]))
    expected = Rotation.from_rotvec([0.0, 0.0, 2.42]).as_matrix()
    np.testing.assert_allclose(got[0, 0], expected, atol=1e-5)


def test_source_frames_are_kept_and_uneven_times_are_seen() -> None:
    times = np.array([0.0, 0.1, 0.15, 0.4, 0.5])
    rng = np.random.default_rng(1)
    positions = rng.normal(size=(5, 2, 3))
    np.testing.assert_allclose(resample_positions(times, positions, times), positions, atol=1e-12)
    line = times[:, None] * np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(resample_positions(times, line, np.array([0.3]))[0], [0.3, 0.6, 0.9], atol=1e-12)


def test_jerk_of_a_smooth_path_survives() -> None:
    times, at = np.arange(0, 4, 1 / 30), np.arange(0, 3.9, 1 / 20)

    def path(t: np.ndarray) -> np.ndarray:
        return np.stack((np.sin(3 * t), np.cos(2 * t), 0 * t), -1)

    jerk = np.diff(resample_positions(times, path(times), at), n=3, axis=0) * 20**3
    expected = np.diff(path(at), n=3, axis=0) * 20**3
    assert np.abs(jerk - expected).max() < 0.1 * np.abs(expected).max()


def test_motion_keeps_its_skeleton() -> None:
    times = np.arange(31) / 30
    motion = SourceMotion(
        "take",
        ("a", "b"),
        (-1, 0),
        np.tile(np.eye(3), (31, 2, 1, 1)),
        np.outer(times, [1.0, 0.0, 0.0]),
        np.ones((2, 3)),
        times,
    )
    new = resample_motion(motion, 20.0)
    assert new.times.shape == (21,) and new.joint_names == motion.joint_names
    np.testing.assert_allclose(new.trans[:, 0], new.times, atol=1e-12)
