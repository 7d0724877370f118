"""The mocap data module: packing, statistics, augmentation, padding, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import load_clip, save_clip
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError
from carescene.humans.mirror import mirror_motion
from datamodules.batches import Draw
from datamodules.mocap import MocapDataModule, MotionSequences
from datamodules.pack import hash_prepared, open_pack, pack_clips
from diffusion.canonical import canonicalise
from diffusion.representation import encode_motion
from diffusion.text import TextEncoder

pytestmark = pytest.mark.usefixtures("letter_encoder")


def rewrite(folder: Path, name: str, **changes: object) -> None:
    """Change fields of one prepared clip."""
    clip = load_clip(folder / "clips" / name)
    for field, value in changes.items():
        setattr(clip, field, value)
    save_clip(clip, folder / "clips")


def test_pack_holds_what_encoding_gives(prepared_folder: Path, letter_encoder: TextEncoder) -> None:
    pack = open_pack(pack_clips(prepared_folder, prepared_folder / "packs"))
    assert len(pack.sequences) == 12 * 2 + 3 + 3, "training clips come with their mirrored copies"
    for sequence in pack.sequences:
        clip = load_clip(prepared_folder / "clips" / sequence.id)
        poses, trans = torch.from_numpy(clip.poses[0]), torch.from_numpy(clip.trans[0])
        texts = clip.text
        if sequence.mirrored:
            poses, trans = mirror_motion(poses, trans)
            texts = [mirror_text(text) for text in texts]
        label = torch.from_numpy(clip.frame_label[0])
        expected = encode_motion(*canonicalise(poses, trans), label)
        rows = slice(sequence.start, sequence.start + sequence.frames)
        torch.testing.assert_close(torch.from_numpy(np.array(pack.motion[rows])), expected)
        assert np.array_equal(pack.label[rows], clip.frame_label[0])
        assert [pack.captions[number].text for number in sequence.captions] == texts
    caption = pack.captions[-1]
    stored = torch.from_numpy(pack.text[caption.start : caption.start + caption.tokens].astype(np.float32))
    assert torch.equal(stored, letter_encoder.encode_one(caption.text))


def test_only_training_frames_make_the_statistics(prepared_folder: Path) -> None:
    pack = open_pack(pack_clips(prepared_folder, prepared_folder / "packs"))
    rows = np.concatenate([np.arange(s.start, s.start + s.frames) for s in pack.sequences if s.split == "train"])
    torch.testing.assert_close(pack.normaliser.mean[:201], torch.from_numpy(pack.motion[rows, :201]).mean(0))
    # The other splits walk at other speeds, so their frames would be seen here.
    everything = torch.from_numpy(np.array(pack.motion[:, :201])).mean(0)
    assert not torch.allclose(pack.normaliser.mean[:201], everything, atol=1e-3)


def test_packing_twice_does_nothing(prepared_folder: Path) -> None:
    packs = prepared_folder / "packs"
    folder = pack_clips(prepared_folder, packs)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert pack_clips(prepared_folder, packs) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert [path.name for path in packs.iterdir()] == [folder.name], "no temporary folder stays"


def test_a_changed_caption_makes_another_pack(prepared_folder: Path) -> None:
    first, hash_before = pack_clips(prepared_folder, prepared_folder / "packs"), hash_prepared(prepared_folder)
    rewrite(prepared_folder, "train-0", text=["a person strolls"])
    assert hash_prepared(prepared_folder) != hash_before
    second = pack_clips(prepared_folder, prepared_folder / "packs")
    assert second != first
    assert any(caption.text == "a person strolls" for caption in open_pack(second).captions)


def test_an_interrupted_pack_is_made_anew(prepared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    packs = prepared_folder / "packs"
    with monkeypatch.context() as patch:
        patch.setattr("datamodules.pack.write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            pack_clips(prepared_folder, packs)
    assert list(packs.iterdir()) == []
    assert (pack_clips(prepared_folder, packs) / "pack.json").is_file()


@pytest.fixture
def sequences(prepared_folder: Path) -> MotionSequences:
    pack = open_pack(pack_clips(prepared_folder, prepared_folder / "packs"))
    return MotionSequences(pack, "train", seed=7, mirror=True, trim=3)


def test_choices_depend_on_pass_and_clip_only(sequences: MotionSequences) -> None:
    draws = [Draw(p, i) for p in range(4) for i in range(12)]
    first = [sequences[draw] for draw in draws]
    again = {draw: sequences[draw] for draw in reversed(draws)}
    assert all(np.array_equal(item.motion, again[d].motion) for d, item in zip(draws, first, strict=True))
    assert all(item.caption == again[d].caption for d, item in zip(draws, first, strict=True))


def test_every_choice_is_made_at_times(sequences: MotionSequences) -> None:
    index = max(range(12), key=lambda number: sequences.sequences[number].frames)
    items = [sequences[Draw(p, index)] for p in range(200)]
    assert len({item.caption for item in items}) == 4, "three captions, one of which names a side"
    full = sequences.sequences[index].frames
    assert {full - len(item.motion) for item in items} == {0, 1, 2, 3}
    left = sum("left" in item.caption for item in items)
    right = sum("right" in item.caption for item in items)
    assert 15 < left < 60 and 15 < right < 60, "a sixth each of 200"


def test_trimmed_motion_starts_in_the_canonical_frame(sequences: MotionSequences) -> None:
    index = max(range(12), key=lambda number: sequences.sequences[number].frames)
    full = sequences.sequences[index].frames
    item = next(item for item in (sequences[Draw(p, index)] for p in range(50)) if len(item.motion) < full)
    assert np.allclose(item.motion[0, :2], 0, atol=1e-6)
    assert len(item.label) == len(item.motion)


def test_short_clips_are_not_trimmed(sequences: MotionSequences) -> None:
    for index, sequence in enumerate(sequences.sequences):
        shortest = min(len(sequences[Draw(p, index)].motion) for p in range(30))
        assert shortest >= min(20, sequence.frames)


def test_validation_neither_mirrors_nor_trims(prepared_folder: Path) -> None:
    data = MocapDataModule(prepared_folder, batch_size=2)
    dataset = data._sequences("val")
    for index, sequence in enumerate(dataset.sequences):
        assert all(len(dataset[Draw(p, index)].motion) == sequence.frames for p in range(5))
    assert not any("right" in dataset[Draw(p, i)].caption for p in range(30) for i in range(3))


def test_batches_are_padded_masked_and_normalised(prepared_folder: Path) -> None:
    data = MocapDataModule(prepared_folder, batch_size=5, patch=8)
    batch = next(iter(data.train_dataloader()))
    clips, persons, frames, features = batch["motion"].shape
    assert (clips, persons, features) == (5, 1, 217)
    assert frames % 8 == 0
    assert frames - int(batch["frame_mask"].sum(-1).max()) < 8, "padded to the longest, rounded up"
    assert batch["motion"][~batch["frame_mask"]].eq(0).all()
    assert not batch["event_known"][~batch["frame_mask"]].any()
    assert (batch["frame_mask"] & ~batch["event_known"]).any(), "the first half second has no label"
    assert batch["text_tokens"].shape == (*batch["text_mask"].shape, 384)
    assert batch["text_tokens"][~batch["text_mask"]].eq(0).all()
    assert batch["text_mask"].sum(1).tolist() == [len(caption.split()) for caption in batch["caption"]]
    raw = data.normaliser.denormalise(batch["motion"])
    assert torch.allclose(raw[:, 0, 0, :2], torch.zeros(5, 2), atol=1e-5), "every clip starts at the origin"


def test_training_features_have_unit_size(prepared_folder: Path) -> None:
    data = MocapDataModule(prepared_folder, batch_size=12, mirror=False)
    batch = next(iter(data.train_dataloader()))
    values = batch["motion"][batch["frame_mask"]][:, :2]
    assert 0.5 < float(values.std()) < 1.5


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_do_not_change_batches(prepared_folder: Path, workers: int) -> None:
    reference = MocapDataModule(prepared_folder, batch_size=4).train_dataloader()
    other = MocapDataModule(prepared_folder, batch_size=4, num_workers=workers).train_dataloader()
    for expected, got in zip(reference, other, strict=True):
        assert got["id"] == expected["id"]
        assert got["caption"] == expected["caption"]
        assert torch.equal(got["motion"], expected["motion"])


def test_validation_sees_every_clip_once_in_a_fixed_order(prepared_folder: Path) -> None:
    loader = MocapDataModule(prepared_folder, batch_size=2).val_dataloader()
    ids = [clip_id for batch in loader for clip_id in batch["id"]]
    assert sorted(ids) == ["val-0", "val-1", "val-2"]
    assert ids == [clip_id for batch in loader for clip_id in batch["id"]]


# ------------------------------------------------------------------------------------------------ bad input


def test_refuses_a_folder_that_was_not_prepared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lightning prepare mocap"):
        MocapDataModule(tmp_path).prepare_data()


def test_refuses_a_missing_clip(prepared_folder: Path) -> None:
    (prepared_folder / "clips" / "train-3.npz").unlink()
    with pytest.raises(UserError, match="clip 'train-3' of the train split"):
        MocapDataModule(prepared_folder).prepare_data()


def test_refuses_a_truncated_clip_and_leaves_nothing(prepared_folder: Path) -> None:
    path = prepared_folder / "clips" / "val-1.npz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"val-1\.npz"):
        MocapDataModule(prepared_folder).prepare_data()
    assert list((prepared_folder / "packs").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"fps": 30.0}, "20 frames per second, but got 30"), ({"text": []}, "at least one caption, but got none")],
)
def test_refuses_clips_that_do_not_fit(prepared_folder: Path, changes: dict[str, object], message: str) -> None:
    rewrite(prepared_folder, "train-2", **changes)
    with pytest.raises(UserError, match=f"Clip 'train-2': expected {message}"):
        MocapDataModule(prepared_folder).prepare_data()


def test_refuses_an_empty_training_split(prepared_folder: Path) -> None:
    (prepared_folder / "splits" / "train.txt").write_text("")
    with pytest.raises(UserError, match="it is empty"):
        MocapDataModule(prepared_folder).prepare_data()


def test_refuses_an_empty_validation_split(prepared_folder: Path) -> None:
    (prepared_folder / "splits" / "val.txt").write_text("\n")
    with pytest.raises(UserError, match="limit_val_batches"):
        MocapDataModule(prepared_folder).val_dataloader()


def test_refuses_clips_that_are_too_long(prepared_folder: Path) -> None:
    with pytest.raises(UserError, match=r"at most 2 s, but got '(train|val|test)-\d+'"):
        MocapDataModule(prepared_folder, max_seconds=2.0).setup("fit")


def test_refuses_a_folder_that_cannot_be_written(prepared_folder: Path) -> None:
    (prepared_folder / "file").touch()
    with pytest.raises(UserError, match=r"data\.pack_dir"):
        MocapDataModule(prepared_folder, pack_dir=prepared_folder / "file" / "packs").prepare_data()


@pytest.mark.parametrize("field", ["batch_size", "num_workers", "patch"])
def test_refuses_numbers_out_of_range(tmp_path: Path, field: str) -> None:
    with pytest.raises(UserError, match=f"data.{field}"):
        MocapDataModule(tmp_path, **{field: -1})


def test_pack_json_is_plain(prepared_folder: Path) -> None:
    folder = pack_clips(prepared_folder, prepared_folder / "packs")
    header = json.loads((folder / "pack.json").read_text())
    assert set(header) == {"facts", "sequences", "captions"}
    assert sorted(path.name for path in folder.iterdir()) == [
        "label.npy",
        "motion.npy",
        "pack.json",
        "stats.npy",
        "text.npy",
    ]
