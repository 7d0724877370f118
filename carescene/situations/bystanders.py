"""What people do to whom nothing is asked: known for the whole clip, so that nobody copies the event of another."""

import dataclasses
from typing import Final

from carescene.situations.label_plan import LabelSpan
from carescene.situations.plan import PersonPlan, Plan
from carescene.situations.situation import EventRequest, Situation
from carescene.situations.vocabulary import STATE_LABEL, facts_of

# Who lowers somebody, or helps up from the floor, bends and kneels meanwhile: no label of its own.
_BENDS: Final = ("lowered_by_staff", "raised_by_staff")


def with_bystanders(situation: Situation, plan: Plan) -> Plan:
    """The plan with labels from beginning to end for everybody who has no event, where others have one.

    Who comes in walks to the end of the way and stands there; everybody else stays in the state of the beginning. Who
    helps somebody up or down does so from the onset on. People who are played from a clip, and those whose state is
    open, keep what they have; so do all in a situation without events, which its text alone may tell.
    """
    busy = {event.person for event in situation.events}
    persons = list(plan.persons)
    for person, request in enumerate(situation.people):
        if person not in busy and request.motion is None and (busy or request.enter is not None):
            persons[person] = dataclasses.replace(persons[person], labels=_labels(situation, person, persons[person]))
    return Plan(plan.scene, persons)


def _labels(situation: Situation, person: int, plan: PersonPlan) -> list[LabelSpan]:
    seconds, since = float(situation.seconds), float(plan.since_s)
    if plan.state is None:
        return plan.labels
    helps = _helps(situation, person)
    if situation.people[person].enter is not None:
        arrives = min(float(plan.points[-1].at_s), seconds) if plan.points else seconds
        spans = [LabelSpan("walk", since, arrives), LabelSpan("standing", arrives, seconds)]
    elif helps is not None and helps.ward_event in _BENDS and helps.onset_s is not None:
        spans = [
            LabelSpan(STATE_LABEL[plan.state], since, float(helps.onset_s)),
            LabelSpan("other", float(helps.onset_s), seconds),
        ]
    else:
        spans = [LabelSpan(STATE_LABEL[plan.state], since, seconds)]
    return [span for span in spans if span.to_s > span.from_s]


def _helps(situation: Situation, person: int) -> EventRequest | None:
    """The event in which somebody is needed as a helper."""
    return next(
        (
            event
            for event in situation.events
            if event.person != person and facts_of(event.ward_event, event.label).helper
        ),
        None,
    )
