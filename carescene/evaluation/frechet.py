"""Distances between sets of feature vectors: Frechet distance, precision, recall, density, coverage and tail coverage.

All take features of a motion encoder, `(clip, feature)`; name the encoder beside every number. Distances between few
vectors are biased, so each comes with a floor: the same measure between two halves of the real set.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.errors import UserError

# Expected coverage between two samples of one distribution is 1 - 2^-k: 0.97 (Naeem et al. 2020).
NEIGHBOURS: Final = 5
# The tail: real clips whose surroundings are the emptiest twentieth.
TAIL: Final = 0.05


class Overlap(NamedTuple):
    """How two sets cover each other, each from 0 to 1 except density, which may be larger.

    precision: generated within the real set; recall: real within the generated set; density and coverage: the same
    with less weight on outliers (Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models").
    """

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(real: Float[Tensor, "n feature"], generated: Float[Tensor, "m feature"]) -> float:
    """Squared Frechet distance of Gaussians fitted to two sets ("FID", Heusel et al. 2017); see `gaussian_distance`.

    Covariances are those of samples (divided by n - 1), as in the field's code.

    Raises:
        UserError: fewer than two vectors in a set, different features, or values that are not finite.
    """
    _check(real, generated, 2)
    one, two = real.double(), generated.double()
    width = one.shape[1]
    return gaussian_distance(
        one.mean(0), torch.cov(one.T).reshape(width, width), two.mean(0), torch.cov(two.T).reshape(width, width)
    )


def gaussian_distance(
    mean: Float[Tensor, "feature"],
    covariance: Float[Tensor, "feature feature"],
    other_mean: Float[Tensor, "feature"],
    other_covariance: Float[Tensor, "feature feature"],
) -> float:
    """Squared Frechet distance of two Gaussians (Dowson and Landau 1982), also of singular ones.

    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^1/2. With S = R^T R from the eigenvalues of S, the last trace is the sum
    of the singular values of R1 R2^T: no root is taken of a rounded zero, nothing turns complex, and nothing needs to
    be added to a singular covariance, as the usual matrix root does.
    """
    one, two = _root(covariance.double()), _root(other_covariance.double())
    shared = torch.linalg.svdvals(one @ two.T).sum()
    offset = (mean.double() - other_mean.double()).square().sum()
    distance = offset + one.square().sum() + two.square().sum() - 2 * shared
    return float(distance.clamp(min=0))


def _root(covariance: Float[Tensor, "feature feature"]) -> Float[Tensor, "feature feature"]:
    """R with R^T R = S; directions that are empty up to rounding are left out."""
    values, vectors = torch.linalg.eigh(covariance)
    smallest = len(values) * torch.finfo(values.dtype).eps * values.abs().max()
    return values.where(values > smallest, 0.0).sqrt()[:, None] * vectors.T


def neighbour_radius(features: Float[Tensor, "n feature"], k: int = NEIGHBOURS) -> Float[Tensor, "n"]:
    """Distance of each vector to its k-th nearest neighbour within the set."""
    distances = torch.cdist(features, features)
    distances.fill_diagonal_(torch.inf)
    return distances.kthvalue(k, dim=1).values


def overlap(real: Float[Tensor, "n feature"], generated: Float[Tensor, "m feature"], k: int = NEIGHBOURS) -> Overlap:
    """Precision, recall, density and coverage of a generated set with k-nearest-neighbour balls.

    Raises:
        UserError: k or fewer vectors in a set, different features, or values that are not finite.
    """
    _check(real, generated, k + 1)
    real, generated = real.double(), generated.double()
    around_real, around_made = neighbour_radius(real, k), neighbour_radius(generated, k)
    distances = torch.cdist(real, generated)
    in_real = distances <= around_real[:, None]
    return Overlap(
        precision=float(in_real.any(0).double().mean()),
        recall=float((distances <= around_made).any(1).double().mean()),
        density=float(in_real.double().sum(0).mean() / k),
        coverage=float(in_real.any(1).double().mean()),
    )


def tail_of(features: Float[Tensor, "n feature"], share: float = TAIL, k: int = NEIGHBOURS) -> Bool[Tensor, "n"]:
    """The vectors in the emptiest surroundings: the `share` with the largest distance to their k-th neighbour."""
    radius = neighbour_radius(features.double(), k)
    count = max(1, round(share * len(features)))
    chosen = torch.zeros(len(features), dtype=torch.bool)
    chosen[radius.argsort(descending=True)[:count]] = True
    return chosen


def tail_coverage(
    real: Float[Tensor, "n feature"],
    generated: Float[Tensor, "m feature"],
    rare: Bool[Tensor, "n"] | None = None,
    k: int = NEIGHBOURS,
) -> float:
    """Share of the rare real vectors that have a generated one within the ball to their k-th real neighbour.

    Args:
        real: all real vectors; balls are measured among them.
        generated: vectors of generated clips.
        rare: which real vectors are the tail; by default the 5 % in the emptiest surroundings.
        k: neighbour that gives a ball its radius.

    Raises:
        UserError: too few vectors, or no rare ones.
    """
    _check(real, generated, k + 1)
    chosen = tail_of(real, k=k) if rare is None else rare
    if not bool(chosen.any()):
        raise UserError("Expected at least one rare real clip, but got none. Choose a larger tail.")
    radius = neighbour_radius(real.double(), k)[chosen]
    return float((torch.cdist(real.double()[chosen], generated.double()) <= radius[:, None]).any(1).double().mean())


def floor_of(
    measure: Callable[[Tensor, Tensor], float],
    real: Float[Tensor, "n feature"],
    generated_size: int,
    draws: int = 5,
    seed: int = 0,
) -> float:
    """A measure between two disjoint parts of the real set: the mean of some random splits.

    The second part is as large as the generated set, or half of the real one if that is smaller: the bias of small
    sets is then the same on both sides.
    """
    size = min(generated_size, len(real) // 2)
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(draws):
        order = torch.randperm(len(real), generator=generator)
        values.append(measure(real[order[size:]], real[order[:size]]))
    return sum(values) / draws


def _check(real: Tensor, generated: Tensor, least: int) -> None:
    if real.shape[1] != generated.shape[1]:
        raise UserError(
            f"Expected as many features in both sets, but got {real.shape[1]} and {generated.shape[1]}. "
            "They come from different encoders. Use one encoder for both."
        )
    if min(len(real), len(generated)) < least:
        raise UserError(
            f"Expected at least {least} clips in both sets, but got {len(real)} real and {len(generated)} generated. "
            "Generate or prepare more."
        )
    if not (bool(real.isfinite().all()) and bool(generated.isfinite().all())):
        raise UserError("Expected finite features, but got NaN or infinite ones. A clip holds broken poses; find it.")
