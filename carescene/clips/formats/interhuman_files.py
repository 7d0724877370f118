"""InterHuman's folders as published.

    motions_processed/person1/<id>.npy, person2/<id>.npy   (frame, 492) float32
    annots/<id>.txt                                        one caption per line, three as a rule
    split/train.txt, val.txt, test.txt, ignore_list.txt    ids; some releases have them one folder higher

A motion file holds 62 joint positions (186 numbers, metres, z up) and 51 local rotations (306 numbers); the first 22
joints and 21 rotations are SMPL's, the others fingers, which nobody uses. Lines of the split files are compared without
their line ends: the published loader compares `name + newline` and so loses the last clip of a file that ends without.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.clips.dropped import DropReport
from carescene.clips.formats._npy import read_npy
from carescene.clips.formats.interhuman import PAIR_FPS, six_to_rotations
from carescene.errors import UserError
from carescene.humans.skeleton import MODEL_JOINTS

PAIR_SPLITS: Final = ("train", "val", "test")
MOTION_WIDTH: Final = 492
# What the published loader leaves out: half a second shows no action.
SHORTEST_FRAMES: Final = 15
_POSITIONS: Final = slice(0, 3 * MODEL_JOINTS)
_ROTATIONS: Final = slice(186, 186 + 6 * (MODEL_JOINTS - 1))


@dataclass(frozen=True)
class PairEntry:
    """One clip of a split: its name and its files, which may be missing."""

    name: str
    split: str
    person1: Path
    person2: Path
    annotation: Path


@dataclass(frozen=True)
class PairRecording:
    """Two people as recorded, in one z-up world.

    Attributes:
        name: of the clip.
        positions: 22 joints of both, metres.
        rotations: joints 1 to 21 relative to their parents.
        texts: captions of both together.
    """

    name: str
    positions: Float[np.ndarray, "2 frame 22 3"]
    rotations: Float[np.ndarray, "2 frame 21 3 3"]
    texts: list[str]


def list_pairs(root: Path, report: DropReport) -> list[PairEntry]:
    """Clips of all splits, in the order of the split files; those of the ignore list are counted in the report.

    Raises:
        UserError: no motion folder, no split file, or a name in two splits.
    """
    motions = root / "motions_processed"
    if not (motions / "person1").is_dir() or not (motions / "person2").is_dir():
        raise UserError(
            f"Expected InterHuman at '{root}' with folders motions_processed/person1 and person2, but they are not "
            "there. Give the folder that holds annots, motions_processed and split; unpack the archives first."
        )
    ignored = set(_lines(_list_path(root, "ignore_list.txt")))
    entries: dict[str, PairEntry] = {}
    for split in PAIR_SPLITS:
        path = _list_path(root, f"{split}.txt")
        if path is None:
            raise UserError(
                f"Expected the list '{root / 'split' / f'{split}.txt'}' (or one folder higher), but it is not there. "
                "Unpack InterHuman's split folder beside the motions."
            )
        for name in _lines(path):
            if name in entries and entries[name].split != split:
                raise UserError(
                    f"Expected each clip in one split, but got '{name}' in {entries[name].split} and {split}. "
                    "Testing on training clips proves nothing; correct the lists."
                )
            if name in ignored:
                report.leave_out(name, "on the ignore list")
            else:
                first, second = (motions / f"person{number}" / f"{name}.npy" for number in (1, 2))
                entries[name] = PairEntry(name, split, first, second, root / "annots" / f"{name}.txt")
    return list(entries.values())


def read_pair(entry: PairEntry, report: DropReport, source_fps: float | int = PAIR_FPS) -> PairRecording | None:
    """Read one clip at 30 frames per second; None if it is left out, which the report then says.

    Args:
        entry: which.
        report: counts what is damaged, or refuses it.
        source_fps: rate of the files: 30 as the published code takes them, 59.94 or 60 for the rate of the recording,
            of which every second frame is then used.

    Raises:
        UserError: a damaged clip, if the report refuses those; a rate that is no multiple of 30.
    """
    step = _step(source_fps)
    people: list[np.ndarray] = []
    for number, path in ((1, entry.person1), (2, entry.person2)):
        motion = _motion(path, number, entry.name, report)
        if motion is None:
            return None
        people.append(motion[::step])
    if len(people[0]) != len(people[1]):
        counts = f"{len(people[0])} and {len(people[1])}"
        error = f"Expected both people of '{entry.name}' in as many frames, but got {counts}. Copy the clip again."
        report.damaged(entry.name, "people of different length", UserError(error))
        return None
    if len(people[0]) < SHORTEST_FRAMES:
        report.leave_out(entry.name, f"shorter than {SHORTEST_FRAMES} frames")
        return None
    texts = _lines(entry.annotation) if entry.annotation.is_file() else []
    if not texts:
        what = "is empty" if entry.annotation.is_file() else "is not there"
        error = f"Expected captions at '{entry.annotation}', but the file {what}. Unpack the annotations again."
        report.damaged(entry.name, "missing text", UserError(error))
        return None
    both = np.stack(people)
    frames = both.shape[1]
    positions = both[..., _POSITIONS].reshape(2, frames, MODEL_JOINTS, 3)
    six = both[..., _ROTATIONS].reshape(2, frames, MODEL_JOINTS - 1, 6)
    report.keep()
    return PairRecording(entry.name, positions.astype(np.float64), six_to_rotations(six.astype(np.float64)), texts)


def _step(source_fps: float | int) -> int:
    step = round(source_fps / PAIR_FPS)
    # 59.94 frames a second are called 60 by the recording's own authors: a tenth of a percent is nobody's motion.
    if step < 1 or abs(source_fps / PAIR_FPS - step) > 0.01:
        raise UserError(
            f"Expected source_fps to be 30, 60 (or 59.94) or another multiple of 30, but got {source_fps}. "
            "InterHuman's numbers are per frame of 1/30 s."
        )
    return step


def _motion(path: Path, number: int, name: str, report: DropReport) -> np.ndarray | None:
    if not path.is_file():
        error = (
            f"Expected person {number} of '{name}' at '{path}', but there is no such file. Unpack the motions again."
        )
        report.damaged(name, f"missing person {number}", UserError(error))
        return None
    try:
        motion = read_npy(path, "Copy the folder again, or take the clip off the list.")
    except UserError as error:
        report.damaged(name, "unreadable motion", error)
        return None
    if motion.ndim != 2 or motion.shape[1] != MOTION_WIDTH:
        error = (
            f"Expected an array (frame, {MOTION_WIDTH}) in '{path}', but got {motion.shape}. It is not of "
            "motions_processed; take InterHuman's own files."
        )
        report.damaged(name, "wrong width", UserError(error))
        return None
    used = np.isfinite(motion[:, _POSITIONS]).all(1) & np.isfinite(motion[:, _ROTATIONS]).all(1)
    if not used.all():
        error = (
            f"Expected finite numbers in '{path}', but got NaN or infinity in {int((~used).sum())} of {len(used)} "
            f"frames, first in frame {int(np.argmin(used))}. Leave the clip out or copy it again."
        )
        report.damaged(name, "NaN", UserError(error))
        return None
    return motion


def _list_path(root: Path, name: str) -> Path | None:
    return next((path for path in (root / "split" / name, root / name) if path.is_file()), None)


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"Expected text in '{path}', but got: {error}. The file is damaged; copy it again.") from error
    return [line.strip() for line in lines if line.strip()]
