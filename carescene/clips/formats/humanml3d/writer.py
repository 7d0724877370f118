"""Writing a folder in HumanML3D's layout, so that what reads the published data reads ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from carescene.clips.formats.humanml3d.folder import load_vectors
from carescene.clips.formats.humanml3d.layout import BLOCKS, WIDTH
from carescene.clips.formats.humanml3d.statistics import Statistics
from carescene.clips.formats.humanml3d.texts import TaggedCaption, caption_line
from carescene.errors import UserError
from carescene.files import write_atomically

# A spread of zero (a contact that never changes in a tiny data set) would divide by zero; published ones are far above.
_LEAST_STD = 1e-4


def write_vectors(
    folder: Path,
    clip_id: str,
    vectors: Float[np.ndarray, "frame 263"],
    joints: Float[np.ndarray, "frame 22 3"] | None,
    captions: Sequence[TaggedCaption],
) -> None:
    """Write one clip: `new_joint_vecs/<id>.npy`, `new_joints/<id>.npy` (if given) and `texts/<id>.txt`.

    Args:
        folder: of the data set; made when missing.
        clip_id: file stem.
        vectors: raw.
        joints: metres, y up; the published ones are those that the vectors decode to.
        captions: their line numbers are not written.

    Raises:
        UserError: no caption, or the folder cannot be written.
    """
    if not captions:
        raise UserError(f"Expected a caption for clip '{clip_id}', but got none. HumanML3D's readers drop such clips.")
    for name, array in (("new_joint_vecs", vectors), ("new_joints", joints)):
        if array is not None:
            write_array(folder / name / f"{clip_id}.npy", array)
    text = "".join(f"{caption_line(caption)}\n" for caption in captions)
    write_atomically(folder / "texts" / f"{clip_id}.txt", lambda file: file.write(text.encode()))


def plain_captions(texts: Sequence[str]) -> list[TaggedCaption]:
    """Captions of whole clips without a part-of-speech tagger: every word gets the tag OTHER.

    The published evaluator reads tags, so its text side must not be trusted with these; everything else may.
    """
    lines = [" ".join(text.replace("#", " ").split()) for text in texts]
    return [
        TaggedCaption(line, tuple(f"{word.strip('.,;:!?').lower()}/OTHER" for word in line.split()), 0.0, 0.0, number)
        for number, line in enumerate(lines, start=1)
        if line
    ]


def write_lists(folder: Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Write `train.txt`, `val.txt`, `test.txt`, and from them `train_val.txt` and `all.txt`.

    Raises:
        UserError: if the folder cannot be written.
    """
    lists = {name: list(ids) for name, ids in splits.items()}
    train_val = [*lists.get("train", []), *lists.get("val", [])]
    lists |= {"train_val": train_val, "all": [*train_val, *lists.get("test", [])]}
    for name, ids in lists.items():
        text = "".join(f"{clip_id}\n" for clip_id in ids)
        write_atomically(folder / f"{name}.txt", lambda file, text=text: file.write(text.encode()))


def write_statistics(folder: Path, clip_ids: Sequence[str]) -> Statistics:
    """Compute and write `Mean.npy` and `Std.npy` of clips, block-averaged as the published ones.

    Reads one clip at a time, so that the data set may be larger than memory.

    Args:
        folder: where the vectors are.
        clip_ids: whose; the published files are of all clips and their mirror images.

    Raises:
        UserError: no clips, or one is damaged.
    """
    if not clip_ids:
        raise UserError(f"Expected clips for Mean.npy and Std.npy in '{folder}', but got none. Write some clips first.")
    count, total, squares = 0, np.zeros(WIDTH), np.zeros(WIDTH)
    # Around the first clip's mean: sums of squares far from zero lose digits.
    centre = load_vectors(folder / "new_joint_vecs" / f"{clip_ids[0]}.npy").mean(axis=0, dtype=np.float64)
    for clip_id in clip_ids:
        moved = load_vectors(folder / "new_joint_vecs" / f"{clip_id}.npy") - centre
        count += len(moved)
        total += moved.sum(axis=0)
        squares += (moved**2).sum(axis=0)
    offset = total / count
    std = np.sqrt(np.maximum(squares / count - offset**2, 0.0))
    for block in BLOCKS.values():
        std[block] = max(float(std[block].mean()), _LEAST_STD)
    statistics = Statistics((centre + offset).astype(np.float32), std.astype(np.float32))
    write_array(folder / "Mean.npy", statistics.mean)
    write_array(folder / "Std.npy", statistics.std)
    return statistics


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as float32 npy, complete or not at all."""
    write_atomically(path, lambda file: np.save(file, array.astype(np.float32), allow_pickle=False))
