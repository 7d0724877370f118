"""InterHuman's own 262 numbers, for evaluators and baselines that were trained on them."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from carescene.clips.dropped import DropReport
from carescene.clips.formats.interhuman import PAIR_FPS, Floor, encode_pair, mirror_pair
from carescene.clips.formats.interhuman_files import PairEntry, list_pairs, read_pair
from carescene.clips.formats.interhuman_stats import PairStatistics
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError
from datamodules.batches import Draw

# Ten seconds: longer recordings are cut to a window of so many frames, as published.
MOST_FRAMES: Final = 300


class PairItem(NamedTuple):
    """One example: `(2, frame, 262)` float32 in the order of this draw, its caption and its name."""

    motion: np.ndarray
    caption: str
    id: str


class InterHumanPairs(Dataset[PairItem]):
    """Pairs of one split as 262 numbers per person and frame.

    Order of the people, caption and window depend on seed, pass and item alone, never on the worker. In training every
    recording comes twice, as it is and mirrored, its captions with it (`_swap` in the published loader).

    Args:
        folder: the official one.
        split: `train`, `val` or `test`.
        report: refuses damaged recordings or counts them; all files are read once to know.
        statistics: to normalise by; None leaves the numbers as they are, which the InterCLIP evaluator expects.
        seed: other seeds make other choices.
        floor: `pair` for one floor under both; `person` for the published floors, on which the evaluator was trained.
        source_fps: rate of the motion files.
        progress: whether to show a progress bar on stderr.

    Raises:
        UserError: as the report decides; an empty split.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        report: DropReport,
        statistics: PairStatistics | None = None,
        seed: int = 0,
        floor: Floor = "pair",
        source_fps: float | int = PAIR_FPS,
        progress: bool = True,
    ) -> None:
        entries = [entry for entry in list_pairs(folder, report) if entry.split == split]
        bar = tqdm(entries, desc=f"checking {split}", unit="clip", disable=not progress)
        self.entries: list[PairEntry] = [entry for entry in bar if read_pair(entry, report, source_fps) is not None]
        if not self.entries:
            raise UserError(f"Expected clips of the {split} split in '{folder}', but got none: {report.summary()}.")
        self._mirrored = split == "train"
        self._statistics, self._seed, self._fps = statistics, seed, source_fps
        self._floor: Floor = floor

    def __len__(self) -> int:
        return len(self.entries) * (1 + self._mirrored)

    def __getitem__(self, draw: Draw | int) -> PairItem:
        draw = draw if isinstance(draw, Draw) else Draw(0, draw)
        rng = np.random.default_rng([self._seed, draw.pass_number, draw.index])
        swap, pick, start = rng.random(3)
        number, mirrored = draw.index % len(self.entries), draw.index >= len(self.entries)
        entry = self.entries[number]
        recording = read_pair(entry, DropReport("recordings"), self._fps)
        assert recording is not None, "what is left out was found when the data set was made"
        positions, rotations = recording.positions, recording.rotations
        if mirrored:
            positions, rotations = mirror_pair(positions, rotations)
        spare = max(0, positions.shape[1] - MOST_FRAMES)
        first = int(start * (spare + 1))
        order = [1, 0] if swap < 0.5 else [0, 1]
        window = (order, slice(first, first + MOST_FRAMES))
        motion = encode_pair(positions[window], rotations[window], self._floor)
        if self._statistics is not None:
            motion = self._statistics.normalise(motion)
        caption = recording.texts[int(pick * len(recording.texts))]
        caption = mirror_text(caption) if mirrored else caption
        return PairItem(motion.astype(np.float32), caption, f"{entry.name}_swap" if mirrored else entry.name)


def collate_pairs(items: list[PairItem]) -> dict[str, Any]:
    """Pads pairs to the longest.

    A dict: `motion (clip, person, frame, 262)`, zero where padded; `frame_mask (clip, frame)` bool; `caption` and
    `id` lists.
    """
    frames = max(item.motion.shape[1] for item in items)
    motion = torch.zeros(len(items), 2, frames, items[0].motion.shape[2])
    mask = torch.zeros(len(items), frames, dtype=torch.bool)
    for row, item in enumerate(items):
        length = item.motion.shape[1]
        motion[row, :, :length] = torch.from_numpy(item.motion)
        mask[row, :length] = True
    return {
        "motion": motion,
        "frame_mask": mask,
        "caption": [item.caption for item in items],
        "id": [item.id for item in items],
    }
