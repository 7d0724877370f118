"""Disk cache of text features: one file per text, named by what it depends on, safe under many writers."""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from platformdirs import user_cache_path
from torch import Tensor

from carescene.files import write_atomically


def cache_folder(name: str) -> Path:
    """Folder for things that can be computed again: `$CARESCENE_CACHE/<name>`, else the platform's user cache."""
    override = os.environ.get("CARESCENE_CACHE")
    root = Path(override) if override else user_cache_path("carescene")
    return root / name


class TextCache:
    """Token features of single texts on disk, half precision, one `.npy` per text.

    A file's name is the sha256 of the encoder's id and the text, so entries never go stale and need no index or lock:
    two processes that compute the same text replace one complete file by an identical one.

    Args:
        folder: where the files lie; made when first written to.
        model_id: identity of the encoder's weights and tokeniser.
    """

    def __init__(self, folder: Path, model_id: str) -> None:
        self.folder = folder
        self.model_id = model_id

    def path(self, text: str) -> Path:
        """File that holds the features of a text, in one of 256 subfolders so that listings stay short."""
        key = hashlib.sha256(f"{self.model_id}\0{text}".encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.npy"

    def read(self, text: str) -> Float[Tensor, "token channel"] | None:
        """Stored features as float32, or None when the text is not stored or its file is damaged."""
        try:
            array = np.load(self.path(text), allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):
            # A damaged entry is worth as much as none: the caller computes and replaces it.
            return None
        return torch.from_numpy(array.astype(np.float32))

    def write(self, text: str, features: Float[Tensor, "token channel"]) -> None:
        """Store features; they must already be representable in half precision (see `TextEncoder.encode`)."""
        array = features.to(torch.float16).numpy()
        write_atomically(self.path(text), lambda file: np.save(file, array))
