"""The official HumanML3D folder as it is on disk: lists, vectors and captions become items; samples are drawn of them.

    new_joint_vecs/000000.npy   (T, 263)      M000000.npy is the mirror image
    texts/000000.txt            caption#tokens#start#end
    Mean.npy, Std.npy           (263,)
    train.txt, val.txt, test.txt

Rules of the published loader (Guo et al. 2022): clips of 40 <= T < 200 frames; a caption with times is an item of its
own, cut from the clip and bound to the same limits; a length is a multiple of 4 frames. Unlike it, nothing here is left
to an unseeded random generator, and nothing is dropped without being named.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from carescene.clips.dropped import DropReport, OnBad
from carescene.clips.formats._npy import read_npy
from carescene.clips.formats.humanml3d.layout import FPS, WIDTH
from carescene.clips.formats.humanml3d.statistics import Statistics, check_against, read_statistics
from carescene.clips.formats.humanml3d.texts import TaggedCaption, read_captions
from carescene.errors import UserError

SPLITS: Final = ("train", "val", "test")
MIN_FRAMES: Final = 40
# First length that is too long; the longest clip of the published set has 199 frames.
END_FRAMES: Final = 200
UNIT: Final = 4
# Clips on which Mean and Std are tried: enough to tell a wrong file, few enough to read in a moment.
_TRIED_CLIPS: Final = 64


@dataclass(frozen=True)
class HumanML3DItem:
    """A clip, or the part of one that a caption describes.

    Attributes:
        id: of the clip; a part adds the number of its caption's line, as `000123-2`.
        captions: one or more, all of this very motion.
        path: file with the vectors.
        start, stop: rows of it.
    """

    id: str
    captions: tuple[TaggedCaption, ...]
    path: Path
    start: int
    stop: int

    @property
    def length(self) -> int:
        """Frames."""
        return self.stop - self.start

    def features(self) -> Float[np.ndarray, "frame 263"]:
        """Its raw vectors, float32, read from disk.

        Raises:
            UserError: if the file is damaged or was changed since the folder was read.
        """
        vectors = load_vectors(self.path)
        if len(vectors) < self.stop:
            raise UserError(
                f"Expected at least {self.stop} frames in {self.path.name}, but got {len(vectors)}. "
                "The file was changed while it was in use; start again."
            )
        return vectors[self.start : self.stop]


@dataclass(frozen=True)
class HumanML3DSample:
    """One use of an item, as the published loader draws them.

    Attributes:
        id: of the item.
        caption: one of its captions.
        tokens: of that caption, `word/TAG`; none added, none cut off.
        features: raw vectors (not normalised) of `length` frames, a multiple of 4.
        length: frames.
    """

    id: str
    caption: str
    tokens: tuple[str, ...]
    features: Float[np.ndarray, "frame 263"]
    length: int


@dataclass(frozen=True)
class HumanML3D:
    """One split of an official folder.

    Attributes:
        folder: where it is.
        split: `train`, `val` or `test`.
        items: in the order of the split's list, parts of a clip after the clip.
        statistics: Mean and Std of the folder: what generators are trained with. The evaluator has its own.
        report: what is not among the items, and why.
    """

    folder: Path
    split: str
    items: list[HumanML3DItem]
    statistics: Statistics
    report: DropReport

    def __len__(self) -> int:
        return len(self.items)

    def samples(self, seed: int = 0, pass_number: int = 0) -> Iterator[HumanML3DSample]:
        """Every item once, in order, each with one of its captions and a crop.

        Args:
            seed, pass_number: other numbers draw other captions and crops; a draw depends on them and on the item's
                place in the list alone.
        """
        for index, item in enumerate(self.items):
            yield draw_sample(item, np.random.default_rng([seed, pass_number, index]))


def draw_sample(item: HumanML3DItem, rng: np.random.Generator) -> HumanML3DSample:
    """A caption and a crop of an item by the published rule.

    The length is T cut down to a multiple of 4, and in one of three draws 4 less; the crop starts anywhere.
    """
    pick, start, length = draw_crop(item.length, len(item.captions), rng)
    caption = item.captions[pick]
    features = item.features()[start : start + length]
    return HumanML3DSample(item.id, caption.text, caption.tokens, features, length)


def draw_crop(frames: int, captions: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Which caption, the first frame and the length of one use of an item, see `draw_sample`."""
    # All drawn before use, so that the number of captions does not change the crop.
    pick, coin, place = rng.random(3)
    length = (frames // UNIT - (coin < 1 / 3)) * UNIT
    return int(pick * captions), int(place * (frames - length + 1)), int(length)


def read_humanml3d(folder: Path, split: str, *, on_bad: OnBad = "refuse", progress: bool = False) -> HumanML3D:
    """Read one split of an official folder: its lists and captions now, vectors when an item is used.

    Every file is opened and looked through once, so that a damage shows before training and not in the middle of it.

    Args:
        folder: with `new_joint_vecs`, `texts`, `Mean.npy`, `Std.npy` and the lists.
        split: `train`, `val` or `test` (or another list that lies there, such as `train_val`).
        on_bad: `refuse` stops at the first clip that is damaged; `skip` leaves such clips out and reports them. Mean
            and Std that do not belong to the vectors are refused in any case.
        progress: show a bar; 23,000 clips are read in minutes from a slow disk.

    Raises:
        UserError: naming what is missing or damaged and where.
    """
    report = DropReport(f"items of HumanML3D's {split} split", on_bad)
    statistics = read_statistics(folder)
    items: list[HumanML3DItem] = []
    ids = read_ids(folder, split)
    for clip_id in tqdm(ids, desc=f"reading {split}", unit="clip", disable=None if progress else True):
        items += _items_of(folder, clip_id, report)
    report.keep(len(items))
    step = max(1, len(items) // _TRIED_CLIPS)
    check_against(statistics, [item.features() for item in items[::step]], folder)
    return HumanML3D(folder, split, items, statistics, report)


def read_ids(folder: Path, split: str) -> list[str]:
    """Ids of a split's list, each once, with or without a newline at the end of the file.

    Raises:
        UserError: if there is no such list, or it names a clip twice.
    """
    path = folder / f"{split}.txt"
    try:
        ids = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise UserError(
            f"Expected HumanML3D's list '{path}', but it does not exist. "
            "Name the folder that holds new_joint_vecs, texts, Mean.npy and the lists."
        ) from error
    if len(set(ids)) < len(ids):
        double = next(name for at, name in enumerate(ids) if name in ids[:at])
        raise UserError(f"Expected each clip once in '{path}', but got '{double}' twice. Correct the list.")
    return ids


def load_vectors(path: Path) -> Float[np.ndarray, "frame 263"]:
    """Vectors of one clip, float32.

    Raises:
        UserError: file missing or damaged, of another width, or with values that are not finite.
    """
    array = read_npy(path, "Copy the folder again, or take the clip off the list.")
    if array.ndim != 2 or array.shape[1] != WIDTH:
        # A clip of one frame has lost its time axis in the published files.
        raise UserError(
            f"Expected shape (T, {WIDTH}) in {path.name}, but got {array.shape}. "
            "It is of another data set (KIT-ML has 251, InterHuman 262), or a clip of a single frame."
        )
    finite = np.isfinite(array)
    if not finite.all():
        frame, column = np.argwhere(~finite)[0]
        raise UserError(
            f"Expected finite numbers in {path.name}, but got {int((~finite).sum())} that are NaN or infinite, first "
            f"in frame {frame}, column {column}. Make the clip again or take it off the list."
        )
    return array.astype(np.float32, copy=False)


def _items_of(folder: Path, clip_id: str, report: DropReport) -> list[HumanML3DItem]:
    path = folder / "new_joint_vecs" / f"{clip_id}.npy"
    text = folder / "texts" / f"{clip_id}.txt"
    problem = "vectors damaged" if path.is_file() else "vectors missing"
    try:
        frames = len(load_vectors(path))
        problem = "text damaged" if text.is_file() else "text missing"
        captions = read_captions(text)
    except UserError as error:
        report.damaged(clip_id, problem, _named(clip_id, error))
        return []
    if short_or_long := _outside(frames):
        report.leave_out(clip_id, f"too {short_or_long}")
        return []
    items: list[HumanML3DItem] = []
    if whole := tuple(caption for caption in captions if caption.whole):
        items.append(HumanML3DItem(clip_id, whole, path, 0, frames))
    for caption in captions:
        if caption.whole:
            continue
        start, stop = int(caption.start_s * FPS), min(int(caption.end_s * FPS), frames)
        name = f"{clip_id}-{caption.line}"
        if short_or_long := _outside(stop - start):
            report.leave_out(name, f"part too {short_or_long}")
        else:
            items.append(HumanML3DItem(name, (caption,), path, start, stop))
    return items


def _outside(frames: int) -> str:
    return "short" if frames < MIN_FRAMES else "long" if frames >= END_FRAMES else ""


def _named(clip_id: str, error: UserError) -> UserError:
    return UserError(f"Clip '{clip_id}': {error} Or choose on_bad: skip, which leaves such clips out and counts them.")
