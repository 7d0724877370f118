"""On and near the floor: picking up, tying shoes, exercise, lying after a fall, crawling, getting up."""

from dataclasses import replace
from typing import Final

import numpy as np

from carescene.simulation.cast import Cast
from carescene.simulation.controlled_kneeling import lunge_down
from carescene.simulation.controlled_script import Script
from carescene.simulation.controlled_seats import SeatPlan, draw_seat
from carescene.simulation.floor_postures import lie_on_back, lie_on_belly, lie_on_side, propped, sit_on_floor
from carescene.simulation.key_postures import all_fours, at, half_kneel, place, squat, stand
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


def _lacing(low: Posture, foot: np.ndarray, rng: np.random.Generator, seconds: float, label: str) -> list[Key]:
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


def fallen_still(cast: Cast, rng: np.random.Generator) -> Script:
    """Lies on the floor after a fall and hardly moves."""
    posture = _fallen(cast, rng)
    keys = [Key(posture, 0, "fallen", hold=rng.uniform(1.0, 2.0))]
    moved = replace(posture, neck=(posture.neck[0], posture.neck[1], posture.neck[2] + rng.uniform(-14, 14)))
    keys.append(Key(moved, rng.uniform(0.8, 1.5), "fallen", hold=rng.uniform(2.0, 4.5)))
    says = [
        "{who} lies on the floor after a fall and does not move",
        "{who} has fallen and lies still on the floor",
        "{who} lies motionless on the ground",
    ]
    return Script(keys, says, side=_side(rng), event_label="fallen", liveliness_scale=0.4)


def fallen_moving(cast: Cast, rng: np.random.Generator) -> Script:
    """Lies on the floor after a fall, moves legs and arms, tries to come up and sinks back."""
    first = lie_on_back(cast, _HERE, 0.0, knees=(8.0, 12.0), arms=(30.0, 24.0), look=rng.uniform(-30, 30))
    keys = [Key(first, 0, "fallen", hold=rng.uniform(0.5, 1.2))]
    slow = cast.pace * rng.uniform(0.8, 1.1)
    for _ in range(int(rng.integers(2, 5))):
        knees = tuple(float(rng.choice([10.0, 45.0, 75.0])) for _ in range(2))
        moved = lie_on_back(
            cast,
            _HERE,
            0.0,
            knees=knees,
            arms=(rng.uniform(15, 60), rng.uniform(15, 60)),
            elbows=(rng.uniform(10, 70), rng.uniform(10, 70)),
            look=rng.uniform(-45, 45),
        )
        if rng.random() < 0.4:
            hand = str(rng.choice(["left_hand", "right_hand"]))
            moved = moved.holding(
                **{hand: moved.pelvis + np.array([rng.uniform(-0.1, 0.1), -0.30, cast.anatomy.belly + 0.10])}
            )
        keys.append(Key(moved, rng.uniform(0.7, 1.2) * slow, "fallen", hold=rng.uniform(0.0, 0.4)))
    if rng.random() < 0.5:
        keys.append(Key(lie_on_side(cast, _HERE, 0.0), 1.2 * slow, "fallen", hold=0.4))
        if rng.random() < 0.6:
            keys.append(Key(propped(cast, _HERE, 0.0), 1.2 * slow, "fallen", hold=0.5))
            keys.append(Key(lie_on_side(cast, _HERE, 0.0), 1.0 * slow, "fallen", hold=0.6))
    says = [
        "{who} lies on the floor and moves arms and legs",
        "{who} has fallen and tries to get up but cannot",
        "on the floor after a fall, {who} struggles to turn over",
        "{who} lies on the floor, moving",
    ]
    return Script(keys, says, side=_side(rng), event_label="fallen")


def crawl_seek_help(cast: Cast, rng: np.random.Generator) -> Script:
    """Crawls over the floor on hands and knees."""
    stride = float(rng.uniform(0.16, 0.26))
    keys: list[Key] = [Key(all_fours(cast, _HERE, 0.0), 0, "crawl", hold=0.2)]
    placed = dict(keys[0].posture.holds)
    forward = np.array([0.0, stride, 0.0])
    count = int(rng.integers(4, 8))
    bend = float(rng.uniform(-0.03, 0.03))
    for number in range(2 * count):
        # Hand and opposite knee go together.
        hand, knee = ("left", "right") if number % 2 == 0 else ("right", "left")
        whole = forward if 0 < number < 2 * count - 1 else forward / 2
        # Both sides move a whole stride every other beat.
        step = whole * (2.0 if 0 < number < 2 * count - 1 else 1.0) / 1.0
        for name in (f"{hand}_hand", f"{knee}_knee", f"{knee}_foot"):
            placed[name] = placed[name] + step + np.array([bend * stride, 0.0, 0.0])
        middle = 0.5 * (placed["left_knee"] + placed["right_knee"])[0, :2]
        posture = replace(all_fours(cast, middle, 0.0), neck=(-30 + rng.uniform(-8, 8), 0, rng.uniform(-12, 12)))
        keys.append(
            Key(
                posture.holding(**placed),
                rng.uniform(0.55, 0.75) * cast.pace,
                "crawl",
                lift=0.035,
                via=number < 2 * count - 1,
            )
        )
    says = [
        "{who} crawls over the floor on hands and knees",
        "{who} crawls to seek help",
        "after a fall {who} crawls forward",
    ]
    return Script(keys, says, event_label="crawl")


def rise_alone(cast: Cast, rng: np.random.Generator) -> Script:
    """Gets up from the floor alone: to the side, hands and knees, one knee, standing."""
    slow = min(cast.pace, 1.5) * rng.uniform(0.8, 0.95)
    yaw_up = np.pi
    knees = at(0.0, -0.08)
    fours = all_fours(cast, knees, yaw_up)
    half = half_kneel(cast, knees, yaw_up, bend=22)
    half = half.holding(right_knee=fours.holds["right_knee"], right_foot=fours.holds["right_foot"])
    front = half.holds["left_foot"]
    thigh = 0.5 * (front[0] + half.pelvis)
    half = half.holding(left_hand=place(thigh[:2], 0.5 * cast.anatomy.leg + 0.16))
    upright, lunge = _up_from_knee(cast, half, yaw_up)
    start = lie_on_back(cast, _HERE, 0.0, knees=(20.0, 30.0)) if rng.random() < 0.6 else lie_on_side(cast, _HERE, 0.0)
    keys = [
        Key(start, 0, "fallen", hold=rng.uniform(0.4, 0.9)),
        Key(lie_on_side(cast, _HERE, 0.0), 0.9 * slow, "stand_up", via=True),
        Key(propped(cast, _HERE, 0.0), 0.9 * slow, "stand_up", via=True),
        Key(fours, 1.1 * slow, "stand_up", hold=0.2, lift=0.03),
        Key(half, 1.1 * slow, "stand_up", hold=0.2, lift=0.07),
        Key(lunge, 0.9 * slow, "stand_up", via=True),
        Key(upright, 0.9 * slow, "stand_up", hold=rng.uniform(0.4, 0.8), hold_label="standing", lift=0.06),
    ]
    says = [
        "{who} gets up from the floor alone",
        "{who} turns over, comes to hands and knees and stands up",
        "after lying on the floor {who} gets up without help",
        "{who} rises from the floor by way of hands and knees",
    ]
    return Script(keys, says, side=_side(rng), main=(0, 6), event_label="stand_up")


def _up_from_knee(cast: Cast, half: Posture, yaw: float) -> tuple[Posture, Posture]:
    """Standing with the left foot where it is in a half kneel, and the lunge on the way there."""
    spot = half.holds["left_foot"][0, :2] - leftwards(yaw)[:2] * 0.10
    upright = stand(cast, spot, yaw).holding(left_foot=half.holds["left_foot"])
    lunge = replace(
        stand(cast, spot, yaw, bend=34, knees=36),
        pelvis=place(spot - facing(yaw)[:2] * 0.17, cast.standing_pelvis * 0.78),
        balanced=0.0,
    ).holding(left_foot=half.holds["left_foot"], right_foot=half.holds["right_foot"])
    return upright, lunge


def _fallen(cast: Cast, rng: np.random.Generator) -> Posture:
    """One of the ways in which people lie after a fall."""
    sort = str(rng.choice(["back", "back", "side", "side", "belly"]))
    if sort == "side":
        return lie_on_side(cast, _HERE, 0.0, curl=rng.uniform(0.1, 1.0))
    if sort == "belly":
        return lie_on_belly(cast, _HERE, 0.0, look=rng.uniform(35, 62), knee=rng.uniform(8, 40))
    knees = (float(rng.uniform(5, 20)), float(rng.choice([8.0, 15.0, 60.0])))
    return lie_on_back(
        cast,
        _HERE,
        0.0,
        knees=knees,
        arms=(rng.uniform(12, 70), rng.uniform(12, 50)),
        elbows=(rng.uniform(10, 60), rng.uniform(10, 60)),
        look=rng.uniform(-40, 40),
    )


def lowered_by_staff(cast: Cast, rng: np.random.Generator) -> Script:
    """The patient's half of an assisted fall: the knees give way and somebody lowers the patient to the floor."""
    slow = rng.uniform(0.9, 1.2)
    upright = stand(cast, _HERE, 0.0)
    feet = {name: upright.holds[name] for name in ("left_foot", "right_foot")}
    behind = at(rng.uniform(-0.03, 0.03), -0.36 * cast.anatomy.leg)
    sag = replace(
        stand(cast, _HERE, 0.0, knees=46),
        pelvis=place(0.35 * behind, 0.72 * cast.standing_pelvis),
        trunk=(cast.stoop + 10, 0, 0),
        neck=(18, 0, 0),
        balanced=0.0,
    ).holding(**feet)
    low = replace(
        squat(cast, _HERE, 0.0, depth=0.7),
        pelvis=place(0.85 * behind, 0.34 * cast.standing_pelvis),
        balanced=0.0,
        pitch=-8,
    ).holding(**feet)
    sitting = sit_on_floor(cast, behind, 0.0, knees=(74.0, 70.0), lean=-8, hands="thighs").holding(**feet)
    lying = lie_on_back(cast, behind, 0.0, knees=(70.0, 40.0), arms=(26.0, 22.0))
    keys = [
        Key(upright, 0, "standing", hold=rng.uniform(0.5, 1.2)),
        Key(sag, 0.7 * slow, "fall", via=True),
        Key(low, 0.7 * slow, "fall", via=True),
        Key(sitting, 0.7 * slow, "fall", hold=0.2),
        Key(lying, 1.3 * slow, "fall", hold=rng.uniform(1.0, 2.0), hold_label="fallen"),
    ]
    says = [
        "{who} gets weak knees and is lowered to the floor by a member of staff",
        "a carer lowers {who} slowly to the floor",
        "an assisted fall: {who} sinks down, held from behind, and lies on the floor",
    ]
    return Script(
        keys,
        says,
        attributes={"cause": "support_loss", "surface": "floor", "direction": "down"},
        main=(0, 4),
        event_label="fall",
    )


def raised_by_staff(cast: Cast, rng: np.random.Generator) -> Script:
    """The patient's half of being helped up: from sitting on the floor to standing, hands held before the body."""
    slow = min(cast.pace, 1.5) * rng.uniform(0.85, 1.0)
    back = at(0.0, -0.40 * cast.anatomy.leg)
    upright = stand(cast, _HERE, 0.0)
    feet = {name: upright.holds[name] for name in ("left_foot", "right_foot")}
    lying = lie_on_back(cast, back, 0.0, knees=(30.0, 40.0))
    sitting = sit_on_floor(cast, back, 0.0, knees=(76.0, 72.0), lean=6, hands="thighs").holding(**feet)
    low = replace(
        squat(cast, _HERE, 0.0, depth=0.7),
        pelvis=place(0.75 * back, 0.36 * cast.standing_pelvis),
        balanced=0.0,
        pitch=22,
    ).holding(**feet)
    middle = replace(
        stand(cast, _HERE, 0.0, bend=36, knees=44), pelvis=place(0.3 * back, 0.74 * cast.standing_pelvis), balanced=0.0
    ).holding(**feet)
    # Somebody before the patient pulls at both hands.
    low = low.holding(left_hand=place(at(-0.2, 0.22), 0.62), right_hand=place(at(0.2, 0.22), 0.62))
    middle = middle.holding(left_hand=place(at(-0.2, 0.30), 0.86), right_hand=place(at(0.2, 0.30), 0.86))
    keys = [
        Key(lying, 0, "fallen", hold=rng.uniform(0.5, 1.0)),
        Key(sitting, 1.4 * slow, "stand_up", hold=0.5),
        Key(low, 0.9 * slow, "stand_up", via=True),
        Key(middle, 0.7 * slow, "stand_up", via=True),
        Key(upright, 0.8 * slow, "stand_up", hold=rng.uniform(0.6, 1.2), hold_label="standing"),
    ]
    says = [
        "{who} is helped up from the floor by a member of staff",
        "a carer raises {who} from the floor",
        "with help {who} sits up on the floor and stands up",
    ]
    return Script(keys, says, main=(0, 4), event_label="stand_up")


def _side(rng: np.random.Generator) -> str:
    return str(rng.choice(["left", "right"]))
