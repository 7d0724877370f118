"""Forward kinematics of the SMPL tree."""

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.skeleton import PARENTS


def global_rotations(local_rotations: Float[Tensor, "*batch 24 3 3"]) -> Float[Tensor, "*batch 24 3 3"]:
    """World rotations of the 24 joints from rotations relative to their parents."""
    world: list[Tensor] = []
    for joint, parent in enumerate(PARENTS):
        local = local_rotations[..., joint, :, :]
        world.append(local if parent < 0 else world[parent] @ local)
    return torch.stack(world, dim=-3)


def local_rotations(world_rotations: Float[Tensor, "*batch 24 3 3"]) -> Float[Tensor, "*batch 24 3 3"]:
    """Rotations relative to the parent joint from world rotations; the inverse of `global_rotations`."""
    parents = world_rotations[..., list(PARENTS[1:]), :, :]
    relative = parents.transpose(-1, -2) @ world_rotations[..., 1:, :, :]
    return torch.cat((world_rotations[..., :1, :, :], relative), dim=-3)


def forward_kinematics(
    local_rotations: Float[Tensor, "*batch 24 3 3"],
    trans: Float[Tensor, "*batch 3"],
    rest_joints: Float[Tensor, "*rest 24 3"],
) -> tuple[Float[Tensor, "*batch 24 3"], Float[Tensor, "*batch 24 3 3"]]:
    """Joint positions and world rotations of a posed skeleton.

    Args:
        local_rotations: rotation of each joint relative to its parent; the pelvis' maps the rest frame to the world.
        trans: position of the pelvis joint in the world, in metres.
        rest_joints: joints in the rest pose (y up, metres), one skeleton or one per batch entry; broadcast over
            the batch.

    Returns:
        positions `(*batch, 24, 3)` in the world in metres, and world rotations `(*batch, 24, 3, 3)`.
    """
    world = global_rotations(local_rotations)
    offsets = rest_joints[..., 1:, :] - rest_joints[..., list(PARENTS[1:]), :]
    bones = (world[..., list(PARENTS[1:]), :, :] @ offsets[..., None])[..., 0]
    positions = [trans]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        positions.append(positions[parent] + bones[..., joint - 1, :])
    return torch.stack(positions, dim=-2), world
