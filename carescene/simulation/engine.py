"""Simulation of one person: a reference is followed by muscles until events let it go."""

# The compiled parts of MuJoCo come without types.
# pyright: reportAttributeAccessIssue=false

import copy
from collections.abc import Sequence
from typing import Final

import mujoco
import numpy as np

from carescene.errors import UserError
from carescene.humans.body import Body
from carescene.humans.skeleton import JOINT
from carescene.scenes.scene import SceneObject
from carescene.simulation.controller import TICK_S, Muscles, Plan, make_plan
from carescene.simulation.convert import to_qpos, to_qvel
from carescene.simulation.events import (
    FootFriction,
    HeldFoot,
    Perturbation,
    Protect,
    Push,
    RemoveFurniture,
    Settle,
    check_events,
)
from carescene.simulation.humanoid import FLOOR_FRICTION, Humanoid, PersonBody, build_humanoid
from carescene.simulation.motion import FRAMES_PER_SECOND, ReferenceMotion, SimulatedMotion
from carescene.simulation.protection import Protection
from carescene.simulation.recorder import Recorder
from carescene.simulation.rest import Rest
from carescene.simulation.segments import reaction_delay

_STEPS_PER_TICK: Final = 2
_TICKS_PER_FRAME: Final = round(1 / (FRAMES_PER_SECOND * TICK_S))
LONGEST_S: Final = 120.0

# A recorded toe that scrapes the floor by a millimetre must not trip somebody who is still carried by the help.
_ASSISTED_FRICTION: Final = 0.15


def simulate(
    reference: ReferenceMotion,
    person: PersonBody,
    events: Sequence[Perturbation] = (),
    furniture: Sequence[SceneObject] = (),
    *,
    seconds: float | int,
    seed: int = 0,
    humanoid: Humanoid | None = None,
    body: Body | None = None,
) -> SimulatedMotion:
    """Let a person follow a motion and meet events, on a floor at z = 0 among furniture; 20 frames per second.

    The same arguments give the same motion on the same kind of machine.

    Args:
        events: in any order; times in seconds from the first frame.
        seconds: of the result, first frame included at 0.
        seed: of small movements while lying, the only randomness here.
        humanoid: from `build_humanoid(person, furniture)`, to save building it again for the same person and furniture.
        body: body model; None takes the bundled one.

    Raises:
        UserError: impossible events, reference, person or duration.
    """
    if not 0 < seconds <= LONGEST_S:
        raise UserError(f"Expected a duration above 0 and up to {LONGEST_S:g} s, but got {seconds}. Give seconds.")
    reference = reference.checked()
    check_events(list(events), tuple(thing.id for thing in furniture))
    built = build_humanoid(person, furniture, body=body) if humanoid is None else humanoid
    run = _Run(built, reference, list(events), float(seconds), seed)
    return run.finish()


class _Run:
    """One simulation under way."""

    def __init__(
        self, humanoid: Humanoid, reference: ReferenceMotion, events: list[Perturbation], seconds: float, seed: int
    ) -> None:
        self.humanoid = humanoid
        # Events change friction, gains and geoms: the shared model stays as it is.
        self.model = copy.copy(humanoid.model)
        self.data = mujoco.MjData(self.model)
        self.events = events
        self.slips = [event for event in events if isinstance(event, FootFriction)]
        self.feet = {
            side: np.isin(humanoid.geom_joint, [JOINT[f"{side}_{part}"] for part in ("ankle", "foot")])
            for side in ("left", "right")
        }
        self.reference = reference
        self.frames = max(1, round(seconds * FRAMES_PER_SECOND))
        ticks = self.frames * _TICKS_PER_FRAME
        self.plan: Plan = make_plan(humanoid, reference, events, ticks)
        self.speed = np.gradient(self.plan.target, TICK_S, axis=0) if ticks > 1 else np.zeros_like(self.plan.target)
        self.muscles = Muscles(humanoid, self.model)
        age = humanoid.person.age_years
        assert age is not None
        delay = reaction_delay(age)
        self.protections = [
            Protection(humanoid, event, event.time_s + delay) for event in events if isinstance(event, Protect)
        ]
        settles = [event for event in events if isinstance(event, Settle)]
        self.rests = [Rest(humanoid, event, np.random.default_rng(seed)) for event in settles]
        self.recorder = Recorder(humanoid, self.model, self.frames)
        self._start()

    def _start(self) -> None:
        frames = to_qpos(self.humanoid, self.reference.poses[:3], self.reference.trans[:3])
        self.data.qpos[:] = frames[0]
        if len(frames) > 1:
            # The forward difference of the first two frames: the person is already moving.
            self.data.qvel[:] = to_qvel(self.humanoid, frames[:2], self.reference.fps)[0]
        mujoco.mj_forward(self.model, self.data)

    def finish(self) -> SimulatedMotion:
        """Run to the end."""
        for tick in range(self.frames * _TICKS_PER_FRAME):
            if tick % _TICKS_PER_FRAME == 0:
                self.recorder.frame(self.data)
            self._tick(tick)
            self.recorder.contacts(self.data, tick // _TICKS_PER_FRAME)
        hands = self.reference.poses[:, 22:]
        impact = next((rest.impact_s for rest in self.rests if rest.impact_s is not None), None)
        return self.recorder.motion(hands, float(self.reference.fps), impact)

    def _tick(self, tick: int) -> None:
        time = tick * TICK_S
        target, share, speed = self.plan.target[tick], self.plan.share[tick], self.speed[tick]
        for protection in self.protections:
            if time >= protection.begins_s:
                target, share, weight = protection.react(self.model, self.data, time, target, share)
                speed = speed * (1 - weight)
        for rest in self.rests:
            target, share, speed = rest.apply(self.data, self.recorder, time, target, share, speed)
        self.muscles.set_share(share, float(self.plan.assistance[tick]))
        self.muscles.aim(self.data, target, speed)
        level = float(self.plan.assistance[tick])
        self.muscles.assist(self.data, level, self.plan.qpos[tick], self.plan.root_velocity[tick])
        self._feet(time, level)
        self._outside(time)
        mujoco.mj_step(self.model, self.data, nstep=_STEPS_PER_TICK)

    def _outside(self, time: float) -> None:
        """What the world does at this time: pushes, slippery floors, held feet, furniture that is gone."""
        self.data.xfrc_applied[:] = 0.0
        for event in self.events:
            if isinstance(event, Push):
                self._push(event, time)
            elif isinstance(event, HeldFoot):
                self._hold(event, time)
            elif isinstance(event, RemoveFurniture) and time >= event.time_s:
                index = self.humanoid.object_ids.index(event.object_id)
                geoms = self.humanoid.geom_object == index
                self.model.geom_contype[geoms] = 0
                self.model.geom_conaffinity[geoms] = 0

    def _push(self, event: Push, time: float) -> None:
        if not 0 <= time - event.time_s < event.duration_s:
            return
        strength = np.sin(np.pi * (time - event.time_s) / event.duration_s)
        self.data.xfrc_applied[self.humanoid.joint_body[JOINT[event.joint]], :3] += strength * np.array(event.force)

    def _feet(self, time: float, assistance: float) -> None:
        """Friction of both feet: as the floor and shoe have it, or less while a foot slips or the person is helped."""
        for side, geoms in self.feet.items():
            friction = FLOOR_FRICTION - (FLOOR_FRICTION - _ASSISTED_FRICTION) * assistance
            for event in self.slips:
                if event.side in (None, side) and 0 <= time - event.time_s < event.duration_s:
                    friction = float(event.friction)
            self.model.geom_friction[geoms, 0] = friction
            # The sole decides while it slides, above floor and furniture.
            self.model.geom_priority[geoms] = 0 if friction == FLOOR_FRICTION else 2

    def _hold(self, event: HeldFoot, time: float) -> None:
        number = 0 if event.side == "left" else 1
        holds = 0 <= time - event.time_s < event.duration_s
        if holds and not self.data.eq_active[number]:
            body = self.humanoid.joint_body[JOINT[f"{event.side}_ankle"]]
            self.model.eq_data[number, 3:6] = self.data.xpos[body]
        self.data.eq_active[number] = holds
