"""Falls from walking: a swinging foot that is caught, and a standing foot that slides away."""

import numpy as np

from carescene.errors import UserError
from carescene.simulation.events import FootFriction, HeldFoot, Push
from carescene.simulation.situations.drawing import Draft, draft, draw_loss, draw_stretch, falling
from carescene.simulation.situations.gait import Step, find_steps, joint_positions
from carescene.simulation.situations.plan import Activity, Plan, force, heading, impulse_force, pick_direction
from carescene.simulation.situations.references import ReferenceLibrary

# Walking is shown at least this long before the onset, in seconds of the clip.
_EARLIEST_S = 1.0
_LATEST_S = 3.5


def draw_trip(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """A foot is caught in mid swing while the body goes on: mostly a fall forward, sometimes turned to a side.

    Raises:
        UserError: the library has no walk with a step in it.
    """
    activity = walking_activity(rng)
    who = draft(rng, library, activity, brace=0.9, step=0.8)
    stretch = draw_stretch(rng, who)
    step, at_s = pick_step(rng, who, stretch, down=False)
    onset = round(min(at_s * stretch, rng.uniform(_EARLIEST_S, _LATEST_S)), 3)
    loss = draw_loss(rng, who.person, 0.35)
    direction = pick_direction(rng, {"forward": 0.76, "left": 0.12, "right": 0.12})
    towards = heading(rng, direction)
    # A slow walk has little momentum of its own, so the body is thrown on as by a hurried last step.
    seconds = float(rng.uniform(0.20, 0.35))
    push = impulse_force(who.person, rng.uniform(0.25, 0.7), seconds)
    events = [
        HeldFoot(onset, float(rng.uniform(0.25, 0.6)), step.side),
        Push(onset + 0.05, seconds, "spine3", force(towards, push)),
        *falling(rng, who.reaction, onset, loss, held=0.03),
    ]
    return who.plan(
        rng,
        "trip",
        imitation=who.imitate(at_s, stretch, fade_s=0.35),
        activity=activity,
        posture="walking",
        onset_s=onset,
        loss_s=loss,
        direction=direction,
        events=events,
        side=step.side,
    )


def draw_slip(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """A foot loses its friction as it touches down and runs ahead; the body falls back or to the side.

    Raises:
        UserError: the library has no walk with a step in it.
    """
    activity = walking_activity(rng)
    who = draft(rng, library, activity, brace=0.85, step=0.6)
    stretch = draw_stretch(rng, who)
    step, at_s = pick_step(rng, who, stretch, down=True)
    onset = round(min(at_s * stretch, rng.uniform(_EARLIEST_S, _LATEST_S)), 3)
    loss = draw_loss(rng, who.person, 0.25)
    direction = pick_direction(rng, {"backward": 0.64, step.side: 0.26, "forward": 0.10})
    towards = heading(rng, direction)
    seconds = float(rng.uniform(0.25, 0.40))
    foot = 6.0 * who.person.weight_kg * float(rng.uniform(0.4, 0.8))
    ahead = (0.0, -1.0) if direction == "forward" else (0.0, 1.0)
    push = impulse_force(who.person, rng.uniform(0.35, 0.8), seconds)
    events = [
        FootFriction(onset, 1.2, step.side, float(rng.uniform(0.02, 0.08))),
        Push(onset, seconds, f"{step.side}_ankle", force(ahead, foot)),
        Push(onset + 0.08, seconds, "spine3", force(towards, push)),
        *falling(rng, who.reaction, onset, loss, held=0.03),
    ]
    return who.plan(
        rng,
        "slip",
        imitation=who.imitate(at_s, stretch, fade_s=0.35),
        activity=activity,
        posture="walking",
        onset_s=onset,
        loss_s=loss,
        direction=direction,
        events=events,
        side=step.side,
    )


def pick_step(
    rng: np.random.Generator, who: Draft, stretch: float, *, down: bool, left_s: float = 0.0
) -> tuple[Step, float]:
    """Draw a step of the recording and the moment of it that becomes the onset: mid swing, or touching down.

    Args:
        rng, who: source of chance, and whose recording.
        stretch: the recording is played this many times slower.
        down: touching down instead of mid swing.
        left_s: seconds of the clip that the recording must still last after the onset.

    Raises:
        UserError: the recording has no step that leaves a second of walking before it.
    """
    steps = find_steps(joint_positions(who.recording), who.recording.fps)
    moments = [(step, step.down_s if down else step.swing_s) for step in steps]
    last = (len(who.recording.trans) - 1) / who.recording.fps
    fitting = [(step, at) for step, at in moments if at * stretch >= _EARLIEST_S and (last - at) * stretch >= left_s]
    if not fitting:
        raise UserError(
            f"Expected a step after the first second of '{who.reference.id}', but there is none. Take another walk."
        )
    return fitting[rng.choice(len(fitting))]


def walking_activity(rng: np.random.Generator) -> Activity:
    """Draw whether somebody walks on or turns while walking."""
    return "turning" if rng.random() < 0.25 else "walking"
