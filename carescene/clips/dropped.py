"""What a data set leaves out: refused at the first damaged item, or skipped, counted and named, as the user chose.

Two kinds are kept apart. An item that a published protocol leaves out (too short, on the ignore list) is no mistake and
is only counted. A damaged one (no text, NaN, another width) stops everything unless the user asked to go on without it.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Final, Literal

from carescene.errors import UserError
from carescene.files import write_atomically

OnBad = Literal["refuse", "skip"]
# Beyond so many names a line says only how many there are; the written report has them all.
_NAMES: Final = 5


class DropReport:
    """Collects what is left out while a data set is read.

    Args:
        what: what the items are called in messages, such as `clips of InterHuman`.
        on_bad: `refuse` raises at the first damaged item; `skip` goes on and counts it. A silent third way does not
            exist.

    Raises:
        UserError: for another `on_bad`.
    """

    def __init__(self, what: str, on_bad: OnBad = "refuse") -> None:
        if on_bad not in ("refuse", "skip"):
            raise UserError(f"Expected on_bad to be refuse or skip, but got '{on_bad}'. Correct the option.")
        self.what, self.on_bad = what, on_bad
        self.kept = 0
        self._damaged: dict[str, dict[str, str]] = defaultdict(dict)
        self._by_rule: dict[str, list[str]] = defaultdict(list)

    def keep(self, count: int = 1) -> None:
        """Count items that are used."""
        self.kept += count

    def leave_out(self, item: str, rule: str) -> None:
        """Count an item that the protocol leaves out, under a short name of the rule."""
        self._by_rule[rule].append(item)

    def damaged(self, item: str, problem: str, error: UserError) -> None:
        """Count a damaged item under a short name of the problem, or refuse it.

        Args:
            item: its name.
            problem: short, the same for all items with this problem, such as `missing text`.
            error: says precisely what is wrong with this one.

        Raises:
            UserError: `error`, if damaged items are refused.
        """
        if self.on_bad == "refuse":
            raise error
        self._damaged[problem][item] = str(error)

    @property
    def counts(self) -> dict[str, int]:
        """How many items are left out for each problem and rule."""
        return {name: len(items) for name, items in (self._damaged | self._by_rule).items()}

    @property
    def reasons(self) -> dict[str, str]:
        """Item -> what is wrong with it, damaged ones only."""
        return {item: reason for items in self._damaged.values() for item, reason in items.items()}

    @property
    def left_out(self) -> int:
        """How many items are not used."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """One line: what is used, what is left out and why, with the first names of each kind."""
        parts = [
            f"{len(items)} {name} ({_names(list(items))})" for name, items in (self._damaged | self._by_rule).items()
        ]
        tail = f", {self.left_out} left out: {'; '.join(parts)}" if parts else ", none left out"
        return f"{self.kept} {self.what} used{tail}"

    def as_dict(self) -> dict[str, object]:
        """Everything, as plain values."""
        return {
            "what": self.what,
            "used": self.kept,
            "left_out": self.left_out,
            "damaged": {name: dict(items) for name, items in self._damaged.items()},
            "by_rule": {name: list(items) for name, items in self._by_rule.items()},
        }

    def write(self, path: Path) -> None:
        """Write `as_dict` as JSON, complete or not at all.

        Raises:
            UserError: if the folder cannot be written.
        """
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n"
        write_atomically(path, lambda file: file.write(text.encode()))


def _names(items: list[str]) -> str:
    more = len(items) - _NAMES
    return ", ".join(items[:_NAMES]) + (f" and {more} more" if more > 0 else "")
