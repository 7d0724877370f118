"""Reading a prepared data folder for evaluation."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from carescene import UserError
from carescene.clips import Clip, load_clip
from carescene.clips.captions import action_class
from carescene.evaluation import LabelledMotion
from carescene.evaluation.scores import person_motion
from carescene.humans import MODEL_JOINTS, forward_kinematics, rotvec_to_matrix
from carescene.humans.reference import reference_rest_joints


def split_ids(data: Path, split: str) -> list[str]:
    """Ids of the clips of one split.

    Raises:
        UserError: no such folder or split, or an empty one.
    """
    path = data / "splits" / f"{split}.txt"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.txt"))) or "none"
        raise UserError(
            f"Expected a split file '{path}', but there is none (splits there: {known}). "
            "Make the folder with `lightning prepare mocap`, or correct --data or --split."
        )
    ids = path.read_text(encoding="utf-8").split()
    if not ids:
        raise UserError(f"Expected clip ids in '{path}', but it is empty. Prepare more recordings.")
    return ids


def load_split(data: Path, split: str) -> list[Clip]:
    """Clips of one split, in the order of its file.

    Raises:
        UserError: no such split, or a damaged or missing clip.
    """
    return [load_clip(data / "clips" / name) for name in split_ids(data, split)]


def clip_joints(clip: Clip) -> Tensor:
    """The 22 joints of a clip's first person on the reference body, `(frame, 22, 3)`, metres, z up.

    Recogniser and distances take everybody on one skeleton: what counts there is the motion, not whose bones made it.
    """
    poses, trans, _ = person_motion(clip)
    positions, _ = forward_kinematics(rotvec_to_matrix(poses), trans, reference_rest_joints())
    return positions[:, :MODEL_JOINTS]


def labelled(clips: Sequence[Clip], by: str = "class") -> list[LabelledMotion]:
    """Joints and label of each clip that has one.

    Args:
        clips: one person each.
        by: `class`, the action as an onlooker names it (see `action_class`), or any attribute of the clips: `action`
            (as the recording is named, nothing merged), `style`, `age`, `pace` ...

    Raises:
        UserError: when no clip has the attribute.
    """
    needed = "action" if by == "class" else by
    motions = [
        LabelledMotion(clip_joints(clip), action_class(clip.attributes) if by == "class" else clip.attributes[by])
        for clip in clips
        if needed in clip.attributes
    ]
    if not motions:
        raise UserError(
            f"Expected clips with an attribute '{needed}', but none has one. Prepare data that names it, such as the "
            "Bandai-Namco archive, or measure another attribute."
        )
    return motions


def use_threads(threads: int | None) -> None:
    """Let torch compute with this many threads (None: as it is).

    Raises:
        UserError: less than one.
    """
    if threads is None:
        return
    if threads < 1:
        raise UserError(f"Expected --threads to be 1 or more, but got {threads}.")
    torch.set_num_threads(threads)
