"""Checks of rest and transfers: in bed, on a seat, getting there and away again."""

from typing import Final

import numpy as np

from carescene.evaluation.carriers import SEAT_KINDS
from carescene.evaluation.onset import find_bed_exit
from carescene.evaluation.seen import Finding, Seen, held, in_order, limb_speed, path_length, roll_of, share, yes_if
from carescene.evaluation.tracks import angle_to_vertical

MOST: Final = 0.8
_STILL: Final = 0.08  # m/s, mean over joints: breathing and small shifts of somebody who rests
_RESTLESS: Final = 0.07
_TURNED: Final = 35.0  # degrees about the trunk's axis
CLOSE_M: Final = 0.45  # between the nearest joints: touching, or about to
_FAST_SIT: Final = 0.5  # m/s of the smoothed pelvis: of 40 recorded sit-downs, 38 stay below 0.48, half below 0.35
_LEGS_UP: Final = 50.0  # degrees of pelvis to ankles from the vertical
_RECLINED: Final = 25.0  # degrees of the trunk from the vertical
_FAST_LIE: Final = 0.7  # m/s of the neck
_SITTING_TILT: Final = 50.0


def _in_bed(seen: Seen) -> np.ndarray:
    """Lies on a bed, flat or against its raised back."""
    track = seen.track
    legs = 180.0 - angle_to_vertical(track.pair("ankle") - track.joint("pelvis"))
    return track.on_bed & (track.is_("lying") | ((legs > _LEGS_UP) & (track.tilt > _RECLINED)))


def in_bed_still(seen: Seen) -> Finding:
    """Lies in bed and hardly moves."""
    speed = float(limb_speed(seen.track).mean())
    lies = share(_in_bed(seen))
    return yes_if(lies >= MOST and speed < _STILL, f"in bed {lies:.0%} of the time, joints move {speed:.2f} m/s")


def in_bed_turning(seen: Seen) -> Finding:
    """Turns about the long axis of the trunk while in bed."""
    lies = share(seen.track.on_bed)
    roll = roll_of(seen.track)[_in_bed(seen)]
    turned = float(np.ptp(roll)) if len(roll) else 0.0
    return yes_if(lies >= MOST and turned > _TURNED, f"in bed {lies:.0%} of the time, turns {turned:.0f} degrees")


def in_bed_restless(seen: Seen) -> Finding:
    """Moves a lot while in bed."""
    speed, lies = float(limb_speed(seen.track).mean()), share(seen.track.on_bed)
    return yes_if(lies >= MOST and speed > _RESTLESS, f"in bed {lies:.0%} of the time, joints move {speed:.2f} m/s")


def seated_bed_edge(seen: Seen) -> Finding:
    """Sits on a bed with the feet over its edge."""
    track = seen.track
    hanging = track.pair("ankle")[:, 2] < track.joint("pelvis")[:, 2] - 0.2
    sits = share(track.is_("sitting") & hanging & (track.on_bed | (track.on_seat & (seen.room.scene is None))))
    return yes_if(sits >= MOST, f"sits on the edge {sits:.0%} of the time")


def seated_chair(seen: Seen) -> Finding:
    """Sits on a chair."""
    sits = share(seen.seated_on("chair", "recliner", "toilet"))
    return yes_if(sits >= MOST and path_length(seen.track) < 0.5, f"sits on a chair {sits:.0%} of the time")


def seated_wheelchair(seen: Seen) -> Finding:
    """Sits in a wheelchair that stands."""
    sits = share(seen.seated_on("wheelchair"))
    return yes_if(sits >= MOST and path_length(seen.track) < 0.5, f"sits in a wheelchair {sits:.0%} of the time")


def wheelchair_move(seen: Seen) -> Finding:
    """Sits and travels."""
    sits, path = share(seen.track.thigh > 50.0), path_length(seen.track)
    return yes_if(sits >= MOST and path > 0.5, f"sits {sits:.0%} of the time, travels {path:.1f} m")


def sit_up_in_bed(seen: Seen) -> Finding:
    """From lying to sitting, all on the bed."""
    track = seen.track
    up = track.on_bed & (track.tilt < _SITTING_TILT)
    times = in_order(track, _in_bed(seen), up)
    stays = share(track.on_bed) >= 0.9
    if times is None:
        return yes_if(False, "no lying in bed with sitting up after it")
    return yes_if(stays, "lies in bed and sits up" if stays else "leaves the bed", begin=times[0], sits=times[1])


def bed_entry(seen: Seen) -> Finding:
    """From beside or on the edge of the bed to lying in it."""
    track = seen.track
    before = (track.is_("upright") & ~track.on_bed) | (track.is_("sitting") & (track.on_bed | track.on_seat))
    times = in_order(track, before, _in_bed(seen), to_end=True)
    if times is None:
        return yes_if(False, "does not come from beside the bed to lie in it")
    return yes_if(True, "comes to bed and lies in it", begin=times[0], lies=times[1])


def bed_exit(seen: Seen) -> Finding:
    """From the bed to standing beside it."""
    found = find_bed_exit(seen.track)
    if found is None or not _begins(seen, seen.track.on_bed):
        return yes_if(False, "does not come from the bed to stand beside it")
    begin, left, stands = found
    return yes_if(True, "leaves the bed and stands", begin=begin, leaves=left, stands=stands)


def bed_exit_assisted(seen: Seen) -> Finding:
    """Leaves the bed while somebody is within reach."""
    alone = bed_exit(seen)
    if not alone:
        return alone
    return helped(seen, alone)


def rail_climb(seen: Seen) -> Finding:
    """Begins in bed and brings a foot over its side above the mattress, as over a rail."""
    track = seen.track
    if not _begins(seen, track.on_bed):
        return yes_if(False, "does not begin in the bed")
    first = int(np.flatnonzero(track.on_bed)[0])
    mattress = float(track.joint("pelvis")[first, 2]) - 0.12
    ankles = np.stack([track.joint("left_ankle"), track.joint("right_ankle")], axis=1)
    if seen.room.scene is not None and seen.room.scene.of_kind("bed"):
        over = np.stack([seen.room.under(ankles[:, k] + [0.0, 0.0, 0.2]).bed for k in range(2)], axis=1)
        outside = ~over & (ankles[..., 2] > mattress + 0.1)
    else:
        outside = ankles[..., 2] > mattress + 0.2
    high = held(track, outside.any(axis=1), 0.15)
    return yes_if(bool(high), "a foot goes over the rail" if high else "no foot goes over the side above the mattress")


def chair_rise(seen: Seen) -> Finding:
    """From a seat to standing."""
    track = seen.track
    times = in_order(track, seen.seated_on(*SEAT_KINDS), track.is_("upright"))
    if times is None:
        return yes_if(False, "does not stand up from a seat")
    return yes_if(True, "stands up from a seat", begin=times[0], stands=times[1])


def chair_sit(seen: Seen) -> Finding:
    """From standing to a seat."""
    track = seen.track
    times = in_order(track, track.is_("upright"), seen.seated_on(*SEAT_KINDS), to_end=True)
    if times is None:
        return yes_if(False, "does not sit down on a seat")
    return yes_if(True, "sits down on a seat", begin=times[0], sits=times[1])


def toilet_transfer(seen: Seen) -> Finding:
    """Down to the toilet, up from it, or both."""
    track = seen.track
    sits = seen.seated_on("toilet")
    times = in_order(track, track.is_("upright"), sits) or in_order(track, sits, track.is_("upright"))
    return yes_if(times is not None, "sits down on the toilet or gets up" if times else "no sitting on the toilet")


def plop_sit(seen: Seen) -> Finding:
    """Sits down faster than anybody does with control."""
    track = seen.track
    sits = seen.seated_on(*SEAT_KINDS, "bed")
    times = in_order(track, track.is_("upright"), sits)
    if times is None:
        return yes_if(False, "does not sit down")
    last = round((times[1] - track.start_s) * track.fps)
    speed = float(-track.rise[max(last - round(1.5 * track.fps), 0) : last + round(0.5 * track.fps)].min())
    return yes_if(speed > _FAST_SIT, f"sits down at {speed:.2f} m/s", begin=times[0], sits=times[1])


def lie_down_fast(seen: Seen) -> Finding:
    """Gets onto the bed and lies down faster than usual."""
    found = bed_entry(seen)
    if not found:
        return found
    track = seen.track
    last = round((found.times["lies"] - track.start_s) * track.fps)
    neck = np.gradient(track.joint("neck")[:, 2]) * track.fps
    speed = float(-neck[max(last - round(1.5 * track.fps), 0) : last + round(0.5 * track.fps)].min())
    return yes_if(speed > _FAST_LIE, f"lies down at {speed:.2f} m/s of the neck", **found.times)


def helped(seen: Seen, found: Finding) -> Finding:
    """The same finding if somebody comes within reach; clips of one person, which leave the helper out, keep it."""
    if not found or not seen.others:
        return found
    near = float(seen.nearest_other().min())
    return yes_if(near < CLOSE_M, f"{found.why}, helper as near as {near:.2f} m", **found.times)


def _begins(seen: Seen, flags: np.ndarray) -> bool:
    """Whether something holds in most of the first third of a second."""
    return share(flags[: max(round(0.35 * seen.track.fps), 1)]) > 0.5
