"""What lies beyond the picture's borders, looked at coarsely: how much of a person the picture cuts off."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from carescene.rendering.camera import Camera

# Edge of a cell in pixels: sixteen times fewer rays, and a cut-off arm still weighs right to a few pixels.
_CELL: Final = 4
# How far to look, in pictures to every side. Of somebody close to the eye even more may be outside; it counts as unseen
# only up to here.
_REACH: Final = 1.0


@dataclass(frozen=True)
class Margin:
    """Cells around the picture, and where the picture would be among them.

    Attributes:
        across, down: borders of the columns and rows of cells, pixels.
        rays: through the middle of every cell, in the world, 1 m long along the view axis.
        pixels: how many pixels each cell stands for; 0 inside the picture.
    """

    across: Float[np.ndarray, "columns_and_1"]
    down: Float[np.ndarray, "rows_and_1"]
    rays: Float[np.ndarray, "row column 3"]
    pixels: Float[np.ndarray, "row column"]

    @classmethod
    def of(cls, camera: Camera) -> "Margin":
        """The surroundings of this camera's picture."""
        across, down = _borders(camera.width), _borders(camera.height)
        middles = np.stack(np.meshgrid(_middles(across), _middles(down)), axis=-1)
        pixels = np.outer(np.diff(down), np.diff(across))
        pixels[np.ix_(_inside(down, camera.height), _inside(across, camera.width))] = 0
        return cls(across, down, camera.rays(middles).astype(np.float32), pixels)

    def within(
        self, low: Float[np.ndarray, "2"], high: Float[np.ndarray, "2"]
    ) -> tuple[Float[np.ndarray, "ray 3"], Float[np.ndarray, "ray"]]:
        """Rays and pixel counts of the cells outside the picture that touch a box of pixels (x, y)."""
        columns = _touching(self.across, float(low[0]), float(high[0]))
        rows = _touching(self.down, float(low[1]), float(high[1]))
        pixels = self.pixels[rows, columns]
        outside = pixels > 0
        return self.rays[rows, columns][outside], pixels[outside]


def _borders(size: int) -> Float[np.ndarray, "border"]:
    reach = np.arange(0, _REACH * size, _CELL) + _CELL
    return np.concatenate([-reach[::-1], np.arange(0, size, _CELL), [size], size + reach]).astype(np.float64)


def _middles(borders: Float[np.ndarray, "border"]) -> Float[np.ndarray, "cell"]:
    return (borders[:-1] + borders[1:]) / 2


def _inside(borders: Float[np.ndarray, "border"], size: int) -> Bool[np.ndarray, "cell"]:
    middles = _middles(borders)
    return (middles > 0) & (middles < size)


def _touching(borders: Float[np.ndarray, "border"], low: float, high: float) -> slice:
    first, last = np.searchsorted(borders, [low, high], side="right")
    return slice(max(int(first) - 1, 0), max(int(last), 0))
