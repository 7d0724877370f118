"""Rendered items and clips that are small, but whole: real films, labels that fit, a card."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from carescene.clips import OMNIFALL_ID, Clip, PersonInfo, Source, save_clip
from carescene.clips.rendered import Card, FilmLabels, item_name, save_card, save_labels
from carescene.rendering.video import write_depth_video, write_gray_video, write_video

FRAMES, WIDTH, HEIGHT, FPS = 10, 48, 32, 10.0
# Person 0 stands left, person 1 right: pixel columns from, to.
COLUMNS = ((6, 18), (30, 40))
ROWS = (4, 28)


def small_clip(name: str, label: str, persons: int = 1, source: Source | None = None) -> Clip:
    """People who bow; the first half of the frames is standing, the second has the label."""
    rng = np.random.default_rng(sum(map(ord, name)))
    poses = rng.normal(0, 0.2, (persons, FRAMES, 24, 3)).astype(np.float32)
    trans = np.cumsum(rng.normal(0, 0.02, (persons, FRAMES, 3)), axis=1).astype(np.float32)
    labels = np.full((persons, FRAMES), OMNIFALL_ID["standing"], np.int8)
    labels[0, FRAMES // 2 :] = OMNIFALL_ID[label]
    return Clip(
        id=name,
        fps=FPS,
        poses=poses,
        trans=trans + np.array([0, 0, 0.93], np.float32),
        betas=rng.normal(0, 0.5, (persons, 10)).astype(np.float32),
        frame_label=labels,
        valid=np.ones((persons, FRAMES), dtype=bool),
        persons=[PersonInfo(sex="female")] * persons,
        source=source,
    )


def film_labels(clip: Clip) -> FilmLabels:
    """Labels of a film in which people stand in their columns and points lie inside of them."""
    shape = clip.frame_label.shape
    box = np.zeros((*shape, 4), np.float32)
    keypoints = np.zeros((*shape, 17, 3), np.float32)
    rng = np.random.default_rng(0)
    for person in range(shape[0]):
        left, right = COLUMNS[person]
        box[person] = left, ROWS[0], right, ROWS[1]
        keypoints[person, ..., 0] = rng.uniform(left, right, (shape[1], 17))
        keypoints[person, ..., 1] = rng.uniform(*ROWS, (shape[1], 17))
        keypoints[person, ..., 2] = 2
        keypoints[person, :, 15, 2] = 1
        keypoints[person, :, 16] = 0
    return FilmLabels(
        times=np.arange(FRAMES) / FPS,
        frame_label=clip.frame_label,
        box=box,
        keypoints=keypoints,
        joints=np.zeros((*shape, 24, 3), np.float32),
        visible_fraction=np.ones(shape, np.float32),
        valid=clip.valid,
    )


def write_item(
    folder: Path,
    clip: Clip,
    camera: str = "wall",
    label: str = "fall",
    modalities: Sequence[str] = ("rgb", "depth", "instances"),
) -> Path:
    """One rendered item; its films show the brightness of the frame number, and people in their columns."""
    item = folder / item_name(clip.id, camera)
    save_clip(clip, item)
    (item / "scene.json").write_text("{}")
    ids = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for person in range(clip.num_persons):
        ids[:, ROWS[0] : ROWS[1], slice(*COLUMNS[person])] = 1 + person
    files = {}
    if "rgb" in modalities:
        pictures = np.repeat(np.arange(FRAMES, dtype=np.uint8)[:, None, None, None] * 20, 3, axis=3)
        write_video(item / "rgb.mp4", np.broadcast_to(pictures, (FRAMES, HEIGHT, WIDTH, 3)), FPS)
        files["rgb"] = "rgb.mp4"
    if "depth" in modalities:
        write_depth_video(item / "depth.mkv", ids.astype(np.uint16) * 1000, FPS)
        files["depth"] = "depth.mkv"
    if "instances" in modalities:
        write_gray_video(item / "instances.mkv", ids, FPS)
        files["instances"] = "instances.mkv"
    save_labels(film_labels(clip), item)
    card = Card(
        id=item.name,
        clip=clip.id,
        seed=0,
        version="0",
        scene={"id": "room"},
        camera={"name": camera, "width": WIDTH, "height": HEIGHT},
        fps=FPS,
        frames=FRAMES,
        light="day",
        sensor={},
        modalities=files,
        label=label,
        label_id=OMNIFALL_ID.get(label, -1),
        source=clip.source,
    )
    save_card(card, item)
    return item


@pytest.fixture
def items_factory() -> Callable[..., Path]:
    """`write_item`, for tests that need items of their own."""
    return write_item


@pytest.fixture
def clip_factory() -> Callable[..., Clip]:
    """`small_clip`."""
    return small_clip


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine clips of three labels, two of them cuts of one recording, each filmed by two cameras: read only."""
    folder = tmp_path_factory.mktemp("rendered")
    for label in ("fall", "sitting", "walk"):
        for number in range(5):
            source = Source("bandai", "none", f"dataset-1_{label}_normal_{number:03d}") if number < 2 else None
            clip = small_clip(f"{label}{number}", label, persons=1 + number % 2, source=source)
            for camera in ("wall", "overhead"):
                write_item(folder, clip, camera, label)
    return folder
