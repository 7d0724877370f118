"""What a check of a situation gets to see, what it answers, and the small questions that all checks are made of."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d

from carescene.evaluation.carriers import Carriers, distance_to_box
from carescene.evaluation.tracks import Track, runs_of

# A posture held for less than this is passed through, not taken up.
HELD_S: Final = 0.3


@dataclass(frozen=True)
class Finding:
    """Whether a situation can be seen: yes or no, times in seconds of the clip, and the reason in a few words."""

    ok: bool
    why: str
    times: dict[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class Seen:
    """One person of a clip, the other people, and the room."""

    track: Track
    others: tuple[Track, ...] = ()
    room: Carriers = field(default_factory=lambda: Carriers.of(None))

    def kinds_under(self) -> np.ndarray:
        """Kind of the thing that carries the person in each frame; "" for none, or without a room."""
        scene = self.room.scene
        names = np.array(["", *(thing.kind for thing in scene.objects)] if scene is not None else [""])
        return names[self.track.thing + 1] if scene is not None else np.full(self.track.frames, "", dtype=names.dtype)

    def seated_on(self, *kinds: str) -> Bool[np.ndarray, "frame"]:
        """Frames in which the person sits on one of these kinds of things; on anything where the clip has no room."""
        sits = self.track.is_("sitting") & (self.track.on_seat | self.track.on_bed)
        if self.room.scene is None:
            return sits
        return sits & np.isin(self.kinds_under(), kinds)

    def distance_to(self, *kinds: str) -> Float[np.ndarray, "frame"]:
        """Distance on the floor plan from the pelvis to the nearest thing of these kinds, metres; infinite for none."""
        scene = self.room.scene
        things = scene.of_kind(*kinds) if scene is not None else []
        if not things:
            return np.full(self.track.frames, np.inf)
        return np.min([distance_to_box(thing, self.track.joint("pelvis")) for thing in things], axis=0)

    def nearest_other(self) -> Float[np.ndarray, "frame"]:
        """Distance in metres between the nearest two joints of this person and of anybody else; infinite if alone."""
        least = np.full(self.track.frames, np.inf)
        for other in self.others:
            offset = round((self.track.start_s - other.start_s) * self.track.fps)
            rows = np.arange(self.track.frames) + offset
            there = (rows >= 0) & (rows < other.frames)
            if there.any():
                mine, theirs = self.track.joints[there], other.joints[rows[there]]
                gaps = np.linalg.norm(mine[:, :, None] - theirs[:, None], axis=-1).min(axis=(1, 2))
                least[there] = np.minimum(least[there], gaps)
        return least


def yes_if(condition: bool, why: str, **times: float) -> Finding:
    """A finding; the reason is what was, or was not, seen."""
    return Finding(bool(condition), why, {name: round(float(value), 3) for name, value in times.items()})


def share(flags: Bool[np.ndarray, "frame"]) -> float:
    """Share of frames."""
    return float(np.mean(flags))


def held(track: Track, flags: Bool[np.ndarray, "frame"], seconds: float = HELD_S) -> list[tuple[int, int]]:
    """Runs of frames that last for some time; runs at the clip's ends may be half as long."""
    least = seconds * track.fps
    return [
        (first, last)
        for first, last in runs_of(flags)
        if last - first >= (least / 2 if first == 0 or last == track.frames else least)
    ]


def in_order(
    track: Track, *stages: Bool[np.ndarray, "frame"], seconds: float = HELD_S, to_end: bool = False
) -> list[float] | None:
    """Times at which one stage after another begins, or None if one is missing.

    Each stage must be held; the first may begin anywhere. With `to_end`, the last one must still hold at the end, or
    have held within the last half second.
    """
    times, after = [], 0
    for number, flags in enumerate(stages):
        runs = [(first, last) for first, last in held(track, flags, seconds) if last > after]
        if number == len(stages) - 1 and to_end:
            runs = [run for run in runs if run[1] >= track.frames - 0.5 * track.fps]
        if not runs:
            return None
        first = max(runs[0][0], after)
        times.append(track.seconds(first))
        after = first + 1
    return times


def limb_speed(track: Track) -> Float[np.ndarray, "frame"]:
    """Mean speed of the joints in every frame, m/s, smoothed over a fifth of a second."""
    smooth = gaussian_filter1d(track.joints, 0.1 * track.fps, axis=0, mode="nearest")
    return np.linalg.norm(np.gradient(smooth, axis=0), axis=-1).mean(axis=1) * track.fps


def path_length(track: Track) -> float:
    """Metres that the pelvis travels over the floor, sway of steps left out."""
    return float(track.speed.sum() / track.fps)


def roll_of(track: Track) -> Float[np.ndarray, "frame"]:
    """Turn of the trunk about its own long axis, degrees, unwrapped; 0 where the chest looks up as far as it can."""
    spine = track.joint("neck") - track.joint("pelvis")
    spine = spine / np.maximum(np.linalg.norm(spine, axis=-1, keepdims=True), 1e-9)
    up = np.array([0.0, 0.0, 1.0]) - spine * spine[:, 2:]
    up = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-9)
    side = np.cross(spine, up)
    angle = np.arctan2((track.front * side).sum(-1), (track.front * up).sum(-1))
    return np.degrees(np.unwrap(angle))
