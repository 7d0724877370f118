"""Rows of different number as one tensor."""

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor


def pad_rows(arrays: list[np.ndarray], length: int) -> Shaped[Tensor, "array row channel"]:
    """Stack `(length_i, channel)` arrays as `(array, length, channel)`, zeros at the end."""
    out = np.zeros((len(arrays), length, arrays[0].shape[1]), arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out)


def rows_there(lengths: list[int], length: int) -> Bool[Tensor, "array row"]:
    """Which rows of `pad_rows` hold something, `(array, length)`."""
    return torch.arange(length) < torch.tensor(lengths)[:, None]
