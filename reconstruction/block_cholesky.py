"""Cholesky factors of symmetric matrices that couple each frame with the two before and after it.

Three frames make one block, so that the matrix is block-tridiagonal, and a block touches the last two frames of the
one before only. LAPACK factorises the blocks; time and memory grow linearly with the frames. A plain banded routine
(pbtrf) needs as many operations, but its triangular solves go column by column and cannot use matrix products, of which
the border of shared unknowns needs dozens. The matrix is factorised while it is made, block after block, so that it
never exists as a whole; of the factor, only the triangles are kept (LAPACK's rectangular full packed format).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.linalg import get_blas_funcs, get_lapack_funcs

# Frames of a block: with 3, the operations per frame are fewest.
BLOCK: Final = 3
_POTRF, _PACK, _UNPACK = get_lapack_funcs(("potrf", "trttf", "tfttr"), dtype=np.float64)
_TRSM, _SYRK = get_blas_funcs(("trsm", "syrk"), dtype=np.float64)
# A frame is coupled with so many later ones.
REACH: Final = 2


class NotPositiveError(ArithmeticError):
    """The matrix is not positive definite: more damping is needed."""


@dataclass
class BlockMatrix:
    """The lower half of a symmetric matrix over some frames, in blocks of three.

    Attributes:
        diagonal: `(block, 3 d, 3 d)`; only the lower triangles are read.
        coupling: `(block, 2 d, 2 d)` of the first two frames of the next block (rows) with the last two frames of this
            one (columns); the last entry is not used.
    """

    diagonal: Float[np.ndarray, "block row row"]
    coupling: Float[np.ndarray, "block edge edge"]

    @classmethod
    def zeros(cls, frames: int, size: int) -> "BlockMatrix":
        """An empty matrix for so many frames of `size` unknowns each; the last block may hold more."""
        blocks = -(-frames // BLOCK)
        row, edge = BLOCK * size, REACH * size
        return cls(np.zeros((blocks, row, row)), np.zeros((blocks, edge, edge)))

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


class BlockFactor:
    """Cholesky factor of a matrix that is given block by block.

    Args:
        frames: how many the matrix will have.
        size: unknowns of a frame.
    """

    def __init__(self, frames: int, size: int) -> None:
        self.frames, self.size, self._done = frames, size, 0
        blocks, row = -(-frames // BLOCK), BLOCK * size
        self._triangles = np.empty((blocks, row * (row + 1) // 2))
        self._coupling = np.empty((max(blocks - 1, 0), REACH * size, REACH * size))

    def __len__(self) -> int:
        return len(self._triangles)

    def append(self, diagonal: Float[np.ndarray, "row row"], coupling: Float[np.ndarray, "edge edge"]) -> None:
        """Factorise the next block; it is written over.

        Args:
            diagonal: lower triangle of the block.
            coupling: of the first two frames of the block after it (rows) with the last two of this one (columns);
                that of the last block is not used.

        Raises:
            NotPositiveError: if the matrix is not positive definite.
        """
        at, edge = self._done, REACH * self.size
        if at:
            # What the blocks before know of this one's first frames; only the triangle that is read is right.
            diagonal[:edge, :edge] -= _SYRK(1.0, self._coupling[at - 1].T, trans=1).T
        # Row-major storage seen as column-major is the transpose: LAPACK's upper triangle is our lower one, in place.
        turned = diagonal.T
        _, info = _POTRF(turned, lower=0, clean=0, overwrite_a=1)
        if info:
            raise NotPositiveError(f"block {at} is not positive definite")
        self._triangles[at], _ = _PACK(turned)
        if at < len(self._coupling):
            self._coupling[at] = _TRSM(1.0, turned[-edge:, -edge:], coupling.T, lower=0, trans_a=1, overwrite_b=1).T
        self._done += 1

    def forward(self, right: Float[np.ndarray, "block row column"], first: int, stop: int) -> None:
        """Solve L y = right for some blocks, in place; the blocks before must have been solved."""
        edge = REACH * self.size
        for block in range(first, stop):
            if block:
                right[block, :edge] -= self._coupling[block - 1] @ right[block - 1, -edge:]
            # From the right side, the transposed rows are column-major and need no copy.
            _TRSM(1.0, self._turned(block), right[block].T, side=1, lower=0, overwrite_b=1)

    def backward(self, right: Float[np.ndarray, "block row column"]) -> None:
        """Solve L' x = right for all blocks, in place."""
        edge = REACH * self.size
        for block in reversed(range(len(self))):
            if block < len(self._coupling):
                right[block, -edge:] -= self._coupling[block].T @ right[block + 1, :edge]
            _TRSM(1.0, self._turned(block), right[block].T, side=1, lower=0, trans_a=1, overwrite_b=1)

    def inverse_diagonal(self) -> Float[np.ndarray, "frame size size"]:
        """The blocks of single frames on the diagonal of the inverse.

        Backward recursion (Takahashi, Fagan and Chin 1973): the inverse's block of a given one is what it would be
        without later blocks, plus what is unknown about the next block's first frames, carried back.
        """
        size, edge = self.size, REACH * self.size
        result = np.empty((len(self) * BLOCK, size, size))
        following, identity = np.zeros((edge, edge)), np.eye(BLOCK * size)
        for block in reversed(range(len(self))):
            inverse = _TRSM(1.0, self._turned(block), identity, lower=0)
            whole = inverse @ inverse.T
            if block < len(self._coupling):
                carried = inverse[:, -edge:] @ self._coupling[block].T
                whole += carried @ following @ carried.T
            following = whole[:edge, :edge]
            for frame in range(BLOCK):
                at = slice(frame * size, (frame + 1) * size)
                result[block * BLOCK + frame] = whole[at, at]
        return result[: self.frames]

    def _turned(self, block: int) -> Float[np.ndarray, "row row"]:
        return _UNPACK(BLOCK * self.size, self._triangles[block])[0]
