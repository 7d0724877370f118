"""On and near the floor: picking up, dropping something, tying shoes, exercise."""

from dataclasses import replace
from typing import Final

import numpy as np

from carescene.simulation.cast import Cast
from carescene.simulation.controlled_kneeling import lunge_down
from carescene.simulation.controlled_script import Script
from carescene.simulation.controlled_seats import SeatPlan, draw_seat
from carescene.simulation.floor_postures import lie_on_back
from carescene.simulation.key_postures import at, place, squat, stand
from carescene.simulation.keyframing import Key
from carescene.simulation.postures import Posture, facing, foot_points, leftwards

_HERE: Final = np.zeros(2)


def pick_up_floor(cast: Cast, rng: np.random.Generator) -> Script:
    """Squats or bends, takes something from the floor with one hand, and rises."""
    upright = stand(cast, _HERE, 0.0, width=0.24, left_ahead=0.06)
    feet = {name: upright.holds[name] for name in ("left_foot", "right_foot")}
    slow = cast.pace * rng.uniform(0.85, 1.15)
    depth = float(rng.uniform(0.5, 0.68)) - 0.1 * (cast.pace > 1.4)
    thing = place(at(rng.uniform(-0.12, 0.02), rng.uniform(0.30, 0.42)), 0.06)
    low = squat(cast, _HERE, 0.0, depth=depth)
    low = replace(low, trunk=(low.trunk[0] + 16, 0, -6), neck=(-2, 0, 0)).holding(left_hand=thing, **feet)
    knee = low.pelvis + 0.36 * facing(0) - 0.12 * leftwards(0)
    if rng.random() < 0.6:
        # The other hand steadies itself on the thigh.
        low = low.holding(right_hand=place(knee[:2], 0.5 * cast.anatomy.leg + 0.16))
    after = upright.holding(left_hand=upright.pelvis + np.array([-0.16, 0.30, 0.12]))
    keys = [
        Key(upright, 0, "standing", hold=rng.uniform(0.4, 1.0)),
        Key(low, 1.25 * slow, "squat_down", hold=rng.uniform(0.3, 0.8), hold_label="squatting"),
        Key(after, 1.2 * slow, "stand_up", hold=rng.uniform(0.5, 1.0), hold_label="standing"),
    ]
    says = [
        "{who} picks something up from the floor with the {side} hand",
        "{who} squats down, takes a thing from the floor and gets up again",
        "{who} bends down to pick up something",
        "something lies on the floor; {who} picks it up",
    ]
    return Script(keys, says, side=_side(rng), main=(0, 2), event_label="squat_down")


def object_drop(cast: Cast, rng: np.random.Generator) -> Script:
    """Holds something, drops it, starts and looks down; sometimes picks it up."""
    upright = stand(cast, _HERE, 0.0, width=0.22)
    held = upright.holding(
        left_hand=upright.pelvis + np.array([-0.10, 0.32, 0.22]),
        right_hand=upright.pelvis + np.array([0.10, 0.32, 0.20]),
    )
    startled = replace(held, trunk=(held.trunk[0] - 4, 0, 0), neck=(24, 0, 10)).holding(
        left_hand=upright.pelvis + np.array([-0.24, 0.34, 0.16]),
        right_hand=upright.pelvis + np.array([0.26, 0.30, 0.18]),
    )
    looking = stand(cast, _HERE, 0.0, width=0.22, bend=16)
    looking = replace(looking, neck=(34, 0, 14)).holding(
        left_foot=upright.holds["left_foot"], right_foot=upright.holds["right_foot"]
    )
    keys = [
        Key(held, 0, "standing", hold=rng.uniform(0.7, 1.6)),
        Key(startled, 0.28, "standing", hold=0.15),
        Key(looking, 0.8 * cast.pace, "standing", hold=rng.uniform(0.5, 1.2)),
    ]
    says = [
        "{who} drops something and looks at the floor",
        "{who} lets an object fall and looks down after it",
        "something slips out of the hands of {who}",
    ]
    if rng.random() < 0.6:
        low = squat(cast, _HERE, 0.0, depth=0.6)
        low = replace(low, trunk=(low.trunk[0] + 16, 0, -4)).holding(
            left_hand=place(at(-0.06, 0.36), 0.05),
            left_foot=upright.holds["left_foot"],
            right_foot=upright.holds["right_foot"],
        )
        keys += [
            Key(low, 1.2 * cast.pace, "squat_down", hold=0.35, hold_label="squatting"),
            Key(held, 1.2 * cast.pace, "stand_up", hold=0.5, hold_label="standing"),
        ]
        says += ["{who} drops something and picks it up again"]
    return Script(keys, says, side=_side(rng), event_label="other")


def tie_shoes(cast: Cast, rng: np.random.Generator) -> Script:
    """Ties the laces of the left shoe: squatting on one knee, or bent forwards on a chair."""
    seated = bool(rng.random() < 0.35)
    slow = cast.pace * rng.uniform(0.9, 1.15)
    says = ["{who} ties {their} shoe", "{who} bends down to tie the laces of the {side} shoe"]
    if seated:
        plan = SeatPlan(cast, rng, draw_seat(rng, "chair"))
        plan.uses_arms = False
        first = plan.sitting(4)
        low = plan.perched(70)
        low = replace(low, trunk=(48, 0, -4), neck=(-6, 0, 0), pitch=26)
        foot = low.holds["left_foot"]
        keys = [Key(first, 0, "sitting", hold=rng.uniform(0.4, 1.0))]
        keys += _lacing(low, foot, rng, 1.3 * slow, "sitting")
        keys.append(Key(first, 1.2 * slow, "sitting", hold=rng.uniform(0.5, 1.0)))
        says += ["{who} sits on a chair and ties {their} shoes"]
        return Script(keys, says, [plan.thing], side=_side(rng), event_label="sitting")
    lunge, down = lunge_down(cast, _HERE, 0.0)
    down = replace(down, trunk=(34 + cast.stoop, 0, -8), neck=(4, 0, 0), pitch=14)
    upright = stand(cast, _HERE, 0.0)
    keys = [
        Key(upright, 0, "standing", hold=rng.uniform(0.3, 0.8)),
        Key(lunge, 1.0 * slow, "squat_down", via=True),
    ]
    keys += _lacing(down, down.holds["left_foot"], rng, 0.9 * slow, "squat_down")
    keys += [
        Key(lunge.holding(left_hand=None, right_hand=None), 0.8 * slow, "stand_up", via=True),
        Key(upright, 0.8 * slow, "stand_up", hold=0.4, hold_label="standing"),
    ]
    says += ["{who} goes down on one knee to tie a shoe", "{who} crouches and ties the {side} shoe"]
    return Script(keys, says, side=_side(rng), main=(0, len(keys) - 3), event_label="squat_down")


def _lacing(low: Posture, foot: np.ndarray, rng: np.random.Generator, seconds: float | int, label: str) -> list[Key]:
    """Hands go to the left foot and work on its laces."""
    laces = 0.35 * foot[0] + 0.65 * foot[1]
    keys = []
    for number in range(int(rng.integers(3, 5))):
        apart, up = rng.uniform(0.04, 0.12), rng.uniform(0.09, 0.16)
        at_work = low.holding(
            left_hand=laces + np.array([-apart, -0.02, up]), right_hand=laces + np.array([apart, -0.02, up])
        )
        # Lacing is squatting held still: the taxonomy names the whole of it by the way down.
        keys.append(Key(at_work, seconds if number == 0 else rng.uniform(0.35, 0.6), label, hold=rng.uniform(0.1, 0.3)))
    return keys


def floor_exercise(cast: Cast, rng: np.random.Generator) -> Script:
    """Lies on a mat on the floor and exercises: bridges, leg raises or knees to the chest."""
    sort = str(rng.choice(["bridge", "leg raises", "knees to the chest"]))
    slow = cast.pace * rng.uniform(0.8, 1.1)
    rest = lie_on_back(cast, _HERE, 0.0, knees=(78.0, 78.0) if sort == "bridge" else (8.0, 8.0))
    feet = {
        f"{side}_foot": foot_points(cast.anatomy, side, at(-sign * 0.11, 0.52 * cast.anatomy.leg), 0.06 * sign)
        for side, sign in (("left", 1.0), ("right", -1.0))
    }
    keys = []
    if sort == "bridge":
        rest = rest.holding(**feet)
        up = replace(rest, pelvis=rest.pelvis + np.array([0, 0.04, 0.20]), pitch=-112, trunk=(-8, 0, 0))
        moves = [up.holding(pelvis=up.pelvis, chest=None)]
    elif sort == "leg raises":
        moves = []
        for side in ("left", "right"):
            index = 0 if side == "left" else 1
            hip, knee = [4.0, 4.0], [8.0, 8.0]
            hip[index], knee[index] = float(rng.uniform(40, 62)), 6.0
            limbs = replace(rest.limbs, hip=tuple(hip), knee=tuple(knee))
            moves.append(replace(rest, limbs=limbs).holding(**{f"{side}_foot": None}))
    else:
        limbs = replace(rest.limbs, hip=112, knee=120, arm=48, arm_out=10, elbow=45)
        moves = [
            replace(rest, limbs=limbs, trunk=(10, 0, 0), neck=(10, 0, 0)).holding(
                left_foot=None, right_foot=None, left_hand=None, right_hand=None, head=None
            )
        ]
    keys.append(Key(rest, 0, "lying", hold=rng.uniform(0.5, 1.0)))
    for _ in range(2 if len(moves) == 1 else 1):
        for move in moves:
            keys.append(Key(move, 1.0 * slow, "other", hold=rng.uniform(0.2, 0.6)))
            keys.append(Key(rest, 1.0 * slow, "other", hold=0.2))
    keys[-1] = replace(keys[-1], hold=rng.uniform(0.7, 1.4), hold_label="lying")
    says = [
        "{who} does exercises on the floor",
        f"{{who}} lies on the floor and does {sort if sort != 'bridge' else 'bridges'}",
        "lying on a mat, {who} exercises",
    ]
    return Script(keys, says, attributes={"exercise": sort}, event_label="other")


def _side(rng: np.random.Generator) -> str:
    return str(rng.choice(["left", "right"]))
