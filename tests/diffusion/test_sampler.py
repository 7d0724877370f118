"""Samplers: one step against diffusers, exact recovery of a mixture, seeds, known tokens, guidance."""

from itertools import pairwise

import jaxtyping
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

from carescene.errors import UserError
from diffusion.process import DiffusionProcess, ProcessConfig
from diffusion.sampler import (
    NoiseSource,
    SamplerConfig,
    ancestral_step,
    ddim_step,
    dpmpp_2m_step,
    guide,
    timesteps,
)

# Our level t is diffusers' timestep t - 1.
SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
PREDICTIONS = {"x0": "sample", "v": "v_prediction", "eps": "epsilon"}
SHAPE = (2, 3, 5)


def process_like(scheduler, **options) -> DiffusionProcess:
    """Our chain with the (float32) table of a diffusers scheduler, so that steps can be compared to 1e-5."""
    process = DiffusionProcess(ProcessConfig(**options))
    torch.testing.assert_close(process.alpha_bar[1:], scheduler.alphas_cumprod.double(), rtol=1e-4, atol=1e-7)
    process.alpha_bar = torch.cat((torch.ones(1).double(), scheduler.alphas_cumprod.double()))
    return process


def levels(value: int) -> torch.Tensor:
    return torch.full(SHAPE[:-1], value)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(("t", "s"), [(900, 800), (100, 0), (500, 400)])
def test_ancestral_step_equals_diffusers(schedule, prediction, t, s):
    theirs = DDPMScheduler(
        beta_schedule=SCHEDULES[schedule], prediction_type=PREDICTIONS[prediction], clip_sample=False,
        timestep_spacing="trailing",
    )  # fmt: skip
    theirs.set_timesteps(10)
    process = process_like(theirs, schedule=schedule, prediction=prediction)
    x, output = torch.randn(SHAPE), torch.randn(SHAPE)
    expected = theirs.step(output, t - 1, x, generator=torch.Generator().manual_seed(3)).prev_sample
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    x0 = process.to_x0(output, x, levels(t))
    torch.testing.assert_close(
        ancestral_step(process, x, x0, levels(t), levels(s), noise), expected, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(("t", "s"), [(900, 800), (100, 0)])
def test_ddim_step_equals_diffusers(schedule, eta, t, s):
    theirs = DDIMScheduler(
        beta_schedule=SCHEDULES[schedule], prediction_type="v_prediction", clip_sample=False,
        timestep_spacing="trailing",
    )  # fmt: skip
    theirs.set_timesteps(10)
    process = process_like(theirs, schedule=schedule, prediction="v")
    x, output, noise = torch.randn(SHAPE), torch.randn(SHAPE), torch.randn(SHAPE)
    expected = theirs.step(output, t - 1, x, eta=eta, variance_noise=noise if eta else None).prev_sample
    x0 = process.to_x0(output, x, levels(t))
    ours = ddim_step(process, x, x0, levels(t), levels(s), noise, eta)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_dpmpp_2m_equals_diffusers_over_a_whole_run(schedule, prediction):
    theirs = DPMSolverMultistepScheduler(
        beta_schedule=SCHEDULES[schedule], prediction_type=PREDICTIONS[prediction], algorithm_type="dpmsolver++",
        solver_order=2, timestep_spacing="trailing", final_sigmas_type="zero", lower_order_final=True,
    )  # fmt: skip
    theirs.set_timesteps(10)
    process = process_like(theirs, schedule=schedule, prediction=prediction)
    visited = timesteps(1000, 10)
    assert [int(t) + 1 for t in theirs.timesteps] == visited[:-1]
    x, previous = torch.randn(SHAPE), None
    for t, s in pairwise(visited[1:]):
        # Start below T: at T itself float32 tables differ by more than 1e-5 in the cosine's vanishing signal.
        if previous is None:
            theirs._step_index, theirs.lower_order_nums = 1, 0
        output = torch.randn(SHAPE)
        expected = theirs.step(output, t - 1, x).prev_sample
        x0 = process.to_x0(output, x, levels(t))
        ours = dpmpp_2m_step(process, x, x0, levels(t), levels(s), previous)
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
        x, previous = ours, (x0, levels(t))


def test_first_order_dpmpp_is_ddim():
    process = DiffusionProcess(ProcessConfig())
    x, x0 = torch.randn(SHAPE, dtype=torch.float64), torch.randn(SHAPE, dtype=torch.float64)
    for t, s in ((1000, 950), (500, 300), (40, 0)):
        torch.testing.assert_close(
            dpmpp_2m_step(process, x, x0, levels(t), levels(s)), ddim_step(process, x, x0, levels(t), levels(s))
        )


def test_ddim_with_full_noise_is_ancestral():
    process = DiffusionProcess(ProcessConfig())
    x, x0, noise = (torch.randn(SHAPE, dtype=torch.float64) for _ in range(3))
    torch.testing.assert_close(
        ddim_step(process, x, x0, levels(600), levels(500), noise, eta=1.0),
        ancestral_step(process, x, x0, levels(600), levels(500), noise),
    )


@pytest.mark.parametrize(("rule", "order"), [("ddim", 1), ("dpmpp", 2)])
def test_order_of_convergence(rule, order):
    """For Gaussian data the probability flow is known: x_s = x_t * spread_s / spread_t. Halved steps show the order."""
    process = DiffusionProcess(ProcessConfig(steps=16_000))  # fine enough that rounding of levels does not matter
    spread = 0.5

    def marginal(t):
        return ((process.alpha(t) * spread) ** 2 + process.sigma(t) ** 2).sqrt()

    errors = []
    for steps in (40, 80, 160):
        x, previous = torch.ones(1, dtype=torch.float64), None
        visited = torch.linspace(12_800, 1600, steps + 1).round().long()
        for t, s in pairwise(visited):
            x0 = process.alpha(t) * spread**2 / marginal(t) ** 2 * x
            x, previous = (
                (ddim_step(process, x, x0, t, s), None)
                if rule == "ddim"
                else (dpmpp_2m_step(process, x, x0, t, s, previous), (x0, t))
            )
        errors.append((x - marginal(visited[-1]) / marginal(visited[0])).abs().item())
    for coarse, fine in pairwise(errors):
        assert 2**order * 0.8 < coarse / fine < 2**order * 1.4


# ------------------------------------------------------------------------------------------ whole chains


def test_noise_of_a_sample_does_not_depend_on_its_batch():
    alone, together = NoiseSource([7], [3]), NoiseSource([1, 7, 2], [9, 3, 5])
    for _ in range(3):
        one, many = alone.draw(torch.zeros(1, 2, 4, 6)), together.draw(torch.zeros(3, 2, 9, 6))
        torch.testing.assert_close(one[0, :, :3], many[1, :, :3], rtol=0, atol=0)
        assert (many[1, :, 3:] == 0).all()


def test_noise_covers_only_the_people_of_a_sample():
    noise = NoiseSource([7, 8], [3, 3], [1, 2])
    drawn = noise.draw(torch.zeros(2, 2, 4, 6))
    assert (drawn[0, 1] == 0).all()
    assert (drawn[1, 1, :3] != 0).all()
    shapes = noise.draw_persons(torch.zeros(2, 2, 10))
    assert (shapes[0, 1] == 0).all()
    assert (noise.draw_things(torch.zeros(2, 5, 28)) != 0).all()


def test_spacings():
    assert timesteps(1000, 4) == [1000, 750, 500, 250, 0]
    assert timesteps(1000, 3, "linspace") == [1000, 500, 1, 0]
    assert timesteps(1000, 1000) == list(range(1000, -1, -1))
    for steps in (5, 7, 13, 50, 333):
        for spacing in ("trailing", "linspace"):
            visited = timesteps(1000, steps, spacing)
            assert visited[0] == 1000
            assert visited[-1] == 0
            assert all(now > then for now, then in pairwise(visited))
            assert len(visited) == steps + 1


def test_guidance_between_and_beyond_the_two_estimates():
    conditional, unconditional = torch.randn(2, 1, 4, 3), torch.randn(2, 1, 4, 3)
    torch.testing.assert_close(guide(conditional, [], []), conditional)
    torch.testing.assert_close(guide(conditional, [unconditional], [1.0]), conditional)
    torch.testing.assert_close(guide(conditional, [unconditional], [0.0]), unconditional)
    torch.testing.assert_close(guide(conditional, [unconditional], [3.0]), 3 * conditional - 2 * unconditional)
    rescaled = guide(conditional, [unconditional], [3.0], rescale=1.0)
    torch.testing.assert_close(rescaled.std((1, 2, 3)), conditional.std((1, 2, 3)))


def test_guidance_by_several_conditions_adds_their_pushes():
    full, text, room = torch.randn(3, 2, 1, 4, 3)
    pushed = guide(full, [text, room], [2.5, 1.5])
    torch.testing.assert_close(pushed, full + 1.5 * (full - text) + 0.5 * (full - room))


def test_guiding_x0_eps_or_v_is_the_same():
    process = DiffusionProcess(ProcessConfig())
    x, t = torch.randn(SHAPE, dtype=torch.float64), levels(400)
    first, second = torch.randn(SHAPE, dtype=torch.float64), torch.randn(SHAPE, dtype=torch.float64)
    mixed = 2.5 * first - 1.5 * second
    for kind in ("eps", "v"):
        as_kind = [process.convert(value, x, t, "x0", kind) for value in (first, second)]
        back = process.to_x0(2.5 * as_kind[0] - 1.5 * as_kind[1], x, t, kind)
        torch.testing.assert_close(back, mixed)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"name": "euler"}, "ddpm, ddim, dpmpp"),
        ({"spacing": "leading"}, "trailing"),
        ({"steps": 0}, "at least 1"),
        ({"eta": 1.5}, "eta"),
        ({"guidance": -1.0}, "guidance"),
        ({"scene_guidance": -1.0}, "scene_guidance"),
        ({"constraint_guidance": 101.0}, "constraint_guidance"),
        ({"guidance_rescale": 2.0}, "guidance_rescale"),
    ],
)
def test_refuses(options, part, monkeypatch):
    # The type checker of the tests would refuse a wrong word before our own check, which users meet.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(UserError, match=part):
        SamplerConfig(**options)


def test_refuses_more_steps_than_levels_and_odd_counts():
    with pytest.raises(UserError, match="at most 1000"):
        timesteps(1000, 1001)
    with pytest.raises(UserError, match="one seed per clip"):
        NoiseSource([1, 2], [5])
    with pytest.raises(UserError, match="at least one clip"):
        NoiseSource([], [])
