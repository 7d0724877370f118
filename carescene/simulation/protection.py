"""Reactions to one's own fall, put together over time: who reacts when, how fast, and with which strength."""

# The compiled parts of MuJoCo come without types.
# pyright: reportAttributeAccessIssue=false

from dataclasses import replace
from typing import Final

import mujoco
import numpy as np

from carescene.simulation.controller import SERVOS, TICK_S, Servos, servos_of
from carescene.simulation.events import Protect
from carescene.simulation.humanoid import Humanoid
from carescene.simulation.reactions import (
    Angles,
    FallState,
    arm_reach,
    fall_state,
    head_tuck,
    leg_bend,
    leg_step,
    stepping_leg,
    trunk_curl,
)
from carescene.simulation.segments import joints_named, strength_factor

# A person that leans less than this over its feet does not yet curl up or let the legs go.
_TILT_STARTS, _TILT_FULL = np.deg2rad(10.0), np.deg2rad(40.0)

# Beyond this lean the direction of a fall is settled: limbs on the floor must not turn it any more.
_TILT_LANDED: Final = np.deg2rad(65.0)

# Seconds between two looks at how the fall goes: nobody reacts faster.
_LOOK_S: Final = 0.04

# Seconds over which the direction of a fall is averaged.
_DIRECTION_S: Final = 0.12

# Fastest turn of joints in a reaction, radians per second, of the young; the weaker are slower.
_ARM_SPEED, _BODY_SPEED, _LEG_SPEED, _STEP_SPEED = 9.0, 3.0, 3.0, 8.0

# Seconds until a reaction is at full strength, and until a step is over.
_READY_S, _STEP_S = 0.2, 0.32

# Stiffness that legs lose when the fall is under way: they give way, they do not pull themselves up.
_LEGS_LOSE: Final = 0.75

_IS_LEG: Final = np.isin(np.arange(SERVOS), servos_of(joints_named("legs")))


class Protection:
    """Servo targets, weights and strength of one `Protect` event during a simulation."""

    def __init__(self, humanoid: Humanoid, event: Protect, begins_s: float) -> None:
        self.humanoid = humanoid
        self.event = event
        self.begins_s = begins_s
        age, sex = humanoid.person.age_years, humanoid.person.sex
        assert age is not None and sex is not None
        self._agility = 0.5 + 0.5 * strength_factor(age, "male")
        self._step_leg: str | None = None
        self._step_began = 0.0
        self._direction: np.ndarray | None = None
        self._aim = np.zeros(SERVOS)
        self._goal = self._aim
        self._weight = np.zeros(SERVOS)
        self._fastest = np.zeros(SERVOS)
        self._keeps = np.ones(SERVOS)
        self._next = begins_s
        self._begun = False

    def react(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        time_s: float,
        target: Servos,
        share: Servos,
    ) -> tuple[Servos, Servos, Servos]:
        """Targets (radians), shares of strength, and how much each servo is in the reaction's hands (0 to 1)."""
        if not self._begun:
            self._aim = data.actuator_length.copy()
            self._begun = True
        if time_s >= self._next:
            self._next = time_s + _LOOK_S
            self._decide(model, data, time_s)
        most = self._fastest * (self._agility * TICK_S)
        self._aim = self._aim + np.clip(self._goal - self._aim, -most, most)
        return target + self._weight * (self._aim - target), share * self._keeps, self._weight

    def _decide(self, model: mujoco.MjModel, data: mujoco.MjData, time_s: float) -> None:
        """Look at how the body falls, and choose where joints should go."""
        state = self._steady(fall_state(self.humanoid, model, data))
        # As it will be when this decision is half over: weights rise in steps.
        ready = min((time_s - self.begins_s + _LOOK_S / 2) / _READY_S, 1.0)
        tilt = float(np.clip((state.tilt - _TILT_STARTS) / (_TILT_FULL - _TILT_STARTS), 0.0, 1.0))
        weight, goal, speed = np.zeros(SERVOS), self._aim.copy(), np.full(SERVOS, _BODY_SPEED)
        event = self.event
        parts: list[tuple[Angles, float, float]] = [
            (arm_reach(self.humanoid, state, data), event.arms * ready, _ARM_SPEED),
            (head_tuck(state), event.head * ready, _BODY_SPEED),
            (trunk_curl(state), event.trunk * ready * tilt, _BODY_SPEED),
            (leg_bend(state), event.legs * ready * tilt, _LEG_SPEED),
        ]
        if event.step > 0:
            parts.append((self._step(state, data, time_s), min(1.0, 2.0 * event.step) * (1 - tilt), _STEP_SPEED))
        for angles, level, fastest in parts:
            for joint, values in angles.items():
                servos = slice(3 * (joint - 1), 3 * joint)
                if level >= weight[servos.start]:
                    goal[servos], weight[servos], speed[servos] = values, min(level, 1.0), fastest
        self._goal, self._weight, self._fastest = goal, weight, speed
        self._keeps = 1 - _IS_LEG * (min(event.legs, 1.0) * ready * tilt * _LEGS_LOSE)

    def _steady(self, state: FallState) -> FallState:
        """The same state with a direction that does not flicker."""
        before, now = self._direction, state.direction
        if before is None:
            steady = now
        elif state.tilt < _TILT_LANDED:
            mixed = before + (now - before) * (_LOOK_S / _DIRECTION_S)
            steady = mixed / max(float(np.linalg.norm(mixed)), 1e-9)
        else:
            steady = before
        self._direction = steady
        # Cosines follow the averaged direction: turn the old ones by the angle between the two.
        cos = float(steady @ now)
        sin = float(now[0] * steady[1] - now[1] * steady[0])
        return replace(
            state,
            direction=steady,
            forward=cos * state.forward - sin * state.left,
            left=sin * state.forward + cos * state.left,
        )

    def _step(self, state: FallState, data: mujoco.MjData, time_s: float) -> Angles:
        if self._step_leg is None:
            self._step_leg, self._step_began = stepping_leg(self.humanoid, state, data), time_s
        phase = (time_s - self._step_began) / _STEP_S
        return leg_step(self.humanoid, state, data, self._step_leg, phase, float(self.event.step))
