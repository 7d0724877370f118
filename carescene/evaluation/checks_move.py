"""Checks of walking, of work of staff, and of movements that only look like falls."""

from typing import Final

import numpy as np

from carescene.evaluation.checks_rest import CLOSE_M, MOST
from carescene.evaluation.onset import find_fall
from carescene.evaluation.seen import Finding, Seen, held, in_order, limb_speed, path_length, share, yes_if

_WALKING: Final = 0.2  # m/s, as in `carescene.clips.frame_labels`
_HANDS_DOWN_M: Final = 0.40  # of a wrist above the floor: the hand reaches it
_AT_SHOES_M: Final = 0.35  # from wrist to ankle
_BENT: Final = 25.0  # degrees of the trunk
_BESIDE_M: Final = 0.65  # from the pelvis to the edge of a bed: arms reach over it
_REACHED: Final = 0.80  # of the arm's length, and in front of or beside the trunk
_TURN: Final = 25.0  # degrees


def _walks(seen: Seen) -> tuple[np.ndarray, float]:
    walking = seen.track.is_("upright") & (seen.track.speed > _WALKING)
    return walking, path_length(seen.track)


def walk_free(seen: Seen) -> Finding:
    """Walks a metre or more, or all the time in a short clip."""
    walking, path = _walks(seen)
    far = min(1.0, 0.25 * seen.track.frames / seen.track.fps)
    return yes_if(share(walking) > 0.5 and path > far, f"walks {share(walking):.0%} of the time, {path:.1f} m")


def walk_aid(seen: Seen) -> Finding:
    """Walks with both hands held before the body."""
    walking, path = _walks(seen)
    track = seen.track
    ahead = ((track.pair("wrist") - track.joint("pelvis"))[:, :2] * track.facing).sum(-1)
    front = float(np.median(ahead[walking])) if walking.any() else 0.0
    ok = share(walking) > 0.4 and path > 0.6 and front > 0.15
    return yes_if(ok, f"walks {path:.1f} m, hands {front:.2f} m before the pelvis")


def walk_assisted(seen: Seen) -> Finding:
    """Walks with somebody within reach most of the way."""
    walking, path = _walks(seen)
    near = 1.0 if not seen.others else share(seen.nearest_other()[walking] < CLOSE_M) if walking.any() else 0.0
    ok = share(walking) > 0.4 and path > 0.6 and near > 0.6
    return yes_if(ok, f"walks {path:.1f} m, helper within reach {near:.0%} of the way")


def turn_reach(seen: Seen) -> Finding:
    """Stands, and turns or stretches an arm."""
    track = seen.track
    heading = np.degrees(np.unwrap(np.arctan2(track.facing[:, 1], track.facing[:, 0])))
    turned, reach = float(np.ptp(heading)), 0.0
    for side in ("left", "right"):
        arm = track.joint(f"{side}_wrist") - track.joint(f"{side}_shoulder")
        bones = np.linalg.norm(track.joint(f"{side}_elbow") - track.joint(f"{side}_shoulder"), axis=-1)
        bones = bones + np.linalg.norm(track.joint(f"{side}_wrist") - track.joint(f"{side}_elbow"), axis=-1)
        away = np.linalg.norm(arm[:, :2], axis=-1) / bones
        reach = max(reach, float(away.max()))
    stands = share(track.is_("upright"))
    ok = stands > MOST and path_length(track) < 1.5 and (turned > _TURN or reach > _REACHED)
    return yes_if(ok, f"stands {stands:.0%}, turns {turned:.0f} degrees, stretches {reach:.0%} of the arm")


def pick_up_floor(seen: Seen) -> Finding:
    """Stands, brings a hand to the floor, and stands again."""
    track = seen.track
    low = np.minimum(track.joint("left_wrist")[:, 2], track.joint("right_wrist")[:, 2]) < _HANDS_DOWN_M
    upright = track.is_("upright") & ~low
    times = in_order(track, upright, low & ~track.grounded, upright, seconds=0.15, to_end=True)
    if times is None:
        return yes_if(False, "no hand goes to the floor and up again")
    return yes_if(True, "a hand goes to the floor and up again", begin=times[0], low=times[1], stands=times[2])


def tie_shoes(seen: Seen) -> Finding:
    """Both hands are at one shoe."""
    track = seen.track
    wrists = [track.joint(f"{side}_wrist") for side in ("left", "right")]
    shoes = [track.joint(f"{side}_ankle") for side in ("left", "right")]
    near = [np.max([np.linalg.norm(wrist - shoe, axis=-1) for wrist in wrists], axis=0) for shoe in shoes]
    runs = held(track, (np.min(near, axis=0) < _AT_SHOES_M) & ~track.is_("lying"), 0.5)
    return yes_if(bool(runs), "both hands at a shoe" if runs else "hands do not come to a shoe")


def kneel_task(seen: Seen) -> Finding:
    """From standing down on the knees, with control."""
    track = seen.track
    times = in_order(track, track.is_("upright"), track.is_("kneeling", "crawl"))
    if times is None:
        return yes_if(False, "does not kneel down")
    return yes_if(find_fall(track) is None, "kneels down", begin=times[0], kneels=times[1])


def floor_exercise(seen: Seen) -> Finding:
    """On the floor of one's own will: no fall leads there, and the limbs move."""
    track = seen.track
    down = share(track.grounded | track.is_("crawl", "kneeling"))
    speed = float(limb_speed(track).mean())
    controlled = find_fall(track, 1.0) is None
    return yes_if(down > 0.3 and speed > 0.05 and controlled, f"on the floor {down:.0%} of the time, {speed:.2f} m/s")


def staff_bend_over_bed(seen: Seen) -> Finding:
    """Stands beside a bed and bends forward over it."""
    track = seen.track
    bent = track.is_("upright", "low") & (track.tilt > _BENT) & (_at_bed(seen))
    runs = held(track, bent, 0.5)
    return yes_if(bool(runs), "bends over the bed" if runs else "does not bend beside a bed")


def make_bed(seen: Seen) -> Finding:
    """Stands beside a bed with hands that work over it."""
    track = seen.track
    hands = np.minimum(track.joint("left_wrist")[:, 2], track.joint("right_wrist")[:, 2])
    works = ~track.on_bed & ~track.grounded & _at_bed(seen) & (hands < 0.95 * 1.13 * track.leg)
    runs = held(track, works & (track.tilt > 0.6 * _BENT), 0.5)
    speed = float(limb_speed(track).mean())
    stands = share(track.is_("upright", "low")) > MOST
    return yes_if(bool(runs) and speed > 0.05 and stands, "works over the bed" if runs else "no hands over a bed")


def staff_kneel(seen: Seen) -> Finding:
    """Kneels, or squats, beside somebody (anywhere, if nobody else is in the clip)."""
    track = seen.track
    down = track.is_("kneeling", "squatting", "crawl") & ~track.on_bed & ~track.on_seat
    if seen.others:
        down &= seen.nearest_other() < 2 * CLOSE_M
    runs = held(track, down, 0.5)
    return yes_if(bool(runs), "kneels" if runs else "does not kneel beside anybody")


def _at_bed(seen: Seen) -> np.ndarray:
    """Beside a bed; anywhere if the clip has no room."""
    if seen.room.scene is None:
        return np.ones(seen.track.frames, bool)
    return seen.distance_to("bed") < _BESIDE_M
