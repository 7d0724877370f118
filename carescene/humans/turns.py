"""Rotation vectors and matrices, and how the vector changes with a small turn; numpy, double."""

from typing import Final

import numpy as np
from jaxtyping import Float

# Below this angle in radians a turn is none, so that nothing is divided by it.
_NO_TURN: Final = 1e-8


def exp_turn(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices of rotation vectors in radians (Rodrigues' formula)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    safe = np.maximum(angle, _NO_TURN)
    cross = cross_matrix(vectors)
    return np.eye(3) + np.sinc(angle / np.pi) * cross + (1 - np.cos(safe)) / safe**2 * (cross @ cross)


def log_turn(matrices: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Rotation vectors in radians, of length at most pi, of rotation matrices.

    By quaternions, which stay exact near half a turn (Shepperd 1978).
    """
    m = matrices
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    # Four times the square of w, x, y and z; the largest of them is the safe one to divide by.
    squares = np.stack([1 + trace, *(1 - trace + 2 * m[..., k, k] for k in range(3))], axis=-1)
    best = squares.argmax(axis=-1)
    odd = [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]]
    even = [m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]]
    w, x, y, z = np.moveaxis(squares, -1, 0)
    table = [
        [w, odd[0], odd[1], odd[2]],
        [odd[0], x, even[0], even[1]],
        [odd[1], even[0], y, even[2]],
        [odd[2], even[1], even[2], z],
    ]
    quaternion = np.stack([np.choose(best, [table[row][column] for row in range(4)]) for column in range(4)], axis=-1)
    quaternion /= np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion *= np.where(quaternion[..., :1] < 0, -1.0, 1.0)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    # Twice the half angle over its sine, which goes to 2 without a turn.
    factor = np.where(sine > _NO_TURN, 2 * np.arctan2(sine, quaternion[..., :1]) / np.maximum(sine, _NO_TURN), 2.0)
    return factor * quaternion[..., 1:]


def cross_matrix(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Matrices that take the cross product with these vectors from the left."""
    matrix = np.zeros((*vectors.shape, 3))
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    matrix[..., 0, 1], matrix[..., 0, 2], matrix[..., 1, 2] = -z, y, -x
    matrix[..., 1, 0], matrix[..., 2, 0], matrix[..., 2, 1] = z, -y, x
    return matrix


def log_slope(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Change of a rotation vector v with a small turn w on the right of exp(v): the inverse right Jacobian of SO(3).

    Its transpose is the change with a turn on the left (Sola et al. 2018, "A micro Lie theory", eq. 144).
    Vectors may be longer than half a turn, up to a whole one.
    """
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    safe = np.clip(angle, 1e-4, 2 * np.pi - 1e-6)
    factor = np.where(angle < 1e-3, 1 / 12 + angle**2 / 720, 1 / safe**2 - 1 / (2 * safe * np.tan(safe / 2)))
    cross = cross_matrix(vectors)
    return np.eye(3) + cross / 2 + factor * (cross @ cross)
