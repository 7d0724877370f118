"""Mistakes of detectors that single frames give away: left and right exchanged for a moment, and points that jump.

Nothing is smoothed: motion between frames is the solver's business. Exchanged limbs are put back, jumps lose trust.
"""

from dataclasses import replace
from itertools import product
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.oks import covered_area

# Detectors exchange all of one pair of limbs at once.
LIMBS: Final[dict[str, tuple[str, ...]]] = {
    "arms": ("shoulder", "elbow", "wrist"),
    "legs": ("hip", "knee", "ankle", "big_toe", "small_toe", "heel"),
}
# What limbs can do, in body sizes (the square root of the covered area, about 0.75 m) and seconds: 25 m/s^2, 4 m/s.
_ACCELERATION: Final = 33.0
_SPEED: Final = 5.0
# Half squared deviation from which more is no more evidence: three standard deviations.
_CAP: Final = 4.5
# Minus log of how rare an exchanged frame is, and of each change from one to the other.
_EXCHANGED_COST: Final = 0.5
_CHANGE_COST: Final = 2.0
# Where limbs land this much nearer to the other side's last places than to their own, nobody turned: a turn takes
# time, and both sides pass through one place on its way.
_CLEARLY, _LEAP_S = 0.4, 0.15
# Deviation, in standard deviations, from which a point has jumped there and back.
_JUMP: Final = 4.0
_JUMP_TRUST: Final = 0.2
_NEIGHBOUR_S: Final = 0.25


def repair_keypoints(keypoints: Keypoints, longest_s: float = 0.5) -> Keypoints:
    """Key points with exchanged limbs put back, and a fifth of the confidence where a point has jumped.

    For detectors; what somebody placed by hand needs no repair.

    Args:
        keypoints: of the whole video.
        longest_s: exchanges that last longer are put back only where both sides leap into each other's place from one
            frame to the next; from one view nobody can tell others from a turn.
    """
    pixels, confidence, sigma = keypoints.pixels.copy(), keypoints.confidence.copy(), keypoints.sigma.copy()
    for limb, exchanged in find_exchanged(keypoints, longest_s).items():
        left, right = _pairs(limb)
        for values in (pixels, confidence, sigma):
            there, here = values[:, :, left], values[:, :, right]
            chosen = exchanged.reshape(*exchanged.shape, *[1] * (values.ndim - 2))
            values[:, :, left], values[:, :, right] = np.where(chosen, here, there), np.where(chosen, there, here)
    repaired = replace(keypoints, pixels=pixels, confidence=confidence, sigma=sigma)
    return replace(repaired, confidence=np.where(find_jumps(repaired), _JUMP_TRUST * confidence, confidence))


def find_exchanged(keypoints: Keypoints, longest_s: float = 0.5) -> dict[str, Bool[np.ndarray, "person frame"]]:
    """Frames in which left and right of the arms, or of the legs, are exchanged: `repair_keypoints` says for how long.

    The most likely sequence of "as it is" and "exchanged" (Viterbi 1967) when limbs go on with their velocity up to
    an acceleration that people are capable of.
    """
    size = _sizes(keypoints)
    return {
        limb: np.array([_exchanged(keypoints, person, limb, size[person], longest_s) for person in range(len(size))])
        .reshape(keypoints.present.shape)
        .astype(bool)
        for limb in LIMBS
    }


def find_jumps(keypoints: Keypoints) -> Bool[np.ndarray, "person frame landmark"]:
    """Points that lie far from the line between their neighbours in time, which lie close to each other."""
    size = _sizes(keypoints)[..., None]
    before, after = _neighbours(keypoints, -1), _neighbours(keypoints, 1)
    found = np.zeros(keypoints.confidence.shape, bool)
    person, frame, landmark = np.nonzero(keypoints.seen & (before >= 0) & (after >= 0))
    if not len(person):
        return found
    old, new = before[person, frame, landmark], after[person, frame, landmark]
    times = keypoints.times
    first, second = times[frame] - times[old], times[new] - times[frame]
    share = (first / (first + second))[:, None]
    start, end = keypoints.pixels[person, old, landmark], keypoints.pixels[person, new, landmark]
    here = keypoints.pixels[person, frame, landmark]
    off = np.linalg.norm(here - (start * (1 - share) + end * share), axis=-1)
    reach = 0.5 * _ACCELERATION * size[person, frame, 0] * first * second
    spread = np.sqrt(keypoints.sigma[person, frame, landmark] ** 2 + reach**2)
    back = np.linalg.norm(end - start, axis=-1) < 0.5 * off
    close = (first <= _NEIGHBOUR_S) & (second <= _NEIGHBOUR_S)
    found[person, frame, landmark] = (off > _JUMP * spread) & back & close
    return found


def _pairs(limb: str) -> tuple[list[int], list[int]]:
    left = [LANDMARK[f"left_{part}"] for part in LIMBS[limb]]
    return left, [LANDMARK[f"right_{part}"] for part in LIMBS[limb]]


def _sizes(keypoints: Keypoints) -> Float[np.ndarray, "person frame"]:
    """Square root of what each person covers, the usual one where little is seen, pixels."""
    size = np.sqrt(covered_area(keypoints.pixels, keypoints.confidence))
    usual = np.array([np.median(row[row > 0]) if (row > 0).any() else 1.0 for row in size])
    return np.maximum(size, usual.reshape(-1, 1))


def _neighbours(keypoints: Keypoints, step: int) -> np.ndarray:
    """Nearest frame before (-1) or after (1) in which each point is seen; -1 for none."""
    frames = np.arange(len(keypoints.times))[None, :, None]
    if step < 0:
        last = np.maximum.accumulate(np.where(keypoints.seen, frames, -1), axis=1)
        return np.concatenate([np.full_like(last[:, :1], -1), last[:, :-1]], axis=1)
    count = len(keypoints.times)
    following = np.minimum.accumulate(np.where(keypoints.seen, frames, count)[:, ::-1], axis=1)[:, ::-1]
    shifted = np.concatenate([following[:, 1:], np.full_like(following[:, :1], count)], axis=1)
    return np.where(shifted < count, shifted, -1)


def _exchanged(keypoints: Keypoints, person: int, limb: str, size: np.ndarray, longest_s: float) -> np.ndarray:
    left, right = _pairs(limb)
    flags = np.zeros(len(keypoints.times), bool)
    frames = np.flatnonzero(keypoints.seen[person][:, left + right].any(-1))
    if len(frames) < 3:
        return flags
    # Both readings of each frame: as it is, and exchanged.
    columns = np.array([left + right, right + left])
    places = np.where(keypoints.seen[person][..., None], keypoints.pixels[person], np.nan)[frames][:, columns]
    spread = keypoints.sigma[person][frames][:, columns]
    times, size = keypoints.times[frames], size[frames]
    chosen = _most_likely(_costs(places, spread, times, size), _first_costs(places, spread, times, size))
    flags[frames] = chosen
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(int)))
    for start, stop in edges.reshape(-1, 2):
        # The ends of the video are no ends of an exchange.
        ends = [end for end in (start, stop) if 0 < end < len(frames)]
        clear = all(times[end] - times[end - 1] < _LEAP_S and _leaps(places[end - 1], places[end]) for end in ends)
        if times[stop - 1] - times[start] > longest_s and not clear:
            flags[frames[start:stop]] = False
    return flags


def _leaps(before: Float[np.ndarray, "2 landmark 2"], after: Float[np.ndarray, "2 landmark 2"]) -> bool:
    """Whether both sides, each row one reading of them, are at each other's place of the frame before."""
    own = np.linalg.norm(after[0] - before[0], axis=-1)
    other = np.linalg.norm(after[0] - before[1], axis=-1)
    both = np.isfinite(own) & np.isfinite(other)
    return bool(both.any() and other[both].sum() < _CLEARLY * own[both].sum())


def _first_costs(places: np.ndarray, spread: np.ndarray, times: np.ndarray, size: np.ndarray) -> np.ndarray:
    """How unlikely each pair of readings of neighbouring frames is, `(frame - 1, 2, 2)`, from the way between them."""
    elapsed = np.diff(times)
    reach = (_SPEED * elapsed * size[1:])[:, None]
    cost = np.zeros((len(elapsed), 2, 2))
    for a, b in product((0, 1), repeat=2):
        squared = ((places[1:, b] - places[:-1, a]) ** 2).sum(-1)
        variance = spread[1:, b] ** 2 + spread[:-1, a] ** 2 + reach**2
        cost[:, a, b] = np.nan_to_num(np.minimum(squared / (2 * variance), _CAP)).sum(-1)
    return cost


def _costs(places: np.ndarray, spread: np.ndarray, times: np.ndarray, size: np.ndarray) -> np.ndarray:
    """How unlikely each triple of readings is, `(frame - 2, 2, 2, 2)`, from the change of velocity."""
    first, second = np.diff(times)[:-1, None], np.diff(times)[1:, None]
    ratio = second / first
    reach = 0.5 * _ACCELERATION * size[2:, None] * second * (first + second)
    cost = np.zeros((len(times) - 2, 2, 2, 2))
    for a, b, c in product((0, 1), repeat=3):
        gone_on = places[1:-1, b] + (places[1:-1, b] - places[:-2, a]) * ratio[..., None]
        squared = ((places[2:, c] - gone_on) ** 2).sum(-1)
        variance = spread[2:, c] ** 2 + ((1 + ratio) * spread[1:-1, b]) ** 2 + (ratio * spread[:-2, a]) ** 2 + reach**2
        cost[:, a, b, c] = np.nan_to_num(np.minimum(squared / (2 * variance), _CAP)).sum(-1)
    return cost


def _most_likely(triples: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The least costly sequence of readings, over the states (reading before, reading now)."""
    own = np.array([0.0, _EXCHANGED_COST])
    change = _CHANGE_COST * (1.0 - np.eye(2))
    step = pairs + own + change
    total = own[:, None] + step[0]
    back = np.zeros((len(triples), 2, 2), np.int64)
    for index, triple in enumerate(triples):
        ways = total[:, :, None] + triple + step[index + 1]
        back[index] = ways.argmin(0)
        total = ways.min(0)
    last = np.unravel_index(int(total.argmin()), (2, 2))
    readings = [int(last[1]), int(last[0])]
    for pointer in back[::-1]:
        readings.append(int(pointer[readings[-1], readings[-2]]))
    return np.array(readings[::-1], bool)
