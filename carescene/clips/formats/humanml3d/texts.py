"""Text files of HumanML3D: one caption a line, `caption#word/TAG word/TAG ...#start#end`."""

import math
from dataclasses import dataclass
from pathlib import Path

from carescene.errors import UserError


@dataclass(frozen=True)
class TaggedCaption:
    """One caption of a motion.

    Attributes:
        text: as people wrote it.
        tokens: its words with their part of speech, `word/TAG`, as the file has them; none added, none cut off.
        start_s, end_s: the part of the motion that it describes, seconds; both 0 for all of it.
        line: its number in the file, counted from 1.
    """

    text: str
    tokens: tuple[str, ...]
    start_s: float
    end_s: float
    line: int

    @property
    def whole(self) -> bool:
        """Whether it describes the whole motion."""
        return self.start_s == 0.0 and self.end_s == 0.0


def read_captions(path: Path) -> list[TaggedCaption]:
    """Captions of a text file in its order; empty lines count as none, and a time that is NaN as 0.

    Raises:
        UserError: no such file, no caption in it, or a line that does not have the four parts, named.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise UserError(
            f"Expected captions in texts/{path.name}, but there is no such file. Unpack texts.zip again."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"Expected to read captions in {path.name}, but got: {error}. Unpack texts.zip again."
        ) from error
    captions = [parse_caption(line, path.name, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if not captions:
        raise UserError(f"Expected at least one caption in texts/{path.name}, but got none. Unpack texts.zip again.")
    return captions


def parse_caption(line: str, name: str, number: int) -> TaggedCaption:
    """One line of a text file.

    Args:
        line: `caption#tokens#start#end`; the caption itself may contain `#`.
        name, number: of the file and the line, for the message.

    Raises:
        UserError: if parts are missing or the times are none.
    """
    parts = line.strip().rsplit("#", 3)
    if len(parts) != 4 or not parts[0].strip():
        raise UserError(
            f"Expected 'caption#tokens#start#end' in {name}, line {number}, but got {line.strip()[:80]!r}. "
            "The file is cut off or of another data set; unpack texts.zip again."
        )
    times: list[float] = []
    for part in parts[2:]:
        try:
            time = float(part)
        except ValueError:
            time = -1.0
        times.append(0.0 if math.isnan(time) else time)
    start, end = times
    # A part that ends before it starts has no frames: the reader leaves it out as too short, as the published one does.
    if not (0.0 <= start < math.inf and 0.0 <= end < math.inf):
        raise UserError(
            f"Expected start and end in seconds in {name}, line {number}, but got {parts[2]!r} and {parts[3]!r}. "
            "Correct the line."
        )
    return TaggedCaption(parts[0].strip(), tuple(parts[1].split()), start, end, number)


def caption_line(caption: TaggedCaption) -> str:
    """The line of a text file that says this; the inverse of `parse_caption`."""
    return f"{caption.text}#{' '.join(caption.tokens)}#{caption.start_s}#{caption.end_s}"
