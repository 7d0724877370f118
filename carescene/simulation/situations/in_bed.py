"""Falls out of bed: somebody who lies near the edge rolls over it, with or without a rail."""

import numpy as np

from carescene.simulation.events import Assistance, Perturbation, Protect, Settle, Stiffness
from carescene.simulation.situations.drawing import draft, draw_loss
from carescene.simulation.situations.moments import resting_moment
from carescene.simulation.situations.plan import HEADINGS, Drift, Furniture, Plan, Side
from carescene.simulation.situations.references import ReferenceLibrary

# Half of the mattress; the pelvis has left it when it is this far from the middle.
_HALF_MATTRESS = 0.44


def draw_fall_out_of_bed(rng: np.random.Generator, library: ReferenceLibrary) -> Plan:
    """A lying person turns towards the edge and on over it; with half rails the legs lead, below the rail.

    Raises:
        UserError: the library has no fitting recording.
    """
    who = draft(rng, library, "lying", brace=0.6, step=0.0)
    at_s = resting_moment(rng, who.recording, "lying")
    onset = round(min(at_s, float(rng.uniform(0.8, 2.0))), 3)
    loss = float(np.clip(draw_loss(rng, who.person, 1.2), 0.8, 2.2))
    side: Side = "left" if rng.random() < 0.5 else "right"
    rails = "none" if rng.random() < 0.6 else "half"
    towards = HEADINGS[side]
    # Distance of the pelvis from the edge before the roll.
    gap = float(rng.uniform(0.12, 0.26))
    middle = -towards[0] * (_HALF_MATTRESS - gap)
    # Below half rails: the pelvis lies level with the foot half, so that legs and seat pass beside the rail.
    along = float(rng.uniform(0.05, 0.15)) - (0.25 if rails == "half" else 0.0)
    params = {
        "rails": rails,
        "mattress_height_m": round(float(rng.uniform(0.38, 0.70)), 2),
        "pillow": True,
        "head_angle_deg": 0.0,
    }
    bed = Furniture("bed", middle, along, 0.0, params, holds=True)
    drift = Drift(onset, loss, towards, shift=gap + float(rng.uniform(0.12, 0.25)), roll=float(rng.uniform(1.2, 2.4)))
    end = onset + loss
    events: list[Perturbation] = [
        Assistance(onset, 0.3, 0.8),
        Assistance(end - 0.3 * loss, 0.25, 0.0),
        Stiffness(end - 0.2 * loss, 0.3, float(rng.uniform(0.25, 0.5)), ("all",)),
        Protect(end - 0.3 * loss, who.reaction.arms, who.reaction.head, 0.0, 0.0, 0.0),
        Settle(
            end,
            surface="floor",
            delay_s=float(rng.uniform(0.2, 0.5)),
            duration_s=float(rng.uniform(0.5, 1.2)),
            share=float(rng.uniform(0.03, 0.10)),
            movement=who.reaction.movement,
        ),
    ]
    return who.plan(
        rng,
        "fall_out_of_bed",
        cause="roll",
        imitation=who.imitate(at_s, drifts=(drift,), fade_s=0.5),
        activity="lying",
        posture="lying",
        onset_s=onset,
        loss_s=loss,
        direction=side,
        events=events,
        furniture=(bed,),
        side=side,
    )
