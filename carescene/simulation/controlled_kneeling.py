"""Going down on one knee or both, and working there."""

from dataclasses import replace

import numpy as np

from carescene.simulation.cast import Cast
from carescene.simulation.controlled_script import Script
from carescene.simulation.key_postures import at, half_kneel, kneel, place, stand
from carescene.simulation.keyframing import Key
from carescene.simulation.postures import Posture, facing, leftwards


def kneel_task(cast: Cast, rng: np.random.Generator) -> Script:
    """Goes down on one knee or both and works near the floor; sometimes gets up again."""
    says = [
        "{who} kneels down and works near the floor",
        "{who} goes down on {knees} and does something with both hands",
        "{who} kneels to do a task at floor height",
        "{who} kneels, busy with something low",
    ]
    return _kneeling(cast, rng, says, both=bool(rng.random() < 0.5), rises=bool(rng.random() < 0.4))


def staff_kneel(cast: Cast, rng: np.random.Generator) -> Script:
    """Kneels as beside a patient: hands forwards at knee to chest height, upright, looking down."""
    says = [
        "{who} kneels down and stays kneeling",
        "{who} kneels on {knees}, as if beside a patient",
        "{who} goes down on {knees} and attends to somebody low",
    ]
    return _kneeling(cast, rng, says, both=bool(rng.random() < 0.3), rises=False, low=0.3, high=0.6)


def _kneeling(cast, rng, says, *, both: bool, rises: bool, low: float | int = 0.12, high: float | int = 0.4) -> Script:
    spot, yaw = at(0, 0), 0.0
    slow = cast.pace * rng.uniform(0.9, 1.15)
    lunge, down = lunge_down(cast, spot, yaw)
    upright = stand(cast, spot, yaw)
    keys = [
        Key(upright, 0, "standing", hold=rng.uniform(0.3, 0.7)),
        Key(lunge, 1.0 * slow, "kneel_down", lift=0.05, via=True),
        Key(down, 0.85 * slow, "kneel_down", hold_label="kneeling"),
    ]
    knee = spot - facing(yaw)[:2] * 0.28
    settled = kneel(cast, knee, yaw, bend=15) if both else down
    if both:
        # The right knee is down already; the left one comes to its side.
        settled = settled.holding(right_knee=down.holds["right_knee"], right_foot=down.holds["right_foot"])
        keys.append(Key(settled, 0.9 * slow, "kneel_down", lift=0.06, hold_label="kneeling"))
    for _ in range(int(rng.integers(2, 4))):
        up, bend = float(rng.uniform(low, high)), float(rng.uniform(14, 34))
        ahead = float(rng.uniform(0.40, 0.55))
        if both:
            at_work = kneel(cast, knee, yaw, bend=bend, sit_back=float(np.clip(0.95 - 1.6 * up, 0.1, 0.8)))
        else:
            at_work = half_kneel(cast, knee, yaw, bend=bend, sit_back=float(np.clip(1.0 - 2.0 * up, 0.0, 0.8)))
        at_work = at_work.holding(**{n: settled.holds[n] for n in settled.holds if n.endswith(("foot", "knee"))})
        middle = knee + facing(yaw)[:2] * ahead + leftwards(yaw)[:2] * rng.uniform(-0.18, 0.05)
        at_work = at_work.holding(
            left_hand=place(middle + leftwards(yaw)[:2] * 0.1, up),
            right_hand=place(middle - leftwards(yaw)[:2] * 0.1, up + rng.uniform(-0.04, 0.04)),
        )
        keys.append(Key(at_work, rng.uniform(0.6, 1.0) * slow, "kneeling", hold=rng.uniform(0.2, 0.6)))
    last = len(keys) - 1
    if rises:
        if both:
            keys.append(Key(down, 0.9 * slow, "stand_up", lift=0.06))
        keys += [
            Key(lunge, 0.8 * slow, "stand_up", via=True),
            Key(upright, 0.9 * slow, "stand_up", hold=0.5, hold_label="standing", lift=0.05),
        ]
    words = "both knees" if both else "one knee"
    says = [text.replace("{knees}", words) for text in says] + (
        ["{who} kneels for a moment and gets up again"] if rises else []
    )
    side = str(rng.choice(["left", "right"]))
    return Script(keys, says, side=side, main=(0, last), event_label="kneeling")


def lunge_down(cast: Cast, spot: np.ndarray, yaw: float | int) -> tuple[Posture, Posture]:
    """A step back with the right foot, and the half kneel it ends in; the left foot stays where it stood at `spot`."""
    start = stand(cast, spot, yaw)
    knee = spot - facing(yaw)[:2] * 0.28
    down = half_kneel(cast, knee, yaw).holding(left_foot=start.holds["left_foot"])
    lunge = replace(
        stand(cast, spot, yaw, bend=22, knees=26),
        pelvis=place(spot - facing(yaw)[:2] * 0.20, cast.standing_pelvis * 0.80),
        balanced=0.0,
    ).holding(left_foot=start.holds["left_foot"], right_foot=down.holds["right_foot"])
    return lunge, down
