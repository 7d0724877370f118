"""Whose part of a sentence is whose: "an old man falls while a nurse walks in" tells two people two things."""

import re
from collections.abc import Sequence
from typing import Final

from carescene.clips.clip import PersonInfo
from carescene.situations.consistency import start_state
from carescene.situations.situation import Situation
from carescene.situations.wording import texts_for

# Words that tell who a clause is about; clauses with none of them are about patients.
_SAY_ROLE: Final = {
    "staff": ("nurse", "carer", "caregiver", "care worker", "staff", "doctor", "helper", "aide", "therapist"),
    "visitor": ("visitor", "guest", "relative", "wife", "husband", "daughter", "son"),
}
_PATIENT: Final = re.compile(r"\b(?:man|woman|lady|gentleman|patient|resident|person|somebody|someone|he|she)\b")
# Where the part of somebody else may begin. What follows "and" goes on with the same person, unless it names another.
_BREAKS: Final = re.compile(
    r"\s*(?:;|\.(?=\s+An?\b)|\bwhile\b|\bwhilst\b|,?\s*\band then(?=\s+an?\b)|,?\s*\band(?=\s+an?\b))\s*"
)


def clauses_of(text: str) -> list[tuple[str, str]]:
    """The parts of a sentence about different people: (role of its subject, words); `patient` for anybody else.

    >>> clauses_of("an old man falls on his left side while a nurse walks in")
    [('patient', 'an old man falls on his left side'), ('staff', 'a nurse walks in')]
    """
    found = [part.strip(" ,.") for part in _BREAKS.split(text)]
    return [(_role(part), part) for part in found if part]


def own_texts(situation: Situation, infos: Sequence[PersonInfo]) -> list[str]:
    """What each person hears: their part of the situation's text, or what the situation says about them.

    Parts go by role and order to the persons. Who has none hears a sentence about their own start, entry and events;
    and the whole text, where the situation says nothing about them.
    """
    spoken = texts_for(situation, infos)
    if situation.text is None:
        return spoken
    waiting = clauses_of(situation.text)
    heard = []
    for number, person in enumerate(situation.people):
        role = person.role if person.role in _SAY_ROLE else "patient"
        part = next((clause for clause in waiting if clause[0] == role), None)
        if part is not None:
            waiting.remove(part)
            heard.append(part[1])
        else:
            told = start_state(situation, number) is not None or person.enter is not None
            heard.append(spoken[number] if told else situation.text)
    return heard


def _role(clause: str) -> str:
    """The role of the first person who is named: "a nurse helps an old man" is about the nurse."""
    first = {
        role: min((match.start() for word in words if (match := re.search(rf"\b{word}\b", clause.lower()))), default=-1)
        for role, words in _SAY_ROLE.items()
    }
    named = {role: at for role, at in first.items() if at >= 0}
    subject = min(named, key=lambda role: named[role]) if named else "patient"
    # "A man is helped by a nurse": whoever comes later is no subject.
    return subject if named and not _PATIENT.search(clause.lower()[: named[subject]]) else "patient"
