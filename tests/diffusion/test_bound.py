"""The variational bound, on Gaussian data, where the best denoiser and the true likelihood are known."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from diffusion.bound import bits_per_dim, decoder_nll, gaussian_kl, prior_kl, step_kl, variational_bound
from diffusion.process import DiffusionProcess, ProcessConfig

SPREAD, CENTRE = 0.6, 0.4  # the data: N(CENTRE, SPREAD^2)


def best_estimate(process):
    """E[x_0 | x_t] for Gaussian data."""

    def predict(x_t, t):
        alpha, sigma = process.alpha(t), process.sigma(t)
        gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
        return CENTRE + gain * (x_t - alpha * CENTRE)

    return predict


def test_gaussian_kl_by_numerical_integral():
    mean_q, var_q, mean_p, var_p = 0.3, 0.5, -0.2, 1.1
    q, p = norm(mean_q, math.sqrt(var_q)), norm(mean_p, math.sqrt(var_p))
    expected, _ = quad(lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), -12, 12)
    value = gaussian_kl(*(torch.tensor([number], dtype=torch.float64) for number in (mean_q, var_q, mean_p, var_p)))
    assert value.item() == pytest.approx(expected, abs=1e-9)


def test_prior_term_in_closed_form():
    process = DiffusionProcess(ProcessConfig(schedule="linear", steps=30))
    x0 = torch.tensor([[2.0, -1.0]], dtype=torch.float64)
    bar = process.alpha_bar[-1].item()
    expected = 0.5 * sum(1 - bar - 1 - math.log(1 - bar) + bar * x**2 for x in (2.0, -1.0))
    assert prior_kl(process, x0).item() == pytest.approx(expected, rel=1e-9)


def test_step_term_is_half_the_gain_in_snr_times_the_squared_error():
    """Kingma et al. 2021 (VDM), eq. 13: with the posterior's variance, KL_t = (SNR_{t-1} - SNR_t) |x_0 - x^|^2 / 2."""
    torch.manual_seed(0)
    process = DiffusionProcess(ProcessConfig(steps=50))
    x0, estimate, noise = (torch.randn(49, 3, dtype=torch.float64) for _ in range(3))
    t = torch.arange(2, 51)
    value = step_kl(process, x0, estimate, process.q_sample(x0, t, noise), t)
    gain = (process.snr(t - 1) - process.snr(t))[:, 0]
    torch.testing.assert_close(value, 0.5 * gain * ((x0 - estimate) ** 2).sum(-1))


def test_bound_equals_its_numerical_integral():
    """Mean over the data of every term with the best denoiser, against quadrature over x_0 and the noise."""
    process = DiffusionProcess(ProcessConfig(steps=12))
    predict = best_estimate(process)
    x0 = CENTRE + SPREAD * torch.randn(200_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    bound = variational_bound(process, predict, x0, torch.Generator().manual_seed(2))

    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = torch.tensor(weights / weights.sum())
    nodes = torch.tensor(nodes)
    grid_x0 = (CENTRE + SPREAD * nodes)[:, None, None].expand(60, 60, 1)
    grid_noise = nodes[None, :, None].expand(60, 60, 1)
    joint = weights[:, None] * weights[None, :]

    def expected(t, term):
        level = torch.full((60, 60), t)
        x_t = process.q_sample(grid_x0, level, grid_noise)
        return (joint * term(grid_x0, predict(x_t, level), x_t, level)).sum()

    for t in range(2, 13):
        value = expected(t, lambda *arguments: step_kl(process, *arguments))
        torch.testing.assert_close(bound.steps[t - 2].mean(), value, rtol=0.02, atol=1e-4)
    decoder = expected(1, lambda x, estimate, _x_t, _t: decoder_nll(process, x, estimate))
    torch.testing.assert_close(bound.decoder.mean(), decoder, rtol=0.02, atol=5e-3)
    prior = (weights * prior_kl(process, (CENTRE + SPREAD * nodes)[:, None])).sum()
    torch.testing.assert_close(bound.prior.mean(), prior, rtol=0.02, atol=1e-4)


def test_bound_approaches_the_entropy_from_above():
    """With the best denoiser the bound closes on the entropy as a chain even in log SNR gets finer.

    Even in log SNR, because the published schedules double the SNR in their first steps however many there are.
    """
    x0 = CENTRE + SPREAD * torch.randn(4000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    # The entropy that this very sample would give: takes the luck of the draw out of the comparison.
    entropy = -torch.distributions.Normal(CENTRE, SPREAD).log_prob(x0).mean().item()
    gaps = []
    for steps in (40, 160, 640):
        process = DiffusionProcess(ProcessConfig(steps=steps))
        log_snr = torch.linspace(10, -8, steps, dtype=torch.float64)
        process.alpha_bar = torch.cat((torch.ones(1, dtype=torch.float64), torch.sigmoid(log_snr)))
        bound = variational_bound(process, best_estimate(process), x0, torch.Generator().manual_seed(2))
        gaps.append(bound.total.mean().item() - entropy)
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0
    assert gaps[2] < 0.15


def test_no_other_denoiser_does_better():
    process = DiffusionProcess(ProcessConfig(steps=30))
    best = best_estimate(process)
    x0 = CENTRE + SPREAD * torch.randn(50_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def total(predict):
        return variational_bound(process, predict, x0, torch.Generator().manual_seed(2)).total.mean()

    assert total(best) < total(lambda x, t: best(x, t) + 0.05)
    assert total(best) < total(lambda x, t: 0.9 * best(x, t))


def test_large_variance_is_the_looser_bound_for_narrow_data():
    """For data at one point the posterior's variance is optimal (Ho et al. 2020, section 3.2)."""
    process = DiffusionProcess(ProcessConfig(steps=20))
    x0 = torch.full((5, 1), CENTRE, dtype=torch.float64)

    def total(variance):
        return variational_bound(
            process, lambda x, _t: torch.full_like(x, CENTRE), x0, torch.Generator().manual_seed(0), variance
        )

    assert (total("small").steps == 0).all()
    assert (total("large").steps > 0).all()


def test_decoder_bins_sum_to_one_and_shrink_to_the_density():
    process = DiffusionProcess(ProcessConfig(steps=10))
    width = 0.02
    centres = torch.arange(-4, 4, width, dtype=torch.float64)[:, None]
    estimate = torch.full_like(centres, 0.11)
    nats = decoder_nll(process, centres, estimate, bin_width=width)
    assert torch.exp(-nats).sum().item() == pytest.approx(1, abs=1e-9)
    fine, density = decoder_nll(process, centres, estimate, 1e-4), decoder_nll(process, centres, estimate)
    near = (centres - 0.11).abs()[:, 0] < 0.5
    torch.testing.assert_close(fine[near] + math.log(1e-4), density[near], atol=1e-4, rtol=1e-5)


def test_bits_per_dimension():
    assert bits_per_dim(torch.tensor([6 * math.log(2)]), 3).item() == pytest.approx(2)
