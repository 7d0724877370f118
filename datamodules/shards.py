"""Shards of clips as batches, for corpora larger than memory and for disks that do not like many files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader, Dataset

from carescene.clips.dropped import DropReport, OnBad
from carescene.errors import UserError
from datamodules.batches import Draw, LengthBatches
from datamodules.pack import MODEL_FPS
from datamodules.packed import PackedDataModule
from datamodules.shard_batches import ShardBatches, ShardLoader
from datamodules.shard_files import ShardReader, ShardTable
from datamodules.shard_index import ShardRow, ShardSplit, ShardStore, open_shards
from datamodules.world_items import WorldCollate
from datamodules.world_variation import Variation, WorldItem, vary_clip
from diffusion.objects import DEFAULT_SLOTS
from diffusion.text import load_text_encoder


class ShardSequences(Dataset[WorldItem]):
    """Clips of one split of shards; every random choice depends on seed, draw and clip alone, never on the worker.

    Args:
        folder: of the shards.
        split: its usable clips.
        seed: other seeds make other choices.
        slots: most object slots of a clip.
        vary: what may differ between uses.
        shortest: never trim below this many frames.
    """

    def __init__(
        self, folder: Path, split: ShardSplit, seed: int, slots: int, vary: Variation, shortest: int = MODEL_FPS
    ) -> None:
        self._reader = ShardReader(folder, split.names, split.table)
        self._seed, self._slots, self._vary, self._shortest = seed, slots, vary, shortest
        self.table = split.table
        self.sequences = _Rows(split.table)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, draw: Draw | int) -> WorldItem:
        draw = draw if isinstance(draw, Draw) else Draw(0, draw)
        return vary_clip(self._reader.clip(draw.index), draw, self._seed, self._slots, self._vary, self._shortest)


class ShardDataModule(PackedDataModule):
    """The clips of `lightning prepare shards` as batches of worlds: `SceneDataModule`'s keys, from a few large files.

    Machines and processes read their own stretches of the shards, every clip once a pass, in an order that depends on
    nothing but the seed; a run goes on at the batch where it stopped. Nothing but the index is kept in memory. Classes
    and folders are drawn as often as they occur: what shall be drawn more often belongs into the shards more often.

    Args:
        data_dir: folder that `lightning prepare shards` wrote.
        on_bad: `refuse` stops before training at a shard that is missing or cut short; `skip` trains without the clips
            that are lost, and says which.
        verify: read everything once at the start and compare checksums, so that damaged clips are found then.
        batch_size: clips per batch and process.
        num_workers: processes that read data; a few keep a GPU fed.
        mirror: also train on left-right mirrored clips, captions and rooms included.
        shape_augment: give half of the uses of motion on the reference body another body, with its stride.
        no_scene: share of batches in which rooms are left out.
        object_slots: most things of a room, the room itself included.
        max_seconds: longest clip that is accepted.
        patch: frames per token; set by the model's own patch.
        text_encoder: the one whose token features are in the shards.
        seed: order of clips and all random choices.
    """

    def __init__(
        self,
        data_dir: Path,
        on_bad: OnBad = "refuse",
        verify: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        mirror: bool = True,
        shape_augment: bool = True,
        no_scene: float = 0.1,
        object_slots: int = DEFAULT_SLOTS,
        max_seconds: float = 10.0,
        patch: int = 4,
        text_encoder: str = "minilm",
        seed: int = 0,
    ) -> None:
        super().__init__([data_dir], batch_size, num_workers, mirror, max_seconds, patch, text_encoder, data_dir, seed)
        if not 0 <= no_scene <= 1:
            raise UserError(f"Expected data.no_scene from 0 to 1, but got {no_scene}. Correct the config.")
        if object_slots < 2:
            raise UserError(f"Expected data.object_slots of at least 2, but got {object_slots}. Correct the config.")
        self.data_dir, self.verify = data_dir, verify
        self.on_bad: OnBad = on_bad
        self.shape_augment, self.no_scene, self.object_slots = shape_augment, no_scene, object_slots

    @property
    def text_width(self) -> int:
        """Channels of a text token."""
        return int(self.pack.facts["text_width"])

    @property
    def report(self) -> DropReport:
        """What of the shards is not used, and why."""
        return self.pack.report

    def _make_pack(self) -> Path:
        return self.data_dir

    def _open(self, folder: Path) -> ShardStore:
        store = open_shards(folder, DropReport("clips in shards", self.on_bad), self.verify)
        rank_zero_info(store.report.summary())
        facts = store.facts
        if facts["text_encoder"] != (wanted := load_text_encoder(self.text_encoder).model_id):
            raise UserError(
                f"Expected shards with features of the text encoder {wanted}, but '{folder}' has those of "
                f"{facts['text_encoder']}. Set data.text_encoder, or prepare the shards with --text_encoder."
            )
        if self.mirror and not facts["mirror"]:
            raise UserError(
                f"Expected mirrored captions in '{folder}', but it was prepared without. Set data.mirror to false, or "
                "prepare the shards again."
            )
        return store

    def _sequences(self, split: str) -> ShardSequences:
        vary = Variation()
        if split == "train":
            vary = Variation(self.mirror, self.patch - 1, True, self.shape_augment, self.no_scene, True)
        return ShardSequences(self.data_dir, self.pack.splits[split], self.seed, self.object_slots, vary)

    def _collate(self) -> WorldCollate:
        return WorldCollate(self.normaliser, self.patch, self.pack.rest)

    def _batches(self, dataset: Any, rank: int, world_size: int) -> LengthBatches:
        raise AssertionError("shards have batches of their own, see train_dataloader")

    def _size_of(self, sequence: ShardRow) -> tuple[int, ...]:
        return 2 * sequence.persons + (sequence.things > 0), sequence.frames

    def _check_lengths(self, pack: ShardStore) -> None:
        for split in pack.splits.values():
            frames = split.table["frames"]
            if len(frames) and frames.max() > self.max_seconds * MODEL_FPS:
                key = bytes(split.table["key"][int(frames.argmax())]).decode()
                raise UserError(
                    f"Expected clips of at most {self.max_seconds:g} s, but got '{key}' of "
                    f"{frames.max() / MODEL_FPS:g} s. Raise data.max_seconds or cut the clips when preparing them."
                )

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches without end, from each process' own stretch of the shards, resumable at any batch."""
        dataset, trainer = self._sequences("train"), self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
        table = dataset.table
        kinds = 2 * table["persons"] + (table["things"] > 0)
        batches = ShardBatches(table["shard"], table["frames"], kinds, self.batch_size, self.seed, rank, world_size)
        length = None
        if trainer is not None and trainer.max_steps > 0:
            length = trainer.max_steps * trainer.accumulate_grad_batches
        return ShardLoader(dataset, batches, length, **self._loading())


class _Rows(Sequence[ShardRow]):
    """Rows of a table as tuples, made when they are looked at."""

    def __init__(self, table: ShardTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, at: int) -> ShardRow: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[ShardRow]: ...

    def __getitem__(self, at: int | slice) -> ShardRow | Sequence[ShardRow]:
        if isinstance(at, slice):
            return _Rows(self._table.where(np.arange(len(self))[at]))
        table = self._table
        key = bytes(table["key"][at]).decode()
        return ShardRow(key, int(table["frames"][at]), int(table["persons"][at]), int(table["things"][at]))

    def __iter__(self) -> Iterator[ShardRow]:
        return (self[at] for at in range(len(self)))
