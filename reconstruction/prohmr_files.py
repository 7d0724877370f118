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

from carescene.errors import UserError
from reconstruction.prohmr import POSE, STEPS, ProHmr
from reconstruction.prohmr_layout import FLOW, fold_published, published_shapes

# Of training, of SMPL, and what the fork of nflows gives every transform.
_DROPPED: Final = ("discriminator.", "smpl.")
_DUMMIES: Final = ("dummy_buffer", "_distribution._log_z")
_WRAPPERS: Final = ("module.", "model.")
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
    network.load_state_dict(fold_published(state), strict=True, assign=True)
    return network.eval().requires_grad_(False)


class _Forgotten:
    """Stands in for objects of other packages in a file: made from nothing, keeps nothing, runs nothing."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


class _ForgottenMapping:
    """The same for what is written as a dictionary: torch fills nothing else with items."""

    def __new__(cls, *_: Any) -> OrderedDict[Any, Any]:
        return OrderedDict()


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
        stand_ins = [(_ForgottenMapping if name.endswith(_MAPPINGS) else _Forgotten, name) for name in foreign]
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
    if "backbone.conv1.weight" not in state or not any(name.startswith(f"{FLOW}.") for name in state):
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
    bad = [] if missing or unknown or wrong else _bad(state)
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


def _bad(state: Mapping[str, Tensor]) -> list[str]:
    """Tensors that are not finite, or split the flow's numbers otherwise than `FlowStep` does."""
    bad = [name for name, value in state.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    for step in range(STEPS):
        for which, start in (("identity", step % 2), ("transform", 1 - step % 2)):
            name = f"{FLOW}._transforms.{3 * step + 2}.{which}_features"
            if state[name].tolist() != list(range(start, POSE, 2)):
                bad.append(name)
    return bad
