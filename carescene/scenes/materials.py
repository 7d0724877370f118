"""Materials: what surfaces look like in daylight and to a near-infrared camera."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Material:
    """`color`: albedo in linear red, green, blue. `infrared`: albedo near 850 nm. `gloss`: 0 matt to 1 mirror-like.

    `glow`: how bright it shines by itself by day, as a multiple of white paper in the same room.
    """

    color: tuple[float, float, float]
    infrared: float
    gloss: float = 0.0
    glow: float = 0.0


# Cloth and skin are brighter in the near infrared than to the eye, because most dyes do not absorb there.
MATERIALS: Final[dict[str, Material]] = {
    "wall": Material((0.74, 0.73, 0.69), 0.75),
    "ceiling": Material((0.82, 0.82, 0.81), 0.8),
    "floor": Material((0.42, 0.41, 0.38), 0.45, gloss=0.25),
    "skirting": Material((0.30, 0.31, 0.32), 0.4),
    "tiles": Material((0.66, 0.70, 0.71), 0.7, gloss=0.4),
    "wall_guard": Material((0.45, 0.36, 0.26), 0.5, gloss=0.1),
    "door": Material((0.47, 0.33, 0.20), 0.55, gloss=0.15),
    "doorway": Material((0.07, 0.07, 0.075), 0.08),
    "blind": Material((0.66, 0.64, 0.58), 0.6),
    "frame": Material((0.60, 0.61, 0.61), 0.6, gloss=0.2),
    "glass_sky": Material((0.75, 0.85, 0.98), 0.3, gloss=0.6, glow=1.6),
    "metal": Material((0.55, 0.56, 0.57), 0.6, gloss=0.6),
    "steel_dark": Material((0.13, 0.13, 0.14), 0.2, gloss=0.4),
    "white_plastic": Material((0.72, 0.72, 0.70), 0.7, gloss=0.3),
    "grey_plastic": Material((0.33, 0.34, 0.35), 0.4, gloss=0.25),
    "accent_plastic": Material((0.16, 0.30, 0.42), 0.45, gloss=0.25),
    "rubber": Material((0.03, 0.03, 0.032), 0.06),
    "wood": Material((0.44, 0.29, 0.16), 0.6, gloss=0.15),
    "wood_light": Material((0.58, 0.45, 0.30), 0.65, gloss=0.15),
    "mattress": Material((0.35, 0.44, 0.52), 0.6),
    "sheet": Material((0.80, 0.81, 0.82), 0.8),
    "pillow": Material((0.83, 0.83, 0.83), 0.82),
    "blanket": Material((0.42, 0.53, 0.57), 0.65),
    "curtain": Material((0.38, 0.50, 0.46), 0.6),
    "upholstery": Material((0.20, 0.31, 0.36), 0.5, gloss=0.08),
    "vinyl": Material((0.12, 0.14, 0.18), 0.2, gloss=0.3),
    "ceramic": Material((0.83, 0.83, 0.82), 0.8, gloss=0.5),
    "water": Material((0.45, 0.52, 0.54), 0.1, gloss=0.7),
    "mirror": Material((0.62, 0.66, 0.68), 0.5, gloss=0.9),
    "screen": Material((0.02, 0.022, 0.025), 0.04, gloss=0.6),
    "fluid_bag": Material((0.68, 0.72, 0.70), 0.5, gloss=0.4),
    "lamp": Material((0.9, 0.9, 0.86), 0.9, glow=2.5),
    "paper": Material((0.75, 0.74, 0.72), 0.78),
    "pinboard": Material((0.36, 0.27, 0.18), 0.5),
    # Leaves are much brighter in the near infrared than to the eye.
    "leaf": Material((0.06, 0.16, 0.045), 0.55, gloss=0.15),
    "own": Material((0.50, 0.49, 0.47), 0.55),
}
