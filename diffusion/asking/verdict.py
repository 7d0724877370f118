"""Whether a clip shows what was asked for, judged by geometry and by the model's own event channel."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from carescene.clips import OMNIFALL16, OMNIFALL_ID, Clip, Event
from carescene.errors import UserError
from carescene.evaluation.onset import CONTROLLED_SPEED, Fall, find_bed_exit, find_fall
from carescene.evaluation.situation_checks import CHECKS, check_event
from carescene.evaluation.tracks import Track, tracks_of
from carescene.situations.vocabulary import facts_of

# A fall or bed exit that begins this near to its time counts as met. Geometry is within 0.05 s of bed exits in the
# median, but within 0.31 s of falls (0.12 s late on average, test clips of the simulated falls): enough to find those
# that begin far too early or late and to bring others nearer, not to measure them. `lightning evaluate situations` does
# that with a trained recogniser, which is within 0.04 s in the median and 0.13 s for nineteen in twenty.
ONSET_TOLERANCE_S: Final = 0.15
# A fall begins with what causes it, and is seen when balance is lost: seconds between the two, medians of simulated
# falls by cause. Causes that are left out cannot be told at all: knees that give way and slides are seen up to 5 s
# later, and who rolls out of bed or misses a seat is seen to turn or sit down before.
_SEEN_AFTER_S: Final = {"trip": 0.0, "slip": 0.1, "bump": 0.15, "weight_shift": 0.25, "collapse": 0.4}
_USUALLY_SEEN_AFTER_S: Final = 0.15
# A miss of so many seconds is worth nothing.
_FAR_OFF_S: Final = 1.0
# Falls in which the pelvis may come down slower than in others, m/s.
_SLOWEST: Final = {
    "lowered_by_staff": 0.0,
    "slide_from_wheelchair": 0.0,
    "slide_from_bed_edge": 0.0,
    "fall_out_of_bed": 0.3,
}
# Runs of a label shorter than this are flicker of the event channel.
_SHORTEST_S: Final = 0.2
# Who climbs over a rail is not seen to stand beside the bed, so that beginning is not found.
_LEAVES_BED: Final = ("bed_exit", "bed_exit_assisted")
_QUIET: Final = frozenset({"walk", "sitting", "lying", "standing", "other", "kneeling", "squatting", "fallen"})


@dataclass
class Verdict:
    """What was found of each event that was asked for.

    Attributes:
        found: one mapping per event: `event`, `onset`, `direction`, `side`, `place` are True, False, or absent if they
            were not asked for; `onset_s`, `direction_found`, `side_found`, `place_m` are what was measured.
    """

    found: list[dict[str, Any]] = field(default_factory=list)

    KNOBS = ("event", "onset", "direction", "side", "place")

    @property
    def hit(self) -> bool:
        """Whether everything that was asked for is there."""
        return all(one[knob] for one in self.found for knob in self.KNOBS if knob in one)

    @property
    def score(self) -> float:
        """Share of what was asked for that is there, the event itself counting three times.

        An onset that is missed still counts for a little, the nearer the more, so that the best of failures is kept.
        """
        values = [
            (3.0 if knob == "event" else 1.0, _worth(one, knob))
            for one in self.found
            for knob in self.KNOBS
            if knob in one
        ]
        return sum(weight * worth for weight, worth in values) / sum(weight for weight, _ in values) if values else 1.0


def _worth(found: dict[str, Any], knob: str) -> float:
    if found[knob] or knob != "onset" or found["onset_error_s"] is None:
        return float(found[knob])
    return max(1.0 - abs(found["onset_error_s"]) / _FAR_OFF_S, 0.0)


def judge(clip: Clip, requested: dict[str, Any]) -> Verdict:
    """Check every event of a clip against what was asked for (see `requested_of`).

    Events are seen by geometry (`carescene.evaluation.situation_checks`), labels without a ward event in the event
    channel. Onsets are judged for falls and bed exits, whose beginnings geometry finds well; direction, side and place
    come from the fall that it finds.
    """
    tracks = {track.person: track for track in tracks_of(clip)}
    return Verdict([_one(clip, event, tracks.get(event["person"])) for event in requested["events"]])


def _one(clip: Clip, asked: dict[str, Any], track: Track | None) -> dict[str, Any]:
    name, label, person = asked["ward_event"], asked["label"], asked["person"]
    fall = None if track is None else _fall(name, track)
    found: dict[str, Any] = {"person": person, "ward_event": name, "label": label}
    spell = _spell(clip, person, label, asked["onset_s"])
    if name in CHECKS:
        try:
            begins, ends = asked["onset_s"], asked["end_s"]
            # States are judged from when they were asked for; without a time, somewhere in the clip.
            span = (begins, ends if begins is None or ends is not None else clip.seconds)
            finding = check_event(clip, name, person, span_s=span)
        except UserError as error:
            found |= {"event": False, "why": str(error)}
        else:
            found |= {"event": bool(finding.ok), "why": finding.why}
    elif label == "fall":
        found |= {"event": fall is not None, "why": "a fall is seen" if fall else "no fall is seen"}
    else:
        found |= {"event": spell is not None, "why": "by the event channel"}
    onset = None if track is None else seen_onset(asked, track)
    found["onset_s"] = None if onset is None else round(onset, 3)
    if asked["onset_s"] is not None and judged_onset(asked) and (name in _LEAVES_BED or onset is not None):
        error = None if onset is None else onset - asked["onset_s"]
        found["onset_error_s"] = None if error is None else round(error, 3)
        # Times are those of frames: a hair more than the tolerance is none.
        found["onset"] = error is not None and abs(error) <= ONSET_TOLERANCE_S + 1e-6
    if asked["direction"] is not None:
        found["direction_found"] = None if fall is None else fall.direction
        found["direction"] = fall is not None and fall.direction == asked["direction"]
    if asked["side"] is not None:
        found["side_found"] = None if fall is None else fall.side
        found["side"] = fall is not None and fall.side == asked["side"]
    if asked["place"] is not None:
        away = None if fall is None else float(np.linalg.norm(fall.place - np.array(asked["place"])))
        found["place_m"] = None if away is None else round(away, 3)
        found["place"] = away is not None and away <= max(float(asked["within_m"]), 0.5)
    return found


def judged_onset(asked: dict[str, Any]) -> bool:
    """Whether geometry sees when an event begins: ways out of bed, and falls from the feet (see `_SEEN_AFTER_S`)."""
    if asked["ward_event"] in _LEAVES_BED:
        return True
    facts = facts_of(asked["ward_event"], asked["label"])
    known = (facts.cause or asked["cause"] or "") in ("", *_SEEN_AFTER_S)
    return facts.is_fall and known and asked["ward_event"] != "lowered_by_staff"


def seen_onset(asked: dict[str, Any], track: Track) -> float | None:
    """When an event begins by geometry, seconds; None if it is not seen, or cannot be (see `judged_onset`).

    The event channel echoes the labels that were given, so it cannot tell.
    """
    if not judged_onset(asked):
        return None
    if asked["ward_event"] in _LEAVES_BED:
        left = find_bed_exit(track)
        return None if left is None else left[0]
    fall = _fall(asked["ward_event"], track)
    cause = facts_of(asked["ward_event"], asked["label"]).cause or asked["cause"] or ""
    return None if fall is None else fall.onset_s - _SEEN_AFTER_S.get(cause, _USUALLY_SEEN_AFTER_S)


def _fall(name: str | None, track: Track) -> Fall | None:
    return find_fall(track, _SLOWEST.get(name or "", CONTROLLED_SPEED))


def _spell(clip: Clip, person: int, label: str, near_s: float | int | None) -> tuple[float, float] | None:
    """The run of a label in the event channel that begins nearest to a time; the first one without a time."""
    spells = [(start, end) for name, start, end in label_spells(clip, person) if name == label]
    if not spells:
        return None
    return spells[0] if near_s is None else min(spells, key=lambda spell: abs(spell[0] - near_s))


def label_spells(clip: Clip, person: int) -> list[tuple[str, float, float]]:
    """Runs of one label of at least 0.2 s: (label, start, end) in seconds."""
    labels = np.where(clip.valid[person], clip.frame_label[person], -1)
    edges = np.flatnonzero(np.diff(labels)) + 1
    spells = []
    for first, last in zip([0, *edges], [*edges, len(labels)], strict=True):
        if labels[first] >= 0 and (last - first) / clip.fps >= _SHORTEST_S:
            spells.append((OMNIFALL16[int(labels[first])], float(first / clip.fps), float(last / clip.fps)))
    return spells


def events_of(clip: Clip, requested: dict[str, Any], verdict: Verdict) -> list[Event]:
    """The events of a clip: runs of the event channel that are acts or falls, named after what was asked for.

    A run gets ward event, cause and direction of the request it belongs to only if that request was found by geometry;
    falls that were found begin and end where geometry has them begin.
    """
    events = []
    for person in range(clip.num_persons):
        mine = [
            (asked, found)
            for asked, found in zip(requested["events"], verdict.found, strict=True)
            if asked["person"] == person and found["event"]
        ]
        for label, start, end in label_spells(clip, person):
            named = [pair for pair in mine if pair[0]["label"] == label]
            if label in _QUIET and not named:
                continue
            asked, found = (
                min(named, key=lambda pair: abs((pair[1]["onset_s"] or start) - start)) if named else ({}, {})
            )
            if asked:
                mine = [pair for pair in mine if pair[0] is not asked]
            events.append(
                Event(
                    person=person,
                    label=label,
                    start_s=round(start, 3),
                    end_s=round(end, 3),
                    ward_event=asked.get("ward_event"),
                    cause=asked.get("cause"),
                    direction=found.get("direction_found") or asked.get("direction"),
                )
            )
    assert all(event.label in OMNIFALL_ID for event in events)
    return events
