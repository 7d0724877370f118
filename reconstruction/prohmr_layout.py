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
    """Weights of `ProHmr` from all those of `published_shapes`, float32; the arithmetic is in double precision."""
    ours: dict[str, Tensor] = {}

    def of(name: str) -> Tensor:
        return published[name].double()

    def single(value: Tensor) -> Tensor:
        return value.to(torch.float32, copy=True, memory_format=torch.contiguous_format)

    def norm(name: str) -> tuple[Tensor, Tensor]:
        scale = of(f"{name}.weight") / (of(f"{name}.running_var") + _EPS).sqrt()
        return scale, of(f"{name}.bias") - of(f"{name}.running_mean") * scale

    def put(name: str, weight: Tensor, bias: Tensor) -> None:
        # At once in single precision: in double, all of it would take half a gigabyte. Copied, as the file is mapped.
        ours[f"{name}.weight"], ours[f"{name}.bias"] = single(weight), single(bias)

    def copy(name: str, theirs: str) -> None:
        put(name, published[f"{theirs}.weight"], published[f"{theirs}.bias"])

    for conv, bn, _ in _convolutions():
        scale, shift = norm(bn)
        name = conv.replace("downsample.0", "widen")
        for stage in range(len(STAGES)):
            name = name.replace(f".layer{stage + 1}.", f".layers.{stage}.")
        put(name, of(f"{conv}.weight") * scale[:, None, None, None], shift)
    volume = torch.zeros((), dtype=torch.float64)
    for step in range(STEPS):
        act, lu, coupling = (f"{FLOW}._transforms.{3 * step + part}" for part in range(3))
        to, net = f"flow.steps.{step}", f"{coupling}.transform_net"
        diagonal = F.softplus(of(f"{lu}.unconstrained_upper_diag")) + _LU_EPS
        lower, upper = torch.eye(POSE, dtype=torch.float64), torch.diag(diagonal)
        # Entries stand row by row, as numpy's tril_indices and triu_indices count them.
        lower[*torch.tril_indices(POSE, POSE, -1)] = of(f"{lu}.lower_entries")
        upper[*torch.triu_indices(POSE, POSE, 1)] = of(f"{lu}.upper_entries")
        log_scale = of(f"{act}.log_scale")
        mix = torch.linalg.inv(lower @ upper) / log_scale.exp()[:, None]
        put(f"{to}.mix", mix, -mix @ of(f"{lu}.bias") - of(f"{act}.shift") / log_scale.exp())
        volume = volume + log_scale.sum() + diagonal.log().sum()
        first = published[f"{net}.initial_layer.weight"]
        put(f"{to}.net.first", first[:, : POSE // 2], published[f"{net}.initial_layer.bias"])
        ours[f"{to}.net.seen.weight"] = single(first[:, POSE // 2 :])
        for index in range(RESIDUAL_BLOCKS):
            block, into = f"{net}.blocks.{index}", f"{to}.net.blocks.{index}"
            scale, shift = norm(f"{block}.batch_norm_layers.0")
            ours[f"{into}.scale"], ours[f"{into}.shift"] = single(scale), single(shift)
            scale, shift = norm(f"{block}.batch_norm_layers.1")
            inner = f"{block}.linear_layers.0"
            put(f"{into}.inner", of(f"{inner}.weight") * scale[:, None], of(f"{inner}.bias") * scale + shift)
            copy(f"{into}.outer", f"{block}.linear_layers.1")
        copy(f"{to}.net.last", f"{net}.final_layer")
    ours["flow.log_volume"] = single(volume)
    copy("head.inner", f"{HEAD}.layers.0")
    mean = torch.cat((of(f"{HEAD}.init_betas").flatten(), of(f"{HEAD}.init_cam").flatten()))
    put("head.outer", published[f"{HEAD}.layers.2.weight"], of(f"{HEAD}.layers.2.bias") + mean)
    return ours
