"""Samplers: from pure noise to motion, in as many steps as one likes.

One step goes from level t to level s < t given an estimate of x_0. The three rules are pure functions; `chain` strings
them together for all tokens of a world.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.errors import UserError
from diffusion.process import DiffusionProcess

SamplerName = Literal["ddpm", "ddim", "dpmpp"]
Spacing = Literal["trailing", "linspace"]


@dataclass(frozen=True)
class SamplerConfig:
    """How to sample.

    Attributes:
        name: `ddpm` (ancestral, Ho et al. 2020), `ddim` (Song et al. 2021) or `dpmpp` (DPM-Solver++ second-order
            multistep, Lu et al. 2022), the default: the best of the three in few steps.
        steps: network evaluations; 1000 with `ddpm` is the full chain.
        eta: share of fresh noise in DDIM; 0 is deterministic, 1 is the ancestral variance.
        guidance: weight of classifier-free guidance by the text; 1 is the plain conditional model, 0 the one without
            text.
        scene_guidance: the same for the things of the room; other values than 1 cost one more pass of the network.
        constraint_guidance: the same for known motion and events; other values than 1 cost one more pass.
        guidance_rescale: share by which the guided estimate is scaled back to the spread of the unguided one (Lin et
            al. 2024), against the exaggeration of strong guidance.
        spacing: which levels are visited; `trailing` starts at pure noise and has even gaps, `linspace` also
            visits level 1.
    """

    name: SamplerName = "dpmpp"
    steps: int = 20
    eta: float = 0.0
    guidance: float = 2.5
    scene_guidance: float = 1.0
    constraint_guidance: float = 1.0
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
        for name in ("guidance", "scene_guidance", "constraint_guidance"):
            if not 0 <= getattr(self, name) <= 100:
                raise UserError(f"Expected {name} within 0..100, but got {getattr(self, name)}. 1 to 4 is usual.")


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

    Args:
        seeds: one per sample.
        frames: length of each sample.
        persons: people of each sample; as many as the batch holds when left out.
    """

    def __init__(self, seeds: Sequence[int], frames: Sequence[int], persons: Sequence[int] | None = None) -> None:
        if len(seeds) != len(frames) or not seeds:
            raise UserError(
                f"Expected one seed per clip and at least one clip, but got {len(seeds)} seeds, {len(frames)} lengths."
            )
        # Drawn on the CPU, whose generator gives the same numbers on every machine.
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._frames = list(frames)
        self._persons = None if persons is None else list(persons)

    def draw(self, like: Float[Tensor, "batch person frame feature"]) -> Float[Tensor, "batch person frame feature"]:
        """The next noise in the shape of `like`; 0 past the end of a sample and for people it does not have."""
        return self._draw(
            like, [(people, frames) for people, frames in zip(self._people(like), self._frames, strict=True)]
        )

    def draw_persons(self, like: Float[Tensor, "batch person feature"]) -> Float[Tensor, "batch person feature"]:
        """The next noise for one vector per person; 0 for people a sample does not have."""
        return self._draw(like, [(people,) for people in self._people(like)])

    def draw_things(self, like: Float[Tensor, "batch object feature"]) -> Float[Tensor, "batch object feature"]:
        """The next noise for one vector per thing."""
        return self._draw(like, [(like.shape[1],)] * len(like))

    def _people(self, like: Tensor) -> list[int]:
        return self._persons if self._persons is not None else [like.shape[1]] * len(like)

    def _draw(self, like: Tensor, own: Sequence[tuple[int, ...]]) -> Tensor:
        noise = torch.zeros(like.shape, dtype=like.dtype)
        for row, generator, shape in zip(noise, self._generators, own, strict=True):
            part = torch.randn((*shape, like.shape[-1]), dtype=like.dtype, generator=generator)
            row[tuple(slice(0, size) for size in shape)] = part
        return noise.to(like.device)


def step(
    process: DiffusionProcess,
    config: SamplerConfig,
    x: Float[Tensor, "*batch dim"],
    x0: Float[Tensor, "*batch dim"],
    levels: tuple[int, int],
    noise: Float[Tensor, "*batch dim"] | None,
    previous: tuple[Float[Tensor, "*batch dim"], int] | None,
) -> Float[Tensor, "*batch dim"]:
    """One step of the configured rule for vectors that all share a level.

    Args:
        levels: the level of `x` and the one to go to.
        noise: fresh noise, for the rules that use it (see `needs_noise`).
        previous: estimate of x_0 and level of the step before, for the multistep rule.
    """
    t = torch.full(x.shape[:-1], levels[0], device=x.device)
    s = torch.full_like(t, levels[1])
    if config.name == "ddpm":
        assert noise is not None
        return ancestral_step(process, x, x0, t, s, noise)
    if config.name == "ddim":
        return ddim_step(process, x, x0, t, s, noise, config.eta)
    before = None if previous is None else (previous[0], torch.full_like(t, previous[1]))
    return dpmpp_2m_step(process, x, x0, t, s, before)


def needs_noise(config: SamplerConfig) -> bool:
    """Whether the rule draws fresh noise at every step."""
    return config.name == "ddpm" or (config.name == "ddim" and config.eta > 0)


def guide(
    full: Float[Tensor, "batch *token feature"],
    without: Sequence[Float[Tensor, "batch *token feature"]],
    weights: Sequence[float],
    rescale: float = 0.0,
) -> Float[Tensor, "batch *token feature"]:
    """Classifier-free guidance (Ho & Salimans 2022) by several conditions, each with its own weight.

        guided = full + sum_i (w_i - 1) (full - without_i)

    With one condition this is the usual `without + w (full - without)`. At a fixed x_t the estimates of x_0, eps and
    v are affine in each other, so guiding any of them is the same. Separate weights follow Brooks et al. 2023
    (InstructPix2Pix), there for image and text.

    Args:
        full: the estimate under all conditions.
        without: for each guiding condition, the estimate without it.
        rescale: share by which the spread of each sample goes back to that of `full` (Lin et al. 2024, eq. 15).
    """
    guided = full
    for less, weight in zip(without, weights, strict=True):
        guided = guided + (weight - 1) * (full - less)
    if rescale == 0 or not without:
        return guided
    axes = tuple(range(1, full.ndim))
    factor = full.std(axes, keepdim=True) / guided.std(axes, keepdim=True).clamp(min=1e-8)
    return guided * (rescale * factor + 1 - rescale)
