"""Things to sit on: visitor's chair, recliner, wheelchair."""

import math
from dataclasses import dataclass

import numpy as np

from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.furniture.parameters import number, switch
from carescene.scenes.furniture.parts import Point, castor, ring, spokes, tilted, tube
from carescene.scenes.solids import Solid, box, cylinder, rod


@dataclass(frozen=True)
class ChairParameters:
    """`seat_height_m`: top of the seat above the floor."""

    seat_height_m: float = number(0.46, 0.38, 0.56)
    arms: bool = switch(True)


@dataclass(frozen=True)
class ReclinerParameters:
    """`recline_deg`: how far the backrest lies behind its upright position; the footrest comes up with it."""

    seat_height_m: float = number(0.48, 0.40, 0.58)
    recline_deg: float = number(0.0, 0.0, 50.0)


@dataclass(frozen=True)
class WheelchairParameters:
    """`seat_height_m`: top of the seat above the floor."""

    seat_height_m: float = number(0.50, 0.44, 0.56)
    footrests: bool = switch(True)


def chair_seat(size: Size) -> tuple[float, float]:
    """Depth of a chair's seat and where along y its front edge lies, metres."""
    return size[1] - 0.13, size[1] / 2 - 0.03


def _chair(size: Size, values: ChairParameters) -> list[Solid]:
    wide, deep, high = size
    seat, (long, front) = values.seat_height_m, chair_seat(size)
    side = wide / 2 - 0.03
    rear, lean = front - long, math.radians(10.0)
    back_top = -deep / 2 + 0.025
    tall = high - seat - 0.08
    pieces = [
        box((0, front - long / 2, seat - 0.04), (wide - 0.11, long, 0.08), "upholstery", radius=0.03),
        box((0, front - long / 2, seat - 0.085), (wide - 0.09, long - 0.04, 0.02), "wood", radius=0.005),
        box(
            (0, (rear + back_top) / 2 + 0.035, high - 0.02 - tall / 2),
            (wide - 0.12, 0.055, tall),
            "upholstery",
            radius=0.025,
            rotation=tilted(lean),
        ),
    ]
    arm = min(seat + 0.21, high - 0.05)
    for x in (-side, side):
        pieces += tube(
            [(x, -deep / 2 + 0.025, 0.014), (x, rear + 0.03, seat - 0.06), (x, back_top, high - 0.03)], 0.026, "metal"
        )
        pieces += tube([(x, front, 0.014), (x, front - 0.02, arm if values.arms else seat - 0.06)], 0.026, "metal")
        pieces.append(rod((x, rear + 0.03, seat - 0.085), (x, front - 0.01, seat - 0.085), 0.024, "metal"))
        if values.arms:
            pieces.append(box((x, front - long / 2 - 0.01, arm), (0.05, long + 0.02, 0.03), "wood", radius=0.014))
    pieces += [
        rod((-side, y, seat - 0.10), (side, y, seat - 0.10), 0.022, "metal") for y in (rear + 0.03, front - 0.02)
    ]
    pieces.append(rod((-side, back_top, high - 0.03), (side, back_top, high - 0.03), 0.024, "metal"))
    return pieces


# Recliner: its backrest and footrest swing, so the box is as long as they reach.
_BACK_LONG, _FOOT_LONG, _THICK, _UPRIGHT = 0.70, 0.40, 0.13, math.radians(12.0)


def recliner_reach(values: ReclinerParameters) -> tuple[float, float]:
    """How far the backrest reaches behind the seat and the footrest in front of it, metres."""
    lean = _UPRIGHT + math.radians(values.recline_deg)
    back = _BACK_LONG * math.sin(lean) + _THICK * math.cos(lean)
    lift = _foot_angle(values)
    return back, _FOOT_LONG * math.sin(lift) + 0.09 * math.cos(lift)


def _foot_angle(values: ReclinerParameters) -> float:
    """Of the footrest against hanging straight down; it lies almost level when the backrest is half down."""
    return math.radians(6.0 + 74.0 * min(values.recline_deg / 25.0, 1.0))


def _recliner_size(values: ReclinerParameters) -> Size:
    back, front = recliner_reach(values)
    lean = _UPRIGHT + math.radians(values.recline_deg)
    high = values.seat_height_m - 0.06 + _BACK_LONG * math.cos(lean) + _THICK * math.sin(lean)
    return 0.75, 0.56 + back + front, max(high, values.seat_height_m + 0.30)


def _recliner(size: Size, values: ReclinerParameters) -> list[Solid]:
    wide, seat, inner = size[0], values.seat_height_m, size[0] - 0.20
    back, front = recliner_reach(values)
    rear, edge = -size[1] / 2 + back, size[1] / 2 - front
    lean, lift = _UPRIGHT + math.radians(values.recline_deg), _foot_angle(values)
    rest = min(_FOOT_LONG - 0.02, seat - 0.12)
    out = np.array([0.0, math.cos(lean), math.sin(lean)])
    up = np.array([0.0, -math.sin(lean), math.cos(lean)])
    foot = np.array([0.0, rear, seat - 0.06])

    def on_back(along: float, forward: float) -> Point:
        point = foot + along * up + (forward - _THICK) * out
        return 0.0, float(point[1]), float(point[2])

    turn = tilted(lean)
    pieces = [
        box((0, (rear + edge) / 2, seat - 0.08), (inner, edge - rear, 0.16), "vinyl", radius=0.05),
        box((0, (rear + edge) / 2, seat - 0.19), (inner, edge - rear - 0.06, 0.10), "steel_dark", radius=0.01),
        box(on_back(_BACK_LONG / 2, _THICK / 2), (inner, _THICK, _BACK_LONG), "vinyl", radius=0.05, rotation=turn),
        # Cushions for the loins and the head.
        box(on_back(0.24, _THICK - 0.02), (inner - 0.06, 0.05, 0.26), "vinyl", radius=0.024, rotation=turn),
        box(
            on_back(_BACK_LONG - 0.14, _THICK - 0.015), (inner - 0.10, 0.06, 0.20), "vinyl", radius=0.029, rotation=turn
        ),
        # The leg rest hangs from the seat's front edge.
        box(
            (0, edge + rest / 2 * math.sin(lift) + 0.045 * math.cos(lift), seat - 0.07 - rest / 2 * math.cos(lift)),
            (inner - 0.04, 0.08, rest),
            "vinyl",
            radius=0.035,
            rotation=tilted(lift),
        ),
    ]
    arm = seat + 0.20
    for x in (-wide / 2 + 0.05, wide / 2 - 0.05):
        pieces.append(
            box(
                (x, (rear + edge) / 2 + 0.01, (arm + 0.16) / 2),
                (0.07, edge - rear - 0.04, arm - 0.16),
                "vinyl",
                radius=0.03,
            )
        )
        pieces.append(box((x, (rear + edge) / 2 + 0.01, arm), (0.10, edge - rear + 0.02, 0.05), "wood", radius=0.024))
        for y in (rear + 0.05, edge - 0.05):
            pieces += castor(x, y, 0.10)
            pieces.append(box((x, y, 0.14), (0.03, 0.05, 0.10), "steel_dark"))
    return pieces


_CHAIR_ON_WHEELS: Size = (0.65, 1.05, 0.92)


def wheelchair_seat(size: Size) -> tuple[float, float, float]:
    """Width and depth of a wheelchair's seat and where along y its front edge lies, metres."""
    by_x, by_y = size[0] / _CHAIR_ON_WHEELS[0], size[1] / _CHAIR_ON_WHEELS[1]
    return 0.46 * by_x, 0.44 * by_y, 0.20 * by_y


def _wheelchair(size: Size, values: WheelchairParameters) -> list[Solid]:
    by_x, by_y, by_z = (got / natural for got, natural in zip(size, _CHAIR_ON_WHEELS, strict=True))
    seat, wheel = values.seat_height_m, 0.30 * min(by_y, by_z)
    side, rim = 0.235 * by_x, size[0] / 2 - 0.03
    axle, rear, front, high = -size[1] / 2 + 0.015 + wheel, -0.24 * by_y, 0.20 * by_y, size[2] - 0.02
    pieces = [
        box((0, (rear + front) / 2, seat - 0.03), (2 * side - 0.01, front - rear, 0.06), "vinyl", radius=0.025),
        box((0, rear - 0.015, (seat + high) / 2), (2 * side - 0.01, 0.03, high - seat - 0.04), "vinyl", radius=0.014),
        rod((-side, axle + 0.02, wheel), (side, axle + 0.02, wheel), 0.022, "metal"),
        rod((-side, front - 0.06, 0.24), (side, front - 0.06, 0.24), 0.018, "metal"),
    ]
    for sign in (-1, 1):
        x, w = sign * side, sign * rim
        hub: Point = (w, axle, wheel)
        pieces += ring(hub, wheel - 0.014, 0.028, "rubber", axis=(1, 0, 0), count=18)
        pieces += spokes(hub, wheel - 0.02, 0.005, "metal", axis=(1, 0, 0), count=12)
        pieces += ring((w + sign * 0.018, axle, wheel), wheel - 0.055, 0.014, "metal", axis=(1, 0, 0), count=12)
        pieces.append(cylinder(hub, 0.06, 0.05, "metal", axis=(1, 0, 0), radius=0.01))
        pieces.append(rod((x, axle, wheel), hub, 0.025, "metal"))
        # Back tube with the push handle, seat tube, and the front that comes down to castor and footrest.
        pieces += tube([(x, rear, 0.22), (x, rear, high), (x, rear - 0.10, high)], 0.024, "metal")
        pieces.append(rod((x, rear - 0.05, high), (x, max(rear - 0.17, -size[1] / 2 + 0.02), high), 0.032, "rubber"))
        pieces.append(rod((x, rear, seat - 0.06), (x, front + 0.04, seat - 0.06), 0.024, "metal"))
        pieces += tube([(x, front + 0.04, seat - 0.06), (x, front + 0.06, 0.22), (x, rear, 0.22)], 0.024, "metal")
        arm = seat + 0.22
        pieces += tube(
            [(x, rear, arm - 0.02), (x, front - 0.02, arm - 0.02), (x, front - 0.01, seat - 0.06)], 0.022, "metal"
        )
        pieces.append(box((x, (rear + front) / 2 + 0.01, arm), (0.055, 0.30 * by_y, 0.035), "rubber", radius=0.016))
        pieces.append(
            box((x, (rear + front) / 2, (seat + arm) / 2 - 0.02), (0.012, 0.36 * by_y, arm - seat - 0.06), "vinyl")
        )
        pieces.append(cylinder((x, front + 0.06, 0.09), 0.18, 0.035, "rubber", axis=(1, 0, 0), radius=0.012))
        pieces.append(cylinder((x, front + 0.06, 0.09), 0.08, 0.045, "grey_plastic", axis=(1, 0, 0)))
        pieces.append(box((x, front + 0.06, 0.19), (0.055, 0.05, 0.06), "metal", radius=0.01))
        if values.footrests:
            toe, inward = size[1] / 2 - 0.13, x - sign * 0.11
            pieces += tube([(x, front + 0.06, seat - 0.10), (x, toe + 0.02, 0.14)], 0.022, "metal")
            pieces.append(
                box((inward + sign * 0.02, toe + 0.03, 0.12), (0.16, 0.19, 0.018), "grey_plastic", radius=0.008)
            )
    return pieces


CHAIR = Builder(
    parameters=ChairParameters,
    size=lambda values: (0.55, 0.55, 0.85),
    solids=_chair,
    smallest=(0.42, 0.42, 0.75),
    largest=(0.80, 0.80, 1.20),
)
RECLINER = Builder(
    parameters=ReclinerParameters,
    size=_recliner_size,
    solids=_recliner,
    smallest=(0.60, 0.80, 0.75),
    largest=(1.00, 2.00, 1.40),
    least=lambda size, values: (0.0, *_recliner_size(values)[1:]),
)
WHEELCHAIR = Builder(
    parameters=WheelchairParameters,
    size=lambda values: _CHAIR_ON_WHEELS,
    solids=_wheelchair,
    smallest=(0.56, 0.92, 0.85),
    largest=(0.80, 1.20, 1.05),
)
