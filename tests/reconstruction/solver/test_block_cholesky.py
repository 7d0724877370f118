"""The block-banded factorisation against dense linear algebra."""

import numpy as np
import pytest

from reconstruction.block_cholesky import BlockMatrix, NotPositiveError, factorise, inverse_diagonal, solve_blocks


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


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 11])
def test_equals_dense(frames: int) -> None:
    size = 5
    matrix, full = made(frames, size)
    np.testing.assert_allclose(matrix.dense(), full, atol=1e-14)
    right = np.random.default_rng(1).standard_normal((frames * size, 4))
    factor = factorise(matrix)
    np.testing.assert_allclose(solve_blocks(factor, right), np.linalg.solve(full, right), atol=1e-12)
    inverse = np.linalg.inv(full)
    blocks = [inverse[at : at + size, at : at + size] for at in range(0, frames * size, size)]
    np.testing.assert_allclose(inverse_diagonal(factor), blocks, atol=1e-12)


def test_refuses_what_is_not_positive() -> None:
    matrix, _ = made(7, 3)
    matrix.diagonal[1, 4, 4] = -1.0
    with pytest.raises(NotPositiveError):
        factorise(matrix)
