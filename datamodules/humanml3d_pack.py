"""An official HumanML3D folder packed into a few memory-mapped arrays: its raw numbers, captions and statistics."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tqdm import tqdm

from carescene.clips.dropped import DropReport, OnBad
from carescene.clips.formats.humanml3d import SPLITS, WIDTH, read_humanml3d
from carescene.errors import UserError
from datamodules.humanml3d_key import folder_key, write_reports
from datamodules.pack_files import Caption, as_npy, build_folder, save_array, write_text
from diffusion.normaliser import Normaliser
from diffusion.text import load_text_encoder

# Part of the key: raise it when the meaning of the arrays changes.
_PACK_VERSION: Final = 1


@dataclass(frozen=True)
class VectorSequence:
    """One item in the pack: rows `start` to `start + frames`, and the numbers of its captions."""

    id: str
    split: str
    start: int
    frames: int
    captions: list[int]


@dataclass(frozen=True)
class VectorPack:
    """An opened pack; its arrays are mapped when first used, once per process."""

    folder: Path
    data_hash: str
    sequences: list[VectorSequence]
    captions: list[Caption]

    @cached_property
    def vectors(self) -> np.ndarray:
        """Raw numbers of all items, `(frame, 263)`."""
        return np.load(self.folder / "vectors.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def text(self) -> np.ndarray:
        """Token features of all captions, `(token, channel)`."""
        return np.load(self.folder / "text.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def normaliser(self) -> Normaliser:
        """The folder's own Mean and Std."""
        mean, std = torch.from_numpy(np.load(self.folder / "stats.npy", allow_pickle=False))
        return Normaliser(mean, std)

    def __getstate__(self) -> dict[str, Any]:
        # Worker processes map the files themselves instead of receiving copies.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def pack_vectors(folder: Path, pack_dir: Path, encoder_name: str = "minilm", on_bad: OnBad = "refuse") -> Path:
    """Pack an official folder, unless that has been done, and return the folder of the pack.

    Arrays: `vectors.npy (frame, 263)` float32, `text.npy (token, channel)`, `stats.npy (2, 263)`; beside them
    `report-<split>.json`, `summary.txt` and `pack.json`.

    Raises:
        UserError: what `read_humanml3d` refuses, no training clips, or nothing can be written.
    """
    encoder = load_text_encoder(encoder_name)
    key = folder_key(folder, version=_PACK_VERSION, on_bad=on_bad, text_encoder=encoder.model_id)

    def write(building: Path) -> None:
        sequences: list[VectorSequence] = []
        captions: dict[str, int] = {}
        reports: list[DropReport] = []
        digest, rows = hashlib.sha256(), 0
        with (building / "vectors.raw").open("wb") as file:
            for split in SPLITS:
                data = read_humanml3d(folder, split, on_bad=on_bad, progress=True)
                reports.append(data.report)
                for item in tqdm(data.items, desc=f"packing {split}", unit="clip", disable=None):
                    content = np.ascontiguousarray(item.features()).tobytes()
                    texts = [caption.text for caption in item.captions]
                    digest.update(json.dumps([split, item.id, texts]).encode())
                    digest.update(content)
                    file.write(content)
                    numbers = [captions.setdefault(text, len(captions)) for text in texts]
                    sequences.append(VectorSequence(item.id, split, rows, item.length, numbers))
                    rows += item.length
        if not any(sequence.split == "train" for sequence in sequences):
            raise UserError(
                f"Expected usable clips in '{folder}/train.txt', but got none: {reports[0].summary()}. "
                "Unpack the data anew."
            )
        write_reports(building, reports)
        as_npy(building / "vectors.raw", building / "vectors.npy", np.float32, (rows, WIDTH))
        save_array(building / "stats.npy", np.stack((data.statistics.mean, data.statistics.std)).astype(np.float32))
        written = write_text(building, list(captions), encoder)
        header = {
            "data": digest.hexdigest(),
            "sequences": [asdict(sequence) for sequence in sequences],
            "captions": [asdict(caption) for caption in written],
        }
        (building / "pack.json").write_text(json.dumps(header, ensure_ascii=False), encoding="utf-8")

    return build_folder(pack_dir / f"vectors-{key}", write)


def open_vector_pack(folder: Path) -> VectorPack:
    """Open a pack made by `pack_vectors`."""
    header = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
    return VectorPack(
        folder,
        header["data"],
        [VectorSequence(**fields) for fields in header["sequences"]],
        [Caption(**fields) for fields in header["captions"]],
    )
