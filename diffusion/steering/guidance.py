"""One step of gradient guidance on an estimate of x_0, without a pass through the network.

The gradient of an energy is turned into a movement that bodies can make (`tangent`), smooth in time (`kernels`), as
long as a linear model of the energy says: x - w (2 E / g^T K g) K g with K the metric of `projection`. This is Polyak's
step length (1969) for an energy that is a sum of squares with minimum 0; it makes weights comparable, whatever the unit
of the energy: 1 goes all the way, 0.5 half of it. DNO (Karunratanakul et al. 2024) optimises the noise for the same
wishes at minutes per clip; here one gradient in x_0 per step does, because the network itself mends the motion next.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from diffusion.chain import BlewUpError
from diffusion.steering.metric import HEIGHT, MOVE_GROUP, PATH, TURN
from diffusion.steering.projection import Problem
from diffusion.steering.tangent import Posture, pull, push

# Motion features -> one energy per clip, 0 where the wish is fulfilled.
EnergyOf = Callable[[Float[Tensor, "batch person frame 201"]], Float[Tensor, "batch"]]

# A single step of weight 1 moves no pelvis further than this (metres) and turns no joint further (radians): beyond, the
# linear model of the energy means nothing.
FURTHEST_MOVE, FURTHEST_TURN = 0.12, 0.3


def guidance_step(
    motion: Float[Tensor, "batch person frame 201"],
    energy: EnergyOf,
    problem: Problem,
    *,
    weight: float | int,
    progress: float,
    there: Bool[Tensor, "batch person frame"],
) -> Float[Tensor, "batch person frame 201"]:
    """The change of motion features that lowers an energy; frames that are given or keyframes do not change.

    Returns:
        a change in the units of the features; 0 for clips whose energy is 0.
    """
    with torch.enable_grad():
        leaf = motion.detach().requires_grad_()
        value = energy(leaf)
        if not value.requires_grad:
            return torch.zeros_like(motion)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
    posture = Posture.of_features(motion)
    slope = pull(gradient * there[..., None], posture)
    variance = problem.metric.variances(progress).to(motion)
    group, kernel = MOVE_GROUP.to(motion.device), problem.kernel.to(motion.dtype)
    step = torch.empty_like(slope)
    for number in (PATH, HEIGHT, TURN):
        part = group == number
        step[..., part] = kernel[:, :, number] @ (slope[..., part] * variance[part])
    norm = (slope * step).sum(dim=(1, 2, 3))
    length = torch.where(norm > 0, 2 * value.detach() / norm.clamp(min=1e-30), 0.0)
    step = step * length[:, None, None, None]
    far = torch.maximum(
        step[..., :3].abs().amax(dim=(1, 2, 3)) / FURTHEST_MOVE, step[..., 3:].abs().amax(dim=(1, 2, 3)) / FURTHEST_TURN
    )
    step = step / far.clamp(min=1)[:, None, None, None]
    return push(-float(weight) * step, posture) * there[..., None]


def check_sane(motion: Float[Tensor, "batch person frame 201"], cause: str, *, furthest_m: float | int = 30.0) -> None:
    """Refuse motion that is not finite, or has a body part further than this from the start or a rotation of size 30.

    Raises:
        BlewUpError: naming the cause.
    """
    worst = float(motion[..., :3].abs().max()) if motion.numel() else 0.0
    body = float(motion[..., 135:].abs().max()) if motion.numel() else 0.0
    turns = float(motion[..., 3:135].abs().max()) if motion.numel() else 0.0
    if not (worst <= furthest_m and body <= furthest_m and turns <= furthest_m):  # also true for NaN
        raise BlewUpError(
            f"Expected people within {furthest_m:g} m of the start, but {cause} moved them to "
            f"{max(worst, body):.3g} m (rotations to {turns:.3g}). The weight is too large; 1 is usual. "
            "Nothing was written."
        )
