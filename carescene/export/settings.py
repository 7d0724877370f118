"""What can be chosen about an export, and what it reports."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from carescene.errors import UserError

# Of the films, by length: what most data sets do.
DEFAULT_SPLIT: Final = (0.8, 0.1, 0.1)
# About what WebDataset's authors advise: large enough to read in one go, small enough to copy again.
DEFAULT_SHARD_BYTES: Final = 10**9
PEOPLE: Final = ("main", "all")
# Kinetics' readers want mp4; these two are.
VIDEO_MODALITIES: Final = ("rgb", "nir")


@dataclass(frozen=True)
class ExportSettings:
    """How to export.

    Attributes:
        out: folder to write.
        split: shares of training, validation and test.
        modality: which film becomes the video, rgb or nir.
        rate: pictures per second taken out of films for COCO; neighbouring pictures show nearly the same.
        shard_bytes: largest shard of a WebDataset.
        people: whose labels OmniFall's csv holds: `main`, the one after whom the film is named, or `all`.
        body: licensed SMPL file for skins and skeletons; None for the bundled body.
        workers: processes; None for one per core.
        progress: whether to show a progress bar on stderr.
    """

    out: Path
    split: tuple[float, float, float] = DEFAULT_SPLIT
    modality: str = "rgb"
    rate: float = 2.0
    shard_bytes: int = DEFAULT_SHARD_BYTES
    people: str = "main"
    body: Path | None = None
    workers: int | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        if len(self.split) != 3 or not all(0 <= share <= 1 for share in self.split) or abs(sum(self.split) - 1) > 1e-6:
            raise UserError(
                f"Expected three shares of 0 to 1 that sum to 1, such as 0.8,0.1,0.1, but got {self.split}. "
                "They are those of training, validation and test."
            )
        if self.split[0] == 0 and max(self.split) < 1:
            raise UserError(
                f"Expected some share for training, but got {self.split}. Give it one, or all to one of the others."
            )
        if self.modality not in VIDEO_MODALITIES:
            raise UserError(f"Expected a modality out of {', '.join(VIDEO_MODALITIES)}, but got '{self.modality}'.")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise UserError(f"Expected a positive rate of pictures per second, but got {self.rate}.")
        if self.shard_bytes < 1:
            raise UserError(f"Expected shards of at least 1 byte, but got {self.shard_bytes}. 1000000000 is usual.")
        if self.people not in PEOPLE:
            raise UserError(f"Expected people to be one of {', '.join(PEOPLE)}, but got '{self.people}'.")


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
        what: what a unit is called, such as "video".
        written, kept: units written now, and units that were done already.
        failures: name and reason of what could not be written.
        notes: what else the user should know, one sentence each.
    """

    what: str
    written: int
    kept: int
    failures: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
