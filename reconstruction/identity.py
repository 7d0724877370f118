"""Who is who over time: people found frame by frame, linked by how alike their poses are and how they move.

Hungarian assignment (Kuhn 1955) of what is found to where everybody is expected to be, then of the ends of tracks to
beginnings of others, so that people are known again when they come out from behind something.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from reconstruction.observations import LANDMARKS, Keypoints
from reconstruction.oks import LANDMARK_SIGMAS, covered_area
from reconstruction.sigma import detector_sigma

# All lengths below are in units of the square root of the area that a person covers: about 0.75 m.
# People keep their speed for about this long; after it, nobody knows.
_KEEPS_SPEED_S: Final = 0.8
# How fast the place of a moving person becomes unknown, per second: people start, stop and turn within a step.
_DRIFT: Final = 1.0
# Speed is measured over about this time: shorter is noise, longer misses turns.
_SPEED_S: Final = 0.25
# Minus log similarity from which two are not the same: three standard deviations off in every landmark is 4.5.
_GATE: Final = 4.5
# Where one of two is seen at the place of both, it is the one seen before, not the one behind.
_HIDDEN_COST: Final = 0.5
# For a gap the middles of bodies are compared, since poses change: their spread at once.
_MIDDLE_SPREAD: Final = 0.4
_SIZE_SPREAD: Final = 0.35
# Unit vectors of clothes: the same person differs by 0.1 to 0.2, other people by 0.5 and more.
_APPEARANCE_WEIGHT: Final = 6.0


@dataclass
class _Track:
    """One person as long as they are found without a break longer than the memory."""

    pixels: np.ndarray
    velocity: np.ndarray
    size: float
    time: float
    known: str | None
    appearance: np.ndarray | None
    members: list[tuple[int, int]] = field(default_factory=list)

    def expected(self, time: float) -> np.ndarray:
        """Where the landmarks are expected, if the person goes on as they went and then stops."""
        lasting = _KEEPS_SPEED_S * (1.0 - np.exp(-(time - self.time) / _KEEPS_SPEED_S))
        return self.pixels + self.velocity * lasting

    def update(self, pixels: np.ndarray, size: float, time: float) -> None:
        seen = np.isfinite(pixels).all(-1)
        both = seen & np.isfinite(self.pixels).all(-1)
        elapsed = time - self.time
        if both.any():
            moved = np.median(pixels[both] - self.pixels[both], axis=0)
            gain = 1.0 - np.exp(-elapsed / _SPEED_S)
            self.velocity = self.velocity + gain * (moved / elapsed - self.velocity)
        else:
            moved = self.expected(time)[0] - self.pixels[0]
        self.pixels = np.where(seen[:, None], pixels, self.pixels + moved)
        self.size += 0.2 * (size - self.size)
        self.time = time


def link_people(
    pixels: Sequence[Float[np.ndarray, "_ landmark 2"]],
    confidence: Sequence[Float[np.ndarray, "_ landmark"]],
    times: Float[np.ndarray, "frame"],
    areas: Sequence[Float[np.ndarray, "_"]] | None = None,
    known: Sequence[Sequence[str | None]] | None = None,
    appearance: Sequence[Float[np.ndarray, "_ feature"]] | None = None,
    followed: Sequence[Sequence[int]] | None = None,
    *,
    memory_s: float = 1.0,
    rejoin_s: float = 5.0,
    least_frames: int = 1,
) -> list[Int[np.ndarray, "_"]]:
    """Give everybody who was found one number over time.

    Args:
        pixels: per frame, landmarks of everybody found in it; NaN where missing.
        confidence: the same, 0 where missing.
        times: seconds of the frames, increasing.
        areas: square pixels that each covers, 0 where unknown; None takes them from the points.
        known: per frame, what a file calls each of them, None where it does not say. Two names are never one person;
            those without a name are linked to them and to each other.
        appearance: unit vectors, alike for one person's clothes. They tell more than motion after a long gap.
        followed: per frame, the number of the path along which a detector itself followed each of them. A path is one
            person; two paths may be one person too, who was lost in between.
        memory_s: for how long an unseen person's place is foretold from frame to frame.
        rejoin_s: for how long a person out of sight is known again at a place they can have reached.
        least_frames: people found in fewer frames are taken for mistakes of the detector.

    Returns:
        Per frame, the number of each person in it: from 0 in the order in which they appear (in the order of their
        names where all have whole numbers for names), -1 for those left out and those without a point.
    """
    if known is not None and all(name is not None for names in known for name in names):
        tracks = _named(known)
    else:
        tracks = _tracklets(pixels, confidence, times, areas, known, appearance, followed, memory_s)
        tracks = _joined(tracks, pixels, confidence, times, rejoin_s)
    tracks = [track for track in tracks if len(track.members) >= least_frames]
    tracks.sort(key=lambda track: track.members[0])
    if all(track.known is not None and track.known.isdigit() for track in tracks):
        tracks.sort(key=lambda track: int(track.known or 0))
    identities = [np.full(len(found), -1) for found in pixels]
    for number, track in enumerate(tracks):
        for frame, index in track.members:
            identities[frame][index] = number
    return identities


def stack_people(
    pixels: Sequence[Float[np.ndarray, "_ landmark 2"]],
    confidence: Sequence[Float[np.ndarray, "_ landmark"]],
    identities: Sequence[Int[np.ndarray, "_"]],
    *,
    times: Float[np.ndarray, "frame"],
    frames: Int[np.ndarray, "frame"],
    width: int,
    height: int,
    source: str,
    areas: Sequence[Float[np.ndarray, "_"]] | None = None,
    known: Sequence[Sequence[str | None]] | None = None,
) -> Keypoints:
    """Key points of everybody over the whole video, with a detector's standard deviations.

    Args:
        pixels, confidence, areas, known: per frame, as in `link_people`.
        identities: per frame, what `link_people` gave; those of -1 are left out.
        times, frames, width, height, source: as in Keypoints.
    """
    people = max((int(who.max()) + 1 for who in identities if len(who)), default=0)
    dense = np.full((people, len(times), len(LANDMARKS), 2), np.nan)
    trust = np.zeros(dense.shape[:-1])
    covered = np.full(dense.shape[:2], np.nan)
    names = [f"person {number + 1}" for number in range(people)]
    for frame, who in enumerate(identities):
        for index, identity in enumerate(who.tolist()):
            if identity < 0:
                continue
            seen = (confidence[frame][index] > 0) & np.isfinite(pixels[frame][index]).all(-1)
            dense[identity, frame, seen] = pixels[frame][index][seen]
            trust[identity, frame, seen] = np.minimum(confidence[frame][index][seen], 1.0)
            if areas is not None:
                covered[identity, frame] = areas[frame][index]
            called = known[frame][index] if known is not None else None
            if called is not None:
                names[identity] = f"person {called}" if called.isdigit() else called
    spread = detector_sigma(dense, trust, covered)
    return Keypoints(times, frames, width, height, dense, trust, spread, tuple(names), source)


def _named(known: Sequence[Sequence[str | None]]) -> list[_Track]:
    tracks: dict[str, _Track] = {}
    for frame, names in enumerate(known):
        for index, name in enumerate(names):
            nowhere = np.zeros((0, 2))
            track = tracks.setdefault(name or "", _Track(nowhere, nowhere, 0.0, 0.0, name, None))
            track.members.append((frame, index))
    return list(tracks.values())


def _tracklets(
    pixels: Sequence[np.ndarray],
    confidence: Sequence[np.ndarray],
    times: np.ndarray,
    areas: Sequence[np.ndarray] | None,
    known: Sequence[Sequence[str | None]] | None,
    appearance: Sequence[np.ndarray] | None,
    followed: Sequence[Sequence[int]] | None,
    memory_s: float,
) -> list[_Track]:
    """Frame by frame: everybody found goes on with the track that expected them, or begins a new one."""
    tracks: list[_Track] = []
    paths: dict[int, _Track] = {}
    for frame, time in enumerate(times.tolist()):
        found = np.where((confidence[frame] > 0)[..., None], pixels[frame], np.nan)
        names = known[frame] if known is not None else [None] * len(found)
        sizes = _sizes(pixels[frame], confidence[frame], None if areas is None else areas[frame])
        looks = None if appearance is None else appearance[frame]
        usable = np.flatnonzero(np.isfinite(found).all(-1).any(-1)).tolist()
        if followed is not None:
            taken = {index: paths[followed[frame][index]] for index in usable if followed[frame][index] in paths}
        else:
            alive = [one for one in tracks if time - one.time <= memory_s or (one.known and one.known in names)]
            cost = np.full((len(alive), len(found)), np.inf)
            for row, track in enumerate(alive):
                missed = frame - 1 - track.members[-1][0]
                for index in usable:
                    look = None if looks is None else looks[index]
                    unlike = _difference(track, found[index], sizes[index], time, names[index], look)
                    cost[row, index] = unlike + _HIDDEN_COST * min(missed, 3)
            taken = {index: alive[row] for row, index in _assign(cost)}
        for index in usable:
            look = None if looks is None else looks[index]
            if index in taken:
                track = taken[index]
                track.update(found[index], sizes[index], time)
                track.known = track.known or names[index]
                track.appearance = _mixed(track.appearance, look)
            else:
                track = _Track(found[index], np.zeros(2), sizes[index], time, names[index], look)
                tracks.append(track)
                if followed is not None:
                    paths[followed[frame][index]] = track
            track.members.append((frame, index))
    return tracks


def _sizes(pixels: np.ndarray, confidence: np.ndarray, areas: np.ndarray | None) -> np.ndarray:
    from_points = covered_area(pixels, confidence)
    area = from_points if areas is None else np.where(areas > 0, areas, from_points)
    return np.sqrt(np.maximum(area, 1.0))


def _difference(
    track: _Track, found: np.ndarray, size: float, time: float, name: str | None, look: np.ndarray | None
) -> float:
    """Minus the log of how alike what is found is to what was expected, infinite for different names."""
    if name is not None and track.known is not None:
        return 0.0 if name == track.known else np.inf
    expected = track.expected(time)
    scale = max(size, track.size)
    squared = ((found - expected) ** 2).sum(-1) / scale**2
    both = np.isfinite(squared)
    if both.any():
        spread = (2.0 * LANDMARK_SIGMAS[both]) ** 2 + (_DRIFT * (time - track.time)) ** 2
        cost = -np.log(np.mean(np.exp(-squared[both] / (2.0 * spread))) + 1e-12)
    else:
        apart = ((_middle(found) - _middle(expected)) ** 2).sum() / scale**2
        cost = apart / (2.0 * _MIDDLE_SPREAD**2)
    return float(cost) + _unlike(track.appearance, look)


def _middle(pixels: np.ndarray) -> np.ndarray:
    known = np.isfinite(pixels).all(-1)
    return pixels[known].mean(0)


def _unlike(one: np.ndarray | None, other: np.ndarray | None) -> float:
    return 0.0 if one is None or other is None else _APPEARANCE_WEIGHT * float(1.0 - one @ other)


def _mixed(old: np.ndarray | None, new: np.ndarray | None) -> np.ndarray | None:
    if old is None or new is None:
        return new if old is None else old
    mean = 0.95 * old + 0.05 * new
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def _assign(cost: Float[np.ndarray, "row column"]) -> list[tuple[int, int]]:
    """Pairs of the least total cost, where leaving two alone costs the gate."""
    rows, columns = cost.shape
    # Beside every row and column stands one that means "alone", at half the gate each.
    padded = np.full((rows + columns, rows + columns), _GATE / 2)
    padded[:rows, :columns] = np.minimum(cost, 10.0 * _GATE)
    padded[rows:, columns:] = 0.0
    pairs = np.argwhere(cost < _GATE).tolist()
    chosen = set(zip(*(one.tolist() for one in linear_sum_assignment(padded)), strict=True))
    return [(row, column) for row, column in pairs if (row, column) in chosen]


def _joined(
    tracks: list[_Track],
    pixels: Sequence[np.ndarray],
    confidence: Sequence[np.ndarray],
    times: np.ndarray,
    rejoin_s: float,
) -> list[_Track]:
    """Join tracks whose end and beginning can be one person who was out of sight in between."""
    if len(tracks) < 2:
        return tracks
    middles = [_path(track, pixels, confidence) for track in tracks]
    cost = np.full((len(tracks), len(tracks)), np.inf)
    for before, track in enumerate(tracks):
        for after, other in enumerate(tracks):
            gap = float(times[other.members[0][0]] - times[track.members[-1][0]])
            if 0 < gap <= rejoin_s and not (track.known and other.known):
                cost[before, after] = _gap_cost(track, other, middles[before], middles[after], times, gap)
    followers = dict(_assign(cost))
    joined = []
    for first in sorted(set(range(len(tracks))) - set(followers.values())):
        track, at = tracks[first], first
        while at in followers:
            at = followers[at]
            if track.known and tracks[at].known:
                # Three in a row may have two names at their ends.
                joined.append(track)
                track = tracks[at]
                continue
            track.members += tracks[at].members
            track.known = track.known or tracks[at].known
        joined.append(track)
    return joined


def _gap_cost(
    track: _Track, other: _Track, path: np.ndarray, next_path: np.ndarray, times: np.ndarray, gap: float
) -> float:
    size = max(track.size, other.size)
    before = path[-1] + _speed(track, path, times, end=True) * _KEEPS_SPEED_S * (1 - np.exp(-gap / _KEEPS_SPEED_S))
    apart = float(np.linalg.norm(next_path[0] - before)) / size
    sizes = np.log(other.size / track.size) / _SIZE_SPREAD
    spread = _MIDDLE_SPREAD + _DRIFT * gap
    return apart**2 / (2 * spread**2) + sizes**2 / 2 + _unlike(track.appearance, other.appearance)


def _path(track: _Track, pixels: Sequence[np.ndarray], confidence: Sequence[np.ndarray]) -> np.ndarray:
    """Middle of the body over time, pixels."""
    found = [np.where((confidence[f][i] > 0)[:, None], pixels[f][i], np.nan) for f, i in track.members]
    return np.array([_middle(one) for one in found])


def _speed(track: _Track, path: np.ndarray, times: np.ndarray, *, end: bool) -> np.ndarray:
    """Pixels per second at the end or the beginning of a track."""
    at = times[[frame for frame, _ in track.members]]
    near = at >= at[-1] - 2 * _SPEED_S if end else at <= at[0] + 2 * _SPEED_S
    if near.sum() < 2:
        return np.zeros(2)
    return np.polyfit(at[near] - at[near].mean(), path[near], 1)[0]
