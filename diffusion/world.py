"""Everything the model knows about one clip as groups of tokens: people and their events, and the things of a room.

    motion   one token per person and patch of frames   201 numbers a frame (see `representation`)
    event    the same patches, a noise level of its own   16 numbers a frame
    shape    one token per person                         10 betas
    objects  one token per thing in the room              present, kind, centre, size, yaw, support height

A `World` holds values; `Levels` and `Given` hold one number per token with the same names. Positions are in metres in
the clip's frame: person 0 stands at x = y = 0 in the first frame and faces +y.
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.scenes.scene import KINDS
from diffusion.representation import EVENT_CLASSES, MOTION_FEATURES

BETAS: Final = 10
# The room itself is a thing: the oriented rectangle around its floor plan, as high as the ceiling.
OBJECT_KINDS: Final[tuple[str, ...]] = ("room", *KINDS)

PRESENT: Final = slice(0, 1)  # +1 for a thing that is there, -1 for an empty slot
KIND: Final = slice(1, 1 + len(OBJECT_KINDS))  # one-hot
CENTER: Final = slice(KIND.stop, KIND.stop + 3)  # metres
SIZE: Final = slice(CENTER.stop, CENTER.stop + 3)  # width, depth, height, metres
YAW: Final = slice(SIZE.stop, SIZE.stop + 2)  # cosine and sine
SUPPORT: Final = slice(YAW.stop, YAW.stop + 1)  # height of the mattress or the seat, metres; 0 where there is none
OBJECT_FEATURES: Final = SUPPORT.stop

# Who somebody is; index 0 where it is not known.
ROLES: Final = ("unknown", "patient", "staff", "visitor")
MAX_PERSONS: Final = 4

MOTION: Final = slice(0, MOTION_FEATURES)
EVENT: Final = slice(MOTION_FEATURES, MOTION_FEATURES + EVENT_CLASSES)


class World(NamedTuple):
    """Values of all tokens of a batch, metres."""

    motion: Float[Tensor, "batch person frame 201"]
    event: Float[Tensor, "batch person frame 16"]
    shape: Float[Tensor, "batch person 10"]
    objects: Float[Tensor, "batch object {OBJECT_FEATURES}"]


class Levels(NamedTuple):
    """Noise level of every token, 0 (known) to T; a patch of frames is one token."""

    motion: Int[Tensor, "batch person token"]
    event: Int[Tensor, "batch person token"]
    shape: Int[Tensor, "batch person"]
    objects: Int[Tensor, "batch object"]


class Given(NamedTuple):
    """Which tokens are known when sampling."""

    motion: Bool[Tensor, "batch person token"]
    event: Bool[Tensor, "batch person token"]
    shape: Bool[Tensor, "batch person"]
    objects: Bool[Tensor, "batch object"]


class Present(NamedTuple):
    """Which frames, persons and object slots take part at all; padding does not."""

    frames: Bool[Tensor, "batch person frame"]
    persons: Bool[Tensor, "batch person"]
    objects: Bool[Tensor, "batch object"]


def nothing_known(
    batch: int, persons: int, frames: int, objects: int, *, patch: int, device: torch.device | str = "cpu"
) -> tuple[World, Given]:
    """Values (zeros) and flags of clips in which no token is given; `frames` are whole patches."""

    def none(*shape: int) -> Tensor:
        return torch.zeros(batch, *shape, dtype=torch.bool, device=device)

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(batch, *shape, device=device)

    tokens = frames // patch
    known = World(
        zeros(persons, frames, MOTION_FEATURES),
        zeros(persons, frames, EVENT_CLASSES),
        zeros(persons, BETAS),
        zeros(objects, OBJECT_FEATURES),
    )
    return known, Given(none(persons, tokens), none(persons, tokens), none(persons), none(objects))
