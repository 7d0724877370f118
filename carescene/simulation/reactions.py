"""Building blocks of reactions to one's own fall: where arms, head, trunk and legs should go, given how the body falls.

Angles are those that films of falls show: arms reach towards the place of impact in most falls, trunk and hips bend in
backward falls, knees give way on the way down (Hsiao and Robinovitch 1998; Robinovitch et al. 2013). Every function
returns servo angles (radians, three per joint in the order of its servos) by SMPL joint.
"""

# The compiled parts of MuJoCo come without types.
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import dataclass
from typing import Final

import mujoco
import numpy as np
from jaxtyping import Float

from carescene.humans.skeleton import JOINT
from carescene.simulation.humanoid import Humanoid
from carescene.simulation.segments import joint_spec

Angles = dict[int, tuple[float, float, float]]

# How far a step bends the knee on its way, radians.
_STEP_KNEE: Final = 0.9

_SIDES: Final = (("left", 1.0), ("right", -1.0))


@dataclass(frozen=True)
class FallState:
    """How somebody is falling just now.

    Attributes:
        direction: horizontal unit vector in the world, from the feet towards where the body goes.
        forward, left: the same seen from the person (cosines).
        tilt: of the line from feet to centre of mass against the vertical, radians.
        height: of the centre of mass, metres.
        chest, pelvis: rotations (rest frame to world).
    """

    direction: Float[np.ndarray, "2"]
    forward: float
    left: float
    tilt: float
    height: float
    chest: Float[np.ndarray, "3 3"]
    pelvis: Float[np.ndarray, "3 3"]


def fall_state(humanoid: Humanoid, model: mujoco.MjModel, data: mujoco.MjData) -> FallState:
    """Read the direction and the progress of a fall from the state of the body."""
    mujoco.mj_subtreeVel(model, data)
    root = humanoid.joint_body[0]
    center, velocity = data.subtree_com[root], data.subtree_linvel[root]
    ankles = data.xpos[humanoid.joint_body[[JOINT["left_ankle"], JOINT["right_ankle"]]]]
    lean = center - (ankles[0] + ankles[1]) / 2
    # Where it leans now and where it will lean in a third of a second.
    heading = lean[:2] + 0.33 * velocity[:2]
    pelvis = data.xmat[root].reshape(3, 3)
    ahead = facing(pelvis)
    norm = math.hypot(heading[0], heading[1])
    direction = heading / norm if norm > 1e-6 else ahead
    return FallState(
        direction=direction,
        forward=float(direction @ ahead),
        left=float(direction[1] * ahead[0] - direction[0] * ahead[1]),
        tilt=math.atan2(math.hypot(lean[0], lean[1]), max(float(lean[2]), 1e-3)),
        height=float(center[2]),
        chest=data.xmat[humanoid.joint_body[JOINT["spine3"]]].reshape(3, 3),
        pelvis=pelvis,
    )


def facing(pelvis: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "2"]:
    """Which way a pelvis faces on the floor; of a lying one, whose front points up or down, the head's side counts."""
    front, up = pelvis[:, 2], pelvis[:, 1]
    flat = front[:2] if abs(front[2]) < 0.8 else -np.sign(front[2]) * up[:2]
    return flat / max(math.hypot(flat[0], flat[1]), 1e-9)


def arm_reach(humanoid: Humanoid, state: FallState, data: mujoco.MjData) -> Angles:
    """Arms stretched towards the ground where the body will land, elbows a little bent, hands bent back."""
    out: Angles = {}
    for side, sign in _SIDES:
        joint = JOINT[f"{side}_shoulder"]
        shoulder = data.xpos[humanoid.joint_body[joint]]
        # The arm on the far side of a sideways fall comes to the front; the near one goes out to the ground.
        near = sign * state.left
        ahead = 0.5 if near > -0.5 else 0.25
        ground = np.array([shoulder[0] + ahead * state.direction[0], shoulder[1] + ahead * state.direction[1], 0.0])
        aim = state.chest.T @ (ground - shoulder)
        aim = aim / max(math.sqrt(float(aim @ aim)), 1e-6)
        # What a shoulder can do: hardly across the own chest, not far behind the back.
        aim[0] = sign * max(sign * aim[0], 0.15)
        aim[2] = max(aim[2], -0.45)
        if near < -0.5:
            aim[2] = max(aim[2], 0.5)
        aim = aim / math.sqrt(float(aim @ aim))
        out[joint] = _ball(humanoid, joint, turn_between(np.array([sign, 0.0, 0.0]), aim))
        out[JOINT[f"{side}_elbow"]] = _hinges(JOINT[f"{side}_elbow"], y=-sign * 0.5)
        out[JOINT[f"{side}_wrist"]] = _hinges(JOINT[f"{side}_wrist"], z=sign * 0.8)
    return out


def head_tuck(state: FallState) -> Angles:
    """Chin to the chest in a fall backwards, face up in a fall forwards, away from the ground in one to the side."""
    bend = 0.5 * max(-state.forward, 0.0) - 0.35 * max(state.forward, 0.0)
    # Turning about z by a positive angle bends the head to the person's right.
    side = 0.3 * state.left
    return {JOINT[name]: _hinges(JOINT[name], x=0.7 * bend, z=0.7 * side) for name in ("neck", "head")}


def trunk_curl(state: FallState) -> Angles:
    """Rounding of the back in a fall backwards; bending away from the ground in one to the side."""
    bend = 0.3 * max(-state.forward, 0.0) + 0.08 * max(state.forward, 0.0)
    side = 0.12 * state.left
    return {JOINT[name]: _hinges(JOINT[name], x=bend, z=side) for name in ("spine1", "spine2", "spine3")}


def leg_bend(state: FallState) -> Angles:
    """Hips and knees give way: down on the seat in a fall backwards, on the knees in one forwards."""
    back, front, side = max(-state.forward, 0.0), max(state.forward, 0.0), abs(state.left)
    hip = -(1.1 * back + 0.3 * front + 0.6 * side)
    knee = 1.1 * back + 1.0 * front + 0.8 * side
    out: Angles = {}
    for side_name, sign in _SIDES:
        # The leg towards the ground bends less: people come down on the side of thigh and hip.
        more = 1.0 - 0.3 * sign * state.left
        out[JOINT[f"{side_name}_hip"]] = _hinges(JOINT[f"{side_name}_hip"], x=hip * more)
        out[JOINT[f"{side_name}_knee"]] = _hinges(JOINT[f"{side_name}_knee"], x=knee * more)
    return out


def stepping_leg(humanoid: Humanoid, state: FallState, data: mujoco.MjData) -> str:
    """The leg that is free to step: on the side of the fall if it goes sideways, else the one further behind it."""
    if abs(state.left) > 0.6:
        return "left" if state.left > 0 else "right"
    left, right = (data.xpos[humanoid.joint_body[JOINT[f"{side}_ankle"]]][:2] for side in ("left", "right"))
    return "left" if left @ state.direction < right @ state.direction else "right"


def leg_step(
    humanoid: Humanoid, state: FallState, data: mujoco.MjData, side: str, phase: float, reach: float
) -> Angles:
    """A leg that swings towards the capture point: first bent, then stretched to the ground, then held.

    The capture point lies v sqrt(h / g) ahead of the centre of mass (Pratt et al. 2006); `reach` is the share of the
    way that the step manages, `phase` runs from 0 to 1 during the step.
    """
    root = humanoid.joint_body[0]
    velocity, center = data.subtree_linvel[root][:2], data.subtree_com[root][:2]
    point = center + reach * velocity * math.sqrt(max(state.height, 0.3) / 9.81)
    hip_joint = JOINT[f"{side}_hip"]
    aim = state.pelvis.T @ (np.array([point[0], point[1], 0.05]) - data.xpos[humanoid.joint_body[hip_joint]])
    # Straight down is -y; a leg swings ahead (+z, a negative turn about x) and to the side (x, about z).
    swing, spread = math.atan2(float(aim[2]), -float(aim[1])), math.atan2(float(aim[0]), -float(aim[1]))
    bent = math.sin(math.pi * min(max(phase, 0.0), 1.0)) * _STEP_KNEE
    swing, spread = min(max(swing, -0.6), 1.2), min(max(spread, -0.6), 0.6)
    # A bent knee takes the foot behind the line of the thigh: the thigh leads by half of it.
    return {
        hip_joint: _hinges(hip_joint, x=-swing - bent / 2, z=spread),
        JOINT[f"{side}_knee"]: _hinges(JOINT[f"{side}_knee"], x=bent + 0.12),
        JOINT[f"{side}_ankle"]: _hinges(JOINT[f"{side}_ankle"], x=-0.1),
    }


def turn_between(start: Float[np.ndarray, "3"], goal: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """The least turn (axis-angle) from one unit vector to another; undefined only where they are opposite."""
    (a, b, c), (x, y, z) = start, goal
    cross = np.array([b * z - c * y, c * x - a * z, a * y - b * x])
    sine = math.sqrt(float(cross @ cross))
    if sine < 1e-9:
        return np.zeros(3)
    return cross / sine * math.atan2(sine, float(start @ goal))


def _hinges(joint: int, *, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> tuple[float, float, float]:
    angles = {"x": x, "y": y, "z": z}
    first, second, third = joint_spec(joint).axes or "xyz"
    return angles[first], angles[second], angles[third]


def _ball(humanoid: Humanoid, joint: int, turn: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    number = int(np.flatnonzero(humanoid.balls == joint)[0])
    angle = math.sqrt(float(turn @ turn))
    quat, servo = np.empty(4), np.empty(3)
    mujoco.mju_axisAngle2Quat(quat, turn / max(angle, 1e-12), angle)
    mujoco.mju_mulQuat(quat, humanoid.ball_start[number], quat.copy())
    mujoco.mju_quat2Vel(servo, quat, 1.0)
    return float(servo[0]), float(servo[1]), float(servo[2])
