"""The sampling chain of a whole world: known tokens stay, all others go from noise to values together.

The estimate of x_0 may be changed at every step by a `Steer`, in metres. The last step of every rule ends at the
estimate itself, so what the last call returns is what comes out.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Bool
from torch import Tensor

from carescene.errors import UserError
from diffusion.process import DiffusionProcess, expand_levels
from diffusion.sampler import NoiseSource, SamplerConfig, needs_noise, step, timesteps
from diffusion.world import Given, Levels, World

# Noisy, normalised world and the level of each token -> estimate of x_0.
PredictWorld = Callable[[World, Levels], World]
# Estimate of x_0 (metres) and how far sampling has come (0..1, 1 at the last step) -> the estimate to go on with.
Steer = Callable[[World, float], World]

# Normalised values of recorded motion stay below 10 or so; a number beyond this is a sampler that blew up.
_ABSURD = 1e3


class BlewUpError(UserError):
    """Numbers exploded while sampling, because a weight is too large: no other try helps."""


@torch.no_grad()
def sample_chain(
    process: DiffusionProcess,
    predict: PredictWorld,
    config: SamplerConfig,
    noise: NoiseSource,
    known: World,
    given: Given,
    progress: Callable[[int, int], object] | None = None,
) -> World:
    """Sample a world; tokens that are given stay what they are and are shown to the network at noise level 0.

    Args:
        predict: estimate of x_0 from a noisy world and its levels. `levels.motion` is `(batch, 1, 1)` unless some
            motion is given.
        known: values of the given tokens, anything elsewhere, in the network's (normalised) units.
        given: which tokens are given.
        progress: called with (steps done, steps in all) after each step.

    Returns:
        the sample, in the network's units.

    Raises:
        BlewUpError: if numbers explode, which names the guidance weights.
    """
    masks = _value_masks(known, given)
    x = _choose(masks, known, _draw(noise, known))
    previous: tuple[World, int] | None = None
    for done, (now, then) in enumerate(pairwise(timesteps(process.steps, config.steps, config.spacing)), start=1):
        x0 = predict(x, _levels(given, now))
        check_finite(x0, config, now)
        fresh = list(_draw(noise, known)) if needs_noise(config) else [None] * len(known)
        before = [None] * len(known) if previous is None else [(value, previous[1]) for value in previous[0]]
        parts = zip(x, x0, fresh, before, strict=True)
        moved = World(*(step(process, config, value, to, (now, then), new, last) for value, to, new, last in parts))
        previous = (x0, now)
        x = _choose(masks, known, moved)
        if progress is not None:
            progress(done, config.steps)
    return x


def check_finite(estimate: World, config: SamplerConfig, level: int) -> None:
    """Refuse to go on with numbers that exploded.

    Raises:
        BlewUpError: naming the guidance weights.
    """
    worst = max((float(value.abs().max()) for value in estimate if value.numel()), default=0.0)
    if not worst < _ABSURD:  # also true for NaN
        raise BlewUpError(
            f"Expected sampling to stay finite, but values reached {worst:.3g} standard deviations at noise level "
            f"{level}. Guidance is too strong (text {config.guidance:g}, scene {config.scene_guidance:g}, constraints "
            f"{config.constraint_guidance:g}, or an energy's weight); lower it, 1 to 4 is usual. Nothing was written."
        )


def _value_masks(known: World, given: Given) -> tuple[Bool[Tensor, "*token 1"], ...]:
    patch = known.motion.shape[2] // given.motion.shape[2]
    return (
        expand_levels(given.motion, patch)[..., None],
        expand_levels(given.event, patch)[..., None],
        given.shape[..., None],
        given.objects[..., None],
    )


def _choose(masks: tuple[Tensor, ...], known: World, other: World) -> World:
    return World(*(torch.where(mask, a, b) for mask, a, b in zip(masks, known, other, strict=True)))


def _draw(noise: NoiseSource, like: World) -> World:
    both = noise.draw(torch.cat((like.motion, like.event), dim=-1))
    motion, event = both.split((like.motion.shape[-1], like.event.shape[-1]), dim=-1)
    return World(motion, event, noise.draw_persons(like.shape), noise.draw_things(like.objects))


def _levels(given: Given, now: int) -> Levels:
    # One level for all motion of a clip lets the network make one modulation instead of one per token.
    motion = given.motion if bool(given.motion.any()) else given.motion[:, :1, :1]
    return Levels(*(torch.where(mask, 0, now) for mask in (motion, given.event, given.shape, given.objects)))
