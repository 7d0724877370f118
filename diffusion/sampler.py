"""Samplers: from pure noise to motion, in as many steps as one likes.

One step goes from level t to level s < t given an estimate of x_0. The three rules are pure functions; `sample_chain`
strings them together and keeps known tokens as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.errors import UserError
from diffusion.process import DiffusionProcess, expand_levels

SamplerName = Literal["ddpm", "ddim", "dpmpp"]
Spacing = Literal["trailing", "linspace"]

# Noisy motion and the level of each token -> estimate of x_0.
PredictX0 = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class SamplerConfig:
    """How to sample.

    Attributes:
        name: `ddpm` (ancestral, Ho et al. 2020), `ddim` (Song et al. 2021) or `dpmpp` (DPM-Solver++ second-order
            multistep, Lu et al. 2022), the default: the best of the three in few steps.
        steps: network evaluations; 1000 with `ddpm` is the full chain.
        eta: share of fresh noise in DDIM; 0 is deterministic, 1 is the ancestral variance.
        guidance: weight of classifier-free guidance; 1 is the plain conditional model, 0 the unconditional one.
        guidance_rescale: share by which the guided estimate is scaled back to the spread of the unguided one (Lin et
            al. 2024), against the exaggeration of strong guidance.
        spacing: which levels are visited; `trailing` starts at pure noise and has even gaps, `linspace` also
            visits level 1.
    """

    name: SamplerName = "dpmpp"
    steps: int = 20
    eta: float = 0.0
    guidance: float = 2.5
    guidance_rescale: float = 0.0
    spacing: Spacing = "trailing"

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("sampler", self.name, get_args(SamplerName)),
            ("spacing", self.spacing, get_args(Spacing)),
        ):
            if value not in choices:
                raise UserError(f"Expected {name} to be one of {', '.join(choices)}, but got {value!r}. Correct it.")
        if self.steps < 1:
            raise UserError(f"Expected at least 1 sampling step, but got {self.steps}. 20 is usual.")
        for name, value in (("eta", self.eta), ("guidance_rescale", self.guidance_rescale)):
            if not 0 <= value <= 1:
                raise UserError(f"Expected {name} within 0..1, but got {value}. It is a share.")
        if not 0 <= self.guidance <= 100:
            raise UserError(f"Expected guidance within 0..100, but got {self.guidance}. 2 to 4 is usual.")


def timesteps(total: int, steps: int, spacing: Spacing = "trailing") -> list[int]:
    """The levels to visit, from `total` down to the final 0 (`steps` + 1 entries).

    Both spacings start at T: a chain entered below T is given pure noise where it expects a trace of signal (Lin et al.
    2024).

    Raises:
        UserError: for more steps than the chain has.
    """
    if steps > total:
        raise UserError(f"Expected at most {total} sampling steps, the length of the chain, but got {steps}.")
    if spacing == "trailing":
        visited = [round(total - k * total / steps) for k in range(steps)]
    else:
        visited = [round(total + k * (1 - total) / max(steps - 1, 1)) for k in range(steps)]
    return [*visited, 0]


# ------------------------------------------------------------------------------------------ the rules


def ancestral_step(
    process: DiffusionProcess,
    x_t: Float[Tensor, "*batch dim"],
    x0: Float[Tensor, "*batch dim"],
    t: Int[Tensor, "*batch"],
    s: Int[Tensor, "*batch"],
    noise: Float[Tensor, "*batch dim"],
) -> Float[Tensor, "*batch dim"]:
    """Draw x_s from the posterior q(x_s | x_t, x_0) (Ho et al. 2020, algorithm 2, for any gap)."""
    mean, variance = process.posterior(x0, x_t, t, s)
    return mean + variance.sqrt() * noise


def ddim_step(
    process: DiffusionProcess,
    x_t: Float[Tensor, "*batch dim"],
    x0: Float[Tensor, "*batch dim"],
    t: Int[Tensor, "*batch"],
    s: Int[Tensor, "*batch"],
    noise: Float[Tensor, "*batch dim"] | None = None,
    eta: float = 0.0,
) -> Float[Tensor, "*batch dim"]:
    """Move to level s along the estimated noise, with a share `eta` of it fresh (Song et al. 2021, eq. 12 and 16)."""
    eps = process.to_eps(x0, x_t, t, "x0")
    fresh = eta**2 * process.posterior(x0, x_t, t, s)[1]
    kept = (process.sigma(s).to(x0.dtype) ** 2 - fresh).clamp(min=0).sqrt()
    moved = process.alpha(s).to(x0.dtype) * x0 + kept * eps
    return moved if noise is None else moved + fresh.sqrt() * noise


def dpmpp_2m_step(
    process: DiffusionProcess,
    x_t: Float[Tensor, "*batch dim"],
    x0: Float[Tensor, "*batch dim"],
    t: Int[Tensor, "*batch"],
    s: Int[Tensor, "*batch"],
    previous: tuple[Float[Tensor, "*batch dim"], Int[Tensor, "*batch"]] | None = None,
) -> Float[Tensor, "*batch dim"]:
    """One step of DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): the exact solution for an x_0 linear in log SNR.

    With lambda = log(alpha / sigma) and h = lambda_s - lambda_t:

        x_s = sigma_s / sigma_t x_t + alpha_s (1 - exp(-h)) D,    D = x_0 + h / (2 h_before) (x_0 - x_0_before)

    Args:
        previous: estimate of x_0 and level of the step before; None makes the step first-order (then it is DDIM). The
            last step (s = 0, where lambda is infinite) is first-order in any case.
    """
    lam_t, lam_s = process.log_alpha_over_sigma(t), process.log_alpha_over_sigma(s)
    h = lam_s - lam_t
    estimate = x0
    if previous is not None:
        before, u = previous
        # Infinite h (last step) must not extrapolate; infinite h_before (zero terminal SNR) gives 0 by itself.
        slope = torch.where(torch.isinf(h), 0.0, h / (2 * (lam_t - process.log_alpha_over_sigma(u))))
        estimate = x0 + slope.to(x0.dtype) * (x0 - before)
    shrink = (process.sigma(s) / process.sigma(t)).to(x0.dtype)
    return shrink * x_t - (process.alpha(s) * torch.expm1(-h)).to(x0.dtype) * estimate


# ------------------------------------------------------------------------------------------ the chain


class NoiseSource:
    """Gaussian noise with one generator per sample, so that a sample is the same alone and in any batch.

    Each sample draws only its own frames: neither batch size nor padding moves its stream of random numbers.
    """

    def __init__(self, seeds: Sequence[int], frames: Sequence[int]) -> None:
        if len(seeds) != len(frames) or not seeds:
            raise UserError(
                f"Expected one seed per clip and at least one clip, but got {len(seeds)} seeds, {len(frames)} lengths."
            )
        # Drawn on the CPU, whose generator gives the same numbers on every machine.
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._frames = list(frames)

    def draw(self, like: Float[Tensor, "batch person frame feature"]) -> Float[Tensor, "batch person frame feature"]:
        """The next noise in the shape of `like`; 0 in frames past the end of a sample."""
        noise = torch.zeros(like.shape, dtype=like.dtype)
        for row, (generator, frames) in enumerate(zip(self._generators, self._frames, strict=True)):
            noise[row, :, :frames] = torch.randn(
                (like.shape[1], frames, like.shape[3]), dtype=like.dtype, generator=generator
            )
        return noise.to(like.device)


@torch.no_grad()
def sample_chain(
    process: DiffusionProcess,
    predict_x0: PredictX0,
    config: SamplerConfig,
    noise: NoiseSource,
    known: Float[Tensor, "batch person frame feature"],
    known_tokens: Bool[Tensor, "batch person token"],
    progress: Callable[[int, int], object] | None = None,
) -> Float[Tensor, "batch person frame feature"]:
    """Sample motion; tokens that are known stay what they are and are shown to the network at noise level 0.

    Args:
        predict_x0: estimate of x_0 from noisy motion `(B,P,T,D)` and levels `(B,P,N)`, or `(B,1,1)` if shared.
        known: values of the known tokens; anything elsewhere. Its shape is the shape of the result.
        known_tokens: True where a token is known.
        progress: called with (steps done, steps in all) after each step.

    Returns:
        the sample, in the network's (normalised) units.
    """
    patch = known.shape[2] // known_tokens.shape[2]
    given = expand_levels(known_tokens, patch)[..., None]
    levels = timesteps(process.steps, config.steps, config.spacing)
    x = torch.where(given, known, noise.draw(known))
    previous: tuple[Tensor, Tensor] | None = None
    # One level for all tokens of a clip lets the network make one modulation instead of one per token.
    mixed = bool(known_tokens.any())
    for done, (now, then) in enumerate(pairwise(levels), start=1):
        x0 = predict_x0(x, torch.where(known_tokens if mixed else known_tokens[:, :1, :1], 0, now))
        t = torch.full(known.shape[:3], now, device=known.device)
        s = torch.full_like(t, then)
        if config.name == "ddpm":
            x = ancestral_step(process, x, x0, t, s, noise.draw(known))
        elif config.name == "ddim":
            x = ddim_step(process, x, x0, t, s, noise.draw(known) if config.eta > 0 else None, config.eta)
        else:
            x = dpmpp_2m_step(process, x, x0, t, s, previous)
            previous = (x0, t)
        x = torch.where(given, known, x)
        if progress is not None:
            progress(done, config.steps)
    return x


def guide(
    conditional: Float[Tensor, "batch person frame feature"],
    unconditional: Float[Tensor, "batch person frame feature"],
    weight: float,
    rescale: float = 0.0,
) -> Float[Tensor, "batch person frame feature"]:
    """Classifier-free guidance (Ho & Salimans 2022): the estimate pushed from unconditional past conditional.

    At a fixed x_t the estimates of x_0, eps and v are affine in each other, so guiding any of them is the same.

    Args:
        rescale: share by which the spread of each sample goes back to that of `conditional` (Lin et al. 2024, eq. 15).
    """
    guided = unconditional + weight * (conditional - unconditional)
    if rescale == 0:
        return guided
    axes = (1, 2, 3)
    factor = conditional.std(axes, keepdim=True) / guided.std(axes, keepdim=True).clamp(min=1e-8)
    return guided * (rescale * factor + 1 - rescale)
