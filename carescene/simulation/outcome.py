"""What really happened in a simulated situation: times, direction, what hit the ground, from motion and forces."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT, JOINT_NAMES
from carescene.simulation.motion import SimulatedMotion
from carescene.simulation.situations.plan import Direction, Plan

# A touch is a hit from this force on, newtons: about the weight of an arm and far above resting garments or noise.
HIT_FORCE: Final = 60.0
# The head counts as hit from a blow that films show; resting heads press with 50 N.
_HEAD_BLOW: Final = 200.0
# Choi et al. 2015 speak of the start of descent without a number: here the pelvis sinks faster than this (m/s).
_SINKING: Final = 0.2
# At rest no part of the trunk moves faster than this, m/s, for the given time in seconds.
_REST_SPEED: Final = 0.15
_REST_S: Final = 0.3
# The trunk comes down less than this beside the feet, in trunk lengths: straight down.
_DOWN: Final = 0.35
_TRUNK: Final = ("pelvis", "spine1", "spine2", "spine3", "head")
# Body parts that carry the simulated contacts, as people name them; the pelvis and thighs depend on what is below.
_SITES: Final = {
    "knee": "knee",
    "shoulder": "shoulder",
    "collar": "shoulder",
    "elbow": "elbow",
    "wrist": "hand",
    "head": "head",
    "neck": "head",
}
# A body that leans this much more than ever before the onset has visibly lost its balance, degrees.
_LOST_DEG: Final = 4.0
# Somebody who moves faster than this over the last second, m/s, does not lie still.
_STILL_SPEED: Final = 0.25
# The way a foot must move between onset and impact to count as a step, metres.
_STEP: Final = 0.18


@dataclass(frozen=True)
class Outcome:
    """How a situation went; seconds of the clip, metres per second.

    Attributes:
        onset_s: the disturbance.
        descent_s: the pelvis begins to sink for the last time before the impact.
        impact_s: pelvis, trunk or head first hits the floor; of a near fall, when balance is back.
        rest_s: the trunk lies still; the end of the clip if it never does. Of a near fall the same as `impact_s`.
        direction: where the trunk comes down beside the feet, relative to the facing at the onset.
        sites: what hit the floor from onset to shortly after the impact, in order.
        object_hit: kind of furniture that was hit by other parts than hands, or "none".
        stepped, grasped: whether a foot stepped, a hand held furniture.
        pelvis_speed, head_speed: downward, just before each hits the floor; NaN without a hit.
        below: what of the trunk is down at rest: left, right, front, back, or seat.
        moves: whether the person moves in the last second.
    """

    onset_s: float
    descent_s: float
    impact_s: float
    rest_s: float
    direction: Direction
    sites: tuple[str, ...]
    object_hit: str
    stepped: bool
    grasped: bool
    pelvis_speed: float
    head_speed: float
    below: str
    moves: bool


def read_outcome(
    plan: Plan, motion: SimulatedMotion, joints: Float[np.ndarray, "frame 24 3"]
) -> tuple[Outcome | None, str]:
    """What happened, or None and the reason why it is not the planned kind of situation.

    Args:
        plan: what was meant to happen.
        motion: what the simulation gave.
        joints: of the simulated person in the world, metres.
    """
    if plan.recovers:
        return _read_recovery(plan, motion, joints)
    fps, frames = motion.fps, len(joints)
    onset = round(plan.onset_s * fps)
    hits = _trunk_hits(motion)
    if hits[:onset].any():
        return None, "fell before the onset"
    after = np.flatnonzero(hits[onset:])
    if not len(after):
        return None, "did not come down"
    impact = onset + int(after[0])
    if impact - onset < 3:
        return None, "came down at once"
    if frames - impact < 0.8 * fps:
        return None, "came down too late"
    descent = _descent(motion, onset, impact)
    rest = _rest(joints, impact, fps)
    end_height = float(joints[-1, 0, 2])
    if end_height > 0.40:
        return None, "did not lie down"
    rotations = Rotation.from_rotvec(motion.poses[:, 0]).as_matrix()
    sites = _sites(motion, rotations, descent, min(impact + round(0.35 * fps), frames - 1))
    outcome = Outcome(
        onset_s=plan.onset_s,
        descent_s=max(descent / fps, plan.onset_s + 0.5 / fps),
        impact_s=impact / fps,
        rest_s=rest / fps,
        direction=_direction(plan, joints, rotations, onset, impact),
        sites=sites,
        object_hit=_object_hit(plan, motion, onset),
        stepped=plan.reaction.step > 0 and _moved_foot(joints, onset, impact),
        grasped=_grasped(motion, onset),
        pelvis_speed=_speed_before(motion.pelvis_velocity, impact),
        head_speed=_head_speed(motion, onset),
        below=_below(joints, rotations, rest),
        moves=_moves(joints, fps),
    )
    return outcome, ""


def _read_recovery(
    plan: Plan, motion: SimulatedMotion, joints: Float[np.ndarray, "frame 24 3"]
) -> tuple[Outcome | None, str]:
    fps, onset = motion.fps, round(plan.onset_s * motion.fps)
    if _trunk_hits(motion).any():
        return None, "fell in a near fall"
    pelvis = joints[:, 0, 2]
    if pelvis[-1] < 0.85 * pelvis[: onset + 1].mean():
        return None, "did not stand up again"
    tilt = _tilt(joints)
    usual = float(tilt[: onset + 1].max())
    if tilt[onset:].max() - usual < _LOST_DEG:
        return None, "balance was hardly lost"
    off = np.flatnonzero(tilt[onset:] > usual + 0.6 * _LOST_DEG)
    back = min(onset + int(off[-1]) + round(0.3 * fps), len(joints) - 1)
    rotations = Rotation.from_rotvec(motion.poses[:, 0]).as_matrix()
    # The first sway gives the direction; swaying back may go farther.
    first = onset + max(round(0.5 * plan.loss_s * fps), 4)
    farthest = onset + int(tilt[onset : first + 1].argmax())
    if len(joints) - back < 0.5 * fps:
        return None, "balance did not come back"
    if plan.ward_event == "grab_recover" and not _grasped(motion, onset):
        return None, "did not get hold of anything"
    return Outcome(
        onset_s=plan.onset_s,
        descent_s=plan.onset_s,
        impact_s=back / fps,
        rest_s=back / fps,
        direction=_direction(plan, joints, rotations, onset, farthest, far=0.0),
        sites=(),
        object_hit=_object_hit(plan, motion, onset),
        stepped=plan.posture == "walking" or _moved_foot(joints, onset, back),
        grasped=_grasped(motion, onset),
        pelvis_speed=float("nan"),
        head_speed=float("nan"),
        below="none",
        moves=True,
    ), ""


def _tilt(joints: Float[np.ndarray, "frame 24 3"]) -> Float[np.ndarray, "frame"]:
    """Of the line from the ankles to the neck against the vertical, degrees."""
    line = joints[:, JOINT["neck"]] - (joints[:, JOINT["left_ankle"]] + joints[:, JOINT["right_ankle"]]) / 2
    return np.degrees(np.arctan2(np.linalg.norm(line[:, :2], axis=1), line[:, 2]))


def _trunk_hits(motion: SimulatedMotion) -> Bool[np.ndarray, "frame"]:
    return motion.floor_force[:, [JOINT[name] for name in _TRUNK]].max(axis=1) > HIT_FORCE


def _descent(motion: SimulatedMotion, onset: int, impact: int) -> int:
    sinking = motion.pelvis_velocity[:, 2] < -_SINKING
    fastest = onset + int(motion.pelvis_velocity[onset : impact + 1, 2].argmin())
    frame = fastest
    while frame > onset and sinking[frame - 1]:
        frame -= 1
    return frame


def _rest(joints: Float[np.ndarray, "frame 24 3"], impact: int, fps: float) -> int:
    trunk = joints[:, [JOINT["pelvis"], JOINT["spine3"]]]
    speed = np.linalg.norm(np.gradient(trunk, axis=0), axis=-1).max(axis=1) * fps
    need = round(_REST_S * fps)
    for frame in range(impact + 1, len(joints) - need):
        if (speed[frame : frame + need] < _REST_SPEED).all():
            return frame
    return len(joints) - 1


def _direction(
    plan: Plan,
    joints: Float[np.ndarray, "frame 24 3"],
    rotations: np.ndarray,
    onset: int,
    impact: int,
    far: float = _DOWN,
) -> Direction:
    """Of the trunk relative to the feet; of who sat or lay, of the pelvis alone."""
    chest = (joints[:, JOINT["neck"]] + joints[:, JOINT["pelvis"]]) / 2
    feet = (joints[:, JOINT["left_ankle"]] + joints[:, JOINT["right_ankle"]]) / 2
    path = chest - feet if plan.posture in ("walking", "standing") else joints[:, JOINT["pelvis"]]
    moved = path[impact, :2] - path[onset, :2]
    if plan.posture == "lying":
        left = rotations[onset][:, 0]
        return "left" if float(moved @ left[:2]) > 0 else "right"
    ahead = rotations[onset][:2, 2]
    ahead = ahead / max(float(np.linalg.norm(ahead)), 1e-9)
    forward, left_by = float(moved @ ahead), float(moved @ np.array([-ahead[1], ahead[0]]))
    trunk = float(np.linalg.norm(joints[:, JOINT["neck"]] - joints[:, JOINT["pelvis"]], axis=-1).mean())
    if np.hypot(forward, left_by) < far * trunk and plan.posture != "sitting":
        return "down"
    names: tuple[Direction, ...] = ("forward", "left", "backward", "right")
    return names[round(np.arctan2(left_by, forward) / (np.pi / 2)) % 4]


def _sites(motion: SimulatedMotion, rotations: np.ndarray, first: int, last: int) -> tuple[str, ...]:
    """Names of what hit the floor, in order; parts that hit in the same frame by their force."""
    found: list[str] = []
    for frame in range(first, last + 1):
        forces = motion.floor_force[frame]
        for joint in np.argsort(-forces):
            if forces[joint] < HIT_FORCE:
                break
            if JOINT_NAMES[joint] in ("head", "neck") and forces[joint] < _HEAD_BLOW:
                continue
            site = _site(JOINT_NAMES[joint], rotations[frame])
            if site and site not in found:
                found.append(site)
    return tuple(found)


def _site(name: str, pelvis: Float[np.ndarray, "3 3"]) -> str:
    kind = name.split("_")[-1]
    if kind in ("ankle", "foot"):
        return ""
    if kind in _SITES:
        return _SITES[kind]
    # Which side of the pelvis points down: x is its left, z its front.
    sideways, front = abs(float(pelvis[2, 0])), float(pelvis[2, 2])
    if kind in ("pelvis", "hip"):
        return "hip" if sideways > 0.6 else "abdomen" if front < -0.4 else "buttocks"
    return "chest" if front < -0.5 else "shoulder" if sideways > 0.75 else "back"


def _object_hit(plan: Plan, motion: SimulatedMotion, onset: int) -> str:
    """Furniture hit after the onset other than by hands and other than what the body rested on."""
    if not motion.object_ids:
        return "none"
    resting = {f"{piece.kind}-{number}" for number, piece in enumerate(plan.furniture, start=1) if piece.holds}
    body = np.delete(motion.furniture_force, [JOINT["left_wrist"], JOINT["right_wrist"]], axis=1).max(axis=1)
    for column, name in enumerate(motion.object_ids):
        hit = np.minimum(motion.object_force[onset:, column], body[onset:]) > HIT_FORCE
        if name not in resting and hit.any():
            return name.rsplit("-", 1)[0]
    return "none"


def _grasped(motion: SimulatedMotion, onset: int) -> bool:
    wrists = motion.furniture_force[onset:, [JOINT["left_wrist"], JOINT["right_wrist"]]]
    return bool((wrists > 0.3 * HIT_FORCE).any())


def _moved_foot(joints: Float[np.ndarray, "frame 24 3"], onset: int, impact: int) -> bool:
    ankles = joints[onset : impact + 1, [JOINT["left_ankle"], JOINT["right_ankle"]], :2]
    return bool((np.linalg.norm(ankles - ankles[0], axis=-1).max(axis=0) > _STEP).any())


def _speed_before(velocity: Float[np.ndarray, "frame 3"], frame: int) -> float:
    """Fastest way down in the frames before a contact: the frame of the contact holds part of the braking."""
    return float(-velocity[max(frame - 3, 0) : frame + 1, 2].min())


def _head_speed(motion: SimulatedMotion, onset: int) -> float:
    hits = np.flatnonzero(motion.floor_force[onset:, JOINT["head"]] > _HEAD_BLOW)
    return _speed_before(motion.head_velocity, onset + int(hits[0])) if len(hits) else float("nan")


def _moves(joints: Float[np.ndarray, "frame 24 3"], fps: float) -> bool:
    speed = np.linalg.norm(np.diff(joints[-round(fps) :, :22], axis=0), axis=-1) * fps
    return bool(speed.max() > _STILL_SPEED)


def _below(joints: Float[np.ndarray, "frame 24 3"], rotations: np.ndarray, rest: int) -> str:
    trunk = joints[rest, JOINT["neck"]] - joints[rest, JOINT["pelvis"]]
    if trunk[2] / np.linalg.norm(trunk) > 0.7:
        return "seat"
    sideways, front = float(rotations[rest][2, 0]), float(rotations[rest][2, 2])
    if abs(sideways) > abs(front):
        return "left" if sideways < 0 else "right"
    return "front" if front < 0 else "back"
