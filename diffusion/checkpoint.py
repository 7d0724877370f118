"""Model files: weights as safetensors, everything else as json next to them.

`motion.safetensors` + `motion.json` belong together by their stem. The json holds the configuration, free-form
`metadata` (training command, data hash, licence) and the sha256 of the weights, so that a mixed-up pair is noticed.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from carescene.errors import UserError
from carescene.files import write_atomically
from diffusion.denoiser import DenoiserConfig
from diffusion.loss_config import LossConfig
from diffusion.model import ModelConfig, MotionModel
from diffusion.process import ProcessConfig

FORMAT: Final = "carescene-motion-model-1"
# Statistics of the data turn numbers into metres; half precision would cost a millimetre per metre.
_KEEP_FLOAT32: Final = ("feature_mean", "feature_std")
_SECTIONS: Final[dict[str, type]] = {"process": ProcessConfig, "denoiser": DenoiserConfig, "loss": LossConfig}


def save_checkpoint(
    model: MotionModel, path: Path, metadata: dict[str, Any] | None = None, half: bool = False
) -> tuple[Path, Path]:
    """Write `path` (.safetensors) and its json twin; returns both paths.

    Args:
        metadata: anything json can hold, e.g. the training command and the hash of the data.
        half: weights as float16, half the size; the statistics of the data stay float32.

    Raises:
        UserError: if the path does not end in .safetensors or cannot be written.
    """
    if path.suffix != ".safetensors":
        raise UserError(f"Expected a file name that ends in .safetensors, but got {path}. Rename it.")
    tensors = {
        name: value.detach()
        .to("cpu", torch.float16 if half and name not in _KEEP_FLOAT32 else torch.float32)
        .contiguous()
        for name, value in model.state_dict().items()
    }
    weights = save_tensors(tensors, metadata={"format": FORMAT})
    record = {
        "format": FORMAT,
        "config": asdict(model.config),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "metadata": metadata or {},
    }
    twin = path.with_suffix(".json")
    write_atomically(path, lambda file: file.write(weights))
    write_atomically(twin, lambda file: file.write((json.dumps(record, indent=2) + "\n").encode()))
    return path, twin


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> tuple[MotionModel, dict[str, Any]]:
    """Read a model in float32, ready for sampling (eval mode), and its record (`sha256`, `metadata`, ...).

    Raises:
        UserError: if one of the two files is missing, damaged, of another version, or does not fit the other.
    """
    record, tensors = _read(path)
    model = MotionModel(_config_from(record.get("config"), path.with_suffix(".json")))
    try:
        model.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise UserError(
            f"Expected weights in {path} that fit its configuration, but got others: {error}. The model was saved by "
            "another version of carescene; use that version or train again."
        ) from error
    return model.to(device).eval(), record


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Record and weights of a model file that is whole."""
    twin = path.with_suffix(".json")
    for file in (path, twin):
        if not file.is_file():
            raise UserError(
                f"Expected a model file {file}, but there is none. A model is a pair of .safetensors and .json with "
                "one name; check the path or train one with `lightning fit`."
            )
    try:
        record = json.loads(twin.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"Expected json in {twin}, but it cannot be read ({error}). Copy it again.") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise UserError(
            f"Expected a model of format {FORMAT} in {twin}, but got {found!r}. It is another kind of file."
        )
    weights = path.read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    if record.get("sha256") != digest:
        raise UserError(
            f"Expected the weights that {twin.name} describes, but {path} has another checksum ({digest[:12]}). The "
            "file is damaged or the two belong to different models; copy both again."
        )
    try:
        tensors = load_tensors(weights)
    except SafetensorError as error:
        raise UserError(f"Expected safetensors in {path}, but it cannot be read ({error}). Copy it again.") from error
    return record, tensors


def warm_start(model: MotionModel, path: Path) -> list[str]:
    """Take over every weight of a model file that has a place in `model`; returns the names of those that stay fresh.

    Raises:
        UserError: if the file is missing or damaged, or none of its weights or one of another size fits.
    """
    _, tensors = _read(path)
    own = model.state_dict()
    shared = {name: value.float() for name, value in tensors.items() if name in own}
    wrong = [name for name, value in shared.items() if value.shape != own[name].shape]
    if wrong or not shared:
        raise UserError(
            f"Expected weights in {path} of the sizes of this model, but got "
            f"{'others for ' + ', '.join(wrong[:3]) if wrong else 'none with a name in it'}. Start from a model with "
            "the same denoiser settings."
        )
    model.load_state_dict(shared, strict=False)
    return sorted(set(own) - set(shared))


def config_from_dict(values: dict[str, Any]) -> ModelConfig:
    """A `ModelConfig` from nested dictionaries as in a checkpoint's json; unknown or ill-typed keys raise TypeError."""
    rest = dict(values)
    sections = {name: kind(**rest.pop(name, {})) for name, kind in _SECTIONS.items()}
    return ModelConfig(**sections, **rest)


def _config_from(values: object, file: Path) -> ModelConfig:
    try:
        if not isinstance(values, dict):
            raise TypeError(f"config is {type(values).__name__}")
        return config_from_dict(values)
    except TypeError as error:
        raise UserError(
            f"Expected a configuration of this version of carescene in {file}, but got {error}. "
            "Use the version that saved the model."
        ) from error
