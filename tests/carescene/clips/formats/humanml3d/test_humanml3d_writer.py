"""Writing the layout: what is written is what is read."""

from pathlib import Path

import numpy as np
import pytest

from carescene.clips.formats.humanml3d import (
    TaggedCaption,
    caption_line,
    load_vectors,
    parse_caption,
    plain_captions,
    read_captions,
    read_ids,
    write_lists,
    write_vectors,
)
from carescene.errors import UserError


def test_a_clip_is_read_as_written(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 263)).astype(np.float32)
    captions = [TaggedCaption("a # b", ("a/DET", "b/NOUN"), 0.0, 0.0, 1), TaggedCaption("ü", ("ü/X",), 0.25, 2.5, 2)]
    write_vectors(tmp_path, "000007", vectors, None, captions)
    assert np.array_equal(load_vectors(tmp_path / "new_joint_vecs" / "000007.npy"), vectors)
    assert read_captions(tmp_path / "texts" / "000007.txt") == captions
    assert not (tmp_path / "new_joints").exists()
    assert parse_caption(caption_line(captions[1]), "x", 2) == captions[1]
    with pytest.raises(UserError, match="Expected a caption for clip '1'"):
        write_vectors(tmp_path, "1", vectors, None, [])


def test_plain_captions_keep_words_and_lose_marks() -> None:
    first, second = plain_captions(["Walks #1,\n slowly.", "   ", "waves"])
    assert first.text == "Walks 1, slowly." and first.tokens == ("walks/OTHER", "1/OTHER", "slowly/OTHER")
    assert second.text == "waves" and second.line == 3


def test_lists(tmp_path: Path) -> None:
    write_lists(tmp_path, {"train": ["b", "a"], "val": ["c"], "test": []})
    assert read_ids(tmp_path, "train") == ["b", "a"]
    assert read_ids(tmp_path, "train_val") == ["b", "a", "c"] == read_ids(tmp_path, "all")
    assert read_ids(tmp_path, "test") == []
