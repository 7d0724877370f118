"""The diffusion process: the fixed chain that adds noise, its exact posterior, and what a network may predict.

Notation of Ho et al. 2020 with t = 0 .. T and x_0 the clean signal at t = 0:

    q(x_t | x_0)          = N(alpha_t x_0, sigma_t^2 I),   alpha_t = sqrt(alpha_bar_t), sigma_t = sqrt(1 - alpha_bar_t)
    x_t                   = alpha_t x_0 + sigma_t eps
    v_t                   = alpha_t eps - sigma_t x_0        (Salimans & Ho 2022)
    SNR_t                 = alpha_t^2 / sigma_t^2

Every vector carries its own level: `x (*batch, dim)` goes with `t (*batch)`, an integer for each of the batch axes.
A motion `(person, frame, feature)` therefore has a level per person and frame; level 0 is a known, clean frame.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from carescene.errors import UserError
from diffusion.schedules import ScheduleName, make_schedule

Prediction = Literal["eps", "x0", "v"]
Weighting = Literal["plain", "min_snr", "clamped_snr"]
# How many vectors of a batch count -> what their sum of errors is divided by.
Divisor = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ProcessConfig:
    """Everything that defines the chain and the training target.

    Attributes:
        schedule: `linear`, `cosine` or `shifted_cosine`.
        steps: T, the length of the chain.
        shift: noise shift of the shifted cosine; below 1 means more noise.
        zero_terminal_snr: stretch the schedule so that x_T holds no signal at all (not with eps-prediction).
        prediction: what the network's output means. x0 is the default because a token of four frames has 868 numbers
            but only some 256 channels: noise does not fit through that bottleneck, motion does (Li & He 2025).
        weighting: weight of each level's error in the loss, see `DiffusionProcess.loss_weight`.
        max_snr: ceiling of the weight in `min_snr` and `clamped_snr` (5 as in Hang et al. 2023).
    """

    schedule: ScheduleName = "cosine"
    steps: int = 1000
    shift: float = 1.0
    zero_terminal_snr: bool = False
    prediction: Prediction = "x0"
    weighting: Weighting = "clamped_snr"
    max_snr: float = 5.0

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("schedule", self.schedule, get_args(ScheduleName)),
            ("prediction", self.prediction, get_args(Prediction)),
            ("weighting", self.weighting, get_args(Weighting)),
        ):
            if value not in choices:
                raise UserError(f"Expected {name} to be one of {', '.join(choices)}, but got {value!r}. Correct it.")
        if self.prediction == "eps" and self.zero_terminal_snr:
            raise UserError(
                "Expected a schedule that leaves some signal at the last step for eps-prediction, but got "
                "zero_terminal_snr=true. From pure noise, noise says nothing about the motion; predict v or x0."
            )
        if not self.max_snr >= 1:
            raise UserError(f"Expected max_snr of at least 1, but got {self.max_snr}. 5 is usual.")


class DiffusionProcess(nn.Module):
    """The chain q with its closed forms; holds tables only, nothing is learned here."""

    alpha_bar: Tensor

    def __init__(self, config: ProcessConfig | None = None) -> None:
        super().__init__()
        self.config = config or ProcessConfig()
        c = self.config
        table = make_schedule(c.schedule, c.steps, c.shift, c.zero_terminal_snr)
        self.register_buffer("alpha_bar", table, persistent=False)

    @property
    def steps(self) -> int:
        """T, the length of the chain."""
        return self.config.steps

    # ---------------------------------------------------------------- the tables, gathered for given levels

    def _at(self, t: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        return self.alpha_bar[t][..., None]

    def alpha(self, t: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        """alpha_t, the factor on the signal, in float64 with a trailing axis to broadcast over features."""
        return self._at(t).sqrt()

    def sigma(self, t: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        """sigma_t, the factor on the noise, in float64 with a trailing axis to broadcast over features."""
        return (1 - self._at(t)).sqrt()

    def snr(self, t: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        """alpha_t^2 / sigma_t^2 in float64; infinite at t = 0."""
        return self._at(t) / (1 - self._at(t))

    def log_alpha_over_sigma(self, t: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        """lambda_t = log(alpha_t / sigma_t), half the log SNR, in float64; infinite at t = 0."""
        return 0.5 * (self._at(t).log() - (1 - self._at(t)).log())

    # ---------------------------------------------------------------- forward chain and its posterior

    def q_mean_variance(
        self, x0: Float[Tensor, "*batch dim"], t: Int[Tensor, "*batch"]
    ) -> tuple[Float[Tensor, "*batch dim"], Float[Tensor, "*batch 1"]]:
        """Mean and variance of q(x_t | x_0) (Ho et al. 2020, eq. 4)."""
        return self.alpha(t).to(x0.dtype) * x0, (1 - self._at(t)).to(x0.dtype)

    def q_sample(
        self, x0: Float[Tensor, "*batch dim"], t: Int[Tensor, "*batch"], noise: Float[Tensor, "*batch dim"]
    ) -> Float[Tensor, "*batch dim"]:
        """x_t = alpha_t x_0 + sigma_t eps with eps = `noise`."""
        return self.alpha(t).to(x0.dtype) * x0 + self.sigma(t).to(x0.dtype) * noise

    def posterior(
        self,
        x0: Float[Tensor, "*batch dim"],
        x_t: Float[Tensor, "*batch dim"],
        t: Int[Tensor, "*batch"],
        s: Int[Tensor, "*batch"] | None = None,
    ) -> tuple[Float[Tensor, "*batch dim"], Float[Tensor, "*batch 1"]]:
        """Mean and variance of q(x_s | x_t, x_0), s < t (Ho et al. 2020, eq. 6 and 7, there with s = t - 1).

        With alpha_bar_ts = alpha_bar_t / alpha_bar_s and beta_ts = 1 - alpha_bar_ts, the step from s to t at once:

            mean     = alpha_s beta_ts / sigma_t^2 x_0 + sqrt(alpha_bar_ts) sigma_s^2 / sigma_t^2 x_t
            variance = beta_ts sigma_s^2 / sigma_t^2

        Where t = 0 nothing is left to do: the mean is x_0 and the variance 0.

        Args:
            s: the level to go to, at most t; t - 1 (0 where t is 0) when left out.
        """
        s = (t - 1).clamp(min=0) if s is None else s
        bar_t, bar_s = self._at(t), self._at(s)
        ratio = bar_t / bar_s
        # At t = 0 both variances vanish; 1 in the denominator gives the limit without a special case.
        total = torch.where(t[..., None] == 0, torch.ones_like(bar_t), 1 - bar_t)
        on_x0 = torch.where(t[..., None] == 0, torch.ones_like(bar_t), bar_s.sqrt() * (1 - ratio) / total)
        on_xt = ratio.sqrt() * (1 - bar_s) / total
        variance = (1 - ratio) * (1 - bar_s) / total
        return on_x0.to(x0.dtype) * x0 + on_xt.to(x0.dtype) * x_t, variance.to(x0.dtype)

    # ---------------------------------------------------------------- what the network predicts

    def target(
        self, x0: Float[Tensor, "*batch dim"], noise: Float[Tensor, "*batch dim"], t: Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch dim"]:
        """What the network should have said, in the configured prediction."""
        if self.config.prediction == "x0":
            return x0
        if self.config.prediction == "eps":
            return noise
        return self.alpha(t).to(x0.dtype) * noise - self.sigma(t).to(x0.dtype) * x0

    def to_x0(
        self,
        output: Float[Tensor, "*batch dim"],
        x_t: Float[Tensor, "*batch dim"],
        t: Int[Tensor, "*batch"],
        kind: Prediction | None = None,
    ) -> Float[Tensor, "*batch dim"]:
        """The estimate of x_0 behind a network output of the given kind (the configured one when left out)."""
        kind = kind or self.config.prediction
        if kind == "x0":
            return output
        alpha, sigma = self.alpha(t).to(x_t.dtype), self.sigma(t).to(x_t.dtype)
        if kind == "v":
            return alpha * x_t - sigma * output
        return (x_t - sigma * output) / alpha

    def to_eps(
        self,
        output: Float[Tensor, "*batch dim"],
        x_t: Float[Tensor, "*batch dim"],
        t: Int[Tensor, "*batch"],
        kind: Prediction | None = None,
    ) -> Float[Tensor, "*batch dim"]:
        """The estimate of the noise behind a network output; 0 at t = 0, where there is none to see."""
        kind = kind or self.config.prediction
        if kind == "eps":
            return output
        alpha, sigma = self.alpha(t).to(x_t.dtype), self.sigma(t).to(x_t.dtype)
        if kind == "v":
            return sigma * x_t + alpha * output
        known = (t == 0)[..., None]
        return torch.where(known, torch.zeros_like(x_t), (x_t - alpha * output) / torch.where(known, 1.0, sigma))

    def convert(
        self,
        output: Float[Tensor, "*batch dim"],
        x_t: Float[Tensor, "*batch dim"],
        t: Int[Tensor, "*batch"],
        source: Prediction,
        to: Prediction,
    ) -> Float[Tensor, "*batch dim"]:
        """The same estimate in another parameterisation (Salimans & Ho 2022, section 4)."""
        if source == to:
            return output
        if to == "x0":
            return self.to_x0(output, x_t, t, source)
        if to == "eps":
            return self.to_eps(output, x_t, t, source)
        x0, eps = self.to_x0(output, x_t, t, source), self.to_eps(output, x_t, t, source)
        return self.alpha(t).to(x_t.dtype) * eps - self.sigma(t).to(x_t.dtype) * x0

    # ---------------------------------------------------------------- the simple loss

    def loss_weight(self, t: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        """Weight of the squared error of the configured prediction at each level, in float64.

        `plain`: 1, the L_simple of Ho et al. 2020. The others fix the weight of the error *in x_0* and divide by the
        factor between the two errors (1 for x0, SNR for eps, SNR + 1 for v), so that they mean the same loss under
        every prediction:

        - `min_snr`: min(SNR, max_snr) (Hang et al. 2023).
        - `clamped_snr`: SNR clamped to 1 .. max_snr. The floor is the truncated SNR of Salimans & Ho 2022: levels of
          almost pure noise, where a text decides which motion it will be, keep their say. The ceiling is Hang's.
        """
        if self.config.weighting == "plain":
            return torch.ones_like(self._at(t))
        snr = self.snr(t).clamp(max=1e8)  # finite at t = 0, where known tokens are masked from the loss anyway
        weight = snr.clamp(max=self.config.max_snr)
        if self.config.weighting == "clamped_snr":
            weight = weight.clamp(min=1)
        return weight / self.error_factor(t)

    def error_factor(self, t: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        """Squared error of the configured prediction over the squared error of the x_0 behind it, in float64.

        1 for x0, SNR for eps, SNR + 1 for v (Salimans & Ho 2022, section 4); capped at 1e8 next to t = 0.
        """
        snr = self.snr(t).clamp(min=1e-8, max=1e8)
        if self.config.prediction == "x0":
            return torch.ones_like(snr)
        return snr if self.config.prediction == "eps" else snr + 1

    def simple_loss(
        self,
        output: Float[Tensor, "*batch dim"],
        target: Float[Tensor, "*batch dim"],
        t: Int[Tensor, "*batch"],
        mask: Float[Tensor, "*batch 1"],
        divisor: Divisor | None = None,
    ) -> Float[Tensor, " dim"]:
        """Weighted mean square error of each feature over the vectors whose mask is not 0 (Ho et al. 2020, eq. 14).

        Known vectors (t = 0) carry nothing to learn and do not count, whatever the mask says. With none left the
        loss is 0.

        Args:
            divisor: turns the count of vectors into what the sum is divided by; `at_least_one` when left out.
        """
        mask = mask * (t > 0)[..., None]
        weight = mask * self.loss_weight(t).to(output.dtype)
        return (weight * (output - target) ** 2).flatten(0, -2).sum(0) / (divisor or at_least_one)(mask.sum())


def at_least_one(count: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The count itself, or 1 where nothing counts, so that a sum over nothing stays 0."""
    return count.clamp(min=1)


def expand_levels(levels: Shaped[Tensor, "*batch token"], patch: int) -> Shaped[Tensor, "*batch frame"]:
    """Levels of tokens (or any other property of theirs) as those of frames: each token is `patch` frames."""
    return levels.repeat_interleave(patch, dim=-1)
