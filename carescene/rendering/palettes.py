"""Colours of people: skin from measured reflectance, hair by age, and the cloth of wards; each also in the infrared.

All colours are albedos in linear red, green and blue (sRGB primaries, D65) from 0 to 1; infrared ones near 850 nm.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Paint:
    """Albedo to the eye and to a near-infrared camera."""

    color: Color
    infrared: float


# Skin is ordered by the individual typology angle, arctan((L* - 50) / b*), which dermatology uses to class measured
# skin from very light (above 55 degrees) to dark (below -30 degrees) (Chardon et al. 1991). Yellowness b* is highest
# for tanned skin and falls towards both ends, redness a* hardly differs between groups, as in measured CIELAB data
# bases of skin (Xiao et al. 2017). Columns: angle in degrees, a*, b*.
_SKIN_ANCHORS: Final = np.array(
    [
        [62.0, 8.0, 11.5],
        [48.0, 10.0, 15.5],
        [34.0, 11.0, 17.5],
        [18.0, 11.5, 19.0],
        [-8.0, 12.0, 18.5],
        [-35.0, 10.5, 13.5],
        [-55.0, 8.5, 9.0],
        [-72.0, 6.5, 6.5],
    ]
)
SKIN_ANGLES: Final = (float(_SKIN_ANCHORS[-1, 0]), float(_SKIN_ANCHORS[0, 0]))
# Melanin hardly absorbs near 850 nm: measured skin reflects about half to two thirds there, dark skin a little less.
_SKIN_INFRARED: Final = (0.50, 0.62)

_HAIR: Final = {
    "black": Paint((0.022, 0.018, 0.016), 0.15),
    "dark brown": Paint((0.055, 0.035, 0.024), 0.20),
    "brown": Paint((0.12, 0.075, 0.045), 0.28),
    "fair": Paint((0.34, 0.24, 0.12), 0.42),
    "red": Paint((0.24, 0.10, 0.04), 0.35),
}
_GREY_HAIR: Final = Paint((0.40, 0.40, 0.39), 0.50)
_WHITE_HAIR: Final = Paint((0.72, 0.715, 0.69), 0.65)
# Half of people's hair is half grey by about 50 (rule of thumb); white follows in the eighties.
_GREYING_YEARS: Final = (38.0, 68.0)
_WHITENING_YEARS: Final = (66.0, 88.0)

# Cloth: (name, colour). Hospital linen is washed out by hot laundry, so it is pale; scrubs are dyed strongly.
GOWNS: Final[tuple[Color, ...]] = (
    (0.50, 0.61, 0.68),
    (0.62, 0.70, 0.72),
    (0.52, 0.66, 0.60),
    (0.70, 0.71, 0.70),
    (0.60, 0.62, 0.71),
)
PYJAMAS: Final[tuple[Color, ...]] = (
    (0.20, 0.29, 0.42),
    (0.45, 0.55, 0.64),
    (0.36, 0.21, 0.23),
    (0.55, 0.54, 0.49),
    (0.62, 0.45, 0.47),
)
SCRUBS: Final[tuple[Color, ...]] = (
    (0.035, 0.075, 0.19),
    (0.06, 0.20, 0.36),
    (0.05, 0.26, 0.25),
    (0.12, 0.33, 0.22),
    (0.21, 0.06, 0.10),
    (0.33, 0.49, 0.58),
)
TUNICS: Final[tuple[Color, ...]] = ((0.78, 0.79, 0.79), (0.62, 0.72, 0.78), (0.42, 0.60, 0.62))
DARK_CLOTH: Final[tuple[Color, ...]] = ((0.035, 0.045, 0.085), (0.06, 0.065, 0.075), (0.05, 0.048, 0.045))
TOPS: Final[tuple[Color, ...]] = (
    (0.085, 0.185, 0.42),
    (0.10, 0.30, 0.25),
    (0.42, 0.13, 0.10),
    (0.46, 0.35, 0.14),
    (0.60, 0.58, 0.53),
    (0.22, 0.23, 0.26),
    (0.33, 0.16, 0.26),
    (0.52, 0.60, 0.66),
    (0.07, 0.09, 0.13),
)
TROUSERS: Final[tuple[Color, ...]] = (
    (0.055, 0.085, 0.16),
    (0.11, 0.115, 0.125),
    (0.30, 0.25, 0.18),
    (0.13, 0.10, 0.075),
    (0.04, 0.042, 0.05),
    (0.24, 0.25, 0.25),
)
SHOES: Final[tuple[Color, ...]] = ((0.035, 0.032, 0.033), (0.12, 0.065, 0.035), (0.20, 0.19, 0.185), (0.05, 0.06, 0.10))
TRAINERS: Final[tuple[Color, ...]] = ((0.70, 0.70, 0.69), (0.10, 0.11, 0.12), (0.25, 0.30, 0.36), (0.60, 0.62, 0.64))
SLIPPERS: Final[tuple[Color, ...]] = ((0.16, 0.11, 0.085), (0.10, 0.12, 0.22), (0.35, 0.16, 0.18), (0.30, 0.29, 0.28))
SOCKS: Final[tuple[Color, ...]] = ((0.68, 0.68, 0.66), (0.07, 0.075, 0.09), (0.24, 0.35, 0.45), (0.42, 0.40, 0.37))


def lab_to_linear(lab: Float[np.ndarray, "3"]) -> Color:
    """Linear red, green, blue of a CIELAB colour under D65 (CIE 15, IEC 61966-2-1), cut to 0 to 1."""
    lightness, redness, yellowness = lab
    middle = (lightness + 16) / 116
    ratios = np.array([middle + redness / 500, middle, middle - yellowness / 200])
    small = 6 / 29
    xyz = np.where(ratios > small, ratios**3, 3 * small**2 * (ratios - 4 / 29)) * [0.95047, 1.0, 1.08883]
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    red, green, blue = np.clip(to_rgb @ xyz, 0.0, 1.0)
    return float(red), float(green), float(blue)


def skin_paint(angle: float) -> Paint:
    """Skin of an individual typology angle in degrees, from `SKIN_ANGLES`; the higher, the lighter."""
    angles, redness, yellowness = _SKIN_ANCHORS[::-1].T
    a, b = np.interp(angle, angles, redness), np.interp(angle, angles, yellowness)
    lab = np.array([50 + b * np.tan(np.deg2rad(angle)), a, b])
    infrared = np.interp(angle, SKIN_ANGLES, _SKIN_INFRARED)
    return Paint(lab_to_linear(lab), float(infrared))


def mix(first: Paint, second: Paint, share: float) -> Paint:
    """`share` (0 to 1) of the second paint in the first."""
    color = (1 - share) * np.array(first.color) + share * np.array(second.color)
    return Paint(
        (float(color[0]), float(color[1]), float(color[2])), (1 - share) * first.infrared + share * second.infrared
    )


def hair_paint(name: str, age_years: float | int, early: float = 0.0) -> Paint:
    """Hair of a natural colour at an age; `early` years are added before it greys (negative: greys late)."""
    age = age_years + early
    grey = float(np.clip((age - _GREYING_YEARS[0]) / (_GREYING_YEARS[1] - _GREYING_YEARS[0]), 0, 1))
    white = float(np.clip((age - _WHITENING_YEARS[0]) / (_WHITENING_YEARS[1] - _WHITENING_YEARS[0]), 0, 1))
    return mix(mix(_HAIR[name], _GREY_HAIR, grey), _WHITE_HAIR, white)


def natural_hair(angle: float, draw: float) -> str:
    """Name of a natural hair colour: dark skin has dark hair; light skin has all colours. `draw` is from 0 to 1."""
    if angle < 20:
        return "black"
    names = ("black", "dark brown") if angle < 38 else ("dark brown", "brown", "fair", "red")
    shares = (0.6, 1.0) if angle < 38 else (0.35, 0.72, 0.96, 1.0)
    return names[int(np.searchsorted(shares, draw))]


def cloth(color: Color, draw: float) -> Paint:
    """Cloth; most dyes do not absorb in the near infrared, so even dark cloth reflects 0.4 to 0.8 there."""
    brightness = float(np.mean(color))
    return Paint(color, float(np.clip(0.40 + 0.25 * brightness**0.5 + 0.22 * draw, 0.40, 0.80)))
