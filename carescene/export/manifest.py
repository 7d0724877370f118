"""What an earlier export left in a folder: a rerun keeps what is done and takes away what is no longer wanted."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from carescene.errors import UserError
from carescene.files import write_atomically

MANIFEST_NAME: Final = "export.json"
_SCHEMA: Final = 1


class Manifest:
    """Format, settings and files of the export in one folder.

    It is written before the first file and again at the end: no file of ours is ever in the folder without being named
    in it, and nothing that is not named is ever deleted.
    """

    def __init__(self, folder: Path, kind: str, settings: Mapping[str, Any]) -> None:
        """Raises UserError if the folder holds an export in another format, or its manifest is damaged."""
        self.folder = folder
        self._fields = {"schema": _SCHEMA, "format": kind, "settings": dict(settings)}
        old = self._read()
        if old is not None and old["format"] != kind:
            raise UserError(
                f"Expected '{folder}' to be empty or to hold an export as {kind}, but it holds one as "
                f"{old['format']}. Choose another folder."
            )
        self._old = set(old["files"]) if old is not None else set()
        self._same = old is not None and old["settings"] == self._fields["settings"]

    def done(self, name: str, modified: int) -> bool:
        """Whether a file is there, was made with these settings, and is newer than what it is made from (ns)."""
        path = self.folder / name
        return self._same and name in self._old and path.is_file() and path.stat().st_mtime_ns >= modified

    def begin(self, names: Iterable[str]) -> None:
        """Note the files to come, and take away those of the earlier export that are not among them, and remains.

        Raises:
            UserError: if the folder cannot be written.
        """
        wanted = set(names)
        # With other settings none of the old files is kept. They go while the old manifest still stands, so that no
        # run, this one being stopped, takes them for new ones.
        for name in self._old - (wanted if self._same else set()):
            (self.folder / name).unlink(missing_ok=True)
        for place in {(self.folder / name).parent for name in wanted}:
            # What a killed run was writing; `atomic_path` gives such names.
            for path in place.glob(".*.part*"):
                path.unlink(missing_ok=True)
        self._write(wanted)

    def finish(self, names: Iterable[str]) -> None:
        """Note the files that are there at the end."""
        self._write(names)

    def _write(self, names: Iterable[str]) -> None:
        text = json.dumps(self._fields | {"files": sorted(names)}, indent=0) + "\n"
        write_atomically(self.folder / MANIFEST_NAME, lambda file: file.write(text.encode()))

    def _read(self) -> dict[str, Any] | None:
        path = self.folder / MANIFEST_NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            fields = {"format": str(content["format"]), "settings": content["settings"], "files": content["files"]}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"Expected the list of an earlier export in '{path}', but got: {error}. Delete the folder, or choose "
                "another one."
            ) from error
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in fields["files"]):
            raise UserError(
                f"Expected names inside '{self.folder}' in '{path}', but got others. Choose another folder."
            )
        return fields
