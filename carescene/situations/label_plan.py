"""Which frame labels are known beforehand: what a situation says about when things happen."""

from dataclasses import dataclass
from typing import Final

from carescene.situations.situation import EventRequest, Situation
from carescene.situations.vocabulary import STATE_LABEL, EventFacts, facts_of

# Known around an onset, so that it is where it was asked for; the rest is the model's.
_BEFORE_S: Final = 0.4
_AFTER_S: Final = 0.6
# Somebody who lies or sits and has this long rises before falling.
_RISING_S: Final = 2.0


@dataclass(frozen=True)
class LabelSpan:
    """One person has this OmniFall-16 label from one time to another, seconds."""

    label: str
    from_s: float | int
    to_s: float | int


def label_spans(situation: Situation, person: int, state: str | None) -> list[LabelSpan]:
    """The labels that are known, in order of time; frames between them are left to the model.

    Args:
        state: in the first frame, if it is known.
    """
    events = [event for event in situation.events if event.person == person and event.onset_s is not None]
    events.sort(key=lambda event: event.onset_s or 0.0)
    seconds, since = float(situation.seconds), float(situation.people[person].at_s)
    if not events:
        return _quiet(situation, person, state)
    spans: list[LabelSpan] = []
    first = events[0]
    onset = float(first.onset_s or 0.0)
    if state is not None and onset > since:
        spans += _before(state, facts_of(first.ward_event, first.label), since, onset)
    for at, event in enumerate(events):
        until = seconds if at + 1 == len(events) else float(events[at + 1].onset_s or seconds)
        spans += _during(event, until)
    return [span for span in spans if span.to_s > span.from_s]


def _quiet(situation: Situation, person: int, state: str | None) -> list[LabelSpan]:
    """Somebody to whom nothing happens at a given time: rest that was asked for lasts, all else is open."""
    seconds = float(situation.seconds)
    asked = [event for event in situation.events if event.person == person]
    if asked:
        facts = facts_of(asked[0].ward_event, asked[0].label)
        if len(facts.phases) == 1 and not facts.is_fall and state is not None:
            return [LabelSpan(facts.phases[0][0], 0.0, seconds)]
    if state in ("lying", "sitting", "fallen"):
        return [LabelSpan(STATE_LABEL[state], 0.0, 0.2 if asked else seconds)]
    return []


def _before(state: str, facts: EventFacts, since: float | int, onset: float | int) -> list[LabelSpan]:
    """From the start to the first onset."""
    label = STATE_LABEL[state]
    upright = {"standing", "walking"} & set(facts.starts)
    slides = facts.cause in ("slide", "roll")
    if state in ("lying", "sitting") and upright and not slides and onset >= _RISING_S:
        # Gets up first, in the model's own way.
        return [LabelSpan(label, since, since + 0.2), LabelSpan("standing", onset - _BEFORE_S, onset)]
    if state == facts.starts[0] or state in facts.starts:
        return [LabelSpan(label, since, onset)]
    return [LabelSpan(label, since, min(since + 0.2, onset))]


def _during(event: EventRequest, until: float | int) -> list[LabelSpan]:
    """From an onset to the next one or the end."""
    facts, onset = facts_of(event.ward_event, event.label), float(event.onset_s or 0.0)
    first, last = facts.phases[0][0], facts.phases[-1][0]
    if len(facts.phases) == 1:
        return [LabelSpan(first, onset, until if event.end_s is None else float(event.end_s))]
    if facts.is_fall:
        if event.end_s is not None:
            return [LabelSpan("fall", onset, float(event.end_s)), LabelSpan("fallen", float(event.end_s), until)]
        return [
            LabelSpan("fall", onset, min(onset + _AFTER_S, until)),
            LabelSpan("fallen", onset + float(facts.longest_s), until),
        ]
    ends = onset + sum(seconds for _, seconds in facts.phases)
    if event.end_s is not None:
        ends = float(event.end_s)
    spans = [LabelSpan(first, onset, min(onset + _AFTER_S, until))]
    # The last state is sure only well after the usual end.
    return [*spans, LabelSpan(last, ends + (0.0 if event.end_s is not None else 0.8), until)]
