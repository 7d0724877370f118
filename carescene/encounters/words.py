"""Sentences about people in rooms: who, what, where, in which order."""

import re
from typing import Final

import numpy as np

from carescene.clips.clip import PersonInfo

# What recorded people do, by the classes of the prepared recordings (third person, present tense).
DOES: Final = {
    "bow": "bows",
    "call": "calls somebody",
    "get_up": "sits up on the bed, puts the feet on the floor and gets up",
    "guide": "points the way with one hand",
    "lie_down": "sits down on the bed and lies down",
    "lying": "lies in bed",
    "raise_left_hand": "raises the left hand",
    "raise_right_hand": "raises the right hand",
    "reach": "reaches for something",
    "sit_down": "sits down on a chair",
    "sitting": "sits on a chair",
    "stand_up": "gets up from a chair",
    "stand_up_sit_down": "gets up from a chair and sits down again",
    "standing": "stands",
    "turn_right": "turns to the right on the spot",
    "walk": "walks",
    "walk_about": "walks about",
    "walk_turn_left": "walks and turns left",
    "walk_turn_right": "walks and turns right",
    "wave_both_hands": "waves with both hands",
    "wave_left_hand": "waves with the left hand",
    "wave_right_hand": "waves with the right hand",
}
_STAFF: Final = ("a nurse", "a nurse", "a caregiver", "a carer", "a staff member")
_VISITOR: Final = ("a visitor", "a visitor", "a relative")
_OLD, _YOUNG = 65.0, 35.0


def who(info: PersonInfo, rng: np.random.Generator, style: str = "normal") -> str:
    """How a caption calls somebody: by role for staff and visitors, else by age and sex, or "patient"."""
    if info.role == "staff":
        return str(rng.choice(_STAFF))
    if info.role == "visitor":
        return str(rng.choice(_VISITOR))
    noun = {"female": "woman", "male": "man"}.get(info.sex, "patient")
    if rng.random() < 0.4:
        noun = "patient"
    old = (info.age_years or 0) >= _OLD or style in ("elderly", "old")
    young = info.age_years is not None and info.age_years < _YOUNG
    age = "old " if old else "young " if young and rng.random() < 0.5 else ""
    # An old man may also be called elderly.
    if old and rng.random() < 0.35:
        age = "elderly "
    return f"{'an' if age[:1] in 'oe' and age else 'a'} {age}{noun}"


def them(info: PersonInfo) -> str:
    """The pronoun for somebody who was named before: him, her or them."""
    return {"female": "her", "male": "him"}.get(info.sex, "them")


def sentence(*parts: str) -> str:
    """Parts joined to one sentence: capital first letter, one full stop at the end."""
    text = " ".join(part.strip() for part in parts if part.strip())
    text = re.sub(r"\s+([,;.])", r"\1", re.sub(r"\s+", " ", text)).strip().rstrip(".")
    return text[:1].upper() + text[1:] + "."


def clause(caption: str) -> str:
    """A caption to go on with: no full stop, small first letter."""
    text = caption.strip().rstrip(".")
    return text[:1].lower() + text[1:]


def is_sentence(caption: str) -> bool:
    """Whether a caption tells who does what, and is not a list of key words."""
    return bool(re.match(r"(?i)(an?|the|some(one|body)|he|she)\b", caption.strip()))
