"""Coming to rest: once the body is down the muscles let go, and limbs find their place."""

# The compiled parts of MuJoCo come without types.
# pyright: reportAttributeAccessIssue=false

from typing import Final

import mujoco
import numpy as np

from carescene.simulation.controller import TICK_S, Servos, rise_at, servos_of
from carescene.simulation.events import Settle
from carescene.simulation.humanoid import Humanoid
from carescene.simulation.recorder import Recorder
from carescene.simulation.segments import joints_named

# Muscles at rest give in to the place that a limb has found with this time constant, seconds.
_CREEP_S: Final = 0.3

# Somebody who has not moved for this long is down, whatever touches the floor (on hands and knees, say).
_STILL_S, _STILL_SPEED = 0.6, 0.15

# Small movements: how many per second at size 1, how long each takes, how far joints turn (radians).
_MOVES_PER_S, _MOVE_S, _MOVE_ANGLE = 0.5, (0.8, 2.0), 0.35
_MOVE_SHARE: Final = 0.3
_MOVERS: Final = ("left_arm", "right_arm", "neck", "left_leg", "right_leg", "trunk")


class Rest:
    """The state of one `Settle` event during a simulation."""

    def __init__(self, humanoid: Humanoid, event: Settle, random: np.random.Generator) -> None:
        self.humanoid = humanoid
        self.event = event
        self.impact_s: float | None = None
        self._random = random
        self._still = 0.0
        self._hold: Servos | None = None
        self._next = 0.0
        self._move: tuple[float, float, np.ndarray, np.ndarray] | None = None

    def apply(
        self,
        data: mujoco.MjData,
        recorder: Recorder,
        time: float,
        target: Servos,
        share: Servos,
        speed: Servos,
    ) -> tuple[Servos, Servos, Servos]:
        """Targets, shares and speeds of the servos once the body has come down; unchanged before."""
        if time < self.event.not_before_s:
            return target, share, speed
        if self.impact_s is None:
            if not self._is_down(data, recorder):
                return target, share, speed
            self.impact_s = round(time, 3)
        weight = rise_at(time, self.impact_s + self.event.delay_s, self.event.duration_s)
        if weight == 0.0:
            return target, share, speed
        now = data.actuator_length
        if self._hold is None:
            self._hold = now.copy()
            self._next = time + self.event.duration_s
        self._hold = self._hold + (now - self._hold) * (TICK_S / _CREEP_S)
        goal = target + weight * (self._hold - target)
        level = share + weight * (np.minimum(share, self.event.share) - share)
        if self.event.movement > 0:
            goal, level = self._stir(time, goal, level)
        return goal, level, speed * (1 - weight)

    def _is_down(self, data: mujoco.MjData, recorder: Recorder) -> bool:
        touches = recorder.trunk_touches_floor if self.event.surface == "floor" else recorder.trunk_touches
        slow = float(data.qvel[:3] @ data.qvel[:3]) < _STILL_SPEED**2
        self._still = self._still + TICK_S if slow else 0.0
        return touches or self._still > _STILL_S

    def _stir(self, time: float, goal: Servos, share: Servos) -> tuple[Servos, Servos]:
        """A limb or the head moves a little and comes back, at random times."""
        if self._move is None and time >= self._next:
            servos = servos_of(joints_named(_MOVERS[int(self._random.integers(len(_MOVERS)))]))
            size = _MOVE_ANGLE * min(self.event.movement, 1.0)
            self._move = (
                time,
                float(self._random.uniform(*_MOVE_S)),
                servos,
                self._random.normal(0.0, size, len(servos)),
            )
        if self._move is None:
            return goal, share
        start, duration, servos, turn = self._move
        bump = np.sin(np.pi * min((time - start) / duration, 1.0)) ** 2
        goal, share = goal.copy(), share.copy()
        goal[servos] += bump * turn
        share[servos] = np.maximum(share[servos], _MOVE_SHARE * bump)
        if time >= start + duration:
            self._move = None
            self._next = time + float(self._random.exponential(1 / (_MOVES_PER_S * self.event.movement)))
        return goal, share
