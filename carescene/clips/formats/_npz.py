"""Opening npz archives so that every damage is told to the user as one sentence."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from carescene.errors import UserError


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """Open an npz archive without pickle; a truncated or foreign file is a user error."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"Expected to read {path}, but got: {error.strerror}. Check its rights.") from error
    # Opened here and not by numpy, which leaves damaged files open.
    with file:
        try:
            archive = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"Expected an npz archive in {path.name}, but it cannot be read ({error}). "
                "It is truncated or not an npz file; copy it again."
            ) from error
        if not isinstance(archive, NpzFile):
            raise UserError(
                f"Expected an npz archive in {path.name}, but it holds one bare array. Save it with np.savez."
            )
        with archive:
            yield archive


def read_array(archive: NpzFile, key: str, name: str) -> np.ndarray:
    """One array of an npz archive; missing, damaged and pickled ones are user errors."""
    if key not in archive.files:
        raise UserError(f"Expected the array {key!r} in {name}, but it is not there. The file has another layout.")
    try:
        return archive[key]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"Expected the array {key!r} in {name}, but it cannot be read ({error}). "
            "The file is damaged; copy it again."
        ) from error
