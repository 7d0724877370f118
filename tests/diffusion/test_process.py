"""The chain: closed forms against simulation, exact conversions, levels per vector, the simple loss."""

import jaxtyping
import pytest
import torch

from carescene.errors import UserError
from diffusion.process import DiffusionProcess, ProcessConfig, expand_levels

KINDS = ("eps", "x0", "v")


def make(**options) -> DiffusionProcess:
    return DiffusionProcess(ProcessConfig(**options))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "shifted_cosine"])
def test_marginal_equals_the_chain_step_by_step(schedule):
    """Simulating q(x_t | x_{t-1}) T times gives the mean and variance of the closed form."""
    torch.manual_seed(0)
    process = make(schedule=schedule, steps=40)
    x0 = torch.tensor([1.5, -0.5], dtype=torch.float64)
    x = x0.expand(200_000, 2).clone()
    for t in range(1, 26):
        kept = process.alpha_bar[t] / process.alpha_bar[t - 1]
        x = kept.sqrt() * x + (1 - kept).sqrt() * torch.randn_like(x)
    mean, variance = process.q_mean_variance(x0, torch.tensor(25))
    torch.testing.assert_close(x.mean(0), mean, atol=0.01, rtol=0)
    torch.testing.assert_close(x.var(0), variance.expand(2), atol=0.01, rtol=0)


def test_samples_have_the_closed_form_moments():
    torch.manual_seed(0)
    process = make()
    x0, t = torch.full((100_000, 1), 2.0), torch.full((100_000,), 300)
    x = process.q_sample(x0, t, torch.randn_like(x0))
    mean, variance = process.q_mean_variance(x0[:1], t[:1])
    torch.testing.assert_close(x.mean(0), mean[0], atol=0.01, rtol=0)
    torch.testing.assert_close(x.var(0), variance[0], atol=0.01, rtol=0)


@pytest.mark.parametrize(("t", "s"), [(30, 29), (30, 12), (1, 0), (40, 0)])
def test_posterior_by_bayes_on_a_grid(t, s):
    """q(x_s | x_t, x_0) is proportional to q(x_t | x_s) q(x_s | x_0); integrate that numerically."""
    process = make(steps=40)
    x0, x_t = 0.7, -0.3
    bar_t, bar_s = process.alpha_bar[t], process.alpha_bar[s]
    mean, variance = process.posterior(
        torch.tensor([x0], dtype=torch.float64),
        torch.tensor([x_t], dtype=torch.float64),
        torch.tensor(t),
        torch.tensor(s),
    )
    if s == 0:
        assert mean.item() == pytest.approx(x0)
        assert variance.item() == 0
        return
    grid = torch.linspace(-8, 8, 400_001, dtype=torch.float64)
    ratio = bar_t / bar_s
    log_density = -((x_t - ratio.sqrt() * grid) ** 2) / (2 * (1 - ratio)) - (grid - bar_s.sqrt() * x0) ** 2 / (
        2 * (1 - bar_s)
    )
    density = torch.softmax(log_density, 0)
    expected = (density * grid).sum()
    torch.testing.assert_close(mean[0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(variance[0], (density * (grid - expected) ** 2).sum(), atol=1e-6, rtol=0)


def test_posterior_leaves_known_vectors_alone():
    process = make()
    x0, x_t = torch.randn(3, 4), torch.randn(3, 4)
    mean, variance = process.posterior(x0, x_t, torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(mean, x0)
    assert (variance == 0).all()


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("to", KINDS)
def test_conversions_are_exact(source, to):
    torch.manual_seed(0)
    process = make(steps=1000)
    x0, noise = torch.randn(2, 500, 3, dtype=torch.float64)[:, :, :], torch.randn(2, 500, 3, dtype=torch.float64)
    t = torch.randint(1, 1000, (2, 500))
    x_t = process.q_sample(x0, t, noise)
    truth = {kind: make(prediction=kind).target(x0, noise, t) for kind in KINDS}
    torch.testing.assert_close(process.convert(truth[source], x_t, t, source, to), truth[to], atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_clean_vectors_convert_to_finite_numbers(kind):
    process = make(prediction=kind)
    x0, t = torch.randn(5, 3), torch.zeros(5, dtype=torch.long)
    output = process.target(x0, torch.zeros_like(x0), t)
    torch.testing.assert_close(process.to_x0(output, x0, t), x0)
    torch.testing.assert_close(process.to_eps(output, x0, t), torch.zeros_like(x0))


def test_every_vector_has_its_own_level():
    torch.manual_seed(0)
    process = make()
    x0, noise = torch.randn(2, 1, 8, 5), torch.randn(2, 1, 8, 5)
    levels = torch.tensor([[[0, 1000]], [[10, 500]]])
    t = expand_levels(levels, 4)
    assert t.tolist()[0][0] == [0] * 4 + [1000] * 4
    together = process.q_sample(x0, t, noise)
    for clip in range(2):
        for frame in range(8):
            alone = process.q_sample(x0[clip, 0, frame], t[clip, 0, frame], noise[clip, 0, frame])
            torch.testing.assert_close(together[clip, 0, frame], alone)
    torch.testing.assert_close(together[0, 0, :4], x0[0, 0, :4], rtol=0, atol=0)


@pytest.mark.parametrize("weighting", ["min_snr", "clamped_snr"])
def test_weighted_losses_mean_the_same_under_every_prediction(weighting):
    """Whatever is predicted, the loss is the same function of the estimate of x_0."""
    torch.manual_seed(0)
    x0, noise, estimate = (torch.randn(4, 300, 3, dtype=torch.float64) for _ in range(3))
    t = torch.randint(20, 990, (4, 300))
    losses = []
    for kind in KINDS:
        process = make(prediction=kind, weighting=weighting)
        x_t = process.q_sample(x0, t, noise)
        output = process.convert(estimate, x_t, t, "x0", kind)
        losses.append(process.simple_loss(output, process.target(x0, noise, t), t, torch.ones_like(x0[..., :1])))
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(losses[0], losses[2])


def test_weights_have_their_floor_and_ceiling():
    t = torch.arange(0, 1001)
    assert (make(weighting="plain").loss_weight(t) == 1).all()
    clamped = make(weighting="clamped_snr", max_snr=5.0).loss_weight(t)
    assert clamped.min() == 1
    assert clamped.max() == 5
    minimum = make(weighting="min_snr", max_snr=5.0).loss_weight(t)
    assert minimum.max() == 5
    assert minimum[-1] < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighting", ["plain", "min_snr", "clamped_snr"])
def test_weights_are_finite_at_every_level(kind, weighting):
    weight = make(prediction=kind, weighting=weighting, zero_terminal_snr=kind != "eps").loss_weight(torch.arange(1001))
    assert torch.isfinite(weight).all()
    assert (weight >= 0).all()


def test_simple_loss_ignores_padding_and_known_vectors():
    torch.manual_seed(0)
    process = make(weighting="plain")
    output, target = torch.randn(6, 3), torch.randn(6, 3)
    t = torch.tensor([0, 0, 500, 500, 500, 500])
    mask = torch.tensor([1.0, 1, 1, 1, 0, 0])[:, None]
    expected = ((output - target)[2:4] ** 2).mean(0)
    torch.testing.assert_close(process.simple_loss(output, target, t, mask), expected)
    assert (process.simple_loss(output, target, t, torch.zeros(6, 1)) == 0).all()


def test_simple_loss_gradient():
    process = make(prediction="v")
    target = torch.randn(4, 3, dtype=torch.float64)
    output = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0, 1, 500, 1000])
    assert torch.autograd.gradcheck(
        lambda y: process.simple_loss(y, target, t, torch.ones_like(target[:, :1])), (output,)
    )


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"schedule": "sigmoid"}, "schedule"),
        ({"prediction": "score"}, "prediction"),
        ({"weighting": "max"}, "weighting"),
        ({"prediction": "eps", "zero_terminal_snr": True}, "eps-prediction"),
        ({"max_snr": 0.5}, "max_snr"),
    ],
)
def test_refuses(options, part, monkeypatch):
    # The type checker of the tests would refuse a wrong word before our own check, which users meet.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(UserError, match=part):
        ProcessConfig(**options)
