"""Falls from standing and walking without a foot's fault: weight shift, a bump, a leg that gives way, a faint."""

import numpy as np

from carescene.simulation.events import Assistance, Perturbation, PoseTarget, Push, Settle, Stiffness
from carescene.simulation.situations.drawing import Draft, draft, draw_loss, draw_stretch, falling
from carescene.simulation.situations.gait import joint_positions
from carescene.simulation.situations.moments import reaching_moment, standing_moment
from carescene.simulation.situations.plan import (
    Activity,
    Drift,
    Imitation,
    Plan,
    Posture,
    Side,
    force,
    heading,
    impulse_force,
    pick_direction,
)
from carescene.simulation.situations.references import ReferenceLibrary
from carescene.simulation.situations.walking import pick_step


def draw_weight_shift(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """The weight is carried beyond the feet, slowly at first: the most frequent cause in long-term care.

    Raises:
        UserError: the library has no fitting recording.
    """
    activity, who, imitation, onset = draw_upright(
        rng, library, {"standing": 0.36, "reaching": 0.26, "walking": 0.16, "turning": 0.22}, step=0.6
    )
    loss = max(draw_loss(rng, who.person, 0.62), 0.35)
    direction = pick_direction(rng, {"backward": 0.50, "left": 0.19, "right": 0.19, "forward": 0.12})
    drift = Drift(onset, loss, heading(rng, direction, 0.2), lean=float(rng.uniform(0.20, 0.34)))
    events = falling(rng, who.reaction, onset, loss, held=float(rng.uniform(0.08, 0.25)))
    return who.plan(
        rng,
        "weight_shift",
        imitation=with_drift(imitation, drift),
        activity=activity,
        posture=posture_of(activity),
        onset_s=onset,
        loss_s=loss,
        direction=direction,
        events=events,
    )


def draw_bump(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """Something or somebody hits the trunk.

    Raises:
        UserError: the library has no fitting recording.
    """
    activity, who, imitation, onset = draw_upright(
        rng, library, {"standing": 0.55, "walking": 0.25, "turning": 0.20}, step=0.8
    )
    loss = draw_loss(rng, who.person, 0.4)
    direction = pick_direction(rng, {"backward": 0.42, "left": 0.22, "right": 0.22, "forward": 0.14})
    seconds = float(rng.uniform(0.15, 0.30))
    push = impulse_force(who.person, rng.uniform(0.5, 1.1), seconds)
    joint = "spine3" if rng.random() < 0.7 else "pelvis"
    towards = heading(rng, direction)
    # The feet do not follow the push: the body goes on leaning that way.
    drift = Drift(onset, max(loss, 0.4), towards, lean=float(rng.uniform(0.15, 0.30)))
    events = [
        Push(onset, seconds, joint, force(towards, push)),
        *falling(rng, who.reaction, onset, loss, held=0.06),
    ]
    return who.plan(
        rng,
        "bump",
        imitation=with_drift(imitation, drift),
        activity=activity,
        posture=posture_of(activity),
        onset_s=onset,
        loss_s=loss,
        direction=direction,
        events=events,
    )


def draw_support_loss(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """A leg gives way under the weight and the body goes down over it.

    Raises:
        UserError: the library has no fitting recording.
    """
    activity, who, imitation, onset = draw_upright(
        rng, library, {"standing": 0.5, "walking": 0.3, "turning": 0.2}, step=0.4
    )
    loss = draw_loss(rng, who.person, 0.35)
    side: Side = "left" if rng.random() < 0.5 else "right"
    direction = pick_direction(rng, {side: 0.45, "down": 0.15, "forward": 0.05, "backward": 0.35})
    legs = tuple(f"{side}_{joint}" for joint in ("hip", "knee", "ankle"))
    seconds = float(rng.uniform(0.3, 0.5))
    lean = 0.0 if direction == "down" else float(rng.uniform(0.10, 0.22))
    drift = Drift(onset, max(loss, 0.4), heading(rng, direction), lean=lean)
    events = [
        Stiffness(onset, float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.03, 0.12)), legs),
        Push(
            onset + 0.1,
            seconds,
            "pelvis",
            force(heading(rng, direction), impulse_force(who.person, rng.uniform(0.2, 0.5), seconds)),
        ),
        *falling(rng, who.reaction, onset, loss, held=0.06),
    ]
    return who.plan(
        rng,
        "support_loss",
        imitation=with_drift(imitation, drift),
        activity=activity,
        posture=posture_of(activity),
        onset_s=onset,
        loss_s=loss,
        direction=direction,
        events=events,
        side=side,
    )


def draw_collapse(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """A faint: all muscles fade within 0.3 to 0.8 s, and nothing protects the body.

    Raises:
        UserError: the library has no fitting recording.
    """
    activity, who, imitation, onset = draw_upright(rng, library, {"standing": 0.7, "walking": 0.2, "turning": 0.1})
    loss = float(rng.uniform(0.3, 0.8))
    direction = pick_direction(rng, {"down": 0.45, "forward": 0.08, "backward": 0.27, "left": 0.10, "right": 0.10})
    lean = 0.0 if direction == "down" else float(rng.uniform(0.06, 0.16))
    drift = Drift(onset, loss, heading(rng, direction, 0.3), lean=lean)
    # The head droops first: the neck is limp before the legs are. Hips and knees fold.
    folding = ("left_hip", "right_hip", "left_knee", "right_knee")
    # Slower than the body sinks, or the feet would leave the floor.
    fold = rng.uniform(0.9, 1.3) if direction == "down" else rng.uniform(0.5, 1.1)
    hip, knee = (-float(fold), 0.0, 0.0), (float(fold + rng.uniform(0.4, 0.6)), 0.0, 0.0)
    events: list[Perturbation] = [
        Stiffness(onset, 0.6 * loss, 0.05, ("neck",)),
        Stiffness(onset, loss, float(rng.uniform(0.03, 0.08)), ("trunk", "arms")),
        Stiffness(onset, loss, float(rng.uniform(0.04, 0.10)), ("legs",)),
        PoseTarget(onset + 0.3 * loss, max(loss, 0.6), folding, (hip, hip, knee, knee)),
        Assistance(onset + 0.1 * loss, 0.8 * loss, 0.0),
        Settle(onset + loss, surface="floor", delay_s=0.1, duration_s=0.5, share=float(rng.uniform(0.02, 0.05))),
    ]
    return who.plan(
        rng,
        "collapse",
        imitation=with_drift(imitation, drift),
        activity=activity,
        posture=posture_of(activity),
        onset_s=onset,
        loss_s=loss,
        direction=direction,
        events=events,
    )


def draw_upright(
    rng: np.random.Generator,
    library: ReferenceLibrary,
    shares: dict[Activity, float],
    *,
    step: float | int = 0.7,
    grasp: float | int = 0.1,
) -> tuple[Activity, Draft, Imitation, float]:
    """Draw an activity on the feet, who does it, which moment of a recording is the onset, and when that is.

    Raises:
        UserError: the library has no fitting recording.
    """
    names = sorted(shares)
    activity = names[rng.choice(len(names), p=[shares[name] for name in names])]
    who = draft(rng, library, activity, step=step, grasp=grasp)
    joints = joint_positions(who.recording)
    if activity == "standing":
        imitation = who.imitate(standing_moment(rng, who.recording, joints), hold=True)
        return activity, who, imitation, round(float(rng.uniform(0.8, 2.5)), 3)
    stretch = draw_stretch(rng, who)
    if activity == "reaching":
        at_s = reaching_moment(who.recording, joints)
    else:
        _, at_s = pick_step(rng, who, stretch, down=bool(rng.random() < 0.5))
    latest = at_s * stretch
    return activity, who, who.imitate(at_s, stretch, fade_s=0.35), round(min(latest, float(rng.uniform(1.0, 3.5))), 3)


def with_drift(imitation: Imitation, drift: Drift) -> Imitation:
    """The same imitation, carried away as well."""
    return Imitation(
        imitation.reference,
        imitation.mirrored,
        imitation.at_s,
        imitation.stretch,
        imitation.hold,
        (*imitation.drifts, drift),
        imitation.fade_s,
    )


def posture_of(activity: Activity) -> Posture:
    """Posture in which an upright activity is done."""
    return "walking" if activity in ("walking", "turning") else "standing"
