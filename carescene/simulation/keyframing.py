"""From key postures to motion: unhurried transitions with planted feet, a leading gaze, and a body that lives."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT, NUM_JOINTS
from carescene.simulation.anatomy import Anatomy
from carescene.simulation.pose_solver import Balance, PointTargets, solve_poses
from carescene.simulation.postures import (
    Posture,
    Solved,
    balance_of,
    held_points,
    point_carriers,
    point_positions,
    point_rows,
    solve_postures,
)
from carescene.simulation.surfaces import Surface

FPS: Final = 20.0
# Head and gaze turn first, arms come last (order of segments in turns on the spot; Hollands et al. 2004).
_LEAD_HEAD_S: Final = 0.14
_LAG_ARMS_S: Final = 0.06
# A point is let go in the first part of a movement and taken hold of in its last part.
_LET_GO: Final = 0.3
_TAKE_HOLD: Final = 0.35
_SMOOTH_S: Final = 0.06
# Weight of a target on its way, against 1 of one that is held: a path may be missed by centimetres, a place may not.
_LOOSE: Final = 2e-3
# First part of a minimum-jerk movement in which it has covered 1 % of its way: nobody would call it begun.
_UNSEEN: Final = 0.11
_ROUNDS: Final = 2
_SETTLE_S: Final = 0.09
# A foot that moves less than this turns or raises its heel on the spot instead of stepping.
_SAME_PLACE_M: Final = 0.015
_HEAD: Final = tuple(JOINT[name] for name in ("neck", "head"))
_ARMS: Final = tuple(
    JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("collar", "shoulder", "elbow", "wrist")
)


@dataclass(frozen=True)
class Key:
    """A posture to be reached.

    Attributes:
        seconds: the movement from the key before takes; not used in the first key.
        hold: seconds the posture is kept after that.
        label: OmniFall-16 name of the movement that leads here.
        hold_label: of the time it is kept; by default the same.
        lift: how high a foot that is moved to another place is raised, metres.
        via: pass through without coming to rest.
    """

    posture: Posture
    seconds: float | int
    label: str
    hold: float | int = 0.0
    hold_label: str | None = None
    lift: float | int = 0.06
    via: bool = False


@dataclass(frozen=True)
class Liveliness:
    """Small motion that never stops: breathing, sway, tremor of the hands; `unrest` scales drifts of head and arms."""

    breath_hz: float = 0.25
    sway_m: float = 0.004
    tremor_deg: float = 0.0
    unrest: float = 1.0


@dataclass
class Motion:
    """A solved motion at 20 fps: local rotations, pelvis, and the label of each frame.

    Attributes:
        arrivals: when each key is reached, seconds.
        departures: when the movement away from each key is first seen, seconds.
        targets: what was held where.
    """

    rotations: Float[np.ndarray, "frame 24 3 3"]
    trans: Float[np.ndarray, "frame 3"]
    labels: list[str]
    arrivals: list[float]
    departures: list[float]
    targets: PointTargets = field(repr=False)


def perform(
    anatomy: Anatomy,
    keys: list[Key],
    surfaces: list[Surface],
    rng: np.random.Generator,
    liveliness: Liveliness,
) -> Motion:
    """Motion through key postures.

    Each joint moves along monotone quintic splines (between two rests: the minimum-jerk profile of Flash and Hogan
    1985); head first, arms last. What is held in two keys in a row at the same place stays there to less than a
    millimetre; a foot held at two places steps.
    """
    solved = solve_postures(anatomy, [key.posture for key in keys], surfaces)
    arrive, leave = _schedule(keys)
    times = np.arange(max(round(leave[-1] * FPS), 2)) / FPS
    base = _base_motion(solved, keys, arrive, leave, times, rng)
    base = _live(base, times, rng, liveliness)
    targets = _held_over_time(anatomy, keys, base, arrive, leave, times)
    balance = _balance_over_time(anatomy, keys, arrive, leave, times)
    rotations, trans = solve_poses(anatomy, base.rotations, base.trans, targets, surfaces, balance, iterations=16)
    # Frames are solved one by one: where two solutions are equally near, neighbours may choose differently. Smoothing
    # and solving again from there settles them on one.
    for _ in range(_ROUNDS):
        smooth = _smoothed(rotations, trans, _SETTLE_S)
        rotations, trans = solve_poses(anatomy, *smooth, targets, surfaces, iterations=8)
    seen = _seen(keys, arrive, leave)
    return Motion(rotations, trans, _labels(keys, arrive, seen, times), arrive, seen, targets)


def _smoothed(rotations, trans, seconds: float | int):
    quaternions = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat().reshape(len(rotations), NUM_JOINTS, 4)
    for frame in range(1, len(quaternions)):
        flip = (quaternions[frame] * quaternions[frame - 1]).sum(axis=-1) < 0
        quaternions[frame, flip] *= -1
    quaternions = gaussian_filter1d(quaternions, seconds * FPS, axis=0, mode="nearest")
    matrices = Rotation.from_quat(quaternions.reshape(-1, 4)).as_matrix().reshape(rotations.shape)
    return matrices, gaussian_filter1d(trans, seconds * FPS, axis=0, mode="nearest")


def spline(
    knots: Float[np.ndarray, "knot"],
    values: Float[np.ndarray, "knot *shape"],
    rest: Float[np.ndarray, "knot"],
    times: Float[np.ndarray, "frame"],
) -> Float[np.ndarray, "frame *shape"]:
    """Monotone quintic spline with level curvature at its knots; constant before the first and after the last.

    Slopes are the harmonic means of Fritsch and Butland (1984), which never overshoot, and 0 where `rest` is 1.
    """
    step = np.diff(knots)
    shape = (-1, *([1] * (values.ndim - 1)))
    rise = np.diff(values, axis=0) / step.reshape(shape)
    slope = np.zeros_like(values)
    before, after = rise[:-1], rise[1:]
    weight = (step[:-1] + 2 * step[1:]) / (3 * (step[:-1] + step[1:]))
    weight = weight.reshape(shape)
    same = before * after > 0
    mean = before * after / np.where(same, weight * after + (1 - weight) * before, 1.0)
    slope[1:-1] = np.where(same, mean, 0.0) * (1 - rest[1:-1]).reshape(shape)
    index = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 2)
    length = step[index].reshape(shape)
    u = np.clip((times - knots[index]) / step[index], 0, 1).reshape(shape)
    first, last = values[index], values[index + 1]
    start, end = slope[index] * length, slope[index + 1] * length
    ease = u**3 * (10 - 15 * u + 6 * u**2)
    return (
        first
        + (last - first) * ease
        + start * (u - 6 * u**3 + 8 * u**4 - 3 * u**5)
        + end * (-4 * u**3 + 7 * u**4 - 3 * u**5)
    )


def _schedule(keys: list[Key]) -> tuple[list[float], list[float]]:
    arrive, leave = [0.0], [float(keys[0].hold)]
    for key in keys[1:]:
        arrive.append(leave[-1] + max(float(key.seconds), 0.1))
        leave.append(arrive[-1] + float(key.hold))
    return arrive, leave


def _base_motion(solved: Solved, keys, arrive, leave, times, rng) -> Solved:
    """Splines through the solved keys, before anything is held."""
    quaternions = Rotation.from_matrix(solved.rotations.reshape(-1, 3, 3)).as_quat().reshape(len(keys), NUM_JOINTS, 4)
    for index in range(1, len(keys)):
        flip = (quaternions[index] * quaternions[index - 1]).sum(axis=-1) < 0
        quaternions[index, flip] *= -1
    rotations = np.empty((len(times), NUM_JOINTS, 4))
    groups = {_LEAD_HEAD_S: _HEAD, -_LAG_ARMS_S: _ARMS}
    rest_of = [joint for joint in range(NUM_JOINTS) if joint not in _HEAD + _ARMS]
    for lead, group in (*groups.items(), (0.0, rest_of)):
        knots, rows, rest = _knots(keys, arrive, leave, lead * rng.uniform(0.5, 1.2))
        rotations[:, list(group)] = spline(knots, quaternions[rows][:, list(group)], rest, times)
    knots, rows, rest = _knots(keys, arrive, leave, 0.0)
    trans = spline(knots, solved.trans[rows], rest, times)
    rotations = gaussian_filter1d(rotations, _SMOOTH_S * FPS, axis=0, mode="nearest")
    trans = gaussian_filter1d(trans, _SMOOTH_S * FPS, axis=0, mode="nearest")
    matrices = Rotation.from_quat(rotations.reshape(-1, 4)).as_matrix().reshape(len(times), NUM_JOINTS, 3, 3)
    return Solved(matrices, trans)


def _knots(keys, arrive, leave, lead):
    """Times, key indices and rest flags of spline knots; a lead moves departures and arrivals earlier."""
    knots, rows, rest = [], [], []
    for index, key in enumerate(keys):
        at = arrive[index] - (lead if index > 0 else 0.0)
        go = leave[index] - (lead if index < len(keys) - 1 else 0.0)
        # A rest shorter than the lead shrinks to a moment.
        knots.append(max(at, (knots[-1] + 0.05) if knots else 0.0))
        rows.append(index)
        rest.append(0.0 if key.via and key.hold == 0 else 1.0)
        if key.hold > 0 or index in (0, len(keys) - 1):
            knots.append(max(go, knots[-1] + 0.05))
            rows.append(index)
            rest.append(1.0)
    return np.array(knots), np.array(rows), np.array(rest)


def noise(
    rng: np.random.Generator, times: Float[np.ndarray, "frame"], low_hz: float | int, high_hz: float | int, count: int
) -> Float[np.ndarray, "frame count"]:
    """Smooth noise of variance 1: eight sines of random phase with frequencies spread over a band."""
    frequency = rng.uniform(low_hz, high_hz, (8, count))
    phase = rng.uniform(0, 2 * np.pi, (8, count))
    return np.sin(2 * np.pi * frequency * times[:, None, None] + phase).sum(axis=1) / 2.0


def _live(base: Solved, times, rng, live: Liveliness) -> Solved:
    turns, frames = np.zeros((len(times), NUM_JOINTS, 3)), len(times)
    breath = np.sin(2 * np.pi * live.breath_hz * times + rng.uniform(0, 2 * np.pi))
    turns[:, JOINT["spine2"], 0] -= np.radians(0.5) * breath
    turns[:, JOINT["spine3"], 0] -= np.radians(0.7) * breath
    turns[:, JOINT["neck"], 0] += np.radians(0.8) * breath
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[:, JOINT[f"{side}_collar"], 2] += sign * np.radians(0.6) * breath
    drift = np.radians(live.unrest) * noise(rng, times, 0.08, 0.5, 12).reshape(frames, 4, 3)
    turns[:, JOINT["head"]] += 2.0 * drift[:, 0]
    turns[:, JOINT["spine1"]] += 0.5 * drift[:, 1]
    turns[:, JOINT["left_shoulder"]] += drift[:, 2]
    turns[:, JOINT["right_shoulder"]] += drift[:, 3]
    if live.tremor_deg > 0:
        # Rest tremor of old age and Parkinson's disease: 4 to 6 Hz.
        shake = np.radians(live.tremor_deg) * noise(rng, times, 4.0, 6.0, 12).reshape(frames, 4, 3)
        for row, part in enumerate(("left_wrist", "right_wrist", "left_elbow", "right_elbow")):
            turns[:, JOINT[part]] += shake[:, row] * (1.0 if "wrist" in part else 0.4)
    sway = live.sway_m * noise(rng, times, 0.1, 0.6, 3) * np.array([1.0, 1.0, 0.15])
    small = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(frames, NUM_JOINTS, 3, 3)
    return Solved(base.rotations @ small, base.trans + sway)


def _ease(u: np.ndarray) -> np.ndarray:
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _held_over_time(anatomy: Anatomy, keys, base: Solved, arrive, leave, times) -> PointTargets:
    """Targets of every frame: held points rest or step, others follow the base motion where they are let go."""
    joints, offsets = point_carriers(anatomy)
    natural = point_positions(anatomy, base)
    positions, weights = natural.copy(), np.zeros_like(natural)
    held = [held_points(key.posture) for key in keys]
    for index in range(len(keys)):
        rest = (times >= arrive[index] - 1e-9) & (times <= leave[index] + 1e-9)
        where, mask = held[index]
        positions[rest] = np.where(mask > 0, where, natural[rest])
        weights[rest] = mask
        if index + 1 == len(keys):
            continue
        moving = (times > leave[index] + 1e-9) & (times < arrive[index + 1] - 1e-9)
        u = (times[moving] - leave[index]) / (arrive[index + 1] - leave[index])
        follow = keys[index + 1]
        for name, rows in point_rows().items():
            _between(name, rows, held[index], held[index + 1], u, moving, follow, natural, positions, weights)
    return PointTargets(joints, offsets, positions, weights)


def _between(name, rows, first, second, u, moving, key: Key, natural, positions, weights) -> None:
    """Targets of one held point in the movement between two keys; `first` and `second` are (positions, weights)."""
    start, end = first[0][rows], second[0][rows]
    had, has = first[1][rows], second[1][rows]
    both = (had > 0) & (has > 0)
    if not (had.any() or has.any()):
        return
    free = natural[moving][:, rows]
    ease = _ease(u)[:, None, None]
    if both.any():
        path = start + (end - start) * ease
        if name.endswith("foot") and both.all():
            path = _step(start, end, u, key.lift)
        positions[np.ix_(moving, np.arange(rows.start, rows.stop))] = np.where(both, path, free)
    else:
        positions[np.ix_(moving, np.arange(rows.start, rows.stop))] = free
    out = 1 - _ease(u / _LET_GO)[:, None, None]
    take = _ease((u - 1 + _TAKE_HOLD) / _TAKE_HOLD)[:, None, None]
    only_had, only_has = (had > 0) & ~both, (has > 0) & ~both
    current = positions[moving][:, rows]
    current = np.where(only_had, free + (start - free) * out, current)
    current = np.where(only_has, free + (end - free) * take, current)
    positions[np.ix_(moving, np.arange(rows.start, rows.stop))] = current
    weight = (
        np.where(both, np.minimum(had, has), 0.0)
        + np.where(only_had, had * (out > 0), 0.0) * _grip(out)
        + np.where(only_has, has * (take > 0), 0.0) * _grip(take)
    )
    if both.any() and np.linalg.norm((end - start)[-1]) > _SAME_PLACE_M:
        weight = weight * _grip(np.abs(2 * u - 1) ** 2)[:, None, None]
    weights[np.ix_(moving, np.arange(rows.start, rows.stop))] = np.clip(weight, 0, 1)


def _grip(share: np.ndarray) -> np.ndarray:
    """Weight of a target that is held (1) or on its way (0): loose enough there that the body need not contort."""
    return np.exp(np.log(_LOOSE) * (1 - np.clip(share, 0, 1)))


def _step(start, end, u, lift) -> np.ndarray:
    """A foot's three points on their way: it leaves the ground first, turns in the air, and comes down last."""
    far = np.linalg.norm((end - start)[1, :2]) > _SAME_PLACE_M
    along = _ease((u - 0.12) / 0.76) if far else _ease(u)
    # About the ball of the foot, which keeps its place when only the heel is raised.
    turn = _turn_between(start - start[1], end - start[1] - (end[1] - start[1]))
    turns = Rotation.from_rotvec(along[:, None] * turn.as_rotvec()).as_matrix()
    ball = start[1] + (end[1] - start[1]) * along[:, None]
    ball[:, 2] += (lift if far else 0.0) * np.sin(np.pi * np.clip(u, 0, 1)) ** 2
    return ball[:, None] + np.einsum("fab,pb->fpa", turns, start - start[1])


def _turn_between(first: Float[np.ndarray, "3 3"], second: Float[np.ndarray, "3 3"]) -> Rotation:
    """The rotation that takes one triangle to another of the same shape (Kabsch 1976)."""
    return Rotation.align_vectors(second, first)[0]


def _balance_over_time(anatomy: Anatomy, keys, arrive, leave, times) -> Balance:
    wanted = balance_of(anatomy, [key.posture for key in keys])
    knots, rows, rest = _knots(keys, arrive, leave, 0.0)
    positions, weights = wanted.positions[rows], wanted.weights[rows]
    # A key without balance has no place for it: the weight fades towards such a key at the place of the other.
    for order in (range(1, len(rows)), range(len(rows) - 2, -1, -1)):
        for row in order:
            back = row - 1 if order.step == 1 else row + 1
            if weights[row] == 0 and not positions[row].any():
                positions[row] = positions[back]
    return Balance(spline(knots, positions, rest, times), spline(knots, weights, np.ones_like(rest), times))


def _seen(keys, arrive, leave) -> list[float]:
    """When the movement away from each key is first seen; the last key is never left."""
    seen = []
    for index, key in enumerate(keys):
        ahead = arrive[index + 1] - leave[index] if index + 1 < len(keys) else 0.0
        seen.append(leave[index] + (0.0 if key.via else min(_UNSEEN * ahead, 0.25)))
    return seen


def _labels(keys, arrive, seen, times) -> list[str]:
    labels = []
    for time in times:
        index = int(np.searchsorted(arrive, time + 1e-9, side="right")) - 1
        rests = index == len(keys) - 1 or time <= seen[index] + 1e-9
        labels.append((keys[index].hold_label or keys[index].label) if rests else keys[index + 1].label)
    return labels
