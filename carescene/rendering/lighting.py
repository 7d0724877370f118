"""How surfaces take light: a bright sky above, a warm floor below, and one large lamp that throws soft shadows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Lighting:
    """Lights in linear red, green, blue. `key_direction` points from the scene to the lamp, which is far away."""

    key_direction: Float[np.ndarray, "3"]
    key: tuple[float, float, float] = (1.55, 1.47, 1.36)
    sky: tuple[float, float, float] = (0.60, 0.65, 0.72)
    ground: tuple[float, float, float] = (0.30, 0.27, 0.24)
    # Half the angle under which the lamp is seen, in radians: it sets how soft shadows are.
    key_radius: float = 0.085


def light_from_behind_camera(forward: Float[np.ndarray, "3"]) -> Lighting:
    """Light from over the watcher's left shoulder, so that the side seen is lit and the shadow falls back and right.

    `forward` is the viewing direction in the world.
    """
    azimuth = np.arctan2(-forward[1], -forward[0]) - np.deg2rad(50.0)
    elevation = np.deg2rad(52.0)
    horizontal = np.cos(elevation) * np.array([np.cos(azimuth), np.sin(azimuth)])
    return Lighting(key_direction=np.array([*horizontal, np.sin(elevation)]))


def lamp_samples(lighting: Lighting, count: int) -> Float[np.ndarray, "count 3"]:
    """Unit directions spread evenly over the lamp's disc (a sunflower spiral, so the same at every call)."""
    key = lighting.key_direction
    side = np.cross(key, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    steps = np.arange(count)
    radius = lighting.key_radius * np.sqrt((steps + 0.5) / count)
    turn = steps * np.pi * (3 - np.sqrt(5))
    directions = key + radius[:, None] * (np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * np.cross(key, side))
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def shade(
    albedo: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    lit: Float[np.ndarray, "point"],
    open_sky: Float[np.ndarray, "point"],
    lighting: Lighting,
) -> Float[np.ndarray, "point 3"]:
    """Linear colour of a matt surface (Lambert).

    `lit` is the share of the lamp that is visible, `open_sky` the share of the surroundings that is not hidden by
    something near; both from 0 to 1. Sky and ground light blend with the normal's height (hemisphere light).
    """
    up = 0.5 + 0.5 * normals[:, 2:]
    ambient = up * np.array(lighting.sky) + (1 - up) * np.array(lighting.ground)
    slope = np.clip(normals @ lighting.key_direction, 0.0, None)
    return albedo * (open_sky[:, None] * ambient + (lit * slope)[:, None] * np.array(lighting.key)) / np.pi * 2.0


def to_srgb(linear: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Display values from 0 to 1 from linear light: a soft shoulder above 0.8, then the sRGB curve (IEC 61966-2-1)."""
    knee = 0.8
    over = np.clip(linear - knee, 0.0, None)
    bounded = np.clip(np.minimum(linear, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee))), 0.0, 1.0)
    return np.where(bounded <= 0.0031308, 12.92 * bounded, 1.055 * np.power(bounded, 1 / 2.4) - 0.055)
