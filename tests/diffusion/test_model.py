"""The whole model: its loss, its levels, sampling."""

import pytest
import torch

from carescene.errors import UserError
from diffusion.denoiser import DenoiserConfig
from diffusion.guided import OwnText
from diffusion.loss_config import LossConfig
from diffusion.model import ModelConfig, MotionModel
from diffusion.normaliser import Normaliser
from diffusion.process import ProcessConfig
from diffusion.representation import EVENT, FEATURES, features_to_joints
from diffusion.sampler import SamplerConfig
from diffusion.training_levels import draw_levels, known_patches
from diffusion.world import KIND, OBJECT_FEATURES, PRESENT, Given, World

TINY = DenoiserConfig(patch=2, text_dim=6, dim=16, depth=1, heads=2, hidden=16, max_persons=3)


def model(loss: LossConfig | None = None, process: ProcessConfig | None = None, **denoiser) -> MotionModel:
    """A tiny model with random weights everywhere and statistics that are not trivial."""
    config = ModelConfig(
        process or ProcessConfig(), DenoiserConfig(**{**TINY.__dict__, **denoiser}), loss or LossConfig()
    )
    made = MotionModel(config, Normaliser(torch.randn(FEATURES), torch.rand(FEATURES) + 0.1))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


def batch(clips=3, persons=1, frames=8):
    return {
        "motion": torch.randn(clips, persons, frames, FEATURES),
        "frame_mask": torch.ones(clips, persons, frames, dtype=torch.bool),
        "event_known": torch.ones(clips, persons, frames, dtype=torch.bool),
        "text_tokens": torch.randn(clips, 4, 6),
        "text_mask": torch.ones(clips, 4, dtype=torch.bool),
        "caption": ["a", "b", "c"],
        "shape": torch.randn(clips, persons, 10),
        "shape_known": torch.ones(clips, persons, dtype=torch.bool),
        "role": torch.randint(0, 4, (clips, persons)),
        "objects": room(clips, 5),
        "object_mask": torch.ones(clips, 5, dtype=torch.bool),
    }


def room(clips: int, things: int) -> torch.Tensor:
    """Things in metres: all but the last are there."""
    objects = torch.randn(clips, things, OBJECT_FEATURES)
    objects[..., PRESENT] = 1.0
    objects[..., KIND] = torch.nn.functional.one_hot(torch.randint(0, 18, (clips, things)), 18).float()
    objects[:, -1] = 0.0
    objects[:, -1, PRESENT] = -1.0
    return objects


def perfect(made: MotionModel, given: dict, motion: torch.Tensor | None = None):
    """A network that knows the answer."""
    world, *_ = made._world_of(given)
    if motion is not None:
        world = world._replace(motion=motion[..., :201])
    return lambda *_args: world


NO_NEWS = {"shared_level": 0.0, "known_tokens": 0.0, "known_motion": 0.0}
ALWAYS_SHARED = {**NO_NEWS, "shared_level": 1.0}


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def test_loss_is_the_weighted_sum_of_its_parts():
    weights = LossConfig(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    parts = model(weights).loss(batch(), seeded())
    names = ("trans", "root", "body", "joints", "event", "velocity", "world_velocity", "shape", "things")
    total = sum(getattr(weights, name) * parts[name] for name in names)
    torch.testing.assert_close(parts["loss"].detach(), total)
    assert parts["loss"].requires_grad
    assert not any(parts[name].requires_grad for name in (*names, "x0_error"))


def test_loss_is_zero_for_a_perfect_network(monkeypatch):
    made, given = model(), batch()
    monkeypatch.setattr(type(made.denoiser), "forward", perfect(made, given))
    for name, value in made.loss(given, seeded()).items():
        assert value == 0, name


def test_world_velocity_is_in_metres_per_second(monkeypatch):
    """A path that is predicted 1 cm per frame too fast is 0.2 m/s too fast, for every joint."""
    made, given = model(LossConfig(**ALWAYS_SHARED), ProcessConfig(weighting="plain")), batch()
    wrong = given["motion"].clone()
    wrong[..., 1] += 0.01 * torch.arange(8) / made.feature_std[1]
    monkeypatch.setattr(type(made.denoiser), "forward", perfect(made, given, wrong))
    value = made.loss(given, seeded())["world_velocity"]
    # Seven differences are summed and divided by eight frames.
    assert value.item() == pytest.approx(0.2**2 * 7 / 8, rel=1e-3)
    speeds = (features_to_joints(made.normaliser.denormalise(wrong)).diff(dim=2) * 20)[..., 1]
    truth = (features_to_joints(made.normaliser.denormalise(given["motion"])).diff(dim=2) * 20)[..., 1]
    torch.testing.assert_close(speeds - truth, torch.full_like(speeds, 0.2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_padding_has_no_part_in_the_loss(shares):
    made = model(LossConfig(**{**NO_NEWS, "shared_level": shares[0], "known_tokens": shares[1]}))
    given = batch()
    given["frame_mask"][1:, :, 5:] = False
    given["object_mask"][1:, 3:] = False
    clean = made.loss(given, seeded())
    given["motion"][1:, :, 5:] = 1e3
    given["objects"][1:, 3:] = 1e3
    given["event_known"][1:, :, 5:] = False
    dirty = made.loss(given, seeded())
    for name in clean:
        torch.testing.assert_close(dirty[name], clean[name])


def test_unknown_labels_are_neither_shown_nor_asked_for():
    made, given = model(LossConfig(known_event=0.0)), batch()
    given["event_known"][:, :, 3:] = False
    clean = made.loss(given, seeded())
    given["motion"][:, :, 3:, EVENT] = 50.0
    changed = made.loss(given, seeded())
    for name in clean:
        torch.testing.assert_close(changed[name], clean[name])
    given["motion"][:, :, :3, EVENT] = 5.0
    assert made.loss(given, seeded())["event"] != clean["event"]


def test_text_dropout_hides_the_text():
    given = batch()
    hidden = model(LossConfig(text_dropout=1.0))
    before = hidden.loss(given, seeded())["loss"]
    given["text_tokens"] = torch.randn(3, 4, 6)
    torch.testing.assert_close(hidden.loss(given, seeded())["loss"], before)
    shown = model(LossConfig(text_dropout=0.0))
    with_text = shown.loss(given, seeded())["loss"]
    given["text_tokens"] = torch.randn(3, 4, 6)
    assert shown.loss(given, seeded())["loss"] != with_text


def test_event_dropout_hides_the_events():
    given = batch()
    hidden = model(LossConfig(event_dropout=1.0, known_event=0.0))
    before = hidden.loss(given, seeded())
    assert before["event"] == 0
    given["motion"][..., EVENT] += 1.0
    torch.testing.assert_close(hidden.loss(given, seeded())["loss"], before["loss"])


def test_loss_repeats_with_its_seed():
    made, given = model(), batch()
    torch.testing.assert_close(made.loss(given, seeded(1)), made.loss(given, seeded(1)), rtol=0, atol=0)
    assert made.loss(given, seeded(1))["loss"] != made.loss(given, seeded(2))["loss"]


def test_loss_gradient_reaches_every_parameter():
    made = model(LossConfig(**NO_NEWS))
    made.loss(batch(persons=2), seeded())["loss"].backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    assert all(torch.isfinite(parameter.grad).all() for parameter in made.parameters())


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_other_predictions_train_without_the_smooth_output(prediction):
    with pytest.raises(UserError, match="smooth=0"):
        ModelConfig(ProcessConfig(prediction=prediction), TINY)
    made = model(process=ProcessConfig(prediction=prediction), smooth=0)
    assert torch.isfinite(made.loss(batch(), seeded())["loss"])


def test_an_empty_slot_only_says_that_it_is_empty(monkeypatch):
    made, given = model(LossConfig(**ALWAYS_SHARED, known_things=0.0)), batch()
    world, *_ = made._world_of(given)
    for slots, part in ((4, KIND), (0, PRESENT)):
        wrong = world.objects.clone()
        wrong[:, slots, part] += 1.0
        monkeypatch.setattr(type(made.denoiser), "forward", lambda *_a, w=wrong: world._replace(objects=w))
        loss = made.loss(given, seeded())["things"]
        assert (loss == 0) == (slots == 4)


def test_unknown_shapes_are_neither_shown_nor_asked_for():
    made, given = model(), batch()
    given["shape_known"][:] = False
    clean = made.loss(given, seeded())
    assert clean["shape"] == 0
    # At level T hardly anything of the shape is left in the noise.
    given["shape"] += 1.0
    torch.testing.assert_close(made.loss(given, seeded())["loss"], clean["loss"], rtol=1e-3, atol=1e-3)


def test_a_batch_without_rooms_and_shapes_trains_too():
    made, given = model(), batch()
    for name in ("shape", "shape_known", "role", "objects", "object_mask"):
        del given[name]
    loss = made.loss(given, seeded())
    loss["loss"].backward()
    assert loss["things"] == loss["shape"] == 0
    assert all(parameter.grad is not None for parameter in made.parameters()), "DDP needs every parameter"


# ------------------------------------------------------------------------------------------ levels


def levels_of(config: LossConfig, clips=100, persons=1, tokens=4, things=3, seed=0, progress=1.0):
    generator = seeded(seed)

    def uniform(*shape):
        return torch.rand(shape, generator=generator)

    return draw_levels(config, 1000, (clips, persons, tokens, things), uniform, progress)


def test_shared_levels_are_spread_evenly():
    levels = levels_of(LossConfig(**ALWAYS_SHARED)).motion
    assert levels.shape == (100, 1, 1)
    assert levels.flatten().sort().values.diff().sub(10).abs().max() <= 1
    assert levels.min() >= 1
    assert levels.max() <= 1000


def test_known_tokens_are_clean_and_the_others_share_a_level():
    levels = levels_of(LossConfig(**{**NO_NEWS, "known_tokens": 1.0}), clips=200, persons=2, tokens=6).motion
    assert levels.shape == (200, 2, 6)
    for clip in levels:
        assert len(set(clip.flatten().tolist()) - {0}) <= 1
    share = (levels == 0).float().mean((1, 2))
    assert share.min() < 0.1
    assert share.max() > 0.9


def test_what_is_known_goes_from_dense_to_sparse():
    config = LossConfig(**{**NO_NEWS, "known_tokens": 1.0})
    shares = [(levels_of(config, 400, 1, 12, progress=p).motion == 0).float().mean().item() for p in (0.0, 1.0)]
    assert shares[0] > shares[1] + 0.15


def test_known_parts_are_scattered_first_last_ends_or_a_whole_person():
    generator = seeded()
    known = known_patches(
        400, 2, 10, torch.full((400, 1, 1), 0.4), lambda *shape: torch.rand(shape, generator=generator)
    )
    runs = known.all(1).long()
    prefix = ((runs.diff(dim=1) == -1).sum(1) == 1) & known[:, :, 0].all(1) & ~known[:, :, -1].any(1)
    suffix = ((runs.diff(dim=1) == 1).sum(1) == 1) & known[:, :, -1].all(1) & ~known[:, :, 0].any(1)
    person = known.all(2).sum(1) == 1
    ends = known[:, :, 0].all(1) & known[:, :, -1].all(1) & ~known.all(2).any(1)
    for kind in (prefix, suffix, person, ends):
        assert 0.1 < kind.float().mean() < 0.35


def test_own_levels_are_uniform():
    levels = levels_of(LossConfig(**NO_NEWS), clips=500, tokens=10).motion
    assert levels.shape == (500, 1, 10)
    assert levels.float().mean().item() == pytest.approx(500.5, abs=20)
    assert levels[0].unique().numel() > 5


def test_kinds_of_levels_come_in_their_shares():
    config = LossConfig(shared_level=0.5, known_tokens=0.2, known_motion=0.1)
    kinds = []
    for seed in range(800):
        motion = levels_of(config, clips=4, tokens=10, seed=seed).motion
        if motion.shape[2] == 1:
            kinds.append("all known" if (motion == 0).all() else "shared")
        else:
            kinds.append("known" if (motion == 0).any() else "own")
    for kind, share in (("shared", 0.5), ("known", 0.2), ("all known", 0.1), ("own", 0.2)):
        assert kinds.count(kind) / 800 == pytest.approx(share, abs=0.06)


def test_with_all_motion_known_the_rest_is_asked_for():
    levels = levels_of(LossConfig(**{**NO_NEWS, "known_motion": 1.0}))
    assert (levels.motion == 0).all()
    assert (levels.event > 0).all()
    assert (levels.objects > 0).all()


def test_events_shapes_and_rooms_are_known_in_their_shares():
    config = LossConfig(**ALWAYS_SHARED, known_event=0.3, known_shape=0.8, known_things=0.5)
    levels = levels_of(config, clips=2000)
    for group, share in ((levels.event, 0.3), (levels.shape, 0.8), (levels.objects, 0.5)):
        assert (group == 0).flatten(1).all(1).float().mean().item() == pytest.approx(share, abs=0.05)


# ------------------------------------------------------------------------------------------ sampling


@pytest.mark.parametrize("name", ["ddpm", "ddim", "dpmpp"])
@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.5])
def test_a_sample_does_not_depend_on_its_batch(name, guidance):
    made = model()
    text, mask = torch.randn(3, 4, 6), torch.ones(3, 4, dtype=torch.bool)
    mask[1, 2:] = False
    config = SamplerConfig(name=name, steps=4, guidance=guidance)
    together = made.sample(text, mask, [12, 5, 8], [7, 8, 9], config)
    alone = made.sample(text[1:2], mask[1:2], [5], [8], config)
    assert together.shape == (3, 1, 12, FEATURES)
    torch.testing.assert_close(together[1, :, :5], alone[0, :, :5], atol=1e-4, rtol=1e-4)
    assert (together[1, :, 5:] == 0).all()
    assert not torch.allclose(together[0, :, :5], together[2, :, :5])


def test_seeds_repeat_and_differ():
    made = model()
    text, mask = torch.randn(2, 4, 6), torch.ones(2, 4, dtype=torch.bool)
    text[1] = text[0]
    first = made.sample(text, mask, [6, 6], [1, 2])
    torch.testing.assert_close(made.sample(text, mask, [6, 6], [1, 2]), first, rtol=0, atol=0)
    assert not torch.allclose(first[0], first[1])


def test_samples_are_in_metres():
    made = model()
    made.denoiser.out.weight.data.zero_()
    made.denoiser.out.bias.data.zero_()
    sample = made.sample(torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool), [6], [0])
    torch.testing.assert_close(sample[0, 0], made.feature_mean.expand(6, -1))


@pytest.mark.parametrize("name", ["ddpm", "dpmpp"])
def test_given_tokens_come_back_unchanged(name):
    made = model()
    text, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    known = torch.randn(1, 2, 8, FEATURES)
    tokens = torch.zeros(1, 2, 4, dtype=torch.bool)
    tokens[0, 0, :2] = True
    config = SamplerConfig(name=name, steps=4)
    sample = made.sample(text, mask, [8], [0], config, persons=2, known=known, known_tokens=tokens)
    torch.testing.assert_close(sample[0, 0, :4], known[0, 0, :4], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(sample[0, 0, 4:], known[0, 0, 4:])
    free = made.sample(text, mask, [8], [0], config, persons=2)
    assert not torch.allclose(sample[0, 1], free[0, 1]), "the other person does not react to what is given"


def test_guidance_of_one_is_the_conditional_model():
    made = model()
    text, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    plain = made.sample(text, mask, [6], [0], SamplerConfig(steps=3, guidance=1.0))
    nearly = made.sample(text, mask, [6], [0], SamplerConfig(steps=3, guidance=1.0 + 1e-6))
    torch.testing.assert_close(plain, nearly, atol=1e-4, rtol=1e-4)
    unguided = made.sample(text, mask, [6], [0], SamplerConfig(steps=3, guidance=0.0))
    nothing = made.sample(text, torch.zeros_like(mask), [6], [0], SamplerConfig(steps=3, guidance=1.0))
    torch.testing.assert_close(unguided, nothing)


def test_a_world_does_not_depend_on_its_batch():
    """Other people, things and lengths beside a clip change nothing."""
    made = model(patch=4)
    text, mask = torch.randn(2, 4, 6), torch.ones(2, 4, dtype=torch.bool)
    config = SamplerConfig(steps=3, scene_guidance=2.0)
    slots = torch.tensor([[True] * 3, [True, True, False]])
    role = torch.tensor([[1, 2], [3, 0]])
    both = made.sample_world(
        text, mask, [12, 8], [1, 2], config, persons=[2, 1], roles=role, objects=3, object_mask=slots
    )
    assert both.motion.shape == (2, 2, 12, 201)
    assert (both.motion[1, 1] == 0).all()
    alone = made.sample_world(
        text[:1], mask[:1], [12], [1], config, persons=[2], roles=role[:1], objects=3, object_mask=slots[:1]
    )
    for one, other in zip(alone, both, strict=True):
        torch.testing.assert_close(one[0], other[0], atol=1e-4, rtol=1e-4)


def nothing_given(frames=8, persons=1, things=3):
    tokens = frames // 2
    world = World(*(torch.randn(1, *shape) for shape in
                    ((persons, frames, 201), (persons, frames, 16), (persons, 10), (things, 28))))  # fmt: skip
    given = Given(*(torch.zeros(1, *shape, dtype=torch.bool) for shape in
                    ((persons, tokens), (persons, tokens), (persons,), (things,))))  # fmt: skip
    return world, given


@pytest.mark.parametrize("group", ["motion", "event", "shape", "objects"])
def test_any_group_may_be_given_and_the_rest_follows(group):
    made = model()
    text, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    known, given = nothing_given()
    getattr(given, group)[:] = True
    options = {"known": known, "given": given, "objects": 3}
    config = SamplerConfig(steps=3, constraint_guidance=1.5)
    sample = made.sample_world(text, mask, [8], [0], config, **options)
    torch.testing.assert_close(getattr(sample, group), getattr(known, group), atol=1e-5, rtol=1e-5)
    free = made.sample_world(text, mask, [8], [0], config, objects=3)
    for name in ("motion", "objects"):
        if name != group:
            assert not torch.allclose(getattr(sample, name), getattr(free, name)), name


def own_text(clips: int, persons: int) -> OwnText:
    return OwnText(torch.randn(clips, persons, 4, 6), torch.ones(clips, persons, 4, dtype=torch.bool))


@pytest.mark.parametrize("sampler", [{}, {"scene_guidance": 2.0, "constraint_guidance": 2.0}, {"guidance": 0.0}])
def test_people_with_the_same_text_hear_the_text_of_all(sampler):
    torch.manual_seed(8)
    made, values, given = model(), *nothing_given(persons=2)
    given.event[0, 0] = True
    text, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    same = OwnText(text[:, None].repeat(1, 2, 1, 1), mask[:, None].repeat(1, 2, 1))
    options = {"persons": [2], "known": values, "given": given, "objects": 3}
    config = SamplerConfig(steps=3, **sampler)
    alone = made.sample_world(text, mask, [8], [1], config, own_text=same, **options)
    shared = made.sample_world(text, mask, [8], [1], config, **options)
    for mine, ours in zip(alone, shared, strict=True):
        torch.testing.assert_close(mine, ours, rtol=1e-4, atol=1e-4)


def test_everybody_hears_their_own_text():
    """In one step from the same noise, a person's motion does not change with what another one hears."""
    torch.manual_seed(9)
    made, mask = model(), torch.ones(1, 4, dtype=torch.bool)
    own, config = own_text(1, 2), SamplerConfig(name="ddim", steps=1)
    other = own._replace(tokens=torch.stack([own.tokens[:, 0], -own.tokens[:, 1]], dim=1))
    first, second = (
        made.sample_world(torch.zeros(1, 4, 6), mask, [8], [1], config, persons=[2], own_text=each)
        for each in (own, other)
    )
    torch.testing.assert_close(first.motion[:, 0], second.motion[:, 0], rtol=0, atol=0)
    assert not torch.allclose(first.motion[:, 1], second.motion[:, 1])


def test_steering_has_the_last_word():
    """The estimate is shown in metres at every step, and what the last call returns is the sample."""
    made, seen = model(), []
    text, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)

    def steer(world, progress):
        seen.append(progress)
        motion = world.motion.clone()
        motion[:, :, 3, 0] = 1.25
        return world._replace(motion=motion)

    sample = made.sample_world(text, mask, [8], [0], SamplerConfig(steps=4), objects=2, steer=steer)
    assert seen == [0.25, 0.5, 0.75, 1.0]
    assert sample.motion[0, 0, 3, 0].item() == pytest.approx(1.25, abs=1e-6)


def test_guidance_without_anything_to_guide_by_costs_nothing(monkeypatch):
    made, rows = model(), []
    text, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    denoise = type(made.denoiser).denoise

    def counting(self, world, *args, **options):
        rows.append(len(world.motion))
        return denoise(self, world, *args, **options)

    monkeypatch.setattr(type(made.denoiser), "denoise", counting)
    config = SamplerConfig(steps=1, guidance=2.0, scene_guidance=2.0, constraint_guidance=2.0)
    known, given = nothing_given()
    made.sample_world(text, mask, [8], [0], config)
    made.sample_world(text, mask, [8], [0], config, objects=3)
    given.event[:, :, 0] = True
    made.sample_world(text, mask, [8], [0], config, objects=3, known=known, given=given)
    assert rows == [2, 3, 4]


@pytest.mark.parametrize("weights", [{"scene_guidance": 3.0}, {"constraint_guidance": 3.0}])
def test_each_guidance_changes_the_sample(weights):
    made = model()
    text, mask = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    known, given = nothing_given()
    given.motion[:, :, 0] = True
    options = {"known": known, "given": given, "objects": 3}
    plain = made.sample_world(text, mask, [8], [0], SamplerConfig(steps=3, guidance=1.0), **options)
    pushed = made.sample_world(text, mask, [8], [0], SamplerConfig(steps=3, guidance=1.0, **weights), **options)
    assert not torch.allclose(plain.motion, pushed.motion)


# ------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"trans": -1.0}, "loss.trans"),
        ({"velocity": float("nan")}, "loss.velocity"),
        ({"text_dropout": 1.5}, "loss.text_dropout"),
        ({"shared_level": 0.8, "known_tokens": 0.4}, "at most 1"),
        ({"known_event": 2.0}, "loss.known_event"),
    ],
)
def test_loss_config_refuses(options, part):
    with pytest.raises(UserError, match=part):
        LossConfig(**options)


def test_refuses_another_width_of_features():
    with pytest.raises(UserError, match=r"denoiser\.features=217"):
        MotionModel(ModelConfig(denoiser=DenoiserConfig(features=100)))


def test_refuses_too_many_persons():
    with pytest.raises(UserError, match="at most 3 persons"):
        model().loss(batch(persons=4), seeded())


def test_refuses_a_batch_without_its_tensors():
    given = batch()
    del given["event_known"]
    with pytest.raises(UserError, match="event_known"):
        model().loss(given, seeded())


@pytest.mark.parametrize("frames", [[6], [6, 0]])
def test_refuses_lengths_that_do_not_fit(frames):
    with pytest.raises(UserError, match="one length of at least 1 frame"):
        model().sample(torch.randn(2, 4, 6), torch.ones(2, 4, dtype=torch.bool), frames, [1, 2])
