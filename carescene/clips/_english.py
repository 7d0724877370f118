"""The little English grammar that turns phrase tables into captions.

A phrase marks its verbs with square brackets in the base form ("[walk]{adv} and [turn] left"), the place of the adverb
with `{adv}` and possessives with `{his}`, so that one phrase serves every subject, tense and manner.
"""

import random
import re
from dataclasses import dataclass
from typing import Final

_VERB = re.compile(r"\[([a-z-]+)\]")

_THIRD_PERSON: Final[dict[str, str]] = {"be": "is", "do": "does", "go": "goes", "have": "has"}
_GERUND: Final[dict[str, str]] = {"be": "being", "lie": "lying", "die": "dying"}

# Verbs of one stressed short vowel and one consonant double it in the gerund. Listed, because spelling alone does not
# tell "sit" from "visit".
_DOUBLING: Final[frozenset[str]] = frozenset(
    {"sit", "run", "jog", "get", "stop", "step", "drop", "put", "let", "plod", "strut", "bob", "skip", "trot", "spin",
     "chop", "plop", "flop", "flip", "prop", "drag", "hop", "swim", "cut", "slip", "set", "grab", "pat", "lag", "begin"}
)  # fmt: skip

_POSSESSIVE: Final[dict[str, str]] = {"male": "his", "female": "her", "any": "their"}
_REFLEXIVE: Final[dict[str, str]] = {"male": "himself", "female": "herself", "any": "themselves"}


@dataclass(frozen=True)
class Subject:
    """A noun phrase that can open a sentence, and the sex it names (`male`, `female` or `any`)."""

    text: str
    sex: str = "any"


def third_person(verb: str) -> str:
    """Return the present tense for he, she or it: "walk" -> "walks", "carry" -> "carries"."""
    if verb in _THIRD_PERSON:
        return _THIRD_PERSON[verb]
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def gerund(verb: str) -> str:
    """Return the -ing form: "wave" -> "waving", "sit" -> "sitting"."""
    if verb in _GERUND:
        return _GERUND[verb]
    if verb.rpartition("-")[2] in _DOUBLING:
        return verb + verb[-1] + "ing"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    return verb + "ing"


def inflect(phrase: str, form: str, sex: str = "any", adverb: str = "") -> str:
    """Write a marked phrase out.

    Args:
        phrase: with verbs in brackets, perhaps with `{adv}`, `{his}` and `{himself}`.
        form: "third" (he walks), "gerund" (walking), "base" (walk) or "progressive" (first verb "is walking", the
            others gerunds).
        sex: whose possessive to use.
        adverb: one word stands at `{adv}` ("walks slowly and turns"), longer ones at the end ("... at a slow pace").

    Raises:
        KeyError: for a form that does not exist.
    """
    write = {"third": third_person, "gerund": gerund, "base": lambda verb: verb, "progressive": gerund}[form]
    text = _VERB.sub(lambda match: write(match.group(1)), phrase)
    if form == "progressive":
        text = "is " + text
    adverb = f" {adverb}" if adverb else ""
    inside = "{adv}" in text and adverb.count(" ") == 1
    text = text.replace("{adv}", adverb, 1) if inside else text + adverb
    text = text.replace("{adv}", "").replace("{his}", _POSSESSIVE[sex]).replace("{himself}", _REFLEXIVE[sex])
    return re.sub(r"\s+", " ", text).strip()


def join_actions(actions: list[str], rng: random.Random) -> str:
    """Join phrases in their order with the words people use: "a, then b and c", "a, b, and then c"."""
    if len(actions) == 1:
        return actions[0]
    *head, last = actions
    # After a phrase that holds a comma, a bare "and" would read as part of that phrase.
    bare = () if "," in head[-1] else (" and ", " and ")
    if len(head) == 1:
        return head[0] + rng.choice((*bare, ", then ", " and then ")) + last
    if len(head) == 2 and "," not in head[0] and rng.random() < 0.5:
        return f"{head[0]} and {head[1]}, then {last}"
    return ", ".join(head) + rng.choice((*bare, ", and then ", ", then ")) + last


def finish(sentence: str, rng: random.Random) -> str:
    """Vary what annotators vary: most write in lower case without a full stop, some write a proper sentence."""
    sentence = re.sub(r"\s+", " ", sentence).replace(" ,", ",").strip()
    if rng.random() < 0.35:
        return sentence[0].upper() + sentence[1:] + "."
    return sentence
