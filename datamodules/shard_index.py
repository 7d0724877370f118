"""Opening a folder of shards: what is there, what is cut short or damaged, and whether it may be left out."""

import json
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from carescene.clips.dropped import DropReport
from carescene.errors import UserError
from datamodules.pack import SPLITS
from datamodules.shard_files import SHARDS_KIND, ShardReader, ShardTable
from diffusion.normaliser import Normaliser


class ShardRow(NamedTuple):
    """What loading must know of a clip."""

    id: str
    frames: int
    persons: int
    things: int


@dataclass(frozen=True)
class ShardSplit:
    """Usable clips of one split: names of its shards by number, and where each clip lies."""

    names: list[str]
    table: ShardTable


@dataclass(frozen=True)
class ShardStore:
    """An opened folder of shards.

    Attributes:
        folder: where they lie.
        facts: what went into them: hashes of the data, text encoder, whether mirrored captions are there.
        splits: usable clips of each split.
        report: what is not usable, and why.
    """

    folder: Path
    facts: dict[str, Any]
    splits: dict[str, ShardSplit]
    report: DropReport = field(compare=False)

    @cached_property
    def rest(self) -> np.ndarray:
        """Rest joints of the mean body, then what each beta adds to them, `(11, 24, 3)`, metres."""
        return _load(self.folder / "rest.npy")

    @cached_property
    def normaliser(self) -> Normaliser:
        """Statistics of the training split."""
        mean, std = torch.from_numpy(_load(self.folder / "stats.npy"))
        return Normaliser(mean, std)

    @property
    def data_hash(self) -> str:
        """sha256 of what the shards were made of."""
        return "".join(self.facts["data"])


def open_shards(folder: Path, report: DropReport, verify: bool = False, progress: bool = True) -> ShardStore:
    """Open shards made by `prepare_shards`.

    Sizes of all shards are compared with the index, which costs nothing; a clip's checksum is compared whenever it is
    read.

    Args:
        folder: of the shards.
        report: refuses clips in shards that are missing or cut short, or counts them by name.
        verify: also read everything once and compare all checksums now, so that damaged clips can be left out.
        progress: whether to show a progress bar on stderr while verifying.

    Raises:
        UserError: no shards, an index of another kind, shards that are damaged (unless skipped).
    """
    index = _index(folder)
    splits = {}
    for split in SPLITS:
        shards = index["splits"][split]
        names = [shard["name"] for shard in shards]
        table = _table(folder / f"{split}.clips.npz")
        usable = np.ones(len(table), dtype=bool)
        for number, shard in enumerate(shards):
            path = folder / shard["name"]
            size = path.stat().st_size if path.is_file() else -1
            if size == shard["bytes"] or not shard["clips"]:
                continue
            mine = table["shard"] == number
            lost = mine & (table["offset"] + table["size"] > size)
            usable &= ~lost
            _report_lost(report, path, shard, size, [bytes(key).decode() for key in table["key"][lost]])
        table = table.where(usable)
        if verify:
            table = table.where(_verified(folder, names, table, report, split, progress))
        report.keep(len(table))
        splits[split] = ShardSplit(names, table)
    return ShardStore(folder, index["facts"], splits, report)


def _report_lost(report: DropReport, path: Path, shard: dict[str, Any], size: int, lost: list[str]) -> None:
    found = f"{size:,} ({len(lost)} of its {shard['clips']} clips are lost)" if size >= 0 else "no such file"
    error = UserError(
        f"Expected shard '{path}' of {shard['bytes']:,} bytes, but got {found}. It was probably cut short while it was "
        "copied: copy it again, or prepare the shards again, or set on_bad to skip to train without the lost clips."
    )
    problem = "in a shard that is cut short" if size >= 0 else "in a shard that is missing"
    for key in lost or ["bytes beyond the last clip"]:
        report.damaged(f"{path.name}/{key}", problem, error)


def _verified(
    folder: Path, names: list[str], table: ShardTable, report: DropReport, split: str, progress: bool
) -> np.ndarray:
    """Which clips have the checksum that they were written with."""
    reader, good = ShardReader(folder, names, table), np.ones(len(table), dtype=bool)
    for row in tqdm(range(len(table)), desc=f"verifying {split}", unit="clip", disable=not progress):
        if reader.read(row) is None:
            good[row] = False
            name = f"{names[int(table['shard'][row])]}/{bytes(table['key'][row]).decode()}"
            error = f"Expected clip '{name}' as it was written, but its checksum differs. Copy the shard again."
            report.damaged(name, "with another checksum", UserError(error))
    reader.close()
    return good


def _index(folder: Path) -> dict[str, Any]:
    path = folder / "index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["kind"] != SHARDS_KIND:
            raise UserError(f"Expected shards of clips in '{folder}', but got '{index['kind']}'. Give another folder.")
    except FileNotFoundError as error:
        raise UserError(
            f"Expected shards in '{folder}', but there is no index.json. Make them with `lightning prepare shards "
            "--source DIR --out DIR`; if that was stopped, the same command goes on."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Expected an index of shards in '{path}', but got: {error}. Run `lightning prepare shards` again."
        ) from error
    return index


def _table(path: Path) -> ShardTable:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return ShardTable({name: file[name] for name in ShardTable.FIELDS})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"Expected the list of clips at '{path}', but got: {error}. Run `lightning prepare shards` again."
        ) from error


def _load(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            return np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"Expected numbers at '{path}', but got: {error}. Run `lightning prepare shards` again."
        ) from error
