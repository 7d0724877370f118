"""Distances between feature sets: closed forms, scipy's matrix square root, and sets drawn from one distribution."""

import warnings

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.spatial import cKDTree

from carescene.errors import UserError
from carescene.evaluation.frechet import (
    floor_of,
    frechet_distance,
    gaussian_distance,
    neighbour_radius,
    overlap,
    tail_coverage,
    tail_of,
)


def _normal(count: int, features: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(features, features, generator=torch.Generator().manual_seed(99)) / features**0.5
    return scale * torch.randn(count, features, generator=generator) @ mix + shift


@pytest.mark.parametrize("count", [400, 20])
def test_agrees_with_scipys_matrix_root(count):
    one, two = _normal(count, 12, 0).double(), _normal(count, 12, 1, scale=1.5, shift=0.3).double()
    first, second = np.cov(one.numpy().T), np.cov(two.numpy().T)
    root = np.real(sqrtm(first @ second))
    away = one.mean(0).numpy() - two.mean(0).numpy()
    expected = away @ away + np.trace(first + second - 2 * root)
    assert frechet_distance(one, two) == pytest.approx(expected, rel=1e-6)


def test_one_dimension_in_closed_form():
    one = torch.tensor([[-1.0], [1.0]])  # mean 0, variance 2
    two = torch.tensor([[1.0], [5.0]])  # mean 3, variance 8
    # |m1 - m2|^2 + (s1 - s2)^2 = 9 + (sqrt 8 - sqrt 2)^2 = 9 + 2
    assert frechet_distance(one, two) == pytest.approx(11.0)


def test_is_zero_for_itself_symmetric_and_blind_to_rotation():
    one, two = _normal(100, 8, 0), _normal(120, 8, 1, scale=2.0)
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(5)))
    assert frechet_distance(one, one) == pytest.approx(0.0, abs=1e-5)
    assert frechet_distance(one, two) == pytest.approx(frechet_distance(two, one), rel=1e-5)
    assert frechet_distance(one @ turn, two @ turn) == pytest.approx(frechet_distance(one, two), rel=1e-4)


def test_fewer_vectors_than_features_stay_finite():
    distance = frechet_distance(_normal(5, 32, 0), _normal(6, 32, 1))
    assert np.isfinite(distance)
    assert distance > 0


def test_radius_is_the_kth_neighbour():
    features = _normal(60, 4, 3).double()
    expected = cKDTree(features.numpy()).query(features.numpy(), k=6)[0][:, 5]
    assert neighbour_radius(features, 5).numpy() == pytest.approx(expected, abs=1e-6)


def test_coverage_of_one_distribution_is_what_theory_expects():
    # 1 - 2^-k for as many real as generated vectors (Naeem et al. 2020).
    values = [overlap(_normal(400, 6, seed), _normal(400, 6, seed + 100), k=3).coverage for seed in range(4)]
    assert sum(values) / 4 == pytest.approx(1 - 2**-3, abs=0.03)


def test_overlap_tells_a_missing_mode_from_a_wrong_one():
    left, right = _normal(100, 3, 0), _normal(100, 3, 1, shift=50.0)
    both = torch.cat((left, right))
    narrow = overlap(both, _normal(100, 3, 2))
    assert narrow.precision > 0.8
    assert narrow.recall < 0.6
    assert narrow.coverage < 0.55
    wrong = overlap(left, torch.cat((_normal(100, 3, 3), _normal(100, 3, 4, shift=-50.0))))
    assert wrong.recall > 0.8
    assert wrong.precision < 0.6
    assert overlap(left, right) == (0.0, 0.0, 0.0, 0.0)


def test_the_tail_is_what_lies_alone():
    # Six, so that each of them has five neighbours among its own kind.
    crowd, lonely = _normal(114, 3, 0), _normal(6, 3, 9, scale=10.0, shift=300.0)
    features = torch.cat((crowd, lonely))
    chosen = tail_of(features)
    assert int(chosen.sum()) == 6
    assert bool(chosen[114:].all())
    assert tail_coverage(features, _normal(100, 3, 1)) == 0.0
    assert tail_coverage(features, torch.cat((_normal(100, 3, 1), lonely + 0.5))) == 1.0
    assert tail_coverage(features, _normal(200, 3, 1), rare=~chosen) > 0.9


def test_the_floor_is_small_and_takes_as_many_vectors():
    real = _normal(300, 6, 0)
    floor = floor_of(frechet_distance, real, 60)
    assert 0 < floor < frechet_distance(real, _normal(60, 6, 1, shift=1.0))
    assert floor == floor_of(frechet_distance, real, 60)
    assert floor < floor_of(frechet_distance, real, 12)  # few vectors, more bias


def test_refuses_what_cannot_be_compared():
    with pytest.raises(UserError, match="at least 6 clips"):
        overlap(_normal(5, 3, 0), _normal(50, 3, 0))
    broken = _normal(10, 3, 0)
    broken[0, 0] = torch.nan
    with pytest.raises(UserError, match="NaN"):
        frechet_distance(_normal(10, 3, 0), broken)
    with pytest.raises(UserError, match="rare"):
        tail_coverage(_normal(10, 3, 0), _normal(10, 3, 1), rare=torch.zeros(10, dtype=torch.bool))


def _factor(rank: int, features: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rank, features)) / rank**0.5


@pytest.mark.parametrize(("one", "two"), [(6, 6), (40, 40), (12, 40), (40, 1), (12, 7)])
def test_gaussians_agree_with_scipy_also_when_singular(one, two):
    a, b = _factor(one, 40, 0), 0.7 * _factor(two, 40, 1)
    means = np.random.default_rng(2).normal(size=(2, 40))
    first, second = a.T @ a, b.T @ b
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of singular matrices, and is then right to some digits only
        root = np.real(sqrtm(first @ second))
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(first + second - 2 * root)
    got = gaussian_distance(*(torch.from_numpy(array) for array in (means[0], first, means[1], second)))
    assert got == pytest.approx(expected, rel=1e-6)
    # Without covariances at all: the trace of the root is the sum of the singular values of A B^T.
    exact = ((means[0] - means[1]) ** 2).sum() + (a**2).sum() + (b**2).sum()
    exact -= 2 * np.linalg.svd(a @ b.T, compute_uv=False).sum()
    assert got == pytest.approx(exact, rel=1e-12)


def test_a_gaussian_is_at_no_distance_from_itself_also_when_flat():
    flat = torch.from_numpy(_factor(3, 30, 5))
    mean = torch.zeros(30, dtype=torch.float64)
    assert gaussian_distance(mean, flat.T @ flat, mean, flat.T @ flat) < 1e-12
    still = torch.zeros(30, 30, dtype=torch.float64)
    assert gaussian_distance(mean, still, mean + 2.0, still) == pytest.approx(120.0)
