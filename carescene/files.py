"""Writing files so that one that exists under its final name is complete."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from carescene.errors import UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, with its ending, that becomes `path` when the block ends without an error.

    For writers that need a file name rather than an open file. Folders are made when missing; nothing is left over
    after an error.

    Raises:
        UserError: if the folder cannot be made or written, or the disk is full.
    """
    # The process id keeps parallel writers of one name apart.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"Expected to be able to write '{path}', but got: {error.strerror or error}. "
            "Choose a folder you may write to, with enough room."
        ) from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """An empty folder that becomes `folder`, in place of one that is there, when the block ends without an error.

    Until then it has a hidden name beside it, always the same one, so that what a killed process left is cleared away
    by the next that makes this folder. Nothing is left over after an error.

    Raises:
        UserError: if it cannot be made or written, or the disk is full.
    """
    temporary, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    try:
        _remove(temporary, old)
        temporary.mkdir(parents=True)
        yield temporary
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
    except OSError as error:
        raise UserError(
            f"Expected to be able to write '{folder}', but got: {error.strerror or error}. "
            "Choose a folder you may write to, with enough room."
        ) from error
    finally:
        _remove(temporary, old)


def _remove(*folders: Path) -> None:
    for folder in folders:
        if folder.is_dir():
            shutil.rmtree(folder)


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that it is either complete or absent, whatever happens in between.

    Args:
        path: final name; its folder is made when missing.
        write: receives an open binary file.

    Raises:
        UserError: if the folder cannot be made or written, or the disk is full.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        write(file)


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as a compressed npz that is either complete or absent.

    Raises:
        UserError: if the folder cannot be made or written, or the disk is full.
    """
    # In memory first: an archive that a full disk cuts short complains once more when it is thrown away.
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_atomically(path, lambda file: file.write(content.getbuffer()))


def writable_folder(folder: Path) -> Path:
    """The folder, made if need be and proved writable by writing to it, so that long work fails before it starts.

    Raises:
        UserError: if the folder cannot be made or written.
    """
    probe = folder / f".carescene-write-test-{os.getpid()}"
    write_atomically(probe, lambda file: file.write(b"x"))
    probe.unlink()
    return folder
