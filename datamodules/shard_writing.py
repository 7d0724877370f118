"""Writes shards: prepared folders, shuffled together once, as tar files of equally many clips and their index."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from carescene.clips import Clip, load_clip
from carescene.clips.dropped import DropReport, OnBad
from carescene.clips.formats.webdataset import (
    ShardEntry,
    ShardSample,
    shard_digest,
    shard_key,
    shard_name,
    write_shard,
    write_shard_index,
)
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError
from carescene.files import writable_folder, write_atomically, write_npz
from carescene.jobs import run_jobs
from datamodules.pack import SPLITS, hash_prepared, read_split
from datamodules.shard_files import SHARDS_KIND, ClipWords, ShardReader, ShardTable, locate_samples, sample_of
from datamodules.world_packing import encode_world, motion_statistics, rest_of_shapes, roles_of
from diffusion.text import TextEncoder, load_text_encoder

# Part of the facts: raise it when the meaning of the arrays changes.
_VERSION: Final = 1
# 256 clips of 10 s are some 40 MB: few files for a large corpus, and a reader that starts in the middle loses little.
CLIPS_PER_SHARD: Final = 256
# Statistics of 100,000 frames and their mirror images are exact enough; clips are shuffled, so the first ones will do.
_STATISTICS_FRAMES: Final = 100_000
# Names in a plain tar header have 100 characters, endings included.
_LONGEST_KEY: Final = 80


@dataclass(frozen=True)
class PreparedShards:
    """What `prepare_shards` made: clips and shards of each split, bytes, and what was left out."""

    clips: dict[str, int]
    shards: dict[str, int]
    size: int
    report: DropReport


@dataclass(frozen=True)
class _Job:
    split: str
    number: int
    entries: tuple[tuple[Path, str, str], ...]

    @property
    def name(self) -> str:
        return shard_name(self.split, self.number)


@dataclass(frozen=True)
class _Shared:
    out: Path
    text_encoder: str
    mirror: bool
    on_bad: OnBad
    rest: np.ndarray


def prepare_shards(
    sources: Sequence[Path],
    out: Path,
    *,
    clips_per_shard: int = CLIPS_PER_SHARD,
    text_encoder: str = "minilm",
    mirror: bool = True,
    seed: int = 0,
    on_bad: OnBad = "refuse",
    workers: int | None = None,
    progress: bool = True,
) -> PreparedShards:
    """Write prepared folders as shards; a stopped run goes on with the shards that are missing.

    Clips of all folders are shuffled together, once, under the seed: readers that see a few shards at a time then
    still see a mixture.

    Args:
        sources: folders that `lightning prepare` wrote.
        out: folder of the shards; a folder of shards of other data is refused.
        clips_per_shard: clips in each tar but the last.
        text_encoder: whose token features are stored, see `load_text_encoder`.
        mirror: store features of mirrored captions of training clips too.
        seed: of the shuffle.
        on_bad: refuse at the first damaged clip, or leave it out and list it in `dropped.json`.
        workers: processes; None for one per core.
        progress: whether to show a progress bar on stderr.

    Raises:
        UserError: no prepared folder, an empty training split, damaged clips (unless skipped), shards of other data in
            `out`, no room to write.
    """
    if clips_per_shard < 1:
        raise UserError(f"Expected at least 1 clip per shard, but got {clips_per_shard}. Leave the option out for 256.")
    encoder = _loaded(load_text_encoder, text_encoder)
    facts = {
        "version": _VERSION,
        "data": [hash_prepared(folder) for folder in sources],
        "text_encoder": encoder.model_id,
        "text_width": encoder.width,
        "mirror": mirror,
        "seed": seed,
        "clips_per_shard": clips_per_shard,
        "on_bad": on_bad,
    }
    _claim(writable_folder(out), facts)
    report = DropReport("clips", on_bad)
    jobs = [job for split in SPLITS for job in _jobs(sources, split, clips_per_shard, seed)]
    rest = rest_of_shapes()
    shared = _Shared(out, text_encoder, mirror, on_bad, rest.numpy())
    rows: dict[str, list[dict[str, Any]]] = {}
    done = run_jobs(_write, jobs, shared, workers=workers, label="writing shards", unit="shard", progress=progress)
    for job, outcome in done:
        if isinstance(outcome, UserError):
            raise outcome
        rows[job.name] = outcome["rows"]
        report.keep(len(outcome["rows"]))
        for clip, reason in outcome["damaged"].items():
            report.damaged(clip, "damaged clip", UserError(reason))
    if not any(rows[job.name] for job in jobs if job.split == "train"):
        raise UserError("Expected training clips in the prepared folders, but got none. Prepare the data again.")
    _finish(out, facts, jobs, rows, mirror)
    write_atomically(out / "rest.npy", lambda file: np.save(file, rest.numpy(), allow_pickle=False))
    report.write(out / "dropped.json")
    _write_index(out, facts, jobs, rows)
    names = [job.name for job in jobs if rows[job.name]]
    return PreparedShards(
        {split: sum(len(rows[job.name]) for job in jobs if job.split == split) for split in SPLITS},
        {split: sum(name.startswith(f"{split}-") for name in names) for split in SPLITS},
        sum((out / name).stat().st_size for name in names),
        report,
    )


def _claim(out: Path, facts: dict[str, Any]) -> None:
    """Say whose folder this is before anything lies in it."""
    path = out / "facts.json"
    text = json.dumps(facts, indent=1) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise UserError(
            f"Expected '{out}' to be empty or to hold shards of the same data and options, but it holds others. "
            "Choose another --out, or delete the folder."
        )
    write_atomically(path, lambda file: file.write(text.encode()))


def _jobs(sources: Sequence[Path], split: str, size: int, seed: int) -> list[_Job]:
    several = len(sources) > 1
    entries = [
        (folder / "clips", clip, _key(f"{number}-{clip}" if several else clip))
        for number, folder in enumerate(sources)
        for clip in read_split(folder, split)
    ]
    order = np.random.default_rng([seed, SPLITS.index(split)]).permutation(len(entries))
    return [
        _Job(split, number, tuple(entries[at] for at in order[start : start + size]))
        for number, start in enumerate(range(0, len(entries), size))
    ]


def _key(name: str) -> str:
    key = shard_key(name)
    if len(key.encode()) <= _LONGEST_KEY and key.isascii():
        return key
    return f"{key.encode('ascii', 'ignore')[:40].decode()}-{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}"


def _write(job: _Job, shared: _Shared) -> dict[str, Any]:
    """One shard and its part of the index, unless both are there."""
    part = shared.out / "parts" / f"{job.name}.json"
    path = shared.out / job.name
    if part.is_file() and (path.is_file() or not json.loads(part.read_text(encoding="utf-8"))["rows"]):
        return json.loads(part.read_text(encoding="utf-8"))
    encoder = _loaded(load_text_encoder, shared.text_encoder)
    report = DropReport("clips", shared.on_bad)
    samples: list[ShardSample] = []
    sizes: list[dict[str, int]] = []
    for clips, clip_id, key in job.entries:
        try:
            clip = load_clip(clips / clip_id)
            arrays = encode_world(clip, clips, torch.from_numpy(shared.rest))
        except UserError as error:
            report.damaged(clip_id, "damaged clip", error)
            continue
        words, text = _words(clip, encoder, shared.mirror and job.split == "train")
        samples.append(sample_of(key, arrays, words, text))
        persons, frames = arrays.valid.shape
        sizes.append({"frames": frames, "persons": persons, "things": len(arrays.objects)})
    outcome: dict[str, Any] = {"rows": [], "damaged": report.reasons}
    if samples:
        write_shard(path, samples)
        places = locate_samples(path)
        outcome["rows"] = [
            {"key": key, "offset": offset, "size": size, "crc": crc} | known
            for (key, offset, size, crc), known in zip(places, sizes, strict=True)
        ]
        outcome["digest"] = shard_digest(samples)
        outcome["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    write_atomically(part, lambda file: file.write(json.dumps(outcome).encode()))
    return outcome


def _words(clip: Clip, encoder: TextEncoder, mirror: bool) -> tuple[ClipWords, np.ndarray]:
    """Texts of a clip, each once, and their token features."""
    mirrored = [mirror_text(text) for text in clip.text] if mirror else []
    numbers: dict[str, int] = {}
    for text in (*clip.text, *mirrored):
        numbers.setdefault(text, len(numbers))
    features = [encoder.encode_one(text).half().numpy() for text in numbers]
    words = ClipWords(
        clip.id,
        roles_of(clip),
        list(numbers),
        [len(rows) for rows in features],
        [numbers[text] for text in clip.text],
        [numbers[text] for text in mirrored],
    )
    return words, np.concatenate([np.zeros((0, encoder.width), np.float16), *features])


def _finish(
    out: Path, facts: dict[str, Any], jobs: Sequence[_Job], rows: dict[str, list[dict[str, Any]]], mirror: bool
) -> None:
    """Tables of all splits, and statistics of the training split."""
    for split in SPLITS:
        mine = [job for job in jobs if job.split == split]
        table = ShardTable.of([row | {"shard": job.number} for job in mine for row in rows[job.name]])
        write_npz(out / f"{split}.clips.npz", table.columns)
        if split == "train":
            stats = _statistics(ShardReader(out, [job.name for job in mine], table), mirror)
            write_atomically(out / "stats.npy", lambda file, stats=stats: np.save(file, stats, allow_pickle=False))


def _statistics(reader: ShardReader, mirror: bool) -> np.ndarray:
    path, numbers, count = [], [], 0
    for row in range(len(reader.table)):
        clip = reader.clip(row)
        path.append(clip.path[clip.valid])
        numbers.append(clip.numbers[clip.valid])
        count += len(path[-1])
        if count > _STATISTICS_FRAMES:
            break
    reader.close()
    return motion_statistics(np.concatenate(path), np.concatenate(numbers), mirror)


def _write_index(out: Path, facts: dict[str, Any], jobs: Sequence[_Job], rows: dict[str, list[dict[str, Any]]]) -> None:
    """The lists of shards; `index.json` last, so that shards with an index are complete."""
    splits: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    entries: dict[str, list[ShardEntry]] = {split: [] for split in SPLITS}
    for job in jobs:
        if not rows[job.name]:
            # Kept by number, since the table counts shards so.
            splits[job.split].append({"name": job.name, "clips": 0, "bytes": 0, "sha256": ""})
            continue
        part = json.loads((out / "parts" / f"{job.name}.json").read_text(encoding="utf-8"))
        size = (out / job.name).stat().st_size
        count = len(rows[job.name])
        splits[job.split].append({"name": job.name, "clips": count, "bytes": size, "sha256": part["sha256"]})
        entries[job.split].append(ShardEntry(job.name, count, size, part["digest"]))
    for split in SPLITS:
        write_shard_index(out / f"{split}.json", entries[split])
    text = json.dumps({"kind": SHARDS_KIND, "facts": facts, "splits": splits}, indent=1) + "\n"
    write_atomically(out / "index.json", lambda file: file.write(text.encode()))


@lru_cache(maxsize=1)
def _loaded(load: Callable[[str], TextEncoder], name: str) -> TextEncoder:
    """The text encoder of this process, loaded once however many shards it writes."""
    return load(name)
