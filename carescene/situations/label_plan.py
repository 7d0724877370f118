"""Which frame labels are known beforehand: what a situation says about when things happen."""

from dataclasses import dataclass
from typing import Final

from carescene.situations.situation import EventRequest, Situation
from carescene.situations.vocabulary import EVENT_FACTS, STATE_LABEL, EventFacts, facts_of

# Somebody who lies or sits and has this long rises before falling.
_RISING_S: Final = 2.0
# Before a fall out of bed or chair the person rests and, having risen, stands at least so long.
_RESTED_S: Final = 0.2
_STOOD_S: Final = 0.4
# Who hurries takes this share of the usual time; a clip that is shorter than that ends in the middle of the event.
_QUICKEST: Final = 0.6
# What an event ends in is seen for so long, if the clip allows.
_SETTLED_S: Final = 0.4


@dataclass(frozen=True)
class LabelSpan:
    """One person has this OmniFall-16 label from one time to another, seconds."""

    label: str
    from_s: float | int
    to_s: float | int


def label_spans(situation: Situation, person: int, state: str | None) -> list[LabelSpan]:
    """The labels that are known, in order of time; frames between them are left to the model.

    All phases of an event are planned with the seconds that people usually take, so that labels run as in the clips
    that the model learned from, and fit in the clip.

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
        spans += event_spans(event, state if at == 0 else None, until)
    return [span for span in spans if span.to_s > span.from_s]


def _quiet(situation: Situation, person: int, state: str | None) -> list[LabelSpan]:
    """Somebody to whom nothing happens at a given time: rest that was asked for lasts, all else is open."""
    seconds = float(situation.seconds)
    asked = [event for event in situation.events if event.person == person]
    if asked:
        facts = facts_of(asked[0].ward_event, asked[0].label)
        phases = facts.phases_from(state)
        if len(phases) == 1 and not facts.is_fall and state is not None:
            return [LabelSpan(phases[0][0], 0.0, seconds)]
    if state in ("lying", "sitting", "fallen"):
        return [LabelSpan(STATE_LABEL[state], 0.0, 0.2 if asked else seconds)]
    return []


def _before(state: str, facts: EventFacts, since: float | int, onset: float | int) -> list[LabelSpan]:
    """From the start to the first onset."""
    label = facts.before if facts.before is not None and state == facts.starts[0] else STATE_LABEL[state]
    upright = {"standing", "walking"} & set(facts.starts)
    slides = facts.cause in ("slide", "roll")
    if state in ("lying", "sitting") and upright and not slides and facts.is_fall and onset >= _RISING_S:
        return _rising(state, since, onset)
    if state not in facts.starts:
        return [LabelSpan(label, since, min(since + 0.2, onset))]
    lead = sum(seconds for _, seconds in facts.lead)
    # With little time the way to the onset is as short.
    scale = min(1.0, 0.8 * (onset - since) / lead) if lead else 0.0
    spans = [LabelSpan(label, since, onset - scale * lead)]
    for name, usual in facts.lead:
        spans.append(LabelSpan(name, spans[-1].to_s, spans[-1].to_s + scale * usual))
    return spans


def _rising(state: str, since: float | int, onset: float | int) -> list[LabelSpan]:
    """Out of bed or chair, and standing by the time of the onset; as fast as there is time."""
    spans = [LabelSpan(STATE_LABEL[state], since, since + _RESTED_S)]
    phases = EVENT_FACTS["bed_exit" if state == "lying" else "chair_rise"].phases[:-1]
    left = float(onset) - _STOOD_S - spans[0].to_s
    scale = min(1.0, left / sum(seconds for _, seconds in phases))
    for label, seconds in phases:
        spans.append(LabelSpan(label, spans[-1].to_s, spans[-1].to_s + scale * seconds))
    return [*spans, LabelSpan("standing", spans[-1].to_s, onset)]


def event_spans(event: EventRequest, state: str | None, until: float | int) -> list[LabelSpan]:
    """The phases of one event from its onset to the next one or the end, seconds.

    Args:
        state: that the person starts in, if nothing happened before.
        until: when the next event begins, or the clip ends.
    """
    facts = facts_of(event.ward_event, event.label)
    onset, phases = float(event.onset_s or 0.0), facts.phases_from(state)
    if len(phases) == 1:
        return [LabelSpan(phases[0][0], onset, until if event.end_s is None else float(event.end_s))]
    usual = sum(seconds for _, seconds in phases[:-1])
    if event.end_s is not None:
        scale = (float(event.end_s) - onset) / usual
    else:
        # A fall takes the time it takes; everything else is done faster where the clip is short.
        room = max(until - onset - _SETTLED_S, 0.0) / usual
        scale = 1.0 if facts.is_fall else min(1.0, max(room, _QUICKEST))
    spans, at = [], onset
    for label, seconds in phases[:-1]:
        spans.append(LabelSpan(label, min(at, until), min(at + scale * seconds, until)))
        at += scale * seconds
    return [*spans, LabelSpan(phases[-1][0], min(at, until), until)]
