"""Batches as a pure function of their number: coverage, ranks, lengths, resumption."""

import numpy as np
import pytest
from torch.utils.data import Dataset

from datamodules.batches import Draw, LengthBatches, ResumableLoader

LENGTHS = np.random.default_rng(3).integers(20, 201, size=103).tolist()


def indices(batch: list[Draw]) -> list[int]:
    return [draw.index for draw in batch]


def test_a_pass_uses_every_clip_at_most_once_and_drops_less_than_a_batch() -> None:
    batches = LengthBatches(LENGTHS, 10, seed=0)
    used = [index for batch in batches for index in indices(batch)]
    assert len(used) == len(set(used)) == 100
    assert len(batches) == 10


def test_the_dropped_rest_differs_from_pass_to_pass() -> None:
    batches = LengthBatches(LENGTHS, 10, seed=0)
    used = [{i for n in range(10 * p, 10 * p + 10) for i in indices(batches.batch(n))} for p in range(20)]
    assert set.union(*used) == set(range(103))


def test_any_batch_can_be_made_again_in_any_order() -> None:
    forward = [LengthBatches(LENGTHS, 8, seed=5).batch(n) for n in range(40)]
    again = LengthBatches(LENGTHS, 8, seed=5)
    assert [again.batch(n) for n in reversed(range(40))] == forward[::-1]


def test_seed_and_pass_change_the_order() -> None:
    first, second = LengthBatches(LENGTHS, 8, seed=0), LengthBatches(LENGTHS, 8, seed=1)
    assert indices(first.batch(0)) != indices(second.batch(0))
    assert indices(first.batch(0)) != indices(first.batch(first.batches_per_pass))
    assert first.batch(first.batches_per_pass)[0].pass_number == 1


def test_ranks_share_one_list_without_overlap() -> None:
    ranks = [LengthBatches(LENGTHS, 8, seed=0, rank=rank, world_size=3) for rank in range(3)]
    assert {len(rank) for rank in ranks} == {103 // 24}
    for number in range(len(ranks[0])):
        parts = [set(indices(rank.batch(number))) for rank in ranks]
        assert all(len(part) == 8 for part in parts)
        assert len(set.union(*parts)) == 24
    one = LengthBatches(LENGTHS, 24, seed=0)
    assert set(indices(one.batch(1))) == set.union(*(set(indices(rank.batch(1))) for rank in ranks))


def test_batches_hold_similar_lengths() -> None:
    lengths = np.random.default_rng(0).integers(20, 201, size=2000)
    batches = LengthBatches(lengths.tolist(), 32, seed=0)
    frames = np.array([lengths[indices(batch)] for batch in batches])
    padding = 1 - frames.sum() / (frames.max(axis=1).sum() * 32)
    assert padding < 0.12, "unsorted batches would be padded by 40 %"


def test_few_clips_make_smaller_batches() -> None:
    batches = LengthBatches([20, 30, 40], 64, seed=0)
    assert sorted(indices(batches.batch(0))) == [0, 1, 2]
    assert len(batches) == 1


class Echo(Dataset[Draw]):
    def __getitem__(self, draw: Draw) -> Draw:
        return draw


def loader(length: int | None = None, workers: int = 0) -> ResumableLoader:
    batches = LengthBatches(LENGTHS, 10, seed=0)
    return ResumableLoader(Echo(), batches, length, collate_fn=indices, num_workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_goes_on_where_it_was_interrupted(workers: int) -> None:
    whole = list(loader(25))
    assert len(whole) == 25
    interrupted = loader(25, workers)
    running = iter(interrupted)
    first = [next(running) for _ in range(13)]
    resumed = loader(25, workers)
    resumed.load_state_dict(interrupted.state_dict())
    assert first + list(resumed) == whole


def test_loader_starts_a_new_epoch_after_a_finished_one() -> None:
    finished = loader(5)
    epochs = [list(finished), list(finished)]
    assert epochs[0] + epochs[1] == list(loader(10))
    resumed = loader(5)
    resumed.load_state_dict(finished.state_dict())
    assert list(resumed) == list(loader(15))[10:]


def test_loader_length_is_one_pass_unless_given() -> None:
    assert len(loader()) == 10
    assert len(loader(25)) == 25


# ------------------------------------------------------------------------------------------------ kinds and weights


def test_equal_weights_draw_every_clip_once() -> None:
    batches = LengthBatches(LENGTHS[:100], 10, seed=0, weights=[0.3] * 100)
    assert sorted(index for batch in batches for index in indices(batch)) == list(range(100))


def test_weighted_draws_are_never_more_than_one_off_their_expectation() -> None:
    weights = np.random.default_rng(1).uniform(0.1, 5.0, size=100)
    expected = weights / weights.sum() * 100
    total = np.zeros(100)
    batches = LengthBatches(LENGTHS[:100], 10, seed=0, weights=weights.tolist())
    for number in range(200):
        counts = np.bincount([i for at in range(10) for i in indices(batches.batch(10 * number + at))], minlength=100)
        assert (np.abs(counts - expected) < 1).all()
        total += counts
    assert np.abs(total / 200 - expected).max() < 0.15


def test_clips_without_weight_are_never_drawn() -> None:
    batches = LengthBatches(LENGTHS[:100], 10, seed=0, weights=[0.0] * 50 + [1.0] * 50)
    assert min(index for number in range(50) for index in indices(batches.batch(number))) >= 50


def test_copies_of_a_clip_in_one_pass_are_told_apart() -> None:
    batches = LengthBatches(LENGTHS[:100], 10, seed=0, weights=[10.0] + [1.0] * 99)
    draws = [(draw.index, draw.copy) for batch in batches for draw in batch]
    assert len(draws) == len(set(draws)) == 100
    assert max(copy for index, copy in draws if index == 0) >= 8


def test_kinds_keep_to_themselves() -> None:
    rng = np.random.default_rng(0)
    lengths, kinds = rng.integers(20, 201, size=2000), rng.integers(0, 4, size=2000)
    batches = LengthBatches(lengths.tolist(), 32, seed=0, kinds=kinds.tolist())
    held = [set(kinds[indices(batch)]) for batch in batches]
    assert sum(len(kind) > 1 for kind in held) <= 3, "one batch at each seam"
    assert sorted(index for batch in batches for index in indices(batch)) == sorted(
        {index for batch in batches for index in indices(batch)}
    )
    frames = np.array([lengths[indices(batch)] for batch in batches])
    assert 1 - frames.sum() / (frames.max(axis=1).sum() * 32) < 0.15
    assert [min(kind) for kind in held] != sorted(min(kind) for kind in held), "kinds take turns"
