"""Takes whose names say little: their watched timelines, windows that hold whole actions, and captions of these."""

import functools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from carescene.clips._caption_phrases import NEUTRAL_SUBJECTS, STYLE_NAMES, STYLES, Style
from carescene.clips._english import Subject, finish, inflect, join_actions
from carescene.clips.frame_labels import Segment
from carescene.errors import UserError

LONGEST_WINDOW_S: Final = 10.0  # the model's longest clip
SHORTEST_WINDOW_S: Final = 2.0  # shorter windows hold no whole action worth a sentence

# Two cuts of each take: long windows hold "walks to the chair, turns around and sits down", short ones the act alone.
_TARGETS_S: Final = (8.0, 4.5)
_GRID_S: Final = 0.25  # cuts may lie this far apart; finer gains nothing against half-second movements
_CLEAR_S: Final = 0.3  # distance of a cut from an act, so that its first and last frames stay with it

# Acts that a cut must not tear apart, and what cutting other kinds costs beside a window of the wrong length (1 means
# as bad as a window twice as long as wanted).
_ACTS: Final = frozenset({"sit_down", "stand_up", "lie_down", "sit_up", "get_up", "reach", "jump", "kick", "punch"})
_CUT_COST: Final[dict[str, float]] = {"stand": 0.05, "sit": 0.15, "lie": 0.15, "walk": 0.3, "run": 0.3}
_CUT_COST_OTHER: Final = 0.6

# A part of a segment is worth naming from this long on, or when most of the segment is inside.
_NAMED_S: Final = 0.7
_NAMED_SHARE: Final = 0.6
_MOST_ACTIONS: Final = 4  # sentences with more are not read to their end
_STATIC: Final = frozenset({"stand", "sit", "lie"})


@dataclass(frozen=True)
class _Take:
    segments: tuple[Segment, ...]
    duration_s: float
    style: str


def has_timeline(take_id: str) -> bool:
    """Whether somebody has watched this take and its timeline is stored."""
    return take_id in _library()


def segments_for(take_id: str, start_s: float, end_s: float) -> list[Segment]:
    """Return the watched segments between two times, cut to them, with times relative to `start_s` in seconds.

    The last segment also covers what lies beyond the recording, since short cycles are repeated to be longer.

    Raises:
        UserError: if the take has no timeline, or the times are not `0 <= start_s < end_s`.
    """
    if not 0 <= start_s < end_s:
        raise UserError(
            f"Expected a window with 0 <= start < end, but got {start_s} to {end_s} s of '{take_id}'. "
            "Times are seconds from the take's first frame. Swap or correct them."
        )
    take = _take(take_id)
    parts = []
    for index, segment in enumerate(take.segments):
        last = segment.end_s if index + 1 < len(take.segments) else max(segment.end_s, end_s)
        first, last = max(segment.start_s, start_s), min(last, end_s)
        if last > first:
            parts.append(replace(segment, start_s=first - start_s, end_s=last - start_s))
    return parts


def windows_for(take_id: str, duration_s: float) -> list[tuple[float, float]]:
    """Suggest windows of at most 10 s, in seconds, that keep acts whole.

    Takes with a timeline are covered twice, by windows of about 8 s and of about 4.5 s, whose cuts lie where nothing
    happens (dynamic programming over the cuts; an opening calibration pose is left out). Other takes are cut into
    equal parts.

    Raises:
        UserError: if the duration is not positive.
    """
    if not duration_s > 0:
        raise UserError(
            f"Expected a take with a positive duration, but got {duration_s} s for '{take_id}'. "
            "The recording may be empty. Leave it out."
        )
    if not has_timeline(take_id):
        parts = -int(-duration_s // LONGEST_WINDOW_S)
        return [(duration_s * i / parts, duration_s * (i + 1) / parts) for i in range(parts)]
    segments = segments_for(take_id, 0.0, duration_s)
    start = segments[0].end_s if segments[0].kind == "calibration" and len(segments) > 1 else 0.0
    if duration_s - start <= SHORTEST_WINDOW_S:
        return [(start, duration_s)]
    windows: list[tuple[float, float]] = []
    for target in _TARGETS_S:
        for window in _partition(segments, start, duration_s, target):
            if all(abs(window[0] - a) + abs(window[1] - b) > 0.8 for a, b in windows):
                windows.append(window)
    return sorted(windows)


def captions_for_window(take_id: str, start_s: float, end_s: float, seed: int) -> list[str]:
    """Write four to six different captions that name what happens between two times, in its order.

    Args:
        take_id: name of a take with a timeline.
        start_s, end_s: the window in seconds from the take's first frame.
        seed: any whole number; the same seed gives the same captions.

    Raises:
        UserError: if the take has no timeline or the window is empty.
    """
    segments = _named(segments_for(take_id, start_s, end_s))
    take = _take(take_id)
    style = STYLES.get(STYLE_NAMES.get(take.style, ""))
    rng = random.Random(f"{seed}/{take_id}/{start_s:.2f}/{end_s:.2f}")
    wanted = rng.randint(4, 6)
    captions: list[str] = []
    for turn in range(12 * wanted):
        caption = _write(segments, style if turn else None, rng)
        if caption.lower().rstrip(".") not in {known.lower().rstrip(".") for known in captions}:
            captions.append(caption)
        if len(captions) == wanted:
            break
    rng.shuffle(captions)
    return captions


def window_attributes(take_id: str, start_s: float, end_s: float) -> dict[str, str]:
    """Return `action` (the class an onlooker would give the window), `style`, `age` and `pace` of a window.

    Acts decide before postures, and these before walking: a window with one sitting down is `sit_down`, whatever is
    walked before. Windows with both sitting down and standing up are classes of their own.

    Raises:
        UserError: if the take has no timeline or the window is empty.
    """
    segments = _named(segments_for(take_id, start_s, end_s))
    return {"action": _class_of(segments), "style": _take(take_id).style, "age": "adult", "pace": "normal"}


def _class_of(segments: Sequence[Segment]) -> str:
    kinds = [segment.kind for segment in segments]
    if "lie_down" in kinds:
        return "lie_down_get_up" if {"sit_up", "get_up"} & set(kinds) else "lie_down"
    if {"sit_up", "get_up"} & set(kinds) or {"lie", "stand_up"} <= set(kinds):
        return "get_up"
    down, up = "sit_down" in kinds, "stand_up" in kinds
    if "reach" in kinds:
        return "reach"
    if down and up:
        return "sit_down_stand_up" if kinds.index("sit_down") < kinds.index("stand_up") else "stand_up_sit_down"
    if down or up:
        return "sit_down" if down else "stand_up"
    seconds: dict[str, float] = {}
    for segment in segments:
        seconds[segment.kind] = seconds.get(segment.kind, 0.0) + segment.end_s - segment.start_s
    for posture, name in (("sit", "sitting"), ("lie", "lying")):
        if posture in seconds:
            return name
    moving = {kind: time for kind, time in seconds.items() if kind not in ("stand", "calibration")}
    if not moving:
        return "standing"
    if set(moving) <= {"spot_turn_left", "spot_turn_right"}:
        return "turn_about" if len(moving) == 2 else next(iter(moving)).removeprefix("spot_")
    main = max(moving, key=lambda kind: moving[kind]).removeprefix("spot_")
    if {"run", "run_backward"} <= set(moving):
        return "run_back_and_forth"
    if main in ("walk", "turn_left", "turn_right"):
        sides = {kind.removeprefix("spot_") for kind in moving if "turn" in kind}
        if len(sides) == 2:
            return "walk_about"
        return f"walk_{sorted(sides)[0]}" if sides else "walk"
    return main


def _named(parts: Sequence[Segment]) -> list[Segment]:
    """Leave out what is too short to be seen, and a calibration pose before something else."""
    take = [part for part in parts if part.end_s - part.start_s >= _NAMED_S or (part.kind in _ACTS and _most(part))]
    take = [part for part in take if part.kind != "calibration"] or take
    return take or [max(parts, key=lambda part: part.end_s - part.start_s)]


def _most(part: Segment) -> bool:
    # Acts last 1 to 3 s; windows of ours never cut them, and others may by some frames.
    return part.end_s - part.start_s >= _NAMED_SHARE


def _shorten(segments: Sequence[Segment], rng: random.Random) -> list[Segment]:
    """Keep at most four actions, dropping the least telling: pauses first, then steps, then turns."""
    kept = list(segments)
    if len(kept) > 1 and kept[-1].kind == "stand" and rng.random() < 0.5:
        kept.pop()
    if len(kept) > 1 and kept[0].kind == "stand" and rng.random() < 0.4:
        kept.pop(0)
    weight = {"stand": 0.0, "calibration": 0.0, "walk": 1.0, "run": 1.0, "sit": 2.0, "lie": 3.0}
    most = rng.choice((2, 3, 3, _MOST_ACTIONS, _MOST_ACTIONS))
    while len(kept) > most:
        worth = [
            weight.get(s.kind, 9.0 if s.kind in _ACTS else 1.5) + min(s.end_s - s.start_s, 5.0) / 5.0 for s in kept
        ]
        if min(worth) > 5.0 and len(kept) <= _MOST_ACTIONS + 1:
            break
        kept.pop(worth.index(min(worth)))
    return kept


def _write(segments: Sequence[Segment], style: Style | None, rng: random.Random) -> str:
    kept = _shorten(segments, rng)
    shape = rng.random()
    subject: Subject = rng.choice(NEUTRAL_SUBJECTS)
    adverb = ""
    if style is not None:
        # Half by who it is, half by how it is done.
        if rng.random() < 0.5:
            subject = rng.choice(style.subjects)
        else:
            adverb = rng.choice(style.adverbs)
    form = "progressive" if shape < 0.3 and len(kept) == 1 else "gerund" if shape < 0.15 else "third"
    phrases: list[str] = []
    for index, segment in enumerate(kept):
        again = index > 0 and "turn" in kept[index - 1].kind and segment.kind == "walk"
        text = rng.choice(("[walk] on", "[keep] walking")) if again and rng.random() < 0.6 else rng.choice(segment.text)
        last = adverb if index + 1 == len(kept) else ""
        phrases.append(inflect(text, form, subject.sex, last))
    phrases = [phrase for index, phrase in enumerate(phrases) if index == 0 or phrase != phrases[index - 1]]
    action = join_actions(phrases, rng)
    return finish(action if form == "gerund" else f"{subject.text} {action}", rng)


def _partition(segments: Sequence[Segment], start: float, end: float, target: float) -> list[tuple[float, float]]:
    """Cover `start` to `end` by windows of 2 to 10 s, about `target` long, at the least total cost.

    Dynamic programming over the cuts: the cost of a window is its squared relative error in length plus that of its
    cut. Where an act leaves no legal cut, the cover is found without that rule.
    """
    grid = {start, end} | {s.start_s for s in segments if start < s.start_s < end}
    steps = int((end - start) / _GRID_S)
    cuts = sorted(grid | {start + i * _GRID_S for i in range(1, steps)})
    cuts = [cut for i, cut in enumerate(cuts) if i == 0 or cut - cuts[i - 1] > 1e-6]
    for strict in (True, False):
        costs = [0.0 if cut in (start, end) else _cut_cost(segments, cut, strict) for cut in cuts]
        best: list[tuple[float, int]] = [(0.0, -1)]
        for i in range(1, len(cuts)):
            options = [
                (best[j][0] + ((cuts[i] - cuts[j]) / target - 1) ** 2 + costs[i], j)
                for j in range(i)
                if SHORTEST_WINDOW_S <= cuts[i] - cuts[j] <= LONGEST_WINDOW_S
            ]
            best.append(min(options, default=(float("inf"), -1)))
        if best[-1][0] < float("inf"):
            break
    windows: list[tuple[float, float]] = []
    i = len(cuts) - 1
    while i > 0:
        j = best[i][1]
        windows.append((cuts[j], cuts[i]))
        i = j
    return windows[::-1]


def _cut_cost(segments: Sequence[Segment], cut: float, strict: bool) -> float:
    for segment in segments:
        near = segment.start_s - _CLEAR_S < cut < segment.end_s + _CLEAR_S
        if segment.kind in _ACTS and near and strict and not _between_acts(segments, cut):
            return float("inf")
    for segment in segments:
        if segment.start_s <= cut < segment.end_s:
            cost = _CUT_COST.get(segment.kind, _CUT_COST_OTHER)
            return cost / 2 if cut == segment.start_s else cost
    return 0.0


def _between_acts(segments: Sequence[Segment], cut: float) -> bool:
    """Whether an act ends and the next begins exactly here, as sitting down and lying down do."""
    ends = any(segment.kind in _ACTS and segment.end_s == cut for segment in segments)
    return ends and any(segment.kind in _ACTS and segment.start_s == cut for segment in segments)


def _take(take_id: str) -> _Take:
    library = _library()
    if take_id not in library:
        raise UserError(
            f"Expected a take with a watched timeline, but got '{take_id}'. "
            "Only takes whose names tell nothing are watched. Use captions_for for the others."
        )
    return library[take_id]


@functools.cache
def _library() -> dict[str, _Take]:
    path = Path(__file__).parent.parent / "assets" / "take_captions.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    phrases = data["phrases"]
    takes: dict[str, _Take] = {}
    for name, take in data["takes"].items():
        segments = []
        for part in take["segments"]:
            phrase = phrases[part["phrase"]]
            text = tuple(part.get("text", phrase["text"]))
            segments.append(Segment(part["start"], part["end"], phrase["kind"], text, phrase["label"]))
        takes[name] = _Take(tuple(segments), take["duration_s"], take.get("style", "normal"))
    return takes
