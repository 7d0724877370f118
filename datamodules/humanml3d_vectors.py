"""HumanML3D's raw 263 numbers as batches, for baselines that learn the format itself."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import Dataset

from carescene.clips.dropped import OnBad
from carescene.clips.formats.humanml3d import draw_crop
from datamodules.batches import Draw, LengthBatches
from datamodules.humanml3d_key import SUMMARY_NAME
from datamodules.humanml3d_pack import VectorPack, open_vector_pack, pack_vectors
from datamodules.packed import PackedDataModule
from datamodules.padding import pad_rows, rows_there
from diffusion.normaliser import Normaliser


class VectorItem(NamedTuple):
    """One example: raw vectors `(frame, 263)`, token features, caption, id of the item, batch number."""

    motion: np.ndarray
    text: np.ndarray
    caption: str
    id: str
    number: int


class VectorSequences(Dataset[VectorItem]):
    """Items of one split, drawn by the published rule; a draw depends on seed, pass and item alone."""

    def __init__(self, pack: VectorPack, split: str, seed: int) -> None:
        self._pack, self._seed = pack, seed
        self.sequences = [sequence for sequence in pack.sequences if sequence.split == split]

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, draw: Draw | int) -> VectorItem:
        pass_number, index, number = draw[:3] if isinstance(draw, Draw) else Draw(0, draw)[:3]
        sequence = self.sequences[index]
        rng = np.random.default_rng([self._seed, pass_number, index])
        pick, start, length = draw_crop(sequence.frames, len(sequence.captions), rng)
        text = self._pack.captions[sequence.captions[pick]]
        first = sequence.start + start
        return VectorItem(
            np.array(self._pack.vectors[first : first + length]),
            np.array(self._pack.text[text.start : text.start + text.tokens]),
            text.text,
            sequence.id,
            number,
        )


class VectorCollate:
    """Normalises items and pads them to the longest, rounded up to whole patches.

    A dict: `motion (clip, frame, 263)` in units of the folder's Mean and Std, zero where padded; `frame_mask
    (clip, frame)` bool; `text_tokens (clip, token, channel)` and `text_mask (clip, token)` bool; `caption` and `id`
    lists; `number` of the batch, counted from the start of training.
    """

    def __init__(self, normaliser: Normaliser, patch: int) -> None:
        self._normaliser, self._patch = normaliser, patch

    def __call__(self, items: list[VectorItem]) -> dict[str, Any]:
        frames = -(-max(len(item.motion) for item in items) // self._patch) * self._patch
        motion = self._normaliser.normalise(pad_rows([item.motion for item in items], frames))
        mask = rows_there([len(item.motion) for item in items], frames)
        tokens = max(len(item.text) for item in items)
        return {
            "motion": motion * mask[..., None],
            "frame_mask": mask,
            "text_tokens": pad_rows([item.text.astype(np.float32) for item in items], tokens),
            "text_mask": rows_there([len(item.text) for item in items], tokens),
            "caption": [item.caption for item in items],
            "id": [item.id for item in items],
            "number": items[0].number,
        }


class HumanML3DVectorsDataModule(PackedDataModule):
    """HumanML3D's 263 numbers as they are in the official folder, normalised with its Mean and Std.

    Captions and crops are drawn by the published rule (lengths are multiples of 4 frames), from a seed. The same module
    reads our own clips when they were written in this layout (`lightning export humanml3d`).

    Args:
        folder: with new_joint_vecs, texts, Mean.npy, Std.npy, train.txt, val.txt and test.txt.
        on_bad: `refuse` stops before training at a clip that is damaged or lacks a file; `skip` trains without such
            clips and lists them in report-*.json of the packed data.
        batch_size: clips per batch and process; 64 is MDM's.
        num_workers: processes that read data; 0 is right on a CPU.
        patch: lengths are padded to a multiple of this.
        text_encoder: `minilm`, `clip:ViT-B/32`, `clip:ViT-L/14`, `clip:FILE`, a local folder or a hub name.
        pack_dir: where packed data is kept; default is `packs` inside the folder.
        seed: order of clips, captions and crops.
    """

    def __init__(
        self,
        folder: Path,
        on_bad: OnBad = "refuse",
        batch_size: int = 64,
        num_workers: int = 0,
        patch: int = 4,
        text_encoder: str = "minilm",
        pack_dir: Path | None = None,
        seed: int = 0,
    ) -> None:
        packs = pack_dir or folder / "packs"
        # Clips of the format have less than 200 frames; mirrored copies are on its lists.
        super().__init__([folder], batch_size, num_workers, False, 10.0, patch, text_encoder, packs, seed)
        self.folder = folder
        self.on_bad: OnBad = on_bad

    def prepare_data(self) -> None:
        """Pack on one process of each machine, and say what is used and what was left out."""
        rank_zero_info((self._make_pack() / SUMMARY_NAME).read_text(encoding="utf-8").rstrip())

    def _make_pack(self) -> Path:
        return pack_vectors(self.folder, self.pack_dir, self.text_encoder, self.on_bad)

    def _open(self, folder: Path) -> VectorPack:
        return open_vector_pack(folder)

    def _sequences(self, split: str) -> VectorSequences:
        return VectorSequences(self.pack, split, self.seed)

    def _collate(self) -> VectorCollate:
        return VectorCollate(self.normaliser, self.patch)

    def _batches(self, dataset: VectorSequences, rank: int, world_size: int) -> LengthBatches:
        lengths = [sequence.frames for sequence in dataset.sequences]
        return LengthBatches(lengths, self.batch_size, self.seed, rank, world_size)
