"""The 263 numbers of a HumanML3D frame (Guo et al. 2022): where each of them stands, and the parts that others use.

    0        half the turn about the vertical from this frame to the next, radians
    1:3      way of the pelvis to the next frame (x, z), seen from the heading of the NEXT frame, metres
    3        height of the pelvis, metres
    4:67     joints 1..21 seen from the heading: x and z relative to the pelvis, y above the floor, metres
    67:193   6D rotations of joints 1..21 by inverse kinematics on positions; their twist is not the body's
    193:259  way of joints 0..21 to the next frame, seen from the heading of THIS frame, metres
    259:263  1 where a foot is slow: left ankle, left toe, right ankle, right toe

The world is y up, in metres, at 20 frames per second. N joint positions make N - 1 frames of numbers.
"""

from typing import Final, TypeVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

FPS: Final = 20
WIDTH: Final = 263
JOINTS: Final = 22

YAW: Final = slice(0, 1)
ROOT_WAY: Final = slice(1, 3)
HEIGHT: Final = slice(3, 4)
PLACES: Final = slice(4, 67)
ROTATIONS: Final = slice(67, 193)
WAYS: Final = slice(193, 259)
CONTACTS: Final = slice(259, 263)

# The blocks over which the published Std.npy is averaged, by name.
BLOCKS: Final[dict[str, slice]] = {
    "turn of the root": YAW,
    "way of the root": ROOT_WAY,
    "height of the root": HEIGHT,
    "joint positions": PLACES,
    "joint rotations": ROTATIONS,
    "joint velocities": WAYS,
    "foot contacts": CONTACTS,
}

# SMPL's joints in the five chains that the rotations follow; the arms hang on spine3 but count from the root.
CHAINS: Final[tuple[tuple[int, ...], ...]] = (
    (0, 2, 5, 8, 11),
    (0, 1, 4, 7, 10),
    (0, 3, 6, 9, 12, 15),
    (9, 14, 17, 19, 21),
    (9, 13, 16, 18, 20),
)
# Left ankle, left toe, right ankle, right toe: the order of the contacts.
FEET: Final = (7, 10, 8, 11)

# From the y-up world to ours and back (its own inverse): what faces +z there faces +y here, left stays left.
SWAP_UP: Final[Float[np.ndarray, "3 3"]] = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])

_Array = TypeVar("_Array", np.ndarray, Tensor)


def essential(vectors: _Array) -> _Array:
    """The 67 numbers that carry the motion (root and joint positions) of `(..., 263)` vectors.

    The layout of MARDM's evaluator (Meng et al. 2025): the others are functions of these.
    """
    return vectors[..., : PLACES.stop]


def without_contacts(vectors: _Array) -> _Array:
    """The 259 numbers of `(..., 263)` vectors that the evaluator of Guo et al. 2022 sees."""
    return vectors[..., : CONTACTS.start]
