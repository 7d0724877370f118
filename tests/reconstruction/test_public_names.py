"""What `import reconstruction` offers, and what it must not pull in."""

import subprocess
import sys
from pathlib import Path

import pytest

import reconstruction


@pytest.mark.slow
def test_every_name_is_there() -> None:
    for name in reconstruction.__all__:
        assert getattr(reconstruction, name).__class__.__name__ != "module", name
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(reconstruction, "no_such_name")  # noqa: B009


def test_no_name_is_that_of_a_module() -> None:
    """What such a name means would depend on what was imported before."""
    modules = {path.stem for path in Path(reconstruction.__path__[0]).iterdir()}
    assert not modules & set(reconstruction.__all__)


def test_importing_it_is_light() -> None:
    heavy = {"mediapipe", "open3d", "transformers", "mujoco", "lightning", "cv2"}
    code = f"import sys, reconstruction; print({heavy} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "set()\n"
