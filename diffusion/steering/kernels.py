"""How far a correction at one time reaches to other times: covariances over the frames of a clip.

path      integral of an Ornstein-Uhlenbeck velocity plus a constant: a correction of the path adds a smooth velocity
          of least power, and shifts all that comes after the last point asked for (Rasmussen & Williams 2006,
          "Gaussian processes for machine learning", ch. 4; Kalman smoothing uses the same as "Singer" motion)
pose      Matern 3/2: a correction of a pose fades within a fraction of a second
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# White part of every kernel relative to its variance: keeps dense constraints well conditioned; far below what is seen.
_WHITE = 1e-5


def matern(
    first: Float[Tensor, "first"], second: Float[Tensor, "second"], length_s: float | int
) -> Float[Tensor, "first second"]:
    """Matern 3/2 correlation of two sets of times (seconds): (1 + a) exp(-a) with a = sqrt(3) |t - s| / length."""
    gap = (first[:, None] - second[None, :]).abs() * (3**0.5 / length_s)
    return (1 + gap) * torch.exp(-gap)


def smooth_brownian(
    first: Float[Tensor, "first"], second: Float[Tensor, "second"], length_s: float | int
) -> Float[Tensor, "first second"]:
    """Covariance (s^2 m^2/m^2) of the integral from 0 of a unit Ornstein-Uhlenbeck velocity with correlation time tau.

    tau^2 (2 min(t, s) / tau + exp(-t/tau) + exp(-s/tau) - 1 - exp(-|t - s|/tau)): Brownian motion over times much
    longer than tau, and with a velocity that does not jump (Uhlenbeck & Ornstein 1930).
    """
    t, s = first[:, None] / length_s, second[None, :] / length_s
    return length_s**2 * (2 * torch.minimum(t, s) + torch.exp(-t) + torch.exp(-s) - 1 - torch.exp(-(t - s).abs()))


def path_kernel(
    frames: int, fps: float | int, *, length_s: float | int, speed: float | int, start: float | int
) -> Float[Tensor, "{frames} {frames}"]:
    """Covariance (m^2) of corrections of a path: `speed` (m/s) of smooth velocity, and `start` (m) of common shift."""
    times = torch.arange(frames, dtype=torch.float64) / fps
    moving = speed**2 * smooth_brownian(times, times, length_s) + start**2
    return moving + _WHITE * start**2 * torch.eye(frames, dtype=torch.float64)


def pose_kernel(frames: int, fps: float | int, *, length_s: float | int) -> Float[Tensor, "{frames} {frames}"]:
    """Correlation of corrections of poses; multiply by a variance."""
    times = torch.arange(frames, dtype=torch.float64) / fps
    return matern(times, times, length_s) + _WHITE * torch.eye(frames, dtype=torch.float64)


def condition(
    kernel: Float[Tensor, "*group frame frame"], fixed: Bool[Tensor, "frame"]
) -> tuple[Float[Tensor, "*group frame frame"], Float[Tensor, "*group frame fixed"]]:
    """Covariance once some frames are known, and the weights by which what is known there reaches every frame.

    The rules of conditioning a Gaussian: K - K_F K_FF^-1 K_F^T and K_F K_FF^-1 (Rasmussen & Williams 2006, eq. 2.19).
    """
    if not bool(fixed.any()):
        return kernel, kernel[..., :0]
    across, inside = kernel[..., fixed], kernel[..., fixed, :][..., fixed]
    reach = torch.cholesky_solve(across.transpose(-1, -2), torch.linalg.cholesky(inside)).transpose(-1, -2)
    free = kernel - reach @ across.transpose(-1, -2)
    either = fixed[:, None] | fixed[None, :]
    exact = torch.eye(len(fixed), dtype=kernel.dtype)[:, fixed]
    reach = torch.where(fixed[:, None], exact, reach)
    return free.masked_fill(either, 0.0), reach
