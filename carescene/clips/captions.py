"""English captions from what a recording's name says: action, style, age, pace and side."""

import random
import re
from typing import Final

from carescene.clips._caption_phrases import (
    ACTION_TAGS,
    ACTIONS,
    NEUTRAL_SUBJECTS,
    PACE_ADVERBS,
    STYLE_NAMES,
    STYLES,
    Style,
)
from carescene.clips._english import Subject, finish, inflect
from carescene.errors import UserError

_BANDAI_NAME = re.compile(r"(dataset-[12])_([a-z-]+)_([a-z-]+)_(\d+)")

# Names that the recordings give to actions -> the phrases that describe what is seen. `walk-left` keeps the pelvis
# facing ahead and drifts 10 to 45 degrees to the left (measured on all 30 takes); `walk-turn-left` walks, turns 90
# degrees and walks on. `respond` raises the left hand; `bye` waves the right hand and `byebye` both.
_PHRASES_OF: Final[dict[str, str]] = {
    "walk-back": "walk_backward",
    "walk-left": "walk_veer_left",
    "walk-right": "walk_veer_right",
    "raise-up-left-hand": "raise_left_hand",
    "raise-up-right-hand": "raise_right_hand",
    "raise-up-both-hands": "raise_both_hands",
    "bye": "bye_right",
    "byebye": "bye_both",
    "dance-short": "dance",
    "dance-long": "dance",
    "unknown": "move",
}

# Takes that do not show what their names say, found by comparing the name with the heading of the pelvis in all turning
# takes: three turn to the other side, one turns twice to the left, and six turn around once more at their end.
_SHOWN: Final[dict[str, str]] = {
    "dataset-2_walk-turn-left_masculine_006": "walk-turn-right",
    "dataset-2_walk-turn-left_masculine_007": "walk-turn-right",
    "dataset-2_walk-turn-right_masculine_006": "walk-back-and-turn-left",
    "dataset-2_walk-turn-right_masculine_007": "walk-turn-left",
    "dataset-2_walk-turn-right_normal_004": "walk-turn-right-and-around",
    "dataset-2_walk-turn-right_normal_032": "walk-turn-right-and-around",
    "dataset-2_walk-turn-right_normal_033": "walk-turn-right-and-around",
    "dataset-2_walk-turn-left_normal_031": "walk-turn-left-and-around",
    "dataset-2_walk-turn-left_normal_032": "walk-turn-left-and-around",
    "dataset-2_walk-turn-left_normal_033": "walk-turn-left-and-around",
}

# Classes of the steering benchmark: what a person who sees the clip, and nothing else, would call differently.
# A drift of some degrees without a mark on the floor is a walk; a dash is a run; goodbyes are waves.
_CLASS_OF: Final[dict[str, str]] = {
    "walk_veer_left": "walk",
    "walk_veer_right": "walk",
    "dash": "run",
    "bye_right": "wave_right_hand",
    "bye_both": "wave_both_hands",
    "respond": "raise_left_hand",
    "walk_turn_left_and_around": "walk_about",
    "walk_turn_right_and_around": "walk_about",
    "walk_back_and_turn_left": "walk_about",
}

# Mean pelvis speeds of walks: old 0.65-0.8, sad 0.4-0.6, proud 0.7, tired 0.9-1.0, normal 1.1-1.2, active 1.4 m/s.
# Raising a hand takes 4.6 s (elderly), 4.1 s (exhausted), 2 s (normal), 1.4 s (active).
_PACE_OF_STYLE: Final[dict[str, str]] = {"old": "slow", "tired": "slow", "sad": "slow", "active": "fast"}
_SLOW_WALKERS: Final = frozenset({"proud", "not-confident"})
_AGE_OF_STYLE: Final[dict[str, str]] = {"old": "elderly", "youthful": "young", "childish": "child"}


def take_attributes(dataset: str, original_id: str) -> dict[str, str]:
    """Read what a recording's name says about it.

    Args:
        dataset: name of the data set; anything with "bandai" in it is read by the Bandai-Namco naming scheme
            `dataset-N_{action}_{style}_{number}`.
        original_id: the take's name, with or without folder and extension.

    Returns:
        `action` and `style` as the data set spells them, `age` (child, young, adult, elderly), `pace` (slow, normal,
        fast) and, where the name has one, `side` (left, right, both). Ten takes show another action than their names
        say: these get the one they show, and the name as `named_action`. Takes of data sets that do not name actions
        get the action "unknown".

    Raises:
        UserError: if a Bandai-Namco name does not follow the scheme.
    """
    if "bandai" not in dataset.lower() and not original_id.startswith("dataset-"):
        return {"action": "unknown", "style": "normal", "age": "adult", "pace": "normal"}
    match = _BANDAI_NAME.search(original_id)
    if match is None:
        raise UserError(
            f"Expected a name such as 'dataset-2_walk_elderly_001', but got '{original_id}'. "
            "The data set names actions and styles in its file names. Keep the files' original names."
        )
    named, style = match.group(2), match.group(3)
    action = _SHOWN.get(match.group(0), named)
    if phrase_key(action) not in ACTIONS:
        raise UserError(
            f"Expected an action of the Bandai-Namco sets, but got '{action}' in '{original_id}'. "
            "Captions are written from the names. Rename the file to one of: " + ", ".join(sorted(ACTIONS)) + "."
        )
    style_key = STYLE_NAMES.get(style, "normal")
    attributes = {
        "action": action,
        "style": style,
        "age": _AGE_OF_STYLE.get(style_key, "adult"),
        "pace": _pace(phrase_key(action), style_key),
    }
    if action != named:
        attributes["named_action"] = named
    side = re.search(r"left|right|both", action)
    if side is not None:
        attributes["side"] = side.group(0)
    return attributes


def phrase_key(action: str) -> str:
    """Return the name under which the phrase tables know a data set's action."""
    return _PHRASES_OF.get(action, action.replace("-", "_"))


def action_class(attributes: dict[str, str]) -> str:
    """Return the class an onlooker would give the clip: actions that only their names tell apart are one class."""
    key = phrase_key(attributes["action"])
    return _CLASS_OF.get(key, key)


def captions_for(attributes: dict[str, str], seed: int) -> list[str]:
    """Write four to six different captions for a clip with these attributes.

    One of them leaves the style out; every other one tells it (a normal style has nothing to tell). The same
    attributes and seed give the same captions.

    Args:
        attributes: `action` (needed), `style` and `pace`, as `take_attributes` returns them.
        seed: any whole number.

    Raises:
        UserError: for an action without phrases.
    """
    key = phrase_key(attributes["action"])
    if key not in ACTIONS:
        raise UserError(
            f"Expected an action with phrases ({', '.join(sorted(ACTIONS))}), but got '{attributes['action']}'. "
            "It may come from a newer data set. Add its phrases to the caption tables."
        )
    style = STYLES.get(STYLE_NAMES.get(attributes.get("style", "normal"), ""))
    pace = attributes.get("pace", "normal")
    rng = random.Random(f"{seed}/{key}/{attributes.get('style')}")
    wanted = rng.randint(4, 6)
    captions = [_plain(key, style, pace, rng)]
    order = rng.sample(range(len(_STYLED_SHAPES)), len(_STYLED_SHAPES))
    turn = 0
    while len(captions) < wanted:
        shape = order[turn % len(order)]
        if style is None:
            caption = _NORMAL_SHAPES[shape](key, style, pace, rng)
        else:
            caption = _STYLED_SHAPES[shape](key, style, pace, rng)
        turn += 1
        # Short actions have few plain wordings; after some rounds a repeat in another case is dropped for good.
        if caption.lower().rstrip(".") not in {known.lower().rstrip(".") for known in captions}:
            captions.append(caption)
        elif turn > 60:
            break
    rng.shuffle(captions)
    return captions


def neutral_subject(style: Style | None, rng: random.Random) -> Subject:
    """Draw somebody whose description says nothing about style, of a sex that does not contradict it."""
    sexes = ("any", "male", "female") if style is None else style.sexes
    return rng.choice([subject for subject in NEUTRAL_SUBJECTS if subject.sex in sexes])


def _pace(key: str, style: str) -> str:
    if key == "dash":
        # All dash at 2.3 to 3.6 m/s, but the slow styles keep their adverbs: "an old man dashes" says enough.
        return "normal" if _PACE_OF_STYLE.get(style) == "slow" else "fast"
    if style in _SLOW_WALKERS and key.startswith("walk"):
        return "slow"
    return _PACE_OF_STYLE.get(style, "normal")


def _phrase(key: str, style: Style | None, rng: random.Random) -> str:
    phrase = rng.choice(ACTIONS[key])
    for verb, others in style.verbs.items() if style is not None else ():
        if f"[{verb}]" in phrase and rng.random() < 0.3:
            phrase = phrase.replace(f"[{verb}]", f"[{rng.choice(others)}]", 1)
    return phrase


def _plain(key: str, style: Style | None, pace: str, rng: random.Random) -> str:
    subject = neutral_subject(style, rng)
    adverb = rng.choice(PACE_ADVERBS[pace]) if rng.random() < 0.5 else ""
    return finish(f"{subject.text} {inflect(rng.choice(ACTIONS[key]), 'third', subject.sex, adverb)}", rng)


def _progressive(key: str, style: Style | None, pace: str, rng: random.Random) -> str:
    subject = neutral_subject(style, rng)
    return finish(f"{subject.text} {inflect(rng.choice(ACTIONS[key]), 'progressive', subject.sex)}", rng)


def _normal_tag(key: str, style: Style | None, pace: str, rng: random.Random) -> str:
    subject = neutral_subject(style, rng)
    return rng.choice((ACTION_TAGS[key], f"{subject.text}, {ACTION_TAGS[key]}", inflect(ACTIONS[key][0], "gerund")))


def _normal_manner(key: str, style: Style | None, pace: str, rng: random.Random) -> str:
    subject = neutral_subject(style, rng)
    manner = rng.choice(("normally", "in a normal way", "in an ordinary way", "naturally", "calmly"))
    return finish(f"{subject.text} {inflect(rng.choice(ACTIONS[key]), 'third', subject.sex, manner)}", rng)


def _by_subject(key: str, style: Style, pace: str, rng: random.Random) -> str:
    subject = rng.choice(style.subjects)
    adverb = rng.choice(PACE_ADVERBS[pace]) if rng.random() < 0.7 else ""
    return finish(f"{subject.text} {inflect(_phrase(key, style, rng), 'third', subject.sex, adverb)}", rng)


def _by_subject_now(key: str, style: Style, pace: str, rng: random.Random) -> str:
    subject = rng.choice(style.subjects)
    adverb = rng.choice(PACE_ADVERBS[pace]) if rng.random() < 0.4 else ""
    return finish(f"{subject.text} {inflect(_phrase(key, style, rng), 'progressive', subject.sex, adverb)}", rng)


def _by_adverb(key: str, style: Style, pace: str, rng: random.Random) -> str:
    subject = neutral_subject(style, rng)
    adverb = rng.choice(style.adverbs)
    return finish(f"{subject.text} {inflect(_phrase(key, style, rng), 'third', subject.sex, adverb)}", rng)


def _by_clause(key: str, style: Style, pace: str, rng: random.Random) -> str:
    subject, clause = neutral_subject(style, rng), rng.choice(style.clauses)
    action = inflect(_phrase(key, style, rng), "third", subject.sex, rng.choice(PACE_ADVERBS[pace]))
    if rng.random() < 0.5:
        return finish(f"{subject.text}, {clause}, {action}", rng)
    return finish(f"{clause}, {subject.text} {action}", rng)


def _by_tag(key: str, style: Style, pace: str, rng: random.Random) -> str:
    pace_word = {"slow": "slow", "fast": "fast"}.get(pace)
    words = [style.tag, ACTION_TAGS[key]] + ([pace_word] if pace_word and rng.random() < 0.5 else [])
    return rng.choice((", ".join(words), inflect(ACTIONS[key][0], "gerund", adverb=rng.choice(style.adverbs))))


_NORMAL_SHAPES: Final = (_plain, _progressive, _normal_tag, _normal_manner, _plain, _progressive)
_STYLED_SHAPES: Final = (_by_subject, _by_subject_now, _by_adverb, _by_clause, _by_tag, _by_subject)
