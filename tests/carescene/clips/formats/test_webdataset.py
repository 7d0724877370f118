"""Shards: read by the webdataset library, cut to size, the same bytes every time, and an index that can be trusted."""

import gc
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from carescene.clips.formats import (
    ShardSample,
    plan_shards,
    read_shard_index,
    shard_key,
    write_shard,
    write_shard_index,
)
from carescene.errors import UserError


def samples(folder: Path, count: int = 3) -> list[ShardSample]:
    found = []
    for number in range(count):
        labels = folder / f"{number}.npz"
        np.savez(labels, frame_label=np.full((1, 4), number))
        parts: dict[str, bytes | Path] = {
            "mp4": b"film" * 300 * (number + 1),
            "depth.mkv": b"depth",
            "json": json.dumps({"id": f"clip.{number}"}).encode(),
            "cls": str(number).encode(),
            "labels.npz": labels,
        }
        found.append(ShardSample(shard_key(f"clip.{number}"), parts))
    return found


# The library leaves its files to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_webdataset_library_reads_them(tmp_path: Path) -> None:
    import webdataset as wds

    write_shard(tmp_path / "train-000000.tar", samples(tmp_path)[:2])
    write_shard(tmp_path / "train-000001.tar", samples(tmp_path)[2:])
    shards = str(tmp_path / "train-{000000..000001}.tar")
    read = list(wds.WebDataset(shards, shardshuffle=False).decode())
    assert [sample["__key__"] for sample in read] == ["clip_0", "clip_1", "clip_2"]
    for number, sample in enumerate(read):
        assert sample["cls"] == number and sample["json"] == {"id": f"clip.{number}"}
        assert sample["mp4"] == b"film" * 300 * (number + 1) and sample["depth.mkv"] == b"depth"
        np.testing.assert_array_equal(sample["labels.npz"]["frame_label"], np.full((1, 4), number))
    gc.collect()


def test_size_is_what_the_tar_takes(tmp_path: Path) -> None:
    parts = samples(tmp_path)
    entry = write_shard(tmp_path / "a.tar", parts)
    # A tar ends in at least two empty blocks and is filled up to a record of twenty.
    total = sum(sample.size for sample in parts) + 2 * tarfile.BLOCKSIZE
    assert entry.filesize == -(-total // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def test_same_samples_same_bytes(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", samples(tmp_path))
    first = (tmp_path / "a.tar").read_bytes()
    write_shard(tmp_path / "a.tar", samples(tmp_path))
    assert (tmp_path / "a.tar").read_bytes() == first


def test_plan() -> None:
    assert plan_shards([3, 3, 3, 3, 3], 7) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert plan_shards([3, 9, 3], 7) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert plan_shards([9], 7) == [slice(0, 1)]
    assert plan_shards([], 7) == []
    sizes = np.random.default_rng(0).integers(1, 50, 200).tolist()
    plan = plan_shards(sizes, 100)
    assert [index for cut in plan for index in range(cut.start, cut.stop)] == list(range(200))
    assert all(sum(sizes[cut]) <= 100 for cut in plan)


def test_the_index_names_only_whole_shards(tmp_path: Path) -> None:
    entries = [write_shard(tmp_path / f"val-00000{n}.tar", samples(tmp_path)[n : n + 1]) for n in range(3)]
    write_shard_index(tmp_path / "val.json", entries)
    assert read_shard_index(tmp_path / "val.json") == entries
    document = json.loads((tmp_path / "val.json").read_text())
    assert document["__kind__"] == "wids-shard-index-v1" and document["wids_version"] == 1
    assert document["shardlist"][1]["url"] == "val-000001.tar" and document["shardlist"][1]["nsamples"] == 1
    (tmp_path / "val-000001.tar").write_bytes(b"cut off")
    (tmp_path / "val-000002.tar").unlink()
    assert read_shard_index(tmp_path / "val.json") == entries[:1]
    assert read_shard_index(tmp_path / "none.json") == []
    (tmp_path / "val.json").write_text("{")
    with pytest.raises(UserError, match="an index of shards"):
        read_shard_index(tmp_path / "val.json")


def test_digest_tells_changed_files(tmp_path: Path) -> None:
    sample = samples(tmp_path)[0]
    before = sample.digest
    assert samples(tmp_path)[1].digest != before
    np.savez(tmp_path / "0.npz", frame_label=np.zeros((1, 40)))
    assert sample.digest != before


def test_keys_that_would_be_misread_are_refused(tmp_path: Path) -> None:
    assert shard_key("walk.wall.v2") == "walk_wall_v2"
    for keys in (["a.b"], ["a", "a"]):
        with pytest.raises(UserError, match="different keys without dots"):
            write_shard(tmp_path / "a.tar", [ShardSample(key, {"cls": b"0"}) for key in keys])
    assert not list(tmp_path.iterdir())
