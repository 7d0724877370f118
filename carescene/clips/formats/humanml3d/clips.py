"""HumanML3D's joints and vectors from our clips, and clips from them."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip, Source
from carescene.clips.formats._people import person_span
from carescene.clips.formats.humanml3d.headings import corrected_turns, undefined_headings
from carescene.clips.formats.humanml3d.layout import FPS, JOINTS, SWAP_UP
from carescene.clips.formats.humanml3d.rotations import bone_parents
from carescene.clips.formats.humanml3d.vectors import (
    BONE_LENGTHS,
    decode_vectors,
    encode_joints,
    on_published_skeleton,
    stand_like_published,
)
from carescene.clips.resample import frame_times, resample_positions, resample_rotations
from carescene.clips.taxonomy import UNKNOWN_LABEL
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.pose_from_joints import pose_from_joints
from carescene.humans.reference import reference_rest_joints
from carescene.humans.skeleton import NUM_JOINTS, PARENTS

LICENCE: Final = "AMASS licence (non-commercial research); lists and captions MIT"
# One standard deviation of shape weighs as much as this error of a bone, in metres.
_SHAPE_PRIOR_M: Final = 0.01
# Shapes further out are rarer than one in eighty each.
_WIDEST_SHAPE: Final = 2.5


@dataclass(frozen=True)
class ExportedVectors:
    """A person of a clip in HumanML3D's numbers.

    Attributes:
        vectors: raw, one fewer than frames.
        joints: what they were made of: metres, y up, placed as the format wants.
        undefined: frames without a heading that means anything, as after a roll past 90 degrees (see
            `undefined_headings`): there turns, positions and velocities are artefacts of the format.
    """

    vectors: Float[np.ndarray, "vector 263"]
    joints: Float[np.ndarray, "frame 22 3"]
    undefined: Bool[np.ndarray, "frame"]

    @property
    def flagged(self) -> bool:
        """Whether an evaluator that sees these numbers judges the format rather than the motion."""
        return bool(self.undefined.any())


def clip_joints(clip: Clip, person: int = 0, fps: float | int = FPS) -> Float[np.ndarray, "frame 22 3"]:
    """Joint positions of a person in the clip's own body, metres, y up (`SWAP_UP`), while they are there.

    Args:
        clip: metres, z up.
        person: which.
        fps: frames per second of the result; rotations are resampled by time, not by leaving frames out.

    Raises:
        UserError: the person never exists or exists with a break.
    """
    rotations, trans = clip_motion(clip, person, fps)
    positions, _ = forward_kinematics(
        torch.from_numpy(rotations), torch.from_numpy(trans), torch.from_numpy(rest_joints(clip.betas[person]))
    )
    return positions[:, :JOINTS].numpy() @ SWAP_UP.T


def clip_motion(
    clip: Clip, person: int, fps: float | int
) -> tuple[Float[np.ndarray, "frame 24 3 3"], Float[np.ndarray, "frame 3"]]:
    """Joint rotations and pelvis positions of a person while they are there, resampled by time, z up."""
    span = person_span(clip, person)
    rotvecs = clip.poses[person, span].astype(np.float64)
    rotations = Rotation.from_rotvec(rotvecs.reshape(-1, 3)).as_matrix().reshape(-1, NUM_JOINTS, 3, 3)
    trans = clip.trans[person, span].astype(np.float64)
    if clip.fps == fps or len(trans) < 2:
        return rotations, trans
    times = np.arange(len(trans)) / clip.fps
    at = frame_times(float(times[-1]), float(fps))
    return resample_rotations(times, rotations, at), resample_positions(times, trans, at)


def clip_to_vectors(
    clip: Clip, person: int = 0, *, floor: float | int | None = None, own_body: bool = False
) -> ExportedVectors:
    """HumanML3D's numbers of one person of a clip.

    Args:
        clip: metres, z up.
        person: which.
        floor: height in the clip's world that becomes 0, metres; None is the published rule, the lowest joint of the
            clip. Give it where somebody is on a bed or a stair all the time.
        own_body: keep the person's body; else the motion is put on the one skeleton of all published clips, as an
            evaluator trained on those expects.

    Raises:
        UserError: the person never exists, exists with a break, or for less than two frames.
    """
    joints = clip_joints(clip, person)
    if not own_body:
        if floor is not None:
            joints = joints - np.array([0.0, float(floor), 0.0])
        joints = on_published_skeleton(joints)
        floor = None if floor is None else 0.0
    joints = stand_like_published(joints, floor=floor)
    return ExportedVectors(encode_joints(joints), joints, undefined_headings(joints))


def joints_to_clip(
    joints: Float[np.ndarray, "frame 22 3"],
    clip_id: str,
    text: list[str],
    *,
    fps: float | int = FPS,
    betas: Float[np.ndarray, "10"] | None = None,
    source: Source | None = None,
) -> Clip:
    """A clip of one person from joint positions, posed by `pose_from_joints`.

    The body is lifted so that the lowest joint is where feet have it: published clips have their lowest joint at 0, but
    a toe joint lies some millimetres to centimetres above the sole.

    Args:
        joints: metres, y up.
        clip_id, text, source: of the clip.
        fps: frames per second.
        betas: body; default is the one nearest to the published skeleton.
    """
    betas = published_betas() if betas is None else betas
    fitted = pose_from_joints(joints.astype(np.float64) @ SWAP_UP.T, rest_joints(betas))
    trans = fitted.trans + np.array([0.0, 0.0, toe_height(tuple(float(beta) for beta in betas))])
    frames = len(joints)
    return Clip(
        id=clip_id,
        fps=float(fps),
        poses=fitted.poses[None].astype(np.float32),
        trans=trans[None].astype(np.float32),
        betas=np.asarray(betas, np.float32)[None],
        frame_label=np.full((1, frames), UNKNOWN_LABEL, np.int8),
        valid=np.ones((1, frames), dtype=bool),
        text=text,
        source=source,
        quality={"joint_miss_mean_m": float(fitted.miss.mean()), "joint_miss_max_m": float(fitted.miss.max())},
    )


def vectors_to_clip(vectors: Float[np.ndarray, "frame 263"], clip_id: str, text: list[str]) -> Clip:
    """A clip from raw vectors, one frame for each; wrong turns of published files are put right first.

    Captions and labels are whatever is given: the format has no labels.
    """
    numbers = corrected_turns(torch.from_numpy(vectors.astype(np.float64)))
    joints = decode_vectors(numbers).numpy()
    return joints_to_clip(joints, clip_id, text, source=Source("humanml3d", LICENCE, clip_id))


def rest_joints(betas: Float[np.ndarray, "10"]) -> Float[np.ndarray, "24 3"]:
    """Rest joints of the free body with these betas, metres, y up, float64."""
    if not np.any(betas):
        return reference_rest_joints().numpy().astype(np.float64)
    # Late: smplx is heavy, and clips on the reference body do not need it.
    from carescene.humans.body import load_body

    return load_body().rest_joints(torch.from_numpy(np.asarray(betas, np.float32))).numpy().astype(np.float64)


@cache
def _published_betas() -> tuple[float, ...]:
    from carescene.humans.body import load_body

    body, parents = load_body(), list(bone_parents())
    joints = body.rest_joints(torch.cat((torch.zeros(1, 10), torch.eye(10)))).numpy().astype(np.float64)
    mean, along = joints[0], joints[1:] - joints[0]
    # The format's collars hang on spine3, as SMPL's do; its chains and SMPL's tree are the same.
    assert tuple(parents) == tuple(PARENTS[:JOINTS])

    def residuals(betas: np.ndarray) -> np.ndarray:
        rest = mean + np.einsum("b,bjc->jc", betas, along)
        bones = np.linalg.norm(rest[1:JOINTS] - rest[parents[1:]], axis=-1)
        return np.concatenate(((bones - BONE_LENGTHS[1:]) / _SHAPE_PRIOR_M, betas))

    found = least_squares(residuals, np.zeros(10), bounds=(-_WIDEST_SHAPE, _WIDEST_SHAPE)).x
    return tuple(float(beta) for beta in found)


def published_betas() -> Float[np.ndarray, "10"]:
    """Betas of the free body whose bones are nearest to those of the published skeleton."""
    return np.array(_published_betas(), np.float32)


@cache
def toe_height(betas: tuple[float, ...]) -> float:
    """How far the lowest joint of the standing body is above its soles, metres."""
    from carescene.humans.body import load_body

    body, shape = load_body(), torch.tensor(betas, dtype=torch.float32)
    sole = body.rest_vertices(shape)[:, 1].min()
    return float(body.rest_joints(shape)[:, 1].min() - sole)
