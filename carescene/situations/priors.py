"""How often things happen: published shares and rates in a file that everybody may edit."""

import functools
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from carescene.errors import UserError
from carescene.situations.lined_yaml import Lined, nearest, read_lined

BUNDLED: Final = "priors.yaml"
OTHER: Final = "other"
NOTHING: Final = "none"
_SECONDS_OF_DAY: Final = 86_400.0
# Shares are rounded in papers.
_ROUNDING: Final = 0.005


@dataclass(frozen=True)
class Prior:
    """How often each value of one attribute occurs; shares add up to 1, `other` is what the source does not name."""

    attribute: str
    shares: Mapping[str, float]
    source: str = ""
    given: str = ""
    assumed: bool = False


@dataclass(frozen=True)
class Priors:
    """All of one file.

    Attributes:
        attributes: by name.
        rates: events per patient and day.
    """

    attributes: Mapping[str, Prior]
    rates: Mapping[str, float]
    file: str = BUNDLED

    def of(self, attribute: str, seconds: float | int) -> Prior:
        """The prior of an attribute; that of `event` comes from the rates and the length of a clip.

        Raises:
            UserError: if the file has none; names the nearest.
        """
        if attribute == "event":
            shares = {name: rate * float(seconds) / _SECONDS_OF_DAY for name, rate in self.rates.items()}
            shares[NOTHING] = 1.0 - sum(shares.values())
            return Prior("event", shares, "rates per patient and day", f"a clip of {seconds:g} s")
        if attribute not in self.attributes:
            known = ("event", *self.attributes)
            raise UserError(
                f"Expected an attribute with a prior ({', '.join(known)}), but got '{attribute}'. "
                f"{nearest(attribute, known) or 'Add it to the priors'} (file {self.file})."
            )
        return self.attributes[attribute]


def load_priors(path: Path | None = None) -> Priors:
    """Read a priors file, or the bundled one.

    Raises:
        UserError: one sentence with the line: unknown keys, shares below 0 or above 1 together.
    """
    with ExitStack() as stack:
        file = path or stack.enter_context(as_file(files("carescene") / "assets" / BUNDLED))
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"Expected a readable priors file at '{file}', but got: {error}. Check the name."
            ) from error
    return _parsed(text, file.name)


@functools.lru_cache(maxsize=4)
def _parsed(text: str, file: str) -> Priors:
    # Every clip of a situation asks for them.
    top = read_lined(text, file).only(("attributes", "rates_per_patient_day"))
    attributes = _entries(top, "attributes")
    rates = _entries(top, "rates_per_patient_day")
    return Priors(
        {name: _prior(name, entry) for name, entry in attributes.items()},
        {name: _rate(entry) for name, entry in rates.items()},
        file,
    )


def _entries(top: Lined, key: str) -> dict[str, Lined]:
    entry = top.get(key)
    if entry is None:
        return {}
    if not isinstance(entry.value, dict):
        entry.refuse("names with values", advice="write one entry per name")
    return entry.value


def _prior(name: str, entry: Lined) -> Prior:
    entry.only(("shares", "source", "given", "assumed"))
    shares_entry = entry.get("shares")
    if shares_entry is None or not isinstance(shares_entry.value, dict) or not shares_entry.value:
        entry.refuse("shares by value", "none", "write such as shares: {alone: 0.9, with_staff: 0.1}")
    shares = {value: share.number(0.0, 1.0, "a share") for value, share in shares_entry.value.items()}
    total = sum(shares.values())
    if total > 1 + _ROUNDING:
        shares_entry.refuse("shares of at most 1 together", f"{total:g}", "correct one of them")
    if total < 1 - _ROUNDING:
        shares[OTHER] = shares.get(OTHER, 0.0) + 1.0 - total
    scale = sum(shares.values())
    words = {key: found.word() if (found := entry.get(key)) is not None else "" for key in ("source", "given")}
    assumed = entry.get("assumed")
    return Prior(
        name,
        {value: share / scale for value, share in shares.items()},
        words["source"],
        words["given"],
        assumed is not None and assumed.value is True,
    )


def _rate(entry: Lined) -> float:
    if isinstance(entry.value, dict):
        value = entry.only(("value", "source")).get("value")
        if value is None:
            entry.refuse("a value", "none", "add value: 0.5")
        return value.number(0.0, 1000.0, "events per patient and day")
    return entry.number(0.0, 1000.0, "events per patient and day")
