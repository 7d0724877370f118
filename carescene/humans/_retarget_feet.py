"""Standing feet: small leg corrections that let a foot stand as still on our body as it does on the source's."""

import itertools

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT

# An ankle slower than this belongs to a foot on the floor, in metres per second (the ankle rolls over the foot).
_STANDING_SPEED = 0.3
# Shorter stances are noise, in seconds.
_SHORTEST_S = 0.1
# Corrections beyond this mean that something else is wrong, in metres: they would bend the leg visibly.
_LARGEST_M = 0.04
# Corners of the lift are rounded within this, in metres, and it ends where the foot would leave its place visibly.
_ROUNDING_M = 0.004
_HIGHEST_LIFT_M = 0.08
# Toes are flat while their joint is this low, free above, and bend by at most 60 degrees; a foot that lies on its side
# or points up has no say (cosine of its sole's normal below which the effect fades).
_TOES_FLAT_M = 0.04
_TOES_FREE_M = 0.12
_TOES_BEND = np.radians(60.0)
_TOES_UPRIGHT = 0.4
# A leg is not stretched to the last millimetre: knees would snap.
_REACH = 0.998


def plant_feet(
    world: Float[np.ndarray, "frame 24 3 3"],
    joints: Float[np.ndarray, "frame 24 3"],
    wanted: Float[np.ndarray, "frame 2 3"],
    depths: Float[np.ndarray, "frame 2"],
    times: Float[np.ndarray, "frame"],
) -> Float[np.ndarray, "frame 24 3 3"]:
    """World rotations whose ankles move over the floor as the wanted ones (left, right) do, and whose soles stay on it.

    The proportions of two skeletons differ, so that copied rotations leave an ankle some centimetres off. That offset
    itself is harmless; its change while the foot stands is sliding. So within every stance of the source the offset is
    held at its mean, and between stances it is led over smoothly. A foot longer than the source's would be pressed
    through the floor when its heel lifts: such an ankle is raised by what its sole lies too deep. Hips and knees turn
    by a few degrees for it (two-bone inverse kinematics in the plane the leg is in already); feet keep their world
    orientation.

    Args:
        world, joints: the motion before.
        wanted: the source's ankles times the ratio of leg lengths.
        depths: how far the lowest point of each sole is below the floor, in metres; negative above it.
        times: of the frames, in seconds.
    """
    world = world.copy()
    for side, name in enumerate(("left", "right")):
        ankle = joints[:, JOINT[f"{name}_ankle"]]
        miss = ankle - wanted[:, side]
        correction = _correction(miss, standing(wanted[:, side], times))
        size = np.linalg.norm(correction, axis=-1, keepdims=True)
        correction = correction * np.minimum(1.0, _LARGEST_M / np.maximum(size, 1e-9))
        too_deep = depths[:, side] - correction[:, 2] - _ROUNDING_M
        # A hinge with a rounded corner, so that the lift has no kink in time.
        correction[:, 2] += np.minimum(0.5 * (too_deep + np.hypot(too_deep, 1.5 * _ROUNDING_M)), _HIGHEST_LIFT_M)
        move_ankle(world, joints, name, ankle + correction)
    return world


def bend_toes(
    world: Float[np.ndarray, "frame 24 3 3"], joints: Float[np.ndarray, "frame 24 3"], floor: float
) -> Float[np.ndarray, "frame 24 3 3"]:
    """World rotations whose toes lie flat while the heel lifts off the floor, for sources that have no toes.

    Near the floor the toes give way by as much as the foot points down, up to what toes can.
    """
    world = world.copy()
    for name in ("left", "right"):
        ankle, toe = JOINT[f"{name}_ankle"], JOINT[f"{name}_foot"]
        # The foot's forward axis is its rest frame's z, its hinge for the toes the rest frame's x.
        pitch = np.arcsin(np.clip(-world[:, ankle, 2, 2], -1.0, 1.0))
        upright = np.clip(world[:, ankle, 2, 1] / _TOES_UPRIGHT, 0.0, 1.0)
        height = joints[:, toe, 2] - floor
        near = np.clip((_TOES_FREE_M - height) / (_TOES_FREE_M - _TOES_FLAT_M), 0.0, 1.0)
        near = near * near * (3.0 - 2.0 * near)
        angle = np.clip(pitch, 0.0, _TOES_BEND) * near * upright
        turn = Rotation.from_rotvec(np.stack((-angle, 0 * angle, 0 * angle), axis=-1)).as_matrix()
        world[:, toe] = world[:, ankle] @ turn
    return world


def standing(ankle: Float[np.ndarray, "frame 3"], times: Float[np.ndarray, "frame"]) -> Bool[np.ndarray, "frame"]:
    """Frames in which an ankle belongs to a foot that stands: slow for a while."""
    slow = np.linalg.norm(np.gradient(ankle, times, axis=0), axis=-1) < _STANDING_SPEED
    shortest = max(2, round(_SHORTEST_S / float(np.median(np.diff(times)))))
    for start, end in intervals(slow):
        if end - start < shortest:
            slow[start:end] = False
    return slow


def intervals(mask: Bool[np.ndarray, "frame"]) -> list[tuple[int, int]]:
    """First and past-the-last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(int)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _correction(miss: Float[np.ndarray, "frame 3"], stance: Bool[np.ndarray, "frame"]) -> Float[np.ndarray, "frame 3"]:
    correction = np.zeros_like(miss)
    runs = intervals(stance)
    for start, end in runs:
        part = miss[start:end]
        correction[start:end] = part.mean(axis=0) - part
        # All stances share one floor, so heights are held at the take's level instead of each stance's own.
        correction[start:end, 2] = np.median(miss[stance, 2]) - part[:, 2]
    return bridge_stances(correction, runs)


def bridge_stances(
    correction: Float[np.ndarray, "frame axis"], runs: list[tuple[int, int]]
) -> Float[np.ndarray, "frame axis"]:
    """Corrections of standing feet, led over smoothly from one stance to the next, constant before and after them.

    Args:
        correction: metres; only frames inside stances are read.
        runs: first and past-the-last frame of every stance, see `intervals`; without any, nothing changes.
    """
    correction = correction.copy()
    for (_, left), (right, _) in itertools.pairwise(runs):
        blend = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, right - left + 1) / (right - left + 1))
        correction[left:right] = correction[left - 1] + blend[:, None] * (correction[right] - correction[left - 1])
    if runs:
        correction[: runs[0][0]] = correction[runs[0][0]]
        correction[runs[-1][1] :] = correction[runs[-1][1] - 1]
    return correction


def move_ankle(
    world: Float[np.ndarray, "frame 24 3 3"],
    joints: Float[np.ndarray, "frame 24 3"],
    name: str,
    target: Float[np.ndarray, "frame 3"],
) -> None:
    """Turn hip and knee (in place) so that the ankle is at the target; the foot keeps its world rotation."""
    hip, knee, ankle = (joints[:, JOINT[f"{name}_{part}"]] for part in ("hip", "knee", "ankle"))
    thigh, shin = (np.linalg.norm(b - a, axis=-1) for a, b in ((hip, knee), (knee, ankle)))
    now = np.linalg.norm(ankle - hip, axis=-1)
    # Nearer than now is always possible; further only up to a leg that is not quite straight.
    new = np.minimum(np.linalg.norm(target - hip, axis=-1), np.maximum(now, _REACH * (thigh + shin)))
    # The knee's hinge is the rest frame's x axis, carried by the thigh: bending about +x brings the heel back.
    hinge = world[:, JOINT[f"{name}_hip"], :, 0]
    bend = _knee_angle(thigh, shin, new) - _knee_angle(thigh, shin, now)
    # Both bones share the change of the knee so that the line from hip to ankle hardly turns; what it turns is undone.
    lean = _hip_angle(thigh, shin, new) - _hip_angle(thigh, shin, now)
    turn_thigh = Rotation.from_rotvec(hinge * -lean[:, None])
    turn_shin = Rotation.from_rotvec(hinge * (bend - lean)[:, None])
    reached = turn_thigh.apply(knee - hip) + turn_shin.apply(ankle - knee)
    aim = _shortest_turn(reached, target - hip)
    for joint, turn in (("hip", turn_thigh), ("knee", turn_shin)):
        index = JOINT[f"{name}_{joint}"]
        world[:, index] = (aim * turn).as_matrix() @ world[:, index]


def _knee_angle(thigh: np.ndarray, shin: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Bend of the knee (0 is straight) for a distance from hip to ankle, by the law of cosines."""
    cosine = (distance**2 - thigh**2 - shin**2) / (2 * thigh * shin)
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def _hip_angle(thigh: np.ndarray, shin: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Angle at the hip between the thigh and the line to the ankle."""
    cosine = (thigh**2 + distance**2 - shin**2) / (2 * thigh * np.maximum(distance, 1e-6))
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def _shortest_turn(start: Float[np.ndarray, "frame 3"], end: Float[np.ndarray, "frame 3"]) -> Rotation:
    """Rotations on the shortest arc from one direction to another."""
    start = start / np.linalg.norm(start, axis=-1, keepdims=True)
    end = end / np.linalg.norm(end, axis=-1, keepdims=True)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (start * end).sum(axis=-1, keepdims=True))
    return Rotation.from_rotvec(axis * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 1.0))
