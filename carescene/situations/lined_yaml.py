"""YAML that remembers on which line everything stands, so that every refusal can name it."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml

from carescene.errors import UserError

# A situation is a page of text. Aliases can make a page stand for billions of nodes.
_MOST_NODES: Final = 20_000
_DEEPEST: Final = 20


@dataclass
class Lined:
    """A value of a YAML file: what it is, where it stands, and what it holds.

    Attributes:
        value: a plain scalar, a dict of names to `Lined`, or a list of `Lined`.
        line: counted from 1.
        path: such as "persons[0].start".
        file: name of the file, for messages.
        lines: path -> line of everything in the file, shared by all of it.
    """

    value: Any
    line: int
    path: str
    file: str
    lines: dict[str, int] = field(default_factory=dict, repr=False)

    def refuse(self, expected: str, got: str | None = None, advice: str = "correct it") -> NoReturn:
        """Raise a UserError of one sentence that names the line and the key."""
        told = told_value(self.value) if got is None else got
        raise UserError(refusal(self.file, self.line, f"`{self.path}` to be {expected}", told, advice))

    # ------------------------------------------------------------------------------ mappings

    def only(self, keys: Sequence[str]) -> "Lined":
        """Itself, if it is a mapping of these keys only."""
        if not isinstance(self.value, dict):
            self.refuse(f"the keys {', '.join(keys)}", advice="write them as names with values")
        for name, entry in self.value.items():
            if name not in keys:
                raise UserError(
                    refusal(
                        self.file,
                        entry.line,
                        f"a key out of {', '.join(keys)}" + (f" in `{self.path}`" if self.path else ""),
                        repr(name),
                        nearest(name, keys) or "remove it",
                    )
                )
        return self

    def get(self, key: str) -> "Lined | None":
        """The entry of a mapping; None if it is absent or empty (null)."""
        entry = self.value.get(key)
        return None if entry is None or entry.value is None else entry

    def items(self) -> list["Lined"]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list", advice="begin each entry with a dash")
        return self.value

    # ------------------------------------------------------------------------------- scalars

    def number(self, low: float | int = -math.inf, high: float | int = math.inf, what: str = "a number") -> float:
        """A finite number within bounds."""
        value = self.value
        bounds = _bounds(low, high)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.refuse(f"{what}{bounds}")
        if not low <= value <= high:
            self.refuse(f"{what}{bounds}")
        return float(value)

    def whole(self, low: int, high: int, what: str = "a whole number") -> int:
        """A whole number within bounds."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.refuse(f"{what} from {low} to {high}")
        return value

    def word(self, choices: Sequence[str] | None = None, what: str = "a word") -> str:
        """A word, one of the choices if there are any; a wrong one is answered with the nearest right one."""
        value = self.value
        if not isinstance(value, str) or not value.strip():
            self.refuse(f"one of {', '.join(choices)}" if choices is not None else what)
        word = " ".join(value.split())
        if choices is not None and word not in choices:
            self.refuse(f"one of {', '.join(choices)}", advice=nearest(word, choices) or "choose one of these")
        return word


def read_lined(text: str, file: str) -> Lined:
    """A YAML text as a tree that knows its lines.

    Raises:
        UserError: one sentence with the line, for broken YAML, keys that stand twice, or more than one document.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        what = error.problem or "something unreadable"
        raise UserError(refusal(file, line, "valid YAML", what, "check quotes, colons and indents")) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        got = " ".join(str(error).split())[:120]
        raise UserError(refusal(file, 1, "valid YAML", got, "write it as plain text")) from error
    if node is None:
        raise UserError(refusal(file, 1, "a situation", "an empty file", "write at least `text: ...`"))
    return _Tree(file).lined(node, "", 0)


def refusal(file: str, line: int | None, expected: str, got: str, advice: str) -> str:
    """One sentence: where, what was expected, what came, and what to do."""
    where = f"{file}, line {line}" if line is not None else file
    return f"{where}: expected {expected}, but got {got}; {advice}."


def nearest(word: str, choices: Sequence[str]) -> str:
    """Advice that names the choice most like a word, or nothing if none is like it."""
    found = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.5)
    return f"'{found[0]}' is probably meant" if found else ""


def told_value(value: Any) -> str:
    """A value as a message shows it, cut to a readable length."""
    if isinstance(value, dict):
        return f"a mapping of {', '.join(map(str, value))}"[:80] if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _bounds(low: float | int, high: float | int) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f" of at least {low:g}"
    return f" from {low:g} to {high:g}"


class _Tree:
    """Turns YAML's own nodes into `Lined`, counting them."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[str, int] = {}
        self._count = 0
        self._scalars = yaml.SafeLoader("")

    def lined(self, node: yaml.Node, path: str, depth: int) -> Lined:
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > _MOST_NODES or depth > _DEEPEST:
            raise UserError(
                refusal(self._file, line, "a situation of a page or two", "far too many nested parts", "shorten it")
            )
        self._lines[path] = line
        if isinstance(node, yaml.MappingNode):
            value: Any = self._mapping(node, path, depth)
        elif isinstance(node, yaml.SequenceNode):
            value = [self.lined(item, f"{path}[{at}]", depth + 1) for at, item in enumerate(node.value)]
        else:
            value = self._scalar(node)
        return Lined(value, line, path, self._file, self._lines)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Lined]:
        found: dict[str, Lined] = {}
        for key, value in node.value:
            name, line = self._scalar(key), key.start_mark.line + 1
            if isinstance(key, yaml.CollectionNode):
                raise UserError(refusal(self._file, line, "a name before the colon", "a list or mapping", "name it"))
            name = str(name)
            if name in found:
                raise UserError(
                    refusal(
                        self._file, line, f"`{name}` once", f"it again (first on line {found[name].line})", "keep one"
                    )
                )
            below = f"{path}.{name}" if path else name
            found[name] = self.lined(value, below, depth + 1)
            # The key's own line is what people look for: a block value begins on the next one.
            found[name].line = self._lines[below] = line
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return None
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            line = node.start_mark.line + 1
            raise UserError(refusal(self._file, line, "a plain value", repr(node.value)[:80], "quote it")) from error
        # Dates and bytes are words here.
        return value if value is None or isinstance(value, bool | int | float | str) else node.value
