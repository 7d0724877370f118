"""MDM's network against a plain second implementation, its published layout, its loss and its sampling."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from carescene.errors import UserError
from diffusion.mdm import MdmConfig, MdmNetwork, position_table
from diffusion.mdm_files import load_published, published_shapes, save_published, to_published
from diffusion.mdm_model import MDM_PROCESS, WINDOW, MdmModel, MdmModelConfig
from diffusion.normaliser import Normaliser
from diffusion.process import ProcessConfig
from diffusion.sampler import SamplerConfig

SMALL = MdmConfig(features=263, text_dim=6, dim=16, depth=2, heads=4, hidden=24)
PLAIN = Normaliser(torch.zeros(263), torch.ones(263))


def random_state(config: MdmConfig, seed: int = 0) -> dict[str, Tensor]:
    """Random tensors in the published layout."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) * 0.2 for name, shape in published_shapes(config).items()}


def plain_forward(state: dict[str, np.ndarray], x: np.ndarray, step: int, text: np.ndarray, heads: int) -> np.ndarray:
    """One clip through MDM, in float64 and with nothing but matrix products; `step` counts from 0 as published."""
    dim = len(state["embed_text.bias"])

    def linear(name: str, value: np.ndarray) -> np.ndarray:
        return value @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name: str, value: np.ndarray) -> np.ndarray:
        centred = value - value.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def position(row: int) -> np.ndarray:
        return np.array(
            [(math.sin if c % 2 == 0 else math.cos)(row / 10000 ** ((c - c % 2) / dim)) for c in range(dim)]
        )

    inner = linear("embed_timestep.time_embed.0", position(step))
    condition = linear("embed_timestep.time_embed.2", inner / (1 + np.exp(-inner))) + linear("embed_text", text)
    tokens = np.stack([condition, *linear("input_process.poseEmbedding", x)])
    tokens = tokens + np.stack([position(row) for row in range(len(tokens))])
    for index in range(sum(name.endswith("norm1.bias") for name in state)):
        layer = f"seqTransEncoder.layers.{index}"
        mixed = tokens @ state[f"{layer}.self_attn.in_proj_weight"].T + state[f"{layer}.self_attn.in_proj_bias"]
        seen = []
        for head in range(heads):
            width = dim // heads
            q, k, v = (mixed[:, part * dim + head * width :][:, :width] for part in range(3))
            scores = np.exp(q @ k.T / math.sqrt(width))
            seen.append(scores / scores.sum(-1, keepdims=True) @ v)
        tokens = norm(f"{layer}.norm1", tokens + linear(f"{layer}.self_attn.out_proj", np.concatenate(seen, -1)))
        hidden = linear(f"{layer}.linear1", tokens)
        hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
        tokens = norm(f"{layer}.norm2", tokens + linear(f"{layer}.linear2", hidden))
    return linear("output_process.poseFinal", tokens[1:])


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A small checkpoint as the published code writes one, with both tables of positions."""
    table = position_table(5000, SMALL.dim)[:, None]
    tables = {"sequence_pos_encoder.pe": table, "embed_timestep.sequence_pos_encoder.pe": table}
    path = tmp_path / "model000000010.pt"
    torch.save({**random_state(SMALL), **tables}, path)
    return path


# ------------------------------------------------------------------------------------------ network


@pytest.mark.parametrize("step", [0, 7, 999])
def test_gives_what_a_plain_implementation_gives(checkpoint: Path, step: int) -> None:
    model = load_published(checkpoint, PLAIN)
    rng = np.random.default_rng(step)
    x, text = rng.normal(size=(9, 263)), rng.normal(size=6)
    with torch.no_grad():
        found = model.network(
            torch.from_numpy(x).float()[None], torch.tensor([step + 1]), torch.from_numpy(text).float()[None]
        )
    state = {name: value.double().numpy() for name, value in random_state(SMALL).items()}
    np.testing.assert_allclose(found[0].numpy(), plain_forward(state, x, step, text, heads=4), atol=2e-4)


def test_published_size_and_layout() -> None:
    """Counted from the paper's code: 8 layers of 512, 17.9 million weights, names as they lie in the files."""
    shapes = published_shapes()
    assert sum(math.prod(shape) for shape in shapes.values()) == 17_880_327
    assert shapes["input_process.poseEmbedding.weight"] == (512, 263)
    assert shapes["seqTransEncoder.layers.7.self_attn.in_proj_weight"] == (1536, 512)
    assert shapes["seqTransEncoder.layers.0.linear1.weight"] == (1024, 512)
    assert shapes["embed_timestep.time_embed.2.bias"] == (512,)
    assert shapes["embed_text.weight"] == (512, 512)
    assert shapes["output_process.poseFinal.weight"] == (263, 512)
    assert len(shapes) == 4 * 2 + 2 + 8 * 12
    with torch.device("meta"):
        network = MdmNetwork()
    ours = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert sorted(ours.values()) == sorted(shapes.values())


def test_padding_is_seen_only_without_the_mask() -> None:
    torch.manual_seed(0)
    x, text = torch.randn(1, 8, 263), torch.randn(1, 6)
    exists = torch.arange(8)[None] < 5
    other = torch.where(exists[..., None], x, 99.0)
    for masked in (True, False):
        config = MdmConfig(text_dim=6, dim=16, depth=2, heads=4, hidden=24, mask_padding=masked)
        network = MdmNetwork(config).eval()
        with torch.no_grad():
            one, two = (network(value, torch.tensor([3]), text, exists)[:, :5] for value in (x, other))
        assert torch.allclose(one, two, atol=1e-6) == masked


def test_refuses_more_frames_than_positions() -> None:
    with pytest.raises(UserError, match="at most 4999 frames"):
        MdmNetwork(SMALL)(torch.zeros(1, 5000, 263), torch.tensor([1]), torch.zeros(1, 6))


@pytest.mark.parametrize("option", [{"dim": 10, "heads": 4}, {"depth": 0}, {"dropout": 1.0}])
def test_refuses_impossible_sizes(option: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="Expected network"):
        MdmConfig(**option)


# ------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "model.module."])
def test_loads_with_clip_and_wrappers(checkpoint: Path, prefix: str) -> None:
    expected = load_published(checkpoint, PLAIN).network.state_dict()
    state = {f"{prefix}{name}": value for name, value in random_state(SMALL).items()}
    state[f"{prefix}clip_model.visual.proj"] = torch.zeros(2)
    if prefix:
        state["n_averaged"] = torch.tensor(3)
    torch.save(state, checkpoint)
    found = load_published(checkpoint, PLAIN).network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_takes_the_average_unless_told_otherwise(checkpoint: Path) -> None:
    plain, average = random_state(SMALL, 1), random_state(SMALL, 2)
    torch.save({"model": plain, "model_avg": average}, checkpoint)
    for averaged, expected in ((True, average), (False, plain)):
        bias = load_published(checkpoint, PLAIN, averaged=averaged).network.out.bias
        assert torch.equal(bias, expected["output_process.poseFinal.bias"])


def test_settings_beside_the_weights_are_followed(checkpoint: Path) -> None:
    args = {"arch": "trans_enc", "diffusion_steps": 50, "latent_dim": 16, "layers": 2, "mask_frames": True}
    (checkpoint.parent / "args.json").write_text(json.dumps(args))
    model = load_published(checkpoint, PLAIN)
    assert model.process.steps == 50
    assert model.config.network.mask_padding
    with pytest.raises(UserError, match="set the sampler's steps"):
        load_published(checkpoint, PLAIN, steps=1000)


def test_without_settings_the_chain_has_1000_steps(checkpoint: Path) -> None:
    assert load_published(checkpoint, PLAIN).process.steps == 1000
    assert load_published(checkpoint, PLAIN, steps=50).process.steps == 50


@pytest.mark.parametrize(
    ("name", "value"),
    [("arch", "trans_dec"), ("noise_schedule", "linear"), ("text_encoder_type", "bert"), ("layers", 8)],
)
def test_refuses_settings_of_other_networks(checkpoint: Path, name: str, value: object) -> None:
    (checkpoint.parent / "args.json").write_text(json.dumps({name: value}))
    with pytest.raises(UserError, match=f"Expected {name}="):
        load_published(checkpoint, PLAIN)


def test_names_what_does_not_fit(checkpoint: Path) -> None:
    state = random_state(SMALL)
    del state["seqTransEncoder.layers.1.norm2.bias"]
    state["embed_action.action_embedding"] = torch.zeros(1)
    state["output_process.poseFinal.bias"] = torch.zeros(7)
    torch.save(state, checkpoint)
    with pytest.raises(UserError) as refusal:
        load_published(checkpoint, PLAIN)
    for part in ("1 missing (seqTransEncoder.layers.1.norm2.bias)", "1 unknown (embed_action.action_embedding)",
                 "1 of another shape (output_process.poseFinal.bias)"):  # fmt: skip
        assert part in str(refusal.value)


def test_refuses_other_tables_other_files_and_other_statistics(checkpoint: Path) -> None:
    state = random_state(SMALL)
    torch.save({**state, "sequence_pos_encoder.pe": torch.zeros(5000, 1, 16)}, checkpoint)
    with pytest.raises(UserError, match="sines and cosines"):
        load_published(checkpoint, PLAIN)
    torch.save({"state": {}, "param_groups": []}, checkpoint)
    with pytest.raises(UserError, match=r"not its opt\*\.pt"):
        load_published(checkpoint, PLAIN)
    torch.save({"conv.weight": torch.zeros(1)}, checkpoint)
    with pytest.raises(UserError, match="another network"):
        load_published(checkpoint, PLAIN)
    checkpoint.write_bytes(b"PK not a checkpoint")
    with pytest.raises(UserError, match="cannot be read"):
        load_published(checkpoint, PLAIN)
    with pytest.raises(UserError, match="no such file"):
        load_published(checkpoint.with_name("none.pt"), PLAIN)
    torch.save(state, checkpoint)
    with pytest.raises(UserError, match="263 features, but got 251"):
        load_published(checkpoint, Normaliser(torch.zeros(251), torch.ones(251)))


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    model = MdmModel(MdmModelConfig(ProcessConfig(steps=50, weighting="plain"), SMALL), PLAIN)
    path = save_published(model, tmp_path / "run", 12)
    assert path.name == "model000000012.pt"
    stored = torch.load(path, weights_only=True)
    assert {name for name in stored if not name.endswith(".pe")} == set(published_shapes(SMALL))
    assert stored["sequence_pos_encoder.pe"].shape == (5000, 1, 16)
    found = load_published(path, PLAIN)
    assert found.config == model.config
    for name, value in to_published(model.network).items():
        assert torch.equal(to_published(found.network)[name], value), name


# ------------------------------------------------------------------------------------------ loss and sampling


def batch(lengths: list[int], frames: int) -> dict[str, object]:
    torch.manual_seed(1)
    mask = torch.arange(frames)[None] < torch.tensor(lengths)[:, None]
    return {
        "motion": torch.randn(len(lengths), frames, 263) * mask[..., None],
        "frame_mask": mask,
        "text_tokens": torch.randn(len(lengths), 3, 6),
        "text_mask": torch.ones(len(lengths), 3, dtype=torch.bool),
    }


def small_model(*, masked: bool = True, steps: int = 20) -> MdmModel:
    torch.manual_seed(0)
    network = MdmConfig(text_dim=6, dim=16, depth=1, heads=2, hidden=24, dropout=0.0, mask_padding=masked)
    statistics = Normaliser(torch.linspace(-1, 1, 263), torch.linspace(0.5, 2, 263))
    return MdmModel(MdmModelConfig(ProcessConfig(steps=steps, weighting="plain"), network), statistics).eval()


def test_loss_counts_every_clip_the_same_however_long() -> None:
    """A network that says 0 is wrong by the mean square of each clip."""
    model, data = small_model(), batch([4, 12], 12)
    torch.nn.init.zeros_(model.network.out.weight)
    torch.nn.init.zeros_(model.network.out.bias)
    motion = data["motion"]
    assert isinstance(motion, Tensor)
    expected = ((motion[0, :4] ** 2).mean() + (motion[1] ** 2).mean()) / 2
    torch.testing.assert_close(model.loss(data)["loss"], expected)


def test_loss_does_not_see_padding() -> None:
    model, data = small_model(), batch([4, 12], 12)
    one = model.loss(data, torch.Generator().manual_seed(3))["loss"]
    mask, motion = data["frame_mask"], data["motion"]
    assert isinstance(mask, Tensor)
    assert isinstance(motion, Tensor)
    data["motion"] = torch.where(mask[..., None], motion, 50.0)
    torch.testing.assert_close(model.loss(data, torch.Generator().manual_seed(3))["loss"], one)


def test_every_weight_gets_a_gradient() -> None:
    model = small_model().train()
    model.loss(batch([6, 12], 12))["loss"].backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert float(value.grad.abs().sum()) > 0 or "in_proj_bias" in name, name


@pytest.mark.parametrize("name", ["ddpm", "ddim", "dpmpp"])
def test_samples_the_mean_of_a_network_that_knows_it(name: Any) -> None:
    """A network that always says the same x_0 makes every rule end there, in the data's own units."""
    model = small_model()
    torch.nn.init.zeros_(model.network.out.weight)
    torch.nn.init.constant_(model.network.out.bias, 0.25)
    text = torch.randn(2, 3, 6)
    frames = model.sample(text, torch.ones(2, 3, dtype=torch.bool), [5, 9], [0, 1], SamplerConfig(name, steps=5))
    expected = 0.25 * model.feature_std + model.feature_mean
    assert frames.shape == (2, 9, 263)
    torch.testing.assert_close(frames[1], expected.expand(9, 263))
    torch.testing.assert_close(frames[0, :5], expected.expand(5, 263))
    assert frames[0, 5:].eq(0).all()


@pytest.mark.parametrize("masked", [True, False])
def test_a_clip_is_the_same_alone_and_in_company(masked: bool) -> None:
    model = small_model(masked=masked)
    text, mask = torch.randn(2, 3, 6), torch.ones(2, 3, dtype=torch.bool)
    sampler = SamplerConfig("ddpm", steps=4)
    together = model.sample(text, mask, [5, 9], [7, 8], sampler)
    alone = model.sample(text[:1], mask[:1], [5], [7], sampler)
    torch.testing.assert_close(together[0, :5], alone[0], atol=1e-4, rtol=1e-4)


def test_the_full_chain_is_that_of_the_published_code() -> None:
    """Second implementation: betas of the cosine schedule, posterior mean and its variance, one step after another."""
    model, seed, frames = small_model(steps=12), 5, 6
    text = torch.randn(1, 1, 6)
    found = model.sample(text, torch.ones(1, 1, dtype=torch.bool), [frames], [seed])

    def bar(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - bar((k + 1) / 12) / bar(k / 12), 0.999) for k in range(12)]
    product = np.cumprod([1 - beta for beta in betas])
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(frames, 263, generator=generator)
    with torch.no_grad():
        for k in reversed(range(12)):
            level = torch.tensor([k + 1])
            with_text = model.network(x[None], level, text[:, 0])[0]
            without = model.network(x[None], level, torch.zeros(1, 6))[0]
            x0 = without + 2.5 * (with_text - without)
            before = product[k - 1] if k else 1.0
            mean = (
                betas[k] * math.sqrt(before) / (1 - product[k]) * x0
                + (1 - before) * math.sqrt(1 - betas[k]) / (1 - product[k]) * x
            )
            fresh = torch.randn(1, frames, 263, generator=generator)[0]
            x = mean + math.sqrt(betas[k] * (1 - before) / (1 - product[k])) * fresh
    torch.testing.assert_close(found[0], x * model.feature_std + model.feature_mean, atol=1e-3, rtol=1e-3)


def test_without_mask_the_window_is_that_of_training() -> None:
    model, seen = small_model(masked=False), []
    model.network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].shape))
    out = model.sample(
        torch.zeros(1, 1, 6),
        torch.zeros(1, 1, dtype=torch.bool),
        [30],
        [0],
        SamplerConfig("ddim", steps=2, guidance=1.0),
    )
    assert seen == [(1, WINDOW, 263)] * 2
    assert out.shape == (1, 30, 263)


def test_refuses_bad_requests() -> None:
    model = small_model()
    text, mask = torch.zeros(1, 1, 6), torch.ones(1, 1, dtype=torch.bool)
    for frames, seeds in (([0], [1]), ([5, 5], [1, 1]), ([5], []), ([], [])):
        with pytest.raises(UserError, match="Expected a length"):
            model.sample(text, mask, frames, seeds)
    with pytest.raises(UserError, match="tensor 'text_mask'"):
        model.loss({**batch([4], 4), "text_mask": None})
    with pytest.raises(UserError, match="prediction=x0"):
        MdmModelConfig(ProcessConfig(prediction="v"))
    with pytest.raises(UserError, match="text_dropout"):
        MdmModelConfig(MDM_PROCESS, text_dropout=2.0)
