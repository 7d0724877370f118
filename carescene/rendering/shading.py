"""From light to picture: matt and glossy reflection, exposure, white balance and a camera's tone curve."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

# Share of light that plastics, varnish, water and skin reflect straight on.
_PLAIN_REFLECTANCE: Final = 0.04
# Rec. 709.
_LUMINANCE: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
# Tones above this are compressed, so that a window does not burn out all at once.
_KNEE: Final = 0.30
# A camera's white balance takes away this power of the light's colour; some warmth of lamps is left.
_BALANCE: Final = 0.7
# Highlights count up to this multiple of the picture's usual brightness when a camera meters.
_CUT: Final = 12.0


def lambert(
    albedo: Float[np.ndarray, "*batch"], irradiance: Float[np.ndarray, "*batch"]
) -> Float[np.ndarray, "*batch"]:
    """Radiance of a matt surface: albedo * irradiance / pi, the same from all sides."""
    return albedo * irradiance / np.float32(np.pi)


def fresnel(cosine: Float[np.ndarray, "*batch"], straight: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Share reflected like by a mirror at an angle whose cosine to the normal is given; `straight` is the share at
    right angles (Schlick 1994)."""
    return straight + (1 - straight) * (1 - np.clip(cosine, 0, 1)) ** 5


def mirror_share(
    gloss: Float[np.ndarray, "*batch"], metal: Bool[np.ndarray, "*batch"], cosine: Float[np.ndarray, "*batch"]
) -> Float[np.ndarray, "*batch"]:
    """Share of light that a surface of the given gloss (0 to 1) reflects around the mirror direction.

    Metals reflect as much as their gloss says; other surfaces 4 percent, more at grazing angles and less when rough.
    """
    straight = np.where(metal, gloss, _PLAIN_REFLECTANCE * np.minimum(1, 4 * gloss)).astype(np.float32)
    rough = np.where(metal, 1.0, np.minimum(1.0, 2.2 * gloss)).astype(np.float32)
    return np.minimum(straight + rough * (fresnel(cosine, straight) - straight), 1)


def reflect(rays: Float[np.ndarray, "point 3"], normals: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
    """Where rays go on from a mirror."""
    return rays - 2 * np.einsum("pc,pc->p", rays, normals)[:, None] * normals


def luminance(color: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
    """Brightness to the eye of linear red, green, blue (Rec. 709)."""
    return color @ _LUMINANCE


def exposure(picture: Float[np.ndarray, "height width 3"], brightness: float) -> Float[np.ndarray, "3"]:
    """Gains for red, green and blue that bring a picture to a mean brightness and take most of its colour cast away.

    Brightness is metered between the geometric mean (Reinhard et al. 2002), for which a window in view does not count,
    and the mean with highlights cut off, which keeps sunlit floors from burning out.
    """
    seen = picture.reshape(-1, 3)
    bright = luminance(seen)
    seen, bright = seen[bright > 0], bright[bright > 0]
    if not len(seen):
        return np.ones(3, np.float32)
    key = float(np.exp(np.log(bright).mean()))
    gain = brightness / np.sqrt(key * np.minimum(bright, _CUT * key).mean())
    # Every pixel has the same vote, so that a bright window does not decide about the colour.
    cast = (seen / bright[:, None]).mean(axis=0)
    return (gain * cast ** (-_BALANCE)).astype(np.float32)


def tone(linear: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """A camera's shoulder: unchanged up to 0.3, then bent smoothly towards 1, which it never passes."""
    over = np.maximum(linear - _KNEE, 0)
    room = 1 - _KNEE
    return np.minimum(linear, _KNEE) + room * over / (over + room)
