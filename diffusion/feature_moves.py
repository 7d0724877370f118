"""Motion features moved, turned and mirrored without kinematics: cheap enough for every random crop of a batch."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.rotations import sixd_to_matrix
from carescene.humans.skeleton import MIRROR, MODEL_JOINTS
from diffusion.canonical import heading
from diffusion.representation import EVENT, JOINTS, MOTION_FEATURES, ROOT, TRANS


def features_frame(features: Float[Tensor, "*batch 217"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch 2"]]:
    """Heading (radians) and horizontal position (metres) of single frames, as `canonical_frame` of the motion."""
    # A copy: the features themselves are then moved in place.
    return heading(sixd_to_matrix(features[..., ROOT])), features[..., :2].clone()


def move_features_(
    features: Float[Tensor, "batch *other 217"], angle: Float[Tensor, "batch"], origin: Float[Tensor, "batch 2"]
) -> Float[Tensor, "batch *other 217"]:
    """Express features in a frame at `origin` turned by `angle`, in place: the features of `canonical.move`'s motion.

    Args:
        features: contiguous features of any persons and frames; each entry of the batch has a frame of its own.
        angle: radians.
        origin: metres.
    """
    ones = (1,) * (features.ndim - 2)
    features[..., :2] -= origin.view(-1, *ones, 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    for part in (TRANS, ROOT, JOINTS):
        vectors = features[..., part].unflatten(-1, (-1, 3))
        shape = (-1, *ones, 1)
        x, y = vectors[..., 0].clone(), vectors[..., 1].clone()
        vectors[..., 0] = cos.view(shape) * x + sin.view(shape) * y
        vectors[..., 1] = cos.view(shape) * y - sin.view(shape) * x
    return features


@cache
def mirror_map() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For each of the 201 motion features: which one its mirror image takes its value from, and with which sign.

    A rotation R of a joint becomes M R M of the joint on the other side with M = diag(-1, 1, 1); its first column so
    keeps x and changes y and z, its second changes x. Positions change x.
    """
    source, sign = list(range(MOTION_FEATURES)), [1] * MOTION_FEATURES
    sign[TRANS.start] = -1
    others = [joint for joint in MIRROR if joint < MODEL_JOINTS]
    for joint, other in enumerate(others):
        for number, flip in enumerate((1, -1, -1, -1, 1, 1)):
            source[ROOT.start + 6 * joint + number] = ROOT.start + 6 * other + number
            sign[ROOT.start + 6 * joint + number] = flip
        for axis in range(3):
            source[JOINTS.start + 3 * joint + axis] = JOINTS.start + 3 * other + axis
        sign[JOINTS.start + 3 * joint] = -1
    return tuple(source), tuple(sign)


def mirror_features(features: Float[Tensor, "*batch 217"]) -> Float[Tensor, "*batch 217"]:
    """Features of the motion mirrored at x = 0 (see `mirror_motion`); mirroring twice gives the input back."""
    source, sign = mirror_map()
    flipped = features[..., list(source)] * torch.tensor(sign).to(features)
    return torch.cat((flipped, features[..., EVENT]), dim=-1)
