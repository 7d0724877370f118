"""A finished clip in which the event begins a little early or late, played so that it begins when it was asked for.

    asked     0 ------------------ onset ------------ tail ---- end
    played    0 -------------- onset + late -- tail + late ---- end

What is before the onset is played a little faster or slower, the event itself as it is, and the end, when people rest,
makes up for it. Frame labels stay where they were asked for.
"""

import dataclasses
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.clips import Clip
from carescene.evaluation.tracks import tracks_of
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix, slerp
from diffusion.asking.verdict import judged_onset, seen_onset

# What is further off is another fall: better tried again than played at another speed.
_FURTHEST_S: Final = 0.7
# Nobody walks or stirs noticeably faster at this much; further changes of speed are refused.
_FASTER: Final = 0.35
# The shortest time at the end that makes up for the shift, and how many times the shift.
_TAIL_S: Final = 1.0
_TAILS: Final = 4.0


def retimed(clip: Clip, requested: dict[str, Any]) -> Clip:
    """The clip with the onset of its one event where it was asked for, as geometry sees it.

    Clips stay as they are with several events that have a time, with constraints of the user's own (which have times
    too), with people who are played, and where the onset is not seen or far from where it was asked for. People who
    come in later keep their own times.

    Args:
        requested: what was asked for (see `requested_of`).
    """
    timed = [event for event in requested["events"] if event["onset_s"] is not None]
    if len(timed) != 1 or requested["constraints"] or requested["played"] or not judged_onset(timed[0]):
        return clip
    asked, person = float(timed[0]["onset_s"]), timed[0]["person"]
    track = next((track for track in tracks_of(clip) if track.person == person), None)
    found = None if track is None else seen_onset(timed[0], track)
    if found is None or not clip.valid[person].all():
        return clip
    late = found - asked
    if abs(late) < 0.5 / clip.fps or abs(late) > min(_FURTHEST_S, _FASTER * asked):
        return clip
    return played_at(clip, played_times(np.arange(clip.num_frames) / clip.fps, asked, late))


def played_times(
    times: Float[np.ndarray, "frame"], onset: float | int, late: float | int
) -> Float[np.ndarray, "frame"]:
    """The times of the old clip that are shown at the times of the new one; seconds, rising from 0 to the same end."""
    end = float(times[-1])
    tail = max(end - max(_TAIL_S, _TAILS * abs(late)), float(onset))
    knots = sorted({0.0, float(onset), tail, end})
    shown = [at if at in (0.0, end) else at + float(late) for at in knots]
    return np.interp(times, knots, shown)


def played_at(clip: Clip, times: Float[np.ndarray, "frame"]) -> Clip:
    """The clip with its people's motion taken at other times (seconds), by the shortest turns between frames."""
    at = np.clip(times * clip.fps, 0, clip.num_frames - 1)
    first = np.minimum(at.astype(int), clip.num_frames - 2)
    share = at - first
    poses, trans = clip.poses.copy(), clip.trans.copy()
    for person in np.flatnonzero(clip.valid.all(axis=1)):
        turns = rotvec_to_matrix(torch.from_numpy(np.ascontiguousarray(clip.poses[person])).double())
        part = torch.from_numpy(share)[:, None].expand(turns.shape[:2])
        poses[person] = matrix_to_rotvec(slerp(turns[first], turns[first + 1], part)).numpy()
        begin, end = clip.trans[person, first], clip.trans[person, first + 1]
        trans[person] = begin + share[:, None].astype(trans.dtype) * (end - begin)
    return dataclasses.replace(clip, poses=poses, trans=trans)
