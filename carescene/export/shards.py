"""Exporting films as WebDataset shards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from carescene.clips.formats import (
    ShardEntry,
    ShardSample,
    plan_shards,
    read_shard_index,
    write_shard,
    write_shard_index,
)
from carescene.clips.formats.webdataset import shard_digest, shard_name
from carescene.clips.prepare.splits import SPLITS
from carescene.clips.rendered import CARD_NAME, LABELS_NAME
from carescene.export.manifest import Manifest
from carescene.export.settings import Exported, ExportSettings
from carescene.export.sources import FilmSource
from carescene.export.splits import split_films, split_notes
from carescene.export.work import work_through

# For people to look at, not for training.
_LEFT_OUT: Final = ("overlay", "preview")


@dataclass(frozen=True)
class _Shard:
    split: str
    name: str
    samples: list[ShardSample]


def export_webdataset(films: Sequence[FilmSource], settings: ExportSettings) -> Exported:
    """Write `SPLIT-000000.tar` and so on, and the index `SPLIT.json`.

    A sample holds `mp4` (the chosen modality), every other modality as `depth.mkv`, `nir.mp4` and so on, `json` (the
    card), `cls` (OmniFall-16 id, -1 without a label) and `labels.npz`. Complete shards of unchanged films are kept.

    Raises:
        UserError: the folder cannot be written, or holds another export.
    """
    split_of = split_films(films, settings.split)
    manifest = Manifest(settings.out, "webdataset", {})
    plans = {
        split: _plan([film for film in films if split_of[film.name] == split], split, settings) for split in SPLITS
    }
    indices: dict[str, dict[str, ShardEntry]] = {}
    for split, shards in plans.items():
        old = {entry.url: entry for entry in read_shard_index(settings.out / f"{split}.json")}
        wanted = {shard.name: shard_digest(shard.samples) for shard in shards}
        indices[split] = {name: entry for name, entry in old.items() if wanted.get(name) == entry.digest}
    kept = sum(len(index) for index in indices.values())
    manifest.begin(shard.name for shards in plans.values() for shard in shards)
    todo = [shard for split, shards in plans.items() for shard in shards if shard.name not in indices[split]]

    def note(shard: _Shard, entry: ShardEntry) -> None:
        indices[shard.split][shard.name] = entry
        write_shard_index(settings.out / f"{shard.split}.json", list(indices[shard.split].values()))

    for split, index in indices.items():
        write_shard_index(settings.out / f"{split}.json", list(index.values()))
    results, failures = work_through(_write, todo, settings.out, settings, "shard", note)
    manifest.finish(name for index in indices.values() for name in index)
    notes = [f"{len(films)} films", *split_notes(films, split_of, settings.split)]
    return Exported("shard", len(results), kept, failures, notes)


def _plan(films: list[FilmSource], split: str, settings: ExportSettings) -> list[_Shard]:
    samples = [_sample(film, settings.modality) for film in films]
    cuts = plan_shards([sample.size for sample in samples], settings.shard_bytes)
    return [_Shard(split, shard_name(split, number), samples[cut]) for number, cut in enumerate(cuts)]


def _sample(film: FilmSource, modality: str) -> ShardSample:
    parts: dict[str, bytes | Path] = {"mp4": film.file(modality)}
    for other in film.card.modalities:
        if other != modality and other not in _LEFT_OUT:
            parts[f"{other}{film.file(other).suffix}"] = film.file(other)
    parts["json"] = film.folder / CARD_NAME
    parts["cls"] = str(film.card.label_id).encode()
    parts["labels.npz"] = film.folder / LABELS_NAME
    return ShardSample(film.name, parts)


def _write(shard: _Shard, out: Path) -> ShardEntry:
    return write_shard(out / shard.name, shard.samples)
