"""Inverse kinematics: slopes against differences, exact contacts, limits, surfaces."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.humans.anthropometry import body_from
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.skeleton import JOINT
from carescene.simulation.anatomy import Anatomy, measure_body
from carescene.simulation.pose_limits import LIMITS, NEUTRAL
from carescene.simulation.pose_solver import (
    Balance,
    PointTargets,
    _normal_equations,
    attached_points,
    joint_limit_excess,
    kinematics,
    skin_points,
    solve_poses,
)
from carescene.simulation.postures import STANDING
from carescene.simulation.surfaces import floor


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return measure_body(body_from(age_years=70, height_m=1.7).numpy().astype(np.float64))


def _standing(anatomy: Anatomy, frames: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rotations = np.tile(np.eye(3), (frames, 24, 1, 1))
    rotations[:, 0] = STANDING
    for side, sign in (("left", -1), ("right", 1)):
        rotations[:, JOINT[f"{side}_shoulder"]] = Rotation.from_euler("z", 70 * sign, degrees=True).as_matrix()
    high = anatomy.rest[0, 1] - anatomy.rest[JOINT["left_ankle"], 1] + anatomy.ankle_height
    return rotations, np.tile([0.0, 0.0, high], (frames, 1))


def _targets(joint: str, at: np.ndarray, weight: float = 1.0) -> PointTargets:
    return PointTargets(np.array([JOINT[joint]]), np.zeros((1, 3)), at[None, None], np.full((1, 1, 3), weight))


def test_kinematics_agree_with_the_project(anatomy):
    rng = np.random.default_rng(0)
    turns = Rotation.from_rotvec(rng.normal(0, 0.5, (3 * 24, 3))).as_matrix().reshape(3, 24, 3, 3)
    trans = rng.normal(size=(3, 3))
    world, joints = kinematics(turns, trans, anatomy.rest)
    expected, expected_world = forward_kinematics(
        torch.from_numpy(turns), torch.from_numpy(trans), torch.from_numpy(anatomy.rest)
    )
    np.testing.assert_allclose(joints, expected.numpy(), atol=1e-9)
    np.testing.assert_allclose(world, expected_world.numpy(), atol=1e-9)


def test_skin_of_the_rest_pose_is_the_rest_skin(anatomy):
    turns = np.tile(np.eye(3), (1, 24, 1, 1))
    world, joints = kinematics(turns, anatomy.rest[:1], anatomy.rest)
    np.testing.assert_allclose(skin_points(anatomy, world, joints)[0], anatomy.probes, atol=1e-9)


def test_slope_is_the_derivative_of_half_the_cost(anatomy):
    # Every term takes part: a hand away from its target, soles in the floor, a knee bent the wrong way, an
    # off-centre mass.
    rotations, trans = _standing(anatomy)
    given, place = rotations.copy(), trans.copy()
    turns = rotations.copy()
    turns[:, JOINT["left_knee"]] = Rotation.from_euler("x", -0.2).as_matrix()
    trans = trans - [0.0, 0.0, 0.04]
    targets = _targets("left_wrist", np.array([-0.2, 0.4, 1.0]), weight=0.02)
    level = Balance(np.array([[0.1, 0.1]]), np.ones(1))

    def cost_at(variables: np.ndarray) -> float:
        turned = turns.copy()
        step = Rotation.from_rotvec(variables[:-3].reshape(-1, 3)).as_matrix()
        turned[0, :22] = turned[0, :22] @ step
        return float(
            _normal_equations(anatomy, turned, trans + variables[-3:], [floor()], given, place, targets, level)[2][0]
        )

    _, slope, _ = _normal_equations(anatomy, turns, trans, [floor()], given, place, targets, level)
    rng = np.random.default_rng(1)
    for _ in range(4):
        way = rng.normal(size=slope.shape[1])
        way[:3] *= 0.3
        way /= np.linalg.norm(way)
        numeric = (cost_at(1e-5 * way) - cost_at(-1e-5 * way)) / 2e-5
        # Blended skin moves a little differently from the rigid share that the slope uses: 3 %.
        assert numeric == pytest.approx(2 * slope[0] @ way, rel=0.03, abs=0.5)


def test_reaches_a_point_to_less_than_a_millimetre(anatomy):
    rotations, trans = _standing(anatomy)
    goal = np.array([-0.25, 0.45, 1.1])
    solved, place = solve_poses(anatomy, rotations, trans, _targets("left_wrist", goal), [floor()], iterations=30)
    _, joints = kinematics(solved, place, anatomy.rest)
    assert np.linalg.norm(joints[0, JOINT["left_wrist"]] - goal) < 1e-3
    assert joint_limit_excess(solved).max() < np.radians(1)


def test_nothing_to_do_changes_nothing(anatomy):
    rotations, trans = _standing(anatomy)
    nothing = _targets("pelvis", np.zeros(3), weight=0.0)
    solved, place = solve_poses(anatomy, rotations, trans + np.array([0, 0, 0.05]), nothing, [floor()])
    np.testing.assert_allclose(solved, rotations, atol=1e-6)
    np.testing.assert_allclose(place, trans + np.array([0, 0, 0.05]), atol=1e-6)


def test_comes_out_of_the_floor(anatomy):
    rotations, trans = _standing(anatomy)
    nothing = _targets("pelvis", np.zeros(3), weight=0.0)
    solved, place = solve_poses(anatomy, rotations, trans - np.array([0, 0, 0.1]), nothing, [floor()], iterations=30)
    lowest = skin_points(anatomy, *kinematics(solved, place, anatomy.rest))[..., 2].min()
    assert lowest > -0.02


def test_a_knee_does_not_bend_forwards(anatomy):
    rotations, trans = _standing(anatomy)
    rotations[:, JOINT["left_knee"]] = Rotation.from_euler("x", -40, degrees=True).as_matrix()
    assert joint_limit_excess(rotations)[0, JOINT["left_knee"]] > np.radians(30)
    nothing = _targets("pelvis", np.zeros(3), weight=0.0)
    solved, _ = solve_poses(anatomy, rotations, trans + np.array([0, 0, 1]), nothing, [floor()], iterations=30)
    assert joint_limit_excess(solved).max() < np.radians(2)


def test_balance_brings_the_mass_over_its_place(anatomy):
    rotations, trans = _standing(anatomy)
    rotations[:, JOINT["spine1"]] = Rotation.from_euler("x", 30, degrees=True).as_matrix()
    nothing = _targets("pelvis", np.zeros(3), weight=0.0)
    wanted = Balance(np.zeros((1, 2)), np.ones(1))
    solved, place = solve_poses(anatomy, rotations, trans, nothing, [floor()], wanted, iterations=30)
    _, joints = kinematics(solved, place, anatomy.rest)
    before = np.abs(anatomy.mass @ kinematics(rotations, trans, anatomy.rest)[1][0])[1]
    assert np.abs(anatomy.mass @ joints[0])[1] < 0.5 * before


def test_right_limits_mirror_the_left():
    for name in ("hip", "shoulder", "elbow"):
        left, right = LIMITS[JOINT[f"left_{name}"]], LIMITS[JOINT[f"right_{name}"]]
        np.testing.assert_allclose(right[:, 0], left[:, 0])
        np.testing.assert_allclose(right[:, 1:], -left[::-1, 1:])
    np.testing.assert_allclose(NEUTRAL[JOINT["left_shoulder"]], NEUTRAL[JOINT["right_shoulder"]].T)


def test_attached_points_follow_their_joint(anatomy):
    rotations, trans = _standing(anatomy)
    world, joints = kinematics(rotations, trans, anatomy.rest)
    offset = np.array([[0.0, 0.1, 0.0]])
    point = attached_points(world, joints, np.array([0]), offset)[0, 0]
    np.testing.assert_allclose(point, trans[0] + [0, 0, 0.1], atol=1e-9)
