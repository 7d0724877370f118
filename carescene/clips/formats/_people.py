"""What writers of motion need of one person in a clip."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.humans.skeleton import NUM_JOINTS
from carescene.humans.source_motion import Y_UP_TO_Z_UP


@dataclass(frozen=True)
class RestBody:
    """One person's body in the T-pose, in the rest frame (y up, facing +z, left is +x) and in metres.

    Attributes:
        vertices: the skin.
        joints: SMPL's 24.
        faces: triangles, counter-clockwise seen from outside.
        weights: share of each joint in the movement of each vertex; rows sum to 1.
    """

    vertices: Float[np.ndarray, "vertex 3"]
    joints: Float[np.ndarray, "24 3"]
    faces: Int[np.ndarray, "face 3"]
    weights: Float[np.ndarray, "vertex 24"]


def person_span(clip: Clip, person: int) -> slice:
    """Frames from the person's first to the last in which they exist.

    Files of one motion have no word for "not there", so what lies before and after is left out.

    Raises:
        UserError: the person never exists, or is away in between.
    """
    there = np.flatnonzero(clip.valid[person])
    if len(there) == 0:
        raise UserError(
            f"Clip '{clip.id}': expected person {person} to exist in some frame, but got none. Remove the person."
        )
    span = slice(int(there[0]), int(there[-1]) + 1)
    if len(there) < span.stop - span.start:
        gap = span.start + int(np.argmin(clip.valid[person, span]))
        raise UserError(
            f"Clip '{clip.id}': expected person {person} to exist without a break, but they are away in frame {gap}. "
            "A motion file cannot hold that; cut the clip there."
        )
    return span


def y_up_motion(
    clip: Clip, person: int, frames: slice | Int[np.ndarray, "frame"]
) -> tuple[Float[np.ndarray, "frame 24 3 3"], Float[np.ndarray, "frame 3"]]:
    """Joint rotations relative to their parents and pelvis positions (metres) in a y-up world, where -z was y."""
    rotvecs = clip.poses[person, frames].astype(np.float64)
    rotations = Rotation.from_rotvec(rotvecs.reshape(-1, 3)).as_matrix().reshape(-1, NUM_JOINTS, 3, 3)
    rotations[:, 0] = Y_UP_TO_Z_UP.T @ rotations[:, 0]
    return rotations, clip.trans[person, frames].astype(np.float64) @ Y_UP_TO_Z_UP
