"""What a result was computed with: a digest of the sources and bundled weights behind a module.

A kept result must not outlive the code that made it. A number that people have to raise is forgotten sooner or later,
and the program's own version stands still while it is developed; so the sources are looked at themselves. Only those
that a module imports count, directly or through others, so that a change of the optimisation does not make a detector
run for hours again. Comments count too: to tell which changes matter is not worth a mistake.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

# What is imported from elsewhere is fixed by the installation.
_OURS: Final = ("carescene", "reconstruction")
_ROOT: Final = Path(__file__).parent.parent
_ASSETS: Final = _ROOT / "carescene" / "assets"


@functools.cache
def code_version(*modules: str) -> str:
    """Digest of the modules' sources, of those of ours that they import, and of the bundled files that these name.

    Read once in a process: what runs is what was read when it began.

    Args:
        modules: full names, such as `reconstruction.solver`; they must exist.
    """
    sources = module_sources(*modules)
    digest = hashlib.sha256()
    for path in (*sources, *_named_assets(sources)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def module_sources(*modules: str) -> list[Path]:
    """Source files of the modules and of all of ours that they import, directly or not, sorted."""
    waiting = [path for name in modules if (path := _source(name)) is not None]
    assert len(waiting) == len(modules), f"no such modules: {modules}"
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [source for name in _imports(path) if (source := _source(name)) is not None]
    return sorted(found)


def _source(name: str) -> Path | None:
    """The file of a module or package of ours; None for anything else."""
    if name.split(".", 1)[0] not in _OURS:
        return None
    place = _ROOT.joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """Names that a source imports anywhere in it: modules, and what is taken out of them, which may be modules too."""
    for package, names in _read(path).imports:
        yield from names
        # A package's own file is behind a name only if no module has that name.
        if any(_source(name) is None for name in names):
            yield package


def _named_assets(sources: list[Path]) -> list[Path]:
    texts = frozenset[str]().union(*(_read(path).texts for path in sources))
    return sorted(path for path in _ASSETS.iterdir() if path.name in texts)


class _Read(NamedTuple):
    """What is taken out of a source: (package, full names) of its imports, and its strings that may name a file."""

    imports: tuple[tuple[str, tuple[str, ...]], ...]
    texts: frozenset[str]


@functools.cache
def _read(path: Path) -> _Read:
    imports: list[tuple[str, tuple[str, ...]]] = []
    texts: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            imports += [(name.name, (name.name,)) for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            imports.append((node.module, tuple(f"{node.module}.{name.name}" for name in node.names)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 64:
            texts.add(node.value)
    return _Read(tuple(imports), frozenset(texts))
