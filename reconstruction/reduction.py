"""Elimination of one person's frames from the equations of the unknowns that all share."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from reconstruction.block_cholesky import BLOCK, REACH, BlockFactor, BlockMatrix
from reconstruction.normal_equations import ChunkEquations
from reconstruction.window import NUM_SHARED

# Damping of unknowns of which nothing is known, as if something said so with 1 m or 1 rad.
_CURVATURE: Final = 1.0


@dataclass(frozen=True)
class ReducedChain:
    """What a chain says about the shared unknowns once its own are eliminated.

    Attributes:
        corner, slope: its share of the shared equations.
        carried: how far its own unknowns go back when the shared ones grow: A^-1 B.
        alone: its step if the shared unknowns stayed: -A^-1 b.
    """

    corner: Float[np.ndarray, "shared shared"]
    slope: Float[np.ndarray, "shared"]
    carried: Float[np.ndarray, "unknown shared"]
    alone: Float[np.ndarray, "unknown"]


class Elimination:
    """Takes a chain's equations chunk after chunk and eliminates the frames' own unknowns (Schur complement).

    What is complete is factorised at once: the whole matrix of a chain never exists, and the factor is the largest of
    all arrays.

    Attributes:
        factor: of the frames' damped equations, A.
        corner, shared_slope: equations of all shared unknowns among themselves so far.

    Args:
        frames: of the chain.
        size: unknowns of a frame.
        columns: shared unknowns that are free.
        damping: of the frames' unknowns, as a share of their curvature (Marquardt 1963).
    """

    def __init__(self, frames: int, size: int, columns: Int[np.ndarray, "column"], damping: float) -> None:
        self.factor, self.columns = BlockFactor(frames, size), columns
        self._damping = damping
        # Border and slope; then what solves them.
        self._right = np.zeros((len(self.factor), BLOCK * size, len(columns) + 1))
        self.corner, self.shared_slope = np.zeros((NUM_SHARED, NUM_SHARED)), np.zeros(NUM_SHARED)
        self._begun = np.zeros((BLOCK * size, BLOCK * size))

    def add(self, chunk: ChunkEquations) -> None:
        """Take the next chunk; all but the last hold whole blocks.

        Raises:
            NotPositiveError: if the damped equations are not positive definite.
        """
        factor, columns = self.factor, self.columns
        size, frames = factor.size, factor.frames
        own = min(frames - chunk.start, len(chunk.slope))
        over = chunk.start + chunk.frames >= frames
        matrix = BlockMatrix.zeros(own, size)
        matrix.diagonal[0] += self._begun
        for later in range(REACH + 1):
            matrix.add(0, later, chunk.squares[later][: max(own - later, 0)])
        rows = self._right.reshape(-1, size, len(columns) + 1)[chunk.start : chunk.start + own]
        rows[..., :-1] += chunk.border[:own][..., columns]
        rows[..., -1] += chunk.slope[:own]
        self.corner += chunk.corner
        self.shared_slope += chunk.shared_slope
        complete = len(matrix.diagonal) if over else chunk.frames // BLOCK
        diagonal = np.einsum("bii->bi", matrix.diagonal[:complete])
        diagonal += self._damping * (diagonal + _CURVATURE)
        if over:
            # Frames that fill up the last block.
            diagonal[-1, (own - 1) % BLOCK * size + size :] = 1.0
        else:
            self._begun = matrix.diagonal[complete].copy()
        first = chunk.start // BLOCK
        for block in range(complete):
            factor.append(matrix.diagonal[block], matrix.coupling[block])
            factor.forward(self._right, first + block, first + block + 1)

    def finish(self) -> ReducedChain:
        """The shared equations and the chain's own solution, once all chunks are in."""
        width, count = len(self.columns), self.factor.frames * self.factor.size
        flat = self._right.reshape(-1, width + 1)
        # With y = L^-1 b, b' A^-1 b is y' y.
        known = flat[:, :width].T @ flat
        self.factor.backward(self._right)
        corner = self.corner[self.columns[:, None], self.columns] - known[:, :width]
        return ReducedChain(
            corner, self.shared_slope[self.columns] - known[:, width], flat[:count, :width], -flat[:count, width]
        )
