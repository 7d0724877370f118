"""Prepared motion capture as batches for the diffusion model."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.batches import Draw, LengthBatches
from datamodules.pack import MODEL_FPS, Pack, Sequence, open_pack, pack_clips
from datamodules.packed import PackedDataModule
from diffusion.canonical import canonicalise_features
from diffusion.normaliser import Normaliser


class Item(NamedTuple):
    """One example: features `(frame, 217)`, labels `(frame,)`, token features, caption, clip id, batch number."""

    motion: np.ndarray
    label: np.ndarray
    text: np.ndarray
    caption: str
    id: str
    number: int


class MotionSequences(Dataset[Item]):
    """Sequences of one split; every random choice depends on seed, pass and clip alone, never on the worker.

    Args:
        pack: the packed data.
        split: `train`, `val` or `test`.
        seed: other seeds make other choices.
        mirror: use a clip or its mirrored copy with equal chance.
        trim: drop up to this many frames at the start. The patch grid then falls on other frames in every pass;
            more would cut into the action that the caption describes.
        shortest: never trim below this many frames.
    """

    def __init__(self, pack: Pack, split: str, seed: int, mirror: bool, trim: int, shortest: int = MODEL_FPS) -> None:
        self._pack, self._seed, self._trim, self._shortest = pack, seed, trim, shortest
        self.sequences = [s for s in pack.sequences if s.split == split and not s.mirrored]
        copies = {s.id: s for s in pack.sequences if s.split == split and s.mirrored} if mirror else {}
        self._copies = [copies.get(s.id) for s in self.sequences]

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, draw: Draw | int) -> Item:
        pass_number, index, number = draw[:3] if isinstance(draw, Draw) else Draw(0, draw)[:3]
        rng = np.random.default_rng([self._seed, pass_number, index])
        # Drawn in any case, so that one option does not change the other choices.
        flip, pick, cut = rng.random(3)
        copy = self._copies[index]
        sequence = copy if copy is not None and flip < 0.5 else self.sequences[index]
        caption = sequence.captions[int(pick * len(sequence.captions))]
        skip = int(cut * (max(0, min(self._trim, sequence.frames - self._shortest)) + 1))
        return self._item(sequence, caption, skip, number)

    def _item(self, sequence: Sequence, caption: int, skip: int, number: int) -> Item:
        rows = slice(sequence.start + skip, sequence.start + sequence.frames)
        text = self._pack.captions[caption]
        motion = np.array(self._pack.motion[rows])
        if skip:
            # The first frame defines the frame of reference.
            motion = canonicalise_features(torch.from_numpy(motion)).numpy()
        tokens = np.array(self._pack.text[text.start : text.start + text.tokens])
        return Item(motion, np.array(self._pack.label[rows]), tokens, text.text, sequence.id, number)


class Collate:
    """Pads items to the longest one, rounded up to whole patches, and normalises.

    A dict: `motion (clip, 1, frame, 217)` normalised, zero where padded; `frame_mask` and `event_known`
    `(clip, 1, frame)` bool; `text_tokens (clip, token, channel)` and `text_mask (clip, token)` bool, zero and false
    where padded; `caption` and `id` lists; `number` of the batch, counted from the start of training.
    """

    def __init__(self, normaliser: Normaliser, patch: int) -> None:
        self._normaliser, self._patch = normaliser, patch

    def __call__(self, items: list[Item]) -> dict[str, Any]:
        frames = -(-max(len(item.motion) for item in items) // self._patch) * self._patch
        motion = self._normaliser.normalise(pad_rows([item.motion for item in items], frames))
        frame_mask = rows_there([len(item.motion) for item in items], frames)
        known = pad_rows([(item.label >= 0)[:, None] for item in items], frames)[..., 0]
        tokens = max(len(item.text) for item in items)
        return {
            "motion": (motion * frame_mask[..., None])[:, None],
            "frame_mask": frame_mask[:, None],
            "event_known": known[:, None],
            "text_tokens": pad_rows([item.text.astype(np.float32) for item in items], tokens),
            "text_mask": rows_there([len(item.text) for item in items], tokens),
            "caption": [item.caption for item in items],
            "id": [item.id for item in items],
            "number": items[0].number,
        }


def pad_rows(arrays: list[np.ndarray], length: int) -> Tensor:
    """Stack `(length_i, channel)` arrays as `(array, length, channel)`, zeros at the end."""
    out = np.zeros((len(arrays), length, arrays[0].shape[1]), arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out)


def rows_there(lengths: list[int], length: int) -> Tensor:
    """Which rows of `pad_rows` hold something, `(array, length)`."""
    return torch.arange(length) < torch.tensor(lengths)[:, None]


class MocapDataModule(PackedDataModule):
    """Prepared motion capture with captions.

    The prepared folder is packed once into memory-mapped arrays (a few minutes, mostly reading captions with the text
    encoder); later runs start at once.

    Args:
        data_dir: folder that `lightning prepare mocap` wrote.
        batch_size: clips per batch and process. 64 keeps two CPU cores busy.
        num_workers: processes that read data. Reading mapped arrays is so cheap that 0 is right on a CPU; 4 keep a fast
            GPU fed.
        mirror: also train on left-right mirrored motion, with left and right exchanged in the captions.
        max_seconds: longest clip that is accepted; the model's time embedding and the captions are made for 10 s.
        patch: frames per token; set by the model's own patch.
        text_encoder: `minilm`, `clip:ViT-B/32`, `clip:ViT-L/14`, `clip:FILE`, a local folder or a hub name.
        pack_dir: where packed data is kept; default is `packs` inside data_dir.
        seed: order of clips, choice of captions and mirroring.
    """

    def __init__(
        self,
        data_dir: Path,
        batch_size: int = 64,
        num_workers: int = 0,
        mirror: bool = True,
        max_seconds: float = 10.0,
        patch: int = 4,
        text_encoder: str = "minilm",
        pack_dir: Path | None = None,
        seed: int = 0,
    ) -> None:
        packs = pack_dir or data_dir / "packs"
        super().__init__([data_dir], batch_size, num_workers, mirror, max_seconds, patch, text_encoder, packs, seed)
        self.data_dir = data_dir

    def _make_pack(self) -> Path:
        return pack_clips(self.data_dir, self.pack_dir, self.text_encoder, self.mirror)

    def _open(self, folder: Path) -> Pack:
        return open_pack(folder)

    def _sequences(self, split: str) -> MotionSequences:
        train = split == "train"
        return MotionSequences(self.pack, split, self.seed, self.mirror and train, self.patch - 1 if train else 0)

    def _collate(self) -> Collate:
        return Collate(self.normaliser, self.patch)

    def _batches(self, dataset: MotionSequences, rank: int, world_size: int) -> LengthBatches:
        lengths = [sequence.frames for sequence in dataset.sequences]
        return LengthBatches(lengths, self.batch_size, self.seed, rank, world_size)
