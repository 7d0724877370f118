"""OpenCV's lens model, forwards and backwards.

In flat coordinates (x / z, y / z) with r^2 = x^2 + y^2, the lens moves a point by the radial factor
1 + k1 r^2 + k2 r^4 + k3 r^6 and by the tangential terms p1, p2 (Brown 1971, "Close-range camera calibration"; OpenCV's
camera calibration page). A barrel lens' polynomial folds back at wide angles: it would put what is far outside the
picture inside again. From where its slope falls to `_END_SLOPE` it is therefore continued in a straight line, so that
every pixel has exactly one view direction, also those beyond the border.
"""

from functools import lru_cache
from typing import Any, Final

import numpy as np
from jaxtyping import Float

Distortion = tuple[float, float, float, float, float]

NO_DISTORTION: Final[Distortion] = (0.0, 0.0, 0.0, 0.0, 0.0)
# Half of a plain pinhole's slope would cut into strong but usual lenses; near 0 the inverse loses its digits.
_END_SLOPE: Final = 0.2
# Flat radius at which no picture is looked at any more (84 degrees off the axis).
_FAR: Final = 10.0


def distort(flat: Float[np.ndarray, "*batch 2"], distortion: Distortion) -> Float[np.ndarray, "*batch 2"]:
    """Where the lens puts flat coordinates (x / z, y / z, no unit)."""
    if not any(distortion):
        return flat
    _, _, p1, p2, _ = distortion
    end, slope = model_end(distortion)
    x, y = flat[..., 0], flat[..., 1]
    squared = x * x + y * y
    beyond = bool(np.any(squared > end * end))
    if beyond:
        inwards = np.minimum(1.0, end / np.sqrt(np.maximum(squared, 1e-24)))
        x, y = x * inwards, y * inwards
        squared = x * x + y * y
    factor, mixed = _factor(squared, distortion), 2 * x * y
    moved = np.stack(
        [x * factor + p1 * mixed + p2 * (squared + 2 * x * x), y * factor + p1 * (squared + 2 * y * y) + p2 * mixed],
        axis=-1,
    )
    return moved + slope * (flat - np.stack([x, y], axis=-1)) if beyond else moved


def undistort(seen: Float[np.ndarray, "*batch 2"], distortion: Distortion) -> Float[np.ndarray, "*batch 2"]:
    """Flat coordinates that the lens puts at `seen`: the inverse of `distort`, to about 1e-12.

    The radial part is inverted by Newton's method, safe because the radius only grows; the small tangential part by
    fixed-point iteration around it.
    """
    if not any(distortion):
        return seen
    flat = _undistort_radially(seen, distortion)
    for _ in range(12):
        radial = distort(flat, (*distortion[:2], 0.0, 0.0, distortion[4]))
        tangential = distort(flat, distortion) - radial
        following = _undistort_radially(seen - tangential, distortion)
        moved = float(np.max(np.abs(following - flat), initial=0.0))
        flat = following
        if moved < 1e-13:
            break
    return flat


@lru_cache(maxsize=64)
def model_end(distortion: Distortion) -> tuple[float, float]:
    """Flat radius where the polynomial is left for a straight line, and the slope it has there.

    The radius is the first at which the slope is `_END_SLOPE`, or `_FAR` where it never falls so low.
    """
    k1, k2, _, _, k3 = distortion
    # Slope 1 + 3 k1 s + 5 k2 s^2 + 7 k3 s^3 over s = r^2.
    roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1 - _END_SLOPE])
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    end = min(_FAR, float(np.sqrt(real.min()))) if len(real) else _FAR
    return end, float(_slope(end * end, distortion))


def _undistort_radially(seen: np.ndarray, distortion: Distortion) -> np.ndarray:
    end, slope = model_end(distortion)
    target = np.linalg.norm(seen, axis=-1)
    last = float(end * _factor(end * end, distortion))
    # A table gives a start so close that Newton's method converges from it.
    table = np.linspace(0.0, end, 4097)
    radius = np.interp(target, table * _factor(table * table, distortion), table)
    for _ in range(4):
        squared = radius * radius
        radius = radius - (radius * _factor(squared, distortion) - target) / _slope(squared, distortion)
        radius = np.clip(radius, 0.0, end)
    radius = np.where(target > last, end + (target - last) / slope, radius)
    # Near the axis the factor tends to 1.
    return seen * np.where(target > 1e-12, radius / np.maximum(target, 1e-12), 1.0)[..., None]


def _factor(squared: Any, distortion: Distortion) -> Any:
    k1, k2, _, _, k3 = distortion
    return 1 + squared * (k1 + squared * (k2 + squared * k3))


def _slope(squared: Any, distortion: Distortion) -> Any:
    k1, k2, _, _, k3 = distortion
    return 1 + squared * (3 * k1 + squared * (5 * k2 + squared * 7 * k3))
