"""Simulations against closed forms, and people who rest where they lie."""

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.scenes import bed_surface, default_object
from carescene.simulation import (
    Assistance,
    FootFriction,
    HeldFoot,
    Humanoid,
    PersonBody,
    PoseTarget,
    Protect,
    Push,
    ReferenceMotion,
    RemoveFurniture,
    Settle,
    SimulatedMotion,
    Stiffness,
    build_humanoid,
    rejection,
    simulate,
)
from carescene.simulation.filter import joint_positions

UPRIGHT = np.array([np.pi / 2, 0.0, 0.0])
LIMP = [Assistance(0.0, 0.0, 0.0), Stiffness(0.0, 0.0, 0.0)]


@pytest.fixture(scope="module")
def person() -> Humanoid:
    return build_humanoid(PersonBody(np.zeros(10)))


def _standing(height: float = 0.96, frames: int = 1) -> ReferenceMotion:
    poses = np.zeros((frames, 24, 3))
    poses[:, 0] = UPRIGHT
    for side, sign in (("left", 1), ("right", -1)):
        poses[:, JOINT[f"{side}_shoulder"], 2] = -1.3 * sign
    return ReferenceMotion(poses, np.tile([0.0, 0.0, height], (frames, 1)))


def _lying(height: float, at: tuple[float, float] = (0.0, 0.0)) -> ReferenceMotion:
    """On the back, head towards -y, arms along the body."""
    poses = _standing().poses.copy()
    turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))  # y (head) to -y, z (front) up
    poses[:, 0] = matrix_to_rotvec(turn).numpy()
    return ReferenceMotion(poses, np.array([[*at, height]]))


def test_free_fall_is_gravitys(person: Humanoid) -> None:
    motion = simulate(_standing(20.0), person.person, LIMP, seconds=1.0, humanoid=person)
    time = np.arange(20) / 20
    steps = np.round(time / 0.005)
    fallen = motion.center_of_mass[:, 2] - motion.center_of_mass[0, 2]
    # What semi-implicit Euler makes of g t^2 / 2, exactly; it is within 2.5 cm of it after one second.
    assert fallen == pytest.approx(-9.81 * 0.005**2 * steps * (steps + 1) / 2, abs=1e-4)
    assert fallen == pytest.approx(-9.81 * time**2 / 2, abs=0.025)
    assert not motion.floor_force.any()


def test_standing_weight_is_on_the_floor(person: Humanoid) -> None:
    motion = simulate(_standing(), person.person, [], seconds=1.5, humanoid=person)
    feet = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("ankle", "foot")]
    assert set(np.flatnonzero(motion.floor_force[10:].any(0))) <= set(feet)
    assert motion.floor_depth.max() < 0.02
    assert np.abs(motion.trans - motion.trans[0]).max() < 0.02
    assert np.abs(motion.poses[-1] - _standing().poses[0]).max() < 0.06


def test_a_lying_person_rests_on_the_skin_with_all_the_weight(person: Humanoid) -> None:
    events = [Assistance(0.0, 0.0, 0.0), Settle(0.0, delay_s=0.0, duration_s=0.3)]
    motion = simulate(_lying(0.16), person.person, events, seconds=4.0, humanoid=person)
    assert rejection(person, motion, at_rest=True) is None
    # One frame's largest force is the weight once nothing moves.
    assert motion.floor_force[-10:].sum(1).mean() == pytest.approx(person.weight_kg * 9.81, rel=0.03)
    poses = torch.from_numpy(motion.poses[-1:]).float()
    mesh = load_body().pose(poses, torch.from_numpy(motion.trans[-1:]).float(), torch.zeros(10))
    lowest = float(mesh.vertices[..., 2].min())
    assert -0.03 < lowest < 0.01
    assert motion.floor_depth[-10:].max() < 0.01


def test_a_lying_person_sinks_into_a_mattress_and_stays(person: Humanoid) -> None:
    bed = default_object("bed", "bed-1", x=0.0, y=0.0, rails="none", pillow=False)
    humanoid = build_humanoid(person.person, [bed])
    top = bed_surface(bed).height
    events = [Assistance(0.0, 0.0, 0.0), Settle(0.0, delay_s=0.0, duration_s=0.3)]
    lying = _lying(top + 0.16)
    motion = simulate(lying, person.person, events, [bed], seconds=4.0, humanoid=humanoid)
    assert rejection(humanoid, motion, at_rest=True) is None
    assert motion.object_force[-10:, 0].mean() == pytest.approx(person.weight_kg * 9.81, rel=0.05)
    assert 0.003 < motion.furniture_depth[-1] < 0.06
    assert not motion.floor_force.any()
    # Taken away, it lets the person down on the floor.
    gone = simulate(
        lying, person.person, [*events, RemoveFurniture(0.5, "bed-1")], [bed], seconds=2.5, humanoid=humanoid
    )
    assert gone.trans[-1, 2] < 0.25 and gone.floor_force[-1].sum() > 300


def _fall(person: Humanoid, seconds: float = 4.0) -> SimulatedMotion:
    events = [
        Push(0.1, 0.3, "spine3", (0.0, -220.0, 0.0)),
        Assistance(0.0, 0.1, 0.0),
        Protect(0.1),
        Settle(0.2, movement=0.5),
    ]
    return simulate(_standing(), person.person, events, seconds=seconds, humanoid=person, seed=3)


def test_a_pushed_person_falls_believably(person: Humanoid) -> None:
    motion = _fall(person)
    # A person of 57 may catch the fall on hands and knees; old people land on the trunk.
    upper = [JOINT[name] for name in ("left_wrist", "right_wrist", "spine3", "head", "pelvis")]
    landed = float(np.flatnonzero(motion.floor_force[:, upper].any(1))[0]) / 20
    assert 0.5 < landed < 1.6
    assert motion.impact_s is not None and motion.impact_s >= landed - 0.05
    # Forwards: faces -y, so that is where the body ends.
    assert motion.trans[-1, 1] < -0.3 and motion.trans[-1, 2] < 0.3
    assert rejection(person, motion, at_rest=False) is None
    assert motion.limit_violation.max() < 0.3


def test_same_arguments_same_motion(person: Humanoid) -> None:
    first, second = _fall(person, 2.0), _fall(person, 2.0)
    assert np.array_equal(first.poses, second.poses) and np.array_equal(first.trans, second.trans)
    assert np.array_equal(first.floor_force, second.floor_force)
    # The shared model was left as it was.
    fresh = build_humanoid(person.person)
    assert np.array_equal(person.model.geom_friction, fresh.model.geom_friction)
    assert np.array_equal(person.model.actuator_gainprm, fresh.model.actuator_gainprm)


def test_the_seed_moves_only_the_small_movements(person: Humanoid) -> None:
    events = [Assistance(0.0, 0.0, 0.0), Settle(0.0, delay_s=0.0, duration_s=0.3, movement=1.0)]
    runs = [simulate(_lying(0.16), person.person, events, seconds=5.0, humanoid=person, seed=s) for s in (0, 1)]
    assert np.array_equal(runs[0].poses[:6], runs[1].poses[:6])
    assert not np.allclose(runs[0].poses[-1], runs[1].poses[-1], atol=1e-3)
    assert np.ptp(runs[0].poses[20:], axis=0).max() > 0.05


def test_joints_do_not_leave_their_range(person: Humanoid) -> None:
    """A knee that is told to bend forwards, and an elbow to bend backwards, stay straight."""
    targets = PoseTarget(0.0, 0.2, ("left_knee", "left_elbow"), ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
    motion = simulate(_standing(2.0), person.person, [targets], seconds=1.0, humanoid=person)
    assert motion.limit_violation.max() < 0.15
    assert abs(motion.poses[-1, JOINT["left_knee"]]).max() < 0.25
    assert abs(motion.poses[-1, JOINT["left_elbow"]]).max() < 0.25


def test_a_held_foot_stays_and_a_slippery_one_slides(person: Humanoid) -> None:
    ankle = JOINT["left_ankle"]
    push = Push(0.0, 0.6, "left_ankle", (0.0, -150.0, 0.0))
    held = simulate(_standing(), person.person, [push, HeldFoot(0.0, 1.0, "left")], seconds=0.6, humanoid=person)
    icy = [Assistance(0.0, 0.0, 0.0), push, FootFriction(0.0, 1.0, None, 0.02)]
    slid = simulate(_standing(), person.person, icy, seconds=0.6, humanoid=person)
    moved = [np.linalg.norm(joint_positions(person, run)[-1, ankle] - joint_positions(person, run)[0, ankle])
             for run in (held, slid)]  # fmt: skip
    assert moved[0] < 0.03 and moved[1] > 0.15


def test_hands_keep_the_references_pose(person: Humanoid) -> None:
    reference = _standing()
    reference.poses[:, 22:] = 0.2
    motion = simulate(reference, person.person, [], seconds=0.3, humanoid=person)
    assert np.all(motion.poses[:, 22:] == 0.2)


def test_bad_input_is_refused(person: Humanoid) -> None:
    standing = _standing()
    with pytest.raises(UserError, match="duration"):
        simulate(standing, person.person, seconds=0)
    with pytest.raises(UserError, match="NaN"):
        simulate(ReferenceMotion(np.full((1, 24, 3), np.nan), standing.trans), person.person, seconds=1)
    with pytest.raises(UserError, match=r"\(frame, 24, 3\)"):
        simulate(ReferenceMotion(np.zeros((0, 24, 3)), np.zeros((0, 3))), person.person, seconds=1)
    with pytest.raises(UserError, match="one pelvis position per frame"):
        simulate(ReferenceMotion(np.zeros((2, 24, 3)), np.zeros((1, 3))), person.person, seconds=1)
    with pytest.raises(UserError, match="frame rate"):
        simulate(ReferenceMotion(standing.poses, standing.trans, 0), person.person, seconds=1)


def test_rotation_of_the_root_reaches_the_clip(person: Humanoid) -> None:
    motion = simulate(_standing(), person.person, [], seconds=0.1, humanoid=person)
    upright = rotvec_to_matrix(torch.from_numpy(motion.poses[0, 0]))
    assert torch.allclose(upright, rotvec_to_matrix(torch.from_numpy(UPRIGHT)), atol=1e-9)
