"""Clips of a world pack as training examples, and examples as batches."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.batches import Draw
from datamodules.pack import MODEL_FPS
from datamodules.stored_motion import NUMBERS, steps
from datamodules.world_pack import WorldPack, WorldSequence
from datamodules.world_variation import StoredClip, Variation, WorldItem, vary_clip
from diffusion.feature_moves import features_frame, mirror_map, move_features_
from diffusion.normaliser import Normaliser
from diffusion.objects import mirror_objects, move_objects
from diffusion.representation import EVENT, FEATURES, MOTION_FEATURES, TRANS, leg_ratio
from diffusion.world import BETAS, OBJECT_FEATURES


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
        clip = self._stored(self.sequences[draw.index])
        return vary_clip(clip, draw, self._seed, self._slots, self._vary, self._shortest)

    def _stored(self, sequence: WorldSequence) -> StoredClip:
        pack = self._pack
        rows = slice(sequence.start, sequence.start + sequence.persons * sequence.frames)
        size = (sequence.persons, sequence.frames)
        path, numbers, label, valid = (
            array[rows].reshape(*size, *array.shape[1:]) for array in (pack.path, pack.numbers, pack.label, pack.valid)
        )
        return StoredClip(
            sequence.id,
            path,
            numbers,
            label,
            valid,
            pack.shape[sequence.person : sequence.person + sequence.persons],
            pack.objects[sequence.thing : sequence.thing + sequence.things],
            sequence.roles,
            [self._text(number) for number in sequence.captions],
            [self._text(number) for number in sequence.mirrored_captions],
            pack.text.shape[1],
        )

    def _text(self, number: int) -> tuple[np.ndarray, str]:
        caption = self._pack.captions[number]
        return self._pack.text[caption.start : caption.start + caption.tokens], caption.text


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
