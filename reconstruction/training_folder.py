"""What of a reconstruction can be trained on, as a prepared folder: trusted pieces of at most ten seconds."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool

from carescene.clips.clip import Clip
from carescene.clips.files import save_clip
from carescene.clips.prepare.splits import SPLITS
from carescene.clips.prepare.windows import SHORTEST_S, cut_windows
from carescene.evaluation.reconstructed import valid_runs
from carescene.files import atomic_folder, write_atomically
from carescene.scenes.resting import clip_joints

# As many as the model's world has room for.
_MOST_PEOPLE: Final = 4
_OF_PEOPLE: Final = ("poses", "trans", "betas", "frame_label", "valid", "pose_std", "trans_std")


def training_pieces(clip: Clip, trusted: Bool[np.ndarray, "person frame"]) -> list[Clip]:
    """Pieces of a clip that hold only frames to be trusted, none longer than 10 s or shorter than 1 s.

    Somebody is taken to be away while they are not trusted, and altogether where that leaves less than a second of
    them. Each piece begins with somebody there; of more than four people those who are there longest are kept. Longer
    stretches are cut where people move least.

    Args:
        clip: reconstructed people.
        trusted: frames in which to believe each of them.
    """
    least = max(2, int(np.ceil(SHORTEST_S * clip.fps)))
    good = np.zeros_like(clip.valid)
    for person, row in enumerate(trusted & clip.valid):
        for run in valid_runs(row, least):
            good[person, run] = True
    joints = clip_joints(clip)
    pieces = []
    for run in valid_runs(good.any(0), least):
        busiest = int(good[:, run].sum(1).argmax())
        for first, last in cut_windows(joints[busiest, run], float(clip.fps)):
            start, end = run.start + first, run.start + last
            count = good[:, start:end].sum(1)
            who = np.sort(np.argsort(-count, kind="stable")[: min(_MOST_PEOPLE, int((count > 0).sum()))])
            # Without those who are left out the piece may begin or end later.
            there = np.flatnonzero(good[who, start:end].any(0))
            if there[-1] + 1 - there[0] >= least:
                span = slice(start + int(there[0]), start + int(there[-1]) + 1)
                pieces.append(_piece(clip, who, span, good))
    return pieces


def write_training_folder(folder: Path, pieces: Sequence[Clip]) -> None:
    """Write pieces as the training split of a prepared folder, in place of what was there; none removes the folder.

    Raises:
        UserError: if it cannot be written.
    """
    if not pieces:
        if folder.is_dir():
            shutil.rmtree(folder)
        return
    with atomic_folder(folder) as building:
        for piece in pieces:
            save_clip(piece, building / "clips")
        for split in SPLITS:
            text = "".join(f"{piece.id}\n" for piece in pieces) if split == "train" else ""
            write_atomically(building / "splits" / f"{split}.txt", lambda file, text=text: file.write(text.encode()))


def _piece(clip: Clip, who: np.ndarray, span: slice, good: np.ndarray) -> Clip:
    arrays = dict(_sliced(replace(clip, valid=good), who, span))
    return replace(
        clip,
        id=f"{clip.id}_{span.start:05d}",
        persons=[clip.persons[person] for person in who] if clip.persons else [],
        # Their times and people are the whole clip's.
        events=[],
        quality={},
        **arrays,
    )


def _sliced(clip: Clip, who: np.ndarray, span: slice) -> Iterator[tuple[str, np.ndarray]]:
    for name in _OF_PEOPLE:
        array = getattr(clip, name)
        if array is not None:
            yield name, array[who] if name == "betas" else array[who, span]
