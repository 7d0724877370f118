"""Colours of rooms: materials that differ from one hospital to the next, drawn from tones that hospitals buy."""

from typing import Final

import numpy as np

# Screen colours (sRGB); painted walls reflect at most some 80 %, so the lightest stay below pure white.
_TONES: Final[dict[str, tuple[str, ...]]] = {
    "wall": ("#e4e0d6", "#dbe2da", "#d9e1e6", "#e6dcc9", "#dededb", "#e6d8cc", "#e2e4df"),
    "floor": ("#8f999d", "#b3a68f", "#a48765", "#a19f99", "#8f9d93", "#97a4ab", "#bdb4a2"),
    "wall_guard": ("#a98a64", "#8fa3a6", "#b9ab93", "#7f95a3", "#9aa890"),
    "skirting": ("#6d7478", "#8a8172", "#5f686c", "#94928d"),
    "door": ("#c49c68", "#a97f50", "#bfc4c4", "#9fb3bd", "#d6c7a8", "#8f6b46"),
    "curtain": ("#7fa9a2", "#86a2c0", "#d3ae94", "#a2b295", "#aaa0b8", "#cdc1a5", "#9fb8c9", "#c9a3a0"),
    "blanket": ("#a9c2d2", "#d9dbdb", "#86aaa8", "#b5ccb9", "#d9b3a0", "#8fa0bd", "#c9bfd4", "#e0d6be"),
    "upholstery": ("#3b5068", "#35676f", "#7a4147", "#54725b", "#6d5340", "#64708a", "#9a7b52", "#4d5d5c"),
    "vinyl": ("#3a4654", "#5b4636", "#46605f", "#6b3d40", "#7d776c", "#30343a"),
    "accent_plastic": ("#3f6f9a", "#3d8f86", "#7f8b4a", "#a85b44", "#6a6f9c", "#5d99b3"),
    "wood": ("#a77b4c", "#8b6238", "#b98d5c", "#75512f"),
    "wood_light": ("#cdb088", "#bf9a68", "#d8c29e", "#b98f5e"),
}
# Two rolls of the same paint differ a little; so does the light they were photographed in.
_SPREAD: Final = 0.03


def random_style(rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
    """Colours of one room by material name, linear red, green, blue from 0 to 1."""
    style = {}
    for material, tones in _TONES.items():
        linear = linear_from_hex(tones[int(rng.integers(len(tones)))])
        shade = 1 + rng.uniform(-_SPREAD, _SPREAD, 3)
        red, green, blue = np.clip(linear * shade, 0, 0.9)
        style[material] = (round(float(red), 4), round(float(green), 4), round(float(blue), 4))
    return style


def linear_from_hex(tone: str) -> np.ndarray:
    """Linear red, green, blue of a screen colour such as "#a9c2d2" (IEC 61966-2-1)."""
    screen = np.array([int(tone[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(screen <= 0.04045, screen / 12.92, ((screen + 0.055) / 1.055) ** 2.4)
