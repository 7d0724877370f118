"""Clips of one to four people, their rooms and bodies, packed from several prepared folders into memory-mapped arrays.

A pack is a folder named by the hash of all that went into it; it is complete or absent. A row is one person's frame;
the persons of a clip follow one another, each with all frames of the clip.

    path.npy      (row, 3) float32       pelvis
    numbers.npy   (row, 198) int16       rotations and joints, see `datamodules.stored_motion`
    label.npy     (row,) int8            OmniFall-16 ids, -1 unknown
    valid.npy     (row,) bool            whether the person is there
    shape.npy     (person, 10) float32   betas
    objects.npy   (thing, 29) float32    object vectors of rooms, most important first, and their distance from people
    rest.npy      (11, 24, 3) float32    rest joints of the mean body, and what each beta adds to them
    text.npy      (token, channel) float16   token features of all captions
    stats.npy     (2, 217) float32       mean and std of the training split
    pack.json     the rest: sequences, captions, versions
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.pack_files import Caption
from diffusion.normaliser import Normaliser


@dataclass(frozen=True)
class WorldSequence:
    """One clip in the pack.

    Attributes:
        id: of the clip.
        folder: number of the prepared folder that it comes from.
        split: `train`, `val` or `test`.
        group: class that balancing goes by: the clip's class or action, or the ward event it shows.
        start, frames, persons: its rows are `start` to `start + persons * frames`.
        person: row of the first person in `shape`.
        roles: of its persons, indices into `ROLES`.
        captions, mirrored_captions: numbers of its texts; empty where it has none.
        thing, things: its rows in `objects`; no things where it has no room.
    """

    id: str
    folder: int
    split: str
    group: str
    start: int
    frames: int
    persons: int
    person: int
    roles: list[int]
    captions: list[int]
    mirrored_captions: list[int]
    thing: int
    things: int


@dataclass(frozen=True)
class WorldPack:
    """An opened pack; its arrays are mapped when first used, once per process."""

    folder: Path
    data_hash: str
    sequences: list[WorldSequence]
    captions: list[Caption]

    def _mapped(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def path(self) -> np.ndarray:
        """Pelvis positions, `(row, 3)`, metres."""
        return self._mapped("path")

    @cached_property
    def numbers(self) -> np.ndarray:
        """Rotations and joints as integers, `(row, 198)`."""
        return self._mapped("numbers")

    @cached_property
    def label(self) -> np.ndarray:
        """OmniFall-16 ids, `(row,)`, -1 unknown."""
        return self._mapped("label")

    @cached_property
    def valid(self) -> np.ndarray:
        """Whether the person of a row is there, `(row,)`."""
        return self._mapped("valid")

    @cached_property
    def text(self) -> np.ndarray:
        """Token features of all captions, `(token, channel)`."""
        return self._mapped("text")

    @cached_property
    def shape(self) -> np.ndarray:
        """Betas, `(person, 10)`."""
        return np.array(self._mapped("shape"))

    @cached_property
    def objects(self) -> np.ndarray:
        """Object vectors and their distance from people, `(thing, 29)`, metres."""
        return np.array(self._mapped("objects"))

    @cached_property
    def rest(self) -> np.ndarray:
        """Rest joints of the mean body, then what each beta adds to them, `(11, 24, 3)`, metres."""
        return np.array(self._mapped("rest"))

    @cached_property
    def normaliser(self) -> Normaliser:
        """Statistics of the training split."""
        mean, std = torch.from_numpy(np.array(self._mapped("stats")))
        return Normaliser(mean, std)

    def __getstate__(self) -> dict[str, Any]:
        # Worker processes map the files themselves instead of receiving copies.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def open_world_pack(folder: Path) -> WorldPack:
    """Open a pack made by `pack_worlds`."""
    header = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
    return WorldPack(
        folder,
        hashlib.sha256("".join(header["facts"]["data"]).encode()).hexdigest(),
        [WorldSequence(**fields) for fields in header["sequences"]],
        [Caption(**fields) for fields in header["captions"]],
    )
