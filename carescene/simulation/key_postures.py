"""Upright, sitting and low postures, fitted to the size of a body and the height of a seat."""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.simulation.anatomy import SIDES, Anatomy
from carescene.simulation.cast import Cast
from carescene.simulation.postures import Limbs, Posture, facing, foot_points, leftwards

# Feet of somebody who stands at ease are a hand apart and turned out a little.
_STANCE: Final = 0.20
_TOES_OUT: Final = 0.10
SINK: Final = 0.008
# Of the foot behind a kneeling knee: its sole against the floor, and how far the toes are bent for it.
_TUCKED_DEG: Final = 68.0


def at(x: float | int, y: float | int) -> Float[np.ndarray, "2"]:
    """A place on the floor."""
    return np.array([x, y], dtype=np.float64)


def place(spot: Float[np.ndarray, "2"], z: float | int) -> Float[np.ndarray, "3"]:
    """A point above a place on the floor."""
    return np.array([spot[0], spot[1], z], dtype=np.float64)


def feet_at(
    anatomy: Anatomy,
    spot: Float[np.ndarray, "2"],
    yaw: float | int,
    *,
    width: float | int = _STANCE,
    left_ahead: float | int = 0.0,
    heels_up: tuple = (0.0, 0.0),
) -> dict[str, Float[np.ndarray, "3 3"]]:
    """Both feet side by side about a place (middle of the ankles), the left one `left_ahead` metres before the right.

    `heels_up`: degrees of (left, right) heel lift.
    """
    feet = {}
    for side, sign, lift in zip(SIDES, (1.0, -1.0), heels_up, strict=True):
        ankle = spot + sign * (leftwards(yaw)[:2] * width / 2 + facing(yaw)[:2] * left_ahead / 2)
        feet[f"{side}_foot"] = foot_points(anatomy, side, ankle, yaw + sign * _TOES_OUT, pitch=lift)
    return feet


def stand(
    cast: Cast,
    spot: Float[np.ndarray, "2"],
    yaw: float | int,
    *,
    bend: float | int = 0.0,
    width: float | int = _STANCE,
    left_ahead: float | int = 0.0,
    knees: float | int = 0.0,
    weight_left: float | int = 0.5,
) -> Posture:
    """Standing above a place with the person's own stoop; `bend` flexes trunk and hips further, `knees` the knees."""
    stoop = cast.stoop + 0.45 * bend
    knee = 4 + 0.5 * cast.stoop + knees
    return Posture(
        pelvis=place(spot - facing(yaw)[:2] * 0.0015 * bend, cast.standing_pelvis - 0.012 - 0.004 * knees),
        yaw=yaw,
        pitch=0.5 * bend + 0.15 * cast.stoop,
        trunk=(stoop, 0.0, 0.0),
        neck=(-0.6 * cast.stoop + 0.1 * bend, 0.0, 0.0),
        limbs=Limbs(
            hip=0.5 * knee + 0.5 * bend + 0.15 * cast.stoop,
            knee=knee,
            ankle=0.5 * knee,
            arm=2 + 0.9 * (stoop + bend) / 2,
        ),
        balanced=1.0,
        weight_left=weight_left,
    ).holding(**feet_at(cast.anatomy, spot, yaw, width=width, left_ahead=left_ahead))


def sit(
    cast: Cast,
    edge: Float[np.ndarray, "2"],
    yaw: float | int,
    height: float | int,
    *,
    inset: float | int = 0.22,
    lean: float | int = 4.0,
    feet_ahead: float | int = 0.08,
    width: float | int = _STANCE,
    feet: dict | None = None,
) -> Posture:
    """Sitting on a seat whose front edge is above `edge`, the pelvis `inset` metres behind it.

    The feet stand `feet_ahead` metres before the edge if the legs reach the floor, else they hang. Hands lie on the
    thighs. `lean` is of the trunk, forwards, in degrees.
    """
    anatomy = cast.anatomy
    forward = facing(yaw)[:2]
    middle = edge - forward * inset
    # Hands rest on the thigh, about two fifths of the way to the knee.
    thigh = 0.5 * anatomy.leg
    hands = {
        f"{side}_hand": place(
            middle + forward * 0.62 * thigh + sign * leftwards(yaw)[:2] * (0.09 + 0.3 * (width - _STANCE)),
            height + 0.155,
        )
        for side, sign in zip(SIDES, (1.0, -1.0), strict=True)
    }
    posture = Posture(
        pelvis=place(middle, height + anatomy.seat - SINK),
        yaw=yaw,
        pitch=-8 + 0.55 * lean,
        trunk=(10 + cast.stoop + 0.45 * lean, 0.0, 0.0),
        neck=(-6 - 0.6 * cast.stoop - 0.2 * lean, 0.0, 0.0),
        limbs=Limbs(hip=80 + 0.55 * lean, hip_out=6, knee=84, arm=22 + lean, arm_out=12, elbow=58),
    ).holding(pelvis=place(middle, height + anatomy.seat - SINK), **hands)
    if feet is not None:
        return posture.holding(**feet)
    if reaches_floor(anatomy, height, inset):
        return posture.holding(**feet_at(anatomy, edge + forward * feet_ahead, yaw, width=width))
    return posture


def reaches_floor(anatomy: Anatomy, height: float | int, inset: float | int = 0.22) -> bool:
    """Whether somebody who sits at this height has both soles on the floor; further forward the thighs slope more."""
    below_knee = 0.49 * anatomy.leg + anatomy.ankle_height
    return height < below_knee + 0.06 + 0.5 * max(0.22 - inset, 0.0)


def rise_from_seat(posture: Posture, cast: Cast, feet: dict, *, lean: float | int = 40.0) -> Posture:
    """Just off the seat: trunk leaned forwards, weight over the given feet, pelvis still low."""
    forward = facing(posture.yaw)
    middle = 0.5 * (feet["left_foot"][0] + feet["right_foot"][0])
    ahead = posture.pelvis + 0.42 * ((middle - posture.pelvis) @ forward) * forward
    return replace(
        posture,
        pelvis=place(ahead[:2], posture.pelvis[2] + 0.05),
        pitch=0.5 * lean,
        trunk=(0.7 * cast.stoop + 0.38 * lean, 0.0, 0.0),
        neck=(-0.5 * lean, 0.0, 0.0),
        limbs=Limbs(hip=70 + 0.5 * lean, hip_out=6, knee=92, ankle=14, arm=10 + 0.6 * lean, arm_out=16, elbow=45),
        balanced=0.25,
    ).holding(pelvis=None, left_hand=None, right_hand=None, **feet)


def half_up(cast: Cast, posture: Posture, upright: Posture, *, lean: float | int = 34.0) -> Posture:
    """Halfway between a seat and standing: knees and hips half bent, weight over the feet of `upright`."""
    low, high = posture.pelvis, upright.pelvis
    middle = 0.5 * (low + high) + 0.06 * (high - low) * np.array([1.0, 1.0, 0.0])
    return replace(
        upright,
        pelvis=middle,
        pitch=0.5 * lean,
        trunk=(0.8 * cast.stoop + 0.32 * lean, 0.0, 0.0),
        neck=(-0.4 * lean, 0.0, 0.0),
        limbs=Limbs(hip=40 + 0.5 * lean, hip_out=5, knee=62, ankle=22, arm=0.6 * lean, arm_out=16, elbow=35),
    )


def squat(cast: Cast, spot: Float[np.ndarray, "2"], yaw: float | int, *, depth: float | int = 0.8) -> Posture:
    """Squatting on both feet; `depth` 1 is as low as it goes, with raised heels."""
    anatomy = cast.anatomy
    low = cast.standing_pelvis - depth * 0.62 * anatomy.leg
    up = 26.0 * max(depth - 0.55, 0.0) / 0.45
    return Posture(
        pelvis=place(spot - facing(yaw)[:2] * (0.10 + 0.04 * depth), low),
        yaw=yaw,
        pitch=18 * depth,
        trunk=(cast.stoop + 30 * depth, 0, 0),
        neck=(-14, 0, 0),
        limbs=Limbs(hip=112 * depth, hip_out=14, hip_turn=10, knee=132 * depth, ankle=24, arm=45, elbow=35),
        balanced=1.0,
    ).holding(**feet_at(anatomy, spot, yaw, width=0.26, left_ahead=0.06, heels_up=(up, up + 8 * depth)))


def half_kneel(
    cast: Cast,
    spot: Float[np.ndarray, "2"],
    yaw: float | int,
    *,
    bend: float | int = 10.0,
    down: str = "right",
    sit_back: float | int = 0.0,
) -> Posture:
    """On one knee: the knee of the side `down` on the floor at `spot`, the other foot flat before it.

    `sit_back` (0 to 1) lowers the pelvis towards the heel.
    """
    anatomy = cast.anatomy
    other = "left" if down == "right" else "right"
    sign = 1.0 if down == "right" else -1.0
    forward, left = facing(yaw)[:2], leftwards(yaw)[:2] * sign
    thigh = float(np.linalg.norm(anatomy.rest[4] - anatomy.rest[1]))
    back = np.radians(42 * sit_back)
    knee = spot - left * 0.10
    foot = spot + left * 0.12 + forward * 0.42 * anatomy.leg
    hip, bent, foot_bend, toe_bend = (
        (86.0, 4.0 + 42 * sit_back),
        (88.0, 84.0 + 42 * sit_back),
        (4.0, 10.0),
        (0.0, _TUCKED_DEG),
    )
    if down == "left":
        hip, bent, foot_bend, toe_bend = hip[::-1], bent[::-1], foot_bend[::-1], toe_bend[::-1]
    return Posture(
        pelvis=place(spot - forward * thigh * np.sin(back), thigh * np.cos(back) + anatomy.knee_radius + 0.035),
        yaw=yaw,
        pitch=2 + 0.4 * bend,
        trunk=(cast.stoop + 0.6 * bend, 0, 0),
        neck=(8, 0, 0),
        limbs=Limbs(
            hip=tuple(h + 0.4 * bend for h in hip), knee=bent, ankle=foot_bend, toes=toe_bend, arm=30, elbow=45
        ),
    ).holding(
        **{
            f"{down}_knee": place(knee, anatomy.knee_radius),
            f"{down}_foot": _tucked_foot(anatomy, down, knee, yaw),
            f"{other}_foot": foot_points(anatomy, other, foot, yaw + 0.08 * sign),
        }
    )


def kneel(
    cast: Cast,
    spot: Float[np.ndarray, "2"],
    yaw: float | int,
    *,
    bend: float | int = 10.0,
    sit_back: float | int = 0.0,
    width: float | int = 0.22,
) -> Posture:
    """On both knees, `spot` between them; `sit_back` 1 sits on the heels."""
    anatomy = cast.anatomy
    forward, left = facing(yaw)[:2], leftwards(yaw)[:2]
    thigh = float(np.linalg.norm(anatomy.rest[4] - anatomy.rest[1]))
    back = np.radians(8 + 56 * sit_back)
    hold = {}
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        knee = spot + sign * left * width / 2
        hold[f"{side}_knee"] = place(knee, anatomy.knee_radius)
        hold[f"{side}_foot"] = _tucked_foot(anatomy, side, knee, yaw)
    return Posture(
        pelvis=place(spot - forward * thigh * np.sin(back), thigh * np.cos(back) + anatomy.knee_radius + 0.04),
        yaw=yaw,
        pitch=0.45 * bend + 6 * sit_back,
        trunk=(cast.stoop + 0.55 * bend, 0, 0),
        neck=(8, 0, 0),
        limbs=Limbs(
            hip=-8 + 0.45 * bend + 68 * sit_back,
            hip_out=6,
            knee=84 + 54 * sit_back,
            ankle=8,
            toes=_TUCKED_DEG,
            arm=28,
            elbow=48,
        ),
    ).holding(**hold)


def all_fours(cast: Cast, spot: Float[np.ndarray, "2"], yaw: float | int) -> Posture:
    """On hands and knees; `spot` is between the knees, the hands a trunk's length before them."""
    anatomy = cast.anatomy
    forward, left = facing(yaw)[:2], leftwards(yaw)[:2]
    thigh = float(np.linalg.norm(anatomy.rest[4] - anatomy.rest[1]))
    trunk = float(anatomy.rest[12, 1] - anatomy.rest[0, 1])
    hold = {}
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        knee = spot + sign * left * 0.12
        hold[f"{side}_knee"] = place(knee, anatomy.knee_radius)
        hold[f"{side}_foot"] = _tucked_foot(anatomy, side, knee, yaw)
        hold[f"{side}_hand"] = place(spot + sign * left * 0.19 + forward * (trunk + 0.04), 0.038)
    return Posture(
        pelvis=place(spot - forward * 0.02, thigh + anatomy.knee_radius + 0.02),
        yaw=yaw,
        pitch=72,
        trunk=(10, 0, 0),
        neck=(-38, 0, 0),
        limbs=Limbs(hip=76, hip_out=2, knee=86, ankle=0, toes=_TUCKED_DEG, arm=84, arm_out=12, elbow=12, wrist=50),
    ).holding(**hold)


def _tucked_foot(anatomy: Anatomy, side: str, knee: Float[np.ndarray, "2"], yaw: float | int):
    """A foot behind a kneeling knee, standing on the ball with the heel up."""
    shin = float(np.linalg.norm(anatomy.rest[7] - anatomy.rest[4]))
    points = foot_points(anatomy, side, knee, yaw, pitch=_TUCKED_DEG)
    ankle = points[0]
    # Where the shin's length from the knee puts the ankle.
    level = float(np.sqrt(max(shin**2 - (ankle[2] - anatomy.knee_radius) ** 2, 0.01)))
    target = knee - facing(yaw)[:2] * level
    shift = target - ankle[:2]
    return points + np.array([shift[0], shift[1], 0.0])
