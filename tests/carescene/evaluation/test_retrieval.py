"""R-precision and matching distance: known answers, a second implementation, and exactly full batches."""

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.evaluation.retrieval import matching_distance, r_precision, retrieval_batches


def _plain_r_precision(text: np.ndarray, motion: np.ndarray, blocks: np.ndarray) -> tuple[list[float], float]:
    hits, distance = np.zeros(3), 0.0
    for block in blocks:
        for own in block:
            far = [np.sqrt(((text[own] - motion[other]) ** 2).sum()) for other in block]
            ranked = [block[at] for at in np.argsort(far, kind="stable")]
            place = ranked.index(own)
            hits += [place < 1, place < 2, place < 3]
            distance += far[list(block).index(own)]
    return (hits / blocks.size).tolist(), distance / blocks.size


@pytest.mark.parametrize(("count", "batch"), [(70, 32), (64, 32), (200, 96)])
def test_agrees_with_a_loop(count, batch):
    generator = torch.Generator().manual_seed(1)
    motion = torch.randn(count, 5, generator=generator)
    text = motion + 0.8 * torch.randn(count, 5, generator=generator)
    blocks = retrieval_batches(count, batch, seed=4)
    expected, distance = _plain_r_precision(text.double().numpy(), motion.double().numpy(), blocks.numpy())
    assert list(r_precision(text, motion, batch, seed=4)) == pytest.approx(expected)
    assert matching_distance(text, motion, batch, seed=4) == pytest.approx(distance)
    assert 0.1 < expected[0] < expected[2] < 1


@pytest.mark.parametrize("batch", [32, 96])
def test_every_batch_is_full_and_no_pair_meets_twice(batch):
    blocks = retrieval_batches(1000, batch, seed=0)
    assert blocks.shape == (1000 // batch, batch)
    assert len(blocks.unique()) == blocks.numel()
    assert not torch.equal(blocks, retrieval_batches(1000, batch, seed=1))


def test_what_does_not_fill_a_batch_does_not_count():
    rows = torch.arange(40.0)[:, None]
    wrong = rows.clone()
    left_over = list(set(range(40)) - set(retrieval_batches(40, 32, seed=0).flatten().tolist()))
    wrong[left_over] += 100.0
    assert r_precision(wrong, rows, 32, seed=0).top1 == 1.0
    assert matching_distance(wrong, rows, 32, seed=0) == 0.0


def test_chance_is_one_in_thirty_two():
    generator = torch.Generator().manual_seed(0)
    text, motion = torch.randn(2, 3200, 8, generator=generator)
    assert list(r_precision(text, motion)) == pytest.approx([1 / 32, 2 / 32, 3 / 32], abs=0.015)


def test_equal_motions_are_no_hit():
    text = torch.randn(32, 4)
    assert r_precision(text, torch.zeros(32, 4)).top3 == 0.0


def test_too_few_pairs_are_refused_and_not_taken_as_a_small_batch():
    with pytest.raises(UserError, match="at least 32 pairs"):
        r_precision(torch.randn(31, 4), torch.randn(31, 4))


def test_unequal_or_broken_embeddings_are_refused():
    with pytest.raises(UserError, match="one text embedding for each motion"):
        r_precision(torch.randn(32, 4), torch.randn(32, 5))
    broken = torch.randn(32, 4)
    broken[3, 2] = torch.nan
    with pytest.raises(UserError, match="NaN"):
        matching_distance(broken, torch.randn(32, 4))
