import numpy as np
import pytest
import torch

from diffusion.steering.kernels import condition, matern, path_kernel, pose_kernel, smooth_brownian


def test_matern_is_one_at_zero_and_falls_as_the_formula_says() -> None:
    times = torch.tensor([0.0, 0.2, 1.0], dtype=torch.float64)
    found = matern(times, times, 0.5)
    a = 3**0.5 * 0.8 / 0.5
    assert torch.allclose(found.diagonal(), torch.ones(3, dtype=torch.float64))
    assert found[1, 2].item() == pytest.approx((1 + a) * np.exp(-a))


def test_smooth_brownian_is_the_double_integral_of_exponential_velocities() -> None:
    # cov(x_t, x_s) = int_0^t int_0^s exp(-|u - v| / tau) du dv, by a sum over a fine grid.
    tau, t, s, count = 0.4, 1.3, 0.7, 2000
    u, v = (np.arange(count) + 0.5) * t / count, (np.arange(count) + 0.5) * s / count
    summed = np.exp(-np.abs(u[:, None] - v[None]) / tau).mean() * t * s
    found = smooth_brownian(torch.tensor([t]).double(), torch.tensor([s]).double(), tau)
    assert found.item() == pytest.approx(summed, rel=1e-4)


def test_long_times_are_brownian_motion() -> None:
    times = torch.tensor([100.0, 300.0]).double()
    found = smooth_brownian(times, times, 0.01)
    assert torch.allclose(found, 2 * 0.01 * torch.minimum(times[:, None], times), rtol=1e-3)


@pytest.mark.parametrize(
    "kernel", [path_kernel(80, 20.0, length_s=0.5, speed=0.5, start=1.0), pose_kernel(80, 20.0, length_s=0.35)]
)
def test_kernels_are_positive(kernel: torch.Tensor) -> None:
    assert float(torch.linalg.eigvalsh(kernel).min()) > 0


def test_one_point_moves_the_path_in_closed_form() -> None:
    # One observation of a Gaussian: the correction is k(., t0) / k(t0, t0).
    kernel = path_kernel(40, 20.0, length_s=0.5, speed=0.5, start=1.0)
    fixed = torch.zeros(40, dtype=torch.bool)
    fixed[25] = True
    free, reach = condition(kernel, fixed)
    assert torch.allclose(reach[:, 0], kernel[:, 25] / kernel[25, 25])
    assert torch.allclose(free, kernel - torch.outer(kernel[:, 25], kernel[25]) / kernel[25, 25])
    assert float(free[25].abs().max()) == 0


def test_nothing_known_changes_nothing_and_everything_known_leaves_nothing() -> None:
    kernel = pose_kernel(6, 20.0, length_s=0.3)
    free, reach = condition(kernel, torch.zeros(6, dtype=torch.bool))
    assert torch.equal(free, kernel) and reach.shape == (6, 0)
    free, reach = condition(kernel, torch.ones(6, dtype=torch.bool))
    assert float(free.abs().max()) == 0 and torch.equal(reach, torch.eye(6).double())
