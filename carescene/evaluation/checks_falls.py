"""Checks of near falls, falls, and what comes after them."""

from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d

from carescene.evaluation.carriers import SEAT_KINDS
from carescene.evaluation.checks_rest import CLOSE_M, MOST, helped
from carescene.evaluation.onset import Fall, find_fall
from carescene.evaluation.seen import Finding, Seen, held, in_order, limb_speed, path_length, share, yes_if
from carescene.evaluation.tracks import angle_to_vertical

# Peak downward speeds of the pelvis, m/s. Real falls of older people from standing reach 2.1 to 2.9 m/s at the pelvis
# (Choi et al. 2015), less where the drop is short; recorded people sit down at 0.6 at most, smoothed over 0.1 s; a
# slide from a seat may be slow.
_FALL_SPEED: Final = 0.7
_BEFORE_S: Final = 0.6
_ROLL_SPEED: Final = 0.3
# Near falls, against recorded people (nine in ten of them stay below): who stands has a neck that accelerates by
# 2.4 m/s2 and a line from ankles to neck that turns by 4.5 degrees; who walks turns it by 11.4 degrees, and the trunk
# by 23 degrees a second.
_JERKED: Final = 2.2
_SWAYED: Final = 5.5
_STUMBLED: Final = 14.0
_TRUNK_JOLT: Final = 28.0
_STANDS: Final = 0.2  # m/s, median over the clip
# Means over joints, m/s. They overlap: somebody who "moves" may only raise a hand, and a body that has just come to
# rest still settles.
_FALLEN_STILL: Final = 0.10
_FALLEN_MOVES: Final = 0.012


def _times(fall: Fall) -> dict[str, float]:
    return {"onset": fall.onset_s, "descent": fall.descent_s, "impact": fall.impact_s, "rest": fall.rest_s}


def _describe(fall: Fall | None) -> str:
    if fall is None:
        return "nobody comes down to the floor"
    return f"falls {fall.direction} at {fall.speed:.1f} m/s, comes to lie on the {fall.side}"


def _before(seen: Seen, fall: Fall, flags: np.ndarray) -> bool:
    """Whether something holds within the time before the descent."""
    track = seen.track
    last = round((fall.descent_s - track.start_s) * track.fps) + 1
    first = max(min(round((fall.onset_s - track.start_s) * track.fps), last - 1) - round(_BEFORE_S * track.fps), 0)
    return bool(flags[first:last].any())


def fall_from_feet(seen: Seen) -> Finding:
    """Falls from standing, walking, or just after getting up."""
    fall = find_fall(seen.track, _FALL_SPEED)
    if fall is None:
        return yes_if(False, _describe(find_fall(seen.track, 0.0)))
    stood = _before(seen, fall, seen.track.is_("upright", "low", "squatting"))
    return yes_if(stood, _describe(fall), **_times(fall))


def fall_anyhow(seen: Seen) -> Finding:
    """Comes down to the floor without control, from wherever."""
    fall = find_fall(seen.track, _FALL_SPEED)
    return yes_if(fall is not None, _describe(fall), **(_times(fall) if fall else {}))


def fall_missed_seat(seen: Seen) -> Finding:
    """Comes down beside a seat or bed while sitting down."""
    fall = find_fall(seen.track, _FALL_SPEED)
    if fall is None:
        return yes_if(False, _describe(fall))
    near = min(float(seen.distance_to(*SEAT_KINDS, "bed").min()), np.inf)
    beside = near < 0.8 or seen.room.scene is None
    back = fall.direction in ("backward", "down", "left", "right")
    return yes_if(beside and back, f"{_describe(fall)}, {near:.1f} m from a seat", **_times(fall))


def fall_out_of_bed(seen: Seen) -> Finding:
    """From lying in bed to the floor without standing up."""
    return _off(seen, seen.track.on_bed & (seen.track.tilt > 40.0), _ROLL_SPEED)


def slide_from_bed_edge(seen: Seen) -> Finding:
    """From sitting or lying at the edge of the bed to the floor without standing up."""
    return _off(seen, seen.track.on_bed | (seen.track.on_seat & (seen.room.scene is None)), 0.0)


def slide_from_wheelchair(seen: Seen) -> Finding:
    """From a seat to the floor without standing up."""
    return _off(seen, seen.track.on_seat, 0.0)


def _off(seen: Seen, carried: np.ndarray, slowest: float) -> Finding:
    track = seen.track
    fall = find_fall(track, slowest)
    if fall is None:
        return yes_if(False, _describe(fall))
    impact = round((fall.impact_s - track.start_s) * track.fps)
    before = np.flatnonzero(carried[:impact])
    if not len(before):
        return yes_if(False, f"{_describe(fall)}, but not from furniture")
    stood = held(track, track.is_("upright")[before[-1] : impact], 0.3) if impact > before[-1] else []
    return yes_if(not stood, f"{_describe(fall)}, from furniture", **_times(fall))


def lowered_by_staff(seen: Seen) -> Finding:
    """Comes down to the floor with somebody within reach all the way."""
    fall = find_fall(seen.track, 0.0)
    if fall is None:
        return yes_if(False, _describe(fall))
    track = seen.track
    first = round((fall.descent_s - track.start_s) * track.fps)
    last = max(round((fall.impact_s - track.start_s) * track.fps), first + 1)
    near = share(seen.nearest_other()[first:last] < CLOSE_M) if seen.others else 1.0
    return yes_if(near > 0.6, f"{_describe(fall)}, helper within reach {near:.0%} of the descent", **_times(fall))


def near_fall(seen: Seen) -> Finding:
    """Loses balance, does not come down to the floor, and stands in the end."""
    track = seen.track

    def rate(values: np.ndarray) -> np.ndarray:
        return np.gradient(values, axis=0) * track.fps

    line = angle_to_vertical(track.joint("neck") - track.pair("ankle"))
    lean = gaussian_filter1d(line, 0.05 * track.fps)
    jolt = np.abs(rate(gaussian_filter1d(track.tilt, 0.1 * track.fps)))
    jerked = np.linalg.norm(
        rate(rate(gaussian_filter1d(track.joint("neck")[:, :2], 0.05 * track.fps, axis=0))), axis=-1
    )
    turned, pushed = float(np.ptp(lean)), float(jerked.max())
    if float(np.median(track.speed)) < _STANDS:
        lost = turned > _SWAYED and pushed > _JERKED
    else:
        lost = turned > _STUMBLED and float(jolt.max()) > _TRUNK_JOLT
    upright = share(track.is_("upright", "low"))
    ends = share(track.is_("upright")[-max(round(0.3 * track.fps), 1) :]) > 0.5
    ok = upright > MOST and ends and lost and not track.grounded.any()
    why = f"leans {turned:.0f} degrees to and fro, neck pushed by {pushed:.1f} m/s2, trunk turns {jolt.max():.0f} deg/s"
    return yes_if(ok, why, disturbed=track.seconds(int(jerked.argmax())))


def fallen_still(seen: Seen) -> Finding:
    """Lies or sits on the floor and hardly moves."""
    down, speed = share(seen.track.grounded), float(limb_speed(seen.track).mean())
    return yes_if(down > MOST and speed < _FALLEN_STILL, f"on the floor {down:.0%}, joints move {speed:.2f} m/s")


def fallen_moving(seen: Seen) -> Finding:
    """On the floor, moving but not getting away."""
    down, speed = share(seen.track.grounded), float(limb_speed(seen.track).mean())
    return yes_if(down > 0.7 and speed > _FALLEN_MOVES, f"on the floor {down:.0%}, joints move {speed:.2f} m/s")


def crawl_seek_help(seen: Seen) -> Finding:
    """Gets along the floor, on all fours or dragging."""
    track = seen.track
    low = share(track.grounded | track.is_("crawl", "kneeling"))
    path = path_length(track)
    return yes_if(low > 0.7 and path > 0.3, f"low {low:.0%} of the time, travels {path:.1f} m")


def rise_alone(seen: Seen) -> Finding:
    """From the floor to standing."""
    track = seen.track
    down = track.grounded | track.is_("crawl", "kneeling")
    times = in_order(track, down, track.is_("upright"), to_end=True)
    if times is None:
        return yes_if(False, "does not get up from the floor")
    return yes_if(True, "gets up from the floor", begin=times[0], stands=times[1])


def raised_by_staff(seen: Seen) -> Finding:
    """From the floor to standing, with somebody within reach."""
    return helped(seen, rise_alone(seen))
