"""How deep people are in each other: skin points of one against capsules around the bones of the other.

Contact with rooms is measured by `carescene.scenes.contact_report`.
"""

import functools
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.evaluation.tracks import clip_joints
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import SkinPoints, load_skin_points

DEEP_M: Final = 0.03
# Bones that carry a capsule each; the trunk is wide, hence the lines from its middle to hips and shoulders.
_BONES: Final[tuple[tuple[str, str], ...]] = (
    ("pelvis", "spine2"),
    ("spine2", "neck"),
    ("neck", "head"),
    ("left_hip", "right_hip"),
    ("left_collar", "right_collar"),
    *(
        (f"{side}_{start}", f"{side}_{end}")
        for side in ("left", "right")
        for start, end in (
            ("collar", "shoulder"),
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("wrist", "hand"),
            ("hip", "knee"),
            ("knee", "ankle"),
            ("ankle", "foot"),
        )
    ),
)
# First and second joint of each bone.
BONE_STARTS: Final = [JOINT[start] for start, _ in _BONES]
BONE_ENDS: Final = [JOINT[end] for _, end in _BONES]
# Pelvises further apart than this cannot touch: two outstretched arms.
_REACH_M: Final = 2.2


@dataclass(frozen=True)
class PeopleContact:
    """Depth in metres of the deepest contact of each pair of people in each frame; NaN where one is not there.

    `pairs` names the persons of each row of `depth_m`.
    """

    pairs: tuple[tuple[int, int], ...]
    depth_m: Float[np.ndarray, "pair frame"]

    @property
    def mean_m(self) -> float:
        """Mean over pairs and frames, metres; 0 for somebody alone."""
        return float(np.nanmean(self.depth_m)) if np.isfinite(self.depth_m).any() else 0.0

    @property
    def max_m(self) -> float:
        """Deepest contact of all, metres."""
        return float(np.nanmax(self.depth_m, initial=0.0))

    @property
    def share_deep(self) -> float:
        """Share of frames with a contact deeper than 3 cm."""
        known = np.isfinite(self.depth_m)
        return float((self.depth_m[known] > DEEP_M).mean()) if known.any() else 0.0


def people_contact(clip: Clip, *, every: int = 1, skin: SkinPoints | None = None) -> PeopleContact:
    """Measure how deep the people of a clip are in each other.

    Args:
        clip: metres, z up.
        every: only every so many frames (the others are NaN).
        skin: points of another body.

    Raises:
        UserError: `every` is less than 1.
    """
    if every < 1:
        raise UserError(f"Expected to measure every 1 or more frames, but got every {every}. Use 1 for all.")
    skin = skin or load_skin_points()
    pairs = tuple(combinations(range(clip.num_persons), 2))
    depth = np.full((len(pairs), clip.num_frames), np.nan)
    if not pairs:
        return PeopleContact(pairs, depth)
    joints = torch.from_numpy(clip_joints(clip)).float()
    for row, (one, two) in enumerate(pairs):
        frames = np.flatnonzero(clip.valid[one] & clip.valid[two])[::every]
        depth[row, frames] = 0.0
        apart = np.linalg.norm(clip.trans[one, frames] - clip.trans[two, frames], axis=-1)
        frames = frames[apart < _REACH_M]
        if not len(frames):
            continue
        deepest = np.zeros(len(frames))
        for mine, other in ((one, two), (two, one)):
            points = skin.of_person(clip.poses[mine, frames], clip.trans[mine, frames], clip.betas[mine])
            inside = -capsule_distance(
                torch.as_tensor(np.asarray(points, np.float32)),
                joints[other, frames],
                capsule_radii(clip.betas[other], skin),
            )
            deepest = np.maximum(deepest, inside.amax(dim=1).numpy())
        depth[row, frames] = deepest
    return PeopleContact(pairs, depth)


def capsule_distance(
    points: Float[Tensor, "frame point 3"], joints: Float[Tensor, "frame 24 3"], radii: Float[Tensor, "bone"]
) -> Float[Tensor, "frame point"]:
    """Signed distance in metres from points to the capsules around the bones of a body, negative inside."""
    start, end = joints[:, None, BONE_STARTS], joints[:, None, BONE_ENDS]
    edge = end - start
    length = (edge**2).sum(-1).clamp(min=1e-9)
    part = (((points[:, :, None] - start) * edge).sum(-1) / length).clamp(0, 1)
    away = (points[:, :, None] - start - part[..., None] * edge).norm(dim=-1)
    return (away - radii).amin(-1)


def capsule_radii(betas: Float[np.ndarray, "10"], skin: SkinPoints) -> Float[Tensor, "bone"]:
    """Radius in metres of the capsule around each bone: the median distance of the skin points that are nearest to it.

    Half of the skin is then a little outside and half a little inside; the trunk, which is wider than deep, is made of
    several capsules.
    """
    return _radii(tuple(round(float(value), 3) for value in betas), skin if skin is not load_skin_points() else None)


@functools.lru_cache(maxsize=256)
def _radii(betas: tuple[float, ...], skin: SkinPoints | None) -> Tensor:
    skin = skin or load_skin_points()
    shape = torch.tensor(betas, dtype=skin.template.dtype)
    points = skin.template + skin.shape @ shape
    joints = skin.rest + skin.rest_shape @ shape
    start, edge = joints[BONE_STARTS], joints[BONE_ENDS] - joints[BONE_STARTS]
    part = (((points[:, None] - start) * edge).sum(-1) / (edge**2).sum(-1)).clamp(0, 1)
    away = (points[:, None] - start - part[..., None] * edge).norm(dim=-1)
    nearest = away.argmin(-1)
    # A bone that is nearest to no point (deep inside the trunk) gets a radius that never counts.
    return torch.stack(
        [
            away[nearest == bone, bone].median() if bool((nearest == bone).any()) else torch.tensor(0.0)
            for bone in range(len(_BONES))
        ]
    ).float()
