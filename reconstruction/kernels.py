"""Robust kernels: costs of squared distances in sigmas, and the weights that make them sums of squares again."""

import numpy as np
from jaxtyping import Float


def geman_mcclure(
    squares: Float[np.ndarray, "*batch"], width: float
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Cost c^2 s / (c^2 + s), which never passes c^2, and its weight (c^2 / (c^2 + s))^2 (Geman and McClure 1987)."""
    share = width**2 / (width**2 + squares)
    return share * squares, share**2


def soft_length(
    squares: Float[np.ndarray, "*batch"], width: float
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Cost that is a square up to `width` and linear beyond (pseudo-Huber; Charbonnier et al. 1997), and its weight."""
    root = np.sqrt(1 + squares / width**2)
    return 2 * width**2 * (root - 1), 1 / root


def student(
    squares: Float[np.ndarray, "*batch"], freedom: float
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Cost ν log(1 + s / ν) and its weight ν / (ν + s).

    That of a Student t distribution, but scaled so that small errors weigh as under a Gaussian.
    """
    return freedom * np.log1p(squares / freedom), freedom / (freedom + squares)
