"""Two people who cross: whoever follows a body through its neighbour's may come out with the neighbour.

Where two people were near each other in the picture, their clothes before and after tell who is who: if those of each
are more alike to the other's than to their own, the two were exchanged, and are exchanged back.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float, Int

# Two people meet where the middles of their points are nearer than this share of the larger body's extent: then the
# circle around one holds most of the other.
_NEAR: Final = 0.45
# They may be hidden or apart for so long within one meeting.
_PAUSE_S: Final = 0.5
# Clothes are those of so long before and after a meeting, in so many pictures at least: looks of one picture are noisy,
# and those of long ago were in another light.
_LOOK_S, _LEAST_LOOKS = 1.5, 3
# Sum of both people's likeness by which the exchange must be better. The same person differs by 0.1 to 0.2 from one
# place to another, and other people by 0.5 in strong light, but by 0.15 where a room is dim.
_MARGIN: Final = 0.15


def untangled(
    identities: Sequence[Int[np.ndarray, "_"]],
    pixels: Sequence[Float[np.ndarray, "_ landmark 2"]],
    appearance: Sequence[Float[np.ndarray, "_ feature"]],
    times: Float[np.ndarray, "frame"],
) -> list[Int[np.ndarray, "_"]]:
    """Give people back their numbers where two of them were exchanged as they met.

    People in the same clothes stay as they are: nothing tells them apart but how they moved, which was used already.

    Args:
        identities: per frame, the number of each person found, -1 for those left out.
        pixels: per frame, their landmarks; NaN where missing.
        appearance: per frame, unit vectors, alike for one person's clothes.
        times: seconds of the frames, increasing.
    """
    people = max((int(who.max()) + 1 for who in identities if len(who)), default=0)
    at = np.full((people, len(times)), -1)
    for frame, who in enumerate(identities):
        there = np.flatnonzero(who >= 0)
        at[who[there], frame] = there
    middles, extents = np.full((*at.shape, 2), np.nan), np.full(at.shape, np.nan)
    looks = np.zeros((*at.shape, appearance[0].shape[-1] if len(appearance) else 0))
    for person, frame in np.argwhere(at >= 0):
        points = pixels[frame][at[person, frame]]
        points = points[np.isfinite(points).all(-1)]
        if len(points):
            middles[person, frame], extents[person, frame] = points.mean(0), np.ptp(points, axis=0).max()
        looks[person, frame] = appearance[frame][at[person, frame]]
    for rows in (middles, extents):
        _bridge(rows, times)
    after = -1
    # An exchange changes whom the two meet later: one meeting at a time, in the order in which they begin.
    while (found := _next_meeting(middles, extents, times, after)) is not None:
        one, other, first, last = found
        after = first
        split = _exchanged_from(looks, times, one, other, first, last)
        if split is not None:
            for rows in (at, middles, extents, looks):
                rows[[one, other], split:] = rows[[other, one], split:]
    result = [np.full(len(who), -1) for who in identities]
    for person, frame in np.argwhere(at >= 0):
        result[frame][at[person, frame]] = person
    return result


def _bridge(rows: Float[np.ndarray, "person frame *value"], times: np.ndarray) -> None:
    """Fill gaps between a person's first and last frame with straight lines, in place."""
    for row in rows:
        columns = row.reshape(len(times), -1)
        known = np.flatnonzero(np.isfinite(columns).all(-1))
        if len(known):
            inside = slice(known[0], known[-1] + 1)
            for column in columns.T:
                column[inside] = np.interp(times[inside], times[known], column[known])


def _next_meeting(
    middles: np.ndarray, extents: np.ndarray, times: np.ndarray, after: int
) -> tuple[int, int, int, int] | None:
    """Two people, first and last frame of the first meeting that begins behind a frame."""
    best: tuple[int, int, int, int] | None = None
    for one in range(len(middles)):
        for other in range(one + 1, len(middles)):
            apart = np.linalg.norm(middles[one] - middles[other], axis=-1)
            with np.errstate(invalid="ignore"):
                near = np.flatnonzero(apart < _NEAR * np.maximum(extents[one], extents[other]))
            if not len(near):
                continue
            for run in np.split(near, np.flatnonzero(np.diff(times[near]) > _PAUSE_S) + 1):
                if run[0] > after and (best is None or run[0] < best[2]):
                    best = one, other, int(run[0]), int(run[-1])
    return best


def _exchanged_from(looks: np.ndarray, times: np.ndarray, one: int, other: int, first: int, last: int) -> int | None:
    """Frame of a meeting from which the two are exchanged; None if they are not, or nothing tells."""
    before = np.flatnonzero((times >= times[first] - _LOOK_S) & (np.arange(len(times)) < first))
    behind = np.flatnonzero((times <= times[last] + _LOOK_S) & (np.arange(len(times)) > last))
    means = []
    for person, frames in ((one, before), (other, before), (one, behind), (other, behind)):
        rows = looks[person, frames]
        rows = rows[rows.any(-1)]
        if len(rows) < _LEAST_LOOKS:
            return None
        means.append(rows.mean(0) / np.linalg.norm(rows.mean(0)))
    one_before, other_before, one_behind, other_behind = means
    straight = one_before @ one_behind + other_before @ other_behind
    crossed = one_before @ other_behind + other_before @ one_behind
    if crossed - straight < _MARGIN:
        return None
    # Now both sides are known: the first person's clothes before and the second's after are one person's.
    first_looks, second_looks = one_before + other_behind, other_before + one_behind
    kept = (looks[one, first : last + 1] - looks[other, first : last + 1]) @ (first_looks - second_looks)
    # What stands for how they are numbered up to the split, and against it from there on.
    return first + int(np.argmax(np.r_[0.0, np.cumsum(kept)]))
