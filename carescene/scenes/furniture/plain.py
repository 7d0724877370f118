"""Partition walls, and small things that make a room a ward: what has no kind of its own is a kind of `other`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.furniture.parameters import choice
from carescene.scenes.furniture.parts import as_point
from carescene.scenes.solids import Solid, box, cylinder, rod


@dataclass(frozen=True)
class NoParameters:
    """A wall is described by its box alone."""


@dataclass(frozen=True)
class OtherParameters:
    """`look`: a plain box, or one of the things that hang and stand about in wards."""

    look: str = choice("box", "bin", "bed_panel", "board", "screen", "dispenser", "lamp", "plant")


def _box(size: Size) -> list[Solid]:
    return [box((0, 0, size[2] / 2), size, "grey_plastic", radius=0.01)]


def _bin(size: Size) -> list[Solid]:
    wide, high = min(size[0], size[1]) - 0.02, size[2]
    return [
        cylinder((0, 0, (high - 0.05) / 2), wide - 0.02, high - 0.05, "metal", radius=0.01),
        cylinder((0, 0, high - 0.03), wide, 0.06, "steel_dark", radius=0.02),
        box((0, wide / 2 - 0.005, 0.02), (0.08, 0.03, 0.014), "steel_dark", radius=0.005),
    ]


def _bed_panel(size: Size) -> list[Solid]:
    """The unit on the wall over a bed's head: a lamp upwards, sockets, gas outlets, the call button."""
    wide, deep, high = size
    wall, front = -deep / 2, deep / 2 - 0.02
    middle, inset = (wall + front) / 2, front - wall
    pieces = [
        box((0, middle, high / 2), (wide, inset, high), "white_plastic", radius=0.012),
        box((0, middle, high * 0.86), (wide - 0.10, inset + 0.006, high * 0.16), "lamp", radius=0.004),
        box((0, middle, high * 0.42), (wide - 0.04, inset + 0.004, 0.012), "grey_plastic"),
    ]
    for number in range(6):
        x = -wide / 2 + wide * (number + 1) / 7
        if number < 3:
            pieces.append(box((x, front, high * 0.24), (0.07, 0.012, 0.07), "paper", radius=0.004))
            pieces.append(cylinder((x, front + 0.004, high * 0.24), 0.04, 0.006, "grey_plastic", axis=(0, 1, 0)))
        else:
            colour = "accent_plastic" if number % 2 else "steel_dark"
            pieces.append(cylinder((x, front + 0.005, high * 0.24), 0.05, 0.025, colour, axis=(0, 1, 0), radius=0.004))
    return pieces


def _board(size: Size) -> list[Solid]:
    wide, deep, high = size
    wall = -deep / 2
    pieces = [
        box((0, wall + deep * 0.4, high / 2), (wide, deep * 0.8, high), "frame", radius=0.004),
        box((0, wall + deep * 0.44, high / 2), (wide - 0.05, deep * 0.8, high - 0.05), "pinboard"),
    ]
    # Sheets of paper in two rows.
    across = max(int((wide - 0.1) / 0.26), 1)
    for row, z in enumerate((0.70, 0.29)):
        for number in range(across):
            if (number + row) % 3 == 2:
                continue
            x = (number + 0.5 - across / 2) * 0.26 + 0.02 * (-1) ** (number + row)
            sheet = (0.19, 0.004, min(0.27, high * 0.36))
            pieces.append(box((x, wall + deep * 0.86, high * z), sheet, "paper"))
    return pieces


def _screen(size: Size) -> list[Solid]:
    wide, deep, high = size
    wall, thick = -deep / 2, min(0.04, deep * 0.6)
    face = deep / 2 - thick / 2
    return [
        rod((0, wall + 0.02, high / 2), (0, face, high / 2), 0.03, "steel_dark"),
        box((0, wall + 0.006, high / 2), (min(0.2, wide), 0.012, min(0.2, high)), "steel_dark"),
        box((0, face, high / 2), (wide, thick, high), "steel_dark", radius=0.008),
        box((0, face + 0.002, high / 2 + 0.005), (wide - 0.03, thick, high - 0.04), "screen"),
    ]


def _dispenser(size: Size) -> list[Solid]:
    """Disinfectant for the hands, with the long lever that an elbow pushes."""
    wide, deep, high = size
    wall = -deep / 2
    return [
        box((0, wall + 0.04, high / 2 + 0.02), (wide, 0.08, high - 0.04), "white_plastic", radius=0.012),
        box((0, wall + 0.06, high / 2), (wide * 0.6, 0.05, high * 0.5), "fluid_bag", radius=0.01),
        rod((0, wall + 0.06, high - 0.015), (0, deep / 2 - 0.012, high - 0.05), 0.02, "metal"),
        cylinder((0, wall + 0.10, 0.03), 0.02, 0.05, "grey_plastic"),
    ]


def _lamp(size: Size) -> list[Solid]:
    """A reading lamp on the wall."""
    wide, deep, high = size
    wall = -deep / 2
    head = min(wide, 0.14)
    return [
        cylinder((0, wall + 0.01, 0.05), 0.08, 0.02, "metal", axis=(0, 1, 0)),
        rod((0, wall + 0.015, 0.05), (0, 0, high - 0.08), 0.02, "metal"),
        rod((0, 0, high - 0.08), (0, deep / 2 - head / 2 - 0.01, high - 0.04), 0.02, "metal"),
        cylinder((0, deep / 2 - head / 2, high - 0.035), head, 0.06, "white_plastic", radius=0.02),
        cylinder((0, deep / 2 - head / 2, high - 0.066), head * 0.8, 0.006, "lamp"),
    ]


def _plant(size: Size) -> list[Solid]:
    """A pot plant: long leaves that lean out on all sides, two rings of them."""
    pot, high, reach = min(0.26, size[0] * 0.6), size[2], min(size[0], size[1]) / 2 - 0.03
    rim = min(0.28, 0.4 * high)
    pieces = [
        cylinder((0, 0, rim / 2), pot, rim, "white_plastic", radius=0.02),
        cylinder((0, 0, rim - 0.002), pot - 0.03, 0.012, "steel_dark"),
        rod((0, 0, rim), (0, 0, 0.75 * high), 0.03, "wood"),
    ]
    for leaf in range(14):
        angle, upper = 2.4 * leaf, leaf / 13
        foot = np.array([0.0, 0.0, rim + (0.72 * high - rim) * (0.25 + 0.75 * upper)])
        out = reach * (1.0 - 0.45 * upper)
        tip = np.array(
            [out * math.cos(angle), out * math.sin(angle), min(foot[2] + 0.10 + 0.35 * upper * high * 0.5, high - 0.05)]
        )
        way = tip - foot
        long = float(np.linalg.norm(way))
        across = np.array([-math.sin(angle), math.cos(angle), 0.0])
        turn = np.stack([way / long, across, np.cross(way / long, across)], axis=1)
        middle = foot + 0.58 * way
        pieces.append(box(as_point(middle), (0.84 * long, 0.11, 0.012), "leaf", radius=0.006, rotation=turn))
        pieces.append(rod(as_point(foot), as_point(middle), 0.010, "leaf"))
    return pieces


# By look: the pieces, the natural size, and how high it hangs.
_LOOKS: Final = MappingProxyType(
    {
        "box": (_box, (0.40, 0.40, 0.50), 0.0),
        "bin": (_bin, (0.30, 0.32, 0.55), 0.0),
        "bed_panel": (_bed_panel, (1.60, 0.10, 0.26), 1.50),
        "board": (_board, (1.20, 0.03, 0.80), 1.20),
        "screen": (_screen, (0.90, 0.10, 0.54), 1.60),
        "dispenser": (_dispenser, (0.10, 0.20, 0.30), 1.05),
        "plant": (_plant, (0.70, 0.70, 1.10), 0.0),
        "lamp": (_lamp, (0.14, 0.40, 0.30), 1.45),
    }
)


def _pieces(look: str) -> Callable[[Size], list[Solid]]:
    return _LOOKS[look][0]


WALL = Builder(
    parameters=NoParameters,
    size=lambda values: (2.0, 0.10, 2.7),
    solids=lambda size, values: [box((0, 0, size[2] / 2), size, "wall")],
    smallest=(0.05, 0.03, 0.3),
    largest=(50.0, 50.0, 10.0),
)

OTHER = Builder(
    parameters=OtherParameters,
    size=lambda values: _LOOKS[values.look][1],
    solids=lambda size, values: _pieces(values.look)(size),
    smallest=(0.01, 0.01, 0.01),
    largest=(20.0, 20.0, 10.0),
    bottom=lambda values: _LOOKS[values.look][2],
)
