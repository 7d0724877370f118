"""All places where a set of points fits between the furniture: one correlation for each turn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.scenes.scene import Scene
from carescene.scenes.walkable import walkable_grid

_CELL_M: Final = 0.05
# A point and the middle of the cell it falls into are at most half a cell's diagonal apart.
_ROUNDING_M: Final = _CELL_M * 2**0.5 / 2


@dataclass(frozen=True)
class FreePlaces:
    """Ground of one room, prepared for `fitting_moves`.

    Attributes:
        origin: of cell (0, 0) in the world, metres.
        size: rows and columns.
        spectra: for each class of points, the transform of where its points may not be.
    """

    origin: Float[np.ndarray, "2"]
    size: tuple[int, int]
    spectra: list[np.ndarray]

    @classmethod
    def of(cls, scene: Scene, radii_m: list[float], folder: Path | None = None) -> "FreePlaces":
        """Ground where points of each class keep their radius from furniture and walls.

        Args:
            folder: where the scene's file lies, to which the names of its meshes are relative.
        """
        grids = [walkable_grid(scene, radius + _ROUNDING_M, _CELL_M, folder=folder) for radius in radii_m]
        # Beyond the edge nothing is free: it is not asked for, since whole point sets must stay on the grid.
        blocked = [np.fft.rfft2((~grid.free).astype(np.float32)) for grid in grids]
        return cls(np.array(grids[0].origin), grids[0].free.shape, blocked)  # pyright: ignore[reportArgumentType]

    def fitting_moves(self, classes: list[Float[np.ndarray, "_ 2"]]) -> Float[np.ndarray, "move 2"]:
        """All moves (on a grid of 5 cm) that bring every point of every class to where it may be.

        The number of points that fall on blocked cells is a correlation, so it is found for all moves at once.
        """
        cells = [np.unique(np.round(points / _CELL_M).astype(int), axis=0) for points in classes]
        low = np.concatenate(cells).min(axis=0)
        span = np.concatenate(cells).max(axis=0) - low + 1
        rows, columns = self.size
        if span[1] > rows or span[0] > columns:
            return np.zeros((0, 2))
        hits = np.zeros((rows - span[1] + 1, columns - span[0] + 1))
        for spectrum, points in zip(self.spectra, cells, strict=True):
            mask = np.zeros(self.size, dtype=np.float32)
            mask[points[:, 1] - low[1], points[:, 0] - low[0]] = 1
            found = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(mask)), s=self.size)
            hits += found[: hits.shape[0], : hits.shape[1]]
        row, column = np.nonzero(hits < 0.5)
        return self.origin + _CELL_M * (np.stack([column, row], axis=1) - low)


def turned(points: Float[np.ndarray, "*batch 2"], yaw: float) -> Float[np.ndarray, "*batch 2"]:
    """Points of a plane turned counter-clockwise about its origin."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[cos, sin], [-sin, cos]])


def thinned(points: Float[np.ndarray, "point 2"], step_m: float = 0.02) -> Float[np.ndarray, "kept 2"]:
    """One point of each cell of this size: enough for coarse questions, and far fewer."""
    _, first = np.unique(np.round(points / step_m).astype(int), axis=0, return_index=True)
    return points[np.sort(first)]
