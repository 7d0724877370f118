"""How deep people are in each other: skin points of one inside the mesh of the other.

Capsules around bones find the points worth a closer look. Contact with rooms is measured by
`carescene.scenes.contact_report`.
"""

import functools
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_matrix
from scipy.spatial import KDTree
from torch import Tensor

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.humans.body import Body, load_body
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import SkinPoints, load_skin_points
from carescene.scenes.depth import largest_known, mean_known, share_over

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
# Skin is at most this far outside of the capsules.
_CLOSE_M: Final = 0.10


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
        return mean_known(self.depth_m)

    @property
    def max_m(self) -> float:
        """Deepest contact of all, metres."""
        return largest_known(self.depth_m)

    @property
    def share_deep(self) -> float:
        """Share of frames with a contact deeper than 3 cm."""
        return share_over(self.depth_m)


def people_contact(clip: Clip, *, every: int = 1, body: Body | None = None) -> PeopleContact:
    """Measure how deep the people of a clip are in each other: skin points of each in the closed mesh of the other.

    Args:
        clip: metres, z up.
        every: only every so many frames (the others are NaN).
        body: another body than the bundled one.

    Raises:
        UserError: `every` is less than 1.
    """
    if every < 1:
        raise UserError(f"Expected to measure every 1 or more frames, but got every {every}. Use 1 for all.")
    pairs = tuple(combinations(range(clip.num_persons), 2))
    depth = np.full((len(pairs), clip.num_frames), np.nan)
    if not pairs:
        return PeopleContact(pairs, depth)
    body = body or _bundled_body()
    skin = load_skin_points() if body is _bundled_body() else SkinPoints.of(body)
    for row, (one, two) in enumerate(pairs):
        frames = np.flatnonzero(clip.valid[one] & clip.valid[two])[::every]
        depth[row, frames] = 0.0
        apart = np.linalg.norm(clip.trans[one, frames] - clip.trans[two, frames], axis=-1)
        frames = frames[apart < _REACH_M]
        for mine, other in ((one, two), (two, one)):
            if len(frames):
                depth[row, frames] = np.maximum(depth[row, frames], _depth_in(clip, mine, other, frames, body, skin))
    return PeopleContact(pairs, depth)


def _depth_in(
    clip: Clip, mine: int, other: int, frames: np.ndarray, body: Body, skin: SkinPoints
) -> Float[np.ndarray, "frame"]:
    """How deep the skin points of one person are in the mesh of another in each of some frames, metres."""
    points = np.asarray(skin.of_person(clip.poses[mine, frames], clip.trans[mine, frames], clip.betas[mine]))
    rotations = torch.from_numpy(np.asarray(clip.poses[other, frames], np.float32))
    trans = torch.from_numpy(np.asarray(clip.trans[other, frames], np.float32))
    betas = torch.from_numpy(np.asarray(clip.betas[other], np.float32))
    joints, _ = forward_kinematics(rotvec_to_matrix(rotations), trans, skin.rest_joints(betas))
    radii = capsule_radii(clip.betas[other], skin)
    near = (capsule_distance(torch.as_tensor(points).float(), joints, radii) < _CLOSE_M).numpy()
    deepest = np.zeros(len(frames))
    rows = np.flatnonzero(near.any(axis=1))
    if not len(rows):
        return deepest
    with torch.inference_mode():
        vertices = body.pose(rotations[rows], trans[rows], betas).vertices.numpy()
    faces = body.faces.numpy()
    for row, mesh in zip(rows, vertices, strict=True):
        inside = -distance_to_mesh(points[row, near[row]], mesh, faces)
        deepest[row] = max(float(inside.max()), 0.0)
    return deepest


def distance_to_mesh(
    points: Float[np.ndarray, "point 3"], vertices: Float[np.ndarray, "vertex 3"], faces: np.ndarray
) -> Float[np.ndarray, "point"]:
    """Signed distance in metres from points near a smooth closed mesh to it, negative inside.

    It is the distance to the plane through the nearest vertex, across the mean normal there: on a body, whose vertices
    are 1 to 3 cm apart, right to a few millimetres within some centimetres of the skin, at a tenth of the exact cost.
    """
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    rows = np.repeat(np.arange(len(faces)), 3)
    around = csr_matrix((np.ones(faces.size), (faces.reshape(-1), rows)), shape=(len(vertices), len(faces)))
    normals = around @ across
    _, nearest = KDTree(vertices).query(points)
    normal = normals[nearest] / np.maximum(np.linalg.norm(normals[nearest], axis=-1, keepdims=True), 1e-12)
    return ((points - vertices[nearest]) * normal).sum(-1)


@functools.cache
def _bundled_body() -> Body:
    return load_body()


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

    Half of the skin is then outside, by up to 8 cm at the belly, and half inside: good for keeping people apart, too
    coarse for measuring.
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
