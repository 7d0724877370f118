"""Clip files: `<id>.npz` for arrays and `<id>.json` for everything else."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from carescene.clips.clip import SCHEMA_VERSION, Clip, Event, Generator, PersonInfo, Source, Weight, validate_clip
from carescene.errors import UserError
from carescene.files import write_atomically, write_npz

_ARRAYS: Final[dict[str, type]] = {
    "poses": np.float32,
    "trans": np.float32,
    "betas": np.float32,
    "frame_label": np.int8,
    "valid": np.bool_,
}
_OPTIONAL_ARRAYS: Final = ("pose_std", "trans_std")
_T = TypeVar("_T")


def save_clip(clip: Clip, folder: Path) -> Path:
    """Write a clip as `<folder>/<id>.npz` and `<folder>/<id>.json`, and return the path of the json.

    The json is written last: a clip whose json exists is complete.

    Raises:
        UserError: if the clip is not valid or the folder cannot be written.
    """
    validate_clip(clip)
    arrays = {name: np.asarray(getattr(clip, name), dtype) for name, dtype in _ARRAYS.items()}
    for name in _OPTIONAL_ARRAYS:
        if getattr(clip, name) is not None:
            arrays[name] = np.asarray(getattr(clip, name), np.float32)
    write_npz(folder / f"{clip.id}.npz", arrays)
    text = json.dumps(_header(clip), indent=1, ensure_ascii=False) + "\n"
    path = folder / f"{clip.id}.json"
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


def load_clip(path: Path) -> Clip:
    """Read a clip from its json, its npz, or their common stem.

    Raises:
        UserError: if a file is missing, truncated, of another schema version, or holds something invalid.
    """
    stem = path.with_suffix("") if path.suffix in (".json", ".npz") else path
    header = _read_header(stem.with_name(stem.name + ".json"))
    arrays = _read_arrays(stem.with_name(stem.name + ".npz"))
    try:
        clip = Clip(
            id=header["id"],
            fps=float(header["fps"]),
            text=list(header["text"]),
            persons=[PersonInfo(**person) for person in header["persons"]],
            events=[Event(**event) for event in header["events"]],
            attributes=dict(header["attributes"]),
            scene=header["scene"],
            cameras=header["cameras"],
            source=_optional(Source, header["source"]),
            generator=_optional(Generator, header["generator"]),
            weight=_optional(Weight, header["weight"]),
            quality=dict(header["quality"]),
            **arrays,
        )
    except (KeyError, TypeError) as error:
        raise UserError(
            f"Expected '{stem.name}.json' to hold the clip fields of schema {SCHEMA_VERSION}, but got: {error}. "
            "It was probably edited by hand or written by another program; compare it with a file written by "
            "carescene."
        ) from error
    return validate_clip(clip)


def list_clips(folder: Path) -> list[Path]:
    """Paths of all complete clips (their json files) in a folder, sorted by name.

    Raises:
        UserError: if the folder does not exist or holds no clip.
    """
    if not folder.is_dir():
        raise UserError(f"Expected a folder of clips at '{folder}', but it does not exist. Prepare or generate clips.")
    paths = sorted(
        # A killed writer may leave a hidden, half-written file.
        path
        for path in folder.glob("*.json")
        if path.with_suffix(".npz").exists() and not path.name.startswith(".")
    )
    if not paths:
        raise UserError(
            f"Expected clips (pairs of .npz and .json) in '{folder}', but found none. Is it the right folder?"
        )
    return paths


def _header(clip: Clip) -> dict[str, Any]:
    kept = [f.name for f in dataclasses.fields(clip) if f.name not in (*_ARRAYS, *_OPTIONAL_ARRAYS)]
    # Not `dataclasses.asdict(clip)`: that would copy the arrays as well.
    return {"schema": SCHEMA_VERSION} | {name: _plain(getattr(clip, name)) for name in kept}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _optional(kind: Callable[..., _T], fields: dict[str, Any] | None) -> _T | None:
    return None if fields is None else kind(**fields)


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"Expected a clip at '{path}', but there is no such file. Check the path.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"Expected '{path}' to be JSON, but got: {error}. The file is damaged; write it again."
        ) from error
    schema = header.get("schema") if isinstance(header, dict) else None
    if schema != SCHEMA_VERSION:
        raise UserError(
            f"Expected clip schema {SCHEMA_VERSION} in '{path}', but got {schema}. It was written by another version "
            "or is not a clip; prepare or generate it again with this version."
        )
    return header


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        # Opened here, since numpy leaves the file open when it finds a broken archive.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name].astype(dtype, copy=False) for name, dtype in _ARRAYS.items()}
            arrays |= {name: file[name] for name in _OPTIONAL_ARRAYS if name in file}
    except FileNotFoundError as error:
        raise UserError(f"Expected arrays at '{path}' beside the json, but there is no such file.") from error
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
        raise UserError(
            f"Expected '{path}' to be an npz with {', '.join(_ARRAYS)}, but got: {error}. "
            "The file is probably truncated; copy or generate it again."
        ) from error
    return arrays
