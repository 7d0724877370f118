"""The lifter's weights file: half precision, with its size, calibration and origin."""

from contextlib import ExitStack
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, NamedTuple

import safetensors
import safetensors.torch
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError
from reconstruction.lifter_network import Lifter, LifterConfig

# The weights that ship.
BUNDLED: Final = "lifter.safetensors"
FORMAT: Final = "carescene lifter 1"
_TEMPER: Final = "temper"


class LoadedLifter(NamedTuple):
    """A trained network and the factors on its standard deviations per joint (`calibrated`)."""

    model: Lifter
    temper: Float[Tensor, "24"]


def lifter_bytes(model: Lifter, temper: Float[Tensor, "24"], notes: dict[str, str]) -> bytes:
    """The content of a weights file, with the config and notes (data, licence) beside the weights."""
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    config = {name: str(value) for name, value in asdict(model.config).items()}
    return safetensors.torch.save(weights | {_TEMPER: temper.float()}, notes | config | {"format": FORMAT})


def load_lifter(path: Path | None = None) -> LoadedLifter:
    """The lifter of a weights file; the shipped one when None.

    Raises:
        UserError: no such file, a damaged one, or one of another kind.
    """
    with ExitStack() as stack:
        found = path or stack.enter_context(as_file(files("carescene") / "assets" / BUNDLED))
        if not found.is_file():
            raise UserError(
                f"Expected the lifter's weights at '{found}', but there is no such file. Train them with "
                "`python tools/train_lifter.py`, or correct the path."
            )
        try:
            with safetensors.safe_open(found, framework="pt") as file:
                metadata = file.metadata() or {}
                weights: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except safetensors.SafetensorError as error:
            raise UserError(
                f"Expected the lifter's weights in '{found}', but it is damaged ({error}). Copy it again."
            ) from error
    if metadata.get("format") != FORMAT:
        raise UserError(
            f"Expected a file with format '{FORMAT}' at '{found}', but got '{metadata.get('format', 'none')}'. "
            "It holds another model; give the file that tools/train_lifter.py wrote."
        )
    model = Lifter(LifterConfig(**{name: int(metadata[name]) for name in asdict(LifterConfig())}))
    temper = weights.pop(_TEMPER)
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    return LoadedLifter(model.eval(), temper)
