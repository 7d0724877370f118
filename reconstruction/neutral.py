"""Poses for people about whom no network has said anything: standing, sitting or lying, whichever fits the picture."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT, NUM_JOINTS
from carescene.humans.turns import exp_turn, log_turn
from carescene.simulation.pose_limits import NEUTRAL
from reconstruction.chains import landmark_points
from reconstruction.landmarks import LandmarkModel
from reconstruction.placing import fit_positions
from reconstruction.posed import place_points, pose_body
from reconstruction.problem import Problem

_DIRECTIONS: Final = 12
# Poses are searched for this often; in between they turn evenly.
_EVERY_S: Final = 0.25
# Costs are means of log(1 + squared misfit): half a turn within the step costs as much as a misfit by 3 softnesses.
_TURN_COST: Final = 2.0
_POSTURE_COST: Final = 0.5
# The lowest landmark of a body is about at the floor, but beds lift it; metres.
_LIFTED_M: Final = 0.4


def _postures() -> tuple[Float[np.ndarray, "candidate 24 3 3"], np.ndarray]:
    """Rotations of every posture in every direction, and the posture of each."""
    bent = np.tile(np.eye(3), (NUM_JOINTS, 1, 1))
    for side in ("left", "right"):
        bent[JOINT[f"{side}_hip"]] = Rotation.from_euler("x", -80, degrees=True).as_matrix()
        bent[JOINT[f"{side}_knee"]] = Rotation.from_euler("x", 80, degrees=True).as_matrix()
    upright = Rotation.from_euler("x", 90, degrees=True)
    # Of the rest frame (y up, facing z) in a world with z up: upright, on the back, on the front, on either side.
    roots = [upright, upright, *(Rotation.from_euler("y", angle, degrees=True) for angle in (0, 180, 90, -90))]
    candidates, kinds = [], []
    for kind, root in enumerate(roots):
        for direction in range(_DIRECTIONS):
            pose = NEUTRAL @ bent if kind == 1 else NEUTRAL.copy()
            pose[0] = (Rotation.from_euler("z", 2 * np.pi * direction / _DIRECTIONS) * root).as_matrix()
            candidates.append(pose)
            kinds.append(kind)
    return np.stack(candidates), np.array(kinds)


def neutral_poses(
    problem: Problem,
    person: int,
    active: Bool[np.ndarray, "frame"],
    betas: Float[np.ndarray, "10"],
    model: LandmarkModel,
) -> Float[np.ndarray, "frame 24 3 3"]:
    """Poses of one person in all frames, the pelvis relative to the world.

    Six postures in twelve directions are each placed in front of the camera; the sequence of least misfit is found by
    dynamic programming (Viterbi 1967), with costs for turning over.
    """
    candidates, kinds = _postures()
    times = problem.keypoints.times
    frames = np.flatnonzero(active)
    # Frames at even distances in time, the last one too.
    chosen = frames[np.unique(np.searchsorted(times[frames], np.arange(times[frames[0]], times[frames[-1]], _EVERY_S)))]
    chosen = np.unique(np.append(chosen, frames[-1]))
    points = landmark_points(model)
    posed = pose_body(model, candidates, np.zeros((len(candidates), 3)), betas, shapes=False)
    offsets = place_points(posed, points.carrier, points.of(betas))
    seen = problem.keypoints.seen[person, chosen]
    precision = np.where(seen, 1 / np.where(seen, problem.keypoints.sigma[person, chosen], 1.0), 0.0)
    pixels = np.where(seen[..., None], problem.keypoints.pixels[person, chosen], 0.0).astype(np.float64)
    costs = np.empty((len(chosen), len(candidates)))
    for index, own in enumerate(offsets):
        same = np.broadcast_to(own, (len(chosen), *own.shape))
        place, cost, _ = fit_positions(problem.camera, same, pixels, precision)
        costs[:, index] = cost + ((place[:, 2] + own[:, 2].min()) / _LIFTED_M) ** 2 / 2
    angle = np.linalg.norm(log_turn(candidates[:, None, 0].swapaxes(-1, -2) @ candidates[None, :, 0]), axis=-1) / np.pi
    change = _TURN_COST * angle + _POSTURE_COST * (kinds[:, None] != kinds[None])
    best = candidates[_least_path(costs, change)]
    return between_poses(best, chosen, problem.frames)


def _least_path(costs: Float[np.ndarray, "step choice"], change: Float[np.ndarray, "choice choice"]) -> np.ndarray:
    total, came = costs[0], []
    for cost in costs[1:]:
        through = total[:, None] + change
        came.append(through.argmin(axis=0))
        total = through.min(axis=0) + cost
    path = [int(total.argmin())]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    return np.array(path[::-1])


def between_poses(
    poses: Float[np.ndarray, "known 24 3 3"], known: np.ndarray, frames: int
) -> Float[np.ndarray, "frame 24 3 3"]:
    """Poses of all frames from those of some (indices in `known`, rising): the shortest turns, ends held."""
    index = np.arange(frames)
    after = np.clip(np.searchsorted(known, index), 0, len(known) - 1)
    before = np.where(known[after] > index, np.maximum(after - 1, 0), after)
    span = np.maximum(known[after] - known[before], 1)
    share = np.clip((index - known[before]) / span, 0.0, 1.0)
    result = poses[before].copy()
    turning = np.flatnonzero(share > 0)
    turn = log_turn(poses[before[turning]].swapaxes(-1, -2) @ poses[after[turning]])
    result[turning] = result[turning] @ exp_turn(share[turning, None, None] * turn)
    return result
