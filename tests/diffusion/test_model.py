"""The whole model: its loss, its levels, sampling."""

import pytest
import torch

from carescene.errors import UserError
from diffusion.denoiser import DenoiserConfig
from diffusion.model import LossConfig, ModelConfig, MotionModel
from diffusion.normaliser import Normaliser
from diffusion.process import ProcessConfig
from diffusion.representation import EVENT, FEATURES, features_to_joints
from diffusion.sampler import SamplerConfig

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
    }


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def test_loss_is_the_weighted_sum_of_its_parts():
    weights = LossConfig(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    parts = model(weights).loss(batch(), seeded())
    names = ("trans", "root", "body", "joints", "event", "velocity", "world_velocity")
    total = sum(getattr(weights, name) * parts[name] for name in names)
    torch.testing.assert_close(parts["loss"].detach(), total)
    assert parts["loss"].requires_grad
    assert not any(parts[name].requires_grad for name in (*names, "x0_error"))


def test_loss_is_zero_for_a_perfect_network(monkeypatch):
    made, given = model(), batch()
    monkeypatch.setattr(type(made.denoiser), "forward", lambda *_args: given["motion"])
    for name, value in made.loss(given, seeded()).items():
        assert value == 0, name


def test_world_velocity_is_in_metres_per_second(monkeypatch):
    """A path that is predicted 1 cm per frame too fast is 0.2 m/s too fast, for every joint."""
    made, given = model(LossConfig(shared_level=1.0, known_tokens=0.0), ProcessConfig(weighting="plain")), batch()
    wrong = given["motion"].clone()
    wrong[..., 1] += 0.01 * torch.arange(8) / made.feature_std[1]
    monkeypatch.setattr(type(made.denoiser), "forward", lambda *_args: wrong)
    value = made.loss(given, seeded())["world_velocity"]
    # Seven differences are summed and divided by eight frames.
    assert value.item() == pytest.approx(0.2**2 * 7 / 8, rel=1e-3)
    speeds = (features_to_joints(made.normaliser.denormalise(wrong)).diff(dim=2) * 20)[..., 1]
    truth = (features_to_joints(made.normaliser.denormalise(given["motion"])).diff(dim=2) * 20)[..., 1]
    torch.testing.assert_close(speeds - truth, torch.full_like(speeds, 0.2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_padding_has_no_part_in_the_loss(shares):
    made = model(LossConfig(shared_level=shares[0], known_tokens=shares[1]))
    given = batch()
    given["frame_mask"][1:, :, 5:] = False
    clean = made.loss(given, seeded())
    given["motion"][1:, :, 5:] = 1e3
    given["event_known"][1:, :, 5:] = False
    dirty = made.loss(given, seeded())
    for name in clean:
        torch.testing.assert_close(dirty[name], clean[name])


def test_unknown_labels_are_neither_shown_nor_asked_for():
    made, given = model(), batch()
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


def test_loss_repeats_with_its_seed():
    made, given = model(), batch()
    torch.testing.assert_close(made.loss(given, seeded(1)), made.loss(given, seeded(1)), rtol=0, atol=0)
    assert made.loss(given, seeded(1))["loss"] != made.loss(given, seeded(2))["loss"]


def test_loss_gradient_reaches_every_parameter():
    made = model(LossConfig(shared_level=0.0, known_tokens=0.0))
    made.loss(batch(persons=2), seeded())["loss"].backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    assert all(torch.isfinite(parameter.grad).all() for parameter in made.parameters())


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_other_predictions_train_without_the_smooth_output(prediction):
    with pytest.raises(UserError, match="smooth=0"):
        ModelConfig(ProcessConfig(prediction=prediction), TINY)
    made = model(process=ProcessConfig(prediction=prediction), smooth=0)
    assert torch.isfinite(made.loss(batch(), seeded())["loss"])


def test_shared_levels_are_spread_evenly():
    levels = model(LossConfig(shared_level=1.0, known_tokens=0.0)).draw_levels(100, 1, 8, torch.device("cpu"), seeded())
    assert levels.shape == (100, 1, 1)
    assert levels.flatten().sort().values.diff().sub(10).abs().max() <= 1
    assert levels.min() >= 1
    assert levels.max() <= 1000


def test_known_tokens_are_clean_and_the_others_share_a_level():
    levels = model(LossConfig(shared_level=0.0, known_tokens=1.0)).draw_levels(
        200, 2, 12, torch.device("cpu"), seeded()
    )
    assert levels.shape == (200, 2, 6)
    for clip in levels:
        assert len(set(clip.flatten().tolist()) - {0}) <= 1
    share = (levels == 0).float().mean((1, 2))
    assert share.min() < 0.1
    assert share.max() > 0.9


def test_own_levels_are_uniform():
    levels = model(LossConfig(shared_level=0.0, known_tokens=0.0)).draw_levels(
        500, 1, 20, torch.device("cpu"), seeded()
    )
    assert levels.shape == (500, 1, 10)
    assert levels.float().mean().item() == pytest.approx(500.5, abs=20)
    assert levels[0].unique().numel() > 5


def test_kinds_of_levels_come_in_their_shares():
    made = model(LossConfig(shared_level=0.5, known_tokens=0.3))
    generator = seeded()
    kinds = []
    for _ in range(600):
        levels = made.draw_levels(4, 1, 20, torch.device("cpu"), generator)
        kinds.append("shared" if levels.shape[2] == 1 else "known" if (levels == 0).any() else "own")
    assert kinds.count("shared") / 600 == pytest.approx(0.5, abs=0.07)
    assert kinds.count("known") / 600 == pytest.approx(0.3, abs=0.07)


def test_a_shared_level_is_the_same_as_one_per_token():
    made, given = model(), batch(persons=2)
    level = torch.randint(0, 1001, (3, 1, 1))
    arguments = given["frame_mask"], given["text_tokens"], given["text_mask"]
    torch.testing.assert_close(
        made.denoiser(given["motion"], level, *arguments),
        made.denoiser(given["motion"], level.expand(3, 2, 4), *arguments),
    )


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


# ------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"trans": -1.0}, "loss.trans"),
        ({"velocity": float("nan")}, "loss.velocity"),
        ({"text_dropout": 1.5}, "loss.text_dropout"),
        ({"shared_level": 0.8, "known_tokens": 0.4}, "at most 1"),
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
