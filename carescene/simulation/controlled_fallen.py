"""After a fall and back up: lying, moving, crawling, rising alone or with help, and being lowered."""

from dataclasses import replace
from typing import Final

import numpy as np

from carescene.simulation.cast import Cast
from carescene.simulation.controlled_script import Script
from carescene.simulation.floor_postures import lie_on_back, lie_on_belly, lie_on_side, propped, sit_on_floor
from carescene.simulation.key_postures import all_fours, at, half_kneel, place, squat, stand
from carescene.simulation.keyframing import Key
from carescene.simulation.postures import Posture, facing, leftwards

_HERE: Final = np.zeros(2)


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


def _up_from_knee(cast: Cast, half: Posture, yaw: float | int) -> tuple[Posture, Posture]:
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
        attributes={
            "cause": "support_loss",
            "direction": "down",
            "surface": "floor",
            "object_hit": "none",
            "start_posture": "standing",
            "step_response": "no",
            "grasp": "yes",
            "impact_site": "buttocks",
        },
        main=(0, 4),
        marks={"descent_s": 1, "impact_s": 3, "rest_s": 4},
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
