"""Staff at work: bending over a bed, kneeling, making a bed."""

from dataclasses import replace

import numpy as np

from carescene.simulation.bed_postures import draw_bed
from carescene.simulation.cast import Cast
from carescene.simulation.controlled_kneeling import lunge_down
from carescene.simulation.controlled_script import Script
from carescene.simulation.key_postures import at, half_kneel, place, stand
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


def make_bed(cast: Cast, rng: np.random.Generator) -> Script:
    """Makes a bed: smooths and tucks the sheet, stepping along its side."""
    bed = draw_bed(rng, low=0.50, high=0.72, rails="none", flat=True)
    height = float(bed.params["mattress_height_m"])
    yaw, x = -np.pi / 2, -0.5 - 0.14 - cast.anatomy.belly
    slow = cast.pace * rng.uniform(0.85, 1.1)
    y = float(rng.uniform(-0.55, -0.25)) * float(rng.choice([-1, 1]))
    along = -float(np.sign(y)) * rng.uniform(0.22, 0.34)
    keys = [Key(_over_bed(cast, rng, at(x, y), yaw, height), 0, "other", hold=rng.uniform(0.2, 0.5))]
    for _ in range(int(rng.integers(2, 4))):
        for _ in range(int(rng.integers(1, 3))):
            keys.append(
                Key(_over_bed(cast, rng, at(x, y), yaw, height), rng.uniform(0.6, 0.9) * slow, "other", hold=0.15)
            )
        before, y = keys[-1].posture, y + along
        if abs(y) > 0.75:
            break
        # One foot after the other, the one on the side of the way first.
        first, second = ("right_foot", "left_foot") if along > 0 else ("left_foot", "right_foot")
        if yaw < 0:
            first, second = second, first
        after = _over_bed(cast, rng, at(x, y), yaw, height)
        half = stand(cast, at(x, y - along / 2), yaw, bend=26, weight_left=0.35 if first == "left_foot" else 0.65)
        half = half.holding(**{first: after.holds[first], second: before.holds[second]})
        keys += [
            Key(half, 0.7 * slow, "other", via=True),
            Key(after, 0.7 * slow, "other", hold=0.1),
        ]
    says = [
        "{who} makes a bed",
        "{who} smooths and tucks the sheet of an empty bed",
        "{who} works along the side of a bed, putting on clean sheets",
    ]
    return Script(keys, says, [bed], side=str(rng.choice(["left", "right"])), event_label="other")


def _over_bed(cast: Cast, rng: np.random.Generator, spot: np.ndarray, yaw: float | int, height: float | int) -> Posture:
    bent = stand(cast, spot, yaw, bend=rng.uniform(36, 56), knees=rng.uniform(6, 18), width=0.26)
    ahead = 0.12 + cast.anatomy.arm * rng.uniform(0.6, 0.95)
    middle = spot + facing(yaw)[:2] * ahead + leftwards(yaw)[:2] * rng.uniform(-0.14, 0.14)
    apart = rng.uniform(0.2, 0.5) / 2
    left, right = (middle + sign * leftwards(yaw)[:2] * apart for sign in (1.0, -1.0))
    return working_hands(bent, place(left, height + 0.05), place(right, height + 0.05))


def help_up(cast: Cast, rng: np.random.Generator) -> Script:
    """Bends before somebody low, takes both hands, pulls up with straight back and steps back: a helper's half."""
    slow, spot = cast.pace * rng.uniform(0.9, 1.15), at(0, 0)
    upright = stand(cast, spot, 0.0, width=0.26, left_ahead=0.16)
    feet = {name: upright.holds[name] for name in ("left_foot", "right_foot")}
    ahead, apart = rng.uniform(0.46, 0.56), 0.2

    def hold(bend: float | int, knees: float | int, up: float | int, reach: float | int) -> Posture:
        bent = stand(cast, spot, 0.0, bend=bend, knees=knees, width=0.26).holding(**feet)
        return working_hands(bent, place(at(-apart, reach), up), place(at(apart, reach), up))

    keys = [
        Key(upright, 0, "standing", hold=rng.uniform(0.4, 0.8)),
        Key(hold(48, 40, rng.uniform(0.45, 0.6), ahead), 1.3 * slow, "other", hold=rng.uniform(0.5, 0.9)),
        Key(hold(26, 26, 0.78, ahead - 0.06), 1.0 * slow, "other", via=True),
        Key(hold(6, 8, 1.0, ahead - 0.14), 1.0 * slow, "other", hold=rng.uniform(0.6, 1.2)),
        Key(upright, 0.8 * slow, "other", hold=0.4, hold_label="standing"),
    ]
    says = [
        "{who} bends down, takes both hands of somebody and helps them up",
        "{who} pulls somebody up from below",
        "{who} helps a person to rise",
    ]
    return Script(keys, says, main=(0, 4), event_label="other")


def hand_over(cast: Cast, rng: np.random.Generator) -> Script:
    """Holds something before the chest, reaches it forwards with one hand, waits, and takes the hand back."""
    slow, spot = cast.pace * rng.uniform(0.9, 1.15), at(0, 0)
    upright = stand(cast, spot, 0.0, left_ahead=0.08)
    high = float(rng.uniform(0.95, 1.15))
    carried = upright.holding(left_hand=upright.pelvis + np.array([-0.08, 0.26, 0.16]))
    given = stand(cast, spot, 0.0, bend=14).holding(
        **{name: upright.holds[name] for name in ("left_foot", "right_foot")},
        left_hand=place(at(-0.08, 0.08 + 0.82 * cast.anatomy.arm), high),
    )
    keys = [
        Key(carried, 0, "standing", hold=rng.uniform(0.6, 1.2)),
        Key(given, 1.0 * slow, "standing", hold=rng.uniform(0.5, 1.0)),
        Key(upright, 1.0 * slow, "standing", hold=rng.uniform(0.5, 1.0)),
    ]
    says = [
        "{who} hands something over with the {side} hand",
        "{who} holds out an object to somebody",
        "{who} gives somebody a cup",
    ]
    return Script(keys, says, side=str(rng.choice(["left", "right"])), event_label="standing")


def bend_and_talk(cast: Cast, rng: np.random.Generator) -> Script:
    """Bends towards somebody who sits or lies, talks with small gestures, straightens up."""
    slow, spot = cast.pace * rng.uniform(0.9, 1.15), at(0, 0)
    upright = stand(cast, spot, 0.0, left_ahead=0.1)
    feet = {name: upright.holds[name] for name in ("left_foot", "right_foot")}
    keys = [Key(upright, 0, "standing", hold=rng.uniform(0.4, 0.9))]
    knee_rest = bool(rng.random() < 0.5)
    for number in range(int(rng.integers(3, 6))):
        bent = stand(cast, spot, 0.0, bend=rng.uniform(30, 46), knees=14).holding(**feet)
        bent = replace(bent, neck=(-14 + rng.uniform(-5, 9), 0, rng.uniform(-12, 12)))
        if knee_rest:
            bent = bent.holding(right_hand=place(at(0.12, 0.16), 0.56 * cast.anatomy.leg + 0.12))
        gesture = place(at(-0.15 - rng.uniform(0, 0.15), rng.uniform(0.36, 0.5)), rng.uniform(0.75, 0.98))
        keys.append(
            Key(
                bent.holding(left_hand=gesture),
                (1.1 if number == 0 else 0.6) * slow,
                "other",
                hold=rng.uniform(0.1, 0.4),
            )
        )
    keys.append(Key(upright, 1.0 * slow, "other", hold=0.5, hold_label="standing"))
    says = [
        "{who} bends forward and talks to somebody",
        "{who} leans down to speak with a patient",
        "{who} bends towards a person and explains something",
    ]
    return Script(keys, says, side=str(rng.choice(["left", "right"])), main=(0, len(keys) - 1), event_label="other")


def kneel_by_fallen(cast: Cast, rng: np.random.Generator) -> Script:
    """Kneels beside somebody on the floor, touches a shoulder, speaks; the other person lies 0.5 m ahead."""
    spot, slow = at(0, 0), cast.pace * rng.uniform(0.85, 1.05)
    lunge, down = lunge_down(cast, spot, 0.0)
    down_feet = {name: down.holds[name] for name in down.holds if name.endswith(("foot", "knee"))}
    shoulder = at(rng.uniform(-0.12, 0.12), rng.uniform(0.26, 0.36))
    keys = [
        Key(stand(cast, spot, 0.0), 0, "standing", hold=rng.uniform(0.3, 0.6)),
        Key(lunge, 1.0 * slow, "kneel_down", lift=0.05, via=True),
        Key(down, 0.8 * slow, "kneel_down", hold_label="kneeling"),
    ]
    for number in range(int(rng.integers(2, 4))):
        bent = half_kneel(
            cast, spot - facing(0)[:2] * 0.28, 0.0, bend=rng.uniform(22, 34), sit_back=rng.uniform(0.4, 0.8)
        ).holding(**down_feet)
        bent = replace(bent, neck=(14, 0, rng.uniform(-10, 10)))
        other = place(shoulder + at(0.16, -0.04), rng.uniform(0.24, 0.4))
        touch = place(shoulder + at(0, rng.uniform(-0.02, 0.02)), 0.24 if number % 2 == 0 else 0.3)
        keys.append(
            Key(bent.holding(left_hand=touch, right_hand=other), 0.9 * slow, "kneeling", hold=rng.uniform(0.4, 0.9))
        )
    says = [
        "{who} kneels beside somebody on the floor and touches their shoulder",
        "{who} goes down on one knee next to a fallen person",
        "{who} kneels by the fallen and speaks to them",
    ]
    return Script(keys, says, side=str(rng.choice(["left", "right"])), main=(0, len(keys) - 1), event_label="kneeling")


def turn_reach(cast: Cast, rng: np.random.Generator) -> Script:
    """Stands, turns the trunk to one side, reaches for something there, and comes back."""
    slow, spot = cast.pace * rng.uniform(0.9, 1.2), at(0, 0)
    upright = stand(cast, spot, 0.0, width=0.24)
    feet = {name: upright.holds[name] for name in ("left_foot", "right_foot")}
    twist = float(rng.uniform(40, 62))
    angle = np.radians(twist + rng.uniform(5, 35))
    reach, high = cast.anatomy.arm * rng.uniform(1.0, 1.25), float(rng.uniform(0.7, 1.45))
    target = spot + facing(angle)[:2] * reach + leftwards(angle)[:2] * 0.12
    # Mostly the hand of that side; the other one has to come across the body.
    hand = "left_hand" if rng.random() < 0.75 else "right_hand"
    reaching = replace(
        stand(cast, spot, 0.0, bend=10, weight_left=0.62, width=0.24),
        trunk=(cast.stoop + 6, 6, twist * 0.75),
        neck=(4, 0, twist * 0.7),
        turn=twist * 0.25,
    ).holding(**feet, **{hand: place(target, high)})
    back = replace(upright, neck=(upright.neck[0], 0, rng.uniform(-10, 10)))
    keys = [
        Key(upright, 0, "standing", hold=rng.uniform(0.5, 1.2)),
        Key(reaching, 1.1 * slow, "standing", hold=rng.uniform(0.3, 0.9)),
        Key(back, 1.1 * slow, "standing", hold=rng.uniform(0.6, 1.2)),
    ]
    says = [
        "{who} turns to the {side} and reaches for something",
        "{who} stands and reaches out to the {side}",
        "standing, {who} twists to the {side} to take something",
    ]
    return Script(keys, says, side=str(rng.choice(["left", "right"])), main=(0, 2), event_label="standing")
