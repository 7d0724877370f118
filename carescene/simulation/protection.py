"""Reactions to one's own fall: arms to the ground ahead, chin tucked, trunk curled, knees bent, a step to the side.

Every function is a building block: it looks at the body as it is now and says where joints should go. Angles are
those that films of falls show: arms reach towards the place of impact in nearly all falls of the young and in three of
four falls of old people; trunk and hips bend in backward falls (Hsiao and Robinovitch 1998; Schonnop et al. 2013).
"""

from dataclasses import dataclass
from typing import Final

import mujoco
import numpy as np
from jaxtyping import Float

from carescene.humans.skeleton import JOINT
from carescene.simulation.controller import pose_targets
from carescene.simulation.events import Protect
from carescene.simulation.humanoid import Humanoid

# A person that leans less than this over its feet does not yet curl up.
_TILT_STARTS, _TILT_FULL = np.deg2rad(8.0), np.deg2rad(35.0)

# Seconds that a step takes, and how far it bends the knee on the way.
_STEP_S: Final = 0.32
_STEP_KNEE: Final = 1.0


@dataclass(frozen=True)
class FallState:
    """How somebody is falling just now.

    Attributes:
        direction: horizontal unit vector in the world, from the feet towards where the body goes.
        forward, left: the same seen from the person (cosines).
        tilt: of the line from feet to centre of mass against the vertical, radians.
        height: of the centre of mass, metres.
        chest: rotation of the chest, `pelvis`: of the pelvis (rest frame to world).
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
    feet = data.xpos[humanoid.joint_body[[JOINT["left_ankle"], JOINT["right_ankle"]]]].mean(0)
    lean = center - feet
    # Where it leans now and where it will lean in a third of a second.
    heading = lean[:2] + 0.33 * velocity[:2]
    pelvis = data.xmat[root].reshape(3, 3)
    chest = data.xmat[humanoid.joint_body[JOINT["spine3"]]].reshape(3, 3)
    ahead = _flat(pelvis[:, 2], pelvis[:, 1])
    norm = float(np.linalg.norm(heading))
    direction = heading / norm if norm > 1e-6 else ahead
    return FallState(
        direction=direction,
        forward=float(direction @ ahead),
        left=float(direction @ np.array([-ahead[1], ahead[0]])),
        tilt=float(np.arctan2(np.linalg.norm(lean[:2]), max(lean[2], 1e-3))),
        height=float(center[2]),
        chest=chest,
        pelvis=pelvis,
    )


def _flat(front: Float[np.ndarray, "3"], up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "2"]:
    """Which way somebody faces on the floor; a lying person's front points up or down, then the head's side counts."""
    flat = front[:2] if abs(front[2]) < 0.8 else -np.sign(front[2]) * up[:2]
    return flat / max(float(np.linalg.norm(flat)), 1e-9)


class Protection:
    """Servo targets and weights of one `Protect` event during a simulation."""

    def __init__(self, humanoid: Humanoid, event: Protect, begins_s: float) -> None:
        self.humanoid = humanoid
        self.event = event
        self.begins_s = begins_s
        self._step_leg: str | None = None
        self._step_began = 0.0
        self._weights = np.zeros(63)
        self._targets = np.zeros(63)

    def react(
        self, model: mujoco.MjModel, data: mujoco.MjData, time_s: float
    ) -> tuple[Float[np.ndarray, "63"], Float[np.ndarray, "63"]]:
        """Targets of the servos (radians) and how much each counts (0 to 1) at this time."""
        state = fall_state(self.humanoid, model, data)
        since = time_s - self.begins_s
        # Arms are on their way within a quarter of a second; legs and trunk follow the tilt.
        ready = float(np.clip(since / 0.25, 0.0, 1.0))
        tilt = float(np.clip((state.tilt - _TILT_STARTS) / (_TILT_FULL - _TILT_STARTS), 0.0, 1.0))
        rotations: dict[int, Float[np.ndarray, "3"]] = {}
        weights: dict[int, float] = {}
        _add(rotations, weights, arm_reach(self.humanoid, state, data), self.event.arms * ready)
        _add(rotations, weights, head_tuck(state), self.event.head * ready)
        _add(rotations, weights, trunk_curl(state), self.event.trunk * ready * tilt)
        _add(rotations, weights, leg_bend(state), self.event.legs * ready * tilt)
        if self.event.step > 0:
            _add(rotations, weights, self._step(state, data, time_s), min(1.0, self.event.step * 2))
        joints = list(rotations)
        targets = pose_targets(self.humanoid, np.stack([rotations[joint] for joint in joints]), joints)
        counts = np.zeros(63)
        for joint in joints:
            counts[3 * (joint - 1) : 3 * joint] = min(weights[joint], 1.0)
        return targets, counts

    def _step(self, state: FallState, data: mujoco.MjData, time_s: float) -> dict[int, Float[np.ndarray, "3"]]:
        if self._step_leg is None:
            self._step_leg, self._step_began = stepping_leg(self.humanoid, state, data), time_s
        phase = (time_s - self._step_began) / _STEP_S
        return leg_step(self.humanoid, state, data, self._step_leg, phase, float(self.event.step))


def _add(
    rotations: dict[int, Float[np.ndarray, "3"]],
    weights: dict[int, float],
    part: dict[int, Float[np.ndarray, "3"]],
    weight: float,
) -> None:
    for joint, rotation in part.items():
        rotations[joint] = rotation
        weights[joint] = weight


def arm_reach(humanoid: Humanoid, state: FallState, data: mujoco.MjData) -> dict[int, Float[np.ndarray, "3"]]:
    """Arms stretched towards the ground where the body will land, elbows a little bent, palms ahead."""
    out: dict[int, Float[np.ndarray, "3"]] = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder = data.xpos[humanoid.joint_body[JOINT[f"{side}_shoulder"]]]
        near = sign * state.left
        # The arm away from a sideways fall comes across to the front; the near one goes out to the side.
        ahead = np.array([*state.direction, 0.0]) * (0.5 if near > -0.5 else 0.3)
        ground = np.array([*(shoulder[:2] + ahead[:2]), 0.0])
        aim = state.chest.T @ (ground - shoulder)
        aim /= max(float(np.linalg.norm(aim)), 1e-6)
        # What a shoulder can do: not across the own chest, not far behind the back.
        aim = aim + np.array([sign * 0.25, 0.0, 0.25 if state.forward > -0.3 else 0.0])
        aim[0] = sign * max(sign * aim[0], 0.1)
        aim[2] = max(aim[2], -0.6)
        aim /= np.linalg.norm(aim)
        out[JOINT[f"{side}_shoulder"]] = turn_between(np.array([sign, 0.0, 0.0]), aim)
        out[JOINT[f"{side}_elbow"]] = np.array([0.0, -sign * 0.45, 0.0])
        out[JOINT[f"{side}_wrist"]] = np.array([0.0, 0.0, sign * 0.8])
    return out


def head_tuck(state: FallState) -> dict[int, Float[np.ndarray, "3"]]:
    """Chin to the chest in a fall backwards, face up in a fall forwards, away from the ground in one to the side."""
    bend = 0.5 * max(-state.forward, 0.0) - 0.35 * max(state.forward, 0.0)
    # Turning about z by a positive angle bends the head to the person's right.
    side = 0.3 * state.left
    rotation = np.array([bend, 0.0, side])
    return {JOINT["neck"]: rotation * 0.6, JOINT["head"]: rotation * 0.6}


def trunk_curl(state: FallState) -> dict[int, Float[np.ndarray, "3"]]:
    """Rounding of the back in a fall backwards; bending away from the ground in one to the side."""
    bend = 0.35 * max(-state.forward, 0.0) + 0.08 * max(state.forward, 0.0)
    rotation = np.array([bend, 0.0, 0.12 * state.left])
    return {JOINT[name]: rotation for name in ("spine1", "spine2", "spine3")}


def leg_bend(state: FallState) -> dict[int, Float[np.ndarray, "3"]]:
    """Hips and knees give way: down on the seat in a fall backwards, on the knees in one forwards."""
    back, front, side = max(-state.forward, 0.0), max(state.forward, 0.0), abs(state.left)
    hip = -(1.2 * back + 0.35 * front + 0.7 * side)
    knee = 1.2 * back + 1.1 * front + 1.0 * side
    out: dict[int, Float[np.ndarray, "3"]] = {}
    for name in ("left", "right"):
        out[JOINT[f"{name}_hip"]] = np.array([hip, 0.0, 0.0])
        out[JOINT[f"{name}_knee"]] = np.array([knee, 0.0, 0.0])
        out[JOINT[f"{name}_ankle"]] = np.array([-0.15 * back, 0.0, 0.0])
    return out


def stepping_leg(humanoid: Humanoid, state: FallState, data: mujoco.MjData) -> str:
    """The leg that is free to step: on the side of the fall if it goes sideways, else the one further behind it."""
    if abs(state.left) > 0.6:
        return "left" if state.left > 0 else "right"
    left, right = (data.xpos[humanoid.joint_body[JOINT[f"{side}_ankle"]]][:2] for side in ("left", "right"))
    return "left" if left @ state.direction < right @ state.direction else "right"


def leg_step(
    humanoid: Humanoid, state: FallState, data: mujoco.MjData, side: str, phase: float, reach: float
) -> dict[int, Float[np.ndarray, "3"]]:
    """A leg that swings towards the capture point: first bent, then stretched to the ground, then held.

    The capture point lies v sqrt(h / g) ahead of the centre of mass (Pratt et al. 2006); `reach` is the share of the
    way that the step manages.
    """
    root = humanoid.joint_body[0]
    velocity = data.subtree_linvel[root][:2]
    center = data.subtree_com[root][:2]
    point = center + reach * (velocity * np.sqrt(max(state.height, 0.3) / 9.81))
    hip = data.xpos[humanoid.joint_body[JOINT[f"{side}_hip"]]]
    aim = state.pelvis.T @ (np.array([*point, 0.05]) - hip)
    aim /= max(float(np.linalg.norm(aim)), 1e-6)
    aim[1] = min(aim[1], -0.4)
    bent = np.sin(np.pi * np.clip(phase, 0.0, 1.0)) * _STEP_KNEE
    rotation = turn_between(np.array([0.0, -1.0, 0.0]), aim / np.linalg.norm(aim))
    # A bent knee takes the foot behind the line of the thigh: the thigh leads by half of it.
    return {
        JOINT[f"{side}_hip"]: rotation - np.array([bent / 2, 0.0, 0.0]),
        JOINT[f"{side}_knee"]: np.array([bent + 0.15, 0.0, 0.0]),
        JOINT[f"{side}_ankle"]: np.array([-0.1, 0.0, 0.0]),
    }


def turn_between(start: Float[np.ndarray, "3"], goal: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """The least turn (axis-angle) from one unit vector to another; undefined only where they are opposite."""
    cross = np.cross(start, goal)
    sine = float(np.linalg.norm(cross))
    if sine < 1e-9:
        return np.zeros(3)
    return cross / sine * float(np.arctan2(sine, start @ goal))
