"""Files of the official evaluators: where they lie, what they are, and refusing those of another evaluator by name.

Nothing here is downloaded, and nothing that could run code is read.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from carescene.clips.formats.humanml3d import read_statistics
from carescene.errors import UserError
from carescene.evaluation.interclip import InterClip, InterClipEvaluator
from carescene.evaluation.t2m import MotionEncoder, MovementEncoder, T2MEvaluator, TextEncoder
from carescene.evaluation.t2m_words import load_words

T2M_FILE: Final = "t2m/text_mot_match/model/finest.tar"
INTERCLIP_FILE: Final = "eval_model/interclip.ckpt"
# mean.npy and std.npy of the training run that the evaluator's statistics come from; MDM ships them renamed.
_META: Final = "t2m/Comp_v6_KLD01/meta"

T2M_NEEDS: Final = (
    f"The T2M evaluator of HumanML3D needs, in one folder: {T2M_FILE} (t2m.zip of "
    "github.com/EricGuo5513/text-to-motion or of MDM's README), t2m_mean.npy and t2m_std.npy (MDM's dataset folder; or "
    f"mean.npy and std.npy in {_META}), and "
    "glove/our_vab_data.npy, our_vab_words.pkl and our_vab_idx.pkl (glove.zip of the same pages)."
)
INTERCLIP_NEEDS: Final = (
    f"InterCLIP needs {INTERCLIP_FILE} in the folder (prepare/download_evaluation_model.sh of "
    "github.com/tr3e/InterGen; CC BY-NC-SA 4.0)."
)

_T2M_PARTS: Final = ("movement_encoder", "motion_encoder", "text_encoder")
# Width of the movement encoder's input in evaluators that share the three networks.
_T2M_WIDTHS: Final = {
    259: "T2M evaluator of HumanML3D (E263)",
    247: "T2M evaluator of KIT-ML (251 features)",
    67: "MARDM evaluator (E67, 67 features)",
    63: "MARDM evaluator (E67, 63 of 67 features)",
}


def load_t2m(folder: Path) -> T2MEvaluator:
    """The T2M evaluator from the official files in a folder.

    Raises:
        UserError: missing files, each named with where to get it; damaged ones; another evaluator's checkpoint or
            statistics.
    """
    renamed = (folder / "t2m_std.npy").is_file()
    statistics = (folder, "t2m_mean.npy", "t2m_std.npy") if renamed else (folder / _META, "mean.npy", "std.npy")
    needed = [folder / T2M_FILE, *(statistics[0] / name for name in statistics[1:])]
    needed += [folder / "glove" / f"our_vab_{name}" for name in ("data.npy", "words.pkl", "idx.pkl")]
    missing = [str(path.relative_to(folder)) for path in needed if not path.is_file()]
    if missing:
        raise UserError(f"Expected the T2M evaluator in '{folder}', but {', '.join(missing)} is missing. {T2M_NEEDS}")
    content = _read(folder / T2M_FILE)
    _expect("T2M evaluator of HumanML3D (E263)", content, folder / T2M_FILE)
    parts: dict[str, nn.Module] = {
        "movement_encoder": MovementEncoder(),
        "motion_encoder": MotionEncoder(),
        "text_encoder": TextEncoder(),
    }
    for name, module in parts.items():
        load_strictly(module, content[name], f"{name} of '{folder / T2M_FILE}'")
    return T2MEvaluator(*parts.values(), read_statistics(*statistics), load_words(folder / "glove"))  # type: ignore[arg-type]


def load_interclip(folder: Path) -> InterClipEvaluator:
    """InterCLIP from the official file in a folder.

    Raises:
        UserError: a missing or damaged file, or another evaluator's.
    """
    path = folder / INTERCLIP_FILE
    if not path.is_file():
        raise UserError(f"Expected InterCLIP in '{folder}', but {INTERCLIP_FILE} is missing. {INTERCLIP_NEEDS}")
    content = _read(path)
    _expect("InterCLIP", content, path)
    with torch.device("meta"):
        model = InterClip()
    load_strictly(model, _without_prefix(content["state_dict"]), f"'{path}'", assign=True)
    return InterClipEvaluator(model)


def evaluator_name(content: Any) -> str:
    """Which evaluator a checkpoint belongs to, by its parts and shapes; `unknown (...)` with its first names."""
    if not isinstance(content, Mapping):
        return f"unknown ({type(content).__name__})"
    if all(isinstance(content.get(part), Mapping) for part in _T2M_PARTS):
        weight = content["movement_encoder"].get("main.0.weight")
        width = weight.shape[1] if isinstance(weight, Tensor) and weight.ndim == 3 else 0
        return _T2M_WIDTHS.get(width, f"T2M-like evaluator of {width} features")
    state = content.get("state_dict", content)
    names = [str(name) for name in state] if isinstance(state, Mapping) else []
    plain = [name.removeprefix("model.") for name in names]
    if any(name.startswith("textTransEncoder.") for name in plain):
        return "InterCLIP"
    if any("textencoder." in name or "text_encoder." in name for name in plain) and any(
        "motionencoder." in name or "motion_encoder." in name or "motion_decoder." in name for name in plain
    ):
        return "TMR (E272 of MotionStreamer, or another TMR)"
    if any(name.startswith("seqTransEncoder.") for name in plain):
        return "a generator of the MDM family, not an evaluator"
    return f"unknown ({', '.join(plain[:3]) or 'empty'})"


def load_strictly(module: nn.Module, weights: Mapping[str, Tensor], what: str, assign: bool = False) -> None:
    """Load weights; every name and shape must agree.

    Raises:
        UserError: naming the first few that do not.
    """
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    got = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = [
        f"{name} {got.get(name, 'missing')} for {expected.get(name, 'nothing')}"
        for name in sorted(expected.keys() | got.keys())
        if expected.get(name) != got.get(name)
    ]
    if wrong:
        raise UserError(
            f"Expected the published layout in {what}, but {len(wrong)} of {len(expected)} weights differ: "
            f"{'; '.join(wrong[:3])}. The file belongs to another version or evaluator; fetch the published one."
        )
    module.load_state_dict(dict(weights), strict=True, assign=assign)


def _without_prefix(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("model."): value.float() for name, value in weights.items()}


def _read(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as error:
        raise UserError(
            f"Expected weights in '{path}', but it cannot be read ({str(error).splitlines()[0]}). The file is damaged "
            "or holds more than weights; fetch it anew."
        ) from error


def _expect(name: str, content: Any, path: Path) -> None:
    found = evaluator_name(content)
    if found != name:
        raise UserError(
            f"Expected the checkpoint of {name} in '{path}', but got that of {found}. Numbers of different evaluators "
            "cannot be compared; put the right file in place."
        )
