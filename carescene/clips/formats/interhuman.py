"""InterHuman's 262 numbers per person and frame: two people in one frame of reference (Liang et al. 2024, "InterGen").

    positions   66   22 joints in the world of the pair, metres, y up
    velocities  66   to the next frame, metres per frame (30 frames per second)
    rotations  126   21 joints relative to their parents, 6 numbers each; the pelvis' own rotation is not among them
    contacts     4   left ankle, left toe, right ankle, right toe: slow and near the floor

The 6 numbers are the first two columns of the rotation matrix written row by row: r00 r01 r10 r11 r20 r21 (the
published statistics show it: entries 0 and 3 are the ones near 1). Two things differ from the published loader, on
purpose. The floor is that of the pair: each person's own lowest joint would drop to the floor who is carried or lies
on a bed. And person 0 always defines the frame, with the order drawn once before, where the published loader draws it
once more afterwards, so that nobody can tell whose frame it is. `floor="person"` gives the published floors back, for
evaluators that were trained on them.
"""

from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from carescene.humans.skeleton import JOINT, MIRROR, MODEL_JOINTS
from carescene.humans.source_motion import Y_UP_TO_Z_UP

PAIR_FPS: Final = 30
PAIR_FEATURES: Final = 262
POSITIONS: Final = slice(0, 66)
VELOCITIES: Final = slice(66, 132)
ROTATIONS: Final = slice(132, 258)
CONTACTS: Final = slice(258, 262)

Floor = Literal["pair", "person"]

_BODY: Final = MODEL_JOINTS - 1
_CONTACT_JOINTS: Final = tuple(JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("ankle", "foot"))
# Squared metres per frame at 30 frames per second, and heights in metres, as published.
_CONTACT_SPEED: Final = 0.001
_CONTACT_HEIGHTS: Final = (0.12, 0.05, 0.12, 0.05)
# Entries of r00 r01 r10 r11 r20 r21 that change sign when x does.
_FLIPPED: Final = np.array([1.0, -1.0, -1.0, 1.0, -1.0, 1.0])
_MODEL_MIRROR: Final = MIRROR[:MODEL_JOINTS]
_BODY_MIRROR: Final = tuple(joint - 1 for joint in _MODEL_MIRROR[1:])


def rotations_to_six(rotations: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 6"]:
    """InterHuman's six numbers of a rotation: its first two columns, row by row."""
    return rotations[..., :2].reshape(*rotations.shape[:-2], 6)


def six_to_rotations(six: Float[np.ndarray, "*batch 6"]) -> Float[np.ndarray, "*batch 3 3"]:
    """The inverse of `rotations_to_six`, by Gram-Schmidt (Zhou et al. 2019), so that predictions give rotations too."""
    columns = six.reshape(*six.shape[:-1], 3, 2)
    first = _unit(columns[..., 0])
    second = columns[..., 1] - (first * columns[..., 1]).sum(-1, keepdims=True) * first
    second = _unit(second)
    return np.stack((first, second, np.cross(first, second)), axis=-1)


def pair_frame(
    positions: Float[np.ndarray, "person frame 22 3"],
) -> tuple[float, Float[np.ndarray, "2"]]:
    """Turn (radians about the vertical) and place of person 0 in the first frame, in a z-up world.

    The frame that InterHuman's numbers are seen from: person 0 stands at the origin and faces +z of the y-up world,
    which is -y of ours. The heading is across the hips, right minus left.
    """
    first = positions[0, 0]
    across = first[JOINT["right_hip"], :2] - first[JOINT["left_hip"], :2]
    # A person who faces -y has the right hip towards -x.
    return float(np.arctan2(-across[1], -across[0])), first[0, :2].copy()


def to_pair_frame(
    positions: Float[np.ndarray, "person frame 22 3"], floor: Floor = "pair"
) -> Float[np.ndarray, "person frame 22 3"]:
    """Positions seen from person 0 in the first frame, on the floor; a z-up world to a z-up world.

    Args:
        positions: metres, z up, both people in one world.
        floor: `pair` for the lowest joint of both people in all frames, `person` for each one's own, as published.
    """
    angle, origin = pair_frame(positions)
    cos, sin = np.cos(angle), np.sin(angle)
    moved = positions.astype(np.float64)
    moved[..., :2] -= origin
    moved[..., :2] = moved[..., :2] @ np.array([[cos, -sin], [sin, cos]])
    heights = moved[..., 2]
    lowest = heights.min() if floor == "pair" else heights.min(axis=(1, 2), keepdims=True)
    moved[..., 2] = heights - lowest
    return moved


def encode_pair(
    positions: Float[np.ndarray, "person frame 22 3"],
    rotations: Float[np.ndarray, "person frame 21 3 3"],
    floor: Floor = "pair",
) -> Float[np.ndarray, "person frame-1 262"]:
    """The 262 numbers of both people; one frame fewer, since velocities need the next one.

    Args:
        positions: of the 22 joints in one z-up world, metres, at 30 frames per second.
        rotations: of joints 1 to 21 relative to their parents.
        floor: see `to_pair_frame`.
    """
    moved = to_pair_frame(positions, floor) @ Y_UP_TO_Z_UP
    velocity = np.diff(moved, axis=1)
    here = moved[:, :-1]
    feet = list(_CONTACT_JOINTS)
    slow = (velocity[:, :, feet] ** 2).sum(-1) < _CONTACT_SPEED
    contact = slow & (here[:, :, feet, 1] < np.array(_CONTACT_HEIGHTS))
    six = rotations_to_six(rotations[:, :-1])
    shape = here.shape[:2]
    parts = (here.reshape(*shape, -1), velocity.reshape(*shape, -1), six.reshape(*shape, -1), contact)
    return np.concatenate(parts, axis=-1).astype(np.float32)


def decode_pair(
    features: Float[np.ndarray, "*person frame 262"],
) -> tuple[Float[np.ndarray, "*person frame 22 3"], Float[np.ndarray, "*person frame 21 3 3"]]:
    """Joint positions (metres, z up, the pair's frame) and local rotations of joints 1 to 21, exactly as stored."""
    positions = features[..., POSITIONS].astype(np.float64).reshape(*features.shape[:-1], MODEL_JOINTS, 3)
    six = features[..., ROTATIONS].astype(np.float64).reshape(*features.shape[:-1], _BODY, 6)
    return positions @ Y_UP_TO_Z_UP.T, six_to_rotations(six)


def mirror_pair(
    positions: Float[np.ndarray, "person frame 22 3"], rotations: Float[np.ndarray, "person frame 21 3 3"]
) -> tuple[Float[np.ndarray, "person frame 22 3"], Float[np.ndarray, "person frame 21 3 3"]]:
    """Both people mirrored at x = 0 of the z-up world, left limbs becoming right ones; twice gives the input back."""
    flip = np.array([-1.0, 1.0, 1.0])
    return positions[:, :, list(_MODEL_MIRROR)] * flip, rotations[:, :, list(_BODY_MIRROR)] * (flip[:, None] * flip)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-8)
