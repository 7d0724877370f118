"""Doors, windows and curtains."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.furniture.parameters import choice, number, switch
from carescene.scenes.furniture.parts import Point, as_point
from carescene.scenes.solids import Solid, box, cylinder, rod

_JAMB, _LEAF, _REVEAL = 0.06, 0.045, 0.03
_HANDLE = 0.055


@dataclass(frozen=True)
class DoorParameters:
    """`open_deg`: the leaf swings into the room; `hinge`: its side seen from outside, so `left` is at -x."""

    open_deg: float = number(0.0, 0.0, 90.0)
    hinge: str = choice("left", "right")
    vision_panel: bool = switch(False)


@dataclass(frozen=True)
class WindowParameters:
    """`blind`: how far the roller blind is down, 0 to 1."""

    blind: float = number(0.0, 0.0, 1.0)


@dataclass(frozen=True)
class CurtainParameters:
    """`drawn`: 1 fills the whole rail, 0 is gathered at the side `gathered`.

    `rail_height_m` is above the floor; the box reaches from 0.3 m above the floor up to the ceiling.
    """

    drawn: float = number(1.0, 0.0, 1.0)
    gathered: str = choice("left", "right")
    rail_height_m: float = number(2.25, 1.80, 3.00)
    ceiling_m: float = number(2.70, 1.90, 4.00)


def door_leaf_width(size: Size) -> float:
    """Width of the leaf of a door whose box has this size, metres."""
    return size[0] - 2 * _JAMB


def _door_least(size: Size, values: DoorParameters) -> Size:
    """An open leaf swings into the room; closed, everything can be made flatter."""
    if values.open_deg == 0:
        return 0.0, 0.0, 0.0
    angle = math.radians(values.open_deg)
    return 0.0, _REVEAL + _LEAF + door_leaf_width(size) * math.sin(angle) + _HANDLE * math.cos(angle) + 0.005, 0.0


def _door(size: Size, values: DoorParameters) -> list[Solid]:
    wide, deep, high = size
    wall, leaf, tall = -deep / 2, door_leaf_width(size), high - _JAMB
    flat = min(deep / 0.135, 1.0)
    reveal, board, grip, jamb = _REVEAL * flat, _LEAF * flat, _HANDLE * flat, 0.09 * flat
    side = -1.0 if values.hinge == "left" else 1.0
    pieces: list[Solid] = [
        box((0, wall + 0.003, tall / 2), (leaf + 0.02, 0.006, tall), "doorway"),
        box((0, wall + jamb / 2, high - _JAMB / 2), (wide, jamb, _JAMB), "frame", radius=0.004),
        *(
            box((x, wall + jamb / 2, tall / 2), (_JAMB, jamb, tall), "frame", radius=0.004)
            for x in (-wide / 2 + _JAMB / 2, wide / 2 - _JAMB / 2)
        ),
    ]
    angle = side * -math.radians(values.open_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    pivot = np.array([side * leaf / 2, wall + reveal + board, 0.0])

    def on_leaf(x: float, y: float, z: float) -> Point:
        """`x` from the hinge along the leaf, `y` out of the face that is in the room when it is closed."""
        return as_point(pivot + turn @ np.array([-side * x, y, z]))

    pieces.append(
        box(
            on_leaf(leaf / 2, -board / 2, tall / 2),
            (leaf - 0.008, board, tall - 0.012),
            "door",
            radius=0.003,
            rotation=turn,
        )
    )
    pieces.append(box(on_leaf(leaf / 2, -board / 2, 0.13), (leaf - 0.06, board + 0.004, 0.22), "metal", rotation=turn))
    if values.vision_panel:
        pieces.append(
            box(
                on_leaf(leaf - 0.25, -board / 2, 1.45),
                (0.20, board + 0.012, 0.66),
                "frame",
                radius=0.004,
                rotation=turn,
            )
        )
        pieces.append(box(on_leaf(leaf - 0.25, -board / 2, 1.45), (0.15, board + 0.016, 0.61), "screen", rotation=turn))
    # The outer handle shows only when the leaf is open; before that it is in the next room.
    for out in (1.0, -1.0) if sin * sin > 0.06 else (1.0,):
        face = 0.0 if out > 0 else -board
        reach = face + out * (grip - 0.012 * flat)
        pieces += [
            box(on_leaf(leaf - 0.07, face, 1.03), (0.045, 0.014, 0.22), "metal", radius=0.005, rotation=turn),
            rod(on_leaf(leaf - 0.07, face, 1.06), on_leaf(leaf - 0.07, reach, 1.06), 0.020, "metal"),
            rod(on_leaf(leaf - 0.07, reach, 1.06), on_leaf(leaf - 0.20, reach, 1.06), 0.020, "metal"),
        ]
    return pieces


def _window(size: Size, values: WindowParameters) -> list[Solid]:
    wide, deep, high = size
    wall, bar = -deep / 2, 0.06
    sill, thick = 0.03, min(0.06, deep - 0.02)
    panes = max(round(wide / 0.9), 1)
    pieces: list[Solid] = [
        box((0, wall + 0.006, (high + sill) / 2), (wide - 0.06, 0.012, high - sill - 0.02), "glass_sky"),
        box((0, 0, sill / 2), (wide, deep, sill), "white_plastic", radius=0.008),
        box((0, wall + thick / 2, high - bar / 2), (wide - 0.04, thick, bar), "frame", radius=0.006),
        box((0, wall + thick / 2, sill + bar / 2), (wide - 0.04, thick, bar), "frame", radius=0.006),
    ]
    inner = wide - 0.04 - bar
    for post in range(panes + 1):
        x = -inner / 2 + inner * post / panes
        pieces.append(box((x, wall + thick / 2, (high + sill) / 2), (bar, thick, high - sill), "frame", radius=0.006))
        if post > 0:
            middle = x - 0.07 if post < panes else x
            pieces.append(
                rod(
                    (middle, wall + thick + 0.005, high / 2 - 0.06),
                    (middle, wall + thick + 0.005, high / 2 + 0.06),
                    0.016,
                    "metal",
                )
            )
    if values.blind > 0:
        drop = 0.06 + values.blind * (high - sill - 0.12)
        pieces += [
            cylinder((0, wall + thick + 0.005, high - 0.03), 0.05, wide - 0.06, "white_plastic", axis=(1, 0, 0)),
            box((0, wall + thick, high - 0.03 - drop / 2), (wide - 0.08, 0.008, drop), "blind"),
            rod(
                (-wide / 2 + 0.05, wall + thick, high - 0.03 - drop),
                (wide / 2 - 0.05, wall + thick, high - 0.03 - drop),
                0.018,
                "white_plastic",
            ),
        ]
    return pieces


# A fold every 7 cm of drawn curtain; gathered, all of it hangs on an eighth of the rail.
_FOLD, _GATHERED, _CLOTH = 0.07, 0.125, 0.03


def _rail_drop(values: CurtainParameters) -> float:
    """How far the rail hangs below the ceiling, metres: in a low room right below it."""
    return max(values.ceiling_m - values.rail_height_m, 0.02)


def _curtain(size: Size, values: CurtainParameters) -> list[Solid]:
    wide, deep, high = size
    rail = high - _rail_drop(values)
    pieces: list[Solid] = [rod((-wide / 2 + 0.012, 0, rail), (wide / 2 - 0.012, 0, rail), 0.024, "metal")]
    if high - rail > 0.05:
        drops = max(round(wide / 1.2), 1)
        places = [-wide / 2 + 0.05 + (wide - 0.10) * drop / drops for drop in range(drops + 1)]
        pieces += [rod((x, 0, rail), (x, 0, high - 0.008), 0.014, "metal") for x in places]
        pieces += [cylinder((x, 0, high - 0.006), 0.05, 0.012, "metal") for x in places]
    folds = max(round(wide / _FOLD), 4)
    covered = wide * (_GATHERED + (1 - _GATHERED) * values.drawn) - _CLOTH
    first = -wide / 2 + _CLOTH / 2 if values.gathered == "left" else wide / 2 - _CLOTH / 2 - covered
    # Cloth that is drawn flat has shallow folds; no two folds are alike.
    deepest = min((deep - _CLOTH) / 2, 0.5 * math.hypot(_FOLD, 0.05) * (1.3 - 0.55 * values.drawn))
    corners = [
        (first + covered * fold / folds, deepest * (-1) ** fold * (0.8 + 0.2 * math.sin(2.4 * fold)))
        for fold in range(folds + 1)
    ]
    for fold, ((x, y), (next_x, next_y)) in enumerate(pairwise(corners)):
        angle = math.atan2(next_y - y, next_x - x)
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        low, top = 0.012 * (1 + math.sin(1.7 * fold)), rail - 0.02
        long = math.hypot(next_x - x, next_y - y) + _CLOTH
        middle = ((x + next_x) / 2, (y + next_y) / 2, (low + top) / 2)
        pieces.append(box(middle, (long, _CLOTH, top - low), "curtain", radius=_CLOTH / 2, rotation=turn))
    return pieces


DOOR = Builder(
    parameters=DoorParameters,
    size=lambda values: (1.20, 0.135, 2.12),
    solids=_door,
    smallest=(0.60, 0.03, 1.70),
    largest=(2.40, 2.50, 3.00),
    least=_door_least,
)
WINDOW = Builder(
    parameters=WindowParameters,
    size=lambda values: (1.60, 0.12, 1.35),
    solids=_window,
    smallest=(0.30, 0.04, 0.30),
    largest=(10.0, 0.40, 3.00),
    bottom=lambda values: 0.90,
)
CURTAIN = Builder(
    parameters=CurtainParameters,
    size=lambda values: (2.00, 0.14, values.ceiling_m - 0.30),
    solids=_curtain,
    smallest=(0.30, 0.06, 1.20),
    largest=(8.00, 0.40, 3.80),
    least=lambda size, values: (0.0, 0.0, _rail_drop(values) + 1.0),
    bottom=lambda values: 0.30,
)
