"""Beds: lying, turning, sitting up, getting in and out."""

from dataclasses import replace

import numpy as np

from carescene.simulation.bed_postures import STEEP_DEG, BedPlan, draw_bed
from carescene.simulation.cast import Cast
from carescene.simulation.controlled_script import Script
from carescene.simulation.key_postures import half_up, rise_from_seat, stand
from carescene.simulation.keyframing import Key
from carescene.simulation.postures import Posture


def _rise(plan: BedPlan, slow: float | int) -> list[Key]:
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


def _to_edge(plan: BedPlan, slow: float | int, edge: Posture) -> list[Key]:
    drawn_up = Key(plan.supine(x=-0.06, knees=(58.0, 62.0), look=30), 0.9 * slow, "stand_up", via=True)
    if plan.angle > STEEP_DEG:
        return [drawn_up, Key(plan.half_up(), 1.5 * slow, "stand_up", via=True), Key(edge, 1.0 * slow, "stand_up")]
    return [
        drawn_up,
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
        keys,
        says,
        [plan.thing],
        side=_side(rng),
        main=(0, len(keys) - 1),
        event_label="stand_up",
    )


def bed_exit_assisted(cast: Cast, rng: np.random.Generator) -> Script:
    """The patient's half of a bed exit with help: the same way out, slower."""
    return bed_exit(replace(cast, pace=cast.pace * 1.1), rng, assisted=True)


def bed_entry(cast: Cast, rng: np.random.Generator) -> Script:
    """Stands with the back to the bed, sits down on its edge, brings the legs up, lies."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.58))
    slow = min(cast.pace, 1.5) * rng.uniform(0.8, 1.0)
    up = _rise(plan, slow)
    edge = plan.on_edge(lean=4)
    over = Key(plan.on_side(x=plan.edge_x + 0.30, curl=0.7), 1.1 * slow, "lie_down", via=True)
    keys = [
        Key(up[3].posture, 0, "standing", hold=rng.uniform(0.3, 0.7)),
        Key(up[2].posture, 0.7 * slow, "sit_down", via=True),
        Key(up[1].posture, 0.45 * slow, "sit_down", via=True),
        Key(up[0].posture, 0.4 * slow, "sit_down", via=True),
        Key(edge, 0.7 * slow, "sit_down", hold=rng.uniform(0.5, 1.2), hold_label="sitting", lift=0.02),
        Key(plan.half_up(), 1.1 * slow, "lie_down", via=True),
        *([] if plan.angle > STEEP_DEG else [over]),
        Key(plan.supine(x=-0.06, knees=(58.0, 52.0)), 1.0 * slow, "lie_down", via=True),
        Key(plan.supine(), 1.0 * slow, "lie_down", hold=rng.uniform(0.7, 1.4), hold_label="lying"),
    ]
    says = [
        "{who} gets into bed from its {side} side",
        "{who} sits down on the edge of the bed, brings up the legs and lies down",
        "{who} goes to bed: sits, turns and lies on the back",
        "{who} lies down in bed",
    ]
    return Script(keys, says, [plan.thing], side=_side(rng), main=(0, len(keys) - 1), event_label="lie_down")


def lie_down_fast(cast: Cast, rng: np.random.Generator) -> Script:
    """From the edge of the bed drops onto the side and the back: looks like a fall, is none."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.58, rails="none", flat=True))
    slow = float(rng.uniform(0.42, 0.58))
    keys = [
        Key(plan.on_edge(lean=2, hands="thighs"), 0, "sitting", hold=rng.uniform(0.6, 1.4)),
        Key(plan.half_up(), 0.75 * slow, "lie_down", via=True),
        Key(plan.on_side(x=plan.edge_x + 0.30, curl=0.6), 0.8 * slow, "lie_down", via=True),
        Key(plan.supine(arms=float(rng.random() < 0.4)), 1.0 * slow, "lie_down", hold=1.6, hold_label="lying"),
    ]
    says = [
        "{who} throws {their} body down on the bed",
        "{who} lies down on the bed very fast",
        "from the edge of the bed {who} drops onto the mattress",
    ]
    return Script(keys, says, [plan.thing], side=_side(rng), main=(0, 3), event_label="lie_down")


def in_bed_still(cast: Cast, rng: np.random.Generator) -> Script:
    """Lies in bed, breathing, now and then turning the head."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.72))
    way = float(rng.random())
    if way < 0.6 or plan.angle > STEEP_DEG:
        posture = plan.supine(arms=float(rng.uniform(0, 1)), knees=(rng.uniform(2, 12), rng.uniform(2, 12)))
    else:
        posture = plan.on_side(left=True, curl=rng.uniform(0.2, 1.0))
    turned = replace(posture, neck=(posture.neck[0], 0.0, posture.neck[2] + rng.uniform(-25, 25)))
    keys = [
        Key(posture, 0, "lying", hold=rng.uniform(1.5, 3.0)),
        Key(turned, rng.uniform(1.0, 2.0), "lying", hold=rng.uniform(1.5, 3.0)),
    ]
    says = [
        "{who} lies still in bed",
        "{who} is asleep in bed",
        "{who} rests in bed without moving",
        "{who} lies in bed on the " + ("back" if way < 0.6 or plan.angle > STEEP_DEG else "{side} side"),
    ]
    return Script(keys, says, [plan.thing], side=_side(rng), event_label="lying", liveliness_scale=0.6)


def in_bed_turning(cast: Cast, rng: np.random.Generator) -> Script:
    """Turns in bed: from the back to a side, from there back, or over to the other side."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.72, flat=True))
    slow = cast.pace * rng.uniform(0.85, 1.15)
    back, bent = plan.supine(arms=float(rng.random() < 0.5)), plan.supine(x=0.05, knees=(52.0, 60.0))
    side, other = plan.on_side(left=True, curl=rng.uniform(0.4, 1.0)), plan.on_side(left=False)
    way = str(rng.choice(["over", "back", "across"]))
    start = back if way == "over" else (side if way == "back" else other)
    end = back if way == "back" else side
    keys = [
        Key(start, 0, "lying", hold=rng.uniform(0.8, 1.6)),
        Key(bent, 1.1 * slow, "lying", via=True),
        Key(end, 1.3 * slow, "lying", hold=rng.uniform(0.8, 2.0)),
    ]
    says = ["{who} turns over in bed", "{who} turns in bed while lying"]
    says += {
        "over": ["{who} turns from the back to the {side} side in bed"],
        "back": ["{who} turns from the {side} side to the back"],
        "across": ["{who} turns from the {other} side to the {side} side in bed"],
    }[way]
    return Script(keys, says, [plan.thing], side=_side(rng), event_label="lying")


def in_bed_restless(cast: Cast, rng: np.random.Generator) -> Script:
    """Does not find rest in bed: legs drawn up and stretched, arms about, head from side to side."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.72, flat=True))
    keys = [Key(plan.supine(), 0, "lying", hold=rng.uniform(0.3, 0.8))]
    for _ in range(int(rng.integers(4, 8))):
        if rng.random() < 0.22:
            posture = plan.on_side(left=bool(rng.random() < 0.5), curl=rng.uniform(0.2, 0.8))
        else:
            knees = tuple(float(rng.choice([4.0, 35.0, 65.0, 85.0])) for _ in range(2))
            posture = plan.supine(
                x=rng.uniform(-0.07, 0.07), knees=knees, arms=float(rng.uniform(0, 1)), look=rng.uniform(-40, 40)
            )
            if rng.random() < 0.35:
                hand = str(rng.choice(["left_hand", "right_hand"]))
                up = rng.uniform(0.05, 0.3)
                posture = posture.holding(
                    **{hand: posture.pelvis + np.array([rng.uniform(-0.2, 0.2), -0.28, 0.16 + up])}
                )
        keys.append(Key(posture, rng.uniform(0.55, 1.1), "lying", hold=rng.choice([0.0, 0.0, 0.4])))
    says = [
        "{who} tosses and turns in bed",
        "{who} lies restless in bed, moving arms and legs",
        "{who} cannot lie still in bed",
    ]
    return Script(keys, says, [plan.thing], side=_side(rng), event_label="lying", liveliness_scale=1.6)


def seated_bed_edge(cast: Cast, rng: np.random.Generator) -> Script:
    """Sits on the edge of the bed, with small shifts of trunk, hands and gaze."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.70))
    hands = str(rng.choice(["bed", "thighs"]))
    keys = [Key(plan.on_edge(lean=rng.uniform(0, 10), hands=hands), 0, "sitting", hold=rng.uniform(0.8, 1.8))]
    for _ in range(int(rng.integers(1, 4))):
        posture = plan.on_edge(lean=float(rng.uniform(0, 16)), hands=str(rng.choice(["bed", "thighs"])))
        look = rng.uniform(-45, 45)
        posture = replace(
            posture,
            trunk=(posture.trunk[0], rng.uniform(-4, 4), 0.3 * look),
            neck=(posture.neck[0] + rng.uniform(-6, 16), 0.0, look),
        )
        keys.append(Key(posture, rng.uniform(0.7, 1.4) * cast.pace, "sitting", hold=rng.uniform(0.5, 1.6), lift=0.0))
    says = [
        "{who} sits on the edge of the bed",
        "{who} is sitting on the {side} side of the bed",
        "{who} sits at the bedside and looks around",
    ]
    return Script(keys, says, [plan.thing], side=_side(rng), event_label="sitting")


def sit_up_in_bed(cast: Cast, rng: np.random.Generator) -> Script:
    """From lying to sitting in bed with the legs straight, pushing with both hands."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.72))
    slow = cast.pace * rng.uniform(0.9, 1.2)
    halfway = Key(plan.propped_up(), 1.0 * slow, "stand_up", via=bool(rng.random() < 0.6))
    keys = [
        Key(plan.supine(), 0, "lying", hold=rng.uniform(0.6, 1.4)),
        *([] if plan.angle > STEEP_DEG else [halfway]),
        Key(plan.long_sit(lean=rng.uniform(4, 20)), 1.0 * slow, "stand_up", hold=1.2, hold_label="sitting"),
    ]
    says = [
        "{who} sits up in bed",
        "{who} pushes up from lying and sits in bed with straight legs",
        "{who} lies in bed and then sits up",
    ]
    return Script(keys, says, [plan.thing], main=(0, len(keys) - 1), event_label="stand_up")


def rail_climb(cast: Cast, rng: np.random.Generator) -> Script:
    """Sits up in a bed with full rails, brings one leg over the rail and comes to sit on it."""
    plan = BedPlan(cast, rng, draw_bed(rng, low=0.40, high=0.60, rails="full", flat=True))
    slow = min(cast.pace, 1.4) * rng.uniform(0.85, 1.1)
    lifted, over, astride = plan.over_rail()
    keys = [
        Key(plan.supine(), 0, "lying", hold=rng.uniform(0.4, 0.8)),
        Key(plan.propped_up(), 0.8 * slow, "stand_up", via=True),
        Key(plan.long_sit(), 0.8 * slow, "stand_up", hold=0.2),
        Key(lifted, 1.3 * slow, "other", via=True),
        Key(over, 1.0 * slow, "other", hold=0.2),
        Key(astride, 1.2 * slow, "other", hold=rng.uniform(0.6, 1.2)),
    ]
    says = [
        "{who} climbs over the bed rail on the {side}",
        "{who} tries to get out of bed over the raised rail",
        "{who} brings one leg over the side rail of the bed",
    ]
    return Script(keys, says, [plan.thing], side=_side(rng), main=(0, 5), event_label="other")


def _side(rng: np.random.Generator) -> str:
    return str(rng.choice(["left", "right"]))
