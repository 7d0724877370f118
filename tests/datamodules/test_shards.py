"""Shards: the same clips as packs, none lost or doubled by machines and workers, resumption, damaged shards."""

import gc
import json
import shutil
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import webdataset

from carescene.errors import UserError
from datamodules import SceneDataModule, ShardDataModule
from datamodules.shard_batches import ShardBatches
from datamodules.shard_writing import prepare_shards

pytestmark = pytest.mark.usefixtures("letter_encoder")


def write(source: Path | list[Path], out: Path, **options: Any) -> Any:
    sources = source if isinstance(source, list) else [source]
    return prepare_shards(sources, out, **({"clips_per_shard": 5, "workers": 1, "progress": False} | options))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where shards lie that are written once."""
    return tmp_path_factory.mktemp("kept") / "shards"


@pytest.fixture
def shards(worlds_source: Path, kept: Path, tmp_path: Path) -> Path:
    """12 training clips in shards of 5, 4 of validation, this test's own."""
    if not (kept / "index.json").is_file():
        write(worlds_source, kept)
    return Path(shutil.copytree(kept, tmp_path / "shards"))


def module(folder: Path, **options: Any) -> ShardDataModule:
    plain: dict[str, Any] = {"batch_size": 4, "no_scene": 0.0, "shape_augment": False, "patch": 4}
    return ShardDataModule(folder, **(plain | options))


def ids(batches: Any) -> list[str]:
    return [name for batch in batches for name in batch["id"]]


# ------------------------------------------------------------------------------------------------ what is in them


def test_validation_batches_are_those_of_a_pack(worlds_source: Path, shards: Path, tmp_path: Path) -> None:
    packed = SceneDataModule([worlds_source], batch_size=1, pack_dir=tmp_path / "packs", object_slots=40)
    streamed = module(shards, batch_size=1, object_slots=40)
    streamed.use_normaliser(packed.normaliser)
    mine = {batch["id"][0]: batch for batch in streamed.val_dataloader()}
    assert len(mine) == 4
    for batch in packed.val_dataloader():
        other = mine[batch["id"][0]]
        assert set(other) == set(batch)
        for name in ("motion", "frame_mask", "event_known", "shape", "role", "objects", "text_mask"):
            # Empty slots are drawn by the clip's number, which differs.
            present = slice(None) if name != "objects" else int((batch[name][0, :, 0] > 0).sum())
            if name == "objects":
                assert torch.equal(other[name][0, :present], batch[name][0, :present])
            else:
                assert torch.equal(other[name], batch[name]), name
        assert other["caption"][0] in ("a person walks by the left wall", "somebody walks", "")


def test_training_batches_hold_mirrored_captions_and_rooms(shards: Path) -> None:
    loader, captions = module(shards).train_dataloader(), Counter[str]()
    for batch in (batch for _ in range(8) for batch in loader):
        captions.update(batch["caption"])
        assert torch.isfinite(batch["motion"]).all()
    assert {"a person walks by the left wall", "a person walks by the right wall", "somebody walks", ""} == set(
        captions
    )


# The library leaves its files to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_webdataset_library_reads_the_shards(shards: Path) -> None:
    urls = str(shards / "train-{000000..000002}.tar")
    found = {sample["__key__"]: sample for sample in webdataset.WebDataset(urls, shardshuffle=False)}
    gc.collect()
    assert len(found) == 12
    assert set(found["train-3"]) >= {"path.npy", "numbers.npy", "text.npy", "json"}
    words = json.loads(found["train-3"]["json"])
    assert words["id"] == "train-3"
    listed = json.loads((shards / "train.json").read_text())["shardlist"]
    assert [shard["nsamples"] for shard in listed] == [5, 5, 2]


def test_clips_of_several_folders_are_mixed_and_names_may_repeat(
    worlds_source: Path, prepared_source: Path, tmp_path: Path
) -> None:
    done = write([worlds_source, prepared_source, prepared_source], tmp_path / "out", clips_per_shard=6)
    assert done.clips == {"train": 36, "val": 10, "test": 6}
    assert done.shards == {"train": 6, "val": 2, "test": 1}
    data = module(tmp_path / "out", batch_size=6)
    assert Counter(ids(data.train_dataloader())).total() == 36
    first = data.pack.splits["train"]
    folders = [{bytes(key)[:1] for key in first.table["key"][first.table["shard"] == n]} for n in range(6)]
    assert sum(len(kinds) > 1 for kinds in folders) >= 5


def test_statistics_are_those_of_a_pack(worlds_source: Path, shards: Path, tmp_path: Path) -> None:
    packed = SceneDataModule([worlds_source], pack_dir=tmp_path / "packs")
    for mine, theirs in zip(vars(module(shards).normaliser).values(), vars(packed.normaliser).values(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_writing_goes_on_where_it_stopped_and_other_data_is_refused(
    worlds_source: Path, prepared_source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write(worlds_source, out)
    whole = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    (out / "index.json").unlink()
    (out / "train-000001.tar").unlink()
    kept = (out / "train-000000.tar").stat().st_mtime_ns
    write(worlds_source, out)
    assert (out / "train-000000.tar").stat().st_mtime_ns == kept
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == whole
    with pytest.raises(UserError, match="holds others"):
        write(prepared_source, out)
    with pytest.raises(UserError, match="holds others"):
        write(worlds_source, out, seed=1)


def test_a_damaged_clip_is_refused_or_left_out_and_counted(worlds_folder: Path, tmp_path: Path) -> None:
    path = worlds_folder / "clips" / "train-2.npz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"train-2\.npz"):
        write(worlds_folder, tmp_path / "refused")
    done = write(worlds_folder, tmp_path / "skipped", on_bad="skip")
    assert done.report.counts == {"damaged clip": 1}
    assert set(done.report.reasons) == {"train-2"}
    assert Counter(ids(module(tmp_path / "skipped").train_dataloader())).total() == 11


# ------------------------------------------------------------------------------------------- machines and workers


def plan(rank: int = 0, world_size: int = 1, **options: Any) -> ShardBatches:
    """A hundred and three clips of two kinds in shards of ten, and the last of three."""
    numbers = np.arange(103)
    given: dict[str, Any] = {
        "shards": numbers // 10,
        "lengths": 20 + numbers * 37 % 180,
        "kinds": numbers * 7 % 3 % 2,
        "batch_size": 8,
        "seed": 0,
    }
    return ShardBatches(**(given | options), rank=rank, world_size=world_size)


@pytest.mark.parametrize(
    ("world_size", "batch_size"), [(1, 8), (2, 8), (4, 8), (4, 5), (3, 7), (8, 16), (1, 1), (5, 2)]
)
@pytest.mark.parametrize("pass_number", [0, 3])
def test_every_clip_is_in_exactly_one_batch_of_a_pass(world_size: int, batch_size: int, pass_number: int) -> None:
    drawn = []
    for rank in range(world_size):
        batches = plan(rank, world_size, batch_size=batch_size)
        assert len(batches) == -(-103 // (batch_size * world_size))
        numbers = range(pass_number * len(batches), (pass_number + 1) * len(batches))
        sizes = [len(batches.batch(number)) for number in numbers]
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1
        drawn += [draw for number in numbers for draw in batches.batch(number)]
    assert sorted(draw.index for draw in drawn) == list(range(103))
    assert {draw.pass_number for draw in drawn} == {pass_number}


def test_two_machines_with_two_workers_each_read_every_clip_once(shards: Path, worlds_source: Path) -> None:
    """Two nodes of one process each, whose loaders have two worker processes."""
    read: list[list[str]] = []
    for rank in range(2):
        data = module(shards, batch_size=2, num_workers=2)
        data.trainer = Two(rank)  # type: ignore[assignment]
        loader = data.train_dataloader()
        read.append(ids(islice(loader, 3)))
    assert sorted(read[0] + read[1]) == sorted(f"train-{number}" for number in range(12))


class Two:
    """What a data module asks of a trainer with two processes."""

    world_size, max_steps, accumulate_grad_batches = 2, -1, 1

    def __init__(self, rank: int) -> None:
        self.global_rank = rank


def test_workers_do_not_change_batches(shards: Path) -> None:
    reference, other = (module(shards, num_workers=workers).train_dataloader() for workers in (0, 2))
    for expected, got in zip(reference, other, strict=True):
        assert got["id"] == expected["id"]
        for name in ("motion", "objects", "text_tokens"):
            assert torch.equal(got[name], expected[name])


def test_a_process_reads_from_few_shards_at_a_time() -> None:
    numbers = np.arange(4096)
    batches = plan(1, 2, shards=numbers // 64, lengths=numbers % 97, kinds=numbers % 2, batch_size=16)
    per_window = [
        {draw.index // 64 for number in range(first, first + 16) for draw in batches.batch(number)}
        for first in range(0, len(batches), 16)
    ]
    assert max(len(shards) for shards in per_window) <= 256 // 64 + 1
    other = plan(0, 2, shards=numbers // 64, lengths=numbers % 97, kinds=numbers % 2, batch_size=16)
    mine, theirs = ({draw.index // 64 for batch in b for draw in batch} for b in (batches, other))
    assert len(mine & theirs) <= 1, "machines share at most the shard at the border"


def test_batches_hold_one_kind_and_like_lengths_but_at_seams() -> None:
    numbers = np.arange(2048)
    batches = plan(shards=numbers // 64, lengths=numbers * 331 % 200, kinds=numbers % 2, batch_size=16)
    kinds = [{draw.index % 2 for draw in batch} for batch in batches]
    assert sum(len(kind) > 1 for kind in kinds) <= len(batches) / 16
    spread = np.mean([np.ptp([draw.index * 331 % 200 for draw in batch]) for batch in batches])
    assert spread < 60


def test_seeds_and_passes_give_other_orders() -> None:
    first = [[draw.index for draw in plan().batch(number)] for number in range(13)]
    assert first == [[draw.index for draw in plan().batch(number)] for number in range(13)]
    assert first != [[draw.index for draw in plan(seed=1).batch(number)] for number in range(13)]
    assert first != [[draw.index for draw in plan().batch(number)] for number in range(13, 26)]


def test_too_few_clips_for_the_processes_are_refused() -> None:
    with pytest.raises(UserError, match="dealt to 104 processes"):
        plan(0, 104)
    with pytest.raises(UserError, match="batches of up to 1, but got 103"):
        plan(0, 2, batch_size=1)


# ---------------------------------------------------------------------------------------------------- resumption


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_goes_on_at_the_batch_where_it_stopped(shards: Path, workers: int) -> None:
    whole = module(shards, batch_size=3).train_dataloader()
    expected = [batch for _ in range(3) for batch in whole]
    interrupted = module(shards, batch_size=3, num_workers=workers).train_dataloader()
    steps = iter(interrupted)
    for _ in range(4):
        next(steps)
    steps = iter(interrupted)
    for _ in range(2):
        next(steps)
    state = interrupted.state_dict()
    assert state["handed_out"] == 6
    assert (state["epoch"], state["samples_seen"]) == (1, 6)
    resumed = module(shards, batch_size=3, num_workers=workers).train_dataloader()
    resumed.load_state_dict(state)
    rest = list(resumed)
    assert len(rest) > 0
    for got, wanted in zip(rest, expected[6:], strict=False):
        assert got["id"] == wanted["id"]
        assert torch.equal(got["motion"], wanted["motion"])


@pytest.mark.parametrize(("name", "value"), [("batch_size", 2), ("clips", 11), ("world_size", 2)])
def test_a_state_of_another_layout_is_refused(shards: Path, name: str, value: int) -> None:
    loader = module(shards).train_dataloader()
    state = loader.state_dict() | {name: value}
    with pytest.raises(UserError, match=f"Expected {name} {value} as in the run"):
        loader.load_state_dict(state)


# ------------------------------------------------------------------------------------------------ damaged shards


def cut(shards: Path, share: float = 0.5) -> Path:
    path = shards / "train-000001.tar"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def test_a_shard_that_is_cut_short_is_named_and_its_lost_clips_are_counted(shards: Path) -> None:
    whole = set(ids(module(shards).train_dataloader()))
    path = cut(shards)
    with pytest.raises(
        UserError, match=rf"'{path}' of [\d,]+ bytes, but got {path.stat().st_size:,} \(\d of its 5 clips"
    ):
        _ = module(shards).pack
    data = module(shards, on_bad="skip")
    left = set(ids(data.train_dataloader()))
    lost = {name.split("/")[1] for name in data.report.reasons}
    assert data.report.counts == {"in a shard that is cut short": len(lost)}
    assert 1 <= len(lost) <= 4, "clips before the cut are used"
    assert left == whole - lost
    assert "train-000001.tar/" in data.report.summary()


def test_a_missing_shard_loses_all_its_clips(shards: Path) -> None:
    (shards / "train-000002.tar").unlink()
    with pytest.raises(UserError, match="no such file"):
        _ = module(shards).pack
    data = module(shards, on_bad="skip")
    assert data.report.counts == {"in a shard that is missing": 2}
    assert len(ids(data.train_dataloader())) == 10


def damage(shards: Path) -> None:
    path = shards / "train-000000.tar"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def test_a_changed_byte_is_noticed_when_the_clip_is_read(shards: Path) -> None:
    damage(shards)
    with pytest.raises(UserError, match=r"clip 'train-\d+' in shard 'train-000000.tar' as it was written"):
        ids(module(shards).train_dataloader())


def test_verifying_finds_changed_bytes_before_training(shards: Path) -> None:
    damage(shards)
    with pytest.raises(UserError, match="its checksum differs"):
        _ = module(shards, verify=True).pack
    data = module(shards, verify=True, on_bad="skip")
    assert data.report.counts == {"with another checksum": 1}
    assert len(ids(data.train_dataloader())) == 11


def test_folders_without_shards_or_with_others_are_refused(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letter_encoder: Any
) -> None:
    with pytest.raises(UserError, match="Expected shards in"):
        _ = module(tmp_path).pack
    with pytest.raises(UserError, match=r"at most 0\.5 s"):
        _ = module(shards, max_seconds=0.5).pack
    plain = tmp_path / "plain"
    shutil.copytree(shards, plain)
    index = json.loads((plain / "index.json").read_text())
    index["facts"]["mirror"] = False
    (plain / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="mirrored captions"):
        _ = module(plain).pack
    assert module(plain, mirror=False).pack.data_hash
    (plain / "train.clips.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="list of clips at"):
        _ = module(plain, mirror=False).pack
    (plain / "index.json").write_text("{")
    with pytest.raises(UserError, match="index of shards in"):
        _ = module(plain).pack
    monkeypatch.setattr(letter_encoder, "model_id", "other")
    with pytest.raises(UserError, match="features of the text encoder other"):
        _ = module(shards).pack
