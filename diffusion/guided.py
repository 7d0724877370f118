"""The guided estimate of x_0: the network's passes with and without text, room and constraints in one batch."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from diffusion.denoiser import Denoiser
from diffusion.process import DiffusionProcess, expand_levels
from diffusion.sampler import SamplerConfig, guide
from diffusion.world import Given, Levels, Present, World
from diffusion.world_loss import frame_levels


class OwnText(NamedTuple):
    """Token vectors of one text for each person, and which of them count."""

    tokens: Float[Tensor, "batch person text width"]
    mask: Bool[Tensor, "batch person text"]


class Conditions(NamedTuple):
    """What a batch of samples is conditioned on; `own_text` is each person's own, in place of the text of all."""

    text_tokens: Float[Tensor, "batch text width"]
    text_mask: Bool[Tensor, "batch text"]
    present: Present
    role: Int[Tensor, "batch person"] | None
    given: Given
    own_text: OwnText | None = None


class _Row(NamedTuple):
    """One pass of the network: what it hears and sees, and whether it has forgotten what is given."""

    tokens: Tensor
    mask: Tensor
    objects: Tensor
    forgets: bool = False


def guided(
    denoiser: Denoiser, process: DiffusionProcess, conditions: Conditions, config: SamplerConfig
) -> Callable[[World, Levels], World]:
    """A function from a noisy world and its levels to the guided estimate of x_0; the text is encoded once.

    With texts of their own, people are estimated one at a time, each in a pass that hears only theirs: a sentence
    about two people would make both do the same.
    """
    passes, weights = _passes(conditions, config)
    rows = [row for group in passes for row in group]
    present, given = conditions.present, conditions.given
    context = denoiser.encode_text(torch.cat([row.tokens for row in rows]), torch.cat([row.mask for row in rows]))
    count = len(rows)
    all_present = Present(
        present.frames.repeat(count, 1, 1),
        present.persons.repeat(count, 1),
        torch.cat([row.objects for row in rows]),
    )
    role = None if conditions.role is None else conditions.role.repeat(count, 1)

    def predict(x: World, levels: Levels) -> World:
        worlds, steps = [], []
        for row in rows:
            world, level = _forget(process, x, levels, given) if row.forgets else (x, levels)
            worlds.append(world)
            steps.append(level)
        noisy = World(*(torch.cat(group) for group in zip(*worlds, strict=True)))
        # Where one pass knows some motion and another does not, levels are no longer shared.
        widest = max(steps, key=lambda level: level.motion[0].numel()).motion.shape
        noise = Levels(
            torch.cat([level.motion.expand(widest) for level in steps]),
            *(torch.cat(group) for group in list(zip(*steps, strict=True))[1:]),
        )
        output = denoiser.denoise(noisy, noise, all_present, context, role=role)
        t = frame_levels(noise, all_present.frames, denoiser.config.patch)
        estimate = World(*map(process.to_x0, (o.to(n.dtype) for o, n in zip(output, noisy, strict=True)), noisy, t))
        voices = iter(World(*parts) for parts in zip(*(group.chunk(count) for group in estimate), strict=True))
        full, *rest = [_together([next(voices) for _ in group]) for group in passes]
        parts = zip(full, *rest, strict=True)
        return World(*(guide(whole, list(without), weights, config.guidance_rescale) for whole, *without in parts))

    return predict


def _together(voices: list[World]) -> World:
    """Every person out of the pass that heard their own text; the room as all passes agree."""
    if len(voices) == 1:
        return voices[0]
    persons = range(voices[0].motion.shape[1])

    def own(kind: str) -> Tensor:
        return torch.stack([getattr(voices[person], kind)[:, person] for person in persons], dim=1)

    return World(own("motion"), own("event"), own("shape"), torch.stack([voice.objects for voice in voices]).mean(0))


def _passes(conditions: Conditions, config: SamplerConfig) -> tuple[list[list[_Row]], list[float]]:
    """The passes with everything first, then those without text, room and constraints, with the weight of each."""
    things, given = conditions.present.objects, conditions.given
    tokens, mask = conditions.text_tokens, conditions.text_mask
    voices = [(tokens, mask)]
    if conditions.own_text is not None:
        own = conditions.own_text
        voices = [(own.tokens[:, person], own.mask[:, person]) for person in range(own.tokens.shape[1])]
    blind = _Row(voices[0][0], torch.zeros_like(voices[0][1]), things)
    heard = [_Row(each, shown, things) for each, shown in voices] if config.guidance > 0 else [blind]
    passes, weights = [heard], []
    if config.guidance not in (0, 1):
        passes.append([blind])
        weights.append(config.guidance)
    if config.scene_guidance != 1 and bool(things.any()):
        passes.append([row._replace(objects=torch.zeros_like(things)) for row in heard])
        weights.append(config.scene_guidance)
    if config.constraint_guidance != 1 and bool(given.motion.any() or given.event.any()):
        passes.append([row._replace(forgets=True) for row in heard])
        weights.append(config.constraint_guidance)
    return passes, weights


def _forget(process: DiffusionProcess, x: World, levels: Levels, given: Given) -> tuple[World, Levels]:
    """The same world as if nobody had given any motion or events: at level T there is nothing to see of them."""
    steps = process.steps
    motion = torch.where(given.motion, steps, levels.motion.expand_as(given.motion))
    event = torch.where(given.event, steps, levels.event)
    patch = x.motion.shape[2] // given.motion.shape[2]

    def blank(values: Tensor, mask: Tensor) -> Tensor:
        # Zero is the mean of pure noise; fresh noise would make the estimate depend on a further draw.
        return torch.where(expand_levels(mask, patch)[..., None], 0.0, values)

    return (
        x._replace(motion=blank(x.motion, given.motion), event=blank(x.event, given.event)),
        levels._replace(motion=motion, event=event),
    )
