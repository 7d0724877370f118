from pathlib import Path

import pytest

from carescene.errors import UserError
from carescene.files import atomic_folder, atomic_path, writable_folder, write_atomically


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


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder, left = tmp_path / "item", tmp_path / ".item.part"
    left.mkdir()
    (left / "stale").write_text("of a killed process")
    with pytest.raises(KeyboardInterrupt), atomic_folder(folder) as temporary:
        assert temporary == left and not list(temporary.iterdir())
        (temporary / "a").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    for content in ("old", "new"):
        with atomic_folder(folder) as temporary:
            (temporary / content).write_text(content)
            assert folder.exists() == (content == "new")
        assert [path.name for path in folder.iterdir()] == [content]
    with pytest.raises(UserError, match="No space left"), atomic_folder(folder):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.rglob("*")) == [folder, folder / "new"]
