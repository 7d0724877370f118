"""Which tokens of a training batch are noisy, and how much: what makes one network serve every question.

Motion is drawn in one of four kinds for a whole batch, because levels shared inside each clip need one modulation per
clip instead of one per token; events, shapes and things are drawn for each clip.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from diffusion.loss_config import LossConfig
from diffusion.world import Levels

Uniform = Callable[..., Float[Tensor, "..."]]


def draw_levels(
    config: LossConfig,
    steps: int,
    size: tuple[int, int, int, int],
    uniform: Uniform,
    progress: float | int = 1.0,
) -> Levels:
    """Random noise levels of a training batch.

    The shared levels of a batch are spread evenly over 1 .. T with a random offset (Kingma et al. 2021, VDM): the same
    distribution for each clip, less variance for the batch.

    Args:
        config: the shares of all kinds.
        steps: T.
        size: clips, persons, patches per person, things.
        uniform: `uniform(*shape)` draws numbers in 0..1.
        progress: how far training has come, 0..1: the known part of a clip is dense at first and sparse at the end.

    Returns:
        levels; `motion` as `(clip, 1, 1)` where it is shared inside each clip.
    """
    batch, persons, tokens, things = size
    shared = _spread(batch, steps, uniform)[:, None, None]
    kind = float(uniform(1))
    motion = shared
    if (kind := kind - config.shared_level) >= 0:
        if kind < config.known_tokens:
            share = uniform(batch, 1, 1) ** (0.5 + 1.5 * progress)
            motion = torch.where(known_patches(batch, persons, tokens, share, uniform), 0, shared)
        elif kind < config.known_tokens + config.known_motion:
            motion = torch.zeros_like(shared)
        else:
            motion = _own((batch, persons, tokens), steps, uniform)
    shape = _mixed(config.known_shape, shared[..., 0].expand(batch, persons), steps, uniform)
    if float(motion.max()) == 0:
        # With all motion known there must be something left to learn: the room, the shapes and the events.
        return Levels(motion, shared.expand(batch, persons, tokens), shape, shared[..., 0].expand(batch, things))
    event = _mixed(config.known_event, motion.expand(batch, persons, tokens), steps, uniform)
    objects = _mixed(config.known_things, shared[..., 0].expand(batch, things), steps, uniform)
    return Levels(motion, event, shape, objects)


def known_patches(
    batch: int, persons: int, tokens: int, share: Float[Tensor, "batch 1 1"], uniform: Uniform
) -> Bool[Tensor, "batch person token"]:
    """Which patches are known: scattered ones, the beginning, the end, both ends, or one whole person.

    Args:
        share: how much of each clip.
    """
    time = torch.arange(tokens, device=share.device) / max(tokens - 1, 1)
    scattered = uniform(batch, persons, tokens) < share
    prefix = (time < share).expand(batch, persons, tokens)
    suffix = (time > 1 - share).expand(batch, persons, tokens)
    ends = (time < share / 2) | (time > 1 - share / 2)
    chosen = torch.argsort(uniform(batch, persons), dim=1) == 0
    # A single person who is known altogether would leave nothing to learn.
    whole = chosen[..., None].expand(batch, persons, tokens) if persons > 1 else scattered
    patterns = torch.stack((scattered, prefix, suffix, ends.expand(batch, persons, tokens), whole))
    which = (uniform(batch) * len(patterns)).long().clamp(max=len(patterns) - 1)
    return patterns[which, torch.arange(batch, device=share.device)]


def _spread(batch: int, steps: int, uniform: Uniform) -> Int[Tensor, " batch"]:
    offset = uniform(1)
    offset = offset + torch.arange(batch, device=offset.device) / batch
    order = torch.argsort(uniform(batch))
    return ((offset % 1)[order] * steps).long().clamp(max=steps - 1) + 1


def _own(shape: tuple[int, ...], steps: int, uniform: Uniform) -> Int[Tensor, "..."]:
    return (uniform(*shape) * steps).long().clamp(max=steps - 1) + 1


def _mixed(
    known: float, shared: Int[Tensor, "batch *token"], steps: int, uniform: Uniform
) -> Int[Tensor, "batch *token"]:
    """For each clip: known with the given chance; else the motion's level, or levels of its own, equally often."""
    pick = uniform(len(shared)).reshape(-1, *[1] * (shared.ndim - 1))
    own = _own(tuple(shared.shape), steps, uniform)
    return torch.where(pick < known, 0, torch.where(pick < known + (1 - known) / 2, shared, own))
