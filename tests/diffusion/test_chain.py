"""The chain over a world: exact denoisers with known answers, given tokens, steering, explosions."""

import pytest
import torch

from carescene.errors import UserError
from diffusion.chain import check_finite, sample_chain
from diffusion.process import DiffusionProcess, ProcessConfig
from diffusion.sampler import NoiseSource, SamplerConfig, timesteps
from diffusion.world import Given, World

# A mixture of three Gaussians in the plane.
CENTRES = torch.tensor([[-1.5, 0.5], [1.0, 1.0], [0.3, -1.2]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
WIDTH = 0.2


def blank(frames: int, events: int = 0, things: int = 0) -> World:
    """A world of one person whose motion is a point in the plane."""
    return World(*(torch.zeros(1, *shape, dtype=torch.float64) for shape in
                   ((1, frames, 2), (1, frames, events), (1, 0), (things, 2))))  # fmt: skip


def nothing(tokens: int, things: int = 0) -> Given:
    return Given(*(torch.zeros(1, *shape, dtype=torch.bool) for shape in ((1, tokens), (1, tokens), (1,), (things,))))


def mixture_estimate(process):
    """E[x_0 | x_t] of the mixture: an exact denoiser, nothing trained."""

    def estimate(x, t):
        alpha, sigma = process.alpha(t), process.sigma(t)
        variance = (alpha * WIDTH) ** 2 + sigma**2
        offset = x[..., None, :] - alpha[..., None] * CENTRES
        share = torch.softmax(WEIGHTS.log() - (offset**2).sum(-1) / (2 * variance), -1)
        gain = alpha * WIDTH**2 / variance
        means = CENTRES + gain[..., None] * offset
        return (share[..., None] * means).sum(-2)

    def predict(x, levels):
        things = estimate(x.objects, levels.objects) if x.objects.numel() else x.objects
        return x._replace(motion=estimate(x.motion, levels.motion.expand(x.motion.shape[:3])), objects=things)

    return predict


def looks_like_the_mixture(points: torch.Tensor) -> None:
    nearest = torch.cdist(points, CENTRES).argmin(-1)
    for index in range(3):
        own = points[nearest == index]
        assert len(own) / len(points) == pytest.approx(WEIGHTS[index].item(), abs=0.03)
        torch.testing.assert_close(own.mean(0), CENTRES[index], atol=0.03, rtol=0)
        torch.testing.assert_close(own.std(0), torch.full((2,), WIDTH).double(), atol=0.035, rtol=0)


@pytest.mark.parametrize(
    ("name", "steps", "eta", "schedule"),
    [
        ("ddpm", 200, 0.0, "cosine"),
        ("ddim", 100, 0.0, "linear"),
        ("ddim", 100, 0.5, "cosine"),
        ("dpmpp", 30, 0.0, "cosine"),
        ("dpmpp", 30, 0.0, "shifted_cosine"),
    ],
)
def test_samplers_recover_a_mixture(name, steps, eta, schedule):
    process = DiffusionProcess(ProcessConfig(schedule=schedule, zero_terminal_snr=True))
    config = SamplerConfig(name=name, steps=steps, eta=eta)
    noise = NoiseSource([5], [6000])
    predict = mixture_estimate(process)
    world = sample_chain(process, predict, config, noise, blank(6000, things=6000), nothing(6000, 6000))
    looks_like_the_mixture(world.motion[0, 0])
    looks_like_the_mixture(world.objects[0])


@pytest.mark.parametrize("name", ["ddpm", "ddim", "dpmpp"])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_any_number_of_steps(name, steps):
    process = DiffusionProcess(ProcessConfig())
    seen = []
    world = sample_chain(
        process, mixture_estimate(process), SamplerConfig(name=name, steps=steps), NoiseSource([0], [4]), blank(4),
        nothing(4), progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert torch.isfinite(world.motion).all()
    assert seen == [(done, steps) for done in range(1, steps + 1)]


def test_given_tokens_stay_and_are_shown_clean():
    process = DiffusionProcess(ProcessConfig())
    known = blank(8, events=3, things=2)
    known = World(*(torch.randn_like(value) for value in known))
    given = nothing(4, 2)
    given.motion[0, 0, 1] = True
    given.event[0, 0, 3] = True
    given.objects[0, 0] = True
    seen = []

    def predict(x, levels):
        seen.append((x, levels))
        return World(*(torch.zeros_like(value) for value in x))

    result = sample_chain(process, predict, SamplerConfig(name="ddpm", steps=5), NoiseSource([0], [8]), known, given)
    for world in (result, *(x for x, _ in seen)):
        torch.testing.assert_close(world.motion[:, :, 2:4], known.motion[:, :, 2:4], rtol=0, atol=0)
        torch.testing.assert_close(world.event[:, :, 6:], known.event[:, :, 6:], rtol=0, atol=0)
        torch.testing.assert_close(world.objects[:, 0], known.objects[:, 0], rtol=0, atol=0)
    assert not torch.equal(result.motion[:, :, :2], known.motion[:, :, :2])
    for (_, levels), level in zip(seen, timesteps(1000, 5), strict=False):
        assert levels.motion[0, 0].tolist() == [level, 0, level, level]
        assert levels.event[0, 0].tolist() == [level, level, level, 0]
        assert levels.objects[0].tolist() == [0, level]


def test_motion_that_is_all_unknown_comes_with_one_level():
    process, seen = DiffusionProcess(ProcessConfig()), []

    def predict(x, levels):
        seen.append(levels.motion.shape)
        return x

    sample_chain(process, predict, SamplerConfig(steps=2), NoiseSource([0], [8]), blank(8), nothing(4))
    assert seen == [(1, 1, 1)] * 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 2e3])
def test_explosions_are_reported_with_the_weights(bad):
    world = blank(4)
    world.motion[0, 0, 2, 1] = bad
    with pytest.raises(UserError, match=r"text 7, scene 2, constraints 3"):
        check_finite(world, SamplerConfig(guidance=7.0, scene_guidance=2.0, constraint_guidance=3.0), 500)
