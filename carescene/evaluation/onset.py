"""When falls and bed exits begin, read from joints alone: no label and no event channel takes part.

A fall is found backwards, from the floor: first the moment the trunk comes to rest there, then the fast descent that
led to it, then the loss of balance before the descent. Balance is lost when the extrapolated centre of mass (Hof,
Gazendam and Sinke 2005, "The condition for dynamic stability") leaves the reach of the feet for good, or when the trunk
begins to topple.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from carescene.evaluation.balance import balance_margin, center_of_mass
from carescene.evaluation.seen import limb_speed
from carescene.evaluation.tracks import Track, runs_of

GRAVITY: Final = 9.81
# A descent of the pelvis slower than this is controlled: lying down, kneeling or being lowered (m/s).
CONTROLLED_SPEED: Final = 0.55
# The descent begins where the pelvis first sinks faster than this without stopping (m/s).
_SINKING: Final = 0.18
_MIN_DROP_M: Final = 0.15
_GROUNDED_S: Final = 0.3
# Slides from a seat may take this long before the floor.
_SLOWEST_SLIDE_S: Final = 4.0
# Nothing earlier than this before the descent belongs to the same loss of balance.
_LONGEST_LOSS_S: Final = 1.6
_TOPPLING: Final = 25.0  # degrees per second of the trunk's tilt
_MARGIN: Final = -0.06  # metres that the extrapolated centre of mass is outside of the feet's reach
_STILL: Final = 0.15  # m/s of the trunk's points: at rest

_STIRRING: Final = 0.03  # m/s, mean over joints
_PAUSE_S: Final = 2.0

DIRECTIONS: Final = ("forward", "left", "backward", "right")
# A trunk that comes down less than this far from above its feet goes straight down, in trunk lengths.
_DOWN: Final = 0.35


@dataclass(frozen=True)
class Fall:
    """A fall as it can be seen; times in seconds of the clip.

    Attributes:
        onset_s: balance is lost.
        descent_s: the pelvis begins to sink.
        impact_s: the trunk reaches the floor.
        rest_s: the trunk lies still; the end of the clip if it never does.
        speed: highest downward speed of the pelvis, m/s.
        drop_m: how far the pelvis came down.
        direction: forward, backward, left, right or down, relative to the facing at the onset.
        side: what lies below at rest: left, right, front, back or seat (sitting).
        place: pelvis on the floor plan at impact, metres.
    """

    onset_s: float
    descent_s: float
    impact_s: float
    rest_s: float
    speed: float
    drop_m: float
    direction: str
    side: str
    place: Float[np.ndarray, "2"]


def find_fall(track: Track, slowest: float = CONTROLLED_SPEED) -> Fall | None:
    """The fastest fall of a track, or None: a descent of the pelvis faster than `slowest` that ends on the floor.

    Args:
        track: of one person.
        slowest: peak downward speed of the pelvis in m/s that still counts; 0 finds people who are lowered as well.
    """
    falls = [_fall_into(track, first, last) for first, last in runs_of(track.grounded)]
    fast = [fall for fall in falls if fall is not None and fall.speed > slowest]
    return max(fast, key=lambda fall: fall.drop_m * fall.speed) if fast else None


def _fall_into(track: Track, first: int, last: int) -> Fall | None:
    ends = last == track.frames
    if first == 0 or (last - first < _GROUNDED_S * track.fps and not ends):
        return None
    begin = first
    while begin > 0 and track.rise[begin - 1] < -_SINKING:
        begin -= 1
    impact = first
    while impact + 1 < last and track.rise[impact] < -_SINKING:
        impact += 1
    pelvis = track.joint("pelvis")
    earliest = max(begin - round(_SLOWEST_SLIDE_S * track.fps), 0)
    drop = float(pelvis[earliest : first + 1, 2].max() - pelvis[first:last, 2].min())
    if drop < _MIN_DROP_M:
        return None
    onset = onset_before(track, begin)
    rest = _rest_after(track, impact)
    return Fall(
        onset_s=track.seconds(onset),
        descent_s=track.seconds(begin),
        impact_s=track.seconds(impact),
        rest_s=track.seconds(rest),
        speed=float(-track.rise[begin : impact + 1].min()),
        drop_m=drop,
        direction=fall_direction(track, onset, impact),
        side=lying_side(track, rest, min(rest + round(0.3 * track.fps), track.frames - 1)),
        place=pelvis[impact, :2].copy(),
    )


def onset_before(track: Track, descent: int) -> int:
    """Frame at which balance is lost before a descent that begins at frame `descent`.

    It is the first frame of the unbroken spell, up to the descent, in which the extrapolated centre of mass is out of
    the feet's reach or the trunk topples; gaps of 0.15 s do not break it.
    """
    margin = balance_margin(track.joints, track.fps, track.leg)
    tilting = np.gradient(gaussian_filter1d(track.tilt, 0.1 * track.fps, mode="nearest")) * track.fps
    lost = (margin < _MARGIN) | (tilting > _TOPPLING)
    patience, gap, onset = round(0.15 * track.fps), 0, descent
    for frame in range(descent - 1, max(descent - round(_LONGEST_LOSS_S * track.fps), 0) - 1, -1):
        gap = 0 if lost[frame] else gap + 1
        if gap > patience:
            break
        if lost[frame]:
            onset = frame
    return onset


def _rest_after(track: Track, impact: int) -> int:
    trunk = (track.joint("pelvis") + track.joint("neck")) / 2
    speed = np.linalg.norm(np.gradient(gaussian_filter1d(trunk, 0.1 * track.fps, axis=0), axis=0), axis=-1) * track.fps
    still = np.flatnonzero(speed[impact:] < _STILL)
    return impact + int(still[0]) if len(still) else track.frames - 1


def fall_direction(track: Track, onset: int, impact: int) -> str:
    """Where the trunk comes down beside the feet, relative to the facing at the onset; `down` for a heap.

    Feet and trunk are compared at impact, so that somebody whose feet slide away forwards falls backwards. Whoever sat
    falls where the pelvis goes; whoever lay, to the left or right of the trunk.
    """
    chest, feet = (track.joint("neck") + track.joint("pelvis")) / 2, track.pair("ankle")
    carried = track.on_bed[onset] or track.on_seat[onset]
    path = track.joint("pelvis") if carried else chest - feet
    moved = path[impact, :2] - path[onset, :2]
    if carried and track.posture[onset] == "lying":
        return "left" if float(moved @ _leftward(track)[onset, :2]) > 0 else "right"
    trunk = float(np.linalg.norm(track.joint("neck") - track.joint("pelvis"), axis=-1).mean())
    facing = track.facing[onset]
    ahead = float(moved @ facing)
    left = float(moved @ np.array([-facing[1], facing[0]]))
    if math.hypot(ahead, left) < _DOWN * trunk and not carried:
        return "down"
    quarter = round(math.atan2(left, ahead) / (math.pi / 2)) % 4
    return DIRECTIONS[quarter]


def lying_side(track: Track, first: int, last: int) -> str:
    """What of the trunk is below between two frames: left, right, front, back; seat for a trunk that stays upright."""
    frames = slice(min(first, last), last + 1)
    if np.median(track.tilt[frames]) < 45.0:
        return "seat"
    # Of the pelvis: a trunk that is twisted, propped on an arm, still lies on the hip.
    left = (track.joint("left_hip") - track.joint("right_hip"))[frames]
    left = left / np.linalg.norm(left, axis=-1, keepdims=True)
    spine = (track.joint("spine2") - track.joint("pelvis"))[frames]
    ahead = np.cross(left, spine)
    sideways = float(np.median(left[:, 2]))
    front = float(np.median(ahead[:, 2] / np.linalg.norm(ahead, axis=-1)))
    if abs(sideways) > abs(front):
        return "left" if sideways < 0 else "right"
    return "front" if front < 0 else "back"


def leans_to(track: Track, seconds: float) -> str:
    """The side of the trunk that is lower at a time of the clip, however slightly: left or right."""
    frame = min(max(round((seconds - track.start_s) * track.fps), 0), track.frames - 1)
    return "left" if _leftward(track)[frame, 2] < 0 else "right"


def _leftward(track: Track) -> Float[np.ndarray, "frame 3"]:
    shoulders = track.joint("left_shoulder") - track.joint("right_shoulder")
    return shoulders + track.joint("left_hip") - track.joint("right_hip")


def find_bed_exit(track: Track) -> tuple[float, float, float] | None:
    """When somebody begins to leave a bed, leaves it, and stands, seconds of the clip; None if that does not happen.

    The beginning is where the body starts to stir before it leaves the mattress; pauses of less than 2 s, as on the
    edge of the bed, belong to the movement. On 42 controlled bed exits that is within 0.05 s in the median and within
    0.17 s for nine in ten.
    """
    upright = track.is_("upright") & ~track.on_bed
    stands = [first for first, last in runs_of(upright) if first > 0 and track.on_bed[:first].any()]
    if not stands:
        return None
    stand = stands[0]
    left = int(np.flatnonzero(track.on_bed[:stand])[-1])
    moving, begin, still = limb_speed(track) > _STIRRING, left, 0
    for frame in range(left, -1, -1):
        still = 0 if moving[frame] else still + 1
        if still > _PAUSE_S * track.fps:
            break
        if moving[frame]:
            begin = frame
    return track.seconds(begin), track.seconds(left), track.seconds(stand)


def free_fall_error(track: Track, fall: Fall) -> float:
    """Largest downward acceleration of the centre of mass beyond gravity during a descent, m/s2; 0 for possible falls.

    Nothing but gravity pulls a body down, so its centre of mass cannot sink faster than in free fall. Accelerations are
    second differences of a path smoothed over 0.1 s.
    """
    first = max(round((fall.onset_s - track.start_s) * track.fps), 0)
    last = min(round((fall.impact_s - track.start_s) * track.fps) + 1, track.frames)
    height = gaussian_filter1d(center_of_mass(track.joints)[:, 2], 0.05 * track.fps, mode="nearest")
    if last - first < 3:
        return 0.0
    acceleration = np.diff(height[first:last], n=2) * track.fps**2
    return float(max(-acceleration.min() - GRAVITY, 0.0))
