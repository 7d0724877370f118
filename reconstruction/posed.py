"""Posed bodies in numpy, with the slopes of every point that moves with them.

A small turn of joint i is written as a vector ω_i in the world's axes: G_i becomes exp(ω_i) G_i for the joint and all
that hangs on it, which is the local right perturbation R_i exp(G_i^T ω_i). A point x that hangs on joint i then moves
by ω_i x (x - p_i): its slopes are plain lever arms, without any product of matrices.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from carescene.humans.skeleton import JOINT, NUM_JOINTS, PARENTS
from reconstruction.landmarks import LandmarkModel

_HANDS: Final = (JOINT["left_hand"], JOINT["right_hand"])
# Nothing that is seen or touched moves with the two hand joints of SMPL: they keep the angle of their label.
FREE_JOINTS: Final[tuple[int, ...]] = tuple(joint for joint in range(NUM_JOINTS) if joint not in _HANDS)
NUM_SHAPES: Final = 10


def _ancestors() -> Bool[np.ndarray, "24 24"]:
    table = np.eye(NUM_JOINTS, dtype=bool)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            table[joint] |= table[parent]
    return table


# CARRIES[j, i]: whether joint j moves when joint i turns, itself included.
CARRIES: Final = _ancestors()


@dataclass(frozen=True)
class Posed:
    """One person's skeleton in some frames.

    Attributes:
        rotations: of each joint relative to its parent.
        world: of each joint relative to the world.
        joints: positions in the world, metres.
        shapes: change of the positions with each beta.
    """

    rotations: Float[np.ndarray, "frame 24 3 3"]
    world: Float[np.ndarray, "frame 24 3 3"]
    joints: Float[np.ndarray, "frame 24 3"]
    shapes: Float[np.ndarray, "frame 24 3 10"]


@dataclass(frozen=True)
class BodyPoints:
    """Points that each move rigidly with one joint.

    Attributes:
        carrier: the joint of each.
        offsets: point minus its joint in the rest pose at betas of 0, metres.
        shapes: change of the offsets with each beta.
    """

    carrier: Int[np.ndarray, "point"]
    offsets: Float[np.ndarray, "point 3"]
    shapes: Float[np.ndarray, "point 3 10"]

    def of(self, betas: Float[np.ndarray, "10"]) -> Float[np.ndarray, "point 3"]:
        """Offsets of a body of this shape, metres."""
        return self.offsets + self.shapes @ betas

    def take(self, index: Int[np.ndarray, "chosen"]) -> "BodyPoints":
        """Some of the points."""
        return BodyPoints(self.carrier[index], self.offsets[index], self.shapes[index])


def joint_points(joints: tuple[int, ...]) -> BodyPoints:
    """Joints themselves as points of the body."""
    count = len(joints)
    return BodyPoints(np.array(joints, np.int64), np.zeros((count, 3)), np.zeros((count, 3, NUM_SHAPES)))


def pose_body(
    model: LandmarkModel,
    rotations: Float[np.ndarray, "frame 24 3 3"],
    trans: Float[np.ndarray, "frame 3"],
    betas: Float[np.ndarray, "10"],
    *,
    shapes: bool = True,
) -> Posed:
    """Forward kinematics of one person.

    Args:
        rotations: of each joint relative to its parent; the pelvis' maps the rest frame to the world.
        trans: pelvis joint in the world, metres.
        shapes: whether slopes in the betas are wanted; they are zero otherwise.
    """
    rest = model.joints + model.joint_shapes @ betas
    frames = len(rotations)
    world = np.empty((frames, NUM_JOINTS, 3, 3))
    joints = np.empty((frames, NUM_JOINTS, 3))
    slopes = np.zeros((frames, NUM_JOINTS, 3, NUM_SHAPES))
    world[:, 0], joints[:, 0] = rotations[:, 0], trans
    for joint, parent in enumerate(PARENTS[1:], start=1):
        above = world[:, parent]
        np.matmul(above, rotations[:, joint], out=world[:, joint])
        joints[:, joint] = joints[:, parent] + above @ (rest[joint] - rest[parent])
        if shapes:
            slopes[:, joint] = slopes[:, parent] + above @ (model.joint_shapes[joint] - model.joint_shapes[parent])
    return Posed(rotations, world, joints, slopes)


def world_rotations(rotations: Float[np.ndarray, "frame 24 3 3"]) -> Float[np.ndarray, "frame 24 3 3"]:
    """World rotations of the joints from those relative to their parents."""
    world = rotations.copy()
    for joint, parent in enumerate(PARENTS[1:], start=1):
        world[:, joint] = world[:, parent] @ rotations[:, joint]
    return world


def place_points(
    posed: Posed, carrier: Int[np.ndarray, "point"], offsets: Float[np.ndarray, "point 3"]
) -> Float[np.ndarray, "frame point 3"]:
    """Positions in the world, metres, of points given by their joint and their offset from it in the rest pose."""
    return posed.joints[:, carrier] + (posed.world[:, carrier] @ offsets[..., None])[..., 0]


def point_slopes(
    posed: Posed,
    points: Float[np.ndarray, "frame point 3"],
    carrier: Int[np.ndarray, "point"],
    free: tuple[int, ...] = FREE_JOINTS,
) -> Float[np.ndarray, "frame point 3 variable"]:
    """Change of points with a person's variables of one frame: pelvis position, then the turn ω of each free joint."""
    frames, count = points.shape[:2]
    lever = points[:, :, None] - posed.joints[:, None, free]
    lever *= CARRIES[carrier][:, list(free), None]
    slopes = np.zeros((frames, count, 3, 3 + 3 * len(free)))
    slopes[:, :, [0, 1, 2], [0, 1, 2]] = 1.0
    x, y, z = lever[..., 0], lever[..., 1], lever[..., 2]
    turns = slopes[..., 3:]
    turns[:, :, 0, 1::3], turns[:, :, 0, 2::3] = z, -y
    turns[:, :, 1, 0::3], turns[:, :, 1, 2::3] = -z, x
    turns[:, :, 2, 0::3], turns[:, :, 2, 1::3] = y, -x
    return slopes


def slopes_along(
    posed: Posed,
    points: Float[np.ndarray, "frame point 3"],
    carrier: Int[np.ndarray, "point"],
    direction: Float[np.ndarray, "frame point 3"],
    free: tuple[int, ...] = FREE_JOINTS,
) -> Float[np.ndarray, "frame point variable"]:
    """Change of points along one direction each: direction · `point_slopes`, without making the latter."""
    frames, count = points.shape[:2]
    lever = points[:, :, None] - posed.joints[:, None, free]
    lever *= CARRIES[carrier][:, list(free), None]
    slopes = np.empty((frames, count, 3 + 3 * len(free)))
    slopes[..., :3] = direction
    lx, ly, lz = lever[..., 0], lever[..., 1], lever[..., 2]
    nx, ny, nz = (direction[:, :, None, axis] for axis in range(3))
    slopes[..., 3::3] = ly * nz - lz * ny
    slopes[..., 4::3] = lz * nx - lx * nz
    slopes[..., 5::3] = lx * ny - ly * nx
    return slopes


def point_shapes(
    posed: Posed, carrier: Int[np.ndarray, "point"], shapes: Float[np.ndarray, "point 3 10"]
) -> Float[np.ndarray, "frame point 3 10"]:
    """Change of points with each beta; `shapes` are those of their offsets."""
    return posed.shapes[:, carrier] + posed.world[:, carrier] @ shapes
