"""Mirror images of motion: left becomes right."""

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.skeleton import MIRROR


def mirror_motion(
    poses: Float[Tensor, "*batch 24 3"], trans: Float[Tensor, "*batch 3"]
) -> tuple[Float[Tensor, "*batch 24 3"], Float[Tensor, "*batch 3"]]:
    """Mirror axis-angle poses and pelvis positions at the world's plane x = 0.

    The rest frame is mirrored at its own x = 0 too (left and right limbs change places), so every rotation R becomes
    M R M with M = diag(-1, 1, 1): its axis-angle vector keeps x and changes the signs of y and z. A person who walks
    forward and turns left walks forward and turns right afterwards. Mirroring twice gives the input back.
    """
    keep_x = torch.tensor([1.0, -1.0, -1.0], dtype=poses.dtype, device=poses.device)
    flip_x = torch.tensor([-1.0, 1.0, 1.0], dtype=trans.dtype, device=trans.device)
    return poses[..., list(MIRROR), :] * keep_x, trans * flip_x
