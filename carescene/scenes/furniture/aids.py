"""Things that go along with a patient: walking frame, rollator, infusion stand."""

import math
from dataclasses import dataclass

from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.furniture.parameters import choice, number, switch, whole
from carescene.scenes.furniture.parts import castor, tube
from carescene.scenes.solids import Solid, box, cylinder, rod


@dataclass(frozen=True)
class WalkerParameters:
    """`style`: a light frame with two wheels, or a rollator with four, a seat and brakes."""

    style: str = choice("frame", "rollator")
    height_m: float = number(0.88, 0.75, 1.00)


@dataclass(frozen=True)
class InfusionParameters:
    """`height_m`: of the hooks above the floor."""

    height_m: float = number(1.90, 1.40, 2.20)
    bags: int = whole(1, 0, 2)
    pump: bool = switch(True)


def _walker(size: Size, values: WalkerParameters) -> list[Solid]:
    """Somebody who walks with it stands at its front (+y) and pushes it towards -y."""
    return _frame(size) if values.style == "frame" else _rollator(size)


def _frame(size: Size) -> list[Solid]:
    wide, deep, high = size
    foot, top = wide / 2 - 0.025, wide / 2 - 0.055
    lead, rear = -deep / 2 + 0.07, deep / 2 - 0.02
    grip, alloy, bore = high - 0.02, "metal", 0.026
    pieces: list[Solid] = []
    for sign in (-1, 1):
        near, far = sign * top, sign * foot
        pieces += tube(
            [(far, lead, 0.11), (near, lead + 0.08, grip), (near, rear - 0.05, grip), (far, rear, 0.03)], bore, alloy
        )
        pieces.append(rod((near, rear - 0.19, grip), (near, rear - 0.06, grip), 0.036, "rubber"))
        pieces.append(rod((far, lead + 0.03, 0.36), (far, rear - 0.015, 0.36), 0.022, alloy))
        pieces.append(cylinder((far, rear, 0.018), 0.036, 0.036, "rubber", radius=0.008))
        pieces += castor(far, lead, 0.12, width=0.025)
    for z, inset in ((0.36, 0.012), (0.66 * high, 0.02)):
        along = lead + 0.08 * z / high
        pieces.append(rod((-foot + inset, along, z), (foot - inset, along, z), 0.022, alloy))
    pieces.append(box((0, lead + 0.05, 0.72 * high), (0.16, 0.02, 0.05), "accent_plastic", radius=0.009))
    return pieces


def _rollator(size: Size) -> list[Solid]:
    wide, deep, high = size
    side, bore = wide / 2 - 0.03, 0.026
    lead, rear, seat = -deep / 2 + 0.10, deep / 2 - 0.10, min(0.56, high - 0.25)
    pieces: list[Solid] = [
        box((0, (lead + rear) / 2 + 0.02, seat), (2 * side - 0.06, 0.24, 0.03), "vinyl", radius=0.013),
        rod((-side + 0.01, lead + 0.14, seat + 0.20), (side - 0.01, lead + 0.14, seat + 0.20), 0.045, "rubber"),
        rod((-side, lead + 0.08, 0.30), (side, lead + 0.08, 0.30), 0.022, "accent_plastic"),
        rod((-side, rear - 0.05, 0.30), (side, rear - 0.05, 0.30), 0.022, "accent_plastic"),
        # Shopping basket under the seat.
        box((0, (lead + rear) / 2, 0.36), (2 * side - 0.10, 0.22, 0.012), "steel_dark", radius=0.005),
        box((0, lead + 0.10, 0.43), (2 * side - 0.10, 0.010, 0.14), "steel_dark", radius=0.004),
        box((0, rear - 0.10, 0.43), (2 * side - 0.10, 0.010, 0.14), "steel_dark", radius=0.004),
    ]
    for sign in (-1, 1):
        x = sign * side
        pieces += tube(
            [(x, lead, 0.12), (x, lead + 0.16, high - 0.06), (x, lead + 0.22, high - 0.02)], bore, "accent_plastic"
        )
        pieces += tube([(x, rear, 0.12), (x, (lead + rear) / 2, seat - 0.02)], bore, "accent_plastic")
        pieces.append(rod((x, lead + 0.12, seat - 0.02), (x, rear - 0.12, seat - 0.02), bore, "accent_plastic"))
        pieces.append(rod((x, lead + 0.22, high - 0.02), (x, lead + 0.38, high - 0.02), 0.036, "rubber"))
        pieces += tube([(x, lead + 0.24, high - 0.05), (x, lead + 0.36, high - 0.075)], 0.014, "steel_dark")
        for y in (lead, rear):
            pieces.append(cylinder((x, y, 0.10), 0.20, 0.032, "rubber", axis=(1, 0, 0), radius=0.012))
            pieces.append(cylinder((x, y, 0.10), 0.11, 0.044, "grey_plastic", axis=(1, 0, 0), radius=0.008))
    return pieces


def _infusion(size: Size, values: InfusionParameters) -> list[Solid]:
    reach, high = min(size[0], size[1]) / 2 - 0.03, size[2] - 0.03
    pieces: list[Solid] = [
        cylinder((0, 0, 0.10), 0.08, 0.06, "grey_plastic", radius=0.015),
        rod((0, 0, 0.10), (0, 0, 1.05), 0.032, "metal"),
        rod((0, 0, 1.0), (0, 0, high), 0.022, "metal"),
        cylinder((0, 0, 1.06), 0.05, 0.06, "grey_plastic", radius=0.012),
    ]
    for foot in range(5):
        angle = 2 * math.pi * foot / 5 + math.pi / 2
        x, y = reach * math.cos(angle), reach * math.sin(angle)
        pieces.append(rod((0, 0, 0.105), (x, y, 0.075), 0.03, "metal"))
        pieces.append(cylinder((x, y, 0.0275), 0.055, 0.03, "rubber", axis=(-y, x, 0), radius=0.008))
    for angle in (0.0, math.pi / 2, math.pi, 3 * math.pi / 2):
        x, y = math.cos(angle), math.sin(angle)
        hook = [(0.0, 0.0, high), (0.09 * x, 0.09 * y, high - 0.02), (0.11 * x, 0.11 * y, high + 0.015)]
        pieces += tube(hook, 0.009, "metal")
    for x in (0.10, -0.10)[: values.bags]:
        line = [(x, 0.0, high - 0.36), (0.6 * x, 0.05, high - 0.55), (0.04, 0.09, 1.26), (0.04, 0.10, 1.0)]
        pieces += [
            box((x, 0, high - 0.17), (0.12, 0.045, 0.20), "fluid_bag", radius=0.02),
            rod((x, 0, high - 0.03), (x, 0, high - 0.09), 0.012, "fluid_bag"),
            # Drip chamber and the line to the pump.
            rod((x, 0, high - 0.30), (x, 0, high - 0.35), 0.02, "fluid_bag"),
            rod((x, 0, high - 0.26), (x, 0, high - 0.30), 0.008, "fluid_bag"),
            *tube(line, 0.006, "white_plastic"),
        ]
    if values.pump:
        pieces += [
            box((0, 0.065, 1.16), (0.14, 0.12, 0.20), "white_plastic", radius=0.012),
            box((-0.012, 0.126, 1.19), (0.09, 0.008, 0.07), "screen", radius=0.003),
            box((-0.012, 0.126, 1.10), (0.09, 0.008, 0.05), "accent_plastic", radius=0.003),
        ]
    return pieces


WALKER = Builder(
    parameters=WalkerParameters,
    size=lambda values: (0.62, 0.58 if values.style == "frame" else 0.68, values.height_m),
    solids=_walker,
    smallest=(0.50, 0.45, 0.72),
    largest=(0.80, 0.90, 1.10),
)
IV_POLE = Builder(
    parameters=InfusionParameters,
    size=lambda values: (0.60, 0.60, values.height_m + 0.03),
    solids=_infusion,
    smallest=(0.45, 0.45, 1.35),
    largest=(0.80, 0.80, 2.40),
)
