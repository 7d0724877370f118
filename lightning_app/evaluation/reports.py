"""Reports of `lightning evaluate`: numbers as JSON for programs, tables as Markdown for people."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carescene.files import write_atomically


def write_report(out: Path, name: str, numbers: dict[str, Any], text: str) -> None:
    """Write `<out>/<name>.json` and `<out>/<name>.md`.

    Raises:
        UserError: when the folder cannot be written.
    """
    encoded = json.dumps(_finite(numbers), indent=1, ensure_ascii=False) + "\n"
    write_atomically(out / f"{name}.json", lambda file: file.write(encoded.encode()))
    write_atomically(out / f"{name}.md", lambda file: file.write(text.encode()))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers are rounded to three digits that count."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(shown(cell) for cell in line) + " |" for line in lines) + "\n"


def shown(value: object) -> str:
    """A value as a person wants to read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "-"
        if value and abs(value) < 1000:
            digits = max(0, 2 - math.floor(math.log10(abs(value))))
            return f"{value:.{min(digits, 5)}f}"
        return f"{value:.0f}"
    return "-" if value is None else str(value)


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), which stays within 0 and 1.

    Example:
        >>> low, high = wilson_interval(90, 100)
        >>> round(low, 3), round(high, 3)
        (0.826, 0.945)
    """
    if total == 0:
        return 0.0, 1.0
    z, share = 1.959964, hits / total
    centre = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (centre - half) / (1 + z * z / total), (centre + half) / (1 + z * z / total)


def _finite(value: Any) -> Any:
    # JSON has no infinity; a missing number says the same.
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
