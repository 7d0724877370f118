"""What the stages of a reconstruction leave behind, so that a killed run goes on where it was."""

import dataclasses
import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from carescene.errors import UserError
from carescene.files import write_atomically
from carescene.rendering.camera import Camera, camera_from_dict

_T = TypeVar("_T")
_HEADER: Final = "header"
_KEY: Final = "key"


class WorkFolder:
    """A folder with one .npz file for each stage; a file counts only for the key it was made under.

    Keys say what a result was made from: `work_key` mixes the version of the code (`reconstruction.code_version`), what
    goes into a stage and its options into one, so that a changed option or an update makes anew what depends on it and
    nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, stage: str) -> Path:
        """Where a stage keeps its result."""
        return self.folder / f"{stage}.npz"

    def kept(self, stage: str, key: str) -> dict[str, np.ndarray] | None:
        """The arrays that a stage kept under this key; None if there are none, or others."""
        try:
            with np.load(self.path(stage), allow_pickle=False) as archive:
                if str(archive[_KEY]) != key:
                    return None
                return {name: archive[name] for name in archive.files if name != _KEY}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"Expected the result of an earlier run in '{self.path(stage)}', but got {error!r}. "
                "The file was damaged. Delete it and run the command again."
            ) from error

    def keep(self, stage: str, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep a stage's result under a key.

        Raises:
            UserError: if the file cannot be written.
        """
        write_atomically(self.path(stage), lambda file: np.savez(file, **arrays, **{_KEY: np.array(key)}))

    def unfinished(self, stage: str, key: str) -> Path:
        """A folder for what a stage has done so far under this key; what it left under other keys is removed.

        The folder need not exist; `finished` removes it.
        """
        wanted = self.folder / f"{stage}-{key}"
        for folder in self.folder.glob(f"{stage}-*"):
            if folder.is_dir() and folder != wanted:
                shutil.rmtree(folder)
        return wanted

    def finished(self, stage: str) -> None:
        """Remove what a stage left behind on its way to the result that is kept now."""
        for folder in self.folder.glob(f"{stage}-*"):
            if folder.is_dir():
                shutil.rmtree(folder)


def work_key(*parts: Any) -> str:
    """A short name for values that JSON can hold, files (by name, size and time of change) and other keys."""
    text = json.dumps([_plain(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(part: Any) -> Any:
    if isinstance(part, Path):
        if part.is_dir():
            return [_plain(file) for file in sorted(part.iterdir()) if file.is_file()]
        stat = part.stat() if part.exists() else None
        return [part.name, None if stat is None else [stat.st_size, stat.st_mtime_ns]]
    if isinstance(part, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest()
    if isinstance(part, Camera):
        return part.to_dict()
    if dataclasses.is_dataclass(part):
        return {field.name: _plain(getattr(part, field.name)) for field in dataclasses.fields(part)}
    if isinstance(part, (list, tuple)):
        return [_plain(value) for value in part]
    return part


def to_arrays(value: Any) -> dict[str, np.ndarray]:
    """The fields of a dataclass as arrays: arrays as they are, everything else as one JSON text."""
    arrays, header = {}, {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if isinstance(content, np.ndarray):
            arrays[field.name] = content
        else:
            header[field.name] = content.to_dict() if isinstance(content, Camera) else content
    return arrays | {_HEADER: np.array(json.dumps(header))}


def from_arrays(kind: type[_T], arrays: dict[str, np.ndarray]) -> _T:
    """The dataclass whose fields `to_arrays` wrote; lists come back as tuples."""
    header = json.loads(str(arrays[_HEADER]))
    values: dict[str, Any] = {name: array for name, array in arrays.items() if name != _HEADER}
    for name, content in header.items():
        if isinstance(content, dict) and "K" in content:
            values[name] = camera_from_dict(content)
        else:
            values[name] = tuple(content) if isinstance(content, list) else content
    return kind(**values)
