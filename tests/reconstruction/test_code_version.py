"""The digest of the sources behind a module."""

from pathlib import Path

import pytest

from reconstruction import code_version as versions
from reconstruction.code_version import code_version, module_sources


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small program: `solver` imports `maths` from a package and reads `net.bin`; `detector` stands alone."""
    sources = {
        "reconstruction/__init__.py": "",
        "reconstruction/solver.py": "import numpy\nfrom reconstruction.tools import maths\nWEIGHTS = 'net.bin'\n",
        "reconstruction/tools/__init__.py": "",
        "reconstruction/tools/maths.py": "def f():\n    from carescene.errors import UserError\n",
        "reconstruction/detector.py": "import reconstruction.detector\n",
        "carescene/errors.py": "class UserError(Exception): ...\n",
        "carescene/assets/net.bin": "1",
        "carescene/assets/other.bin": "1",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(versions, "_ROOT", tmp_path)
    monkeypatch.setattr(versions, "_ASSETS", tmp_path / "carescene" / "assets")
    return tmp_path


def now(*modules: str) -> str:
    """As a new process sees it."""
    code_version.cache_clear()
    versions._read.cache_clear()
    return code_version(*modules)


def test_imports_are_followed_within_our_own_code(program: Path) -> None:
    found = [path.relative_to(program).as_posix() for path in module_sources("reconstruction.solver")]
    assert found == ["carescene/errors.py", "reconstruction/solver.py", "reconstruction/tools/maths.py"]


@pytest.mark.parametrize(
    ("changed", "solver", "detector"),
    [
        ("reconstruction/solver.py", True, False),
        ("reconstruction/tools/maths.py", True, False),
        ("carescene/errors.py", True, False),
        ("carescene/assets/net.bin", True, False),
        ("carescene/assets/other.bin", False, False),
        ("reconstruction/detector.py", False, True),
    ],
)
def test_a_change_makes_a_new_version_of_what_it_touches(
    program: Path, changed: str, solver: bool, detector: bool
) -> None:
    before = now("reconstruction.solver"), now("reconstruction.detector")
    assert before == (now("reconstruction.solver"), now("reconstruction.detector"))
    with (program / changed).open("a") as file:
        file.write("# another\n")
    after = now("reconstruction.solver"), now("reconstruction.detector")
    assert [one != other for one, other in zip(before, after, strict=True)] == [solver, detector]


def test_the_real_stages_know_their_weights_and_stay_apart() -> None:
    lifter = module_sources("reconstruction.lifter")
    assert "lifter.safetensors" in {path.name for path in versions._named_assets(lifter)}
    detector = {path.name for path in module_sources("reconstruction.detect")}
    solver = {path.name for path in module_sources("reconstruction.solver")}
    assert "body_finder.py" in detector and "optimiser.py" in solver
    assert not detector & {"optimiser.py", "calibration.py", "lifter.py"}


def test_a_module_that_is_not_there_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="no such modules"):
        module_sources("reconstruction.nothing")
