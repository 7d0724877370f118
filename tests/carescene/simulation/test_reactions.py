"""Reactions point the right way, and grow with time and lean."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT
from carescene.simulation import Humanoid, PersonBody, Protect, build_humanoid
from carescene.simulation.controller import servos_of
from carescene.simulation.convert import from_qpos, to_qpos
from carescene.simulation.protection import Protection
from carescene.simulation.reactions import (
    Angles,
    FallState,
    arm_reach,
    facing,
    fall_state,
    head_tuck,
    leg_bend,
    leg_step,
    stepping_leg,
    trunk_curl,
    turn_between,
)

UPRIGHT = np.array([np.pi / 2, 0.0, 0.0])  # faces -y, left is +x


@pytest.fixture(scope="module")
def person() -> Humanoid:
    return build_humanoid(PersonBody(np.zeros(10), age_years=75.0))


def _leaning(person: Humanoid, direction: str, degrees: float = 25.0) -> tuple[mujoco.MjData, FallState]:
    """Somebody stiff who leans over both feet in one direction."""
    axes = {"forward": (1, 0, 0), "backward": (-1, 0, 0), "left": (0, 1, 0), "right": (0, -1, 0)}
    poses = np.zeros((1, 24, 3))
    lean = Rotation.from_rotvec(np.deg2rad(degrees) * np.array(axes[direction], float))
    poses[0, 0] = (lean * Rotation.from_rotvec(UPRIGHT)).as_rotvec()
    data = mujoco.MjData(person.model)
    data.qpos[:] = to_qpos(person, poses, np.array([[0.0, 0.0, 0.9]]))[0]
    mujoco.mj_forward(person.model, data)
    return data, fall_state(person, person.model, data)


def _posed(person: Humanoid, data: mujoco.MjData, angles: Angles) -> mujoco.MjData:
    """The same body with the reaction's joints where they are wanted."""
    out = mujoco.MjData(person.model)
    out.qpos[:] = data.qpos
    for joint, values in angles.items():
        if joint in person.balls:
            start = person.ball_qpos[list(person.balls).index(joint)]
            out.qpos[start : start + 4] = np.roll(Rotation.from_rotvec(values).as_quat(), 1)
        else:
            start = person.hinge_qpos[list(person.hinges).index(joint)]
            out.qpos[start : start + 3] = values
    mujoco.mj_forward(person.model, out)
    return out


@pytest.mark.parametrize(
    ("direction", "forward", "left"),
    [("forward", 1, 0), ("backward", -1, 0), ("left", 0, 1), ("right", 0, -1)],
)
def test_direction_is_read_from_the_lean(person: Humanoid, direction: str, forward: int, left: int) -> None:
    _, state = _leaning(person, direction)
    assert (state.forward, state.left) == (pytest.approx(forward, abs=0.1), pytest.approx(left, abs=0.1))
    assert np.rad2deg(state.tilt) == pytest.approx(25, abs=6)


@pytest.mark.parametrize("direction", ["forward", "backward", "left", "right"])
def test_hands_go_to_the_ground_where_the_body_lands(person: Humanoid, direction: str) -> None:
    data, state = _leaning(person, direction)
    reached = _posed(person, data, arm_reach(person, state, data))
    near = "left" if direction == "left" else "right"
    hand = reached.xpos[person.joint_body[JOINT[f"{near}_wrist"]]]
    shoulder = reached.xpos[person.joint_body[JOINT[f"{near}_shoulder"]]]
    assert hand[2] < shoulder[2] - 0.2
    assert (hand - shoulder)[:2] @ state.direction > (0.1 if direction != "backward" else -0.1)


def test_the_chin_is_tucked_backwards_and_lifted_forwards(person: Humanoid) -> None:
    crown = {}
    for direction in ("forward", "backward", "left"):
        data, state = _leaning(person, direction)
        tucked = _posed(person, data, head_tuck(state) | trunk_curl(state))
        head = person.joint_body[JOINT["head"]]
        turned = data.xmat[head].reshape(3, 3).T @ tucked.xmat[head].reshape(3, 3)
        crown[direction] = turned[:, 1]
    assert crown["backward"][2] > 0.3 and crown["forward"][2] < -0.1
    # Away from the ground: to the right in a fall to the left.
    assert crown["left"][0] < -0.1


def test_knees_bend_and_hips_fold(person: Humanoid) -> None:
    _, state = _leaning(person, "backward")
    bent = leg_bend(state)
    for side in ("left", "right"):
        assert bent[JOINT[f"{side}_knee"]][0] > 0.7 and bent[JOINT[f"{side}_hip"]][0] < -0.7


def test_a_step_goes_under_the_moving_body(person: Humanoid) -> None:
    data, state = _leaning(person, "left", 8.0)
    data.qvel[0] = 1.0  # leftwards
    mujoco.mj_forward(person.model, data)
    state = fall_state(person, person.model, data)
    side = stepping_leg(person, state, data)
    assert side == "left"
    planted = _posed(person, data, leg_step(person, state, data, side, 1.0, 1.0))
    foot = person.joint_body[JOINT["left_ankle"]]
    assert planted.xpos[foot][0] > data.xpos[foot][0] + 0.15
    lifted = _posed(person, data, leg_step(person, state, data, side, 0.5, 1.0))
    assert lifted.xpos[foot][2] > planted.xpos[foot][2] + 0.05


def test_reactions_grow_and_are_no_faster_than_a_person(person: Humanoid) -> None:
    data, _ = _leaning(person, "forward")
    protection = Protection(person, Protect(0.0), 0.2)
    rest, ones = data.actuator_length.copy(), np.ones(63)
    weights, targets = [], []
    for tick in range(40):
        target, share, weight = protection.react(person.model, data, 0.2 + tick / 100, rest, ones)
        weights.append(weight[servos_of([JOINT["left_shoulder"]])[0]])
        targets.append(target)
        assert np.all(share > 0) and np.all(share <= 1)
    assert weights[0] < 0.2 and weights[-1] == 1.0 and np.all(np.diff(weights) >= 0)
    # Weight and aim move at once; twice the fastest aim is a safe bound.
    assert np.abs(np.diff(targets, axis=0)).max() / 0.01 < 30
    assert np.abs(targets[-1] - rest).max() > 0.5


def test_no_reaction_leaves_the_plan_alone(person: Humanoid) -> None:
    data, _ = _leaning(person, "forward")
    nothing = Protection(person, Protect(0.0, arms=0.0, head=0.0, trunk=0.0, legs=0.0), 0.0)
    plan, ones = np.linspace(-1, 1, 63), np.ones(63)
    target, share, weight = nothing.react(person.model, data, 0.5, plan, ones)
    assert np.array_equal(target, plan) and np.array_equal(share, ones) and not weight.any()


def test_facing_of_the_lying(person: Humanoid) -> None:
    data, _ = _leaning(person, "backward", 90.0)  # on the back, head towards +y
    pelvis = data.xmat[person.joint_body[0]].reshape(3, 3)
    assert facing(pelvis) == pytest.approx([0.0, -1.0], abs=1e-6)


def test_turn_between_is_a_rotation_onto_the_goal() -> None:
    rng = np.random.default_rng(1)
    for start, goal in rng.normal(size=(20, 2, 3)):
        start, goal = start / np.linalg.norm(start), goal / np.linalg.norm(goal)
        assert np.allclose(Rotation.from_rotvec(turn_between(start, goal)).apply(start), goal)
    assert not turn_between(np.array([1.0, 0, 0]), np.array([1.0, 0, 0])).any()


def test_states_can_be_replaced(person: Humanoid) -> None:
    """A fall straight down has no side: neither head nor trunk bends."""
    _, state = _leaning(person, "forward")
    down = replace(state, forward=0.0, left=0.0)
    assert all(abs(value) < 1e-12 for part in (head_tuck(down), trunk_curl(down)) for v in part.values() for value in v)


def test_arm_angles_are_what_a_clip_would_show(person: Humanoid) -> None:
    """The ball's servo angles, read back through the clip, stretch the arm towards the ground."""
    data, state = _leaning(person, "forward")
    posed = _posed(person, data, arm_reach(person, state, data))
    poses, _ = from_qpos(person, posed.qpos[None].copy())
    arm = Rotation.from_rotvec(poses[0, JOINT["left_shoulder"]]).apply([1.0, 0.0, 0.0])
    assert arm[2] > 0.3
    assert torch.isfinite(torch.from_numpy(poses)).all()
