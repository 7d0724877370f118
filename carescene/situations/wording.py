"""A sentence for a situation that has none: who does what, which way, where, and who else is there."""

from collections.abc import Sequence

from carescene.clips.clip import PersonInfo
from carescene.situations.consistency import start_state
from carescene.situations.situation import EventRequest, PersonRequest, Situation
from carescene.situations.vocabulary import facts_of

_OLD, _YOUNG = 65.0, 35.0
_STATE_SAYS = {
    "lying": "lies in bed",
    "sitting": "sits",
    "standing": "stands",
    "walking": "walks",
    "kneeling": "kneels",
    "fallen": "lies on the floor",
}


def text_for(situation: Situation, infos: Sequence[PersonInfo]) -> str:
    """Plain English for what is asked, in the words of the captions that the model learned from."""
    parts = []
    for number, (person, info) in enumerate(zip(situation.people, infos, strict=True)):
        who = subject(person, info)
        events = [event for event in situation.events if event.person == number]
        events.sort(key=lambda event: event.onset_s or 0.0)
        if events:
            says = ", then ".join(_event_says(event, info) for event in events)
            rises = start_state(situation, number) == "lying" and _falls_upright(events[0])
            parts.append(f"{who} gets up from the bed and {says}" if rises else f"{who} {says}")
        elif person.enter is not None:
            parts.append(f"{who} walks in")
        else:
            state = start_state(situation, number)
            parts.append(f"{who} {_STATE_SAYS[state] if state else 'moves'}")
    return " while ".join((parts[0], " and ".join(parts[1:]))) if len(parts) > 1 else parts[0]


def subject(person: PersonRequest, info: PersonInfo) -> str:
    """Who it is in two or three words: an old man, a nurse, a visitor."""
    if person.role == "staff":
        return "a nurse"
    if person.role == "visitor":
        return "a visitor"
    noun = {"female": "woman", "male": "man"}.get(info.sex, "person")
    age = info.age_years
    if age is not None and age >= _OLD:
        return f"an old {noun}"
    return f"a young {noun}" if age is not None and age <= _YOUNG else f"a {noun}"


def _falls_upright(event: EventRequest) -> bool:
    facts = facts_of(event.ward_event, event.label)
    rises = facts.is_fall and facts.cause not in ("roll", "slide")
    return rises and event.onset_s is not None and event.onset_s >= 2.0


def _event_says(event: EventRequest, info: PersonInfo) -> str:
    facts = facts_of(event.ward_event, event.label)
    his, him = {"female": ("her", "her"), "male": ("his", "him")}.get(info.sex, ("their", "them"))
    words = facts.says.format(his=his, him=him)
    if event.direction is not None:
        toward = {"left": "to the left", "right": "to the right", "down": "straight down"}
        words += f" {toward.get(event.direction, event.direction + 's')}"
    if event.side is not None and facts.is_fall:
        words += f" on {his} {event.side} side"
    if event.place is not None and event.place.near not in words:
        side = f"the {event.place.side} side of " if event.place.side else ""
        words += f" beside {side}the {event.place.near.rsplit('-', 1)[0].replace('_', ' ')}"
    return words
