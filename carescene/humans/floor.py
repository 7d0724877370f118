"""Where the floor is: heights of the mesh's soles, and the floor from frames in which a foot stands."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from carescene.humans.skeleton import JOINT

# A standing foot moves slower than this, in metres per second.
STANCE_SPEED = 0.15
# and its sole's normal is within this cosine of vertical: about 25 degrees.
FLAT_COSINE = 0.9
# It takes this much standing, summed over both feet, before a take may say where its floor is.
MINIMUM_STANCE_S = 0.5

_SIDES = ("left", "right")


@dataclass(frozen=True)
class Soles:
    """Vertices of the underside of both feet, each rigid with its ankle or toe joint.

    Attributes:
        joints: `(2, K)` joint index of each vertex, left foot first.
        offsets: `(2, K, 3)` vertex minus joint in the rest pose, in metres.
    """

    joints: np.ndarray
    offsets: Float[np.ndarray, "2 point 3"]


def find_soles(
    vertices: Float[np.ndarray, "vertex 3"],
    lbs_weights: Float[np.ndarray, "vertex 24"],
    rest_joints: Float[np.ndarray, "24 3"],
    thickness: float = 0.015,
    points: int = 24,
) -> Soles:
    """Pick sole vertices of a body in its rest pose (y up): those of the feet within `thickness` of the lowest one."""
    chosen_joints, chosen_offsets = [], []
    for side in _SIDES:
        feet = np.array([JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]])
        owner = lbs_weights.argmax(axis=1)
        mine = np.isin(owner, feet)
        low = mine & (vertices[:, 1] < vertices[mine, 1].min() + thickness)
        # Every part of the sole must be there, else a heel or toe strike is not seen: the lowest of each joint's.
        indices = np.concatenate(
            [_spread(np.flatnonzero(low & (owner == joint)), vertices, points // 2) for joint in feet]
        )
        chosen_joints.append(owner[indices])
        chosen_offsets.append(vertices[indices] - rest_joints[owner[indices]])
    return Soles(np.stack(chosen_joints), np.stack(chosen_offsets))


def _spread(indices: np.ndarray, vertices: np.ndarray, count: int) -> np.ndarray:
    """`count` of the indices, spread along the foot's length (repeating when there are fewer)."""
    ordered = indices[np.argsort(vertices[indices, 2])]
    return ordered[np.linspace(0, len(ordered) - 1, count).round().astype(int)]


def sole_heights(
    joints: Float[np.ndarray, "frame 24 3"], world: Float[np.ndarray, "frame 24 3 3"], soles: Soles
) -> Float[np.ndarray, "frame 2"]:
    """Height of each sole's lowest point in metres, left then right."""
    heights = []
    for side in range(2):
        index = soles.joints[side]
        lift = np.einsum("tkc,kc->tk", world[:, index, 2, :], soles.offsets[side])
        heights.append((joints[:, index, 2] + lift).min(axis=1))
    return np.stack(heights, axis=-1)


def standing_frames(
    joints: Float[np.ndarray, "frame 24 3"], world: Float[np.ndarray, "frame 24 3 3"], fps: float
) -> Bool[np.ndarray, "frame 2"]:
    """Frames in which each foot could stand: slow, its sole level, below the knee and the pelvis."""
    result = []
    for side in _SIDES:
        ankle, toe, knee = (JOINT[f"{side}_{part}"] for part in ("ankle", "foot", "knee"))
        middle = joints[:, [ankle, toe]].mean(axis=1)
        speed = np.linalg.norm(np.gradient(middle, axis=0), axis=-1) * fps
        # The rest frame's up axis is y; its z component in the world says how level the sole is.
        level = world[:, ankle, 2, 1] > FLAT_COSINE
        below = (joints[:, ankle, 2] < joints[:, knee, 2]) & (joints[:, ankle, 2] < joints[:, 0, 2])
        result.append((speed < STANCE_SPEED) & level & below)
    return np.stack(result, axis=-1)


def stance_heights(
    joints: Float[np.ndarray, "frame 24 3"], world: Float[np.ndarray, "frame 24 3 3"], soles: Soles, fps: float
) -> Float[np.ndarray, "stance"]:
    """Sole heights in the frames in which a foot stands, of both feet together."""
    return sole_heights(joints, world, soles)[standing_frames(joints, world, fps)]


def estimate_floor(
    heights: Float[np.ndarray, "stance"], fps: float, usual: float, tolerance: float = 0.06
) -> tuple[float, bool]:
    """Height of the floor from stance heights: their robust low level, never their minimum.

    Feet also stand on steps, rest on beds and roll over the toes, all above the floor; noise alone is below it. So the
    floor is the middle of the lowest band: the median of heights within 3 cm above the 15th percentile.

    Args:
        heights: sole heights in stance, in metres.
        fps: frames per second they were taken at.
        usual: the floor of the data set, used when there is too little stance or it disagrees.
        tolerance: how far a take's own floor may lie from the usual one, in metres, before it is disbelieved (a
            person who only sits with feet off the ground, lies or crawls).

    Returns:
        the floor height, and whether it is the take's own.
    """
    if len(heights) < MINIMUM_STANCE_S * fps:
        return usual, False
    low = np.percentile(heights, 15)
    floor = float(np.median(heights[heights < low + 0.03]))
    if abs(floor - usual) > tolerance:
        return usual, False
    return floor, True
