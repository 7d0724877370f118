"""Shards of clips that are ready for training: tar files that the webdataset library reads, and an index of every clip.

    index.json          what went in; name, clips, bytes and sha256 of every shard
    train.json ...      the same list as `wids` and `webdataset` users expect it
    train.clips.npz     for every clip: key, shard, first byte, bytes, checksum, frames, persons, things
    train-000000.tar    clips, each some npy files and a json
    stats.npy, rest.npy as in a pack, see `datamodules.world_pack`

A clip lies in its tar as `<key>.path.npy`, `.numbers.npy`, `.label.npy`, `.valid.npy`, `.shape.npy`, `.objects.npy`,
`.text.npy` (token features of all its captions) and `.json`. With the index any clip can be read without reading the
tar before it, which is what makes batches that are a pure function of their number possible.
"""

import io
import json
import os
import tarfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from carescene.clips.formats.webdataset import ShardSample
from carescene.errors import UserError
from datamodules.world_packing import WorldArrays
from datamodules.world_variation import StoredClip

SHARDS_KIND: Final = "carescene-shards"
_BLOCK: Final = tarfile.BLOCKSIZE
_ARRAYS: Final = WorldArrays._fields
# Where ustar headers hold the size of a file, in octal.
_SIZE: Final = slice(124, 136)
_NAME: Final = slice(0, 100)


@dataclass(frozen=True)
class ClipWords:
    """What a clip's json says: the rest of a stored clip.

    Attributes:
        id: of the clip.
        roles: of its persons.
        texts, tokens: its different texts, mirrored ones included, and how many rows of token features each has.
        captions, mirrored: numbers of the texts that describe it, and its mirror image.
    """

    id: str
    roles: list[int]
    texts: list[str]
    tokens: list[int]
    captions: list[int]
    mirrored: list[int]


class ShardTable:
    """Where every clip of a split lies, as arrays: a million clips take some 60 MB.

    Attributes:
        key: `(clip,)` bytes; shard: number in `names`; offset, size: bytes in the tar; crc: checksum of those bytes.
        frames, persons, things: of the clip.
    """

    FIELDS: Final = ("key", "shard", "offset", "size", "crc", "frames", "persons", "things")

    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["key"])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def where(self, rows: np.ndarray) -> "ShardTable":
        """Only some rows, by mask or number."""
        return ShardTable({name: column[rows] for name, column in self.columns.items()})

    @classmethod
    def of(cls, rows: list[dict[str, Any]]) -> "ShardTable":
        """From one dict per clip."""
        kinds = {"key": np.bytes_, "shard": np.int32, "offset": np.int64, "size": np.int64, "crc": np.uint32}
        return cls({name: np.array([row[name] for row in rows], kinds.get(name, np.int32)) for name in cls.FIELDS})


def sample_of(key: str, arrays: WorldArrays, words: ClipWords, text: np.ndarray) -> ShardSample:
    """A clip as files of a tar."""
    parts: dict[str, bytes | Path] = {f"{name}.npy": _npy(getattr(arrays, name)) for name in _ARRAYS}
    parts["text.npy"] = _npy(text)
    parts["json"] = json.dumps(asdict(words), ensure_ascii=False).encode()
    return ShardSample(key, parts)


def locate_samples(path: Path) -> list[tuple[str, int, int, int]]:
    """Key, first byte, bytes and checksum of every sample of a shard, in order."""
    with tarfile.open(path) as tar:
        members = [(member.name.partition(".")[0], member.offset) for member in tar]
    starts = [at for at, (key, _) in enumerate(members) if at == 0 or members[at - 1][0] != key]
    data = path.read_bytes()
    last = _end(data, members[-1][1])
    ends = [*(members[at][1] for at in starts[1:]), last]
    return [
        (members[at][0], members[at][1], end - members[at][1], zlib.crc32(data[members[at][1] : end]))
        for at, end in zip(starts, ends, strict=True)
    ]


def parse_sample(data: bytes) -> StoredClip:
    """A stored clip from its bytes in the tar.

    Raises:
        ValueError, KeyError: the bytes are no such sample; the caller says which.
    """
    parts = _split(data)
    words = ClipWords(**json.loads(bytes(parts["json"])))
    arrays = {name: _array(parts[f"{name}.npy"]) for name in _ARRAYS}
    text = _array(parts["text.npy"])
    ends = np.cumsum([0, *words.tokens])
    pieces = [(text[ends[at] : ends[at + 1]], words.texts[at]) for at in range(len(words.texts))]
    return StoredClip(
        id=words.id,
        roles=words.roles,
        captions=[pieces[number] for number in words.captions],
        mirrored_captions=[pieces[number] for number in words.mirrored],
        channels=text.shape[1],
        **arrays,
    )


class ShardReader:
    """Reads single clips out of shards by their place, and checks each against its checksum.

    Args:
        folder: of the shards.
        names: of the shards, by number.
        table: of one split.
    """

    # A batch reads from the few shards of its window.
    _OPEN: Final = 16

    def __init__(self, folder: Path, names: list[str], table: ShardTable) -> None:
        self._folder, self._names, self.table = folder, names, table
        self._files: dict[int, int] = {}

    def clip(self, row: int) -> StoredClip:
        """One clip.

        Raises:
            UserError: naming shard and clip, if its bytes are not those that were written.
        """
        data = self.read(row)
        if data is None:
            raise UserError(
                f"Expected clip '{self._key(row)}' in shard '{self._name(row)}' as it was written, but its checksum "
                "differs. The shard is damaged: copy or prepare it again, or set data.verify and data.on_bad to skip."
            )
        return parse_sample(data)

    def read(self, row: int) -> bytes | None:
        """The bytes of one clip, or None where they are not those that were written."""
        number = int(self.table["shard"][row])
        if number not in self._files:
            if len(self._files) >= self._OPEN:
                os.close(self._files.pop(next(iter(self._files))))
            try:
                self._files[number] = os.open(self._folder / self._names[number], os.O_RDONLY)
            except OSError as error:
                raise UserError(
                    f"Expected shard '{self._name(row)}' in '{self._folder}', but got: {error.strerror}. It has been "
                    "there when the run began; put it back."
                ) from error
        data = os.pread(self._files[number], int(self.table["size"][row]), int(self.table["offset"][row]))
        return data if zlib.crc32(data) == int(self.table["crc"][row]) else None

    def close(self) -> None:
        """Close all files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def __getstate__(self) -> dict[str, Any]:
        # Open files do not travel to worker processes.
        return self.__dict__ | {"_files": {}}

    def __del__(self) -> None:
        self.close()

    def _name(self, row: int) -> str:
        return self._names[int(self.table["shard"][row])]

    def _key(self, row: int) -> str:
        return bytes(self.table["key"][row]).decode()


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(array), allow_pickle=False)
    return out.getvalue()


def _array(data: memoryview) -> np.ndarray:
    """npy without a copy, which reading through a file object would make."""
    stream = io.BytesIO(data[: 1 << 10])
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"npy version {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran or dtype.hasobject:
        raise ValueError("an npy of another layout")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)


def _split(data: bytes) -> dict[str, memoryview]:
    """Files of one sample by their endings."""
    view, parts, at = memoryview(data), {}, 0
    while at < len(data):
        header = data[at : at + _BLOCK]
        name = header[_NAME].split(b"\0", 1)[0].decode()
        size = int(header[_SIZE].rstrip(b"\0 ") or b"0", 8)
        parts[name.partition(".")[2]] = view[at + _BLOCK : at + _BLOCK + size]
        at = _end(data, at)
    return parts


def _end(data: bytes, at: int) -> int:
    """Where the file that begins at a header ends, padding included."""
    size = int(data[at : at + _BLOCK][_SIZE].rstrip(b"\0 ") or b"0", 8)
    return at + _BLOCK + -(-size // _BLOCK) * _BLOCK
