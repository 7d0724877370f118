"""Analytic inverse kinematics of the legs: ankles go somewhere else, pelvis and feet stay turned as they are."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.kinematics import global_rotations, local_rotations
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT

# Hip, knee and ankle of the left and the right leg.
LEGS: Final[tuple[tuple[int, int, int], ...]] = tuple(
    (JOINT[f"{side}_hip"], JOINT[f"{side}_knee"], JOINT[f"{side}_ankle"]) for side in ("left", "right")
)
# A leg is never stretched fully: the last millimetre costs many degrees at the knee, which would snap.
_REACH: Final = 0.999
# Sine of 5 degrees: a knee bent less has no reliable plane.
_CLEARLY_BENT: Final = 0.087


def move_ankles(
    rotations: Float[Tensor, "frame 24 3 3"],
    joints: Float[Tensor, "frame joint 3"],
    shift: Float[Tensor, "frame 2 3"],
) -> Float[Tensor, "frame 24 3 3"]:
    """Local rotations whose left and right ankles stand `shift` further (metres, world).

    Each leg is two bones in a plane: the knee opens or closes by the law of cosines, then the whole leg swings at the
    hip by the smallest turn that brings the ankle to its target. Ankle rotations are changed so that the feet keep
    their orientation in the world. Targets out of reach are approached as far as the leg goes.

    Args:
        rotations: relative to the parents; the pelvis' in the world.
        joints: positions that belong to them, at least the first 9 of SMPL's.
    """
    world = global_rotations(rotations)
    turned = world.clone()
    for side, (hip, knee, ankle) in enumerate(LEGS):
        target = joints[:, ankle] + shift[:, side]
        thigh, shin = joints[:, knee] - joints[:, hip], joints[:, ankle] - joints[:, knee]
        bend = _knee_turn(thigh, shin, target - joints[:, hip], world[:, knee])
        reached = thigh + (bend @ shin[..., None])[..., 0]
        swing = smallest_turn(reached, target - joints[:, hip])
        turned[:, hip] = swing @ world[:, hip]
        turned[:, knee] = swing @ bend @ world[:, knee]
    return local_rotations(turned)


def _knee_turn(
    thigh: Float[Tensor, "frame 3"],
    shin: Float[Tensor, "frame 3"],
    wanted: Float[Tensor, "frame 3"],
    knee: Float[Tensor, "frame 3 3"],
) -> Float[Tensor, "frame 3 3"]:
    """World rotation of the shin that makes hip and ankle as far apart as `wanted` is long."""
    upper, lower = thigh.norm(dim=-1), shin.norm(dim=-1)
    # What a leg reaches already it may keep reaching, however straight it is.
    reach = torch.maximum(_REACH * (upper + lower), (thigh + shin).norm(dim=-1))
    distance = torch.minimum(wanted.norm(dim=-1), reach)
    distance = torch.maximum(distance, (upper - lower).abs() + 1e-3)
    angle = torch.acos(((upper**2 + lower**2 - distance**2) / (2 * upper * lower)).clamp(-1, 1))
    up = -thigh / upper[..., None]
    across = _bending_axis(up, shin / lower[..., None], knee[..., :, 0])
    aside = torch.linalg.cross(across, up)
    return smallest_turn(shin, angle.cos()[..., None] * up + angle.sin()[..., None] * aside)


def _bending_axis(
    up: Float[Tensor, "frame 3"], shin: Float[Tensor, "frame 3"], knee_x: Float[Tensor, "frame 3"]
) -> Float[Tensor, "frame 3"]:
    """Unit axis about which the knee's inner angle grows: the normal of the leg's plane, where the knee is bent.

    A straight leg has no plane, and rest skeletons are even bent backwards by a fraction of a degree. SMPL's knee bends
    about its x axis; a share of that axis is added until the leg is bent forwards by 5 degrees or more.
    """
    normal = torch.linalg.cross(up, shin)
    forward = -(normal * knee_x).sum(-1, keepdim=True)
    normal = normal - (_CLEARLY_BENT - forward).clamp(min=0) * knee_x
    normal = normal - (normal * up).sum(-1, keepdim=True) * up
    return normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-9)


def smallest_turn(start: Float[Tensor, "*batch 3"], end: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation by the smallest angle that turns the direction of `start` into that of `end`."""
    cross = torch.linalg.cross(start, end)
    axis = cross / cross.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return rotvec_to_matrix(axis * _angle(start, end)[..., None])


def _angle(first: Float[Tensor, "*batch 3"], second: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
    # atan2 keeps its precision where acos of a dot product loses half of it, at 0 and 180 degrees.
    return torch.atan2(torch.linalg.cross(first, second).norm(dim=-1), (first * second).sum(-1))
