"""Fixtures of the reconstruction's tests."""

from collections.abc import Callable

import numpy as np
import pytest

from carescene.clips.clip import Clip


def _moving_clip(frames: int = 30, persons: int = 1, fps: float = 20.0, seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    start, speed = rng.normal(0, 0.25, (2, persons, 1, 24, 3))
    poses = start + 0.5 * speed * np.linspace(0, 1, frames)[None, :, None, None]
    poses[:, :, 0] = [np.pi / 2, 0.05, 0.02]  # y up to z up
    poses[:, :, [22, 23]] = 0
    trans = np.broadcast_to(np.linspace([0, 0, 0.95], [0.5, 0.3, 0.95], frames), (persons, frames, 3))
    return Clip(
        id="moving",
        fps=fps,
        poses=poses.astype(np.float32),
        trans=trans.astype(np.float32),
        betas=rng.normal(0, 1, (persons, 10)).astype(np.float32),
        frame_label=np.zeros((persons, frames), np.int8),
        valid=np.ones((persons, frames), bool),
    )


@pytest.fixture(scope="session")
def moving_clip() -> Callable[..., Clip]:
    """Makes clips of somebody upright who bends every joint slowly at random; arguments frames, persons, fps, seed."""
    return _moving_clip
