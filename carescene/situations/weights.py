"""Importance weights: from what was oversampled back to how often it really happens."""

import numpy as np
from jaxtyping import Float


def self_normalised(values: list[str], weights: Float[np.ndarray, "clip"]) -> dict[str, float]:
    """Share of each value among clips that count by their weights: sum of w over clips with it, over the sum of w.

    The self-normalised importance sampling estimate (Owen 2013, "Monte Carlo theory, methods and examples", ch. 9).
    """
    total = float(weights.sum())
    return {
        value: float(weights[np.array([each == value for each in values])].sum()) / total
        for value in dict.fromkeys(values)
    }


def standard_errors(values: list[str], weights: Float[np.ndarray, "clip"]) -> dict[str, float]:
    """Standard error of each share of `self_normalised`, for clips drawn independently (Owen 2013, equation 9.9).

    Draws of a Sobol sequence err less.
    """
    total = float(weights.sum())
    return {
        value: float(np.sqrt((weights**2 * (np.array([each == value for each in values]) - share) ** 2).sum())) / total
        for value, share in self_normalised(values, weights).items()
    }


def effective_size(weights: Float[np.ndarray, "clip"]) -> float:
    """How many equally weighted clips tell as much: (sum w)^2 / sum w^2 (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum())
