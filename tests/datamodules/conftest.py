"""Prepared folders with several people, bodies and rooms."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from carescene.clips import Clip, Event, PersonInfo, save_clip
from carescene.scenes import generate_scene, scene_to_dict

ROLES = ("patient", "staff", "visitor")


def world_clip(name: str, frames: int, persons: int, room: int | None, *, shaped: bool, group: str) -> Clip:
    """People who walk apart in curves, turned anywhere; the last of three comes in after half a second."""
    rng = np.random.default_rng([frames, persons, len(name)])
    time = np.arange(frames) / 20
    poses = rng.normal(0, 0.15, (persons, 1, 24, 3)) + 0.1 * np.sin(
        time[:, None, None] * rng.uniform(1, 6, (persons, 1, 24, 3))
    )
    turn = rng.uniform(-3, 3, (persons, 1)) + 0.3 * time
    half = turn / 2
    # Upright, then turned about the vertical: the rotation vector of Rz(turn) Rx(90 degrees).
    quaternion = np.stack([np.cos(half), np.cos(half), np.sin(half), np.sin(half)], -1) / np.sqrt(2)
    angle = 2 * np.arccos(np.clip(quaternion[..., 0], -1, 1))
    axis = quaternion[..., 1:] / np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    poses[:, :, 0] = axis * angle[..., None]
    trans = np.zeros((persons, frames, 3))
    trans[..., 0] = rng.uniform(1, 3, (persons, 1)) + 0.5 * np.sin(time)
    trans[..., 1] = rng.uniform(1, 3, (persons, 1)) + 0.8 * time
    trans[..., 2] = 0.93
    valid = np.ones((persons, frames), dtype=bool)
    if persons == 3:
        valid[2, :10] = False
        trans[2, :10] = np.nan
    return Clip(
        id=name,
        fps=20.0,
        poses=poses.astype(np.float32),
        trans=trans.astype(np.float32),
        betas=(rng.normal(0, 1, (persons, 10)) * shaped).astype(np.float32),
        frame_label=rng.integers(-1, 3, (persons, frames)).astype(np.int8),
        valid=valid,
        text=["a person walks by the left wall", "somebody walks"] if group != "silent" else [],
        persons=[PersonInfo(role=ROLES[number]) for number in range(persons)],
        events=[Event(0, "walk", 0.0, 0.5, ward_event="walk_free")],
        attributes={} if group == "walk_free" else {"action": group},
        scene=None if room is None else scene_to_dict(generate_scene("ward_single", room)),
    )


def write_worlds(folder: Path) -> Path:
    """12 training clips, 4 of validation: one, two and three people, with and without rooms, bodies and captions."""
    for split, count in (("train", 12), ("val", 4), ("test", 0)):
        names = [f"{split}-{number}" for number in range(count)]
        for number, name in enumerate(names):
            persons = 1 + number % 3
            room = number % 2 if number % 4 < 2 else None
            group = "silent" if number == 5 else "walk_free" if number % 4 else "rare"
            clip = world_clip(name, 30 + 3 * number, persons, room, shaped=number % 2 == 1, group=group)
            save_clip(clip, folder / "clips")
        (folder / "splits").mkdir(exist_ok=True)
        (folder / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


@pytest.fixture(scope="session")
def worlds_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder of people in rooms that is shared: read only."""
    return write_worlds(tmp_path_factory.mktemp("worlds"))


@pytest.fixture
def worlds_folder(worlds_source: Path, tmp_path: Path) -> Path:
    """A prepared folder of people in rooms, of this test's own."""
    return Path(shutil.copytree(worlds_source, tmp_path / "worlds", ignore=shutil.ignore_patterns("packs")))
