"""ProHMR's network and its published checkpoint, against plain second implementations on random weights."""

import argparse
import math
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from carescene.errors import UserError
from reconstruction.prohmr import ProHmr
from reconstruction.prohmr_files import load_prohmr
from reconstruction.prohmr_layout import published_shapes

FLOW = "flow.flow._transform._transforms"
LAYERS = range(12)


def is_weight(name: str) -> bool:
    """Learnt, not counted along."""
    return not name.endswith(
        ("running_mean", "running_var", "num_batches_tracked", "initialized", "_features", "init_cam", "init_betas")
    )


def counted(name: str) -> Tensor | None:
    """Tensors that are no random numbers."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(500_000)
    if name.endswith("initialized"):
        return torch.tensor(True)
    if name.endswith("_features"):
        mask = torch.ones(144)
        mask[::2] = -1
        if name.startswith((f"{FLOW}.5.", f"{FLOW}.11.")):
            mask = -mask
        return torch.arange(144)[mask <= 0 if "identity" in name else mask > 0]
    return None


@pytest.fixture(scope="session")
def published() -> dict[str, Tensor]:
    """Random tensors in the published layout, with statistics of batch norms that are not trivial."""
    draw = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    for name, shape in published_shapes().items():
        value = counted(name)
        if value is None and name.endswith("running_var"):
            value = torch.rand(shape, generator=draw) + 0.5
        elif value is None:
            value = torch.randn(shape, generator=draw)
            if name.endswith("weight"):
                value = 0.4 + 0.1 * value if value.ndim == 1 else value / math.sqrt(value[0].numel())
            else:
                value = (0.03 if name.endswith("entries") else 0.2) * value
        state[name] = value
    return state


@pytest.fixture(scope="session")
def checkpoint(published: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the published code's Lightning writes one."""
    path = tmp_path_factory.mktemp("prohmr") / "checkpoint.pt"
    torch.save(lightning_file(published), path)
    return path


@pytest.fixture(scope="session")
def network(checkpoint: Path) -> ProHmr:
    """The network of that file: read only."""
    return load_prohmr(checkpoint)


def lightning_file(state: dict[str, Tensor]) -> dict[str, Any]:
    """All that may stand in such a file: classes as keys, settings, numpy's numbers, what is dropped on reading."""
    dummies = {f"{FLOW}.{layer}.dummy_buffer": torch.tensor(1.0) for layer in LAYERS}
    further = {
        "initialized": torch.tensor(True),
        "flow.flow._transform.dummy_buffer": torch.tensor(1.0),
        "flow.flow._distribution._log_z": torch.tensor(132.3),
        "discriminator.D_conv1.weight": torch.zeros(32, 9, 1, 1),
        "smpl.joint_map": torch.zeros(25, dtype=torch.int64),
    }
    return {
        "epoch": 9,
        "global_step": np.int64(500_000),
        "state_dict": state | dummies | further,
        "callbacks": {argparse.ArgumentParser: {"best_model_score": None, "dirpath": Path("runs")}},
        "hyper_parameters": argparse.Namespace(focal=np.float64(5000), parts=defaultdict(list, a=[1])),
    }


def shapes_only() -> dict[str, Tensor]:
    """The published layout of one stored number each: small files for what is refused."""
    return {
        name: torch.ones(()).expand(shape) if (value := counted(name)) is None else value
        for name, shape in published_shapes().items()
    }


# ------------------------------------------------------------------------------------------ network


def to_noise(state: dict[str, Tensor], x: np.ndarray, context: np.ndarray) -> tuple[np.ndarray, float]:
    """The published direction, data to noise, and the log of its change of volume: written from the paper's layers."""
    volume = 0.0

    def of(name: str) -> np.ndarray:
        return state[f"{FLOW}.{name}"].double().numpy()

    def linear(name: str, value: np.ndarray) -> np.ndarray:
        return value @ of(f"{name}.weight").T + of(f"{name}.bias")

    def norm(name: str, value: np.ndarray) -> np.ndarray:
        centred = (value - of(f"{name}.running_mean")) / np.sqrt(of(f"{name}.running_var") + 1e-5)
        return centred * of(f"{name}.weight") + of(f"{name}.bias")

    for layer in (0, 3, 6, 9):
        x = np.exp(of(f"{layer}.log_scale")) * x + of(f"{layer}.shift")
        volume += of(f"{layer}.log_scale").sum()
        lower, upper = np.eye(144), np.zeros((144, 144))
        lower[np.tril_indices(144, -1)] = of(f"{layer + 1}.lower_entries")
        upper[np.triu_indices(144, 1)] = of(f"{layer + 1}.upper_entries")
        diagonal = np.log1p(np.exp(of(f"{layer + 1}.unconstrained_upper_diag"))) + 1e-3
        upper[np.diag_indices(144)] = diagonal
        x = (x @ upper.T) @ lower.T + of(f"{layer + 1}.bias")
        volume += np.log(diagonal).sum()
        coupling = layer + 2
        kept = state[f"{FLOW}.{coupling}.identity_features"].numpy()
        moved = state[f"{FLOW}.{coupling}.transform_features"].numpy()
        hidden = linear(f"{coupling}.transform_net.initial_layer", np.concatenate((x[:, kept], context), axis=1))
        for block in range(2):
            name, inner = f"{coupling}.transform_net.blocks.{block}", hidden
            for index in range(2):
                inner = np.maximum(norm(f"{name}.batch_norm_layers.{index}", inner), 0)
                inner = linear(f"{name}.linear_layers.{index}", inner)
            hidden = hidden + inner
        x = x.copy()
        x[:, moved] += linear(f"{coupling}.transform_net.final_layer", hidden)
    return x, float(volume)


def test_flow_is_the_inverse_of_the_published_direction(published: dict[str, Tensor], network: ProHmr) -> None:
    features, noise = torch.randn(2, 2048), torch.randn(3, 144)
    with torch.no_grad():
        poses, log_prob = network.flow(features, noise)
    for seen, drawn, found in zip(features.double().numpy(), poses.double().numpy(), log_prob.numpy(), strict=True):
        back, volume = to_noise(published, drawn, np.tile(seen, (3, 1)))
        np.testing.assert_allclose(back, noise.numpy(), atol=2e-4)
        expected = -0.5 * (back**2).sum(-1) - 72 * math.log(2 * math.pi) + volume
        np.testing.assert_allclose(found, expected, atol=2e-2)


def test_what_is_seen_changes_the_poses(network: ProHmr) -> None:
    features = torch.randn(2, 2048)
    with torch.no_grad():
        poses, log_prob = network.flow(features, torch.zeros(1, 144))
    assert float((poses[0] - poses[1]).abs().max()) > 0.1
    assert float(log_prob[0]) == pytest.approx(float(log_prob[1]))


def test_mode_comes_first_and_rotations_are_made_of_columns(network: ProHmr) -> None:
    features, noise = torch.randn(2, 2048), torch.randn(2, 144)
    with torch.no_grad():
        drawn = network.sample(features, noise)
        poses, log_prob = network.flow(features, torch.cat((torch.zeros(1, 144), noise)))
    assert drawn.rotations.shape == (2, 3, 24, 3, 3)
    torch.testing.assert_close(drawn.log_prob, log_prob)
    assert bool((drawn.log_prob[:, 0] > drawn.log_prob[:, 1]).all())
    first = poses.reshape(2, 3, 24, 2, 3)[..., 0, :]
    torch.testing.assert_close(drawn.rotations[..., 0], first / first.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(torch.linalg.det(drawn.rotations), torch.ones(2, 3, 24))


def test_backbone_is_torchvisions_resnet(published: dict[str, Tensor], network: ProHmr) -> None:
    from torchvision.models import resnet50

    with torch.device("meta"):
        expected = resnet50(weights=None)
    expected.fc = torch.nn.Identity()
    weights = {name.removeprefix("backbone."): value for name, value in published.items() if "backbone." in name}
    assert len(weights) == 318
    expected.load_state_dict(weights, strict=True, assign=True)
    expected.eval()
    crops = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.backbone(crops), expected(crops), rtol=1e-3, atol=1e-3)


def test_head_adds_to_the_means(published: dict[str, Tensor], network: ProHmr) -> None:
    features = torch.randn(2, 2048)
    inner, outer = ([published[f"flow.fc_head.layers.{n}.{part}"] for part in ("weight", "bias")] for n in (0, 2))
    offset = torch.relu(features @ inner[0].T + inner[1]) @ outer[0].T + outer[1]
    with torch.no_grad():
        drawn = network.sample(features, torch.zeros(0, 144))
    torch.testing.assert_close(drawn.betas, offset[:, :10] + published["flow.fc_head.init_betas"][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(drawn.cam, offset[:, 10:] + published["flow.fc_head.init_cam"][0], atol=1e-5, rtol=0)


# ------------------------------------------------------------------------------------------ file


def test_published_size_and_layout() -> None:
    """Counted from the published code's own modules."""
    shapes = published_shapes()
    sizes = {name: math.prod(shape) for name, shape in shapes.items() if is_weight(name)}
    assert sum(size for name, size in sizes.items() if name.startswith("flow.flow.")) == 25_893_856
    assert sum(size for name, size in sizes.items() if name.startswith("backbone.")) == 23_508_032
    assert [sum(name.startswith(part) for name in shapes) for part in ("backbone.", "flow.flow.", "flow.fc_head.")] == [
        318, 164, 6,
    ]  # fmt: skip
    assert shapes["backbone.layer4.2.bn3.num_batches_tracked"] == ()
    assert shapes[f"{FLOW}.1.lower_entries"] == (10_296,)
    assert shapes[f"{FLOW}.11.transform_net.initial_layer.weight"] == (1024, 2120)
    assert shapes[f"{FLOW}.2.transform_net.blocks.1.batch_norm_layers.0.running_var"] == (1024,)
    assert shapes["flow.fc_head.layers.2.weight"] == (13, 1024)


def test_nothing_can_be_trained_by_mistake(network: ProHmr) -> None:
    assert not any(weight.requires_grad for weight in network.parameters())
    features, noise = torch.ones(2, 2048), torch.ones(1, 144)
    before = network.flow.train()(features, noise)[0]
    assert torch.equal(network.flow.eval()(features, noise)[0], before)


def refuse(state: dict[str, Tensor], path: Path) -> str:
    torch.save({"state_dict": state}, path)
    with pytest.raises(UserError) as refusal:
        load_prohmr(path)
    return str(refusal.value)


def test_names_what_is_missing_renamed_or_of_another_shape(tmp_path: Path) -> None:
    state = shapes_only()
    state[f"{FLOW}.4.upper_diag"] = state.pop(f"{FLOW}.4.unconstrained_upper_diag")
    state["flow.fc_head.init_betas"] = torch.zeros(1, 10)
    message = refuse(state, tmp_path / "checkpoint.pt")
    for part in (
        f"1 missing ({FLOW}.4.unconstrained_upper_diag)",
        f"1 unknown ({FLOW}.4.upper_diag)",
        "1 of another shape (flow.fc_head.init_betas (1, 10) for (1, 1, 10))",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{FLOW}.2.identity_features", torch.arange(1, 144, 2)),
        (f"{FLOW}.0.log_scale", torch.full((144,), torch.nan)),
    ],
)
def test_refuses_other_numbers(tmp_path: Path, name: str, value: Tensor) -> None:
    assert f"a trained network of this kind has ({name})" in refuse(shapes_only() | {name: value}, tmp_path / "c.pt")


@pytest.mark.parametrize("name", ["initialized", f"{FLOW}.6.initialized"])
def test_refuses_what_was_never_trained(tmp_path: Path, name: str) -> None:
    assert f"{name} is false" in refuse(shapes_only() | {name: torch.tensor(False)}, tmp_path / "c.pt")


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("backbone.fc_layers.0.fc_block.0.weight", "skeleton lifter"),
        ("smpl_head.transformer.to_token_embedding.weight", "4D-Humans"),
        ("decpose.weight", "SPIN, CLIFF"),
        ("module.head.decpose.weight", "HMR family"),
        ("seqTransEncoder.layers.0.linear1.weight", "MDM"),
        ("fc.weight", "plain ResNet"),
        ("conv9.weight", r"something unknown \(conv9.weight"),
    ],
)
def test_tells_another_network_by_name(tmp_path: Path, name: str, whose: str) -> None:
    path = tmp_path / "other.pt"
    torch.save({"model": {name: torch.zeros(2)}}, path)
    with pytest.raises(UserError, match=f"looks like .*{whose}"):
        load_prohmr(path)


def test_takes_wrapped_names(tmp_path: Path) -> None:
    """A wrapper for several GPUs is no reason to refuse; what is really wrong is told."""
    state = {f"module.{name}": value for name, value in shapes_only().items()}
    del state["module.backbone.layer1.0.bn2.bias"]
    message = refuse(state, tmp_path / "c.pt")
    assert "got 1 missing (backbone.layer1.0.bn2.bias)." in message


class _Runs:
    """What a pickle must not do."""

    def __init__(self, function: Any, folder: Path) -> None:
        self.call = (function, (str(folder),))

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return self.call


@pytest.mark.parametrize("function", [os.mkdir, eval])
def test_runs_nothing_of_a_file(tmp_path: Path, function: Any) -> None:
    path, trap = tmp_path / "trap.pt", tmp_path / "made"
    argument = trap if function is os.mkdir else Path(f"__import__('os').mkdir({str(trap)!r})")
    torch.save({"state_dict": {"x": _Runs(function, argument)}}, path)
    with pytest.raises(UserError, match="Expected ProHMR's checkpoint"):
        load_prohmr(path)
    assert not trap.exists()


def test_refuses_what_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(UserError, match="no such file"):
        load_prohmr(path)
    path.write_bytes(b"PK not really")
    with pytest.raises(UserError, match="cannot be read"):
        load_prohmr(path)
    torch.save([1, 2], path)
    with pytest.raises(UserError, match="Expected tensors by name"):
        load_prohmr(path)
    whole = tmp_path / "whole.pt"
    torch.save(shapes_only(), whole)
    path.write_bytes(whole.read_bytes()[:20_000])
    with pytest.raises(UserError, match="cannot be read"):
        load_prohmr(path)
    torch.save(shapes_only() | {"flow.epoch": "nine"}, path)
    with pytest.raises(UserError, match=r"flow.epoch is a str"):
        load_prohmr(path)
