"""What identifies an official HumanML3D folder without reading it, and what is told of one that was read."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from carescene.clips.dropped import DropReport
from carescene.clips.formats.humanml3d import SPLITS, read_ids
from carescene.files import write_atomically

# One line for each split, for the log of a training run.
SUMMARY_NAME: Final = "summary.txt"


def folder_key(folder: Path, **facts: str | int) -> str:
    """A short hash of the folder's files and of what will be made of them.

    Reading all vectors takes minutes from a slow disk; a file that was changed has another size or time.

    Args:
        folder: with `new_joint_vecs`, `texts`, `Mean.npy`, `Std.npy` and the lists.
        facts: whatever else decides what is made.

    Raises:
        UserError: if a list is missing.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    paths = [folder / "Mean.npy", folder / "Std.npy"]
    for split in SPLITS:
        for clip_id in read_ids(folder, split):
            digest.update(f"{split}\0{clip_id}\0".encode())
            paths += [folder / "new_joint_vecs" / f"{clip_id}.npy", folder / "texts" / f"{clip_id}.txt"]
    for path in paths:
        # A missing file is told when the folder is read.
        stat = path.stat() if path.is_file() else None
        digest.update(f"{path.name}\0{stat and (stat.st_size, stat.st_mtime_ns)}\0".encode())
    return digest.hexdigest()[:16]


def write_reports(folder: Path, reports: Sequence[DropReport]) -> None:
    """Write what was left out of each split (train, val, test) as `report-<split>.json`, and one line for each.

    Raises:
        UserError: if the folder cannot be written.
    """
    for split, report in zip(SPLITS, reports, strict=True):
        report.write(folder / f"report-{split}.json")
    text = "".join(f"{report.summary()}\n" for report in reports)
    write_atomically(folder / SUMMARY_NAME, lambda file: file.write(text.encode()))
