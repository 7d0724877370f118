"""WebDataset shards: tar files in which the files of one sample share a name and differ in their endings.

The `webdataset` library reads `clip.mp4`, `clip.json` and `clip.cls` in a row as one sample of key `clip`. A name ends
at its first dot, so that keys hold none. Beside the shards of a split lies an index in the layout of wids
(`shardlist` with `url`, `nsamples`, `filesize`), from which a later run also knows which shards are complete.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from carescene.errors import UserError
from carescene.files import write_atomically

_BLOCK: Final = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class ShardSample:
    """One sample: its key and what it holds, as ending -> bytes or a file to be read when the shard is written."""

    key: str
    parts: dict[str, bytes | Path]

    @property
    def size(self) -> int:
        """Bytes it takes in a tar file."""
        sizes = (part.stat().st_size if isinstance(part, Path) else len(part) for part in self.parts.values())
        return sum(_BLOCK + -(-size // _BLOCK) * _BLOCK for size in sizes)

    @property
    def digest(self) -> str:
        """Tells whether the content is still the same, by sizes and times of files rather than by reading them."""
        lines = [self.key]
        for ending, part in self.parts.items():
            stat = part.stat() if isinstance(part, Path) else None
            content = f"{stat.st_size} {stat.st_mtime_ns}" if stat else hashlib.blake2b(part).hexdigest()  # type: ignore[arg-type]
            lines.append(f"{ending} {content}")
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class ShardEntry:
    """One line of an index: a complete shard, and the digest of what is in it."""

    url: str
    nsamples: int
    filesize: int
    digest: str


def shard_key(name: str) -> str:
    """A key from a name: dots, which would end it, and slashes become underscores."""
    return name.replace(".", "_").replace("/", "_")


def plan_shards(sizes: Sequence[int], limit: int) -> list[slice]:
    """Cut samples, in their order, into shards of at most `limit` bytes; a larger sample has a shard of its own."""
    shards, start, filled = [], 0, 0
    for number, size in enumerate(sizes):
        if number > start and filled + size > limit:
            shards.append(slice(start, number))
            start, filled = number, 0
        filled += size
    return [*shards, slice(start, len(sizes))] if sizes else []


def shard_name(split: str, number: int) -> str:
    """File name of one shard, such as `train-000012.tar`."""
    return f"{split}-{number:06d}.tar"


def shard_digest(samples: Sequence[ShardSample]) -> str:
    """Digest of all samples of one shard in their order."""
    return hashlib.blake2b("".join(sample.digest for sample in samples).encode(), digest_size=16).hexdigest()


def write_shard(path: Path, samples: Sequence[ShardSample]) -> ShardEntry:
    """Write one shard, complete or not at all; the same samples give the same bytes.

    Raises:
        UserError: two samples have one key, a key holds a dot, or the folder cannot be written.
    """
    keys = [sample.key for sample in samples]
    bad = next((key for key in keys if key != shard_key(key)), None)
    if bad is not None or len(set(keys)) < len(keys):
        raise UserError(
            f"Expected different keys without dots in '{path.name}', but got {bad or 'one twice'}. Rename the items."
        )

    def write(file: BinaryIO) -> None:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for sample in samples:
                for ending, part in sample.parts.items():
                    _add(tar, f"{sample.key}.{ending}", part)

    digest = shard_digest(samples)
    write_atomically(path, write)
    return ShardEntry(path.name, len(samples), path.stat().st_size, digest)


def write_shard_index(path: Path, shards: Sequence[ShardEntry]) -> None:
    """Write the index of a split's complete shards.

    Raises:
        UserError: if the folder cannot be written.
    """
    entries = [vars(shard) for shard in sorted(shards, key=lambda shard: shard.url)]
    content = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": path.stem, "shardlist": entries}
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def read_shard_index(path: Path) -> list[ShardEntry]:
    """Shards that the index names and that lie beside it in full size; none without an index.

    Raises:
        UserError: the index is damaged or of another layout.
    """
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        shards = [
            ShardEntry(str(entry["url"]), int(entry["nsamples"]), int(entry["filesize"]), str(entry.get("digest", "")))
            for entry in content["shardlist"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Expected an index of shards in '{path}', but got: {error}. Delete it; shards are then written again."
        ) from error
    return [shard for shard in shards if _size(path.with_name(shard.url)) == shard.filesize]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _add(tar: tarfile.TarFile, name: str, part: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    if isinstance(part, bytes):
        info.size = len(part)
        tar.addfile(info, io.BytesIO(part))
        return
    with part.open("rb") as file:
        # The size of the open file, not of the name: nothing may change in between.
        info.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        tar.addfile(info, file)
