"""Windows of long takes."""

from itertools import pairwise

import numpy as np
import pytest

from carescene.clips.prepare.windows import cut_windows

FPS = 20.0


def moving(frames: int, still: tuple[int, int] | None = None) -> np.ndarray:
    speed = np.full(frames, 0.05)
    if still is not None:
        speed[still[0] : still[1]] = 0.0
    joints = np.zeros((frames, 24, 3))
    joints[..., 0] = np.cumsum(speed)[:, None]
    return joints


def test_short_takes_are_one_window_or_none() -> None:
    assert cut_windows(moving(19), FPS) == []
    assert cut_windows(moving(20), FPS) == [(0, 20)]
    assert cut_windows(moving(200), FPS) == [(0, 200)]


@pytest.mark.parametrize("frames", [201, 250, 399, 400, 777, 1266])
def test_long_takes_are_covered_once_by_legal_windows(frames: int) -> None:
    windows = cut_windows(moving(frames), FPS)
    assert windows[0][0] == 0 and windows[-1][1] == frames
    assert all(first[1] == second[0] for first, second in pairwise(windows))
    assert all(20 <= end - start <= 200 for start, end in windows)


def test_cuts_lie_where_the_body_rests() -> None:
    (first, second) = cut_windows(moving(300, still=(140, 170)), FPS)
    assert 140 <= first[1] <= 170 and second == (first[1], 300)
