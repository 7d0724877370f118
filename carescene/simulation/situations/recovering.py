"""Near falls: balance is lost and found again, by steps, by swaying back, or by a grab at something."""

import numpy as np

from carescene.simulation.events import Assistance, HeldFoot, Perturbation, PoseTarget, Push
from carescene.simulation.situations.drawing import SHORTEST_S, draft, draw_stretch
from carescene.simulation.situations.people import Person
from carescene.simulation.situations.plan import (
    Drift,
    Furniture,
    Plan,
    Vector,
    force,
    heading,
    impulse_force,
    pick_direction,
)
from carescene.simulation.situations.references import ReferenceLibrary
from carescene.simulation.situations.standing import draw_upright, posture_of
from carescene.simulation.situations.walking import pick_step, walking_activity

_LONGEST_S = 8.0
# The usual table is 0.74 m high; the hand presses on it.
_TABLE_TOP = 0.66
# Collar bones and chest of somebody who leans to the side carry the arm down as well, radians.
_COLLAR = 0.75


def draw_stumble_recover(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """A foot is caught for a moment; the body pitches forward and the next steps save it.

    Raises:
        UserError: the library has no walk with a step in it.
    """
    activity = walking_activity(rng)
    who = draft(rng, library, activity, step=1.0)
    stretch = draw_stretch(rng, who)
    step, at_s = pick_step(rng, who, stretch, down=False, left_s=2.4)
    onset = round(min(at_s * stretch, float(rng.uniform(1.0, 3.0))), 3)
    loss = float(rng.uniform(0.4, 0.8))
    towards, seconds = heading(rng, "forward", 0.2), float(rng.uniform(0.2, 0.3))
    lean = Drift(onset, 0.5 * loss, towards, lean=float(rng.uniform(0.10, 0.22)))
    upright = Drift(onset + 0.6 * loss, float(rng.uniform(0.6, 1.0)), towards, lean=-lean.lean)
    events: list[Perturbation] = [
        HeldFoot(onset, float(rng.uniform(0.12, 0.22)), step.side),
        Push(onset, seconds, "spine3", force(towards, impulse_force(who.person, rng.uniform(0.3, 0.55), seconds))),
        Assistance(onset, 0.1, float(rng.uniform(0.35, 0.5))),
        *_arms_out(rng, who.person, onset + 0.12, loss),
        Assistance(onset + 0.6 * loss, 0.6, 1.0),
    ]
    return who.plan(
        rng,
        "stumble_recover",
        cause="trip",
        imitation=who.imitate(at_s, stretch, drifts=(lean, upright)),
        activity=activity,
        posture="walking",
        onset_s=onset,
        loss_s=loss,
        seconds=_length(rng, onset, loss),
        direction="forward",
        events=events,
        recovers=True,
        side=step.side,
    )


def draw_sway_recover(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """The body sways far to one side, sometimes back beyond the middle, and comes to stand again.

    Raises:
        UserError: the library has no fitting recording.
    """
    activity, who, imitation, onset = draw_upright(rng, library, {"standing": 0.75, "reaching": 0.25}, step=0.0)
    direction = pick_direction(rng, {"backward": 0.3, "left": 0.25, "right": 0.25, "forward": 0.2})
    towards = heading(rng, direction, 0.2)
    half = float(rng.uniform(0.45, 0.9))
    far = float(rng.uniform(0.13, 0.22))
    over = float(rng.uniform(0.2, 0.6))
    drifts = (
        Drift(onset, half, towards, lean=far),
        Drift(onset + half, 1.1 * half, towards, lean=-far * (1.0 + over)),
        Drift(onset + 2.1 * half, half, towards, lean=far * over),
    )
    loss = 2.4 * half
    events: list[Perturbation] = [
        Assistance(onset, 0.2, float(rng.uniform(0.6, 0.8))),
        *_arms_out(rng, who.person, onset + 0.4 * half, loss),
        Assistance(onset + loss, 0.5, 1.0),
    ]
    return who.plan(
        rng,
        "sway_recover",
        cause="weight_shift",
        imitation=who.imitate(imitation.at_s, imitation.stretch, hold=imitation.hold, drifts=drifts),
        activity=activity,
        posture=posture_of(activity),
        onset_s=onset,
        loss_s=loss,
        seconds=_length(rng, onset, loss),
        direction=direction,
        events=events,
        recovers=True,
    )


def draw_grab_recover(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """Balance goes to one side, and the hand on that side catches a table or the foot end of a bed.

    Raises:
        UserError: the library has no fitting recording.
    """
    activity, who, imitation, onset = draw_upright(rng, library, {"standing": 1.0}, step=0.0)
    side = pick_direction(rng, {"left": 0.5, "right": 0.5})
    assert side == "left" or side == "right"
    sign = -1.0 if side == "left" else 1.0
    towards = heading(rng, side, 0.15)
    half = float(rng.uniform(0.4, 0.7))
    far = float(rng.uniform(0.14, 0.20))
    held = float(rng.uniform(0.8, 1.6))
    drifts = (
        Drift(onset, half, towards, lean=far),
        Drift(onset + half + held, float(rng.uniform(0.8, 1.4)), towards, lean=-far),
    )
    loss = half
    back = onset + half + held
    # The arm goes out sideways, down to the table's top: shoulders are at 0.8 of the height, arms 0.36 of it long.
    height = who.person.height_m
    drop = float(np.arcsin(np.clip((0.80 * height - _TABLE_TOP) / (0.36 * height), 0.2, 0.95))) - far - _COLLAR
    arm = (f"{side}_shoulder", f"{side}_elbow")
    reach: tuple[Vector, Vector] = ((0.0, 0.4 * sign, drop * sign), (0.0, 0.15 * sign, 0.0))
    hang: tuple[Vector, Vector] = ((0.0, 0.0, 1.25 * sign), (0.0, 0.3 * sign, 0.0))
    events: list[Perturbation] = [
        Assistance(onset, 0.2, float(rng.uniform(0.6, 0.8))),
        PoseTarget(onset + 0.15, 0.35, arm, reach),
        Assistance(back, 0.6, 1.0),
        PoseTarget(back + 0.5, 0.7, arm, hang),
    ]
    # Turned by a quarter, the table's long side lies along the person; it begins 0.4 m beside the middle of the body.
    far_off, yaw = float(rng.uniform(0.76, 0.84)), float(rng.normal(0.0, 0.05)) + np.pi / 2
    table = Furniture("table", sign * far_off, float(rng.uniform(0.0, 0.2)), yaw)
    return who.plan(
        rng,
        "grab_recover",
        cause="weight_shift",
        imitation=who.imitate(imitation.at_s, imitation.stretch, hold=True, drifts=drifts),
        activity=activity,
        posture="standing",
        onset_s=onset,
        loss_s=loss,
        seconds=_length(rng, onset, loss + held + 1.0),
        direction=side,
        events=events,
        furniture=(table,),
        recovers=True,
        side=side,
    )


def _length(rng: np.random.Generator, onset: float, loss: float) -> float:
    seconds = onset + loss + rng.uniform(1.8, 3.2)
    return round(float(np.clip(seconds, SHORTEST_S, _LONGEST_S)) * 20.0) / 20.0


def _arms_out(rng: np.random.Generator, person: Person, start: float, seconds: float) -> list[Perturbation]:
    """Both arms go out sideways for balance and come down again; less far in the frail."""
    out = float(rng.uniform(0.5, 1.0) * (1.0 - 0.4 * person.frailty))
    joints = ("left_shoulder", "right_shoulder", "left_elbow", "right_elbow")

    def pose(lift: float) -> tuple[Vector, ...]:
        hang = 1.25 - lift
        return (0.0, -0.3 * lift, -hang), (0.0, 0.3 * lift, hang), (0.0, -0.4, 0.0), (0.0, 0.4, 0.0)

    return [
        PoseTarget(start, 0.3, joints, pose(out)),
        PoseTarget(start + max(seconds, 0.4), 0.8, joints, pose(0.08)),
    ]
