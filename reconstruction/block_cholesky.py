"""Cholesky factors of symmetric matrices that couple each frame with the two before and after it.

Three frames make one block, so that the matrix is block-tridiagonal, and a block touches the last two frames of the
one before only. LAPACK factorises the blocks; time and memory grow linearly with the frames. A plain banded routine
(pbtrf) needs as many operations, but its triangular solves go column by column and cannot use matrix products, of which
the border of shared unknowns needs dozens.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.linalg import get_blas_funcs, get_lapack_funcs

# Frames of a block: with 3, the operations per frame are fewest.
BLOCK: Final = 3
_POTRF: Final = get_lapack_funcs(("potrf",), dtype=np.float64)[0]
_TRSM: Final = get_blas_funcs(("trsm",), dtype=np.float64)[0]
# A frame is coupled with so many later ones.
REACH: Final = 2


class NotPositiveError(ArithmeticError):
    """The matrix is not positive definite: more damping is needed."""


@dataclass
class BlockMatrix:
    """The lower half of a symmetric matrix over frames, in blocks of three.

    Attributes:
        diagonal: `(block, 3 d, 3 d)`; only the lower triangles are read.
        coupling: `(block, 2 d, 2 d)` of the first two frames of the next block (rows) with the last two frames of this
            one (columns); the last entry is not used.
        frames: how many frames are real; those that fill up the last block have ones on the diagonal.
    """

    diagonal: Float[np.ndarray, "block row row"]
    coupling: Float[np.ndarray, "block edge edge"]
    frames: int

    @classmethod
    def zeros(cls, frames: int, size: int) -> "BlockMatrix":
        """An empty matrix for so many frames of `size` unknowns each."""
        blocks = -(-frames // BLOCK)
        matrix = cls(
            np.zeros((blocks, BLOCK * size, BLOCK * size)), np.zeros((blocks, REACH * size, REACH * size)), frames
        )
        for filling in range(frames, blocks * BLOCK):
            start = (filling % BLOCK) * size
            index = np.arange(start, start + size)
            matrix.diagonal[-1, index, index] = 1.0
        return matrix

    @property
    def size(self) -> int:
        """Unknowns of a frame."""
        return self.diagonal.shape[1] // BLOCK

    def add(self, start: int, later: int, values: Float[np.ndarray, "frame size size"]) -> None:
        """Add couplings of frames from `start` on (columns) with those `later` (0, 1 or 2) frames after them (rows)."""
        size, blocks = self.size, len(self.diagonal)
        diagonal = self.diagonal.reshape(blocks, BLOCK, size, BLOCK, size)
        coupling = self.coupling.reshape(blocks, REACH, size, REACH, size)
        for phase in range(BLOCK):
            first = (phase - start) % BLOCK
            part = values[first::BLOCK]
            if not len(part):
                continue
            block = (start + first) // BLOCK
            rows = slice(block, block + len(part))
            if phase + later < BLOCK:
                diagonal[rows, phase + later, :, phase] += part
            else:
                coupling[rows, phase + later - BLOCK, :, phase - 1] += part

    def diagonal_entries(self) -> Float[np.ndarray, "block row"]:
        """The diagonal, as a view that can be written to."""
        return np.einsum("bii->bi", self.diagonal)

    def dense(self) -> Float[np.ndarray, "unknown unknown"]:
        """The whole matrix, for checks."""
        blocks, row, edge = len(self.diagonal), self.diagonal.shape[1], self.coupling.shape[1]
        full = np.zeros((blocks * row, blocks * row))
        for block in range(blocks):
            at = block * row
            full[at : at + row, at : at + row] = np.tril(self.diagonal[block])
            if block + 1 < blocks:
                full[at + row : at + row + edge, at + row - edge : at + row] = self.coupling[block]
        full += np.tril(full, -1).T
        return full[: self.frames * self.size, : self.frames * self.size]


def factorise(matrix: BlockMatrix) -> BlockMatrix:
    """Cholesky factor, written over the matrix.

    Raises:
        NotPositiveError: if the matrix is not positive definite.
    """
    edge = matrix.coupling.shape[1]
    blocks = len(matrix.diagonal)
    for block in range(blocks):
        # Row-major storage seen as column-major is the transpose: LAPACK's upper triangle is our lower one, in place.
        turned = matrix.diagonal[block].T
        _, info = _POTRF(turned, lower=0, clean=0, overwrite_a=1)
        if info:
            raise NotPositiveError(f"block {block} is not positive definite")
        if block + 1 < blocks:
            reached = _TRSM(1.0, turned[-edge:, -edge:], matrix.coupling[block].T, lower=0, trans_a=1)
            matrix.coupling[block] = reached.T
            matrix.diagonal[block + 1, :edge, :edge] -= reached.T @ reached
    return matrix


def solve_blocks(
    factor: BlockMatrix, right: Float[np.ndarray, "unknown column"]
) -> Float[np.ndarray, "unknown column"]:
    """Solution of A x = right for a factor from `factorise`; rows in the order of frames."""
    blocks, row, edge = len(factor.diagonal), factor.diagonal.shape[1], factor.coupling.shape[1]
    filled = np.zeros((blocks, row, right.shape[1]))
    filled.reshape(blocks * row, -1)[: len(right)] = right
    for block in range(blocks):
        if block:
            filled[block, :edge] -= factor.coupling[block - 1] @ filled[block - 1, -edge:]
        filled[block] = _TRSM(1.0, factor.diagonal[block].T, filled[block], lower=0, trans_a=1)
    for block in reversed(range(blocks)):
        if block + 1 < blocks:
            filled[block, -edge:] -= factor.coupling[block].T @ filled[block + 1, :edge]
        filled[block] = _TRSM(1.0, factor.diagonal[block].T, filled[block], lower=0)
    return filled.reshape(blocks * row, -1)[: len(right)]


def inverse_diagonal(factor: BlockMatrix) -> Float[np.ndarray, "frame size size"]:
    """The blocks of single frames on the diagonal of the inverse, from a factor made by `factorise`.

    Backward recursion over the blocks (Takahashi, Fagan and Chin 1973): the inverse's block of a given one is what it
    would be without later blocks, plus what is unknown about the next block's first frames, carried back.
    """
    blocks, row, edge, size = len(factor.diagonal), factor.diagonal.shape[1], factor.coupling.shape[1], factor.size
    result = np.empty((blocks * BLOCK, size, size))
    following = np.zeros((edge, edge))
    identity = np.eye(row)
    for block in reversed(range(blocks)):
        inverse = _TRSM(1.0, factor.diagonal[block].T, identity, lower=0)
        whole = inverse @ inverse.T
        if block + 1 < blocks:
            carried = inverse[:, -edge:] @ factor.coupling[block].T
            whole += carried @ following @ carried.T
        following = whole[:edge, :edge]
        for frame in range(BLOCK):
            at = slice(frame * size, (frame + 1) * size)
            result[block * BLOCK + frame] = whole[at, at]
    return result[: factor.frames]
