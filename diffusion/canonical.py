"""The frame a motion is expressed in for the model: it starts at the origin and faces world +y."""

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.rotations import matrix_to_rotvec, rotation_about, rotvec_to_matrix


def heading(root: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Angle about the vertical between world +y and where a person faces, radians, positive to the left.

    The twist about z of the rotation that takes an upright person facing +y to this one (swing-twist
    decomposition). Unlike the horizontal part of the facing direction it is well defined for a person lying on the back
    or the side; only upside down it is not.
    """
    # Rest frame (y up, facing +z) to the world upright facing +y: x -> -x, y -> z, z -> y.
    upright = torch.tensor([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).to(root)
    turned = root @ upright.transpose(-1, -2)
    return torch.atan2(turned[..., 1, 0] - turned[..., 0, 1], turned[..., 0, 0] + turned[..., 1, 1])


def canonicalise(
    poses: Float[Tensor, "*batch frame 24 3"], trans: Float[Tensor, "*batch frame 3"]
) -> tuple[Float[Tensor, "*batch frame 24 3"], Float[Tensor, "*batch frame 3"]]:
    """Turn and shift a motion so that its first frame stands at x = y = 0 and faces +y; heights stay.

    Leading axes are independent motions. For several persons in one scene use `canonical_frame` of one of them and
    `move` all by it.
    """
    angle, origin = canonical_frame(poses, trans)
    return move(poses, trans, angle, origin)


def canonical_frame(
    poses: Float[Tensor, "*batch frame 24 3"], trans: Float[Tensor, "*batch frame 3"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch 2"]]:
    """Heading (radians) and horizontal position (metres) of the first frame."""
    return heading(rotvec_to_matrix(poses[..., 0, 0, :])), trans[..., 0, :2]


def move(
    poses: Float[Tensor, "*batch frame 24 3"],
    trans: Float[Tensor, "*batch frame 3"],
    angle: Float[Tensor, "*#batch"],
    origin: Float[Tensor, "*#batch 2"],
) -> tuple[Float[Tensor, "*batch frame 24 3"], Float[Tensor, "*batch frame 3"]]:
    """Express a motion in a frame at `origin` turned by `angle` about the vertical."""
    turn = rotation_about("z", -angle)[..., None, :, :]
    root = matrix_to_rotvec(turn @ rotvec_to_matrix(poses[..., 0, :]))
    centred = trans - torch.nn.functional.pad(origin, (0, 1))[..., None, :]
    return torch.cat((root[..., None, :], poses[..., 1:, :]), dim=-2), (turn @ centred[..., None])[..., 0]
