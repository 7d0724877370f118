"""What all packs are made of: streams of numbers in npy files, token features of texts, folders complete or absent."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from carescene.errors import UserError
from diffusion.text import TextEncoder


@dataclass(frozen=True)
class Caption:
    """One text and the rows of its token features."""

    text: str
    start: int
    tokens: int


def build_folder(folder: Path, write: Callable[[Path], None]) -> Path:
    """Make a folder whose `pack.json` is written last, unless it is there, and return it.

    Safe when several processes do it at once: each works in a folder of its own, and the first to finish wins.

    Args:
        folder: where it shall be; its name says all that goes into it.
        write: fills an empty folder.

    Raises:
        UserError: if nothing can be written there.
    """
    if (folder / "pack.json").is_file():
        return folder
    building = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        building.mkdir(parents=True, exist_ok=True)
        write(building)
        try:
            building.rename(folder)
        except OSError:
            if not (folder / "pack.json").is_file():  # otherwise another process was faster, with the same content
                raise
    except OSError as error:
        raise UserError(
            f"Expected to be able to write packed data to '{folder.parent}', but got: {error.strerror}. "
            "Choose another folder with data.pack_dir."
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def write_text(folder: Path, texts: list[str], encoder: TextEncoder) -> list[Caption]:
    """Token features of texts as `text.npy`, `(token, channel)` float16, and where each text's rows are."""
    captions: list[Caption] = []
    start = 0
    with (folder / "text.raw").open("wb") as file:
        for text in tqdm(texts, desc="reading captions", unit="caption", disable=None):
            features = encoder.encode_one(text).half().numpy()
            file.write(features.tobytes())
            captions.append(Caption(text, start, len(features)))
            start += len(features)
    as_npy(folder / "text.raw", folder / "text.npy", np.float16, (start, encoder.width))
    return captions


def as_npy(raw: Path, path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    """Put npy's header before a stream of numbers whose count was not known in advance."""
    with path.open("wb") as out, raw.open("rb") as stream:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(out, header)
        shutil.copyfileobj(stream, out, 1 << 24)
    raw.unlink()


def save_array(path: Path, array: np.ndarray) -> None:
    """Write one array as npy."""
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
