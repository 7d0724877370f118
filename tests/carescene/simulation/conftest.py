"""Fixtures of the simulation's tests: recordings written down by hand, so that no real ones are needed."""

from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.clips import OMNIFALL_ID, Clip, PersonInfo, Source, save_clip
from carescene.humans.skeleton import JOINT

FPS = 20
# The pelvis of the reference body stands this high, metres, and sits this high on a usual chair.
_STANDING, _SITTING = 0.93, 0.56
_UPRIGHT = Rotation.from_euler("x", 90, degrees=True)  # rest frame (y up) to world (z up): faces -y


def _poses(frames: int) -> Float[np.ndarray, "frame 24 3"]:
    """Standing with hanging arms."""
    poses = np.zeros((frames, 24, 3))
    poses[:, 0] = _UPRIGHT.as_rotvec()
    poses[:, JOINT["left_shoulder"], 2], poses[:, JOINT["right_shoulder"], 2] = -1.25, 1.25
    return poses


def _walk(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    poses, time = _poses(frames), np.arange(frames) / FPS
    swing = 0.45 * np.sin(2 * np.pi * time)
    poses[:, JOINT["left_hip"], 0], poses[:, JOINT["right_hip"], 0] = -swing, swing
    forwards = np.cos(2 * np.pi * time)
    poses[:, JOINT["left_knee"], 0] = 0.15 + 0.6 * np.clip(forwards, 0, None)
    poses[:, JOINT["right_knee"], 0] = 0.15 + 0.6 * np.clip(-forwards, 0, None)
    trans = np.stack((np.zeros(frames), -0.9 * time, np.full(frames, _STANDING - 0.02)), axis=-1)
    return poses, trans, np.full(frames, OMNIFALL_ID["walk"])


def _stand(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    poses, trans = _poses(frames), np.tile([0.0, 0.0, _STANDING], (frames, 1))
    return poses, trans, np.full(frames, OMNIFALL_ID["standing"])


def _reach(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    poses, trans, labels = _stand(frames)
    lift = np.clip(np.linspace(0.0, 2.0, frames), 0.0, 1.0)
    poses[:, JOINT["right_shoulder"], 2] = 1.25 - 1.2 * lift
    return poses, trans, labels


def _seated(poses: np.ndarray, share: np.ndarray) -> None:
    for side in ("left", "right"):
        poses[:, JOINT[f"{side}_hip"], 0] = -1.5 * share
        poses[:, JOINT[f"{side}_knee"], 0] = 1.5 * share


def _sit_down(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    poses, trans, labels = _stand(frames)
    share = np.clip((np.arange(frames) / FPS - 1.5) / 1.2, 0.0, 1.0)
    _seated(poses, share)
    trans[:, 2] = _STANDING + share * (_SITTING - _STANDING)
    # Hips go back while they go down.
    trans[:, 1] = 0.35 * share
    labels[(share > 0) & (share < 1)] = OMNIFALL_ID["sit_down"]
    labels[share == 1] = OMNIFALL_ID["sitting"]
    return poses, trans, labels


def _sit(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    poses, trans, labels = _stand(frames)
    _seated(poses, np.ones(frames))
    trans[:, 2] = _SITTING
    labels[:] = OMNIFALL_ID["sitting"]
    return poses, trans, labels


def _lie(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    poses, trans, labels = _stand(frames)
    # On the back, head towards +y.
    poses[:, 0] = (Rotation.from_euler("x", -90, degrees=True) * _UPRIGHT).as_rotvec()
    trans[:, 2] = 0.15
    labels[:] = OMNIFALL_ID["lying"]
    return poses, trans, labels


_RECORDINGS = {
    "walk": ("walk", _walk),
    "turn": ("walk_turn_left", _walk),
    "stand": ("standing", _stand),
    "reach": ("reach", _reach),
    "sit-down": ("sit_down", _sit_down),
    "sit": ("sitting", _sit),
    "lie": ("lying", _lie),
}


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `lightning prepare mocap` writes, with one recording of every activity in each split."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "splits").mkdir()
    for split in ("train", "val", "test"):
        names = []
        for name, (kind, make) in _RECORDINGS.items():
            poses, trans, labels = make(6 * FPS)
            clip = Clip(
                id=f"{name}-{split}",
                fps=float(FPS),
                poses=poses[None].astype(np.float32),
                trans=trans[None].astype(np.float32),
                betas=np.zeros((1, 10), np.float32),
                frame_label=labels[None].astype(np.int8),
                valid=np.ones((1, len(trans)), bool),
                persons=[PersonInfo()],
                attributes={"action": kind, "class": kind, "style": "normal"},
                source=Source("handmade", "MIT", f"{name}-{split}"),
            )
            save_clip(clip, folder / "clips")
            names.append(clip.id)
        (folder / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return folder
