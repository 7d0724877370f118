"""The guided estimate of x_0: the network's passes with and without text, room and constraints in one batch."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from diffusion.denoiser import Denoiser
from diffusion.process import DiffusionProcess
from diffusion.sampler import SamplerConfig, guide
from diffusion.world import Given, Levels, Present, World
from diffusion.world_loss import frame_levels


class Conditions(NamedTuple):
    """What a batch of samples is conditioned on."""

    text_tokens: Float[Tensor, "batch text width"]
    text_mask: Bool[Tensor, "batch text"]
    present: Present
    role: Int[Tensor, "batch person"] | None
    given: Given


def guided(
    denoiser: Denoiser, process: DiffusionProcess, conditions: Conditions, config: SamplerConfig
) -> Callable[[World, Levels], World]:
    """A function from a noisy world and its levels to the guided estimate of x_0; the text is encoded once."""
    text, scene, constraint = _passes(conditions, config)
    weights = [w for w, on in ((config.guidance, text), (config.scene_guidance, scene),
                               (config.constraint_guidance, constraint)) if on]  # fmt: skip
    rows = 1 + len(weights)
    present, given = conditions.present, conditions.given
    blind = torch.zeros_like(conditions.text_mask)
    masks = [conditions.text_mask if config.guidance > 0 else blind]
    objects = [present.objects]
    hidden = [False]
    for off, is_text, is_scene in ((text, True, False), (scene, False, True), (constraint, False, False)):
        if off:
            masks.append(blind if is_text else masks[0])
            objects.append(torch.zeros_like(present.objects) if is_scene else present.objects)
            hidden.append(not is_text and not is_scene)
    context = denoiser.encode_text(conditions.text_tokens.repeat(rows, 1, 1), torch.cat(masks))
    all_present = Present(present.frames.repeat(rows, 1, 1), present.persons.repeat(rows, 1), torch.cat(objects))
    role = None if conditions.role is None else conditions.role.repeat(rows, 1)

    def predict(x: World, levels: Levels) -> World:
        worlds, steps = [], []
        for without in hidden:
            world, level = _forget(process, x, levels, given) if without else (x, levels)
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
        t = frame_levels(noise, all_present.frames.long(), denoiser.config.patch)
        estimate = World(*map(process.to_x0, (o.to(n.dtype) for o, n in zip(output, noisy, strict=True)), noisy, t))
        parts = [group.chunk(rows) for group in estimate]
        return World(*(guide(full, rest, weights, config.guidance_rescale) for full, *rest in parts))

    return predict


def _passes(conditions: Conditions, config: SamplerConfig) -> tuple[bool, bool, bool]:
    """Which extra passes are needed: without text, without room, without constraints."""
    text = config.guidance not in (0, 1)
    scene = config.scene_guidance != 1 and bool(conditions.present.objects.any())
    constraint = config.constraint_guidance != 1 and bool(conditions.given.motion.any() or conditions.given.event.any())
    return text, scene, constraint


def _forget(process: DiffusionProcess, x: World, levels: Levels, given: Given) -> tuple[World, Levels]:
    """The same world as if nobody had given any motion or events: at level T there is nothing to see of them."""
    steps = process.steps
    motion = torch.where(given.motion, steps, levels.motion.expand_as(given.motion))
    event = torch.where(given.event, steps, levels.event)
    patch = x.motion.shape[2] // given.motion.shape[2]

    def blank(values: Tensor, mask: Tensor) -> Tensor:
        # Zero is the mean of pure noise; fresh noise would make the estimate depend on a further draw.
        return torch.where(mask.repeat_interleave(patch, dim=-1)[..., None], 0.0, values)

    return (
        x._replace(motion=blank(x.motion, given.motion), event=blank(x.event, given.event)),
        levels._replace(motion=motion, event=event),
    )
