from collections.abc import Callable

import pytest
import torch

from carescene.errors import UserError
from diffusion.denoiser import DenoiserConfig
from diffusion.model import ModelConfig, MotionModel
from diffusion.sampler import SamplerConfig
from diffusion.steering import (
    Bodies,
    ClipConstraints,
    Constraint,
    EventSpan,
    HeightRange,
    KeepApart,
    KeepDistance,
    RootPoint,
    Steering,
    SteeringConfig,
    bodies_of_features,
    compile_constraints,
)
from diffusion.steering.guidance import guidance_step
from diffusion.steering.projection import Problem
from diffusion.world import OBJECT_FEATURES, World

FRAMES = 48
Swaying = Callable[..., torch.Tensor]


def _world(motion: torch.Tensor) -> World:
    """A world of these people, with events at random and no room."""
    batch, persons = motion.shape[:2]
    return World(
        motion.float(),
        torch.rand(batch, persons, FRAMES, 16),
        torch.zeros(batch, persons, 10),
        torch.zeros(batch, 0, OBJECT_FEATURES),
    )


def _compile(*asked: Constraint, persons: int = 1) -> ClipConstraints:
    return compile_constraints(asked, persons=persons, frames=FRAMES, canonical=False)


def _energy_of(world: World, energy: HeightRange | KeepApart | KeepDistance) -> torch.Tensor:
    there = torch.ones(world.motion.shape[:3], dtype=torch.bool)
    return energy(bodies_of_features(world.motion, there, torch.ones(world.motion.shape[:2]), 20.0))


def test_constraints_hold_and_the_energy_falls(swaying: Swaying) -> None:
    wish = HeightRange(joint="pelvis", highest_m=0.7)
    steering = Steering([_compile(RootPoint(0, 1.0, 1.0, 1.0), EventSpan(0, "fall", 1.0))], [wish])
    world = _world(swaying())
    found = steering(world, 1.0)
    assert float(steering.residual(found).abs().max()) < 1e-6
    assert found.event[0, 0, 20, 1] == 1
    assert float(_energy_of(found, wish)) < 0.5 * float(_energy_of(world, wish))
    assert torch.equal(found.shape, world.shape) and found.objects.shape == world.objects.shape


def test_energies_wait_until_the_estimate_has_bodies(swaying: Swaying) -> None:
    world = _world(swaying())
    steering = Steering([_compile()], [HeightRange(highest_m=0.2)], config=SteeringConfig(energy_from=0.5))
    assert torch.allclose(steering(world, 0.4).motion, world.motion)
    assert not torch.allclose(steering(world, 0.6).motion, world.motion)


def test_a_step_of_weight_one_ends_a_wish_that_is_linear(swaying: Swaying) -> None:
    # A distance of one pelvis to a place is linear along the line through both, so one step arrives.
    problem = Problem([_compile()])
    motion = swaying()
    place = (motion[0, 0, 20, :2] + torch.tensor([0.05, 0.0])).tolist()
    wish = KeepDistance(at=(place[0], place[1]), furthest_m=0.0, start_s=1.0, end_s=1.0)
    there = torch.ones(motion.shape[:3], dtype=torch.bool)

    def energy(features: torch.Tensor) -> torch.Tensor:
        bodies: Bodies = bodies_of_features(features, there, torch.ones(1, 1).double(), 20.0)
        return wish(bodies)

    step = guidance_step(motion, energy, problem, weight=1.0, progress=0.0, there=there)
    assert float(energy(motion + step)) < 1e-6 * float(energy(motion))
    half = guidance_step(motion, energy, problem, weight=0.5, progress=0.0, there=there)
    assert torch.allclose(half, step / 2)


def test_given_frames_stay(swaying: Swaying) -> None:
    given = torch.zeros(1, 1, FRAMES, dtype=torch.bool)
    given[..., :16] = True
    world = _world(swaying())
    found = Steering([_compile(RootPoint(0, 2.0, 1, 1))], [HeightRange(highest_m=0.5)], given=given)(world, 1.0)
    assert torch.allclose(found.motion[:, :, :16], world.motion[:, :, :16], atol=1e-6)


def test_clips_of_a_batch_do_not_see_each_other_and_padding_is_cut(swaying: Swaying) -> None:
    world = _world(swaying(2, 2))
    clips = [_compile(RootPoint(0, 1.0, 1, 1), persons=2), _compile(RootPoint(0, 0.5, -1, 1))]
    together = Steering(clips, [KeepApart()])(world, 0.8)
    alone = Steering(clips[:1], [KeepApart()])(World(*(part[:1] for part in world)), 0.8)
    assert torch.allclose(together.motion[:1], alone.motion, atol=1e-5)
    # The second clip has one person; the other row is padding.
    assert torch.allclose(together.motion[1, 1], world.motion[1, 1], atol=1e-6)


def test_a_weight_that_blows_up_is_reported_by_name(swaying: Swaying) -> None:
    world = _world(swaying(1, 2))
    motion = world.motion.clone()
    motion[:, 1] = motion[:, 0] + 0.001
    with pytest.raises(UserError, match="energy KeepApart of weight 1e"):
        Steering([_compile(persons=2)], [KeepApart(weight=1e7)])(world._replace(motion=motion), 1.0)
    with pytest.raises(UserError, match="guidance weights of the sampler"):
        Steering([_compile(persons=2)])(world._replace(motion=motion * torch.nan), 1.0)


def test_bad_use_is_refused(swaying: Swaying) -> None:
    with pytest.raises(UserError, match="at least one clip"):
        Steering([])
    with pytest.raises(UserError, match="Expected 1 clips"):
        Steering([_compile()])(_world(swaying(2)), 1.0)
    with pytest.raises(UserError, match="energy_from within"):
        SteeringConfig(energy_from=2.0)
    with pytest.raises(UserError, match="at least 1 gradient step"):
        SteeringConfig(rounds=0)


def test_sampling_ends_on_the_constraints_and_is_seeded() -> None:
    model = MotionModel(ModelConfig(denoiser=DenoiserConfig(dim=32, depth=2, heads=2, hidden=64))).eval()
    with torch.no_grad():
        for weights in model.parameters():  # a fresh network answers 0 to everything
            weights += 0.02 * torch.randn(weights.shape)
    text, mask = torch.zeros(1, 1, model.config.denoiser.text_dim), torch.zeros(1, 1, dtype=torch.bool)
    clips = [_compile(RootPoint(0, 1.0, 0.4, 0.2), EventSpan(0, "fall", 1.2))]

    def sample(seed: int) -> World:
        return model.sample_world(text, mask, [FRAMES], [seed], SamplerConfig(steps=4), steer=Steering(clips))

    first, again, other = sample(1), sample(1), sample(2)
    assert torch.equal(first.motion, again.motion) and not torch.equal(first.motion, other.motion)
    assert torch.allclose(first.motion[0, 0, 20, :2], torch.tensor([0.4, 0.2]), atol=1e-4)
    assert float(first.event[0, 0, 24, 1]) == pytest.approx(1.0, abs=1e-4)
