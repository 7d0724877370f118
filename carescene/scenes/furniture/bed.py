"""Hospital bed: sectioned mattress on a lifting frame, boards at both ends, side rails, castors, a hand control."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.furniture.parameters import choice, number, read_parameters, switch
from carescene.scenes.furniture.parts import tube
from carescene.scenes.scene import SceneObject
from carescene.scenes.solids import Point, Solid, box, cylinder, rod

# Common ward beds: lying surface about 0.88 x 2.0 m, backrest about 0.8 m long, foam mattress of 14 cm.
MATTRESS_THICKNESS = 0.14
BACKREST_LENGTH = 0.80
_THIGH_LENGTH = 0.52
# Space that boards and rails take beside the mattress, both sides together.
_BESIDE, _BEFORE = 0.12, 0.13
_HEAD_BOARD, _FOOT_BOARD = 0.34, 0.24
# Rails must stand at least 22 cm above the mattress (IEC 60601-2-52).
_RAIL_ABOVE = 0.23
_PILLOW = (0.62, 0.40, 0.14)
# It sinks in a little: its top above the mattress.
_PILLOW_TOP = 0.106
# Top of the lifting pole above the mattress.
_POLE = 1.10


@dataclass(frozen=True)
class BedParameters:
    """`mattress_height_m`: top of the mattress above the floor. `head_angle_deg`: backrest against the horizontal.

    `folded_blanket` lies at the foot end; `lifting_pole` carries a handle over the patient's chest.
    """

    mattress_height_m: float = number(0.50, 0.30, 0.80)
    head_angle_deg: float = number(0.0, 0.0, 60.0)
    rails: str = choice("half", "none", "full")
    pillow: bool = switch(True)
    folded_blanket: bool = switch(False)
    lifting_pole: bool = switch(False)


@dataclass(frozen=True)
class BedSurface:
    """Where somebody lies: the top of the mattress in the bed's own frame (origin in the middle of its box), metres.

    Attributes:
        height: of the flat part above the floor.
        width, length: of the mattress; `length` is measured along the surface, bend included.
        head_angle: of the backrest in radians.
        hinge: middle of the crease between backrest and seat.
        foot, head: middle of the mattress's foot and head edge.
        pillow: middle of the pillow's top, or None.
        rail_height: of the rails' top above the floor; 0 without rails.
    """

    height: float
    width: float
    length: float
    head_angle: float
    hinge: Float[np.ndarray, "3"]
    foot: Float[np.ndarray, "3"]
    head: Float[np.ndarray, "3"]
    pillow: Float[np.ndarray, "3"] | None
    rail_height: float

    def at(self, from_foot: float | int) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Point on the middle line at this distance along the surface from the foot edge, and the normal there."""
        flat = float(np.linalg.norm(self.hinge - self.foot))
        if from_foot <= flat:
            return self.foot + (self.hinge - self.foot) / flat * from_foot, np.array([0.0, 0.0, 1.0])
        along = np.array([0.0, -math.cos(self.head_angle), math.sin(self.head_angle)])
        return self.hinge + along * (from_foot - flat), np.array([0.0, along[2], -along[1]])


def bed_surface(thing: SceneObject) -> BedSurface:
    """The lying surface of a bed in its own frame, metres; `object_to_world` takes its points to the world.

    Raises:
        UserError: for parameters out of range.
    """
    values = read_parameters(BedParameters, thing)
    width, length, hinge_y = _mattress(thing.size)
    top, angle = values.mattress_height_m, math.radians(values.head_angle_deg)
    down = np.array([0.0, 0.0, thing.size[2] / 2])
    crease = np.array([0.0, hinge_y + MATTRESS_THICKNESS * math.tan(angle / 2), top]) - down
    along, normal = _backrest_axes(angle)
    head = np.array([0.0, hinge_y, top - MATTRESS_THICKNESS]) + BACKREST_LENGTH * along + MATTRESS_THICKNESS * normal
    pillow = head - down - along * (0.04 + _PILLOW[1] / 2) + normal * _PILLOW_TOP
    return BedSurface(
        height=top,
        width=width,
        length=float(length / 2 - crease[1] + np.linalg.norm(head - down - crease)),
        head_angle=angle,
        hinge=crease,
        foot=np.array([0.0, length / 2, top]) - down,
        head=head - down,
        pillow=pillow if values.pillow else None,
        rail_height=0.0 if values.rails == "none" else top + _RAIL_ABOVE,
    )


def _mattress(size: Size) -> tuple[float, float, float]:
    """Width and length of the mattress, and where along y its backrest is hinged."""
    width, length = size[0] - _BESIDE, size[1] - _BEFORE
    return width, length, -length / 2 + BACKREST_LENGTH


def _backrest_axes(angle: float) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """From the hinge towards the head, and out of the mattress."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([0.0, -cos, sin]), np.array([0.0, sin, cos])


def _size(values: BedParameters) -> Size:
    angle = math.radians(values.head_angle_deg)
    platform = values.mattress_height_m - MATTRESS_THICKNESS
    along, normal = _backrest_axes(angle)
    # Upper corner of the raised backrest, and of pillow and rails that go up with it.
    above = MATTRESS_THICKNESS + max(_PILLOW_TOP if values.pillow else 0.0, _RAIL_ABOVE + 0.02)
    raised = platform + BACKREST_LENGTH * along[2] + above * normal[2]
    pole = values.mattress_height_m + _POLE if values.lifting_pole else 0.0
    return 1.0, 2.15, max(values.mattress_height_m + _HEAD_BOARD, float(raised), pole)


def _solids(size: Size, values: BedParameters) -> list[Solid]:
    return [
        *_lying_surface(size, values),
        *_chassis(size, values),
        *_boards(size, values),
        *_rails(size, values),
        *_details(size, values),
    ]


class _Backrest:
    """Places pieces on the backrest: `along` from the hinge to the head, `out` from the platform upwards."""

    def __init__(self, size: Size, values: BedParameters) -> None:
        self.angle = math.radians(values.head_angle_deg)
        self.along, self.normal = _backrest_axes(self.angle)
        self.hinge = np.array([0.0, _mattress(size)[2], values.mattress_height_m - MATTRESS_THICKNESS])
        # Columns: x, towards the foot, out. A box of size (wide, long, thick) fits these axes.
        self.rotation = np.stack([np.array([1.0, 0.0, 0.0]), -self.along, self.normal], axis=1)

    def at(self, x: float | int, along: float | int, out: float | int) -> Point:
        point = self.hinge + np.array([x, 0.0, 0.0]) + along * self.along + out * self.normal
        return float(point[0]), float(point[1]), float(point[2])


def _lying_surface(size: Size, values: BedParameters) -> list[Solid]:
    width, length, hinge = _mattress(size)
    platform, thick = values.mattress_height_m - MATTRESS_THICKNESS, MATTRESS_THICKNESS
    back = _Backrest(size, values)
    knee, foot = hinge + _THIGH_LENGTH, length / 2
    # The sections reach 2 cm under each other, so that the rounded edges leave no slit where they meet.
    pieces = [
        box((0, (hinge + knee) / 2, platform + thick / 2), (width, knee - hinge + 0.08, thick), "sheet", radius=0.03),
        box(
            (0, (knee + foot) / 2 - 0.02, platform + thick / 2),
            (width, foot - knee + 0.04, thick),
            "sheet",
            radius=0.03,
        ),
        box(
            back.at(0, BACKREST_LENGTH / 2 - 0.02, thick / 2),
            (width, BACKREST_LENGTH + 0.04, thick),
            "sheet",
            radius=0.03,
            rotation=back.rotation,
        ),
        box(
            (0, (hinge + foot) / 2, platform - 0.015), (width - 0.06, foot - hinge, 0.03), "grey_plastic", radius=0.008
        ),
        box(
            back.at(0, BACKREST_LENGTH / 2, -0.015),
            (width - 0.06, BACKREST_LENGTH, 0.03),
            "grey_plastic",
            radius=0.008,
            rotation=back.rotation,
        ),
    ]
    if values.pillow:
        wide, long, high = _PILLOW
        middle = BACKREST_LENGTH - 0.04 - long / 2
        # Thin where its two sides are sewn together, plump inside the seam.
        layers = ((1.0, 0.50, 0.034), (0.95, 0.86, 0.058))
        pieces += [
            box(
                back.at(0, middle, thick + _PILLOW_TOP - high * 0.43),
                (wide - (1 - share) * 0.5, long - (1 - share) * 0.45, high * tall),
                "pillow",
                radius=radius,
                rotation=back.rotation,
            )
            for share, tall, radius in layers
        ]
    if values.folded_blanket:
        at = (0, length / 2 - 0.24, values.mattress_height_m + 0.025)
        pieces.append(box(at, (width + 0.03, 0.40, 0.06), "blanket", radius=0.026))
        pieces.append(box((0, at[1] - 0.02, at[2] + 0.035), (width + 0.01, 0.34, 0.05), "blanket", radius=0.022))
    return pieces


def _chassis(size: Size, values: BedParameters) -> list[Solid]:
    width, length, hinge = _mattress(size)
    platform = values.mattress_height_m - MATTRESS_THICKNESS
    upper, base = platform - 0.055, 0.105
    side, end = width / 2 - 0.10, length / 2 - 0.14
    pieces = [box((x, 0, upper), (0.04, length - 0.06, 0.05), "white_plastic", radius=0.006) for x in (-side, side)]
    pieces += [box((0, y, upper), (2 * side, 0.04, 0.04), "white_plastic") for y in (-end, hinge, end)]
    pieces += [box((x, 0, base), (0.045, 2 * end, 0.04), "white_plastic", radius=0.006) for x in (-side, side)]
    for y in (-end + 0.1, end - 0.1):
        pieces.append(box((0, y, base), (2 * side, 0.06, 0.04), "white_plastic", radius=0.006))
        if upper - base > 0.06:
            middle, height = (upper + base) / 2, upper - base
            pieces.append(box((0, y, middle), (0.11, 0.11, height), "metal", radius=0.01))
            pieces.append(box((0, y, base + height * 0.28), (0.15, 0.15, height * 0.55), "white_plastic", radius=0.012))
    for x in (-side, side):
        for y in (-end, end):
            pieces.append(cylinder((x, y, 0.0625), 0.125, 0.035, "rubber", axis=(1, 0, 0), radius=0.01))
            pieces.append(cylinder((x, y, 0.0625), 0.07, 0.045, "grey_plastic", axis=(1, 0, 0)))
    return pieces


def _boards(size: Size, values: BedParameters) -> list[Solid]:
    platform, width = values.mattress_height_m - MATTRESS_THICKNESS, size[0] - 0.06
    low = max(platform - 0.08, 0.08)
    pieces: list[Solid] = []
    for y, above in ((-1, _HEAD_BOARD), (1, _FOOT_BOARD)):
        at, top = y * (size[1] / 2 - 0.028), values.mattress_height_m + above
        pieces += [
            box((0, at, (low + top - 0.10) / 2), (width - 0.06, 0.025, top - 0.10 - low), "wood_light", radius=0.012),
            box((0, at, top - 0.02), (width - 0.10, 0.04, 0.04), "white_plastic", radius=0.02),
        ]
        for x in (-width / 2 + 0.025, width / 2 - 0.025):
            pieces.append(box((x, at, (low + top) / 2), (0.05, 0.045, top - low), "white_plastic", radius=0.022))
    return pieces


def _rails(size: Size, values: BedParameters) -> list[Solid]:
    if values.rails == "none":
        return []
    back, tube = _Backrest(size, values), 0.026
    out = (
        MATTRESS_THICKNESS - 0.06,
        MATTRESS_THICKNESS + _RAIL_ABOVE / 2 - 0.02,
        MATTRESS_THICKNESS + _RAIL_ABOVE - tube / 2,
    )
    flat, (_, length, hinge) = values.mattress_height_m - MATTRESS_THICKNESS, _mattress(size)
    pieces: list[Solid] = []
    for x in (-size[0] / 2 + 0.02, size[0] / 2 - 0.02):
        first, last = 0.12, BACKREST_LENGTH - 0.06
        pieces += [rod(back.at(x, first, o), back.at(x, last, o), tube, "metal") for o in out]
        pieces += [
            rod(back.at(x, a, out[0]), back.at(x, a, out[2]), tube, "metal") for a in (first, (first + last) / 2, last)
        ]
        if values.rails == "full":
            first, last = hinge + 0.10, length / 2 - 0.12
            posts = (first, (2 * first + last) / 3, (first + 2 * last) / 3, last)
            pieces += [rod((x, first, flat + o), (x, last, flat + o), tube, "metal") for o in out]
            pieces += [rod((x, y, flat + out[0]), (x, y, flat + out[2]), tube, "metal") for y in posts]
    return pieces


def _details(size: Size, values: BedParameters) -> list[Solid]:
    """Bumpers at the corners, brake pedals, the hand control at the side, and the lifting pole."""
    width, length, hinge = _mattress(size)
    platform = values.mattress_height_m - MATTRESS_THICKNESS
    level = max(platform - 0.03, 0.12)
    x, y = size[0] / 2 - 0.045, size[1] / 2 - 0.05
    pieces = [cylinder((a, b, level), 0.085, 0.05, "grey_plastic", radius=0.012) for a in (-x, x) for b in (-y, y)]
    pieces.append(
        rod(
            (-width / 2 + 0.14, length / 2 - 0.06, 0.09),
            (width / 2 - 0.14, length / 2 - 0.06, 0.09),
            0.022,
            "accent_plastic",
        )
    )
    control = (size[0] / 2 - 0.022, hinge + 0.34, values.mattress_height_m + 0.02)
    pieces.append(box(control, (0.026, 0.055, 0.16), "grey_plastic", radius=0.011))
    pieces.append(box((control[0] + 0.013, control[1], control[2] + 0.02), (0.004, 0.035, 0.08), "accent_plastic"))
    pieces += tube(
        [control, (control[0] - 0.01, control[1] + 0.06, platform - 0.04), (0.30, control[1], platform - 0.05)],
        0.008,
        "steel_dark",
    )
    if values.lifting_pole:
        side, back, top = 0.28, -size[1] / 2 + 0.055, values.mattress_height_m + _POLE - 0.02
        front = back + 0.72
        pieces += tube(
            [(side, back, level), (side, back, top - 0.30), (0.10, back + 0.22, top), (0.0, front, top)], 0.034, "metal"
        )
        pieces += tube([(0, front - 0.06, top), (0, front - 0.06, top - 0.30)], 0.012, "accent_plastic")
        grip = [(0.0, front - 0.06, top - 0.30), (-0.10, front - 0.06, top - 0.44), (0.10, front - 0.06, top - 0.44)]
        pieces += tube(grip, 0.022, "white_plastic", closed=True)
    return pieces


BED = Builder(
    parameters=BedParameters,
    size=_size,
    solids=_solids,
    smallest=(0.8, 1.7, 0.5),
    largest=(1.4, 2.5, 2.0),
    least=lambda size, values: (0.0, 0.0, _size(values)[2]),
)
