"""Sums of J^T W J and J^T W r over frames, for rows that touch one frame and rows that touch up to three."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from reconstruction.block_cholesky import REACH


class ChunkEquations:
    """H δ = -slope of some frames of one person's chain and the two after them.

    The terms add to it and need not know what becomes of it.

    Attributes:
        squares: H of frames with themselves and with the first and second frame after them: row t + later, column t.
        border: frames' unknowns (rows) with those that all frames share.
        corner: shared unknowns among themselves.
        slope, shared_slope: gradient of the energy.

    Args:
        start: first frame.
        frames: how many frames the chunk owns.
        size: unknowns of a frame.
        shared: shared unknowns.
    """

    def __init__(self, start: int, frames: int, size: int, shared: int) -> None:
        self.start, self.frames = start, frames
        self.squares = np.zeros((REACH + 1, frames + REACH, size, size))
        self.border = np.zeros((frames + REACH, size, shared))
        self.corner = np.zeros((shared, shared))
        self.slope = np.zeros((frames + REACH, size))
        self.shared_slope = np.zeros(shared)

    def add_rows(
        self,
        rows: Float[np.ndarray, "frame row variable"],
        residual: Float[np.ndarray, "frame row"],
        weight: Float[np.ndarray, "frame row"],
        shared: Float[np.ndarray, "frame row shared"],
        columns: Int[np.ndarray, "shared"],
        *,
        majorise: float | int = 1,
    ) -> None:
        """Add residuals of single frames.

        Args:
            rows: slopes in the frame's unknowns.
            weight: one over the variance, times that of the kernel.
            shared: slopes in those shared unknowns that `columns` names.
            majorise: factor on the curvature alone, where slopes in unknowns of others are left out.
        """
        count = len(rows)
        weighted = rows * weight[..., None]
        turned = weighted.swapaxes(1, 2)
        self.squares[0, :count] += majorise * (turned @ rows)
        self.slope[:count] += (turned @ residual[..., None])[..., 0]
        self.border[:count, :, columns] += turned @ shared
        self._add_shared(shared, residual, weight, columns)

    def add_differences(
        self,
        rows: Float[np.ndarray, "all_frames row variable"],
        shared: Float[np.ndarray, "all_frames row shared"],
        factors: Float[np.ndarray, "frame reach"],
        residual: Float[np.ndarray, "frame row"],
        weight: Float[np.ndarray, "frame row"],
        columns: Int[np.ndarray, "shared"],
        direct: Float[np.ndarray, "frame row shared"] | float = 0.0,
    ) -> None:
        """Add residuals that are weighted sums of a quantity in consecutive frames: r_t = sum_a factors_ta q_(t+a).

        Args:
            rows: slopes of q in each frame's unknowns, for the chunk's frames and two more.
            shared: slopes of q in those shared unknowns that `columns` names.
            factors: of the quantity in this frame and the following ones.
            direct: further slopes of the residuals themselves in those shared unknowns.
        """
        count, reach = factors.shape
        spread = np.zeros((reach, len(rows), rows.shape[1]))
        force = np.zeros((len(rows), rows.shape[1]))
        together = np.zeros((count, *shared.shape[1:])) + direct
        pull = np.zeros_like(shared)
        for a in range(reach):
            together += factors[:, a, None, None] * shared[a : a + count]
        for a in range(reach):
            weighted = factors[:, a, None] * weight
            force[a : a + count] += weighted * residual
            pull[a : a + count] += weighted[..., None] * together
            for b in range(a, reach):
                spread[b - a, a : a + count] += weighted * factors[:, b, None]
        for later in range(reach):
            # Row t + later, column t.
            number = len(rows) - later
            weighted = rows[later:] * spread[later, :number, :, None]
            self.squares[later, :number] += weighted.swapaxes(1, 2) @ rows[:number]
        self.slope[: len(rows)] += (rows.swapaxes(1, 2) @ force[..., None])[..., 0]
        self.border[: len(rows), :, columns] += rows.swapaxes(1, 2) @ pull
        self._add_shared(together, residual, weight, columns)

    def _add_shared(self, shared: np.ndarray, residual: np.ndarray, weight: np.ndarray, columns: np.ndarray) -> None:
        flat = shared.reshape(-1, shared.shape[-1])
        weighted = flat * weight.reshape(-1, 1)
        self.corner[columns[:, None], columns] += weighted.T @ flat
        self.shared_slope[columns] += weighted.T @ residual.reshape(-1)


@runtime_checkable
class Collector(Protocol):
    """Takes one person's chain of equations, chunk after chunk.

    Attributes:
        corner, shared_slope: curvature and gradient of the shared unknowns so far; priors are added there.
    """

    corner: Float[np.ndarray, "shared shared"]
    shared_slope: Float[np.ndarray, "shared"]

    def add(self, chunk: ChunkEquations) -> None:
        """Take the next chunk."""
        ...
