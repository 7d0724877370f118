"""Postures on the floor: lying, sitting, propped up."""

from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.simulation.bed_postures import stacked_legs
from carescene.simulation.cast import Cast
from carescene.simulation.key_postures import place
from carescene.simulation.postures import Limbs, Posture, facing, leftwards

_ON_FLOOR: Final = 0.0
_SKULL: Final = 0.095
_HAND: Final = 0.036
_HEEL: Final = 0.055


def lie_on_back(
    cast: Cast,
    spot: Float[np.ndarray, "2"],
    yaw: float | int,
    *,
    knees: tuple = (6.0, 6.0),
    arms: tuple = (18.0, 18.0),
    elbows: tuple = (14.0, 14.0),
    look: float | int = 0.0,
) -> Posture:
    """On the back on the floor, pelvis above `spot`, feet towards `yaw`. `arms`: degrees out of the body."""
    anatomy = cast.anatomy
    free = {}
    for side, knee in zip(("left", "right"), knees, strict=True):
        points = np.full((3, 3), np.nan)
        points[0, 2] = _HEEL if knee < 25 else anatomy.ankle_height
        free[f"{side}_foot"] = points
        free[f"{side}_hand"] = np.array([np.nan, np.nan, _HAND])
    return Posture(
        pelvis=place(spot, anatomy.back - _ON_FLOOR),
        yaw=yaw,
        pitch=-90,
        trunk=(2 + 0.2 * cast.stoop, 0, 0),
        neck=(4 + 0.2 * cast.stoop, 0, look),
        limbs=Limbs(
            hip=tuple(0.52 * k for k in knees),
            hip_out=7,
            hip_turn=tuple(16 - 0.14 * k for k in knees),
            knee=knees,
            ankle=-16,
            arm=-4,
            arm_out=arms,
            arm_turn=-25,
            elbow=elbows,
        ),
    ).holding(
        pelvis=place(spot, anatomy.back - _ON_FLOOR),
        head=np.array([np.nan, np.nan, _SKULL + 0.0015 * cast.stoop]),
        chest=np.array([np.nan, np.nan, 0.10]),
        **free,
    )


def lie_on_side(
    cast: Cast, spot: Float[np.ndarray, "2"], yaw: float | int, *, left: bool = True, curl: float | int = 0.6
) -> Posture:
    """On one side on the floor with bent legs, the head on the lower arm."""
    anatomy = cast.anatomy
    sign = 1.0 if left else -1.0
    hip, knee = (30 + 26 * curl, 44 + 30 * curl), (46 + 24 * curl, 58 + 30 * curl)
    arm, elbow, out = (92.0, 46.0), (64.0, 48.0), (4.0, 0.0)
    if not left:
        hip, knee, arm, elbow, out = hip[::-1], knee[::-1], arm[::-1], elbow[::-1], out[::-1]
    low, high = ("left", "right") if left else ("right", "left")
    front = leftwards(yaw) * sign
    head_way = -facing(yaw)
    pelvis = place(spot, anatomy.side - 0.005)
    return Posture(
        soft=("pelvis", "left_knee", "right_knee", "left_foot", "right_foot"),
        pelvis=pelvis,
        yaw=yaw,
        pitch=-90,
        turn=sign * 86.0,
        trunk=(10 + 10 * curl, 0, 0),
        neck=(6, 0, 0),
        limbs=Limbs(hip=hip, hip_out=-6, knee=knee, ankle=-16, arm=arm, arm_out=out, elbow=elbow),
    ).holding(
        pelvis=pelvis,
        **stacked_legs(anatomy, 0.0, low),
        head=np.array([np.nan, np.nan, 0.13]),
        **{
            f"{high}_hand": pelvis + 0.36 * front + 0.22 * head_way + np.array([0, 0, _HAND - pelvis[2]]),
            f"{low}_hand": np.array([np.nan, np.nan, _HAND]),
        },
    )


def lie_on_belly(
    cast: Cast, spot: Float[np.ndarray, "2"], yaw: float | int, *, look: float | int = 55.0, knee: float | int = 12.0
) -> Posture:
    """Face down on the floor, head towards `yaw` turned to one side, hands beside the shoulders."""
    anatomy = cast.anatomy
    return Posture(
        pelvis=place(spot, anatomy.belly - 0.02),
        yaw=yaw,
        pitch=90,
        trunk=(-4, 0, 0),
        neck=(-14, 0, look),
        limbs=Limbs(hip=0, hip_out=9, knee=(knee, 8.0), ankle=-42, arm=30, arm_out=58, arm_turn=-60, elbow=95),
    ).holding(
        pelvis=place(spot, anatomy.belly - 0.02),
        chest=np.array([np.nan, np.nan, 0.115]),
        head=np.array([np.nan, np.nan, 0.12]),
        left_hand=np.array([np.nan, np.nan, _HAND]),
        right_hand=np.array([np.nan, np.nan, _HAND]),
        right_toes=np.array([np.nan, np.nan, 0.035]),
    )


def sit_on_floor(
    cast: Cast,
    spot: Float[np.ndarray, "2"],
    yaw: float | int,
    *,
    lean: float | int = -12.0,
    knees: tuple = (30.0, 24.0),
    hands: str = "behind",
) -> Posture:
    """Sitting on the floor, legs forwards; hands `behind` on the floor, or on the `thighs`."""
    anatomy = cast.anatomy
    forward, left = facing(yaw), leftwards(yaw)
    pelvis = place(spot, anatomy.seat - 0.012)
    holds = {}
    for side, sign, knee in zip(("left", "right"), (1.0, -1.0), knees, strict=True):
        points = np.full((3, 3), np.nan)
        points[0, 2] = _HEEL if knee < 40 else anatomy.ankle_height
        holds[f"{side}_foot"] = points
        if hands == "behind":
            where = pelvis - 0.20 * forward + sign * 0.26 * left
            holds[f"{side}_hand"] = place(where[:2], _HAND)
    return Posture(
        pelvis=pelvis,
        yaw=yaw,
        pitch=-20 + 0.45 * lean,
        trunk=(20 + 0.4 * cast.stoop + 0.5 * lean, 0, 0),
        neck=(4, 0, 0),
        limbs=Limbs(
            hip=tuple(66 + 0.45 * lean + 0.5 * k for k in knees),
            hip_out=10,
            hip_turn=8,
            knee=knees,
            ankle=-6,
            arm=-30 if hands == "behind" else 34,
            arm_out=16,
            elbow=16 if hands == "behind" else 40,
        ),
    ).holding(pelvis=pelvis, **holds)


def propped(cast: Cast, spot: Float[np.ndarray, "2"], yaw: float | int) -> Posture:
    """On the left hip, the trunk raised on the left hand and forearm: from the side towards hands and knees."""
    anatomy = cast.anatomy
    head_way, front = -facing(yaw), leftwards(yaw)
    pelvis = place(spot, anatomy.side + 0.01)
    return Posture(
        pelvis=pelvis,
        yaw=yaw,
        pitch=-62,
        turn=112,
        trunk=(16, 14, 14),
        neck=(-6, -8, 0),
        limbs=Limbs(hip=(58, 70), hip_out=3, knee=(84, 92), ankle=-16, arm=(72, 52), arm_out=(20, 6), elbow=(38, 34)),
    ).holding(
        **{name: where for name, where in stacked_legs(anatomy, 0.0, "left").items() if name.endswith("foot")},
        left_hand=place((spot + 0.42 * head_way[:2] + 0.20 * front[:2]), _HAND),
        right_hand=place((spot + 0.34 * head_way[:2] + 0.46 * front[:2]), _HAND),
    )
