"""What a small training keeps beside its output, so that a stopped run goes on."""

from pathlib import Path
from typing import Any

import torch

from carescene.errors import UserError


def read_training_state(path: Path, identity: str) -> dict[str, Any]:
    """The kept state of a training whose settings and data are told by `identity`.

    Raises:
        UserError: the file holds another training.
    """
    kept = torch.load(path, weights_only=True)
    if kept.get("identity") != identity:
        raise UserError(
            f"Expected '{path}' to hold a training with these settings and data, but it holds another. Delete it to "
            "start anew, or give another --out."
        )
    return kept
