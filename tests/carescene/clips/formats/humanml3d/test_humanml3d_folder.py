"""The official folder: what becomes an item, what is drawn of it, and what is refused, skipped, named and counted."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from carescene.clips.formats.humanml3d import draw_sample, parse_caption, read_captions, read_humanml3d
from carescene.errors import UserError


def test_items_follow_the_list_and_parts_follow_their_clip(official_source: Path) -> None:
    train = read_humanml3d(official_source, "train")
    assert [item.id for item in train.items][:4] == ["000001", "000002", "000002-3", "000003"]
    assert sum(item.id.startswith("M") for item in train.items) == 4
    part = train.items[2]
    whole = np.load(official_source / "new_joint_vecs" / "000002.npy")
    assert part.length == 41  # 2.05 s at 20 frames per second
    assert np.array_equal(part.features(), whole[:41])
    assert [caption.text for caption in part.captions] == ["a step"]
    assert part.captions[0].tokens == ("a/DET", "step/NOUN")
    assert len(train.items[1].captions) == 2
    assert (train.report.kept, train.report.left_out) == (9, 0)


def test_samples_depend_on_seed_pass_and_place_alone(official_source: Path) -> None:
    train = read_humanml3d(official_source, "train")
    first, again = list(train.samples(3)), list(train.samples(3))
    assert all(
        a.caption == b.caption and np.array_equal(a.features, b.features) for a, b in zip(first, again, strict=True)
    )
    other = list(train.samples(3, pass_number=1))
    assert any(a.caption != b.caption or a.length != b.length for a, b in zip(first, other, strict=True))
    alone = draw_sample(train.items[5], np.random.default_rng([3, 0, 5]))
    assert alone.caption == first[5].caption and np.array_equal(alone.features, first[5].features)


def test_lengths_are_multiples_of_four_and_a_third_is_four_less(official_source: Path) -> None:
    item = read_humanml3d(official_source, "train").items[0]
    longest = item.length // 4 * 4
    lengths = Counter(draw_sample(item, np.random.default_rng([7, draw])).length for draw in range(600))
    assert set(lengths) == {longest, longest - 4}
    # 200 expected; the standard deviation is 11.5.
    assert abs(lengths[longest - 4] - 200) < 60
    starts = {draw_sample(item, np.random.default_rng([7, draw])).features[0, 3].item() for draw in range(200)}
    every = item.features()[: item.length - longest + 5, 3]
    assert starts == set(every.tolist())


def test_rule_of_length(official_folder: Path) -> None:
    short = np.load(official_folder / "new_joint_vecs" / "000010.npy")
    for name, frames in (("000010", 39), ("000011", 40), ("000012", 200)):
        vectors = np.concatenate([short] * 6)[:frames]
        np.save(official_folder / "new_joint_vecs" / f"{name}.npy", vectors)
    val = read_humanml3d(official_folder, "val")
    assert [item.id for item in val.items] == ["000011"]
    assert val.report.counts == {"too short": 1, "too long": 1}
    assert val.report.reasons == {}
    assert "1 too short (000010)" in val.report.summary()


def test_a_part_has_the_same_limits(official_folder: Path) -> None:
    text = official_folder / "texts" / "000020.txt"
    text.write_text(
        "all#all/DET#nan#nan\na#a/DET#0.5#1.5\nb#b/DET#0.0#9.9\nc # sharp#c/DET#0.1#2.1\n\nd#d/DET#3.0#1.0\n"
    )
    test = read_humanml3d(official_folder, "test")
    frames = len(np.load(official_folder / "new_joint_vecs" / "000020.npy"))
    mine = [(item.id, item.start, item.stop) for item in test.items if item.id.startswith("000020")]
    assert mine == [("000020", 0, frames), ("000020-3", 0, frames), ("000020-4", 2, 42)]
    assert next(item for item in test.items if item.id == "000020-4").captions[0].text == "c # sharp"
    assert test.report.counts == {"part too short": 2}
    assert "000020-2, 000020-6" in test.report.summary()


def damage(folder: Path, kind: str) -> str:
    """Break one clip of the training split; its id."""
    vectors, text = folder / "new_joint_vecs" / "000003.npy", folder / "texts" / "000003.txt"
    good = np.load(vectors)
    if kind == "vectors missing":
        vectors.unlink()
    elif kind == "text missing":
        text.unlink()
    elif kind == "width":
        np.save(vectors, good[:, :262])
    elif kind == "one frame":
        np.save(vectors, good[0])
    elif kind == "nan":
        good[7, 11] = np.nan
        np.save(vectors, good)
    elif kind == "truncated":
        vectors.write_bytes(vectors.read_bytes()[:500])
    elif kind == "pickle":
        np.save(vectors, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif kind == "empty text":
        text.write_text("\n")
    elif kind == "cut line":
        text.write_text("a person walks#a/DET person/NOUN\n")
    elif kind == "times":
        text.write_text("a person walks#a/DET#soon#1.0\n")
    return "000003"


@pytest.mark.parametrize(
    ("kind", "reason", "says"),
    [
        ("vectors missing", "vectors missing", "new_joint_vecs/000003.npy"),
        ("text missing", "text missing", "texts/000003.txt"),
        ("width", "vectors damaged", r"got \(\d+, 262\).*InterHuman 262"),
        ("one frame", "vectors damaged", "single frame"),
        ("nan", "vectors damaged", "1 that are NaN or infinite, first in frame 7, column 11"),
        ("truncated", "vectors damaged", "cannot be read"),
        ("pickle", "vectors damaged", "cannot be read"),
        ("empty text", "text damaged", "at least one caption"),
        ("cut line", "text damaged", "line 1"),
        ("times", "text damaged", "start and end in seconds"),
    ],
)
def test_damages_are_refused_or_skipped_by_choice(official_folder: Path, kind: str, reason: str, says: str) -> None:
    name = damage(official_folder, kind)
    with pytest.raises(UserError, match=rf"Clip '{name}'.*{says}.*on_bad: skip"):
        read_humanml3d(official_folder, "train")
    train = read_humanml3d(official_folder, "train", on_bad="skip")
    assert name not in [item.id for item in train.items]
    assert train.report.counts == {reason: 1}
    assert list(train.report.reasons) == [name]


def test_lists(official_folder: Path) -> None:
    path = official_folder / "val.txt"
    path.write_text("000010\n000011\n000012")  # no newline at the end
    assert len(read_humanml3d(official_folder, "val")) == 3
    path.write_text("000010\n000010\n")
    with pytest.raises(UserError, match="'000010' twice"):
        read_humanml3d(official_folder, "val")
    with pytest.raises(UserError, match=r"nothing\.txt.*does not exist"):
        read_humanml3d(official_folder, "nothing")


def test_captions_keep_everything_after_their_three_last_marks() -> None:
    caption = parse_caption("turn #2, then stop#turn/VERB 2/NUM#0.0#nan\n", "x.txt", 4)
    assert (caption.text, caption.tokens, caption.whole, caption.line) == (
        "turn #2, then stop",
        ("turn/VERB", "2/NUM"),
        True,
        4,
    )


def test_texts_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9#a/DET#0#0\n")
    with pytest.raises(UserError, match=r"a\.txt.*utf-8"):
        read_captions(tmp_path / "a.txt")
