"""Coordinates of the simulation and clips say the same."""

import mujoco
import numpy as np
import pytest
import torch

from carescene.humans import forward_kinematics, rotvec_to_matrix
from carescene.simulation import Humanoid, PersonBody, build_humanoid
from carescene.simulation.convert import from_qpos, resample_qpos, to_qpos, to_qvel


@pytest.fixture(scope="module")
def person() -> Humanoid:
    return build_humanoid(PersonBody(np.zeros(10)))


def _random_motion(frames: int, size: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    poses = rng.normal(0, size, (frames, 24, 3))
    poses[:, 22:] = 0
    return poses, rng.normal(size=(frames, 3))


def test_round_trip_is_exact_at_any_pose(person: Humanoid) -> None:
    poses, trans = _random_motion(200, 1.2)
    again, position = from_qpos(person, to_qpos(person, poses, trans))
    first, second = (rotvec_to_matrix(torch.from_numpy(p)) for p in (poses, again))
    assert float((first - second).abs().max()) < 1e-9
    assert np.array_equal(position, trans)


def test_joints_are_where_forward_kinematics_puts_them(person: Humanoid) -> None:
    poses, trans = _random_motion(20)
    wanted, _ = forward_kinematics(
        rotvec_to_matrix(torch.from_numpy(poses)), torch.from_numpy(trans), torch.from_numpy(person.rest_joints)
    )
    data = mujoco.MjData(person.model)
    for frame, qpos in enumerate(to_qpos(person, poses, trans)):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(person.model, data)
        assert np.abs(data.xpos[person.joint_body] - wanted[frame, :22].numpy()).max() < 1e-6


def test_middle_hinge_at_a_right_angle_is_still_exact(person: Humanoid) -> None:
    poses, trans = np.zeros((1, 24, 3)), np.zeros((1, 3))
    poses[0, 1, 2] = np.pi / 2  # the hip's hinges turn about x, z, y
    again, _ = from_qpos(person, to_qpos(person, poses, trans))
    assert np.allclose(again, poses, atol=1e-7)


def test_velocities_are_those_of_steady_turning(person: Humanoid) -> None:
    poses, trans = np.zeros((9, 24, 3)), np.zeros((9, 3))
    time = np.arange(9) / 20
    poses[:, 0, 1] = 2.0 * time  # turning about the body's own long axis
    poses[:, 4, 0] = 3.0 * time  # knee
    poses[:, 16, 2] = -1.5 * time  # shoulder, a ball
    trans[:, 0] = 0.7 * time
    qvel = to_qvel(person, to_qpos(person, poses, trans), 20.0)
    assert np.allclose(qvel[:, 0], 0.7) and np.allclose(qvel[:, 4], 2.0)
    knee = person.hinge_dof[list(person.hinges).index(4)]
    shoulder = person.ball_dof[list(person.balls).index(16)]
    assert np.allclose(qvel[:, knee], 3.0) and np.allclose(qvel[:, shoulder + 2], -1.5, atol=1e-9)
    assert not to_qvel(person, to_qpos(person, poses[:1], trans[:1]), 20.0).any()


def test_resampling_meets_the_frames_and_holds_the_last(person: Humanoid) -> None:
    poses, trans = _random_motion(12, 0.4)
    qpos = to_qpos(person, poses, trans)
    assert np.allclose(resample_qpos(person, qpos, 20.0, np.arange(12) / 20), qpos, atol=1e-12)
    late = resample_qpos(person, qpos, 20.0, np.array([0.55, 3.0]))
    assert np.allclose(late, qpos[-1], atol=1e-12)
    between = resample_qpos(person, qpos, 20.0, np.array([0.11]))
    assert np.linalg.norm(between[0, 3:7]) == pytest.approx(1.0)
    assert np.allclose(resample_qpos(person, qpos[:1], 20.0, np.array([0.0, 1.0])), qpos[0])


def test_resampling_is_exact_on_straight_lines(person: Humanoid) -> None:
    trans = np.outer(np.arange(5.0), [1.0, -2.0, 0.5])
    qpos = to_qpos(person, np.zeros((5, 24, 3)), trans)
    found = resample_qpos(person, qpos, 10.0, np.array([0.05, 0.13, 0.38]))
    assert np.allclose(found[:, :3], np.outer([0.5, 1.3, 3.8], [1.0, -2.0, 0.5]))
