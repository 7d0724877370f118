from pathlib import Path

import pytest

from carescene.errors import UserError
from carescene.files import atomic_path, writable_folder, write_atomically


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        write_atomically(tmp_path / "file", fail)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        assert temporary.suffix == ".mp4"
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for content in (b"old", b"new"):
        write_atomically(path, lambda file, content=content: file.write(content))
    assert path.read_bytes() == b"new"


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="Choose a folder"):
        writable_folder(tmp_path / "out")


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    assert writable_folder(tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())
