"""The reference skeleton: the joints of the free body at betas 0, without loading the body."""

from importlib.resources import files

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def reference_rest_joints() -> Float[Tensor, "24 3"]:
    """Rest joints of the bundled body at betas 0, in metres, in SMPL's rest frame (y up, facing +z, left is +x).

    Training reads this file instead of the body, so that smplx stays out of its imports. Built by tools/build_body.py.
    """
    with (files("carescene") / "assets" / "rest_joints.npy").open("rb") as file:
        return torch.from_numpy(np.load(file, allow_pickle=False)).to(torch.float32)
