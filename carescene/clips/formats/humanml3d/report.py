"""What was read of a HumanML3D folder, and every clip or caption that was not: named, with the reason, counted."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from carescene.errors import UserError
from carescene.files import write_atomically

OnBad = Literal["refuse", "skip"]

# What the published protocol leaves out in any case; everything else is a damage.
_BY_RULE: Final = ("too short", "too long", "part too short", "part too long")
_NAMED: Final = 5


@dataclass(frozen=True)
class Dropped:
    """One clip, or one caption of it, that is not among the items.

    Attributes:
        id: of the clip.
        reason: a few words; dropped things are counted by it.
        detail: one sentence with what was found and where.
    """

    id: str
    reason: str
    detail: str


@dataclass
class ReadReport:
    """Counts of one split, and what is missing from it.

    Attributes:
        split: its name.
        listed: ids in the split's list.
        items: what came out, parts of clips included.
        captions: of all items.
        dropped: everything that did not.
    """

    split: str
    listed: int = 0
    items: int = 0
    captions: int = 0
    dropped: list[Dropped] = field(default_factory=list)

    @property
    def damaged(self) -> list[Dropped]:
        """What was dropped because something is wrong with it, not because the protocol leaves it out."""
        return [entry for entry in self.dropped if entry.reason not in _BY_RULE]

    def attempt(self, clip_id: str, reason: str, on_bad: OnBad, read: Callable[[], object]) -> bool:
        """Read something; when that is refused, note it (`skip`) or let the refusal through (`refuse`).

        Returns:
            Whether it was read.
        """
        try:
            read()
        except UserError as error:
            if on_bad == "refuse":
                raise UserError(
                    f"Clip '{clip_id}' of the {self.split} split ({reason}): {error} "
                    "To leave such clips out and count them, choose on_bad: skip."
                ) from error
            self.dropped.append(Dropped(clip_id, reason, str(error)))
            return False
        return True

    def summary(self) -> str:
        """One line: how many were read, and how many were left out for which reason, the first few by name."""
        line = f"{self.split}: {self.items} items with {self.captions} captions from {self.listed} listed clips"
        counts = Counter(entry.reason for entry in self.dropped)
        for reason, count in sorted(counts.items()):
            names = list(dict.fromkeys(entry.id for entry in self.dropped if entry.reason == reason))
            shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
            line += f"; {count} {reason} ({shown})"
        return line

    def write(self, path: Path) -> None:
        """Write the summary and one line for everything that was left out.

        Raises:
            UserError: if the file cannot be written.
        """
        lines = [self.summary(), *(f"{entry.id}\t{entry.reason}\t{entry.detail}" for entry in self.dropped)]
        write_atomically(path, lambda file: file.write(("\n".join(lines) + "\n").encode()))
