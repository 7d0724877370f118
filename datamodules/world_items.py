"""Clips of a world pack as training examples, and examples as batches: crops, order of persons, mirroring, frames."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.batches import Draw
from datamodules.pack import MODEL_FPS
from datamodules.stored_motion import NUMBERS, steps
from datamodules.world_pack import WorldPack, WorldSequence
from diffusion.feature_moves import features_frame, mirror_map, move_features_
from diffusion.normaliser import Normaliser
from diffusion.objects import mirror_objects, move_objects
from diffusion.representation import EVENT, FEATURES, MOTION_FEATURES, TRANS, leg_ratio
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


class WorldSequences(Dataset[WorldItem]):
    """Clips of one split; every random choice depends on seed, draw and clip alone, never on the worker.

    Args:
        pack: the packed data.
        split: `train`, `val` or `test`.
        seed: other seeds make other choices.
        slots: most object slots of a clip.
        vary: what may differ between uses.
        shortest: never trim below this many frames.
    """

    def __init__(
        self, pack: WorldPack, split: str, seed: int, slots: int, vary: Variation, shortest: int = MODEL_FPS
    ) -> None:
        self._pack, self._seed, self._slots, self._vary, self._shortest = pack, seed, slots, vary, shortest
        self.sequences = [sequence for sequence in pack.sequences if sequence.split == split]

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, draw: Draw | int) -> WorldItem:
        draw = draw if isinstance(draw, Draw) else Draw(0, draw)
        sequence, vary = self.sequences[draw.index], self._vary
        rng = np.random.default_rng([self._seed, draw.pass_number, draw.index, draw.copy])
        # Drawn in any case, so that one option does not change the other choices.
        flip, pick, cut, body = rng.random(4)
        mirrored = vary.mirror and flip < 0.5
        skip = int(cut * (max(0, min(vary.trim, sequence.frames - self._shortest)) + 1))
        path, numbers, label, valid = self._rows(sequence)
        if not valid[:, skip].any():
            skip = 0
        order = self._order(valid[:, skip], rng)
        rows = (order, slice(skip, None))
        shape = self._pack.shape[sequence.person : sequence.person + sequence.persons][order]
        # Motion that touches or meets something belongs to the body it was made with.
        free = sequence.persons == 1 and not sequence.things and not shape.any()
        new_shape = np.clip(rng.standard_normal(BETAS), -_BETA_LIMIT, _BETA_LIMIT).astype(np.float32)
        captions = sequence.mirrored_captions if mirrored else sequence.captions
        text = self._pack.captions[captions[int(pick * len(captions))]] if captions else None
        return WorldItem(
            path[rows],
            numbers[rows],
            label[rows],
            valid[rows],
            shape,
            [sequence.roles[person] for person in order],
            new_shape if vary.new_shapes and free and body < _NEW_SHAPES else None,
            self._objects(sequence, draw, rng),
            mirrored,
            self._pack.text[text.start : text.start + text.tokens] if text else self._pack.text[:0],
            text.text if text else "",
            sequence.id,
            draw.batch_number,
        )

    def _rows(self, sequence: WorldSequence) -> tuple[np.ndarray, ...]:
        rows = slice(sequence.start, sequence.start + sequence.persons * sequence.frames)
        pack, shape = self._pack, (sequence.persons, sequence.frames)
        return tuple(
            array[rows].reshape(*shape, *array.shape[1:]) for array in (pack.path, pack.numbers, pack.label, pack.valid)
        )

    def _order(self, there: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Persons in this draw's order; the first is there in the first frame, since all is seen from it."""
        order = rng.permutation(len(there)) if self._vary.shuffle else np.arange(len(there))
        leader = int(np.flatnonzero(there[order])[0])
        return np.concatenate([order[leader : leader + 1], np.delete(order, leader)])

    def _objects(self, sequence: WorldSequence, draw: Draw, rng: np.random.Generator) -> np.ndarray:
        whole = np.random.default_rng([self._seed, draw.batch_number, _BATCH_CHOICES]).random(2)
        drop, spare = rng.random(2)
        none = np.zeros((0, OBJECT_FEATURES), np.float32)
        if not sequence.things or whole[0] < self._vary.no_scene:
            return none
        stored = self._pack.objects[sequence.thing : sequence.thing + sequence.things]
        vectors, reach = stored[:, :OBJECT_FEATURES], stored[:, OBJECT_FEATURES]
        if self._vary.drop_far and drop < _DROP_ROOMS:
            fixed = np.isin(vectors[:, KIND].argmax(1), _NEVER_DROPPED)
            vectors = vectors[fixed | (reach < _FAR_M) | (rng.random(len(reach)) > _DROP_THINGS)]
        vectors = vectors[: self._slots]
        room = self._slots - len(vectors)
        count = room if whole[1] < _ALL_SLOTS else int(spare * (min(room, _SPARE_SLOTS) + 1))
        empty = np.zeros((count, OBJECT_FEATURES), np.float32)
        empty[:, PRESENT] = -1.0
        return np.concatenate([vectors, empty])


class WorldCollate:
    """Pads examples to the largest, puts each into the frame of its first person, and normalises.

    A dict: `motion (clip, person, frame, 217)` normalised, zero where nobody is; `frame_mask` and `event_known`
    `(clip, person, frame)` bool; `shape (clip, person, 10)`, `shape_known` and `role` `(clip, person)`;
    `objects (clip, slot, 28)` in metres, zero where padded, and `object_mask (clip, slot)`, no slots at all in a
    batch without rooms; `text_tokens (clip, token, channel)` and `text_mask (clip, token)`; `caption` and `id` lists;
    `number` of the batch, counted from the start of training.
    """

    def __init__(self, normaliser: Normaliser, patch: int, rest: np.ndarray) -> None:
        self._mean, self._scale, self._patch = normaliser.mean, 1 / normaliser.std, patch
        self._rest = torch.from_numpy(rest)
        self._steps = steps()

    def __call__(self, items: list[WorldItem]) -> dict[str, Any]:
        persons = max(len(item.path) for item in items)
        frames = -(-max(item.path.shape[1] for item in items) // self._patch) * self._patch
        label = _padded([item.label for item in items], (persons, frames), -1)
        frame_mask = _padded([item.valid for item in items], (persons, frames))
        motion = self._features(items, (persons, frames), label)
        objects, object_mask = self._things(items)
        angle, origin = features_frame(motion[:, 0, 0])
        move_features_(motion, angle, origin)
        objects = move_objects(objects, angle, origin)
        shape = _padded([item.shape for item in items], (persons, BETAS))
        self._give_shapes(items, motion, shape)
        motion.sub_(self._mean).mul_(self._scale).mul_(frame_mask[..., None])
        tokens = max(1, max(len(item.text) for item in items))
        channels = items[0].text.shape[1]
        return {
            "motion": motion,
            "frame_mask": frame_mask,
            "event_known": (label >= 0) & frame_mask,
            "shape": shape,
            "shape_known": _mask([len(item.path) for item in items], persons),
            "role": _padded([np.array(item.role) for item in items], (persons,)),
            "objects": objects,
            "object_mask": object_mask,
            "text_tokens": _padded([item.text for item in items], (tokens, channels)).float(),
            "text_mask": _mask([len(item.text) for item in items], tokens),
            "caption": [item.caption for item in items],
            "id": [item.id for item in items],
            "number": items[0].number,
        }

    def _features(self, items: list[WorldItem], size: tuple[int, int], label: Tensor) -> Tensor:
        source, sign = mirror_map()
        columns = np.array(source[TRANS.stop :]) - TRANS.stop
        signs = np.array(sign[TRANS.stop :], dtype=np.int16)
        numbers = _padded(
            [item.numbers[..., columns] * signs if item.mirrored else item.numbers for item in items], (*size, NUMBERS)
        )
        side = np.array([-1.0, 1.0, 1.0], dtype=np.float32)
        path = _padded([item.path * side if item.mirrored else item.path for item in items], (*size, 3))
        motion = torch.zeros(len(items), *size, FEATURES)
        motion[..., TRANS] = path
        torch.mul(numbers, self._steps, out=motion[..., TRANS.stop : MOTION_FEATURES])
        known = (label >= 0).float()[..., None]
        motion[..., EVENT].scatter_(-1, label.long().clamp(min=0)[..., None], known)
        return motion

    def _things(self, items: list[WorldItem]) -> tuple[Tensor, Tensor]:
        counts = [len(item.objects) for item in items]
        objects = _padded([item.objects for item in items], (max(counts), OBJECT_FEATURES))
        mirrored = torch.tensor([item.mirrored for item in items])[:, None, None]
        return torch.where(mirrored, mirror_objects(objects), objects), _mask(counts, max(counts))

    def _give_shapes(self, items: list[WorldItem], motion: Tensor, shape: Tensor) -> None:
        """Put motions of the reference body on other bodies: the same angles make longer legs step further."""
        chosen = [at for at, item in enumerate(items) if item.new_shape is not None]
        if not chosen:
            return
        betas = torch.from_numpy(np.stack([item.new_shape for item in items if item.new_shape is not None]))
        rest = self._rest[0] + torch.einsum("bk,kjc->bjc", betas, self._rest[1:])
        shape[chosen, 0] = betas
        # Paths start at the origin here, so that dividing lengthens every step alike.
        motion[chosen, 0, :, :2] = motion[chosen, 0, :, :2] / leg_ratio(rest)[:, None, None]


def _padded(arrays: list[np.ndarray], size: tuple[int, ...], fill: float | int = 0) -> Tensor:
    """Arrays at the start of one tensor `(array, *size)`, the rest filled."""
    out = np.full((len(arrays), *size), fill, arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[tuple(slice(0, length) for length in array.shape)] = array
    return torch.from_numpy(out)


def _mask(lengths: list[int], length: int) -> Tensor:
    return torch.arange(length) < torch.tensor(lengths)[:, None]
