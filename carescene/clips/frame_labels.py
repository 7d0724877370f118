"""OmniFall-16 labels of every frame, as far as a take's name, its watched timeline and the geometry can tell them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int8
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from carescene.clips.taxonomy import OMNIFALL_ID, UNKNOWN_LABEL
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT, NUM_JOINTS

# Thresholds. Lengths are relative to the leg (thigh + shin), so that they hold for children and giants.
_UPRIGHT_ENTER: Final = 0.80  # pelvis height over standing height: stooped elderly walkers stay above 0.87,
_UPRIGHT_LEAVE: Final = 0.76  # people on 45 cm seats below 0.60; between lie only movements
_WALK_ENTER: Final = 0.30  # m/s of the smoothed pelvis: slowest recorded (sad, elderly) walks have 0.38,
_WALK_LEAVE: Final = 0.18  # standing people who shift weight or turn on the spot stay below 0.2
_LYING_TILT_ENTER: Final = 60.0  # degrees of the trunk from the vertical: reclining in a chair stays below 50,
_LYING_TILT_LEAVE: Final = 50.0  # lying on a sofa with the head on its arm above 60
_LYING_LEGS: Final = 45.0  # degrees of pelvis-to-ankles from the vertical: keeps bows and bent sitting out of lying
_AT_REST: Final = 0.12  # m/s of vertical pelvis speed below which a low posture counts as reached
_MOVING: Final = 0.06  # m/s of vertical pelvis speed that still belongs to sitting down or standing up
_TILTING: Final = 20.0  # degrees per second of the trunk that still belong to lying down or sitting up
_FALLING: Final = 1.5  # m/s: sitting and lying down on purpose stay below 1, and geometry cannot name a fall
_FEET_AHEAD: Final = 0.10  # legs: with the ankles this far before the trunk's centre nobody balances, so a seat carries
_CROUCHED: Final = 0.60  # pelvis height over standing height: above, somebody low and without a seat stands bent
_KNEE_LOW: Final = 0.25  # legs: height of knees that rest on the floor
_ON_FLOOR: Final = 0.25  # legs: pelvis height of somebody who sits on the floor
_MIN_RUN_S: Final = 0.3  # shorter runs are flicker: no posture is taken up and left again faster
_SMOOTH_S: Final = 0.1  # removes marker noise and keeps steps; speeds use three times as much to bridge steps

# Actions whose frames are what they are whatever the geometry. OmniFall knows no martial arts and no dancing.
_OTHER_ACTIONS: Final = ("dance", "kick", "punch", "slash", "backflip", "cartwheel", "roll", "sideflip", "spin")
_BOW_TILT: Final = 25.0  # degrees: beyond, a bowing person no longer just stands

_MOVES: Final[dict[tuple[str, str], str]] = {
    ("upright", "sitting"): "sit_down",
    ("upright", "lying"): "lie_down",
    ("upright", "kneeling"): "kneel_down",
    ("upright", "squatting"): "squat_down",
    ("upright", "crawl"): "kneel_down",
    ("sitting", "lying"): "lie_down",
    ("kneeling", "lying"): "lie_down",
    ("squatting", "lying"): "lie_down",
    ("crawl", "lying"): "lie_down",
    ("kneeling", "sitting"): "sit_down",
    ("squatting", "sitting"): "sit_down",
    ("lying", "sitting"): "stand_up",  # by the benchmark's own rule: stand_up includes lying to sitting
    ("lying", "kneeling"): "stand_up",
    ("lying", "squatting"): "stand_up",
    ("lying", "upright"): "stand_up",
    ("sitting", "upright"): "stand_up",
    ("kneeling", "upright"): "stand_up",
    ("squatting", "upright"): "stand_up",
    ("crawl", "upright"): "stand_up",
}


@dataclass(frozen=True)
class Segment:
    """What somebody who watched a take saw between two times, in seconds from the first frame.

    `label` is an OmniFall-16 name, or None to leave the frames to geometry. `text` is one or more marked phrases
    (see `_english`). `kind` is the action class of the segment.
    """

    start_s: float
    end_s: float
    kind: str
    text: tuple[str, ...]
    label: str | None = None


def frame_labels(
    joints: Float[Tensor, "frame 24 3"],
    fps: float,
    action: str | None = None,
    timeline: Sequence[Segment] | None = None,
) -> Int8[np.ndarray, "frame"]:
    """Label every frame with an OmniFall-16 id, or -1 where neither name nor geometry can tell.

    A watched timeline decides where it names a label. Elsewhere postures (upright, sitting, lying, kneeling,
    squatting, on all fours) are read from heights and angles with hysteresis, the frames between two postures get the
    movement that leads from one to the other, and upright frames are `walk` or `standing` by the pelvis' speed.
    Running is `walk`: OmniFall has no running, and a person does not change class by hurrying. Falls are never
    guessed: movements downwards faster than 1.5 m/s are -1 unless a timeline names them.

    Args:
        joints: SMPL joints in the world, metres, z up, floor at z = 0.
        fps: frames per second.
        action: the data set's name of the action, such as "walk-turn-left" or "bow", if there is one.
        timeline: segments of the watched take, times relative to the first frame of `joints`.

    Raises:
        UserError: if there is no frame, `fps` is not positive, or a timeline names an unknown label.
    """
    if joints.ndim != 3 or joints.shape[0] == 0 or tuple(joints.shape[1:]) != (NUM_JOINTS, 3):
        raise UserError(
            f"Expected joints of shape (frame, 24, 3) with at least one frame, but got {tuple(joints.shape)}. "
            "Frame labels need a whole clip. Pass the world joints of one person."
        )
    if not fps > 0:
        raise UserError(f"Expected a positive frame rate, but got {fps}. Check the clip's fps. Use 20 for our clips.")
    points = joints.detach().cpu().numpy().astype(np.float64)
    labels = _by_geometry(points, fps, action or "")
    for segment in timeline or ():
        if segment.label is None:
            continue
        if segment.label not in OMNIFALL_ID:
            raise UserError(
                f"Expected an OmniFall-16 label in the timeline, but got '{segment.label}'. "
                "It may be misspelt. Use one of: " + ", ".join(OMNIFALL_ID) + "."
            )
        first, last = round(segment.start_s * fps), round(segment.end_s * fps)
        labels[max(first, 0) : max(last, 0)] = OMNIFALL_ID[segment.label]
    return labels


def _by_geometry(points: Float[np.ndarray, "frame 24 3"], fps: float, action: str) -> Int8[np.ndarray, "frame"]:
    frames = len(points)
    if any(action.startswith(name) for name in _OTHER_ACTIONS):
        return np.full(frames, OMNIFALL_ID["other"], dtype=np.int8)
    motion = _measure(points, fps)
    posture = _postures(motion, fps, action)
    labels = np.full(frames, UNKNOWN_LABEL, dtype=np.int8)
    walking = _hysteresis(motion.speed, _WALK_ENTER, _WALK_LEAVE)
    walking = _drop_short(walking.astype(np.int64), round(_MIN_RUN_S * fps)).astype(bool)
    labels[posture == "upright"] = OMNIFALL_ID["standing"]
    labels[(posture == "upright") & walking] = OMNIFALL_ID["walk"]
    for name in ("sitting", "lying", "kneeling", "squatting", "crawl"):
        labels[posture == name] = OMNIFALL_ID[name]
    for first, last, before, after in _moves_between(posture, motion):
        move = _MOVES.get((before, after))
        too_fast = motion.rise[first:last].min() < -_FALLING
        labels[first:last] = UNKNOWN_LABEL if move is None or too_fast else OMNIFALL_ID[move]
    if action.startswith("bow"):
        labels[(motion.tilt > _BOW_TILT) & (posture == "upright")] = OMNIFALL_ID["other"]
    if action.startswith("jump"):
        labels[motion.feet > 0.3 * motion.leg] = OMNIFALL_ID["jump"]
    return labels


@dataclass
class _Motion:
    """Measures of a clip, one value a frame; `height` over the standing height, lengths in metres, angles in degrees.

    `knee` and `knees` are the heights of the lower and the higher knee, `hands` and `feet` of the lower hand and foot;
    `ahead` is how far the ankles are before the middle of the trunk.
    """

    leg: float
    height: Float[np.ndarray, "frame"]
    speed: Float[np.ndarray, "frame"]
    rise: Float[np.ndarray, "frame"]
    tilt: Float[np.ndarray, "frame"]
    tilting: Float[np.ndarray, "frame"]
    legs: Float[np.ndarray, "frame"]
    knee: Float[np.ndarray, "frame"]
    knees: Float[np.ndarray, "frame"]
    hands: Float[np.ndarray, "frame"]
    feet: Float[np.ndarray, "frame"]
    ahead: Float[np.ndarray, "frame"]
    face_down: Float[np.ndarray, "frame"]


def _measure(points: Float[np.ndarray, "frame 24 3"], fps: float) -> _Motion:
    def joint(name: str) -> Float[np.ndarray, "frame 3"]:
        return points[:, JOINT[name]]

    def pair(name: str) -> Float[np.ndarray, "frame 3"]:
        return (joint(f"left_{name}") + joint(f"right_{name}")) / 2

    def smooth(values: np.ndarray, seconds: float = _SMOOTH_S) -> np.ndarray:
        return gaussian_filter1d(values, seconds * fps, axis=0, mode="nearest")

    def rate(values: np.ndarray) -> np.ndarray:
        return np.gradient(values, axis=0) * fps if len(values) > 1 else np.zeros_like(values)

    thigh = np.linalg.norm(joint("left_hip") - joint("left_knee"), axis=-1)
    shin = np.linalg.norm(joint("left_knee") - joint("left_ankle"), axis=-1)
    leg = float(np.median(thigh + shin))
    # Standing, the ankle joint is about a tenth of a leg above the floor and the pelvis joint level with the hips.
    standing = 1.1 * leg
    pelvis = smooth(joint("pelvis"))
    trunk, legs = joint("neck") - joint("pelvis"), pair("ankle") - joint("pelvis")
    front = np.cross(joint("left_shoulder") - joint("right_shoulder"), trunk)
    facing = np.cross(joint("left_hip") - joint("right_hip"), (0.0, 0.0, 1.0))[:, :2]
    facing = facing / np.maximum(np.linalg.norm(facing, axis=-1, keepdims=True), 1e-9)
    centre = joint("pelvis") + trunk / 2
    tilt = smooth(_angle_to_vertical(trunk))
    return _Motion(
        leg=leg,
        height=pelvis[:, 2] / standing,
        speed=np.linalg.norm(rate(smooth(joint("pelvis")[:, :2], 3 * _SMOOTH_S)), axis=-1),
        rise=rate(pelvis[:, 2]),
        tilt=tilt,
        tilting=np.abs(rate(tilt)),
        legs=smooth(180.0 - _angle_to_vertical(legs)),
        knee=np.minimum(joint("left_knee")[:, 2], joint("right_knee")[:, 2]),
        knees=np.maximum(joint("left_knee")[:, 2], joint("right_knee")[:, 2]),
        hands=np.minimum(joint("left_wrist")[:, 2], joint("right_wrist")[:, 2]),
        feet=np.minimum(joint("left_foot")[:, 2], joint("right_foot")[:, 2]),
        ahead=smooth(((pair("ankle") - centre)[:, :2] * facing).sum(axis=-1)),
        face_down=-front[:, 2] / np.maximum(np.linalg.norm(front, axis=-1), 1e-9),
    )


def _postures(motion: _Motion, fps: float, action: str) -> np.ndarray:
    """Name the posture of every frame; "" while the body moves from one to another."""
    upright = _hysteresis(motion.height, _UPRIGHT_ENTER, _UPRIGHT_LEAVE)
    lying = _hysteresis(motion.tilt, _LYING_TILT_ENTER, _LYING_TILT_LEAVE) & (motion.legs > _LYING_LEGS)
    resting = np.abs(motion.rise) < _AT_REST
    knees_down = motion.knee < _KNEE_LOW * motion.leg
    on_floor = motion.height * 1.1 < _ON_FLOOR
    sits = on_floor | ((motion.ahead > _FEET_AHEAD * motion.leg) & (motion.speed < _WALK_ENTER))
    # Sneaking with bent knees is walking, and a deep bend is standing: only lower, or on a seat, one is down.
    upright = upright | ((motion.height > _CROUCHED) & ~sits & ~lying)
    low = ~upright & ~lying & resting
    all_fours = (
        (motion.tilt > _LYING_TILT_LEAVE)
        & (motion.face_down > 0.5)
        & (motion.hands < _KNEE_LOW * motion.leg)
        & (motion.knees < _KNEE_LOW * motion.leg)
        & ~upright
        & (~on_floor | action.startswith("crawl"))
    )
    if action.startswith("crawl"):
        all_fours = all_fours | (~upright & (motion.face_down > 0.3))
    posture = np.full(len(upright), "", dtype="<U9")
    posture[low & ~knees_down & ~sits] = "squatting"
    posture[low & knees_down & ~sits] = "kneeling"
    posture[low & sits] = "sitting"
    posture[lying] = "lying"
    posture[upright & ~lying] = "upright"
    posture[all_fours] = "crawl"
    names, codes = np.unique(posture, return_inverse=True)
    return names[_drop_short(codes.astype(np.int64), round(_MIN_RUN_S * fps))]


def _moves_between(posture: np.ndarray, motion: _Motion) -> list[tuple[int, int, str, str]]:
    """Return (first, last, posture before, posture after) of every change, widened to the whole movement."""
    frames = len(posture)
    moves: list[tuple[int, int, str, str]] = []
    runs = [run for run in _runs(posture) if posture[run[0]] != ""]
    for (_, end), (start, _) in pairwise(runs):
        before, after = str(posture[end - 1]), str(posture[start])
        if before == after:
            # A dip or a wriggle inside one posture: bending down while seated is still sitting.
            if before != "upright":
                moves.append((end, start, before, before))
            continue
        moving = np.abs(motion.rise) > _MOVING
        if "lying" in (before, after):
            moving = moving | (motion.tilting > _TILTING)
        first, last = end, start
        while first > 0 and moving[first - 1] and posture[first - 1] == before:
            first -= 1
        while last < frames and moving[last] and posture[last] == after:
            last += 1
        moves.append((first, max(last, first + 1), before, after))
    if runs and runs[0][0] > 0 and motion.rise[: runs[0][0]].mean() < 0:
        moves.append((0, runs[0][0], "upright", str(posture[runs[0][0]])))
    return moves


def _hysteresis(values: Float[np.ndarray, "frame"], enter: float, leave: float) -> Bool[np.ndarray, "frame"]:
    """Return where a value is over `enter`, or still over `leave` after having been over `enter`."""
    over, state = np.empty(len(values), dtype=bool), bool(values[0] > (enter + leave) / 2)
    for frame, value in enumerate(values):
        state = bool(value > (leave if state else enter))
        over[frame] = state
    return over


def _drop_short(codes: np.ndarray, shortest: int) -> np.ndarray:
    """Give runs of fewer than `shortest` frames to the longer of their neighbours, the shortest run first."""
    codes = codes.copy()
    while True:
        runs = _runs(codes)
        if len(runs) < 2:
            return codes
        length, index = min((end - start, index) for index, (start, end) in enumerate(runs))
        if length >= shortest:
            return codes
        around = [runs[i] for i in (index - 1, index + 1) if 0 <= i < len(runs)]
        neighbour = max(around, key=lambda run: run[1] - run[0])
        codes[slice(*runs[index])] = codes[neighbour[0]]


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts = [0, *edges.tolist()]
    return list(zip(starts, [*starts[1:], len(values)], strict=True))


def _angle_to_vertical(vectors: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame"]:
    cosine = vectors[:, 2] / np.maximum(np.linalg.norm(vectors, axis=-1), 1e-9)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
