"""Motion features as they lie on disk: half the size of float32, and exact to less than 0.1 mm.

Half-precision floats would be as small, but at 1 m they step by 0.5 to 1 mm and at 5 m by 4 mm. Rotations lie in -1..1
and joints within a few metres of the pelvis, so fixed steps serve them better; the pelvis' own path stays in float32.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Int16
from torch import Tensor

from carescene.errors import UserError
from diffusion.representation import BODY, JOINTS, MOTION_FEATURES, ROOT, TRANS

NUMBERS: Final = MOTION_FEATURES - TRANS.stop
# Steps of 6D rotations (no unit) and of joint positions (metres): joints reach 3.27 m from the pelvis and the floor.
_ROTATION_STEP: Final = 1 / 32767
_JOINT_STEP: Final = 1e-4
_LARGEST: Final = 32767


def steps() -> Float32[Tensor, " number"]:
    """What one step of each stored number is worth."""
    joints = torch.full((JOINTS.stop - JOINTS.start,), _JOINT_STEP)
    return torch.cat((torch.full((BODY.stop - ROOT.start,), _ROTATION_STEP), joints))


def stored(
    features: Float32[Tensor, "*batch 217"], name: str
) -> tuple[Float32[np.ndarray, "*batch 3"], Int16[np.ndarray, "*batch number"]]:
    """Pelvis path (metres) and all other motion features as integers.

    Args:
        name: of the clip, for the message.

    Raises:
        UserError: if a joint is more than 3.27 m away from the pelvis or the floor.
    """
    numbers = torch.round(features[..., TRANS.stop : MOTION_FEATURES] / steps())
    if numbers.numel() and float(numbers.abs().max()) > _LARGEST:
        raise UserError(
            f"Clip '{name}': expected joints within {_LARGEST * _JOINT_STEP:.2f} m of the floor and of the pelvis, but "
            "got one further away. Its floor is probably not at z = 0; prepare it again."
        )
    return features[..., TRANS].numpy(), numbers.to(torch.int16).numpy()


def restored(
    path: Float32[Tensor, "*batch 3"], numbers: Int16[Tensor, "*batch number"]
) -> Float32[Tensor, "*batch 201"]:
    """The inverse of `stored`, to half a step."""
    return torch.cat((path, numbers * steps()), dim=-1)
