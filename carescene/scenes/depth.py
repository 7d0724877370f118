"""How deep is deep: one set of statistics for skin inside furniture, floor, walls and other people.

Depths are those of the deepest skin point in each frame, NaN in frames in which nobody was measured. Beds, cushions and
pillows are measured like everything else: nothing is taken off for what gives way.
"""

from typing import Final

import numpy as np
from jaxtyping import Float

DEEP_M: Final = 0.03


def mean_known(metres: Float[np.ndarray, "*frames"]) -> float:
    """Mean over all known frames, metres; 0 if none is known."""
    return float(np.nanmean(metres)) if np.isfinite(metres).any() else 0.0


def largest_known(metres: Float[np.ndarray, "*frames"]) -> float:
    """The largest known value, metres; 0 if none is known."""
    return float(np.nanmax(metres, initial=0.0))


def share_over(metres: Float[np.ndarray, "*frames"], limit_m: float | int = DEEP_M) -> float:
    """Share of the known frames with more than `limit_m`; 0 if none is known."""
    known = np.isfinite(metres)
    return float((metres[known] > limit_m).mean()) if known.any() else 0.0
