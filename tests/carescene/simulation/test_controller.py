"""Servos follow a pose, gains and plans change over time, and help at the pelvis pulls to the reference."""

import copy

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT
from carescene.simulation import (
    Assistance,
    Humanoid,
    PersonBody,
    PoseTarget,
    ReferenceMotion,
    Stiffness,
    build_humanoid,
    simulate,
)
from carescene.simulation.controller import (
    SERVOS,
    TICK_S,
    Muscles,
    make_plan,
    pose_targets,
    rise,
    rise_at,
    rotation_error,
    servo_targets,
    servos_of,
)
from carescene.simulation.convert import to_qpos


@pytest.fixture(scope="module")
def person() -> Humanoid:
    return build_humanoid(PersonBody(np.zeros(10), age_years=30.0, sex="male"))


def _still(poses: np.ndarray, height: float = 3.0) -> ReferenceMotion:
    return ReferenceMotion(poses, np.tile([0.0, 0.0, height], (len(poses), 1)))


def _ordinary() -> np.ndarray:
    """A pose within the range of every joint, in the air."""
    poses = np.zeros((1, 24, 3))
    poses[0, 0] = (np.pi / 2, 0, 0)
    poses[0, JOINT["left_hip"]] = (-0.6, 0, 0.2)
    poses[0, JOINT["left_knee"]] = (0.9, 0, 0)
    poses[0, JOINT["left_shoulder"]] = (0.0, -0.5, -0.9)
    poses[0, JOINT["right_elbow"]] = (0, 1.2, 0)
    poses[0, JOINT["head"]] = (0.1, 0.4, 0)
    return poses


def test_servos_measure_what_the_clip_says(person: Humanoid) -> None:
    data = mujoco.MjData(person.model)
    qpos = to_qpos(person, _ordinary(), np.zeros((1, 3)))
    data.qpos[:] = qpos[0]
    mujoco.mj_forward(person.model, data)
    assert np.allclose(data.actuator_length, servo_targets(person, qpos)[0], atol=1e-9)
    only = pose_targets(person, np.array([[0.9, 0, 0]]), [JOINT["left_knee"]])
    assert np.allclose(only[servos_of([JOINT["left_knee"]])], [0.9, 0, 0])


def test_a_static_pose_is_held(person: Humanoid) -> None:
    motion = simulate(_still(_ordinary()), person.person, [], seconds=1.5, humanoid=person)
    wanted = Rotation.from_rotvec(_ordinary()[0, :22])
    error = (wanted.inv() * Rotation.from_rotvec(motion.poses[-1, :22])).magnitude()
    # The weight of a raised thigh bends the hip by a few degrees, as servos have no integral part.
    assert np.rad2deg(error.max()) < 5.0
    assert np.linalg.norm(motion.trans[-1] - (0, 0, 3.0)) < 0.02
    assert motion.saturation[5:].max() == 0.0
    assert np.abs(np.diff(motion.poses[-10:], axis=0)).max() < 1e-3


def test_a_slow_movement_is_followed(person: Humanoid) -> None:
    poses = np.repeat(_ordinary(), 40, axis=0)
    time = np.arange(40) / 20
    poses[:, JOINT["left_knee"], 0] = 0.9 + 0.4 * np.sin(3 * time)
    motion = simulate(_still(poses), person.person, [], seconds=2.0, humanoid=person)
    assert np.abs(motion.poses[5:, JOINT["left_knee"], 0] - poses[5:, JOINT["left_knee"], 0]).max() < 0.06


def test_plan_of_events(person: Humanoid) -> None:
    poses = np.zeros((20, 24, 3))
    poses[:, JOINT["left_knee"], 0] = np.linspace(0.0, 1.0, 20)
    knee = servos_of([JOINT["left_knee"]])[0]
    hip = servos_of([JOINT["left_hip"]])[0]
    events = [
        Assistance(0.2, 0.1, 0.25),
        Stiffness(0.3, 0.2, 0.5, ("left_leg",)),
        Stiffness(0.6, 0.0, 0.0, ("left_knee",)),
        PoseTarget(0.5, 0.0, ("left_knee",)),
        PoseTarget(0.1, 0.1, ("left_hip",), ((-0.7, 0.0, 0.0),)),
    ]
    plan = make_plan(person, _still(poses), events, 100)
    at = {seconds: round(seconds / TICK_S) for seconds in (0.0, 0.25, 0.5, 0.6, 0.9)}
    assert plan.assistance[at[0.0]] == 1.0 and plan.assistance[at[0.5]] == pytest.approx(0.25)
    assert plan.assistance[at[0.25]] == pytest.approx(0.625)
    assert plan.share[at[0.5], hip] == pytest.approx(0.5) and plan.share[at[0.6], knee] == pytest.approx(0.0)
    assert plan.share[at[0.9], servos_of([JOINT["right_knee"]])[0]] == 1.0
    assert plan.target[at[0.9], knee] == pytest.approx(0.5 * 20 / 19, abs=1e-6)  # where it was at 0.5 s
    assert plan.target[at[0.5], hip] == pytest.approx(-0.7)


def test_strength_is_scaled_by_age_and_share(person: Humanoid) -> None:
    model = copy.copy(person.model)
    muscles = Muscles(person, model)
    muscles.set_share(np.full(SERVOS, 0.25), 0.0)
    knee = servos_of([JOINT["left_knee"]])[0]
    assert model.actuator_gainprm[knee, 0] == pytest.approx(0.25 * 8.0 * person.weight_kg)
    assert model.actuator_forcerange[knee, 1] == pytest.approx(0.5 * 3.0 * person.weight_kg)
    old = build_humanoid(PersonBody(np.zeros(10), age_years=80.0, sex="male"))
    assert Muscles(old, copy.copy(old.model)).strength[knee] == pytest.approx(0.6 * muscles.strength[knee])


def test_limp_joints_give_in(person: Humanoid) -> None:
    arm = JOINT["left_shoulder"]
    poses = np.zeros((1, 24, 3))
    poses[0, 0] = (np.pi / 2, 0, 0)
    angles = {}
    for share in (1.0, 0.02):
        events = [Stiffness(0.0, 0.0, share, ("left_arm",))]
        motion = simulate(_still(poses), person.person, events, seconds=1.5, humanoid=person)
        angles[share] = float(np.linalg.norm(motion.poses[-1, arm]))
    assert angles[1.0] < 0.1 and angles[0.02] > 0.4


def test_help_pulls_to_the_reference(person: Humanoid) -> None:
    moved = ReferenceMotion(np.repeat(_ordinary(), 40, 0), np.tile([0.0, 0.0, 3.0], (40, 1)))
    moved.trans[:, 0] = np.minimum(np.arange(40) / 40, 0.5)
    motion = simulate(moved, person.person, [], seconds=2.0, humanoid=person)
    assert np.abs(motion.trans[:, 0] - moved.trans[:, 0]).max() < 0.03


def test_rise_is_smooth_and_monotone() -> None:
    times = np.linspace(0, 1, 101)
    level = rise(times, 0.25, 0.5)
    assert level[0] == 0 and level[-1] == 1 and np.all(np.diff(level) >= 0)
    assert level[50] == pytest.approx(0.5, abs=1e-6)
    assert all(rise_at(float(t), 0.25, 0.5) == pytest.approx(v) for t, v in zip(times, level, strict=True))
    assert rise(np.array([0.2, 0.3]), 0.3, 0.0) == pytest.approx([0.0, 1.0])


def test_rotation_error_is_in_the_bodys_frame() -> None:
    now, turn = Rotation.from_rotvec([0.3, -0.8, 0.5]), np.array([0.1, 0.2, -0.3])
    goal = now * Rotation.from_rotvec(turn)
    found = rotation_error(np.roll(now.as_quat(), 1), np.roll(goal.as_quat(), 1))
    assert found == pytest.approx(turn, abs=1e-9)
