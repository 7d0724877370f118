"""Parameters of furniture: declared once with their range, read with errors that name the field."""

import dataclasses
from typing import Any, TypeVar

from carescene.errors import UserError
from carescene.scenes.scene import SceneObject

Parameters = TypeVar("Parameters")


def number(default: float, low: float, high: float) -> Any:
    """A field of a parameter class that takes numbers from `low` to `high`."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def whole(default: int, low: int, high: int) -> Any:
    """A field of a parameter class that takes whole numbers from `low` to `high`."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "whole": True})


def choice(default: str, *others: str) -> Any:
    """A field of a parameter class that takes one of several words; the first is the default."""
    return dataclasses.field(default=default, metadata={"words": (default, *others)})


def switch(default: bool) -> Any:
    """A field of a parameter class that takes true or false."""
    return dataclasses.field(default=default, metadata={})


def read_parameters(declared: type[Parameters], thing: SceneObject) -> Parameters:
    """The parameters of one object as an instance of its kind's parameter class; missing ones take their default.

    Raises:
        UserError: for a field that the kind does not have, or a value out of its range; names object and field.
    """
    fields = {entry.name: entry for entry in dataclasses.fields(declared)}  # pyright: ignore[reportArgumentType]
    for name in thing.params:
        if name not in fields:
            known = ", ".join(fields) or "none"
            raise UserError(
                f"Expected parameters of object '{thing.id}' ({thing.kind}) to be among: {known}, but got '{name}'. "
                "Correct the name or remove it."
            )
    return declared(**{name: _checked(thing, fields[name], value) for name, value in thing.params.items()})


def _checked(thing: SceneObject, entry: dataclasses.Field, value: Any) -> Any:
    where, rules = f"'{entry.name}' of object '{thing.id}' ({thing.kind})", entry.metadata
    if "words" in rules:
        if value not in rules["words"]:
            raise UserError(
                f"Expected {where} to be one of {', '.join(rules['words'])}, but got {value!r}. Choose one."
            )
        return value
    if "low" not in rules:
        if not isinstance(value, bool):
            raise UserError(f"Expected {where} to be true or false, but got {value!r}. Write it without quotes.")
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not rules["low"] <= value <= rules["high"] or (rules.get("whole") and value != int(value)):
        sort = "a whole number" if rules.get("whole") else "a number"
        raise UserError(
            f"Expected {where} to be {sort} from {rules['low']} to {rules['high']}, but got {value!r}. "
            "Mind the unit at the end of its name."
        )
    return int(value) if rules.get("whole") else float(value)
