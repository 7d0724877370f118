"""Prepared clips as the text-motion encoder wants them: everybody's joints on one skeleton, and captions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from carescene.clips import Clip, load_clip
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError
from carescene.evaluation.text_motion import STRIDE, PeopleMotion
from carescene.evaluation.text_motion_training import Described
from carescene.humans import MODEL_JOINTS, forward_kinematics, rotvec_to_matrix
from carescene.humans.reference import reference_rest_joints
from diffusion.text import TextEncoder
from lightning_app.evaluation.prepared import split_ids

# What the encoder was trained at.
FPS = 20.0


def people_motion(clip: Clip) -> PeopleMotion:
    """Joints of everybody in a clip on the reference body, and who is there, from the first frame of the first person.

    Raises:
        UserError: another frame rate than 20, or a first person who is hardly there.
    """
    if clip.fps != FPS:
        raise UserError(
            f"Clip '{clip.id}': expected {FPS:g} frames per second, but got {clip.fps:g}. Prepare or resample it first."
        )
    there = torch.from_numpy(clip.valid.copy())
    if int(there[0].sum()) < STRIDE:
        raise UserError(
            f"Clip '{clip.id}': expected the first person in at least {STRIDE} frames, but got {int(there[0].sum())}. "
            "Too short to be measured; leave it out."
        )
    start = int(there[0].nonzero()[0, 0])
    poses, trans = torch.from_numpy(clip.poses[:, start:]).float(), torch.from_numpy(clip.trans[:, start:]).float()
    joints, _ = forward_kinematics(rotvec_to_matrix(poses), trans, reference_rest_joints())
    return PeopleMotion(joints[..., :MODEL_JOINTS, :], there[:, start:])


def described_clips(folders: Sequence[Path], split: str) -> list[Described]:
    """Motions and captions of one split of some prepared folders; clips without a caption are left out.

    Raises:
        UserError: no such folder or split, or a damaged clip.
    """
    paths = [folder / "clips" / name for folder in folders for name in split_ids(folder, split)]
    rows = []
    for path in tqdm(paths, desc=f"read {split}", unit="clip", dynamic_ncols=True):
        clip = load_clip(path)
        if clip.text:
            rows.append(Described(people_motion(clip), clip.text, [mirror_text(text) for text in clip.text]))
    return rows


def caption_features(captions: Iterable[str], encoder: TextEncoder) -> dict[str, Float[Tensor, "token channel"]]:
    """Token features of each different caption, in half precision to save memory."""
    unique = sorted(set(captions))
    bar = tqdm(unique, desc="read captions", unit="caption", dynamic_ncols=True)
    return {text: encoder.encode_one(text).half() for text in bar}
