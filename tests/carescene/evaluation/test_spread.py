"""Diversity, multimodality and confidence intervals: closed forms and expected values."""

import math

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.evaluation.embedding_table import measure_embeddings, multimodality_of
from carescene.evaluation.replications import estimate, estimates
from carescene.evaluation.spread import diversity, multimodality


def test_diversity_of_a_normal_distribution():
    # The distance of two normal vectors of d numbers is sqrt 2 times a chi variable of d degrees of freedom.
    d = 12
    expected = 2 * math.gamma((d + 1) / 2) / math.gamma(d / 2)
    assert diversity(torch.randn(4000, d), pairs=3000) == pytest.approx(expected, rel=0.02)


def test_diversity_of_equal_motions_is_zero_and_scales():
    rows = torch.randn(50, 3)
    assert diversity(torch.ones(50, 3), 20) == 0.0
    assert diversity(5 * rows, 20, seed=2) == pytest.approx(5 * diversity(rows, 20, seed=2))


def test_diversity_refuses_more_pairs_than_motions():
    with pytest.raises(UserError, match="at least 300 motions"):
        diversity(torch.randn(299, 3))


def test_multimodality_looks_within_texts_only():
    centres = 1000 * torch.randn(6, 1, 4)
    within = torch.randn(6, 30, 4)
    assert multimodality(centres + within, seed=1) == pytest.approx(multimodality(within, seed=1), rel=1e-4)
    assert multimodality(centres.expand(6, 30, 4)) == 0.0


def test_multimodality_of_numbered_texts_takes_those_with_all_repeats():
    rows = torch.randn(2, 20, 4)
    features = torch.cat((rows.flatten(0, 1), 1e6 * torch.randn(3, 4)))
    texts = torch.cat((torch.zeros(20), torch.ones(20), torch.full((3,), 2.0))).long()
    order = torch.randperm(43)
    assert multimodality_of(features[order], texts[order], seed=0) is not None
    assert multimodality_of(features, texts, seed=0) == pytest.approx(multimodality(rows, seed=0))
    assert multimodality_of(features[:1], texts[:1]) is None


def test_multimodality_refuses_too_few_repeats():
    with pytest.raises(UserError, match="motions for 10 pairs"):
        multimodality(torch.randn(4, 9, 3))


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    runs = [estimate((2.0 + rng.standard_normal(20)).tolist()) for _ in range(400)]
    covered = np.mean([abs(run.mean - 2.0) <= run.half_width for run in runs])
    # 1.96 instead of Student's 2.09, and sigma over n instead of n - 1, cost two percent of 95.
    assert 0.89 <= covered <= 0.97


def test_estimates_keep_what_every_replication_has():
    rows = [{"fid": 1.0, "r_top1": 0.5}, {"fid": 3.0}]
    found = estimates(rows)
    assert set(found) == {"fid"}
    assert found["fid"].mean == 2.0
    assert found["fid"].half_width == pytest.approx(1.96 / math.sqrt(2))
    assert estimate([1.0]).half_width == math.inf
    assert [str(estimate([value])) for value in (0.0, 0.00213, 0.4511, 9.503, 27.44)] == [
        "0.000",
        "0.00213",
        "0.451",
        "9.503",
        "27.4",
    ]
    with pytest.raises(UserError, match="at least one replication"):
        estimate([])


def test_a_small_set_lacks_measures_instead_of_taking_them_differently():
    rows = torch.randn(8, 3)
    assert set(measure_embeddings(rows, rows, rows)) == {
        "fid",
        "diversity",
        "precision",
        "recall",
        "density",
        "coverage",
    }
    assert measure_embeddings(rows[:1], rows[:1], rows[:1]) == {}
    large = torch.randn(40, 3)
    values = measure_embeddings(large, large, large)
    assert values["r_top1"] == 1.0
    assert values["fid"] == pytest.approx(0.0, abs=1e-9)
    assert values["coverage"] == 1.0
