"""Falls from and beside seats: a seat that is missed, and slides out of a wheelchair and off a bed's edge."""

import numpy as np

from carescene.simulation.events import Assistance, Perturbation, PoseTarget, Protect, Settle, Stiffness
from carescene.simulation.situations.drawing import draft, draw_length, draw_loss, draw_stretch, falling
from carescene.simulation.situations.gait import joint_positions
from carescene.simulation.situations.moments import resting_moment, sitting_down_moment
from carescene.simulation.situations.plan import Drift, Furniture, Plan, heading
from carescene.simulation.situations.references import ReferenceLibrary


def draw_missed_seat(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """Somebody sits down where there is no seat, or where it has been moved away; mostly a fall backwards.

    Raises:
        UserError: the library has no fitting recording.
    """
    who = draft(rng, library, "sitting_down", brace=0.8, step=0.1)
    at_s = sitting_down_moment(rng, who.recording, joint_positions(who.recording))
    stretch = draw_stretch(rng, who)
    onset = round(min(at_s * stretch, float(rng.uniform(1.5, 4.0))), 3)
    loss = float(np.clip(draw_loss(rng, who.person, 0.2), 0.08, 0.6))
    events = falling(rng, who.reaction, onset, loss, held=0.03, legs=0.25)
    furniture: tuple[Furniture, ...] = ()
    if rng.random() < 0.75:
        # Far enough behind or beside that the pelvis passes it: half the chair, half the hips.
        angle, far = rng.uniform(-0.9, 0.9), rng.uniform(0.72, 1.0)
        kind = "wheelchair" if rng.random() < 0.3 else "chair"
        params = {"footrests": False} if kind == "wheelchair" else {"arms": bool(rng.random() < 0.6)}
        far += 0.25 if kind == "wheelchair" else 0.0
        x, y = far * np.sin(angle), -far * np.cos(angle)
        furniture = (Furniture(kind, float(x), float(y), float(rng.normal(0.0, 0.3)), params),)  # pyright: ignore[reportArgumentType]
    return who.plan(
        rng,
        "missed_seat",
        imitation=who.imitate(at_s, stretch, fade_s=0.3),
        activity="sitting_down",
        posture="standing",
        onset_s=onset,
        loss_s=loss,
        direction="backward",
        events=events,
        furniture=furniture,
    )


def draw_slide_from_wheelchair(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """The pelvis of a sitting person creeps forward on the seat of a wheelchair until it drops over the edge.

    Raises:
        UserError: the library has no fitting recording.
    """
    chair = Furniture("wheelchair", 0.0, 0.0, 0.0, {"footrests": False}, holds=True)
    return _slide(rng, library, "slide_from_wheelchair", chair)


def draw_slide_from_bed_edge(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """Somebody who sits on the edge of a bed slides off it to the floor in front.

    Raises:
        UserError: the library has no fitting recording.
    """
    # A bed's edge faces to its own right or left: turned by a quarter, that is where the person looks.
    yaw = np.pi / 2 if rng.random() < 0.5 else -np.pi / 2
    rails = ("none", "half")[rng.choice(2)]
    bed = Furniture("bed", 0.0, 0.0, float(yaw), {"rails": rails, "mattress_height_m": 0.5}, holds=True)
    return _slide(rng, library, "slide_from_bed_edge", bed)


def _slide(rng: np.random.Generator, library: ReferenceLibrary, event: str, seat: Furniture) -> Plan:
    who = draft(rng, library, "sitting", brace=0.6, step=0.0)
    at_s = resting_moment(rng, who.recording, "sitting")
    onset = round(min(at_s, float(rng.uniform(0.8, 2.0))), 3)
    # Slow at first; the edge is passed when the seat bones are over it.
    loss = float(np.clip(draw_loss(rng, who.person, 1.1), 0.6, 2.2))
    way = float(rng.uniform(0.40, 0.52))
    # The pelvis goes ahead, the trunk stays behind and sinks back against the seat.
    drift = Drift(onset, loss, heading(rng, "forward", 0.1), shift=way, lean=-float(rng.uniform(0.12, 0.38)))
    end = onset + loss
    legs = ("left_hip", "right_hip", "left_knee", "right_knee")
    hip, knee = (-float(rng.uniform(0.7, 1.1)), 0.0, 0.0), (float(rng.uniform(0.5, 1.0)), 0.0, 0.0)
    events: list[Perturbation] = [
        Assistance(onset, 0.3, 0.8),
        Stiffness(onset, loss, float(rng.uniform(0.3, 0.7)), ("legs",)),
        PoseTarget(onset + 0.5 * loss, 0.8, legs, (hip, hip, knee, knee)),
        Assistance(end - 0.15 * loss, 0.2, 0.0),
        Stiffness(end, 0.3, float(rng.uniform(0.2, 0.5)), ("legs",)),
        Protect(end - 0.2 * loss, who.reaction.arms, who.reaction.head, 0.0, 0.0, 0.0),
        Settle(
            end,
            surface="floor",
            delay_s=float(rng.uniform(0.4, 0.9)),
            duration_s=float(rng.uniform(0.8, 1.6)),
            share=float(rng.uniform(0.10, 0.25)),
            movement=who.reaction.movement,
        ),
    ]
    return who.plan(
        rng,
        event,
        cause="slide",
        imitation=who.imitate(at_s, drifts=(drift,), fade_s=0.5),
        activity="sitting",
        posture="sitting",
        onset_s=onset,
        loss_s=loss,
        seconds=draw_length(rng, onset, loss + 1.0),
        direction="forward",
        events=events,
        furniture=(seat,),
    )
