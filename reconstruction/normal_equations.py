"""Sums of J^T W J and J^T W r over frames, for rows that touch one frame and rows that touch up to three."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from reconstruction.block_cholesky import REACH, BlockMatrix


@dataclass
class NormalEquations:
    """H δ = -slope of one person's chain of frames with a border of unknowns that all frames share.

    Attributes:
        matrix: of the frames' own unknowns.
        border: frames' unknowns (rows) with shared ones.
        corner: shared unknowns among themselves.
        slope, shared_slope: gradient of the energy.
    """

    matrix: BlockMatrix
    border: Float[np.ndarray, "frame variable shared"]
    corner: Float[np.ndarray, "shared shared"]
    slope: Float[np.ndarray, "frame variable"]
    shared_slope: Float[np.ndarray, "shared"]

    @classmethod
    def zeros(cls, frames: int, size: int, shared: int) -> "NormalEquations":
        """Empty equations."""
        return cls(
            BlockMatrix.zeros(frames, size),
            np.zeros((frames, size, shared)),
            np.zeros((shared, shared)),
            np.zeros((frames, size)),
            np.zeros(shared),
        )

    def add(self, chunk: "ChunkEquations") -> None:
        """Add what a chunk of frames gave."""
        frames = self.matrix.frames
        at = slice(chunk.start, min(chunk.start + len(chunk.slope), frames))
        own = at.stop - at.start
        for later in range(REACH + 1):
            self.matrix.add(chunk.start, later, chunk.squares[later][: max(own - later, 0)])
        self.border[at] += chunk.border[:own]
        self.slope[at] += chunk.slope[:own]
        self.corner += chunk.corner
        self.shared_slope += chunk.shared_slope


class ChunkEquations:
    """The same for some frames and the two after them, so that the terms need not know about blocks.

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
