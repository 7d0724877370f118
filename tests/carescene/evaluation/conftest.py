"""People who act by a list of postures, for the checks of situations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from carescene.clips import Clip
from carescene.humans.skeleton import JOINT

FPS = 20.0


@dataclass(frozen=True)
class Key:
    """A posture at a time: pelvis in metres, trunk turned by Euler angles, hips and knees bent by degrees.

    `pitch` 90 stands upright facing -y, 0 lies on the back with the head towards +y, 180 on the face; `roll` tips the
    standing person about the world's y axis: 90 to its left side.
    """

    time_s: float
    at: tuple[float, float, float]
    pitch: float = 90.0
    roll: float = 0.0
    hips: float = 0.0
    knees: float = 0.0
    yaw: float = 0.0
    arms: float = -75.0


def acted(keys: Sequence[Key], name: str = "acted", scene: dict | None = None) -> Clip:
    """A clip of one person who goes from posture to posture, smoothly and without any physics."""
    seconds = keys[-1].time_s
    frames = round(seconds * FPS) + 1
    times = np.minimum(np.arange(frames) / FPS, seconds)
    moments = np.array([key.time_s for key in keys])
    turns = Rotation.concatenate(
        [
            Rotation.from_euler("z", key.yaw, degrees=True)
            * Rotation.from_euler("y", key.roll, degrees=True)
            * Rotation.from_euler("x", key.pitch, degrees=True)
            for key in keys
        ]
    )

    def value(get: Callable[[Key], float]) -> np.ndarray:
        return np.interp(times, moments, [get(key) for key in keys])

    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[0, :, 0] = Slerp(moments, turns)(times).as_rotvec()
    for side, sign in (("left", 1), ("right", -1)):
        poses[0, :, JOINT[f"{side}_hip"], 0] = -np.radians(value(lambda key: key.hips))
        poses[0, :, JOINT[f"{side}_knee"], 0] = np.radians(value(lambda key: key.knees))
        poses[0, :, JOINT[f"{side}_shoulder"], 2] = sign * np.radians(value(lambda key: key.arms))
    trans = np.stack([value(lambda key, axis=axis: key.at[axis]) for axis in range(3)], axis=-1)
    return Clip(
        id=name,
        fps=FPS,
        poses=poses,
        trans=trans[None].astype(np.float32),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, frames), -1, np.int8),
        valid=np.ones((1, frames), bool),
        scene=scene,
    )


STAND = (0.0, 0.0, 0.95)

SCRIPTS: dict[str, list[Key]] = {
    "standing": [Key(0.0, STAND), Key(3.0, STAND)],
    "walking": [Key(0.0, STAND), Key(3.0, (0.0, -3.0, 0.95))],
    "falls backward": [
        Key(0.0, STAND),
        Key(1.5, STAND),
        Key(2.2, (0.0, 0.55, 0.14), pitch=0.0),
        Key(4.0, (0.0, 0.55, 0.14), pitch=0.0),
    ],
    "falls forward": [
        Key(0.0, STAND),
        Key(1.5, STAND),
        Key(2.2, (0.0, -0.55, 0.14), pitch=180.0),
        Key(4.0, (0.0, -0.55, 0.14), pitch=180.0),
    ],
    "falls left": [
        Key(0.0, STAND),
        Key(1.5, STAND),
        Key(2.2, (0.55, 0.0, 0.17), roll=90.0),
        Key(4.0, (0.55, 0.0, 0.17), roll=90.0),
    ],
    "falls right": [
        Key(0.0, STAND),
        Key(1.5, STAND),
        Key(2.2, (-0.55, 0.0, 0.17), roll=-90.0),
        Key(4.0, (-0.55, 0.0, 0.17), roll=-90.0),
    ],
    "collapses": [
        Key(0.0, STAND),
        Key(1.5, STAND),
        Key(2.1, (0.0, 0.1, 0.15), pitch=115.0, hips=140.0, knees=140.0),
        Key(4.0, (0.0, 0.1, 0.15), pitch=115.0, hips=140.0, knees=140.0),
    ],
    "lies down on the floor slowly": [
        Key(0.0, STAND),
        Key(1.0, STAND),
        Key(4.0, (0.0, 0.3, 0.14), pitch=75.0, hips=100.0, knees=60.0),
        Key(6.0, (0.0, 0.3, 0.14), pitch=0.0),
        Key(7.0, (0.0, 0.3, 0.14), pitch=0.0),
    ],
    "sits down": [
        Key(0.0, STAND),
        Key(1.0, STAND),
        Key(2.4, (0.0, 0.3, 0.55), hips=90.0, knees=90.0),
        Key(4.0, (0.0, 0.3, 0.55), hips=90.0, knees=90.0),
    ],
    "drops into a chair": [
        Key(0.0, STAND),
        Key(1.0, STAND),
        Key(1.45, (0.0, 0.3, 0.55), hips=90.0, knees=90.0),
        Key(3.0, (0.0, 0.3, 0.55), hips=90.0, knees=90.0),
    ],
    "stands up": [
        Key(0.0, (0.0, 0.3, 0.55), hips=90.0, knees=90.0),
        Key(1.0, (0.0, 0.3, 0.55), hips=90.0, knees=90.0),
        Key(2.4, STAND),
        Key(4.0, STAND),
    ],
    "kneels down": [
        Key(0.0, STAND),
        Key(1.0, STAND),
        Key(2.6, (0.0, 0.0, 0.52), knees=90.0),
        Key(4.0, (0.0, 0.0, 0.52), knees=90.0),
    ],
    "bends": [
        Key(0.0, STAND),
        Key(1.0, (0.0, 0.0, 0.93), pitch=140.0, hips=50.0),
        Key(3.0, (0.0, 0.0, 0.93), pitch=140.0, hips=50.0),
    ],
    "gets up from the floor": [
        Key(0.0, (0.0, 0.3, 0.14), pitch=0.0),
        Key(1.0, (0.0, 0.3, 0.14), pitch=0.0),
        Key(3.5, (0.0, 0.0, 0.5), knees=90.0),
        Key(5.0, STAND),
        Key(6.0, STAND),
    ],
}


@pytest.fixture
def play() -> Callable[..., Clip]:
    """Plays one of `SCRIPTS` by name, or a list of `Key`s."""

    def make(script: str | Sequence[Key], scene: dict | None = None) -> Clip:
        keys = SCRIPTS[script] if isinstance(script, str) else script
        return acted(keys, scene=scene)

    return make


@pytest.fixture
def key() -> type[Key]:
    """The class of one posture."""
    return Key
