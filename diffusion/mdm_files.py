"""MDM's published checkpoints, read and written in their own layout.

    save/NAME/model000475000.pt   a state dict without CLIP, or {"model": ..., "model_avg": ...} of averaging
    save/NAME/args.json           the settings of the training run
    Mean.npy, Std.npy             of HumanML3D: what the numbers were normalised with; not part of the checkpoint

Names and shapes of the tensors are compared one by one: nothing is skipped in silence.
"""

import json
import pickle
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from carescene.errors import UserError
from carescene.files import write_atomically
from diffusion.mdm import POSITIONS, MdmConfig, MdmNetwork, position_table
from diffusion.mdm_model import MDM_PROCESS, MdmModel, MdmModelConfig
from diffusion.normaliser import Normaliser
from diffusion.process import ProcessConfig

# Our modules and theirs.
_NAMES: Final = {
    "embed": "input_process.poseEmbedding",
    "level": "embed_timestep.time_embed",
    "text": "embed_text",
    "encoder": "seqTransEncoder",
    "out": "output_process.poseFinal",
}
# Tables of positions, computed and not learned; some checkpoints carry them, once or twice.
_TABLES: Final = ("sequence_pos_encoder.pe", "embed_timestep.sequence_pos_encoder.pe")
_CLIP: Final = "clip_model."
# Of wrappers for several GPUs and for averaging.
_WRAPPERS: Final = {"module", "model", ""}
_AVERAGES: Final = ("n_averaged",)
# Settings that make another network than the encoder, and the only values that this one stands for.
_ONLY: Final[dict[str, tuple[object, ...]]] = {
    "arch": ("trans_enc",),
    "noise_schedule": ("cosine",),
    "text_encoder_type": ("clip",),
    "emb_policy": ("add",),
    "unconstrained": (False,),
    "multi_target_cond": (False,),
}


def published_shapes(config: MdmConfig | None = None) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of a published encoder, tables of positions and CLIP left out."""
    c = config or MdmConfig()
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    linear("input_process.poseEmbedding", c.features, c.dim)
    for index in range(c.depth):
        layer = f"seqTransEncoder.layers.{index}"
        shapes.update(
            {
                f"{layer}.self_attn.in_proj_weight": (3 * c.dim, c.dim),
                f"{layer}.self_attn.in_proj_bias": (3 * c.dim,),
            }
        )
        linear(f"{layer}.self_attn.out_proj", c.dim, c.dim)
        linear(f"{layer}.linear1", c.dim, c.hidden)
        linear(f"{layer}.linear2", c.hidden, c.dim)
        for norm in ("norm1", "norm2"):
            shapes.update({f"{layer}.{norm}.weight": (c.dim,), f"{layer}.{norm}.bias": (c.dim,)})
    linear("embed_timestep.time_embed.0", c.dim, c.dim)
    linear("embed_timestep.time_embed.2", c.dim, c.dim)
    linear("embed_text", c.text_dim, c.dim)
    linear("output_process.poseFinal", c.dim, c.features)
    return shapes


def load_published(path: Path, normaliser: Normaliser, *, averaged: bool = True, steps: int | None = None) -> MdmModel:
    """A published checkpoint as a model that is ready to sample.

    Args:
        path: the `model*.pt`; `args.json` beside it tells its settings. Without it, sizes come from the weights and
            the number of heads is the published 4.
        normaliser: statistics of the training data, HumanML3D's `Mean.npy` and `Std.npy`.
        averaged: take the averaged weights where the file has both.
        steps: length of the chain; must be given when there is no `args.json` and it is not 1000.

    Raises:
        UserError: if the file cannot be read, is another network, or a tensor is missing, unknown or of another shape.
    """
    state = _clean(_read(path, averaged), path)
    settings = _settings(path)
    config = _config(state, settings, path)
    told = settings.get("diffusion_steps")
    if steps is not None and told is not None and steps != told:
        raise UserError(
            f"Expected the {told} diffusion steps that {path.parent / 'args.json'} names, but got steps={steps}. "
            "To take fewer steps of the same chain, set the sampler's steps instead."
        )
    process = ProcessConfig(
        schedule="cosine", steps=int(steps or told or MDM_PROCESS.steps), prediction="x0", weighting="plain"
    )
    dropout = float(settings.get("cond_mask_prob", 0.1))
    model = MdmModel(MdmModelConfig(process, config, dropout), normaliser)
    _check(state, published_shapes(config), path)
    model.network.load_state_dict({_ours(name): value.float() for name, value in state.items()})
    return model.eval()


def to_published(network: MdmNetwork) -> dict[str, Tensor]:
    """The weights under their published names, tables of positions included."""
    state = {_theirs(name): value.detach().cpu().clone() for name, value in network.state_dict().items()}
    table = position_table(POSITIONS, network.config.dim)[:, None]
    return state | dict.fromkeys(_TABLES, table)


def save_published(model: MdmModel, folder: Path, step: int) -> Path:
    """Write `model#########.pt` and `args.json` so that the published code can read them; returns the former.

    Raises:
        UserError: if the folder cannot be written.
    """
    network, process = model.config.network, model.config.process
    args = {
        "arch": "trans_enc",
        "cond_mask_prob": model.config.text_dropout,
        "dataset": "humanml",
        "diffusion_steps": process.steps,
        "latent_dim": network.dim,
        "layers": network.depth,
        "mask_frames": network.mask_padding,
        "noise_schedule": process.schedule,
        "sigma_small": True,
        "text_encoder_type": "clip",
    }
    path = folder / f"model{step:09d}.pt"
    write_atomically(path, lambda file: torch.save(to_published(model.network), file))
    text = json.dumps(args, indent=4, sort_keys=True)
    write_atomically(folder / "args.json", lambda file: file.write(text.encode()))
    return path


def _read(path: Path, averaged: bool) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"Expected a checkpoint of MDM at '{path}', but there is no such file. Check the path.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(
            f"Expected a checkpoint of MDM at '{path}', but it cannot be read ({str(error).splitlines()[0]}). "
            "It is probably incomplete; download it again."
        ) from error
    if isinstance(content, dict) and "model" in content:
        content = content["model_avg"] if averaged and "model_avg" in content else content["model"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(
            f"Expected tensors by name in '{path}', but got something else. Give the model*.pt of a training run, not "
            "its opt*.pt."
        )
    return content


def _clean(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Without the prefixes of wrappers, without CLIP, and without tables that say what is known anyway."""
    first = f"{_NAMES['embed']}.weight"
    prefix = next((name.removesuffix(first) for name in state if name.endswith(first)), "")
    if set(prefix.split(".")) <= _WRAPPERS:
        state = {name.removeprefix(prefix): value for name, value in state.items() if name not in _AVERAGES}
    state = {name: value for name, value in state.items() if not name.startswith(_CLIP)}
    for name in _TABLES:
        if name not in state:
            continue
        table = state.pop(name).float().flatten(1)
        if not torch.allclose(table, position_table(*table.shape), atol=1e-4):
            raise UserError(
                f"Expected sines and cosines in '{name}' of '{path}', but got others. It is another network."
            )
    return state


def _settings(path: Path) -> dict[str, Any]:
    file = path.parent / "args.json"
    if not file.is_file():
        return {}
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"Expected json in '{file}', but it cannot be read ({error}). Copy it again.") from error
    for name, allowed in _ONLY.items():
        if settings.get(name, allowed[0]) not in allowed:
            raise UserError(
                f"Expected {name}={allowed[0]} in '{file}', but got {settings[name]!r}. Only MDM's text-conditioned "
                "encoder with CLIP can be loaded."
            )
    return settings


def _config(state: dict[str, Tensor], settings: dict[str, Any], path: Path) -> MdmConfig:
    """Sizes as the weights have them; what weights do not tell comes from the settings."""
    needed = ("input_process.poseEmbedding.weight", "embed_text.weight", "seqTransEncoder.layers.0.linear1.weight")
    missing = [name for name in needed if name not in state]
    if missing:
        raise UserError(
            f"Expected the encoder of MDM in '{path}', but it has no tensor {missing[0]}. It is another network."
        )
    dim, features = state[needed[0]].shape
    layers = {name.split(".")[2] for name in state if name.startswith("seqTransEncoder.layers.")}
    config = MdmConfig(
        features=features,
        text_dim=state[needed[1]].shape[1],
        dim=dim,
        depth=len(layers),
        hidden=state[needed[2]].shape[0],
        mask_padding=bool(settings.get("mask_frames", False)),
    )
    for name, told, found in (("latent_dim", settings.get("latent_dim", dim), dim),
                              ("layers", settings.get("layers", config.depth), config.depth)):  # fmt: skip
        if told != found:
            raise UserError(
                f"Expected {name}={told} as '{path.parent / 'args.json'}' says, but the weights have {found}. "
                "The two belong to different runs."
            )
    return config


def _check(state: dict[str, Tensor], expected: dict[str, tuple[int, ...]], path: Path) -> None:
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    wrong = sorted(name for name in expected.keys() & state.keys() if tuple(state[name].shape) != expected[name])
    told = [
        f"{len(names)} {what} ({', '.join(names[:3])})"
        for names, what in ((missing, "missing"), (unknown, "unknown"), (wrong, "of another shape"))
        if names
    ]
    if told:
        raise UserError(
            f"Expected the {len(expected)} tensors of MDM's encoder in '{path}', but got {' and '.join(told)}. "
            "It is another network or a damaged file."
        )


def _ours(name: str) -> str:
    for ours, theirs in _NAMES.items():
        if name.startswith(f"{theirs}."):
            return ours + name.removeprefix(theirs)
    raise AssertionError(name)  # `_check` has compared all names


def _theirs(name: str) -> str:
    module, rest = name.split(".", 1)
    return f"{_NAMES[module]}.{rest}"
