"""What a prepared folder holds: its splits, and the hash by which packs made of it are known."""

import hashlib
from pathlib import Path
from typing import Final

from carescene.errors import UserError

SPLITS: Final = ("train", "val", "test")
MODEL_FPS: Final = 20


def read_split(data_dir: Path, split: str) -> list[str]:
    """Clip ids of one split of a prepared folder, in the file's order.

    Raises:
        UserError: if the folder was not made by `lightning prepare`.
    """
    path = data_dir / "splits" / f"{split}.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise UserError(
            f"Expected a prepared data folder at '{data_dir}', but '{path}' does not exist. "
            "Run `lightning prepare mocap --source DIR --out DIR` and give its --out as data.data_dir."
        ) from error
    return [line.strip() for line in lines if line.strip()]


def hash_prepared(data_dir: Path) -> str:
    """sha256 over splits and clips of a prepared folder: the identity of the training data.

    Raises:
        UserError: if a split or a clip of a split is missing.
    """
    digest = hashlib.sha256()
    for split in SPLITS:
        for clip_id in read_split(data_dir, split):
            digest.update(f"{split}\0{clip_id}\0".encode())
            for suffix in (".json", ".npz"):
                path = data_dir / "clips" / f"{clip_id}{suffix}"
                try:
                    digest.update(hashlib.sha256(path.read_bytes()).digest())
                except FileNotFoundError as error:
                    raise UserError(
                        f"Expected clip '{clip_id}' of the {split} split at '{path}', but it is not there. "
                        "Prepare the data again."
                    ) from error
    return digest.hexdigest()
