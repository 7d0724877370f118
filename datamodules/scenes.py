"""Prepared clips of all kinds (recorded, simulated, composed in rooms) as batches of worlds for the model."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from carescene.errors import UserError
from datamodules.batches import LengthBatches
from datamodules.packed import PackedDataModule
from datamodules.world_items import Variation, WorldCollate, WorldSequences
from datamodules.world_pack import WorldPack, WorldSequence, open_world_pack
from datamodules.world_packing import pack_worlds
from diffusion.objects import DEFAULT_SLOTS


class SceneDataModule(PackedDataModule):
    """Clips of one to four people with captions, roles, bodies and rooms, from several prepared folders.

    The folders are packed together once (some minutes, mostly reading captions with the text encoder); later runs start
    at once. Persons come in any order, each clip in the frame of the first one; batches hold clips with equally many
    persons and similar length, so that padding stays low.

    Args:
        data_dirs: folders that `lightning prepare ...` wrote.
        data_dir: one such folder, in place of data_dirs.
        shares: share of each folder among the clips that are drawn; default is by the number of its clips, balanced
            as below.
        balance: how far rare classes are drawn more often than they occur: 0 as they occur, 1 every class equally
            often. 0.5 is the square root in between: half of the recorded clips raise a hand, and equally often would
            repeat classes of one clip a hundred times in each pass.
        batch_size: clips per batch and process.
        num_workers: processes that read data; 0 is right on a CPU, where a batch costs a few percent of a step.
        mirror: also train on left-right mirrored clips, captions and rooms included.
        shape_augment: give half of the uses of motion on the reference body another body, with its stride.
        no_scene: share of batches in which rooms are left out, so that the model also serves where none is known.
        object_slots: most things of a room, the room itself included; those near the people come first.
        max_seconds: longest clip that is accepted; the model's time embedding and the captions are made for 10 s.
        patch: frames per token; set by the model's own patch.
        text_encoder: `minilm`, `clip:ViT-B/32`, `clip:ViT-L/14`, `clip:FILE`, a local folder or a hub name.
        pack_dir: where packed data is kept; default is `packs` inside the first folder.
        seed: order of clips and all random choices.
    """

    def __init__(
        self,
        data_dirs: list[Path] | None = None,
        data_dir: Path | None = None,
        shares: list[float] | None = None,
        balance: float = 0.5,
        batch_size: int = 64,
        num_workers: int = 0,
        mirror: bool = True,
        shape_augment: bool = True,
        no_scene: float = 0.1,
        object_slots: int = DEFAULT_SLOTS,
        max_seconds: float = 10.0,
        patch: int = 4,
        text_encoder: str = "minilm",
        pack_dir: Path | None = None,
        seed: int = 0,
    ) -> None:
        # A single folder is what somebody gives on the command line, over the folders of a config.
        data_dirs = [data_dir] if data_dir is not None else data_dirs
        if not data_dirs:
            raise UserError("Expected a prepared folder in data.data_dirs or data.data_dir, but got none. Add one.")
        if data_dir is not None:
            shares = None
        packs = pack_dir or data_dirs[0] / "packs"
        super().__init__(data_dirs, batch_size, num_workers, mirror, max_seconds, patch, text_encoder, packs, seed)
        for name, value in (("balance", balance), ("no_scene", no_scene)):
            if not 0 <= value <= 1:
                raise UserError(f"Expected data.{name} from 0 to 1, but got {value}. Correct the config.")
        if object_slots < 2:
            raise UserError(
                f"Expected data.object_slots of at least 2, but got {object_slots}. Room and door need one each."
            )
        if shares is not None and (len(shares) != len(data_dirs) or min(shares) < 0 or not sum(shares) > 0):
            raise UserError(
                f"Expected data.shares to hold a number for each of {len(data_dirs)} folders, none below 0 and not all "
                f"0, but got {shares}. Correct the config."
            )
        self.data_dirs, self.shares, self.balance = data_dirs, shares, balance
        self.shape_augment, self.no_scene, self.object_slots = shape_augment, no_scene, object_slots

    def _make_pack(self) -> Path:
        return pack_worlds(self.data_dirs, self.pack_dir, self.text_encoder, self.mirror)

    def _open(self, folder: Path) -> WorldPack:
        return open_world_pack(folder)

    def _sequences(self, split: str) -> WorldSequences:
        vary = Variation()
        if split == "train":
            vary = Variation(self.mirror, self.patch - 1, True, self.shape_augment, self.no_scene, True)
        return WorldSequences(self.pack, split, self.seed, self.object_slots, vary)

    def _collate(self) -> WorldCollate:
        return WorldCollate(self.normaliser, self.patch, self.pack.rest)

    def _batches(self, dataset: WorldSequences, rank: int, world_size: int) -> LengthBatches:
        sequences = dataset.sequences
        return LengthBatches(
            [sequence.frames for sequence in sequences],
            self.batch_size,
            self.seed,
            rank,
            world_size,
            kinds=[_kind(sequence) for sequence in sequences],
            weights=draw_weights(sequences, self.balance, self.shares),
        )

    def _size_of(self, sequence: WorldSequence) -> tuple[int, ...]:
        return _kind(sequence), sequence.frames


def draw_weights(
    sequences: Sequence[WorldSequence], balance: float | int, shares: Sequence[float] | None
) -> list[float]:
    """How often each clip is wanted, up to a common factor.

    A class of n clips is wanted in proportion to n^(1 - balance) (Lample and Conneau 2019 sample languages so), all of
    its clips alike; classes of one name in two folders count as one. With shares, the clips of each folder are scaled
    to its share.

    Args:
        sequences: the clips.
        balance: 0 to 1.
        shares: one for each folder, or None.
    """
    counts = Counter(sequence.group for sequence in sequences)
    weights = [counts[sequence.group] ** -float(balance) for sequence in sequences]
    if shares is None:
        return weights
    totals = Counter[int]()
    for sequence, weight in zip(sequences, weights, strict=True):
        totals[sequence.folder] += weight  # pyright: ignore[reportArgumentType]
    return [
        weight * shares[sequence.folder] / totals[sequence.folder]
        for sequence, weight in zip(sequences, weights, strict=True)
    ]


def _kind(sequence: WorldSequence) -> int:
    """Clips of one kind need tensors of one size: equally many persons, with or without a room."""
    return 2 * sequence.persons + (sequence.things > 0)
