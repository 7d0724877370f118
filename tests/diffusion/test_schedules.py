"""Noise schedules: published values, the ends, and what must be refused."""

import math

import pytest
import torch
from diffusers import DDPMScheduler

from carescene.errors import UserError
from diffusion.schedules import make_schedule, rescale_to_zero_terminal_snr


@pytest.mark.parametrize(("ours", "theirs"), [("linear", "linear"), ("cosine", "squaredcos_cap_v2")])
def test_table_equals_diffusers(ours, theirs):
    reference = DDPMScheduler(num_train_timesteps=1000, beta_schedule=theirs).alphas_cumprod.double()
    table = make_schedule(ours)
    torch.testing.assert_close(table[1:], reference, rtol=1e-4, atol=1e-7)
    assert table[0] == 1


@pytest.mark.parametrize("name", ["linear", "cosine", "shifted_cosine"])
@pytest.mark.parametrize("steps", [50, 1000])
def test_signal_only_decreases_and_ends_near_noise(name, steps):
    table = make_schedule(name, steps)
    assert table.dtype == torch.float64
    assert (table.diff() < 0).all()
    assert 0 < table[-1] < 1e-3


@pytest.mark.parametrize("shift", [0.25, 0.5, 2.0])
def test_shift_moves_log_snr_by_a_constant(shift):
    plain, shifted = make_schedule("shifted_cosine"), make_schedule("shifted_cosine", shift=shift)
    inner = slice(1, 1000)
    moved = torch.logit(shifted[inner]) - torch.logit(plain[inner])
    torch.testing.assert_close(moved, torch.full_like(moved, 2 * math.log(shift)))


def test_unshifted_cosine_is_the_angle_schedule():
    t = torch.arange(1, 1000, dtype=torch.float64) / 1000
    torch.testing.assert_close(make_schedule("shifted_cosine")[1:1000], torch.cos(t * math.pi / 2) ** 2)


def test_rescaling_removes_the_last_signal_and_keeps_the_first_step():
    table = make_schedule("linear")
    stretched = rescale_to_zero_terminal_snr(table)
    assert stretched[-1] == 0
    torch.testing.assert_close(stretched[:2], table[:2])
    reference = DDPMScheduler(beta_schedule="linear", rescale_betas_zero_snr=True).alphas_cumprod
    torch.testing.assert_close(stretched[1:], reference.double(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "steps", "shift", "part"),
    [
        ("sigmoid", 1000, 1.0, "'sigmoid'"),
        ("cosine", 1, 1.0, "but got 1"),
        ("linear", 20, 1.0, "at least 21"),
        ("cosine", 1000, 0.5, "shifted cosine"),
        ("shifted_cosine", 1000, 0.0, "positive shift"),
        ("shifted_cosine", 1000, float("nan"), "positive shift"),
    ],
)
def test_refuses(name, steps, shift, part):
    with pytest.raises(UserError, match=part):
        make_schedule(name, steps, shift)
