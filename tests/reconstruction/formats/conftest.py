"""People with a different place for every landmark, and the video that they are in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reconstruction.formats import read_keypoints
from reconstruction.observations import LANDMARK, LANDMARKS, Keypoints


def place(name: str, person: int = 0, frame: int = 0) -> tuple[float, float]:
    """Where the tests put a landmark, in a video of 640 x 480: never twice the same x."""
    index = LANDMARK[name]
    return 100.25 + 4 * index + 250 * person + frame, 60.5 + 12 * index


@pytest.fixture
def where() -> Callable[..., tuple[float, float]]:
    return place


@pytest.fixture
def read() -> Callable[..., Keypoints]:
    """Read a file as one of a video of 640 x 480 with this many frames at 20 per second."""

    def reader(path: Path, count: int = 3, width: int = 640, height: int = 480, **options: object) -> Keypoints:
        frames = np.arange(count)
        return read_keypoints(path, frames / 20.0, frames, width, height, **({"total": count} | options))  # type: ignore

    return reader


@pytest.fixture
def expect() -> Callable[..., None]:
    """Check that exactly these landmarks are where `place` put them, moved by `offset` and scaled."""

    def check(
        found: Keypoints, person: int, frame: int, names: tuple[str, ...], *,
        at: int | None = None, as_person: int | None = None, offset: float = 0.0, scale: float = 1.0,
    ) -> None:  # fmt: skip
        assert {LANDMARKS[k] for k in np.flatnonzero(found.seen[person, frame])} == set(names)
        who, when = person if as_person is None else as_person, frame if at is None else at
        wanted = (np.array([place(name, who, when) for name in names]) + offset) * scale
        columns = [LANDMARK[name] for name in names]
        np.testing.assert_allclose(found.pixels[person, frame, columns], wanted, atol=1e-9)
        assert np.isnan(found.pixels[person, frame, ~found.seen[person, frame]]).all()

    return check
