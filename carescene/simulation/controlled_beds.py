"""Beds: lying, turning, sitting up, getting in and out."""

from dataclasses import replace

import numpy as np

from carescene.simulation.bed_postures import BedPlan, draw_bed
from carescene.simulation.cast import Cast
from carescene.simulation.controlled_script import Script
from carescene.simulation.key_postures import half_up, rise_from_seat, stand
from carescene.simulation.keyframing import Key
from carescene.simulation.postures import Posture


def _rise(plan: BedPlan, slow: float) -> list[Key]:
    feet = plan.feet_to_rise()
    perched = plan.perched(feet)
    off = rise_from_seat(perched, plan.cast, feet)
    middle = 0.5 * (feet["left_foot"][0] + feet["right_foot"][0])[:2]
    upright = stand(plan.cast, middle, np.pi / 2).holding(**feet)
    return [
        Key(perched, 0.9 * slow, "stand_up", lift=0.02),
        Key(off, 0.5 * slow, "stand_up", via=True),
        Key(half_up(plan.cast, off, upright), 0.5 * slow, "stand_up", via=True),
        Key(upright, 0.7 * slow, "stand_up"),
    ]


def _to_edge(plan: BedPlan, slow: float, edge: Posture) -> list[Key]:
    return [
        Key(plan.supine(x=-0.06, knees=(58.0, 62.0), look=30), 0.9 * slow, "stand_up", via=True),
        Key(plan.on_side(x=plan.edge_x + 0.30, curl=0.7), 1.0 * slow, "stand_up", via=True),
        Key(plan.half_up(), 1.1 * slow, "stand_up", via=True),
        Key(edge, 1.0 * slow, "stand_up"),
    ]


def bed_exit(cast: Cast, rng: np.random.Generator, *, assisted: bool = False) -> Script:
    """Lies, turns to the side, sits on the edge, stands up."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.60))
    slow = min(cast.pace, 1.6) * rng.uniform(0.82, 1.05)
    keys = [Key(plan.supine(arms=float(rng.random() < 0.5)), 0, "lying", hold=rng.uniform(0.5, 1.2))]
    keys += _to_edge(plan, slow, plan.on_edge(lean=6))
    keys[-1] = replace(keys[-1], hold=rng.uniform(0.6, 1.6), hold_label="sitting")
    keys += _rise(plan, slow)
    keys[-1] = replace(keys[-1], hold=rng.uniform(0.6, 1.2), hold_label="standing")
    says = [
        "{who} gets out of bed on the {side} side",
        "{who} turns to the {side}, sits up on the edge of the bed and stands up",
        "{who} leaves the bed: first sits on its edge, then stands beside it",
        "from lying in bed, {who} sits up on the {side} edge and rises",
    ]
    if assisted:
        says = [
            "{who} is helped out of bed on the {side} side",
            "{who} sits up on the edge of the bed and stands up with help",
            "with somebody's help {who} leaves the bed on the {side}",
        ]
    return Script(
        keys, says, [plan.thing], side=str(rng.choice(["left", "right"])), main=(0, len(keys) - 1),
        event_label="stand_up",
    )  # fmt: skip
