"""Sorting points so that neighbours in the list are neighbours in space, in torch."""

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BITS: Final = 10


def space_order(points: Float[Tensor, "point 3"]) -> Int[Tensor, "point"]:
    """Order of points along the Z-order curve (Morton 1966): the bits of their three coordinates, interleaved."""
    if not len(points):
        return torch.zeros(0, dtype=torch.long, device=points.device)
    low, high = points.amin(dim=0), points.amax(dim=0)
    cell = ((points - low) / (high - low).amax().clamp(min=1e-9) * (2**_BITS - 1)).long()
    code = torch.zeros(len(points), dtype=torch.long, device=points.device)
    for bit in range(_BITS):
        for axis in range(3):
            code |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code.argsort()
