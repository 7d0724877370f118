"""Near-infrared pictures: the camera carries its own lamp, invisible to sleepers, and sees little else at night."""

from typing import Final

import numpy as np
from jaxtyping import Float

# Strength of the camera's lamp in the units of `lights`: 3 m away it gives about the light of a dim room.
_LAMP: Final = 2.0
# Half the width of the lamp's beam: at this angle off the axis it gives half its light.
_BEAM: Final = float(np.deg2rad(42.0))
# Nearer than this (metres) its light stops growing: it is a ring of several lamps, of which a wall beside it sees few.
_NEAR: Final = 0.7
# Share of the light to the eye that also reaches an infrared camera: daylight has much, white LED lamps little.
_ROOM_SHARE: Final = {"day": 0.35, "dim": 0.12, "night": 0.12}
# Light that comes back from pale walls, as a share of the lamp's light in the middle of the picture.
_BOUNCE: Final = 0.10
# The lamp stands beside the lens, so a glossy surface that faces both sends it straight back.
_HOT_SPOT_POWER: Final = 90.0


def lamp_light(
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    eye: Float[np.ndarray, "3"],
    forward: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "point"]:
    """Irradiance from the lamp at the eye (metres, world): strength * beam * cosine / distance^2.

    The beam falls off with the angle from `forward` as a bell curve.
    """
    towards = eye.astype(np.float32) - points
    square = np.maximum(np.einsum("pc,pc->p", towards, towards), _NEAR**2)
    distance = np.sqrt(square)
    cosine = np.clip(np.einsum("pc,pc->p", towards, normals) / distance, 0, 1)
    angle = np.arccos(np.clip(-(towards @ forward.astype(np.float32)) / distance, -1, 1))
    return _LAMP * beam(angle) * cosine / square


def beam(angle: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Share of the lamp's light at an angle in radians off its axis: 1 ahead, 1/2 at 42 degrees."""
    return np.exp(-np.log(2) * (angle / _BEAM) ** 2).astype(np.float32)


def infrared_light(
    lamp: Float[np.ndarray, "point"],
    openness: Float[np.ndarray, "point"],
    room: Float[np.ndarray, "point 3"],
    around: float,
    light: str,
) -> Float[np.ndarray, "point"]:
    """All near-infrared irradiance: the lamp, its light sent back by the room (`around` is the lamp's light on an
    average surface), and the infrared part of the room's own light."""
    return lamp + _BOUNCE * around * openness + _ROOM_SHARE[light] * room[:, 0]


def hot_spot(
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    gloss: Float[np.ndarray, "point"],
    eye: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "point"]:
    """Radiance of the lamp's mirror image in glossy surfaces (normalised Blinn-Phong lobe; half vector = view)."""
    towards = eye.astype(np.float32) - points
    square = np.maximum(np.einsum("pc,pc->p", towards, towards), _NEAR**2)
    cosine = np.clip(np.einsum("pc,pc->p", towards, normals) / np.sqrt(square), 0, 1)
    power = _HOT_SPOT_POWER * np.maximum(gloss, 0.05)
    return 0.04 * np.minimum(gloss * 4, 1) * (power + 2) / (2 * np.pi) * cosine ** (2 * power) * _LAMP / square
