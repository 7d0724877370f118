"""Staff at work: bending over a bed, kneeling, making a bed."""

import numpy as np

from carescene.simulation.bed_postures import draw_bed
from carescene.simulation.cast import Cast
from carescene.simulation.controlled_script import Script
from carescene.simulation.key_postures import at, half_kneel, kneel, place, stand
from carescene.simulation.keyframing import Key
from carescene.simulation.postures import Posture, facing, leftwards


def working_hands(posture: Posture, left: np.ndarray, right: np.ndarray) -> Posture:
    """The posture with both palms at work at these points."""
    return posture.holding(left_hand=left, right_hand=right)


def staff_bend_over_bed(cast: Cast, rng: np.random.Generator) -> Script:
    """Stands at the side of a bed, bends over it, works there with both hands, and comes up again."""
    bed = draw_bed(rng, low=0.45, high=0.72, rails="none")
    height = float(bed.params["mattress_height_m"])
    spot, yaw = at(-0.5 - 0.17 - cast.anatomy.belly, rng.uniform(-0.5, 0.4)), -np.pi / 2
    upright = stand(cast, spot, yaw, width=0.28, left_ahead=rng.uniform(-0.1, 0.1))
    keys = [Key(upright, 0, "standing", hold=rng.uniform(0.4, 1.0))]
    slow = cast.pace * rng.uniform(0.9, 1.2)
    for number in range(int(rng.integers(2, 5))):
        bend = float(rng.uniform(42, 72))
        bent = stand(cast, spot, yaw, bend=bend, knees=rng.uniform(8, 22), width=0.28)
        bent = bent.holding(left_foot=upright.holds["left_foot"], right_foot=upright.holds["right_foot"])
        reach = cast.anatomy.arm * rng.uniform(0.75, 1.15)
        middle = spot + facing(yaw)[:2] * (0.12 + reach) + leftwards(yaw)[:2] * rng.uniform(-0.18, 0.18)
        up = height + rng.uniform(0.06, 0.22)
        apart = rng.uniform(0.12, 0.3) / 2
        bent = working_hands(
            bent,
            place(middle + leftwards(yaw)[:2] * apart, up),
            place(middle - leftwards(yaw)[:2] * apart, up + rng.uniform(-0.03, 0.06)),
        )
        keys.append(Key(bent, (1.2 if number == 0 else 0.8) * slow, "other", hold=rng.uniform(0.2, 0.8)))
    keys.append(Key(upright, 1.1 * slow, "other", hold=rng.uniform(0.4, 0.9), hold_label="standing"))
    says = [
        "{who} bends over a bed and works with both hands",
        "{who} leans over the bed, does something there and straightens up",
        "standing beside a bed, {who} bends over it",
        "{who} bends down to the bed and comes up again",
    ]
    return Script(
        keys, says, [bed], side=str(rng.choice(["left", "right"])), main=(0, len(keys) - 1), event_label="other"
    )


def kneel_task(cast: Cast, rng: np.random.Generator) -> Script:
    """Goes down on one knee or both and works near the floor; sometimes gets up again."""
    spot, yaw = at(0, 0), 0.0
    slow = cast.pace * rng.uniform(0.9, 1.2)
    both, rises = bool(rng.random() < 0.5), bool(rng.random() < 0.4)
    lunge, down = lunge_down(cast, spot, yaw)
    keys = [
        Key(stand(cast, spot, yaw), 0, "standing", hold=rng.uniform(0.4, 1.0)),
        Key(lunge, 0.8 * slow, "kneel_down", lift=0.05, via=True),
        Key(down, 0.9 * slow, "kneel_down"),
    ]
    knee = spot - facing(yaw)[:2] * 0.28
    low = kneel(cast, knee, yaw, bend=15) if both else down
    if both:
        keys.append(Key(low, 0.9 * slow, "kneel_down", lift=0.05))
    for _ in range(int(rng.integers(2, 4))):
        bend, ahead = float(rng.uniform(18, 42)), float(rng.uniform(0.42, 0.6))
        at_work = kneel(cast, knee, yaw, bend=bend) if both else half_kneel(cast, knee, yaw, bend=bend)
        at_work = at_work.holding(**{n: low.holds[n] for n in low.holds if n.endswith(("foot", "knee"))})
        middle, up = (
            knee + facing(yaw)[:2] * ahead + leftwards(yaw)[:2] * rng.uniform(-0.15, 0.1),
            rng.uniform(0.12, 0.4),
        )
        at_work = working_hands(
            at_work,
            place(middle + leftwards(yaw)[:2] * 0.1, up),
            place(middle - leftwards(yaw)[:2] * 0.1, up + rng.uniform(-0.04, 0.04)),
        )
        keys.append(Key(at_work, rng.uniform(0.6, 1.0) * slow, "kneeling", hold=rng.uniform(0.2, 0.6)))
    last = len(keys) - 1
    if rises:
        if both:
            keys.append(Key(down, 0.9 * slow, "stand_up", lift=0.05))
        keys += [
            Key(lunge, 0.8 * slow, "stand_up", via=True),
            Key(stand(cast, spot, yaw), 0.9 * slow, "stand_up", hold=0.5, hold_label="standing", lift=0.05),
        ]
    says = [
        "{who} kneels down and works near the floor",
        "{who} goes down on " + ("both knees" if both else "one knee") + " and does something with both hands",
        "{who} kneels to do a task at floor height",
        "{who} kneels, busy with something low" + (", and gets up again" if rises else ""),
    ]
    return Script(keys, says, main=(0, last), event_label="kneel_down")


def lunge_down(cast: Cast, spot: np.ndarray, yaw: float) -> tuple[Posture, Posture]:
    """A step back with the right foot, and the half kneel it ends in; the left foot stays where it stood at `spot`."""
    start = stand(cast, spot, yaw)
    knee = spot - facing(yaw)[:2] * 0.28
    down = half_kneel(cast, knee, yaw).holding(left_foot=start.holds["left_foot"])
    lunge = stand(cast, spot, yaw, bend=22, knees=26)
    lunge = lunge.holding(left_foot=start.holds["left_foot"], right_foot=down.holds["right_foot"])
    pelvis = place(spot - facing(yaw)[:2] * 0.20, cast.standing_pelvis * 0.80)
    lunge = Posture(
        pelvis=pelvis, yaw=yaw, pitch=14, trunk=lunge.trunk, neck=lunge.neck, limbs=lunge.limbs, holds=lunge.holds
    )
    return lunge, down
