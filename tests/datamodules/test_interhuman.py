"""InterHuman as batches: people in any order, mirrored captions, mixing with people who are alone, damaged folders."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from carescene.clips import load_clip
from carescene.clips.dropped import DropReport
from carescene.clips.formats.interhuman import encode_pair, mirror_pair
from carescene.clips.formats.interhuman_stats import PairStatistics
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError
from datamodules import InterHumanDataModule, InterHumanPairs, collate_pairs
from datamodules.batches import Draw

pytestmark = pytest.mark.usefixtures("letter_encoder")


def module(folder: Path, packs: Path, **options: Any) -> InterHumanDataModule:
    return InterHumanDataModule(folder, **({"pack_dir": packs, "batch_size": 2, "convert_workers": 1} | options))


def pairs(folder: Path, split: str = "train", **options: Any) -> InterHumanPairs:
    return InterHumanPairs(folder, split, DropReport("clips"), progress=False, **options)


def test_batches_hold_both_people_in_one_frame_of_reference(interhuman_source: Path, tmp_path: Path) -> None:
    data = module(interhuman_source, tmp_path)
    seen = set()
    for batch in data.val_dataloader():
        motion = data.normaliser.denormalise(batch["motion"])
        assert batch["motion"].shape[1] == 2
        assert batch["shape_known"].all()
        assert batch["frame_mask"][:, :, 0].all()
        for at, name in enumerate(batch["id"]):
            clip = load_clip(tmp_path / "clips" / "clips" / name)
            seen.add(name)
            frames = int(batch["frame_mask"][at, 0].sum())
            path = motion[at, :, :frames, :2].numpy()
            expected = np.linalg.norm(clip.trans[0, :, :2] - clip.trans[1, :, :2], axis=-1)[:frames]
            np.testing.assert_allclose(np.linalg.norm(path[0] - path[1], axis=-1), expected, atol=1e-3)
            np.testing.assert_allclose(path[0, 0], 0, atol=1e-4)
    assert seen == {"4", "5"}


def test_either_person_comes_first_and_mirrored_clips_say_so(interhuman_source: Path, tmp_path: Path) -> None:
    data = module(interhuman_source, tmp_path)
    shapes = {name: load_clip(data.prepared / "clips" / name).betas for name in "0123"} if data.pack else {}
    first, captions = Counter[int](), set()
    loader = data.train_dataloader()
    for _ in range(12):
        for batch in loader:
            captions.update(batch["caption"])
            for at, name in enumerate(batch["id"]):
                gaps = np.abs(shapes[name] - batch["shape"][at, 0].numpy()).max(1)
                first[int(gaps.argmin())] += 1
    assert min(first.values()) > 10, "either person defines the frame of reference"
    side = "one raises the left hand and turns clockwise while the other stands upright"
    assert {side, "one raises the right hand and turns counterclockwise while the other stands upright"} <= captions


def test_pairs_mix_with_people_who_are_alone_by_shares(
    interhuman_source: Path, prepared_source: Path, tmp_path: Path
) -> None:
    data = module(interhuman_source, tmp_path, others=[prepared_source], shares=[0.5, 0.5], batch_size=4)
    persons, loader = Counter[int](), data.train_dataloader()
    for batch in (batch for _ in range(20) for batch in loader):
        persons.update(batch["shape_known"].sum(1).tolist())
    assert set(persons) == {1, 2}
    assert persons[2] / persons.total() == pytest.approx(0.5, abs=0.06)


def test_a_damaged_folder_is_refused_or_its_rest_is_used(interhuman_folder: Path, tmp_path: Path) -> None:
    (interhuman_folder / "annots" / "1.txt").unlink()
    with pytest.raises(UserError, match="Expected captions at"):
        module(interhuman_folder, tmp_path).prepare_data()
    data = module(interhuman_folder, tmp_path, on_bad="skip")
    data.prepare_data()
    assert "1 missing text (1)" in (tmp_path / "clips" / "summary.txt").read_text()
    assert {name for batch in data.train_dataloader() for name in batch["id"]} <= {"0", "2", "3"}


# ------------------------------------------------------------------------------------------------ the 262 numbers


def test_items_are_encoded_pairs_in_either_order(interhuman_source: Path, interhuman_layout: Any) -> None:
    people = interhuman_layout.pair(45, 0)
    positions, rotations = np.stack([p[0] for p in people]), np.stack([p[1][:, 1:22] for p in people])
    expected = [encode_pair(positions[order], rotations[order]) for order in ([0, 1], [1, 0])]
    dataset, seen = pairs(interhuman_source), set()
    for number in range(12):
        motion = dataset[Draw(number, 0)].motion
        errors = [float(np.abs(motion - other).max()) for other in expected]
        assert min(errors) < 1e-4
        seen.add(int(np.argmin(errors)))
    assert seen == {0, 1}


def test_choices_depend_on_seed_and_pass_alone(interhuman_source: Path) -> None:
    one, same, other = pairs(interhuman_source), pairs(interhuman_source), pairs(interhuman_source, seed=1)
    draws = [Draw(number, index) for number in range(4) for index in range(8)]
    assert [one[draw].caption for draw in draws] == [same[draw].caption for draw in reversed(draws)][::-1]
    assert [one[draw].caption for draw in draws] != [other[draw].caption for draw in draws]


def test_training_has_mirrored_copies_with_mirrored_captions_and_testing_has_none(
    interhuman_source: Path, interhuman_layout: Any
) -> None:
    train, test = pairs(interhuman_source), pairs(interhuman_source, "test")
    assert (len(train), len(test)) == (8, 1)
    for number in range(8):
        item = train[Draw(number, 6)]
        assert item.id == "2_swap"
        assert item.caption in {mirror_text(text.format(2)) for text in interhuman_layout.captions}
    people = interhuman_layout.pair(51, 2)
    positions, rotations = np.stack([p[0] for p in people]), np.stack([p[1][:, 1:22] for p in people])
    image = mirror_pair(positions, rotations)
    expected = [encode_pair(image[0][order], image[1][order]) for order in ([0, 1], [1, 0])]
    assert min(float(np.abs(train[6].motion - other).max()) for other in expected) < 1e-4


def test_long_recordings_are_cut_to_windows_that_reach_the_last_frame(interhuman_layout: Any, tmp_path: Path) -> None:
    root = interhuman_layout.write(tmp_path, {"train": 0, "val": 0, "test": 1}, frames=301)
    dataset = pairs(root, "test")
    starts = {dataset[Draw(number, 0)].motion[0, 0, 3].item() for number in range(20)}
    assert all(dataset[Draw(number, 0)].motion.shape == (2, 299, 262) for number in range(3))
    assert len({round(start, 5) for start in starts}) == 4, "two windows for each of two orders"


def test_normalised_batches_are_padded_and_give_the_numbers_back(interhuman_source: Path) -> None:
    statistics = PairStatistics(np.full(262, 0.5, np.float32), np.full(262, 2.0, np.float32))
    normalised, plain = pairs(interhuman_source, statistics=statistics), pairs(interhuman_source)
    batch = collate_pairs([normalised[0], normalised[3]])
    assert batch["motion"].shape == (2, 2, 53, 262)
    assert batch["frame_mask"].sum(1).tolist() == [44, 53]
    assert batch["motion"][0, :, 44:].eq(0).all()
    found = statistics.denormalise(batch["motion"][1].numpy())
    np.testing.assert_allclose(found, plain[3].motion, atol=1e-6)
    assert torch.isfinite(batch["motion"]).all()


def test_an_empty_split_is_refused(interhuman_layout: Any, tmp_path: Path) -> None:
    root = interhuman_layout.write(tmp_path, {"train": 1, "val": 0, "test": 0})
    with pytest.raises(UserError, match="Expected clips of the val split"):
        pairs(root, "val")
