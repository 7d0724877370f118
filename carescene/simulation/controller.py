"""Muscles: position servos on all joints that follow a reference, with gains that events change over time."""

# The compiled parts of MuJoCo come without types.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT, NUM_JOINTS
from carescene.simulation.convert import resample_qpos, to_qpos
from carescene.simulation.events import Assistance, Perturbation, PoseTarget, Stiffness
from carescene.simulation.humanoid import Humanoid
from carescene.simulation.motion import ReferenceMotion
from carescene.simulation.segments import SIMULATED_JOINTS, joint_spec, joints_named, strength_factor

# The servos' targets are set this often: as often as a nerve could, and half as often as the physics steps.
TICK_S: Final = 0.01

SERVOS: Final = 3 * (SIMULATED_JOINTS - 1)
Servos: TypeAlias = Float[np.ndarray, "63"]

# Seconds: damping over stiffness. Limbs of a person come out a little overdamped, which is what looks alive.
_DAMPING: Final = 0.08

# Strength that full help adds, as a share of the person's own.
_ASSISTED_STRENGTH: Final = 3.0

# The help at the pelvis is a spring to the reference with these frequencies (radians per second), critically damped.
_ROOT_RATE: Final = 25.0
_ROOT_TURN_RATE: Final = 25.0
# Moment of inertia of a standing body about its pelvis, in square metres (times its mass).
_ROOT_GYRATION: Final = 0.14


@dataclass(frozen=True)
class Plan:
    """What the controller wants at every tick, before reactions that depend on what happens.

    Attributes:
        qpos, qvel: of the reference.
        target: of the servos, radians; three per joint 1 to 21, in that order.
        share: of stiffness and strength of each servo.
        assistance: level of the help at the pelvis.
    """

    qpos: Float[np.ndarray, "tick nq"]
    root_velocity: Float[np.ndarray, "tick 6"]
    target: Float[np.ndarray, "tick 63"]
    share: Float[np.ndarray, "tick 63"]
    assistance: Float[np.ndarray, "tick"]


def servo_targets(humanoid: Humanoid, qpos: Float[np.ndarray, "frame nq"]) -> Float[np.ndarray, "frame 63"]:
    """Where the servos would have to stand for these coordinates: angles of hinges, axis-angle of balls (radians)."""
    out = np.zeros((len(qpos), SERVOS))
    columns = 3 * (humanoid.hinges[:, None] - 1) + np.arange(3)
    out[:, columns] = qpos[:, humanoid.hinge_qpos[:, None] + np.arange(3)]
    for joint, start in zip(humanoid.balls, humanoid.ball_qpos, strict=True):
        turn = Rotation.from_quat(np.roll(qpos[:, start : start + 4], -1, axis=1))
        out[:, 3 * (joint - 1) : 3 * joint] = turn.as_rotvec()
    return out


def pose_targets(humanoid: Humanoid, rotations: Float[np.ndarray, "joint 3"], joints: Sequence[int]) -> Servos:
    """Servo targets for axis-angle rotations of some joints; those of all other joints are of the rest pose."""
    poses = np.zeros((1, NUM_JOINTS, 3))
    poses[0, list(joints)] = rotations
    return servo_targets(humanoid, to_qpos(humanoid, poses, np.zeros((1, 3))))[0]


def servos_of(joints: Sequence[int]) -> np.ndarray:
    """Indices of the servos of some joints; the pelvis and the hands have none."""
    own = [joint for joint in joints if 1 <= joint < SIMULATED_JOINTS]
    return (3 * (np.array(own, dtype=int)[:, None] - 1) + np.arange(3)).ravel()


def rise(times: Float[np.ndarray, "tick"], start: float, duration: float) -> Float[np.ndarray, "tick"]:
    """0 before the start, 1 after the duration, a smooth step between (3 x^2 - 2 x^3)."""
    # A change without duration is there at its time already, hence the tiny lead.
    x = np.clip((times - start + 1e-9) / (duration + 1e-9), 0.0, 1.0)
    return x * x * (3 - 2 * x)


def rise_at(time: float, start: float, duration: float) -> float:
    """The same at one time."""
    x = min(max((time - start + 1e-9) / (duration + 1e-9), 0.0), 1.0)
    return x * x * (3 - 2 * x)


def make_plan(humanoid: Humanoid, reference: ReferenceMotion, events: Sequence[Perturbation], ticks: int) -> Plan:
    """Targets, gains and assistance at each tick from the reference and the events that do not depend on the state."""
    times = np.arange(ticks) * TICK_S
    frames = to_qpos(humanoid, reference.poses, reference.trans)
    qpos = resample_qpos(humanoid, frames, reference.fps, times)
    target = servo_targets(humanoid, qpos)
    share = np.ones((ticks, SERVOS))
    assistance = np.ones(ticks)
    for event in sorted(
        (event for event in events if isinstance(event, Assistance | PoseTarget | Stiffness)), key=lambda e: e.time_s
    ):
        weight = rise(times, event.time_s, event.duration_s)
        if isinstance(event, Assistance):
            assistance += weight * (event.level - assistance)
            continue
        joints = joints_named(*event.joints)
        servos = servos_of(joints)
        if isinstance(event, Stiffness):
            share[:, servos] += weight[:, None] * (event.share - share[:, servos])
            continue
        if event.rotations is None:
            goal = target[min(int(event.time_s / TICK_S), ticks - 1)]
        else:
            order = [JOINT[name] for name in event.joints]
            goal = pose_targets(humanoid, np.array(event.rotations, dtype=np.float64), order)
        target[:, servos] += weight[:, None] * (goal[servos] - target[:, servos])
    return Plan(qpos, _root_velocity(qpos), target, share, assistance)


class Muscles:
    """Sets the gains, targets and the help at the pelvis of a model under simulation."""

    def __init__(self, humanoid: Humanoid, model: mujoco.MjModel) -> None:
        self.model = model
        weight, age, sex = humanoid.weight_kg, humanoid.person.age_years, humanoid.person.sex
        assert age is not None and sex is not None
        specs = [joint_spec(joint) for joint in range(1, SIMULATED_JOINTS)]
        self.stiffness = np.repeat([spec.stiffness for spec in specs], 3) * weight
        self.strength = np.repeat([spec.strength for spec in specs], 3) * weight * strength_factor(age, sex)
        self.root_stiffness = weight * np.array([_ROOT_RATE**2] * 3 + [_ROOT_GYRATION * _ROOT_TURN_RATE**2] * 3)
        self.root_damping = weight * np.array([2 * _ROOT_RATE] * 3 + [2 * _ROOT_GYRATION * _ROOT_TURN_RATE] * 3)
        self._assistance = -1.0
        self._share: Servos | None = None
        self._damping = np.zeros(SERVOS)

    def set_share(self, share: Servos, assistance: float) -> None:
        """Scale stiffness and strength; damping falls with the root, so that limp limbs do not swing for long.

        Somebody who is helped follows the reference whatever their own strength.
        """
        if self._share is not None and self._assistance == assistance and np.array_equal(share, self._share):
            return
        self._share, self._assistance = share.copy(), assistance
        stiffness = self.stiffness * np.maximum(share, 1e-6)
        # The share of a step ahead that makes the spring stable at any stiffness (Tan, Liu and Turk 2011).
        self._damping = (
            _DAMPING * self.stiffness * np.sqrt(np.maximum(share, 1e-6)) + stiffness * self.model.opt.timestep
        )
        self._lead = self._damping / stiffness
        self.model.actuator_gainprm[:, 0] = stiffness
        self.model.actuator_biasprm[:, 1] = -stiffness
        self.model.actuator_biasprm[:, 2] = -self._damping
        limit = self.strength * (np.sqrt(np.maximum(share, 1e-4)) + _ASSISTED_STRENGTH * assistance)
        self.model.actuator_forcerange[:, 0], self.model.actuator_forcerange[:, 1] = -limit, limit

    def aim(self, data: mujoco.MjData, target: Servos, speed: Servos) -> None:
        """Point the servos at targets (radians) that move with a speed (radians per second)."""
        data.ctrl[:] = target + np.minimum(self._lead, 0.15) * speed

    def assist(
        self, data: mujoco.MjData, level: float, qpos: Float[np.ndarray, "nq"], velocity: Float[np.ndarray, "6"]
    ) -> None:
        """Pull the pelvis to where the reference has it, with a share of the full help."""
        self.model.dof_damping[:6] = level * self.root_damping
        if level == 0.0:
            data.qfrc_applied[:6] = 0.0
            return
        error = np.empty(6)
        error[:3] = qpos[:3] - data.qpos[:3]
        error[3:] = rotation_error(data.qpos[3:7], qpos[3:7])
        data.qfrc_applied[:6] = level * (self.root_stiffness * error + self.root_damping * velocity)


def rotation_error(now: Float[np.ndarray, "4"], goal: Float[np.ndarray, "4"]) -> Float[np.ndarray, "3"]:
    """Axis-angle of the turn from one orientation to another, in the first one's frame (quaternions, w first)."""
    out = np.empty(3)
    mujoco.mju_subQuat(out, goal, now)
    return out


def _root_velocity(qpos: Float[np.ndarray, "tick nq"]) -> Float[np.ndarray, "tick 6"]:
    """Velocity of the pelvis in the world and its rate of turn in its own frame."""
    out = np.zeros((len(qpos), 6))
    if len(qpos) < 2:
        return out
    out[:, :3] = np.gradient(qpos[:, :3], TICK_S, axis=0)
    turn = Rotation.from_quat(np.roll(qpos[:, 3:7], -1, axis=1))
    rate = (turn[:-1].inv() * turn[1:]).as_rotvec() / TICK_S
    out[:-1, 3:] = rate
    return out
