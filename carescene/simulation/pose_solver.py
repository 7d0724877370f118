"""Inverse kinematics of the whole body, many frames at once: near a given pose, exact where it touches things."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT, NUM_JOINTS, PARENTS
from carescene.humans.turns import cross_matrix, log_slope
from carescene.simulation.anatomy import Anatomy
from carescene.simulation.pose_limits import LIMITS, NEUTRAL
from carescene.simulation.surfaces import Surface, penetration

# Variables: three turns of each joint but the hands, then the pelvis position.
_TURNED: Final = NUM_JOINTS - 2
_VARIABLES: Final = 3 * _TURNED + 3
# Square roots of the costs, per radian or per metre. Contacts win over everything: against a prior of 1 rad they
# give way by less than 0.1 mm. What is heavy and held by many muscles (pelvis, spine) stays nearer its given pose.
_ON_CONTACT: Final = 300.0
_ON_SKIN: Final = 60.0
_ON_LIMIT: Final = 20.0
_ON_BALANCE: Final = 12.0
_STAY: Final = np.array(
    [3.0, 0.5, 0.5, 1.2, 0.25, 0.25, 1.2, 0.6, 0.6, 1.2, 1.5, 1.5, 1.0, 0.8, 0.8, 1.0, 0.3, 0.3, 0.3, 0.3, 0.6, 0.6]
)
_STAY_PELVIS: Final = 5.0
_DAMPING: Final = 1e-2
_LONGEST_TURN: Final = 0.35
# Radians or metres of a step after which a frame counts as solved; what is left is far below a millimetre.
_STILL: Final = 1e-4


@dataclass(frozen=True)
class PointTargets:
    """Points of the body and where they should be.

    Attributes:
        joints: joint that carries each point.
        offsets: of the point from that joint, in the rest frame, metres.
        positions: in the world, metres.
        weights: from 0 (free) to 1 (fixed) of each point along x, y and z.
    """

    joints: Int[np.ndarray, "point"]
    offsets: Float[np.ndarray, "point 3"]
    positions: Float[np.ndarray, "frame point 3"]
    weights: Float[np.ndarray, "frame point 3"]


@dataclass(frozen=True)
class Balance:
    """Where the centre of mass should be, seen from above (metres), and how strictly (0 to 1)."""

    positions: Float[np.ndarray, "frame 2"]
    weights: Float[np.ndarray, "frame"]


def solve_poses(
    anatomy: Anatomy,
    rotations: Float[np.ndarray, "frame 24 3 3"],
    trans: Float[np.ndarray, "frame 3"],
    targets: PointTargets,
    surfaces: list[Surface],
    balance: Balance | None = None,
    iterations: int = 10,
) -> tuple[Float[np.ndarray, "frame 24 3 3"], Float[np.ndarray, "frame 3"]]:
    """Poses nearest to the given ones that hold their contacts, keep out of surfaces and within joint limits.

    Damped Gauss-Newton steps (Levenberg 1944), every frame by itself. As the given poses change smoothly from frame to
    frame, so do the solved ones.

    Args:
        rotations: relative to the parents; the pelvis' in the world (z up).
        trans: pelvis joint in the world, metres.
    """
    solved = (rotations.copy(), trans.copy())
    active = np.arange(len(trans))
    turns, place = solved[0], solved[1]
    damping, best = np.full(len(trans), _DAMPING), np.full(len(trans), np.inf)
    move = np.full((len(trans), _VARIABLES), np.inf)
    square, slope = np.empty(0), np.empty(0)
    for step in range(iterations + 1):
        problem = _part(rotations, trans, targets, balance, active)
        new_square, new_slope, cost = _normal_equations(anatomy, turns, place, surfaces, *problem)
        # Levenberg's rule, frame by frame: a step that made things worse is taken back and tried shorter.
        worse = cost > best * (1 + 1e-9)
        solved[0][active[~worse]], solved[1][active[~worse]] = turns[~worse], place[~worse]
        if step > 0:
            new_square[worse], new_slope[worse] = square[worse], slope[worse]
        damping = np.clip(np.where(worse, damping * 10, damping * 0.4), 1e-4, 1e6)
        best = np.where(worse, best, cost)
        # Frames that hardly moved are done; the others go on.
        going = worse | (np.abs(move).max(axis=1) > _STILL)
        if step == iterations or not going.any():
            break
        active, damping, best = active[going], damping[going], best[going]
        square, slope = new_square[going], new_slope[going]
        damped = square.copy()
        damped[:, np.arange(_VARIABLES), np.arange(_VARIABLES)] += damping[:, None]
        move = -np.linalg.solve(damped, slope[..., None])[..., 0]
        # Far from the solution the linear model overshoots; near it no step is as long.
        longest = np.abs(move[:, :-3]).max(axis=1, keepdims=True)
        move *= np.minimum(1.0, _LONGEST_TURN / np.maximum(longest, 1e-12))
        turn = Rotation.from_rotvec(move[:, :-3].reshape(-1, 3)).as_matrix().reshape(-1, _TURNED, 3, 3)
        turns = solved[0][active]
        turns[:, :_TURNED] = turns[:, :_TURNED] @ turn
        place = solved[1][active] + move[:, -3:]
    return solved


def _part(rotations, trans, targets: PointTargets, balance: Balance | None, frames: Int[np.ndarray, "part"]):
    """What is asked of some of the frames."""
    points = PointTargets(targets.joints, targets.offsets, targets.positions[frames], targets.weights[frames])
    level = None if balance is None else Balance(balance.positions[frames], balance.weights[frames])
    return rotations[frames], trans[frames], points, level


def _normal_equations(anatomy, turns, place, surfaces, rotations, trans, targets, balance):
    """Squared slopes, slopes and cost of every frame at the present poses."""
    world, joints = kinematics(turns, place, anatomy.rest)
    square = np.zeros((len(turns), _VARIABLES, _VARIABLES))
    slope = np.zeros((len(turns), _VARIABLES))
    cost = _stay_near(square, slope, rotations, turns, trans, place)
    cost = cost + _within_limits(square, slope, turns)
    cost = cost + _reach(square, slope, anatomy, world, joints, targets)
    cost = cost + _stay_out(square, slope, anatomy, world, joints, surfaces)
    if balance is not None:
        cost = cost + _keep_balance(square, slope, anatomy, world, joints, balance)
    return square, slope, cost


def kinematics(
    rotations: Float[np.ndarray, "frame 24 3 3"], trans: Float[np.ndarray, "frame 3"], rest: Float[np.ndarray, "24 3"]
) -> tuple[Float[np.ndarray, "frame 24 3 3"], Float[np.ndarray, "frame 24 3"]]:
    """World rotations and positions of all joints, as `carescene.humans.forward_kinematics`, in double precision."""
    world, joints = np.empty_like(rotations), np.empty((*rotations.shape[:2], 3))
    world[:, 0], joints[:, 0] = rotations[:, 0], trans
    for joint, parent in enumerate(PARENTS[1:], start=1):
        world[:, joint] = world[:, parent] @ rotations[:, joint]
        joints[:, joint] = joints[:, parent] + world[:, parent] @ (rest[joint] - rest[parent])
    return world, joints


def skin_points(
    anatomy: Anatomy, world: Float[np.ndarray, "frame 24 3 3"], joints: Float[np.ndarray, "frame 24 3"]
) -> Float[np.ndarray, "frame probe 3"]:
    """The body's probes in the world by linear blend skinning, metres."""
    shift = joints - np.einsum("fjab,jb->fja", world, anatomy.rest)
    blended = np.concatenate([world, shift[..., None]], axis=-1).reshape(len(world), NUM_JOINTS, 12)
    matrix = (anatomy.probe_weights @ blended).reshape(len(world), -1, 3, 4)
    return np.einsum("fpab,pb->fpa", matrix[..., :3], anatomy.probes) + matrix[..., 3]


def attached_points(
    world: Float[np.ndarray, "frame 24 3 3"],
    joints: Float[np.ndarray, "frame 24 3"],
    carriers: Int[np.ndarray, "point"],
    offsets: Float[np.ndarray, "point 3"],
) -> Float[np.ndarray, "frame point 3"]:
    """Points fixed to joints, in the world, metres."""
    return joints[:, carriers] + np.einsum("fpab,pb->fpa", world[:, carriers], offsets)


def _stay_near(square, slope, rotations, turns, trans, place) -> np.ndarray:
    given = rotations[:, :_TURNED].swapaxes(-1, -2) @ turns[:, :_TURNED]
    away = Rotation.from_matrix(given.reshape(-1, 3, 3)).as_rotvec().reshape(len(turns), -1)
    cost = np.repeat(_STAY**2, 3)
    index = np.arange(3 * _TURNED)
    square[:, index, index] += cost
    slope[:, index] += cost * away
    index = np.arange(3 * _TURNED, _VARIABLES)
    square[:, index, index] += _STAY_PELVIS**2
    slope[:, index] += _STAY_PELVIS**2 * (place - trans)
    return (cost * away**2).sum(axis=1) + _STAY_PELVIS**2 * ((place - trans) ** 2).sum(axis=1)


def _within_limits(square, slope, turns) -> np.ndarray:
    """Springs on each rotation vector's components (against the joint's neutral pose) beyond its limits."""
    local = NEUTRAL[1:_TURNED].swapaxes(-1, -2) @ turns[:, 1:_TURNED]
    vectors = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(len(turns), -1, 3)
    low, high = LIMITS[1:_TURNED, 0], LIMITS[1:_TURNED, 1]
    over = np.maximum(vectors - high, 0) + np.minimum(vectors - low, 0)
    frames, joints, axes = np.nonzero(over)
    total = _ON_LIMIT**2 * (over**2).sum(axis=(1, 2))
    if len(frames) == 0:
        return total
    row = np.zeros((len(frames), _VARIABLES))
    slopes = log_slope(vectors[frames, joints])[np.arange(len(frames)), axes]
    columns = 3 * (joints + 1)
    for axis in range(3):
        row[np.arange(len(frames)), columns + axis] = slopes[:, axis]
    cost = _ON_LIMIT**2
    np.add.at(slope, frames, cost * over[frames, joints, axes][:, None] * row)
    block = cost * slopes[:, :, None] * slopes[:, None, :]
    for a in range(3):
        for b in range(3):
            np.add.at(square, (frames, columns + a, columns + b), block[:, a, b])
    return total


def _point_slopes(anatomy, world, joints, points, shares) -> Float[np.ndarray, "frame point 3 variable"]:
    """How points move with every variable; `shares (point, 24)` say how much each joint's turning carries them."""
    lever = points[:, :, None] - joints[:, None, :_TURNED]
    turning = -cross_matrix(lever) @ world[:, None, :_TURNED] * shares[None, :, :_TURNED, None, None]
    turning = turning.swapaxes(2, 3).reshape(*points.shape[:2], 3, -1)
    moving = np.broadcast_to(np.eye(3), (*points.shape[:2], 3, 3))
    return np.concatenate([turning, moving], axis=-1)


def _add(square, slope, rows, residuals, cost) -> np.ndarray:
    """Add rows `(frame, row, variable)` with residuals and costs `(frame, row)` to the normal equations; their cost."""
    weighted = rows * cost[..., None]
    square += weighted.swapaxes(-1, -2) @ rows
    slope += (weighted * residuals[..., None]).sum(axis=1)
    return (cost * residuals**2).sum(axis=1)


def _reach(square, slope, anatomy, world, joints, targets: PointTargets) -> np.ndarray | float:
    used = np.flatnonzero(targets.weights.any(axis=(0, 2)))
    if len(used) == 0:
        return 0.0
    carriers = targets.joints[used]
    points = attached_points(world, joints, carriers, targets.offsets[used])
    rows = _point_slopes(anatomy, world, joints, points, anatomy.ancestors[carriers])
    frames = len(points)
    cost = _ON_CONTACT**2 * targets.weights[:, used].reshape(frames, -1)
    residuals = (points - targets.positions[:, used]).reshape(frames, -1)
    return _add(square, slope, rows.reshape(frames, -1, _VARIABLES), residuals, cost)


def _stay_out(square, slope, anatomy, world, joints, surfaces) -> np.ndarray | float:
    total = 0.0
    skin = skin_points(anatomy, world, joints)
    shares = anatomy.probe_weights @ anatomy.ancestors[:, :_TURNED]
    turns, frames = world[:, :_TURNED], np.arange(len(skin))[:, None]
    for surface in surfaces:
        depth, normal = penetration(surface, skin)
        most = int((depth > 0).sum(axis=1).max())
        if most == 0:
            continue
        # The deepest points of each frame; frames with fewer inside carry some of depth 0, which cost nothing.
        used = np.argpartition(-depth, min(most, depth.shape[1] - 1), axis=1)[:, :most]
        deep, way = depth[frames, used], normal[frames, used]
        lever = skin[frames, used][:, :, None] - joints[:, None, :_TURNED]
        force = np.cross(lever, way[:, :, None])
        turning = (force[:, :, :, None] @ turns[:, None])[:, :, :, 0] * shares[used][..., None]
        rows = np.concatenate([turning.reshape(*used.shape, -1), way], axis=-1)
        total = total + _add(square, slope, rows, -deep, _ON_SKIN**2 * (deep > 0))
    return total


def _keep_balance(square, slope, anatomy, world, joints, balance: Balance) -> np.ndarray:
    centre = np.einsum("j,fja->fa", anatomy.mass, joints)[:, :2]
    # What hangs on a joint moves like one mass at its centre.
    share = anatomy.mass @ anatomy.ancestors[:, :_TURNED]
    lever = np.einsum("ja,fjb->fab", anatomy.mass[:, None] * anatomy.ancestors[:, :_TURNED], joints)
    lever -= share[:, None] * joints[:, :_TURNED]
    turning = (-cross_matrix(lever) @ world[:, :_TURNED]).swapaxes(1, 2).reshape(len(joints), 3, -1)
    moved = np.concatenate([turning, np.broadcast_to(np.eye(3), (len(joints), 3, 3))], axis=-1)[:, :2]
    cost = _ON_BALANCE**2 * np.repeat(balance.weights[:, None], 2, axis=1)
    return _add(square, slope, moved, centre - balance.positions, cost)


def joint_limit_excess(rotations: Float[np.ndarray, "frame 24 3 3"]) -> Float[np.ndarray, "frame 24"]:
    """How far each joint is beyond its limits, in radians (0 within them, and for the pelvis and the hands)."""
    local = NEUTRAL.swapaxes(-1, -2) @ rotations
    vectors = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(len(rotations), NUM_JOINTS, 3)
    over = np.maximum(np.maximum(vectors - LIMITS[:, 1], LIMITS[:, 0] - vectors), 0).max(axis=-1)
    over[:, [0, JOINT["left_hand"], JOINT["right_hand"]]] = 0
    return over
