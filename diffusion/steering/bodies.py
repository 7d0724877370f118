"""Bodies as energies see them: joints, rotations, and round body parts in the world."""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.humans.rotations import sixd_to_matrix
from carescene.humans.skeleton import JOINT, MODEL_JOINTS
from diffusion.representation import JOINTS, TRANS
from diffusion.steering.tangent import SIXD


class Bodies(NamedTuple):
    """People of a batch of clips in the world.

    Attributes:
        joints: positions, metres.
        rotations: of joints 0..21 relative to their parents, the pelvis' in the world.
        there: frames in which somebody is there.
        scale: size of each person relative to the reference body.
        fps: frames per second.
    """

    joints: Float[Tensor, "batch person frame 22 3"]
    rotations: Float[Tensor, "batch person frame 22 3 3"]
    there: Bool[Tensor, "batch person frame"]
    scale: Float[Tensor, "batch person"]
    fps: float


def bodies_of_features(
    motion: Float[Tensor, "batch person frame 201"],
    there: Bool[Tensor, "batch person frame"],
    scale: Float[Tensor, "batch person"],
    fps: float,
) -> Bodies:
    """Bodies as the joint features have them, brought to each person's size; differentiable and linear in the joints.

    Horizontal positions relative to the pelvis and all heights of the features belong to the reference body; the path
    does not.
    """
    size = scale[..., None, None, None]
    joints = motion[..., JOINTS].unflatten(-1, (MODEL_JOINTS, 3)) * size
    path = torch.nn.functional.pad(motion[..., TRANS][..., :2], (0, 1))
    rotations = sixd_to_matrix(motion[..., SIXD].unflatten(-1, (MODEL_JOINTS, 6)))
    return Bodies(joints + path[..., None, :], rotations, there, scale, fps)


# Balls along the bones that fill the reference body: from joint, to joint, where along (beyond 1: past the joint),
# radius in metres. Radii are those of the free body's mesh around its bones.
_BALLS: Final[tuple[tuple[str, str, float, float], ...]] = (
    ("pelvis", "spine1", 0.0, 0.12),
    ("pelvis", "left_hip", 1.0, 0.09),
    ("pelvis", "right_hip", 1.0, 0.09),
    ("spine1", "spine2", 0.5, 0.11),
    ("spine3", "neck", 0.0, 0.12),
    ("spine3", "neck", 0.6, 0.09),
    ("neck", "head", 0.3, 0.06),
    ("neck", "head", 1.3, 0.085),
    ("neck", "head", 2.2, 0.085),
    *((f"{side}_{a}", f"{side}_{b}", part, radius) for side in ("left", "right") for a, b, part, radius in (
        ("hip", "knee", 0.4, 0.08),
        ("hip", "knee", 0.75, 0.065),
        ("knee", "ankle", 0.0, 0.055),
        ("knee", "ankle", 0.35, 0.05),
        ("knee", "ankle", 0.7, 0.04),
        ("ankle", "foot", 0.0, 0.04),
        ("ankle", "foot", 0.6, 0.035),
        ("ankle", "foot", 1.3, 0.022),
        ("collar", "shoulder", 0.9, 0.06),
        ("shoulder", "elbow", 0.5, 0.045),
        ("elbow", "wrist", 0.0, 0.04),
        ("elbow", "wrist", 0.5, 0.035),
        ("elbow", "wrist", 1.0, 0.028),
        ("elbow", "wrist", 1.35, 0.03),
    )),
)  # fmt: skip


def body_balls(
    joints: Float[Tensor, "*batch 22 3"],
) -> tuple[Float[Tensor, "*batch ball 3"], Float[Tensor, "ball"]]:
    """Centres (metres) of balls that fill bodies, and their radii on the reference body; linear in the joints."""
    start = joints[..., [JOINT[a] for a, _, _, _ in _BALLS], :]
    end = joints[..., [JOINT[b] for _, b, _, _ in _BALLS], :]
    part = joints.new_tensor([part for _, _, part, _ in _BALLS])[:, None]
    return start + part * (end - start), joints.new_tensor([radius for _, _, _, radius in _BALLS])
