"""HumanML3D's 263 numbers from joint positions, and joint positions from them (Guo et al. 2022)."""

from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.clips.formats.humanml3d.headings import (
    accumulated_headings,
    first_heading,
    half_turns,
    smooth_headings,
)
from carescene.clips.formats.humanml3d.layout import FEET, HEIGHT, JOINTS, PLACES, ROOT_WAY, WAYS
from carescene.clips.formats.humanml3d.rotations import bone_parents, chain_rotations, turns_about_y
from carescene.errors import UserError

# A foot that goes less than the root of this, in square metres per frame, is in contact: 0.9 m/s. No test of height.
_CONTACT_M2: Final = 0.002

# Bones of the one skeleton that all published clips share (clip 000021's), metres, by the joint in which they end;
# measured on the published clips, where they agree to 1e-6.
BONE_LENGTHS: Final[Float[np.ndarray, "22"]] = np.array(
    [
        0.0, 0.103074, 0.109883, 0.131568, 0.393623, 0.390188, 0.143190, 0.432433, 0.425643, 0.057365, 0.143382,
        0.149419, 0.219360, 0.137487, 0.143383, 0.103039, 0.131614, 0.122984, 0.256840, 0.263092, 0.266012, 0.269876,
    ]
)  # fmt: skip


def decode_vectors(
    vectors: Float[Tensor, "*batch frame numbers"], *, last_frame: bool = False
) -> Float[Tensor, "*batch out 22 3"]:
    """Joint positions of vectors: metres, y up, the first frame at x = z = 0 with heading 0.

    The published recovery: it integrates the root's turns and ways, so their errors add up. Differentiable.

    Args:
        vectors: raw numbers (not normalised), `(..., T, 263)`; 67 or 259 serve as well.
        last_frame: give T + 1 frames; the joints' ways of the last vector lead to the frame that the format cuts off.
            With it, encoding the joints again gives the same vectors.
    """
    headings = accumulated_headings(vectors)
    ways = torch.nn.functional.pad(vectors[..., :-1, ROOT_WAY], (0, 0, 1, 0))
    ways = torch.stack((ways[..., 0], torch.zeros_like(headings), ways[..., 1]), dim=-1)
    path = _turned(ways, -headings).cumsum(-2)
    root = torch.stack((path[..., 0], vectors[..., HEIGHT][..., 0], path[..., 2]), dim=-1)
    places = _turned(vectors[..., PLACES].unflatten(-1, (-1, 3)), -headings[..., None])
    planar = torch.stack((root[..., 0], torch.zeros_like(headings), root[..., 2]), dim=-1)
    joints = torch.cat((root[..., None, :], places + planar[..., None, :]), dim=-2)
    if not last_frame:
        return joints
    step = _turned(vectors[..., -1:, WAYS].unflatten(-1, (-1, 3)), -headings[..., -1:, None])
    return torch.cat((joints, joints[..., -1:, :, :] + step), dim=-3)


def encode_joints(
    joints: Float[np.ndarray, "frame 22 3"],
    headings: Float[np.ndarray, "frame"] | None = None,
    *,
    as_published: bool = False,
) -> Float[np.ndarray, "vector 263"]:
    """The vectors of joint positions that already stand as the format wants (see `stand_like_published`), float32.

    Args:
        joints: metres, y up, at 20 frames per second; N frames give N - 1 vectors.
        headings: of each frame, radians; default is the published rule.
        as_published: see `half_turns`.

    Raises:
        UserError: fewer than two frames, or numbers that are not finite.
    """
    _check(joints)
    joints = joints.astype(np.float64)
    if headings is None:
        headings = smooth_headings(joints)
    turn = turns_about_y(headings)
    steps = joints[1:] - joints[:-1]
    root_way = np.einsum("fij,fj->fi", turn[1:], steps[:, 0])[:, [0, 2]]
    ways = np.einsum("fij,fkj->fki", turn[:-1], steps)
    places = joints.copy()
    places[..., [0, 2]] -= joints[:, :1, [0, 2]]
    places = np.einsum("fij,fkj->fki", turn, places)[:-1, 1:]
    frames = len(steps)
    parts = (
        half_turns(headings, as_published=as_published)[:, None],
        root_way,
        joints[:-1, 0, 1:2],
        places.reshape(frames, -1),
        chain_rotations(joints, headings)[:-1].reshape(frames, -1),
        ways.reshape(frames, -1),
        foot_contacts(joints).astype(np.float64),
    )
    return np.concatenate(parts, axis=-1).astype(np.float32)


def foot_contacts(joints: Float[np.ndarray, "frame 22 3"]) -> Bool[np.ndarray, "step 4"]:
    """Whether left ankle, left toe, right ankle and right toe go less than 4.5 cm to the next frame.

    Speed alone: a foot in the air or of a lying person counts as well.
    """
    steps = joints[1:][:, FEET] - joints[:-1][:, FEET]
    return (steps**2).sum(-1) < _CONTACT_M2


def stand_like_published(
    joints: Float[np.ndarray, "frame 22 3"], *, floor: float | int | None = None
) -> Float[np.ndarray, "frame 22 3"]:
    """Joints moved so that the floor is at y = 0, and the first frame is at x = z = 0 and faces +z.

    Args:
        joints: metres, y up.
        floor: its height, metres; None is the published rule, the lowest joint of the whole clip. That rule takes a
            bed for the floor when somebody only lies on it, and lifts a clip by one toe that dips.

    Raises:
        UserError: numbers that are not finite.
    """
    _check(joints)
    joints = joints.astype(np.float64)
    lowest = joints[..., 1].min() if floor is None else float(floor)
    origin = np.array([joints[0, 0, 0], lowest, joints[0, 0, 2]])
    return (joints - origin) @ turns_about_y(np.array(first_heading(joints))).T


def on_published_skeleton(joints: Float[np.ndarray, "frame 22 3"]) -> Float[np.ndarray, "frame 22 3"]:
    """The motion on the one skeleton of all published clips: every bone keeps its direction and gets its length.

    The pelvis' path is scaled by the ratio of thigh plus shin, measured in the first frame.

    Args:
        joints: metres, y up, of any body.
    """
    parents = bone_parents()
    own = np.linalg.norm(joints[0] - joints[0, list(parents)], axis=-1)
    scale = (BONE_LENGTHS[5] + BONE_LENGTHS[8]) / (own[5] + own[8])
    out = np.empty(joints.shape)
    out[:, 0] = joints[:, 0] * scale
    # Joint numbers grow along every chain.
    for joint in range(1, JOINTS):
        bone = joints[:, joint] - joints[:, parents[joint]]
        bone = bone / np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-12)
        out[:, joint] = out[:, parents[joint]] + bone * BONE_LENGTHS[joint]
    return out


def _turned(points: Float[Tensor, "*batch 3"], angles: Float[Tensor, "*#batch"]) -> Float[Tensor, "*batch 3"]:
    """Points turned about +y."""
    cos, sin = torch.cos(angles), torch.sin(angles)
    x, z = points[..., 0], points[..., 2]
    return torch.stack((cos * x + sin * z, points[..., 1], cos * z - sin * x), dim=-1)


def _check(joints: Float[np.ndarray, "frame 22 3"]) -> None:
    if len(joints) < 2:
        raise UserError(f"Expected at least 2 frames of joints, but got {len(joints)}. One frame has no velocity.")
    finite = np.isfinite(joints)
    if not finite.all():
        raise UserError(
            f"Expected finite joint positions, but frame {int(np.argwhere(~finite)[0, 0])} has NaN or infinity. "
            "Cut it out or leave the clip out."
        )
