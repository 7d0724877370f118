"""Toilet, basin and rails to hold on to."""

import math
from dataclasses import dataclass

from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.furniture.parameters import choice, number, switch
from carescene.scenes.furniture.parts import Point, tilted, tube
from carescene.scenes.solids import Solid, box, cylinder, rod


@dataclass(frozen=True)
class ToiletParameters:
    """`seat_height_m`: top of the seat above the floor. `arms`: fold-down rails on both sides."""

    seat_height_m: float = number(0.46, 0.38, 0.52)
    arms: bool = switch(False)


@dataclass(frozen=True)
class BasinParameters:
    """`rim_height_m`: of the basin above the floor. `mirror`: over it."""

    rim_height_m: float = number(0.82, 0.65, 0.95)
    mirror: bool = switch(True)


@dataclass(frozen=True)
class HandrailParameters:
    """`style`: a wooden wall rail to walk along, or a steel grab bar; a bar higher than wide stands upright."""

    style: str = choice("rail", "grab")


def toilet_bowl(size: Size) -> tuple[float, float]:
    """Length of the seat and where along y its front edge lies, metres."""
    return min(0.46, size[1] - 0.20), size[1] / 2 - 0.01


def _toilet(size: Size, values: ToiletParameters) -> list[Solid]:
    seat, (long, front) = values.seat_height_m, toilet_bowl(size)
    wide, wall = 0.36, -size[1] / 2
    foot = front - wall - 0.22
    middle, radius, rim = front - long / 2, (0.36 - 0.05) / 2, seat - 0.02
    tank_top = min(size[2] - 0.005, seat + 0.38)
    pieces: list[Solid] = [
        # The bowl is two short cylinders, one before the other; what looks like its hollow is a disc of water that lies
        # below the thick ring of the seat.
        cylinder((0, front - 0.19, rim - 0.11), 0.35, 0.22, "ceramic", radius=0.06),
        cylinder((0, front - 0.29, rim - 0.11), 0.35, 0.22, "ceramic", radius=0.06),
        box((0, wall + 0.07 + foot / 2, (rim - 0.10) / 2), (0.22, foot, rim - 0.10), "ceramic", radius=0.07),
        box((0, wall + 0.20, rim - 0.09), (0.34, 0.30, 0.18), "ceramic", radius=0.06),
        cylinder((0, middle + 0.02, rim + 0.002), 0.25, 0.006, "water"),
        cylinder((0, middle - 0.03, rim + 0.002), 0.25, 0.006, "water"),
        *_oval(middle, seat - 0.021, radius - 0.016, (long - 0.06) / (wide - 0.06), 0.042, "white_plastic"),
        # Cistern, its button, and the lid that leans on it.
        box(
            (0, wall + 0.09, (seat + tank_top) / 2 - 0.03), (0.35, 0.17, tank_top - seat + 0.02), "ceramic", radius=0.03
        ),
        box((0, wall + 0.09, tank_top - 0.03), (0.36, 0.18, 0.03), "ceramic", radius=0.012),
        cylinder((0, wall + 0.09, tank_top - 0.013), 0.05, 0.014, "metal", radius=0.003),
        box((0, wall + 0.12, seat - 0.07), (0.30, 0.22, 0.12), "ceramic", radius=0.03),
        box(
            (0, wall + 0.21, (seat + tank_top) / 2),
            (0.345, 0.022, tank_top - seat),
            "white_plastic",
            radius=0.010,
            rotation=tilted(math.radians(6)),
        ),
    ]
    if values.arms:
        for x in (-size[0] / 2 + 0.02, size[0] / 2 - 0.02):
            high = seat + 0.26
            loop: list[Point] = [
                (x, wall + 0.015, high),
                (x, front - 0.02, high),
                (x, front - 0.02, high - 0.12),
                (x, wall + 0.015, high - 0.12),
            ]
            pieces += tube(loop, 0.032, "metal")
            pieces.append(box((x, wall + 0.012, high - 0.06), (0.036, 0.024, 0.24), "metal", radius=0.006))
    return pieces


def _oval(y: float, z: float, radius: float, stretch: float, bore: float, material: str) -> list[Solid]:
    """A level ring, longer along y than along x."""
    points: list[Point] = []
    for step in range(14):
        angle = 2 * math.pi * (step + 0.5) / 14
        points.append((radius * math.cos(angle), y + stretch * radius * math.sin(angle), z))
    return tube(points, bore, material, closed=True)


def _basin(size: Size, values: BasinParameters) -> list[Solid]:
    wide, deep, rim = size[0], size[1], values.rim_height_m
    wall, front, deepest = -size[1] / 2, size[1] / 2, 0.15
    ledge, lip = 0.11, 0.045
    inner_y = (wall + ledge + front - lip) / 2
    pieces: list[Solid] = [
        # Four sides and a bottom, so that it is hollow.
        box((0, wall + ledge / 2, rim - deepest / 2), (wide, ledge, deepest), "ceramic", radius=0.03),
        box(
            (0, front - lip / 2, rim - deepest / 2 + 0.01), (wide - 0.04, lip, deepest - 0.02), "ceramic", radius=0.022
        ),
        *(
            box((x, 0, rim - deepest / 2 + 0.005), (lip, deep - 0.02, deepest - 0.01), "ceramic", radius=0.022)
            for x in (-wide / 2 + lip / 2, wide / 2 - lip / 2)
        ),
        box((0, inner_y, rim - deepest + 0.02), (wide - 0.05, deep - ledge - 0.02, 0.04), "ceramic", radius=0.018),
        cylinder((0, inner_y, rim - deepest + 0.041), 0.045, 0.004, "steel_dark"),
        # Siphon into the wall.
        *tube([(0, inner_y, rim - deepest), (0, inner_y, rim - 0.32), (0, wall + 0.02, rim - 0.30)], 0.036, "metal"),
        cylinder((0, inner_y, rim - 0.26), 0.07, 0.10, "metal", radius=0.01),
        # Mixer tap with a long elbow lever, as in wards.
        rod((0, wall + 0.06, rim - 0.01), (0, wall + 0.06, rim + 0.12), 0.04, "metal"),
        *tube(
            [(0, wall + 0.06, rim + 0.10), (0, wall + 0.20, rim + 0.12), (0, wall + 0.21, rim + 0.09)], 0.024, "metal"
        ),
        rod((0, wall + 0.06, rim + 0.145), (0.02, wall + 0.18, rim + 0.175), 0.014, "metal"),
    ]
    if values.mirror:
        low, high = rim + 0.30, size[2]
        pieces += [
            box((0, wall + 0.008, (low + high) / 2), (wide - 0.04, 0.016, high - low), "metal", radius=0.004),
            box((0, wall + 0.012, (low + high) / 2), (wide - 0.07, 0.016, high - low - 0.03), "mirror"),
            box((wide / 2 - 0.06, wall + 0.05, rim + 0.20), (0.09, 0.10, 0.17), "white_plastic", radius=0.015),
        ]
    return pieces


def _handrail(size: Size, values: HandrailParameters) -> list[Solid]:
    wide, deep, high = size
    upright, wall = high > wide, -deep / 2
    long, thick = (high, wide) if upright else (wide, high)
    rail = values.style == "rail"
    bore = min(0.04 if rail else 0.032, thick, deep)
    out = deep / 2 - bore / 2
    end = long / 2 - bore / 2

    def at(along: float, y: float) -> Point:
        return (0.0, y, high / 2 + along) if upright else (along, y, high / 2)

    material = "wood" if rail else "metal"
    pieces = tube([at(-end, wall + bore / 2), at(-end, out), at(end, out), at(end, wall + bore / 2)], bore, material)
    # Brackets every metre or so carry long rails.
    posts = max(int(long / 1.2), 0)
    for post in range(1, posts + 1):
        place = -end + 2 * end * post / (posts + 1)
        pieces.append(rod(at(place, wall + 0.01), at(place, out), 0.018, "metal"))
    plate = min(0.07, thick)
    pieces += [
        cylinder(at(side * (long / 2 - plate / 2), wall + 0.004), plate, 0.008, "metal", axis=(0, 1, 0))
        for side in (-1, 1)
    ]
    return pieces


TOILET = Builder(
    parameters=ToiletParameters,
    size=lambda values: (0.70 if values.arms else 0.38, 0.70, values.seat_height_m + 0.39),
    solids=_toilet,
    smallest=(0.36, 0.55, 0.60),
    largest=(1.00, 0.90, 1.20),
    least=lambda size, values: (0.0, 0.0, values.seat_height_m + 0.20),
)
BASIN = Builder(
    parameters=BasinParameters,
    size=lambda values: (0.55, 0.48, values.rim_height_m + (1.03 if values.mirror else 0.18)),
    solids=_basin,
    smallest=(0.35, 0.35, 0.70),
    largest=(1.20, 0.70, 2.30),
    least=lambda size, values: (0.0, 0.0, values.rim_height_m + (0.60 if values.mirror else 0.18)),
)
HANDRAIL = Builder(
    parameters=HandrailParameters,
    size=lambda values: (1.00, 0.09, 0.07),
    solids=_handrail,
    smallest=(0.03, 0.05, 0.03),
    largest=(30.0, 0.90, 2.50),
    bottom=lambda values: 0.85,
)
