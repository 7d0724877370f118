"""Poses that nobody recorded: other people's upper bodies on these legs, and limbs turned a little elsewhere."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT, NUM_JOINTS, PARENTS

# Joints that are turned with all that hangs on them, from the trunk outwards, and by how many radians (standard
# deviation): within what these joints can do in most poses.
_TURNED: Final[tuple[tuple[str, float], ...]] = (
    ("spine1", 0.12),
    ("left_hip", 0.15),
    ("right_hip", 0.15),
    ("neck", 0.15),
    ("left_knee", 0.1),
    ("right_knee", 0.1),
    ("left_shoulder", 0.3),
    ("right_shoulder", 0.3),
    ("left_elbow", 0.2),
    ("right_elbow", 0.2),
)
_MIXED: Final = 0.25
_VARIED: Final = 0.4


def _below(joint: int) -> list[int]:
    """A joint and all that hangs on it."""
    found = [joint]
    for child in range(joint + 1, NUM_JOINTS):
        if PARENTS[child] in found:
            found.append(child)
    return found


_UPPER: Final = _below(JOINT["spine1"])
_CHAINS: Final = tuple((PARENTS[JOINT[name]], _below(JOINT[name]), spread) for name, spread in _TURNED)


def varied_motion(
    world: Float[Tensor, "batch window 24 3 3"], generator: torch.Generator
) -> Float[Tensor, "batch window 24 3 3"]:
    """World rotations of windows, a quarter of them with the upper body of another window of the batch on the pelvis,
    and four in ten with turns of limbs and trunk that stay the same through the window.

    Recordings of a few people hold few combinations; what arms and legs do goes together less than in them.
    """
    batch, pelvis = len(world), world[:, :, 0]
    mixed = torch.rand(batch, generator=generator) < _MIXED
    other = torch.randperm(batch, generator=generator)[mixed]
    world = world.clone()
    onto = pelvis[mixed] @ pelvis[other].mT
    world[mixed.nonzero()[:, :1], :, torch.tensor(_UPPER)] = _carried(onto, world[other][:, :, _UPPER]).transpose(1, 2)
    rows = (torch.rand(batch, generator=generator) < _VARIED).nonzero()[:, 0]
    some = world[rows]
    for parent, chain, spread in _CHAINS:
        turn = rotvec_to_matrix(spread * torch.randn(len(rows), 3, generator=generator, dtype=world.dtype))[:, None]
        base = some[:, :, parent]
        some[:, :, chain] = _carried(base @ turn @ base.mT, some[:, :, chain])
    world[rows] = some
    return world


def _carried(turn: Tensor, rotations: Tensor) -> Tensor:
    """turn (batch, window) applied to each joint's rotation: one product of 3x3 with 3x(3 joints)."""
    joints = rotations.shape[2]
    columns = rotations.permute(0, 1, 3, 2, 4).flatten(3)
    return (turn @ columns).unflatten(3, (joints, 3)).permute(0, 1, 3, 2, 4)
