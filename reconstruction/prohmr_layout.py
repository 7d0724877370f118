"""How ProHMR's tensors are named in its published checkpoint, and what becomes of them in `reconstruction.prohmr`."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from carescene.humans.body import NUM_BETAS
from reconstruction.prohmr import EXPANSION, FEATURES, HIDDEN, POSE, RESIDUAL_BLOCKS, STAGES, STEPS

FLOW: Final = "flow.flow._transform"
HEAD: Final = "flow.fc_head"
# Batch norms of the published code have torch's default; upstream nflows has another.
_EPS: Final = 1e-5
# Added to the diagonal of U.
_LU_EPS: Final = 1e-3


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that make the network: 318 of the ResNet, 164 of the flow, 6 of the head."""
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
        act, lu, coupling = (f"{FLOW}._transforms.{3 * step + part}" for part in range(3))
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
    linear(f"{HEAD}.layers.0", FEATURES, HIDDEN)
    linear(f"{HEAD}.layers.2", HIDDEN, NUM_BETAS + 3)
    shapes.update({f"{HEAD}.init_cam": (1, 1, 3), f"{HEAD}.init_betas": (1, 1, NUM_BETAS)})
    return shapes


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


def fold_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of `ProHmr` from all those of `published_shapes`; all arithmetic in double precision."""
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
        act, lu, coupling = (f"{FLOW}._transforms.{3 * step + part}" for part in range(3))
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
        ours[f"head.inner.{part}"] = state[f"{HEAD}.layers.0.{part}"]
        ours[f"head.outer.{part}"] = state[f"{HEAD}.layers.2.{part}"]
    mean = torch.cat((state[f"{HEAD}.init_betas"].flatten(), state[f"{HEAD}.init_cam"].flatten()))
    ours["head.outer.bias"] = ours["head.outer.bias"] + mean
    return {name: value.float().contiguous() for name, value in ours.items()}
