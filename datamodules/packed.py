"""What data modules of packed clips share: packing once, batches in a fixed order over all processes, resumption."""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, Subset

from carescene.errors import UserError
from datamodules.batches import LengthBatches, ResumableLoader
from datamodules.pack import MODEL_FPS
from diffusion.normaliser import Normaliser


class _Sequence(Protocol):
    """What loading must know of a clip."""

    @property
    def id(self) -> str: ...

    @property
    def frames(self) -> int: ...


class PackedDataModule(pl.LightningDataModule):
    """Clips that are packed once into memory-mapped arrays; later runs start at once.

    Args:
        data_dirs: prepared folders.
        batch_size: clips per batch and process.
        num_workers: processes that read data.
        mirror: also train on left-right mirrored clips.
        max_seconds: longest clip that is accepted.
        patch: frames per token.
        text_encoder: name of the text encoder.
        pack_dir: where packed data is kept.
        seed: order of clips and all choices.
    """

    def __init__(
        self,
        data_dirs: list[Path],
        batch_size: int,
        num_workers: int,
        mirror: bool,
        max_seconds: float,
        patch: int,
        text_encoder: str,
        pack_dir: Path,
        seed: int,
    ) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0), ("patch", patch, 1)):
            if value < least:
                raise UserError(f"Expected data.{name} of at least {least}, but got {value}. Correct the config.")
        self.batch_size, self.num_workers, self.patch = batch_size, num_workers, patch
        self.mirror, self.max_seconds, self.text_encoder, self.seed = mirror, max_seconds, text_encoder, seed
        self.pack_dir = pack_dir
        self._dirs = data_dirs
        self._pack: Any = None
        self._given_normaliser: Normaliser | None = None
        self._left_out: frozenset[str] = frozenset()
        # With few clips left to predict, some processes have none.
        self.allow_zero_length_dataloader_with_multiple_devices = True

    @property
    def pack(self) -> Any:
        """The packed data; packs it first when that has not been done."""
        if self._pack is None:
            self._pack = self._open(self._make_pack())
            self._check_lengths(self._pack)
        return self._pack

    @property
    def normaliser(self) -> Normaliser:
        """Statistics of the training split, or those that a model brought along."""
        return self._given_normaliser or self.pack.normaliser

    def use_normaliser(self, normaliser: Normaliser) -> None:
        """Normalise by other statistics than the pack's own: those of the weights that training goes on from."""
        self._given_normaliser = normaliser

    @property
    def data_hash(self) -> str:
        """sha256 of splits and clips: what the weights were trained on."""
        return self.pack.data_hash

    @property
    def text_width(self) -> int:
        """Channels of a text token."""
        return self.pack.text.shape[1]

    @abstractmethod
    def _make_pack(self) -> Path:
        """Pack the data unless that has been done; the folder of the pack."""

    @abstractmethod
    def _open(self, folder: Path) -> Any:
        """Open a pack."""

    @abstractmethod
    def _sequences(self, split: str) -> Any:
        """The data set of a split, with a list `sequences` of what is known of each clip."""

    @abstractmethod
    def _collate(self) -> Any:
        """What makes a batch of items."""

    @abstractmethod
    def _batches(self, dataset: Any, rank: int, world_size: int) -> LengthBatches:
        """Which training clips make which batch."""

    def _size_of(self, sequence: Any) -> tuple[int, ...]:
        """What validation clips are sorted by, so that clips of like size meet."""
        return (sequence.frames,)

    def _check_lengths(self, pack: Any) -> None:
        longest: _Sequence = max(pack.sequences, key=lambda sequence: sequence.frames)
        if longest.frames > self.max_seconds * MODEL_FPS:
            raise UserError(
                f"Expected clips of at most {self.max_seconds:g} s, but got '{longest.id}' of "
                f"{longest.frames / MODEL_FPS:g} s. Raise data.max_seconds or cut the clips when preparing them."
            )

    def prepare_data(self) -> None:
        """Pack on one process of each machine; Lightning lets the others wait."""
        self._make_pack()

    def setup(self, stage: str) -> None:
        """Map the pack in this process.

        Raises:
            UserError: if the split to be used has no clips, or Lightning would replace our distributed sampler.
        """
        trainer = self.trainer
        world_size = trainer.world_size if trainer is not None else 1
        if trainer is not None and world_size > 1 and trainer._accelerator_connector.use_distributed_sampler:
            raise UserError(
                "Expected trainer.use_distributed_sampler to be false with several processes, but got true. The "
                "batches are already split between them."
            )
        if stage == "fit" and (count := len(self._sequences("train"))) < world_size:
            raise UserError(
                f"Expected at least {world_size} training clips for {world_size} processes, but got {count}. "
                "Use fewer devices."
            )

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of similar length without end, split over processes, resumable at any batch.

        With `trainer.max_steps` the whole run is one Lightning epoch, so that its progress bar shows the time left.
        """
        dataset = self._sequences("train")
        trainer = self.trainer
        rank, world_size = self._rank()
        batches = self._batches(dataset, rank, world_size)
        length = None
        if trainer is not None and trainer.max_steps > 0:
            length = trainer.max_steps * trainer.accumulate_grad_batches
        return ResumableLoader(dataset, batches, length, **self._loading())

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation split in a fixed order, sorted by length."""
        return self._in_order("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """The test split in a fixed order, sorted by length."""
        return self._in_order("test")

    def leave_out(self, ids: Iterable[str]) -> None:
        """Clips that `predict` need not make, because they are there already."""
        self._left_out = frozenset(ids)

    def predict_dataloader(self) -> DataLoader[Any]:
        """The test split: its captions and lengths are what `predict` generates motion for.

        Each clip goes to one process only; processes need not make the same number of batches here.
        """
        dataset = self._sequences("test")
        order = [at for at in self._order(dataset, "test") if dataset.sequences[at].id not in self._left_out]
        rank, world_size = self._rank()
        return DataLoader(Subset(dataset, order[rank::world_size]), batch_size=self.batch_size, **self._loading())

    def _in_order(self, split: str) -> DataLoader[Any]:
        dataset = self._sequences(split)
        order = self._order(dataset, split)
        rank, world_size = self._rank()
        # Sorted, then dealt out: every process gets the same mixture of lengths. The last round is filled up from the
        # front, because processes must make the same number of steps.
        missing = -len(order) % world_size
        mine = (order + order[:missing])[rank::world_size]
        return DataLoader(Subset(dataset, mine), batch_size=self.batch_size, **self._loading())

    def _order(self, dataset: Any, split: str) -> list[int]:
        """All clips of a split, sorted by size."""
        if not len(dataset):
            names = ", ".join(f"'{folder}/splits/{split}.txt'" for folder in self._dirs)
            raise UserError(
                f"Expected clips in {names}, but it is empty. "
                "Prepare more data, or set trainer.limit_val_batches to 0 to train without validation."
            )
        return sorted(range(len(dataset)), key=lambda index: self._size_of(dataset.sequences[index]))

    def _rank(self) -> tuple[int, int]:
        """Number of this process, and how many there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _loading(self) -> dict[str, Any]:
        return {
            "num_workers": self.num_workers,
            "collate_fn": self._collate(),
            "pin_memory": torch.cuda.is_available(),
            "persistent_workers": self.num_workers > 0,
        }
