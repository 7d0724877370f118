"""A sentence for a situation that has none: who does what, which way, where, and who else is there."""

from collections.abc import Sequence
from typing import Final

from carescene.clips.clip import PersonInfo
from carescene.situations.consistency import start_state
from carescene.situations.situation import EventRequest, PersonRequest, Situation
from carescene.situations.vocabulary import facts_of

_OLD, _YOUNG = 65.0, 35.0
_STATE_SAYS: Final = {
    "lying": "lies in bed",
    "sitting": "sits",
    "standing": "stands",
    "walking": "walks",
    "kneeling": "kneels",
    "fallen": "lies on the floor",
}
# Where a body goes, as captions of falls say it.
_WAYS: Final = {
    "forward": "forward",
    "backward": "backward",
    "left": "to the left",
    "right": "to the right",
    "down": "straight down",
}
# What somebody does who helps with an event.
_HELPS: Final = {
    "walk_assisted": "walks beside {him} and holds {his} arm",
    "bed_exit_assisted": "stands beside the bed and helps {him}",
    "raised_by_staff": "helps {him} with both hands",
    "lowered_by_staff": "holds {him} from behind",
}


def text_for(situation: Situation, infos: Sequence[PersonInfo]) -> str:
    """Plain English for what is asked, in the words of the captions that the model learned from."""
    first, *others = texts_for(situation, infos)
    return "; ".join((first, " and ".join(others))) if others else first


def texts_for(situation: Situation, infos: Sequence[PersonInfo]) -> list[str]:
    """The same for each person alone: what that one does."""
    parts = []
    for number, (person, info) in enumerate(zip(situation.people, infos, strict=True)):
        who = subject(person, info)
        events = [event for event in situation.events if event.person == number]
        events.sort(key=lambda event: event.onset_s or 0.0)
        state = start_state(situation, number)
        if events:
            says = ", then ".join(
                _event_says(event, info, state if at == 0 else None) for at, event in enumerate(events)
            )
            rises = state == "lying" and _falls_upright(events[0])
            parts.append(f"{who} gets up from the bed and {says}" if rises else f"{who} {says}")
        elif person.enter is not None:
            parts.append(f"{who} walks in from the door")
        else:
            helps = _helps(situation, infos, number)
            parts.append(f"{who} {helps or (_STATE_SAYS[state] if state else 'moves')}")
    return parts


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


def _event_says(event: EventRequest, info: PersonInfo, state: str | None) -> str:
    """One event in words; `state` is that of somebody to whom nothing happened before."""
    facts = facts_of(event.ward_event, event.label)
    way = _WAYS.get(event.direction or "", "")
    words = _filled(facts.says, info).replace("{way}", f", leaning {way}" if way else "")
    upright = {"standing": "stands", "walking": "walks"}.get(state or "", "")
    if facts.is_fall and not facts.helper:
        down = "drops to the floor" if facts.cause in ("roll", "slide") else f"falls {way or 'to the floor'}"
        words = f"{words}, then {down}" if words else down
        if event.side is not None:
            words += _filled(f", ending on {{his}} {event.side} side", info)
    if (facts.is_fall or facts.near_fall) and not (facts.lead or facts.helper) and upright and words:
        words = f"{upright}, {words}"
    if event.place is not None and event.place.near not in words:
        side = f"the {event.place.side} side of " if event.place.side else ""
        words += f" beside {side}the {event.place.near.rsplit('-', 1)[0].replace('_', ' ')}"
    return words


def _helps(situation: Situation, infos: Sequence[PersonInfo], person: int) -> str | None:
    """What somebody does in an event of another person that takes a helper."""
    for event in situation.events:
        if event.person != person and facts_of(event.ward_event, event.label).helper:
            return _filled(_HELPS[event.ward_event or ""], infos[event.person])
    return None


def _filled(words: str, info: PersonInfo) -> str:
    his, him = {"female": ("her", "her"), "male": ("his", "him")}.get(info.sex, ("their", "them"))
    return words.replace("{his}", his).replace("{him}", him)
