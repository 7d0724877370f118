"""Heads: hair, eyes, brows, lips and the marks of age, as fields around the nose's tip in the rest pose.

Face coordinates are metres on the bundled body's head: x to the person's left, y up and z forward from the nose's tip;
other heads are scaled to it. All measures were read off that head once.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from carescene.rendering.clothing import Landmarks

HairStyle = Literal["short", "receding", "bald", "bob", "bun"]

_EYE: Final = (0.0315, 0.0405)
_BROW_HEIGHT: Final = 0.056
_MOUTH_HEIGHT: Final = -0.029
# Hairline seen from the side: how high hair begins (y) at each depth (z), from the nape to the forehead.
_DEPTHS: Final = (-0.25, -0.205, -0.150, -0.132, -0.112, -0.098, -0.088, -0.066, -0.035, 0.0)
_HAIRLINES: Final[dict[str, tuple[float, ...]]] = {
    "short": (-0.060, -0.050, -0.030, 0.000, 0.030, 0.010, 0.045, 0.092, 0.108, 0.115),
    "receding": (-0.060, -0.050, -0.030, 0.000, 0.032, 0.020, 0.060, 0.125, 0.128, 0.128),
    "bald": (-0.060, -0.050, -0.030, 0.000, 0.036, 0.030, 0.070, 0.200, 0.200, 0.200),
    "bob": (-0.090, -0.085, -0.080, -0.075, -0.070, -0.060, -0.010, 0.080, 0.104, 0.112),
    "bun": (-0.045, -0.040, -0.020, 0.010, 0.032, 0.015, 0.045, 0.090, 0.106, 0.113),
}
# The top of the head, a little behind its middle, where hair thins first.
_CROWN: Final = (0.0, 0.15, -0.13)
# Where a bun sits: on the back of the head.
_BUN: Final = (0.0, 0.085, -0.195)
_HAIR_THICKNESS: Final[dict[str, float]] = {
    "short": 0.012,
    "receding": 0.008,
    "bald": 0.005,
    "bob": 0.022,
    "bun": 0.011,
}


@dataclass(frozen=True)
class Head:
    """What one person's head looks like.

    Attributes:
        hair: style.
        age_years: darkens eye sockets, draws folds and spots from about 50 on.
        stubble: 0 shaved to 1 dark jaw.
        lids: how wide the eyes are open, 1 young to 0.6 very old.
        spots: middles (face coordinates) of age spots on scalp and temples; 4th column: their radius in metres.
    """

    hair: HairStyle
    age_years: float
    stubble: float
    lids: float
    spots: Float[np.ndarray, "spot 4"]


def face_coordinates(points: Float[np.ndarray, "point 3"], marks: Landmarks) -> Float[np.ndarray, "point 3"]:
    """Rest-pose points in face coordinates."""
    return (points - marks.nose) / marks.scale


def head_fields(face: Float[np.ndarray, "point 3"], head: Head) -> dict[str, Float[np.ndarray, "point"]]:
    """Signed fields in metres, positive inside, of everything on the head that is not skin."""
    side, y, z = np.abs(face[:, 0]), face[:, 1], face[:, 2]
    front = z + 0.075
    eye = _ellipse(side - _EYE[0], y - _EYE[1], 0.0135, 0.0052 * head.lids)
    iris = np.minimum(_ellipse(side - _EYE[0], y - _EYE[1] - 0.0005, 0.0055, 0.0055), eye)
    arch = _BROW_HEIGHT + 0.003 - 9.0 * (side - 0.034) ** 2
    thick = 0.0042 - 0.06 * np.clip(side - 0.03, 0, None)
    brow = np.minimum(thick - np.abs(y - arch), 0.019 - np.abs(side - 0.0315))
    # A cupid's bow above, a fuller curve below.
    width = np.clip(1 - (side / 0.0245) ** 2, 0, None)
    upper = _MOUTH_HEIGHT + 0.0075 * width**0.8 - 0.002 * np.exp(-((side / 0.004) ** 2))
    lower = _MOUTH_HEIGHT - 0.0095 * width**0.6
    lips = np.minimum(np.minimum(upper - y, y - lower), 0.0245 - side)
    fields = {"lips": lips, "eyes": eye, "irises": iris, "brows": brow}
    fields = {name: np.minimum(field, front) for name, field in fields.items()}
    return fields | {"hair": hair_field(face, head.hair)}


def hair_field(face: Float[np.ndarray, "point 3"], style: HairStyle) -> Float[np.ndarray, "point"]:
    """Signed field in metres, positive on the hairy scalp; ears stay free unless hair hangs over them."""
    side, y, z = np.abs(face[:, 0]), face[:, 1], face[:, 2]
    line = np.interp(z, _DEPTHS, _HAIRLINES[style])
    if style == "receding":
        # Bare temples beside a peak in the middle of the forehead.
        line = line + np.where(z > -0.12, 0.016 * np.clip(1 - np.abs(side - 0.045) / 0.03, 0, 1), 0.0)
    hair = y - line
    if style == "bald":
        # A wreath: nothing grows above it.
        hair = np.minimum(hair, 0.105 - 0.25 * (z + 0.2) - y)
    if style != "bob":
        ear = _ellipse(z + 0.115, y - 0.016, 0.028, 0.046)
        hair = np.minimum(hair, -np.minimum(ear, side - 0.0715))
    # Single strands at the border rather than a line drawn with a ruler.
    strands = np.sin(1150 * side + 130 * z) * np.sin(700 * z + 450 * y) + 0.6 * np.sin(410 * side - 260 * z)
    return np.minimum(hair, y + 0.13) + 0.0022 * strands


def hair_cover(face: Float[np.ndarray, "point 3"], head: Head) -> Float[np.ndarray, "point"]:
    """Share of the scalp that hair hides, 0 to 1: it thins out at the border, and with age on the crown."""
    inside = hair_field(face, head.hair)
    cover = np.clip((inside + 0.004) / 0.013, 0, 1)
    old = float(np.clip((head.age_years - 50) / 35, 0, 1))
    crown = np.exp(-(np.linalg.norm((face - np.array(_CROWN)) / np.array([0.05, 0.05, 0.06]), axis=-1) ** 2))
    return cover * cover * (3 - 2 * cover) * (1 - old * (0.10 + 0.45 * crown))


def hair_thickness(face: Float[np.ndarray, "point 3"], head: Head) -> Float[np.ndarray, "point"]:
    """How far hair stands off the scalp, metres: nothing at the hairline, growing inwards."""
    inside = np.clip(hair_field(face, head.hair), 0, None)
    thin = 1 - 0.5 * float(np.clip((head.age_years - 50) / 35, 0, 1))
    thickness = thin * _HAIR_THICKNESS[head.hair] * (1 - np.exp(-inside / 0.02))
    if head.hair == "bun":
        far = np.linalg.norm(face - np.array(_BUN), axis=-1)
        thickness = thickness + 0.05 * np.exp(-((far / 0.034) ** 4))
    return thickness


def skin_tint(face: Float[np.ndarray, "point 3"], head: Head) -> Float[np.ndarray, "point 3"]:
    """Factors on the skin's colour: sockets, cheeks, stubble, and with age folds, crow's feet and spots."""
    side, y, z = np.abs(face[:, 0]), face[:, 1], face[:, 2]
    old = float(np.clip((head.age_years - 48) / 37, 0, 1))
    tint = np.ones((len(face), 3))
    front = z > -0.085

    def darken(amount: np.ndarray, color: tuple[float, float, float]) -> None:
        tint[:] *= 1 - np.where(front, amount, 0.0)[:, None] * (1 - np.array(color))

    socket = np.exp(-(((side - 0.030) / 0.021) ** 2) - ((y - 0.040) / 0.0135) ** 2)
    darken((0.30 + 0.45 * old) * socket, (0.55, 0.42, 0.45))
    # Bags below the eyes, hollow cheeks, and the lid's line, which makes an eye an eye from far off.
    bag = np.exp(-(((side - 0.029) / 0.016) ** 2) - ((y - 0.026) / 0.0035) ** 2)
    darken(0.55 * old * bag, (0.55, 0.45, 0.45))
    lash = np.exp(-(((side - 0.0315) / 0.015) ** 4) - ((y - _EYE[1] - 0.0062 * head.lids) / 0.0022) ** 2)
    darken(0.75 * lash, (0.25, 0.2, 0.2))
    blush = np.exp(-(((side - 0.043) / 0.018) ** 2) - ((y - 0.005) / 0.016) ** 2)
    nose = np.exp(-((side / 0.016) ** 2) - (y / 0.012) ** 2)
    darken(0.5 * np.maximum(blush, nose), (1.0, 0.86, 0.86))
    hollow = np.exp(-(((side - 0.052) / 0.012) ** 2) - ((y + 0.025) / 0.022) ** 2)
    darken(0.40 * old * hollow, (0.6, 0.55, 0.55))
    mouth = np.exp(-(((side) / 0.023) ** 6) - ((y - _MOUTH_HEIGHT) / 0.0014) ** 2)
    darken(0.7 * mouth, (0.3, 0.2, 0.2))
    if head.stubble > 0:
        jaw = np.clip((0.004 - y - 0.28 * np.clip(0.075 - side, 0, None)) / 0.012 + 1.2, 0, 1) * (y > -0.115)
        lip = np.minimum(np.clip((-0.012 - y) / 0.004, 0, 1), np.clip((0.034 - side) / 0.01, 0, 1))
        darken(0.5 * head.stubble * np.maximum(jaw * (side > 0.03), lip * (y > -0.09)), (0.55, 0.57, 0.6))
    if old > 0:
        darken(0.6 * old * _folds(side, y), (0.45, 0.36, 0.36))
        for spot in head.spots:
            far = np.linalg.norm(face - spot[:3], axis=-1) / spot[3]
            tint *= 1 - 0.4 * old * np.exp(-(far**4))[:, None] * (1 - np.array([0.72, 0.6, 0.5]))
    return tint


def _folds(side: np.ndarray, y: np.ndarray) -> np.ndarray:
    """From 0 to 1: lines from the nose to the mouth's corners, on the forehead, at the eyes' corners, at the chin."""
    along = np.clip((0.0 - y) / 0.034, 0, 1)
    cheek = np.exp(-(((side - 0.019 - 0.014 * along) / 0.0026) ** 2)) * ((y < 0.002) & (y > -0.036))
    jowl = np.exp(-(((side - 0.032) / 0.0026) ** 2)) * ((y < -0.036) & (y > -0.06))
    forehead = np.zeros_like(y)
    for line in (0.071, 0.081, 0.091):
        wave = line + 0.002 * np.sin(90 * side)
        forehead = np.maximum(forehead, np.exp(-(((y - wave) / 0.0015) ** 2)) * (side < 0.042))
    feet = np.zeros_like(y)
    for rise in (-0.5, 0.0, 0.45):
        ray = _EYE[1] + rise * (side - 0.044)
        feet = np.maximum(feet, np.exp(-(((y - ray) / 0.0013) ** 2)) * ((side > 0.047) & (side < 0.062)))
    return np.maximum.reduce([cheek, 0.8 * jowl, 0.7 * forehead, 0.6 * feet])


def _ellipse(x: np.ndarray, y: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    """Nearly the signed distance to an ellipse's rim, positive inside: exact in sign, right in size near the rim."""
    radius = np.sqrt((x / half_width) ** 2 + (y / half_height) ** 2)
    return (1 - radius) * min(half_width, half_height)
