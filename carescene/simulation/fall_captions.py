"""Captions of simulated falls and near falls: who, what, in which direction, on which side, and what follows."""

import random
from dataclasses import dataclass
from typing import Final

from carescene.clips._english import finish, inflect, join_actions
from carescene.simulation import fall_words as words

# Furniture as people call it.
_NAMES: Final = {"wheelchair": "wheelchair", "chair": "chair", "bed": "bed", "table": "table"}
_WAYS: Final = {
    "forward": ("forward", "forwards"),
    "backward": ("backward", "backwards"),
    "left": ("to the left", "to {his} left"),
    "right": ("to the right", "to {his} right"),
    "down": ("",),
}


@dataclass(frozen=True)
class Story:
    """What a caption may tell.

    Attributes:
        age_years, sex: of the person.
        activity: what the person did before, as in `Plan`.
        cause: what went wrong, as in `Event.cause`; with `ward_event` for near falls.
        direction: where the body went.
        side: of the body or bed that is concerned, or None.
        site: what hit the floor first, or None.
        below: what is down at rest: left, right, front, back, seat, or none.
        after: still or moving; none for near falls.
        furniture: kind of the furniture that takes part, or None.
    """

    age_years: float
    sex: str
    activity: str
    cause: str
    ward_event: str
    direction: str
    side: str | None
    site: str | None
    below: str
    after: str
    furniture: str | None


def fall_captions(story: Story, seed: int) -> list[str]:
    """Two to four different captions, each with the direction or the side, the cause, or both.

    Args:
        story: what happened.
        seed: any whole number; the same seed gives the same captions.
    """
    rng = random.Random(f"{seed}/{story}")
    wanted = rng.randint(2, 4)
    # The first tells everything, later ones mostly less, as annotators do.
    writers = [_full, rng.choice((_plain, _short)), rng.choice((_plain, _full, _short)), _tag]
    captions: list[str] = []
    for turn in range(8 * wanted):
        writer = writers[len(captions)]
        caption = finish(writer(story, rng), rng) if writer is not _tag or turn % 2 else writer(story, rng)
        if caption.lower().rstrip(".") not in {known.lower().rstrip(".") for known in captions}:
            captions.append(caption)
        if len(captions) == wanted:
            break
    return captions


def _full(story: Story, rng: random.Random) -> str:
    """Before, cause, direction, landing or what follows."""
    actions = [_said(rng.choice(_before(story)), story, rng), _said(_wrong(story, rng), story, rng)]
    if story.after == "none":
        actions.append(_said(rng.choice(words.RECOVERED[story.ward_event]), story, rng))
        return f"{_who(story, rng)} {join_actions(actions, rng)}"
    down = _said(_down(story, rng), story, rng)
    landing = _landing(story, rng)
    actions.append(f"{down}, {landing}" if landing and rng.random() < 0.6 else down)
    if rng.random() < 0.6:
        actions.append(_said(rng.choice(words.AFTER[story.after]), story, rng))
    return f"{_who(story, rng)} {join_actions(actions, rng)}"


def _plain(story: Story, rng: random.Random) -> str:
    """Cause and direction."""
    wrong = _said(_wrong(story, rng), story, rng)
    if story.after == "none":
        return f"{_who(story, rng)} {wrong} but {_said(rng.choice(words.RECOVERED[story.ward_event]), story, rng)}"
    tail = f" and lands on {_his(story)} {story.below} side" if story.below in ("left", "right") else ""
    down = _said(_down(story, rng), story, rng)
    return f"{_who(story, rng)} {wrong} and {down}" + (tail if rng.random() < 0.5 else "")


def _short(story: Story, rng: random.Random) -> str:
    """Direction, with the activity or the cause."""
    who = _who(story, rng)
    if story.after == "none":
        return f"{who} nearly falls {_way(story, rng)} but stays on {_his(story)} feet"
    down = _said(_down(story, rng), story, rng)
    if rng.random() < 0.5:
        doing = {
            "walking": "while walking", "turning": "while turning", "standing": "from standing",
            "reaching": "while reaching for something", "sitting_down": "when sitting down",
            "sitting": "from the {seat}", "lying": "out of bed",
        }[story.activity].replace("{seat}", _seat(story))  # fmt: skip
        return f"{who} {down} {doing}"
    return f"{who} {down} after {inflect(_filled(_wrong(story, rng), story, rng), 'gerund', _sex(story))}"


def _tag(story: Story, rng: random.Random) -> str:
    """A few key words."""
    cause = story.cause.replace("_", " ")
    kind = "near fall" if story.after == "none" else "fall"
    way = {"down": "straight down"}.get(story.direction, story.direction)
    tags = [kind, cause, way, _age(story, rng).strip() or story.sex]
    if story.furniture:
        tags.append(_NAMES.get(story.furniture, story.furniture))
    return ", ".join(tags)


def _before(story: Story) -> tuple[str, ...]:
    if story.activity == "sitting":
        seat = _seat(story)
        place = (
            "on the edge of the bed" if seat == "bed" else f"in a {seat}" if seat == "wheelchair" else f"on a {seat}"
        )
        return tuple(f"{phrase} {place}" for phrase in words.BEFORE["sitting"])
    return words.BEFORE[story.activity]


def _wrong(story: Story, rng: random.Random) -> str:
    table = words.NEARLY[story.ward_event] if story.after == "none" else words.WRONG[story.cause]
    fitting = [phrase for phrase in table if not ("{side}" in phrase and story.side is None)]
    if story.cause == "missed_seat" and story.furniture is None:
        fitting = [phrase for phrase in fitting if "{seat}" not in phrase]
    return rng.choice(fitting)


def _down(story: Story, rng: random.Random) -> str:
    if story.cause in words.DROP:
        phrase = rng.choice(words.DROP[story.cause])
        # The side of a roll is the side of the bed; the way of a slide is said by its cause.
        return f"{phrase} on {{his}} {story.direction}" if story.cause == "roll" and rng.random() < 0.7 else phrase
    return rng.choice(words.DOWN[story.direction])


def _landing(story: Story, rng: random.Random) -> str:
    if story.below in ("left", "right") and rng.random() < 0.5:
        return f"ending on {_his(story)} {story.below} side"
    if story.site is None:
        return ""
    return _filled(rng.choice(words.LANDING[story.site]), story, rng)


def _said(phrase: str, story: Story, rng: random.Random) -> str:
    return inflect(_filled(phrase, story, rng), "third", _sex(story))


def _filled(phrase: str, story: Story, rng: random.Random) -> str:
    text = phrase.replace("{way}", _way(story, rng)).replace("{side}", story.side or "")
    text = text.replace("{off}", "out of" if _seat(story) == "wheelchair" else "off")
    text = text.replace("{seat}", _seat(story)).replace("{object}", story.furniture or "table")
    sex = _sex(story)
    his = {"male": "his", "female": "her", "any": "their"}[sex]
    return text.replace("{his}", his).replace("{himself}", {"his": "himself", "her": "herself"}.get(his, "themselves"))


def _way(story: Story, rng: random.Random) -> str:
    return rng.choice(_WAYS[story.direction]).replace("{his}", _his(story))


def _seat(story: Story) -> str:
    return _NAMES.get(story.furniture or "", "chair")


def _who(story: Story, rng: random.Random) -> str:
    noun = rng.choice(words.NOUNS[story.sex])
    phrase = f"{_age(story, rng)} {noun}".strip()
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _age(story: Story, rng: random.Random) -> str:
    choices = next(found for years, found in words.AGE_WORDS if story.age_years >= years)
    return rng.choice(choices)


def _sex(story: Story) -> str:
    return story.sex if story.sex in ("male", "female") else "any"


def _his(story: Story) -> str:
    return {"male": "his", "female": "her"}.get(story.sex, "their")
