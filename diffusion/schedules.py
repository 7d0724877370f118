"""Noise schedules: how much of the signal is left after t steps of the forward chain.

A schedule is the table `alpha_bar[t]`, t = 0 .. T, the share of the signal's variance left in x_t. Index 0 is the
clean signal, `alpha_bar[0] = 1`; T = 1000 in this project. Tables are float64: `1 - alpha_bar` at small t would lose
half of its digits in float32.
"""

from collections.abc import Callable
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError

ScheduleName = Literal["linear", "cosine", "shifted_cosine"]

# Nichol & Dhariwal's cap on a single step's variance: without it the last steps of a cosine are singular.
MAX_BETA: Final = 0.999


def linear_schedule(steps: int) -> Float[Tensor, " level"]:
    """The linear schedule of Ho et al. 2020: beta from 1e-4 to 0.02, rescaled so that any T ends at the same noise."""
    scale = 1000 / steps
    return _from_betas(torch.linspace(1e-4 * scale, 0.02 * scale, steps, dtype=torch.float64))


def cosine_schedule(steps: int, offset: float = 0.008) -> Float[Tensor, " level"]:
    """The cosine schedule of Nichol & Dhariwal 2021, eq. 17; `offset` keeps the first steps from being too small."""
    time = torch.arange(steps + 1, dtype=torch.float64) / steps
    signal = torch.cos((time + offset) / (1 + offset) * torch.pi / 2) ** 2
    return _from_betas(1 - signal[1:] / signal[:-1])


def shifted_cosine_schedule(steps: int, shift: float = 1.0) -> Float[Tensor, " level"]:
    """The shifted cosine of Hoogeboom et al. 2023, "simple diffusion": log SNR = -2 log tan(pi t / 2) + 2 log shift.

    A shift below 1 moves the chain towards noise. That suits redundant signals: neighbouring frames (and joints next
    to rotations) repeat each other, so averaging undoes noise that would drown a single number.
    """
    time = torch.arange(1, steps, dtype=torch.float64) / steps
    log_snr = -2 * torch.log(torch.tan(time * torch.pi / 2)) + 2 * torch.log(torch.tensor(shift, dtype=torch.float64))
    ends = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    alpha_bar = torch.cat((ends[0], torch.sigmoid(log_snr), ends[1]))
    return _from_betas(1 - alpha_bar[1:] / alpha_bar[:-1])


def rescale_to_zero_terminal_snr(alpha_bar: Float[Tensor, " level"]) -> Float[Tensor, " level"]:
    """The same schedule stretched so that x_T is pure noise (Lin et al. 2024, algorithm 1).

    Sampling starts from pure noise, so a chain that keeps some signal at T is trained on starts it never meets.
    With `alpha_bar[T] = 0` the noise says nothing about x_0: eps-prediction is undefined there, v and x0 are not.
    """
    root = alpha_bar.sqrt()
    first, last = root[1], root[-1]
    stretched = (root[1:] - last) * first / (first - last)
    return torch.cat((alpha_bar[:1], stretched**2))


def make_schedule(
    name: str, steps: int = 1000, shift: float = 1.0, zero_terminal_snr: bool = False
) -> Float[Tensor, " level"]:
    """The table `alpha_bar[0..steps]` (float64) of a schedule by name.

    Args:
        name: `linear`, `cosine` or `shifted_cosine`.
        steps: T, the length of the chain.
        shift: noise shift of `shifted_cosine`; the others know none and must leave it at 1.
        zero_terminal_snr: stretch the table so that no signal is left at T.

    Raises:
        UserError: for an unknown name, fewer than 2 steps, or a shift that is not positive or has no meaning.
    """
    makers: dict[str, Callable[[int], Tensor]] = {
        "linear": linear_schedule,
        "cosine": cosine_schedule,
        "shifted_cosine": lambda count: shifted_cosine_schedule(count, shift),
    }
    if name not in makers:
        raise UserError(f"Expected a schedule out of {', '.join(makers)}, but got {name!r}. Correct the configuration.")
    # Below 20 steps the rescaled betas of `linear` pass 1.
    if steps < 2 or (name == "linear" and steps < 21):
        raise UserError(
            f"Expected at least {21 if name == 'linear' else 2} diffusion steps, but got {steps}. Use 1000."
        )
    if not shift > 0 or (shift != 1 and name != "shifted_cosine"):
        raise UserError(
            f"Expected a positive shift with 'shifted_cosine' and 1 with {name!r}, but got {shift}. "
            "Only the shifted cosine has a shift; change one of the two."
        )
    alpha_bar = makers[name](steps)
    return rescale_to_zero_terminal_snr(alpha_bar) if zero_terminal_snr else alpha_bar


def _from_betas(betas: Float[Tensor, " step"]) -> Float[Tensor, " level"]:
    kept = 1 - betas.clamp(max=MAX_BETA)
    return torch.cat((torch.ones(1, dtype=torch.float64), kept.cumprod(0)))
