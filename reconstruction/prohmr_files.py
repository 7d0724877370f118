"""ProHMR's published checkpoint, `checkpoint.pt`, read without the packages that wrote it.

The file is one of PyTorch Lightning: the network's tensors stand under `state_dict`, beside the state of the training
run, which is left where it is. Names and shapes are compared one by one. What only training needed is known by name and
dropped: the discriminator, SMPL's own arrays, dummies. Anything else is refused.

Weights: `data.tar.gz` that `fetch_data.sh` of github.com/nkolot/ProHMR names. Nothing is downloaded here.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from carescene.errors import UserError
from carescene.humans.body import NUM_BETAS
from reconstruction.prohmr import (
    EXPANSION,
    FEATURES,
    HIDDEN,
    POSE,
    RESIDUAL_BLOCKS,
    STAGES,
    STEPS,
    ProHmr,
)

_FLOW: Final = "flow.flow._transform"
_HEAD: Final = "flow.fc_head"
# Of training, of SMPL, and what the fork of nflows gives every transform.
_DROPPED: Final = ("discriminator.", "smpl.")
_DUMMIES: Final = ("dummy_buffer", "_distribution._log_z")
_WRAPPERS: Final = ("module.", "model.")
# Batch norms of the published code have torch's default.
_EPS: Final = 1e-5
# Added to the diagonal of U.
_LU_EPS: Final = 1e-3
# Classes that are written as dictionaries, so that a dictionary must stand in for them.
_MAPPINGS: Final = ("Dict", "dict", "CfgNode")
# What tensors of other networks for people are called, and whose they are; the first that fits is told.
_OTHERS: Final = (
    ("backbone.fc_layers.", "ProHMR's skeleton lifter (ProSkeleton)"),
    ("smpl_head.transformer.", "4D-Humans (HMR 2.0) or one of its followers"),
    ("mano_head.", "a network for hands of the HMR family"),
    ("decpose.", "a regressor of the HMR family (SPIN, CLIFF), which gives one pose and no distribution"),
    ("head.decpose.", "a regressor of the HMR family, which gives one pose and no distribution"),
    ("seqTransEncoder.", "a motion generator of the MDM family"),
    ("pretrained.blocks.", "Depth Anything"),
    ("keypoint_head.", "a detector of key points"),
    ("steps.0.net.", "weights of this program's own making"),
    ("fc.weight", "a plain ResNet that classifies pictures"),
)


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that the network is made of, in the published layout: 318 of the ResNet, the flow's
    and the head's, without those that are dropped."""
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    for conv, bn, (outputs, inputs, size) in _convolutions():
        shapes[f"{conv}.weight"] = (outputs, inputs, size, size)
        norm(bn, outputs)
    triangle = POSE * (POSE - 1) // 2
    for step in range(STEPS):
        act, lu, coupling = (f"{_FLOW}._transforms.{3 * step + part}" for part in range(3))
        shapes.update({f"{act}.log_scale": (POSE,), f"{act}.shift": (POSE,), f"{act}.initialized": ()})
        shapes.update({f"{lu}.bias": (POSE,), f"{lu}.unconstrained_upper_diag": (POSE,)})
        shapes.update({f"{lu}.lower_entries": (triangle,), f"{lu}.upper_entries": (triangle,)})
        shapes.update({f"{coupling}.{which}_features": (POSE // 2,) for which in ("identity", "transform")})
        net = f"{coupling}.transform_net"
        linear(f"{net}.initial_layer", POSE // 2 + FEATURES, HIDDEN)
        for block in range(RESIDUAL_BLOCKS):
            for index in range(2):
                norm(f"{net}.blocks.{block}.batch_norm_layers.{index}", HIDDEN)
                linear(f"{net}.blocks.{block}.linear_layers.{index}", HIDDEN, HIDDEN)
        linear(f"{net}.final_layer", HIDDEN, POSE // 2)
    linear(f"{_HEAD}.layers.0", FEATURES, HIDDEN)
    linear(f"{_HEAD}.layers.2", HIDDEN, NUM_BETAS + 3)
    shapes.update({f"{_HEAD}.init_cam": (1, 1, 3), f"{_HEAD}.init_betas": (1, 1, NUM_BETAS)})
    return shapes


def load_prohmr(path: Path) -> ProHmr:
    """The network of a published checkpoint, ready to use, in float32 on the CPU.

    Raises:
        UserError: if the file cannot be read, is another network (it says which), was never trained, or a tensor is
            missing, unknown, of another shape or not finite.
    """
    state = _known(_read(path), path)
    _check(state, path)
    with torch.device("meta"):
        network = ProHmr()
    network.load_state_dict(_fold(state), strict=True, assign=True)
    return network.eval().requires_grad_(False)


class _Forgotten:
    """Stands in for objects of other packages in a file: made from nothing, keeps nothing, runs nothing."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UserError(
            f"Expected ProHMR's checkpoint at '{path}', but there is no such file. Check the path; the weights are "
            "data/checkpoint.pt in the archive that fetch_data.sh of github.com/nkolot/ProHMR names."
        )
    try:
        # Mapped: the optimiser's state, most of the file, is never read.
        zipped = zipfile.is_zipfile(path)
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipped else []
        stand_ins = [(OrderedDict if name.endswith(_MAPPINGS) else _Forgotten, name) for name in foreign]
        with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise UserError(
            f"Expected ProHMR's checkpoint in '{path}', but it cannot be read ({str(error).splitlines()[0]}). The file "
            "is damaged or holds more than weights; fetch it anew."
        ) from error
    for name in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content:
        raise UserError(
            f"Expected tensors by name in '{path}', but got {type(content).__name__}. Give ProHMR's checkpoint.pt."
        )
    return content


def _known(state: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Without prefixes of wrappers and what is dropped.

    Raises:
        UserError: another network's tensors, or a flow that was never trained.
    """
    names = [str(name) for name in state]
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in names):
            state = {str(name).removeprefix(wrapper): value for name, value in state.items()}
    if "backbone.conv1.weight" not in state or not any(name.startswith(f"{_FLOW}.") for name in state):
        raise UserError(
            f"Expected ProHMR's checkpoint in '{path}', but it looks like {_describe(state)}. "
            "Give checkpoint.pt of github.com/nkolot/ProHMR."
        )
    kept: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith(_DROPPED) or name.endswith(_DUMMIES):
            continue
        if not isinstance(value, Tensor):
            raise UserError(
                f"Expected tensors in '{path}', but {name} is a {type(value).__name__}. The file was changed; fetch it "
                "anew."
            )
        if name.endswith("initialized") and value.numel() == 1 and not bool(value):
            raise UserError(
                f"Expected a trained network in '{path}', but {name} is false. The file was written before training "
                "began; give the published one."
            )
        if name != "initialized":
            kept[name] = value
    return kept


def _describe(state: Mapping[str, Any]) -> str:
    names = [str(name) for name in state]
    for part, whose in _OTHERS:
        if any(name.startswith(part) or f".{part}" in name for name in names):
            return whose
    return f"something unknown ({', '.join(names[:3])}, ...)"


def _check(state: Mapping[str, Tensor], path: Path) -> None:
    expected = published_shapes()
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    wrong = [
        f"{name} {tuple(state[name].shape)} for {shape}"
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    bad = [name for name, value in state.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    # The order of the numbers is built into `FlowStep`.
    for step in range(STEPS):
        for which, start in (("identity", step % 2), ("transform", 1 - step % 2)):
            name = f"{_FLOW}._transforms.{3 * step + 2}.{which}_features"
            if name in state and state[name].tolist() != list(range(start, POSE, 2)):
                bad.append(name)
    told = [
        f"{len(names)} {what} ({', '.join(names[:3])})"
        for names, what in (
            (missing, "missing"),
            (unknown, "unknown"),
            (wrong, "of another shape"),
            (bad, "with other numbers than a trained network of this kind has"),
        )
        if names
    ]
    if told:
        raise UserError(
            f"Expected the {len(expected)} tensors of ProHMR in '{path}', but got {' and '.join(told)}. "
            "It is another version or a damaged file; fetch the published one."
        )


def _convolutions() -> list[tuple[str, str, tuple[int, int, int]]]:
    """Of the ResNet: published names of convolution and norm, and (outputs, inputs, size of the kernel)."""
    found = [("backbone.conv1", "backbone.bn1", (64, 3, 7))]
    inputs = 64
    for stage, (blocks, width) in enumerate(STAGES, start=1):
        outputs = EXPANSION * width
        for block in range(blocks):
            name = f"backbone.layer{stage}.{block}"
            for part, shape in enumerate(((width, inputs, 1), (width, width, 3), (outputs, width, 1)), start=1):
                found.append((f"{name}.conv{part}", f"{name}.bn{part}", shape))
            if inputs != outputs:
                found.append((f"{name}.downsample.0", f"{name}.downsample.1", (outputs, inputs, 1)))
            inputs = outputs
    return found


def _fold(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of `ProHmr` from the published ones; all arithmetic in double precision."""
    state = {name: value.double() for name, value in published.items() if value.is_floating_point()}

    def norm(name: str) -> tuple[Tensor, Tensor]:
        scale = state[f"{name}.weight"] / (state[f"{name}.running_var"] + _EPS).sqrt()
        return scale, state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale

    ours: dict[str, Tensor] = {}
    for conv, bn, _ in _convolutions():
        scale, shift = norm(bn)
        name = conv
        for stage in range(1, len(STAGES) + 1):
            name = name.replace(f".layer{stage}.", f".layers.{stage - 1}.")
        name = name.replace("downsample.0", "widen")
        ours[f"{name}.weight"], ours[f"{name}.bias"] = state[f"{conv}.weight"] * scale[:, None, None, None], shift
    volume = torch.zeros((), dtype=torch.float64)
    for step in range(STEPS):
        act, lu, coupling = (f"{_FLOW}._transforms.{3 * step + part}" for part in range(3))
        to, net = f"flow.steps.{step}", f"{coupling}.transform_net"
        diagonal = F.softplus(state[f"{lu}.unconstrained_upper_diag"]) + _LU_EPS
        lower, upper = torch.eye(POSE, dtype=torch.float64), torch.diag(diagonal)
        # Entries stand row by row, as numpy's tril_indices and triu_indices count them.
        lower[*torch.tril_indices(POSE, POSE, -1)] = state[f"{lu}.lower_entries"]
        upper[*torch.triu_indices(POSE, POSE, 1)] = state[f"{lu}.upper_entries"]
        log_scale = state[f"{act}.log_scale"]
        mix = torch.linalg.inv(lower @ upper) / log_scale.exp()[:, None]
        ours[f"{to}.mix.weight"] = mix
        ours[f"{to}.mix.bias"] = -mix @ state[f"{lu}.bias"] - state[f"{act}.shift"] / log_scale.exp()
        volume = volume + log_scale.sum() + diagonal.log().sum()
        first = state[f"{net}.initial_layer.weight"]
        ours[f"{to}.net.first.weight"], ours[f"{to}.net.seen.weight"] = first[:, : POSE // 2], first[:, POSE // 2 :]
        ours[f"{to}.net.first.bias"] = state[f"{net}.initial_layer.bias"]
        for part in ("weight", "bias"):
            ours[f"{to}.net.last.{part}"] = state[f"{net}.final_layer.{part}"]
        for index in range(RESIDUAL_BLOCKS):
            block, into = f"{net}.blocks.{index}", f"{to}.net.blocks.{index}"
            ours[f"{into}.scale"], ours[f"{into}.shift"] = norm(f"{block}.batch_norm_layers.0")
            scale, shift = norm(f"{block}.batch_norm_layers.1")
            ours[f"{into}.inner.weight"] = state[f"{block}.linear_layers.0.weight"] * scale[:, None]
            ours[f"{into}.inner.bias"] = state[f"{block}.linear_layers.0.bias"] * scale + shift
            for part in ("weight", "bias"):
                ours[f"{into}.outer.{part}"] = state[f"{block}.linear_layers.1.{part}"]
    ours["flow.log_volume"] = volume
    for part in ("weight", "bias"):
        ours[f"head.inner.{part}"] = state[f"{_HEAD}.layers.0.{part}"]
        ours[f"head.outer.{part}"] = state[f"{_HEAD}.layers.2.{part}"]
    mean = torch.cat((state[f"{_HEAD}.init_betas"].flatten(), state[f"{_HEAD}.init_cam"].flatten()))
    ours["head.outer.bias"] = ours["head.outer.bias"] + mean
    return {name: value.float().contiguous() for name, value in ours.items()}
