"""How varied motions are, and how near they come to the motions a model was trained on.

Distances are in metres per joint: the mean over frames and joints of the Euclidean distance between two motions that
have been moved to the same starting place and turned to the same starting direction. No learned features take part, so
the numbers mean the same in every data set.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.errors import UserError
from carescene.humans.skeleton import JOINT

# Across-the-body vectors shorter than this on the floor (a person on the side) do not tell a heading.
_MIN_ACROSS: Final = 0.05

# Neighbours must share at least this part of the longer motion, else one-second scraps are near to everything.
MIN_OVERLAP: Final = 0.6


def facing_direction(joints: Float[Tensor, "*batch joint 3"]) -> Float[Tensor, "*batch 2"]:
    """Unit vector on the floor in which a person faces: perpendicular to the line across hips and shoulders.

    For a person on the side, whose across line is vertical, the direction from the pelvis to the neck stands in.

    Args:
        joints: at least SMPL's first 18 joints in the z-up world.
    """
    across = (
        joints[..., JOINT["left_hip"], :]
        - joints[..., JOINT["right_hip"], :]
        + joints[..., JOINT["left_shoulder"], :]
        - joints[..., JOINT["right_shoulder"], :]
    ) / 2
    # SMPL's rest frame: left is +x, up is +y, ahead is +z = x cross y; hence ahead = left cross up.
    ahead = torch.stack((across[..., 1], -across[..., 0]), dim=-1)
    spine = (joints[..., JOINT["neck"], :] - joints[..., JOINT["pelvis"], :])[..., :2]
    chosen = torch.where(ahead.norm(dim=-1, keepdim=True) < _MIN_ACROSS, spine, ahead)
    return torch.nn.functional.normalize(chosen, dim=-1, eps=1e-8)


def align(joints: Float[Tensor, "*batch frame joint 3"]) -> Float[Tensor, "*batch frame joint 3"]:
    """Motion moved and turned so that in its first frame the pelvis is over the origin and the person faces +y.

    Heights are kept. Two takes of one motion anywhere in the room become equal.
    """
    first = joints[..., 0, :, :]
    ahead = facing_direction(first)
    cos, sin = ahead[..., 1], ahead[..., 0]  # turns (sin, cos) onto (0, 1)
    moved = joints.clone()
    moved[..., :2] = joints[..., :2] - first[..., None, :1, :2]
    x, y = moved[..., 0].clone(), moved[..., 1].clone()
    moved[..., 0] = cos[..., None, None] * x - sin[..., None, None] * y
    moved[..., 1] = sin[..., None, None] * x + cos[..., None, None] * y
    return moved


def in_place(joints: Float[Tensor, "*batch frame joint 3"]) -> Float[Tensor, "*batch frame joint 3"]:
    """Motion with the pelvis over the origin in every frame: posture, height and turning, without the path."""
    moved = joints.clone()
    moved[..., :2] = joints[..., :2] - joints[..., :1, :2]
    return moved


def resample_time(joints: Float[Tensor, "frame joint 3"], frames: int) -> Float[Tensor, "time joint 3"]:
    """Motion stretched or squeezed to a number of frames by linear interpolation; first and last frame stay."""
    position = torch.linspace(0, joints.shape[0] - 1, frames, dtype=joints.dtype)
    before = position.floor().long().clamp(max=max(joints.shape[0] - 2, 0))
    after = (before + 1).clamp(max=joints.shape[0] - 1)
    fraction = (position - before)[:, None, None]
    return joints[before] * (1 - fraction) + joints[after] * fraction


def pairwise_distances(motions: Float[Tensor, "motion frame joint 3"]) -> Float[Tensor, "motion motion"]:
    """Distances in metres per joint between all pairs of motions of one length (already aligned)."""
    return torch.stack([(motions - one).norm(dim=-1).mean(dim=(-2, -1)) for one in motions])


def mean_pairwise_distance(clips: Sequence[Float[Tensor, "_ joint 3"]], frames: int = 64) -> Float[Tensor, ""]:
    """Spread of a set of motions: mean distance in metres per joint over its pairs, after alignment and resampling.

    Args:
        clips: joints of each motion; lengths may differ, joints may not.
        frames: every motion is resampled to this many, so that pace alone is no difference.

    Raises:
        UserError: fewer than two motions.

    Example:
        >>> one = torch.rand(30, 22, 3)
        >>> mean_pairwise_distance([one, one + torch.tensor([3.0, 4.0, 0.0])]).item() < 1e-5  # moved, hence equal
        True
    """
    if len(clips) < 2:
        raise UserError(
            f"Expected at least 2 motions to measure their spread, but got {len(clips)}. "
            "Ask for more clips of the same label."
        )
    distances = pairwise_distances(torch.stack([resample_time(align(clip), frames) for clip in clips]))
    return distances.sum() / (len(clips) * (len(clips) - 1))


class Neighbours(NamedTuple):
    """For each query its nearest reference motion: distance in metres per joint (inf: none long enough) and index."""

    distance: Float[Tensor, " query"]
    index: Int[Tensor, " query"]


def nearest_neighbours(
    queries: Sequence[Float[Tensor, "_ joint 3"]],
    references: Sequence[Float[Tensor, "_ joint 3"]],
    stride: int = 4,
    groups: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Neighbours:
    """Nearest reference motion of each query, by the mean distance per joint over the time both share.

    Motions are aligned in place and direction at their first frame and compared frame by frame at their own pace, as a
    copy would keep it. Two motions are compared when the shorter has at least `MIN_OVERLAP` of the longer one's frames.

    Args:
        queries: joints of each query motion.
        references: joints of each reference motion, at the same frame rate.
        stride: every `stride`-th frame is compared (4: five a second at 20 fps; motion hardly hides between them).
        groups: names of each query's and each reference's recording; the same name is not compared, so that
            training motions can be held against the other training motions.

    Raises:
        UserError: no reference motions.
    """
    if not references:
        raise UserError(
            "Expected training motions to compare with, but got none. Is the training split of the data folder empty?"
        )
    points = [align(clip)[::stride] for clip in references]
    order = sorted(range(len(points)), key=lambda i: points[i].shape[0])
    lengths = torch.tensor([points[i].shape[0] for i in order])
    # Padded once, sorted by length: the references long enough for a query are then one contiguous slice.
    padded = torch.nn.utils.rnn.pad_sequence([points[i] for i in order], batch_first=True)
    own, others = groups if groups is not None else ((), ())
    distances, indices = [], []
    for number, query in enumerate(queries):
        probe = align(query)[::stride]
        frames = probe.shape[0]
        low = int(torch.searchsorted(lengths, MIN_OVERLAP * frames))
        high = int(torch.searchsorted(lengths, frames / MIN_OVERLAP, right=True))
        if groups is not None:
            same = torch.tensor([others[i] == own[number] for i in order[low:high]], dtype=torch.bool)
        else:
            same = torch.zeros(high - low, dtype=torch.bool)
        if high == low or bool(same.all()):
            distances.append(torch.tensor(torch.inf))
            indices.append(torch.tensor(-1))
            continue
        shared = min(frames, padded.shape[1])
        per_frame = (padded[low:high, :shared] - probe[:shared]).norm(dim=-1).mean(-1)
        both = torch.arange(shared) < lengths[low:high, None]
        mean = (per_frame * both).sum(-1) / both.sum(-1)
        best = int(mean.masked_fill(same, torch.inf).argmin())
        distances.append(mean[best])
        indices.append(torch.tensor(order[low + best]))
    return Neighbours(torch.stack(distances), torch.stack(indices))
