"""Single fields of a situation file: numbers, words and names under a key, refused with their line."""

from carescene.scenes.scene import KINDS
from carescene.situations.lined_yaml import Lined, nearest


def number(entry: Lined, key: str, low: float | int, high: float | int, *, what: str) -> float | None:
    """A number under a key, or None where there is none; refused outside of `low` to `high`."""
    given = entry.get(key)
    return None if given is None else given.number(low, high, what)


def metres(entry: Lined, key: str) -> float:
    """A length that must be there."""
    value = number(entry, key, -100.0, 100.0, what="metres")
    if value is None:
        entry.refuse(f"`{key}` in metres", "none", f"add {key}")
    return value


def whole(entry: Lined, key: str, default: int, low: int, high: int) -> int:
    """A whole number under a key, or the default."""
    given = entry.get(key)
    return default if given is None else given.whole(low, high)


def choice(entry: Lined, key: str, choices: tuple[str, ...]) -> str | None:
    """One of some words under a key, or None."""
    given = entry.get(key)
    return None if given is None else given.word(choices)


def thing(entry: Lined | None) -> str | None:
    """A kind of thing, or the id of one such as bed-1."""
    if entry is None:
        return None
    word = entry.word(what="a kind of thing")
    if word in KINDS or any(word.startswith(f"{kind}-") for kind in KINDS):
        return word
    return entry.refuse(
        f"a kind of thing ({', '.join(KINDS)}) or the id of one, such as bed-1",
        advice=nearest(word, KINDS) or "choose one of these",
    )


def door(entry: Lined | None) -> str | None:
    """A door, or the id of one such as door-1."""
    if entry is None:
        return None
    word = entry.word()
    if word != "door" and not word.startswith("door-"):
        entry.refuse("door, or the id of one such as door-1", advice="people come in through doors")
    return word


def shares(entry: Lined) -> dict[str, float]:
    """Shares of values; they add up to 1."""
    if not isinstance(entry.value, dict) or not entry.value:
        entry.refuse("values with shares", advice="write such as {collapse: 0.5, slip: 0.5}")
    found = {name: share.number(0.0, 1.0, "a share") for name, share in entry.value.items()}
    if abs(sum(found.values()) - 1) > 0.005:
        entry.refuse("shares that add up to 1", f"{sum(found.values()):g}", "correct one of them")
    return found


def or_default(value: float | int | None, default: float | int) -> float:
    """A number, or the default where none was given."""
    return float(default) if value is None else value
