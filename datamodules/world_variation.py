"""Uses of a stored clip that differ: crops, order of persons, mirroring, bodies, things of the room that are known."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from datamodules.batches import Draw
from diffusion.world import BETAS, KIND, OBJECT_FEATURES, OBJECT_KINDS, PRESENT

# Things this far from everybody's path may be missing: rooms are often known only around people.
_FAR_M: Final = 2.5
_DROP_ROOMS: Final = 0.25
_DROP_THINGS: Final = 0.5
_NEVER_DROPPED: Final = tuple(OBJECT_KINDS.index(kind) for kind in ("room", "wall", "door", "bed"))
# Most batches get a few empty slots, so that sampling can leave slots empty; some get all, as free sampling has.
_SPARE_SLOTS: Final = 4
_ALL_SLOTS: Final = 0.25
_NEW_SHAPES: Final = 0.5
# Bodies beyond are rarer than one in eighty, and the far ends of two betas together look ill.
_BETA_LIMIT: Final = 2.5
_BATCH_CHOICES: Final = 1


class StoredClip(NamedTuple):
    """A clip as it is stored, whatever it is stored in.

    Attributes:
        id: of the clip.
        path, numbers, label, valid: `(person, frame, ...)`, see `datamodules.world_pack`.
        shape: `(person, 10)`.
        objects: `(thing, 29)`, most important first; the last number is the distance from people.
        roles: of its persons.
        captions, mirrored_captions: token features `(token, channel)` and text of each.
        channels: of a text token.
    """

    id: str
    path: np.ndarray
    numbers: np.ndarray
    label: np.ndarray
    valid: np.ndarray
    shape: np.ndarray
    objects: np.ndarray
    roles: list[int]
    captions: list[tuple[np.ndarray, str]]
    mirrored_captions: list[tuple[np.ndarray, str]]
    channels: int


class WorldItem(NamedTuple):
    """One example.

    Attributes:
        path, numbers, label, valid: `(person, frame, ...)` as stored, persons in the order of this draw.
        shape, role: of its persons.
        new_shape: betas to give a motion of the reference body, or None.
        objects: `(slot, 28)`, in the pack's frame; empty slots at the end.
        mirrored: whether the rest is still to be mirrored.
        text: `(token, channel)`.
    """

    path: np.ndarray
    numbers: np.ndarray
    label: np.ndarray
    valid: np.ndarray
    shape: np.ndarray
    role: list[int]
    new_shape: np.ndarray | None
    objects: np.ndarray
    mirrored: bool
    text: np.ndarray
    caption: str
    id: str
    number: int


@dataclass(frozen=True)
class Variation:
    """What may differ between two uses of a clip.

    Attributes:
        mirror: use a clip or its mirror image with equal chance.
        trim: drop up to this many frames at the start, so that the grid of tokens falls on other frames each time.
        shuffle: persons in any order; else as in the clip.
        new_shapes: give half of the uses of one-person motion on the reference body another body.
        no_scene: share of batches in which rooms are left out.
        drop_far: leave out some things that are far from everybody.
    """

    mirror: bool = False
    trim: int = 0
    shuffle: bool = False
    new_shapes: bool = False
    no_scene: float = 0.0
    drop_far: bool = False


def vary_clip(clip: StoredClip, draw: Draw, seed: int, slots: int, vary: Variation, shortest: int) -> WorldItem:
    """One use of a clip; every choice depends on seed and draw alone, never on the process that makes it.

    Args:
        clip: as stored.
        draw: which use.
        seed: other seeds make other choices.
        slots: most object slots.
        vary: what may differ between uses.
        shortest: never trim below this many frames.
    """
    rng = np.random.default_rng([seed, draw.pass_number, draw.index, draw.copy])
    # Drawn in any case, so that one option does not change the other choices.
    flip, pick, cut, body = rng.random(4)
    mirrored = vary.mirror and flip < 0.5
    persons, frames = clip.valid.shape
    skip = int(cut * (max(0, min(vary.trim, frames - shortest)) + 1))
    if not clip.valid[:, skip].any():
        skip = 0
    order = _order(clip.valid[:, skip], vary.shuffle, rng)
    rows = (order, slice(skip, None))
    shape = clip.shape[order]
    # Motion that touches or meets something belongs to the body it was made with.
    free = persons == 1 and not len(clip.objects) and not shape.any()
    new_shape = np.clip(rng.standard_normal(BETAS), -_BETA_LIMIT, _BETA_LIMIT).astype(np.float32)
    captions = clip.mirrored_captions if mirrored else clip.captions
    nothing = np.zeros((0, clip.channels), np.float16), ""
    text, caption = captions[int(pick * len(captions))] if captions else nothing
    return WorldItem(
        clip.path[rows],
        clip.numbers[rows],
        clip.label[rows],
        clip.valid[rows],
        shape,
        [clip.roles[person] for person in order],
        new_shape if vary.new_shapes and free and body < _NEW_SHAPES else None,
        _objects(clip.objects, draw, seed, slots, vary, rng),
        mirrored,
        text,
        caption,
        clip.id,
        draw.batch_number,
    )


def _order(there: np.ndarray, shuffle: bool, rng: np.random.Generator) -> np.ndarray:
    """Persons in this draw's order; the first is there in the first frame, since all is seen from it."""
    order = rng.permutation(len(there)) if shuffle else np.arange(len(there))
    leader = int(np.flatnonzero(there[order])[0])
    return np.concatenate([order[leader : leader + 1], np.delete(order, leader)])


def _objects(
    stored: np.ndarray, draw: Draw, seed: int, slots: int, vary: Variation, rng: np.random.Generator
) -> np.ndarray:
    whole = np.random.default_rng([seed, draw.batch_number, _BATCH_CHOICES]).random(2)
    drop, spare = rng.random(2)
    none = np.zeros((0, OBJECT_FEATURES), np.float32)
    if not len(stored) or whole[0] < vary.no_scene:
        return none
    vectors, reach = stored[:, :OBJECT_FEATURES], stored[:, OBJECT_FEATURES]
    if vary.drop_far and drop < _DROP_ROOMS:
        fixed = np.isin(vectors[:, KIND].argmax(1), _NEVER_DROPPED)
        vectors = vectors[fixed | (reach < _FAR_M) | (rng.random(len(reach)) > _DROP_THINGS)]
    vectors = vectors[:slots]
    room = slots - len(vectors)
    count = room if whole[1] < _ALL_SLOTS else int(spare * (min(room, _SPARE_SLOTS) + 1))
    empty = np.zeros((count, OBJECT_FEATURES), np.float32)
    empty[:, PRESENT] = -1.0
    return np.concatenate([vectors, empty])
