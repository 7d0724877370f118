"""Elimination of one person's frames from the equations of the unknowns that all share."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from reconstruction.block_cholesky import BlockMatrix, factorise, solve_blocks
from reconstruction.normal_equations import NormalEquations

# Damping of unknowns of which nothing is known, as if something said so with 1 m or 1 rad.
_CURVATURE: Final = 1.0


@dataclass(frozen=True)
class ReducedChain:
    """What a chain says about the shared unknowns once its own are eliminated.

    Attributes:
        corner, slope: its share of the shared equations.
        carried: how far its own unknowns go back when the shared ones grow: A^-1 B.
        alone: its step if the shared unknowns stayed: -A^-1 b.
        factor: of A.
    """

    corner: Float[np.ndarray, "shared shared"]
    slope: Float[np.ndarray, "shared"]
    carried: Float[np.ndarray, "unknown shared"]
    alone: Float[np.ndarray, "unknown"]
    factor: BlockMatrix


def reduce_chain(equations: NormalEquations, columns: Int[np.ndarray, "column"], damping: float) -> ReducedChain:
    """Eliminate the frames' own unknowns of a chain (Schur complement); the matrix of `equations` is used up.

    Args:
        columns: shared unknowns that are free.
        damping: of the frames' unknowns, as a share of their curvature (Marquardt 1963).

    Raises:
        NotPositiveError: if the damped equations are not positive definite.
    """
    diagonal = equations.matrix.diagonal_entries()
    diagonal += damping * (diagonal + _CURVATURE)
    border = equations.border.reshape(-1, equations.border.shape[-1])[:, columns]
    right = np.concatenate([border, equations.slope.reshape(-1, 1)], axis=1)
    factor = factorise(equations.matrix)
    solved = solve_blocks(factor, right)
    carried, alone = solved[:, :-1], -solved[:, -1]
    corner = equations.corner[columns[:, None], columns] - border.T @ carried
    return ReducedChain(corner, equations.shared_slope[columns] + border.T @ alone, carried, alone, factor)
