"""The block-banded factorisation against dense linear algebra."""

import numpy as np
import pytest

from reconstruction.block_cholesky import BLOCK, BlockFactor, BlockMatrix, NotPositiveError


def made(frames: int, size: int) -> tuple[BlockMatrix, np.ndarray]:
    """A matrix with couplings of up to two frames, in both forms; it is added in two pieces, as chunks do."""
    rng = np.random.default_rng(frames)
    matrix, full = BlockMatrix.zeros(frames, size), np.zeros((frames * size, frames * size))
    for later in range(min(3, frames)):
        values = 0.3 * rng.standard_normal((frames - later, size, size))
        if later == 0:
            values = values @ values.swapaxes(1, 2) + 4 * np.eye(size)
        split = min(4, len(values))
        matrix.add(0, later, values[:split])
        matrix.add(split, later, values[split:])
        for frame, value in enumerate(values):
            row, column = (frame + later) * size, frame * size
            full[row : row + size, column : column + size] = value
    return matrix, np.tril(full) + np.tril(full, -1).T


def factorised(matrix: BlockMatrix, frames: int, size: int) -> BlockFactor:
    """Block by block, with ones on the diagonal of frames that fill up the last block."""
    factor, filling = BlockFactor(frames, size), np.arange((frames - 1) % BLOCK * size + size, BLOCK * size)
    matrix.diagonal[-1, filling, filling] = 1.0
    for block, coupling in zip(matrix.diagonal, matrix.coupling, strict=True):
        factor.append(block, coupling)
    return factor


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 11])
def test_equals_dense(frames: int) -> None:
    size = 5
    matrix, full = made(frames, size)
    factor = factorised(matrix, frames, size)
    blocks = len(matrix.diagonal)
    known = np.zeros((blocks, BLOCK * size, 4))
    flat = known.reshape(-1, 4)
    right = np.random.default_rng(1).standard_normal((frames * size, 4))
    flat[: len(right)] = right
    split = blocks // 2
    factor.forward(known, 0, split)
    factor.forward(known, split, blocks)
    np.testing.assert_allclose(flat[: len(right)], np.linalg.solve(np.linalg.cholesky(full), right), atol=1e-12)
    factor.backward(known)
    np.testing.assert_allclose(flat[: len(right)], np.linalg.solve(full, right), atol=1e-12)
    inverse = np.linalg.inv(full)
    parts = [inverse[at : at + size, at : at + size] for at in range(0, frames * size, size)]
    np.testing.assert_allclose(factor.inverse_diagonal(), parts, atol=1e-12)


def test_refuses_what_is_not_positive() -> None:
    matrix, _ = made(7, 3)
    matrix.diagonal[1, 4, 4] = -1.0
    with pytest.raises(NotPositiveError):
        factorised(matrix, 7, 3)
