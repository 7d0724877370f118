"""The variational bound of the chain, term by term (Ho et al. 2020, eq. 5).

    -log p(x_0) <= KL(q(x_T | x_0) || N(0, I))                                    prior
                 + sum over t = 2..T of KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))   steps
                 - log p(x_0 | x_1)                                               decoder

p(x_{t-1} | x_t) is the true posterior with the network's estimate in the place of x_0, so each step's KL is a squared
error of that estimate. All terms are in nats, summed over the features of a vector.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diffusion.process import DiffusionProcess

# x_t and its levels -> estimate of x_0
PredictX0 = Callable[[Tensor, Tensor], Tensor]


class Bound(NamedTuple):
    """The terms of the variational bound of each vector, in nats."""

    prior: Float[Tensor, "*batch"]
    steps: Float[Tensor, "level *batch"]  # t = 2 .. T
    decoder: Float[Tensor, "*batch"]

    @property
    def total(self) -> Float[Tensor, "*batch"]:
        """The bound on -log p(x_0), nats."""
        return self.prior + self.steps.sum(0) + self.decoder


def bits_per_dim(nats: Float[Tensor, "*batch"], dim: int) -> Float[Tensor, "*batch"]:
    """Nats of a vector as bits per number."""
    return nats / (dim * math.log(2))


def gaussian_kl(
    mean_q: Float[Tensor, "*batch dim"],
    variance_q: Float[Tensor, "*batch #dim"],
    mean_p: Float[Tensor, "*batch dim"],
    variance_p: Float[Tensor, "*batch #dim"],
) -> Float[Tensor, "*batch"]:
    """KL(N(mean_q, variance_q) || N(mean_p, variance_p)) of diagonal Gaussians, nats, summed over features."""
    ratio = variance_q / variance_p
    per_feature = 0.5 * (ratio - 1 - ratio.log() + (mean_q - mean_p) ** 2 / variance_p)
    return per_feature.expand_as(mean_q).sum(-1)


def prior_kl(process: DiffusionProcess, x0: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
    """KL(q(x_T | x_0) || N(0, I)), nats: what the end of the chain still knows of x_0."""
    last = torch.full(x0.shape[:-1], process.steps, device=x0.device)
    mean, variance = process.q_mean_variance(x0, last)
    return gaussian_kl(mean, variance, torch.zeros_like(mean), torch.ones_like(variance))


def step_kl(
    process: DiffusionProcess,
    x0: Float[Tensor, "*batch dim"],
    x0_estimate: Float[Tensor, "*batch dim"],
    x_t: Float[Tensor, "*batch dim"],
    t: Int[Tensor, "*batch"],
    variance: Literal["small", "large"] = "small",
) -> Float[Tensor, "*batch"]:
    """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) for t >= 2, nats.

    Args:
        variance: of p; `small` is the true posterior's (optimal for data that is a single point), `large` is beta_t
            (optimal for data that is N(0, I)), the two choices of Ho et al. 2020, section 3.2.
    """
    mean_q, variance_q = process.posterior(x0, x_t, t)
    mean_p, _ = process.posterior(x0_estimate, x_t, t)
    beta = (1 - process.alpha_bar[t] / process.alpha_bar[t - 1])[..., None].to(variance_q)
    return gaussian_kl(mean_q, variance_q, mean_p, variance_q if variance == "small" else beta)


def decoder_nll(
    process: DiffusionProcess,
    x0: Float[Tensor, "*batch dim"],
    x0_estimate: Float[Tensor, "*batch dim"],
    bin_width: float | None = None,
) -> Float[Tensor, "*batch"]:
    """-log p(x_0 | x_1), nats, of a Gaussian around the estimate with variance beta_1.

    Args:
        bin_width: None gives a density (bits then depend on the units of x_0). A width gives the probability of the
            bin around x_0 (Ho et al. 2020, eq. 13, for pixels): true bits for data known to that precision.
    """
    sigma = (1 - process.alpha_bar[1]).sqrt().to(x0)
    deviation = (x0 - x0_estimate) / sigma
    if bin_width is None:
        return (0.5 * deviation**2 + sigma.log() + 0.5 * math.log(2 * math.pi)).sum(-1)
    half = bin_width / (2 * sigma)
    # By symmetry the bin is put on the negative side, where differences of log_ndtr keep their digits.
    upper = torch.special.log_ndtr(-deviation.abs() + half)
    lower = torch.special.log_ndtr(-deviation.abs() - half)
    return -(upper + torch.log1p(-torch.exp(lower - upper))).sum(-1)


@torch.no_grad()
def variational_bound(
    process: DiffusionProcess,
    predict_x0: PredictX0,
    x0: Float[Tensor, "*batch dim"],
    generator: torch.Generator | None = None,
    variance: Literal["small", "large"] = "small",
    bin_width: float | None = None,
) -> Bound:
    """Every term of the bound of given vectors, with one Monte Carlo sample of x_t per term (T evaluations)."""

    def diffused(t: int) -> tuple[Tensor, Tensor, Tensor]:
        level = torch.full(x0.shape[:-1], t, device=x0.device)
        noise = torch.randn(x0.shape, dtype=x0.dtype, device=x0.device, generator=generator)
        x_t = process.q_sample(x0, level, noise)
        return level, x_t, predict_x0(x_t, level)

    steps = []
    for t in range(2, process.steps + 1):
        level, x_t, estimate = diffused(t)
        steps.append(step_kl(process, x0, estimate, x_t, level, variance))
    estimate = diffused(1)[2]
    return Bound(prior_kl(process, x0), torch.stack(steps), decoder_nll(process, x0, estimate, bin_width))
