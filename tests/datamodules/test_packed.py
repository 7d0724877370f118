"""Packing prepared folders: once, safely, with statistics of training clips alone; and folders that are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import load_clip, save_clip
from carescene.errors import UserError
from datamodules import SceneDataModule
from datamodules.pack import hash_prepared
from datamodules.world_pack import open_world_pack
from datamodules.world_packing import pack_worlds

pytestmark = pytest.mark.usefixtures("letter_encoder")


def packed(folder: Path) -> Path:
    return pack_worlds([folder], folder / "packs")


def rewrite(folder: Path, name: str, **changes: object) -> None:
    """Change fields of one prepared clip."""
    clip = load_clip(folder / "clips" / name)
    for field, value in changes.items():
        setattr(clip, field, value)
    save_clip(clip, folder / "clips")


def test_packing_twice_does_nothing(prepared_folder: Path) -> None:
    folder = packed(prepared_folder)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert packed(prepared_folder) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert [path.name for path in (prepared_folder / "packs").iterdir()] == [folder.name], "no temporary folder stays"
    assert set(json.loads((folder / "pack.json").read_text())) == {"facts", "sequences", "captions"}


def test_a_changed_caption_makes_another_pack(prepared_folder: Path) -> None:
    first, hash_before = packed(prepared_folder), hash_prepared(prepared_folder)
    rewrite(prepared_folder, "train-0", text=["a person strolls"])
    assert hash_prepared(prepared_folder) != hash_before
    second = packed(prepared_folder)
    assert second != first
    assert any(caption.text == "a person strolls" for caption in open_world_pack(second).captions)


def test_an_interrupted_pack_is_made_anew(prepared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("datamodules.world_packing.write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            packed(prepared_folder)
    assert list((prepared_folder / "packs").iterdir()) == []
    assert (packed(prepared_folder) / "pack.json").is_file()


def test_only_training_frames_make_the_statistics(prepared_folder: Path) -> None:
    before = open_world_pack(packed(prepared_folder)).normaliser.mean
    for name in ("val-0", "test-0"):
        clip = load_clip(prepared_folder / "clips" / name)
        rewrite(prepared_folder, name, trans=clip.trans * np.float32(1.5))
    torch.testing.assert_close(open_world_pack(packed(prepared_folder)).normaliser.mean, before)
    clip = load_clip(prepared_folder / "clips" / "train-0")
    rewrite(prepared_folder, "train-0", trans=clip.trans * np.float32(1.5))
    assert not torch.allclose(open_world_pack(packed(prepared_folder)).normaliser.mean, before, atol=1e-4)


def test_every_choice_is_made_at_times(prepared_folder: Path) -> None:
    data = SceneDataModule(data_dir=prepared_folder, batch_size=12)
    frames = {sequence.id: sequence.frames for sequence in data.pack.sequences}
    captions, cut, loader = set(), set(), data.train_dataloader()
    for _ in range(12):
        for batch in loader:
            captions |= set(batch["caption"])
            there = batch["frame_mask"].any(1).sum(-1).tolist()
            cut |= {frames[name] - count for name, count in zip(batch["id"], there, strict=True)}
    assert {"a person walks", "walking"} <= captions
    assert any("left hand" in caption for caption in captions)
    assert any("right hand" in caption for caption in captions)
    assert cut == {0, 1, 2, 3}


def test_validation_sees_every_clip_once_in_a_fixed_order_as_it_is(prepared_folder: Path) -> None:
    loader = SceneDataModule(data_dir=prepared_folder, batch_size=2).val_dataloader()
    batches = [list(loader) for _ in range(2)]
    ids = [[name for batch in run for name in batch["id"]] for run in batches]
    assert sorted(ids[0]) == ["val-0", "val-1", "val-2"]
    assert ids[0] == ids[1]
    assert not any("right" in caption for batch in batches[0] for caption in batch["caption"])


# ------------------------------------------------------------------------------------------------ bad input


def test_refuses_a_folder_that_was_not_prepared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lightning prepare mocap"):
        SceneDataModule(data_dir=tmp_path).prepare_data()


def test_refuses_a_missing_clip(prepared_folder: Path) -> None:
    (prepared_folder / "clips" / "train-3.npz").unlink()
    with pytest.raises(UserError, match="clip 'train-3' of the train split"):
        SceneDataModule(data_dir=prepared_folder).prepare_data()


def test_refuses_a_truncated_clip_and_leaves_nothing(prepared_folder: Path) -> None:
    path = prepared_folder / "clips" / "val-1.npz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"val-1\.npz"):
        SceneDataModule(data_dir=prepared_folder).prepare_data()
    assert list((prepared_folder / "packs").iterdir()) == []


def test_refuses_an_empty_training_split(prepared_folder: Path) -> None:
    (prepared_folder / "splits" / "train.txt").write_text("")
    with pytest.raises(UserError, match="it is empty"):
        SceneDataModule(data_dir=prepared_folder).prepare_data()


def test_refuses_an_empty_validation_split(prepared_folder: Path) -> None:
    (prepared_folder / "splits" / "val.txt").write_text("\n")
    with pytest.raises(UserError, match="limit_val_batches"):
        SceneDataModule(data_dir=prepared_folder).val_dataloader()


def test_refuses_a_folder_that_cannot_be_written(prepared_folder: Path) -> None:
    (prepared_folder / "file").touch()
    with pytest.raises(UserError, match=r"data\.pack_dir"):
        SceneDataModule(data_dir=prepared_folder, pack_dir=prepared_folder / "file" / "packs").prepare_data()


@pytest.mark.parametrize("field", ["batch_size", "num_workers", "patch"])
def test_refuses_numbers_out_of_range(tmp_path: Path, field: str) -> None:
    with pytest.raises(UserError, match=f"data.{field}"):
        SceneDataModule(data_dir=tmp_path, **{field: -1})
