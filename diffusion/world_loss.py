"""The training loss of a world: weighted squared errors of all groups of tokens, and of differences between frames."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from diffusion.loss_config import LossConfig
from diffusion.process import DiffusionProcess, Divisor, at_least_one, expand_levels
from diffusion.representation import GROUPS, MODEL_JOINTS
from diffusion.world import PRESENT, Levels, Present, World

MOTION_GROUPS = tuple(name for name in GROUPS if name != "event")


def world_losses(
    process: DiffusionProcess,
    output: World,
    target: World,
    levels: Levels,
    present: Present,
    event_known: Bool[Tensor, "batch person frame"],
    shape_known: Bool[Tensor, "batch person"],
    divisor: Divisor | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Weighted mean squared error of every group, in the process' prediction.

    Args:
        levels: as the process needs them: one per frame for motion and events.
        event_known: frames whose label is known; others are not asked for.
        shape_known: persons whose shape is known.
        divisor: what sums are divided by, see `MotionModel.loss`; asked for the same counts in the same order always.
    """
    learn = present.frames[..., None].to(output.motion.dtype)
    motion = process.simple_loss(output.motion, target.motion, levels.motion, learn, divisor)
    event = process.simple_loss(output.event, target.event, levels.event, learn * event_known[..., None], divisor)
    parts = {name: motion[GROUPS[name]].mean() for name in MOTION_GROUPS} | {"event": event.mean()}
    shapes = (present.persons & shape_known)[..., None].to(learn.dtype)
    parts["shape"] = process.simple_loss(output.shape, target.shape, levels.shape, shapes, divisor).mean()
    # An empty slot has no kind and no place; whether it is empty is all there is to know.
    there = (target.objects[..., PRESENT] > 0).to(learn.dtype)
    slots = present.objects[..., None].to(learn.dtype)
    is_there = process.simple_loss(output.objects[..., :1], target.objects[..., :1], levels.objects, slots, divisor)
    what = process.simple_loss(output.objects[..., 1:], target.objects[..., 1:], levels.objects, slots * there, divisor)
    parts["things"] = torch.cat((is_there, what)).mean()
    return parts


def velocity_losses(
    config: LossConfig,
    error: Float[Tensor, "batch person frame 201"],
    weight: Float[Tensor, "batch person frame 1"],
    learn: Float[Tensor, "batch person frame 1"],
    metres_per_second: Float[Tensor, "feature"],
    divisor: Divisor | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Squared errors of differences between neighbouring frames, of the features and of the joints in the world.

    The difference of two errors is the error of the difference, so only the error of x_0 is needed.

    Args:
        weight: weight of each frame's level.
        metres_per_second: what a difference of 1 between frames means, per feature.
        divisor: what sums are divided by, see `MotionModel.loss`.
    """
    both = learn[..., 1:, :] * learn[..., :-1, :]
    # Neighbours may have different levels; the noisier one limits what can be known of their difference.
    both = both * torch.minimum(weight[..., 1:, :], weight[..., :-1, :])
    step = error[..., 1:, :] - error[..., :-1, :]
    per_feature = weighted_mean(step**2, both, learn, divisor)
    velocity = sum(
        (getattr(config, name) * per_feature[GROUPS[name]].mean() for name in MOTION_GROUPS),
        torch.zeros_like(per_feature[0]),
    )
    joints, trans = GROUPS["joints"], GROUPS["trans"]
    relative = (step[..., joints] * metres_per_second[joints]).unflatten(-1, (MODEL_JOINTS, 3))
    # Heights of joints are absolute already, so only x and y of the pelvis are added.
    shift = torch.nn.functional.pad((step[..., trans] * metres_per_second[trans])[..., :2], (0, 1))
    world = (relative + shift[..., None, :]).flatten(-2) ** 2
    return {"velocity": velocity, "world_velocity": 3 * weighted_mean(world, both, learn, divisor).mean()}


def weighted_mean(
    value: Float[Tensor, "*batch feature"],
    weight: Float[Tensor, "*batch2 1"],
    count: Float[Tensor, "*batch3 1"],
    divisor: Divisor | None = None,
) -> Float[Tensor, " feature"]:
    """Sum of weighted vectors over the number of vectors that count."""
    return (value * weight).flatten(0, -2).sum(0) / (divisor or at_least_one)(count.sum())


def frame_levels(levels: Levels, frames: Bool[Tensor, "batch person frame"], patch: int) -> Levels:
    """Levels with one number per frame instead of one per patch; `frames` only lends its shape."""
    batch, persons, count = frames.shape

    def spread(level: Tensor) -> Tensor:
        return expand_levels(level.expand(batch, persons, count // patch), patch)

    return levels._replace(motion=spread(levels.motion), event=spread(levels.event))
