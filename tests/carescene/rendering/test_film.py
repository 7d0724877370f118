"""Filming: what lies in an item agrees with itself, work is shared between cameras, and a stop leaves nothing."""

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carescene.clips import Clip, Event, PersonInfo, Source
from carescene.clips.rendered import load_item
from carescene.errors import UserError
from carescene.humans.body import Body, load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering import film_set as film_set_module
from carescene.rendering.camera import Camera, look_at
from carescene.rendering.film import FilmSettings, film, film_times, numbers
from carescene.rendering.film_set import FilmSet
from carescene.rendering.gbuffer import PERSON_BASE, empty_buffer
from carescene.rendering.sensors import sensor_named
from carescene.rendering.video import FrameWriter, read_depth_video, read_gray_video, read_video
from carescene.scenes import Scene

GEOMETRY = ("depth", "silhouette", "instances", "parts", "normals", "keypoints")


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def walking_clip() -> Clip:
    """Two people of whom one glides 1 m in 0.6 s, at 10 frames/s; the other is there only in the first half."""
    poses = np.zeros((2, 6, 24, 3), np.float32)
    poses[:, :, JOINT["pelvis"]] = [np.pi / 2, 0, 0]
    trans = np.full((2, 6, 3), [2.0, 2.0, 1.0], np.float32)
    trans[0, :, 0] = np.linspace(1.4, 2.4, 6)
    trans[1, :, :2] = [3.1, 3.2]
    valid = np.ones((2, 6), np.bool_)
    valid[1, 3:] = False
    labels = np.array([[0, 0, 0, 1, 1, 1], [8] * 6], np.int8)
    return Clip(
        "glide",
        10.0,
        poses,
        trans,
        np.zeros((2, 10), np.float32),
        labels,
        valid,
        persons=[PersonInfo(role="patient", age_years=82.0), PersonInfo(role="nurse")],
        events=[Event(0, "fall", 0.3, 0.6)],
        source=Source("none", "CC0", "1"),
    )


def room() -> Scene:
    return Scene("box", [(0.0, 0.0), (4.0, 0.0), (4.0, 4.5), (0.0, 4.5)], 2.6)


def camera(name: str = "wall", width: int = 64, height: int = 48) -> Camera:
    eye, target = np.array([2.0, 0.3, 2.2]), np.array([2.0, 2.5, 0.9])
    made = look_at(eye, target, width=width, height=height, field_of_view=1.2)
    return dataclasses.replace(made, name=name)


@pytest.fixture(scope="module")
def stage(body: Body) -> FilmSet:
    return FilmSet.of(walking_clip(), room(), body, seed=3)


def test_an_item_agrees_with_itself(stage: FilmSet, tmp_path: Path) -> None:
    done: list[None] = []
    settings = FilmSettings(GEOMETRY, fps=10)
    folder = film(stage, camera(), settings, tmp_path / "glide.wall", seed=5, progress=lambda: done.append(None))
    item = load_item(folder)
    labels = item.labels
    assert len(done) == item.card.frames == 6 and item.card.seed == 5
    assert item.card.label == "fall" and item.card.events == [Event(0, "fall", 0.3, 0.6)] and item.card.licence == "CC0"
    np.testing.assert_array_equal(labels.valid, walking_clip().valid)
    np.testing.assert_array_equal(labels.frame_label[1], [8, 8, 8, -1, -1, -1])
    instances = read_gray_video(item.file("instances")).frames
    silhouette = read_gray_video(item.file("silhouette")).frames
    parts = read_gray_video(item.file("parts")).frames
    depth = read_depth_video(item.file("depth")).frames
    np.testing.assert_array_equal(silhouette == 255, instances > 0)
    np.testing.assert_array_equal(parts > 0, instances > 0)
    assert instances[:3].max() == 2 and instances[3:].max() == 1 and (depth > 0).all()
    for person in (0, 1):
        for frame in np.flatnonzero(labels.valid[person]):
            rows, columns = np.nonzero(instances[frame] == person + 1)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_array_equal(labels.box[person, frame], box)
            # The middle of the body is between its nearest and farthest skin.
            pelvis = labels.joints[person, frame, 0]
            _, along = camera().project(pelvis.astype(np.float64))
            own = depth[frame][instances[frame] == person + 1] / 1000
            assert own.min() < along < own.max() + 0.3
    np.testing.assert_array_equal(labels.visible_fraction[0], 1)
    clip = item.load_clip()
    assert clip.scene == "scene.json" and clip.cameras == [camera().to_dict()]
    annotations = json.loads(item.file("keypoints").read_text())["annotations"]
    assert len(annotations) == labels.valid.sum()
    assert annotations[0]["area"] == (instances[0] == 1).sum()


def test_a_film_may_have_another_rate_than_the_clip(stage: FilmSet, tmp_path: Path) -> None:
    np.testing.assert_allclose(film_times(0.6, 5), [0, 0.2, 0.4])
    np.testing.assert_allclose(film_times(0.01, 5), [0])
    item = load_item(film(stage, camera(), FilmSettings(("depth",), fps=25), tmp_path / "a"))
    assert item.card.frames == 15 and item.labels.times[-1] == pytest.approx(14 / 25)
    # Between the clip's frames people are between their places; after its last they stay.
    at = item.labels.joints[0, :, 0, 0]
    np.testing.assert_allclose(at, np.interp(item.labels.times, np.arange(6) / 10, np.linspace(1.4, 2.4, 6)), atol=1e-5)
    assert read_depth_video(item.file("depth")).fps == 25


def test_a_second_camera_costs_only_its_rays(body: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[str, int] = {}

    def counted(name: str) -> None:
        real = getattr(film_set_module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return real(*args, **kwargs)

        monkeypatch.setattr(film_set_module, name, call)

    for name in ("pose_people", "dress_clip", "scene_mesh", "keypoint_model", "measure_light"):
        counted(name)
    stage = FilmSet.of(walking_clip(), room(), body)
    for name in ("a", "b"):
        film(stage, camera(name, 32, 24), FilmSettings(("rgb",), fps=2), tmp_path / name)
    assert calls == {"pose_people": 1, "dress_clip": 1, "scene_mesh": 1, "keypoint_model": 2, "measure_light": 1}


def test_every_painted_film_has_the_pictures_it_should(stage: FilmSet, tmp_path: Path) -> None:
    settings = FilmSettings(("rgb", "nir", "overlay", "preview"), fps=3, sensor=sensor_named("cctv"))
    item = load_item(film(stage, camera(width=96, height=72), settings, tmp_path / "a"))
    shapes = {name: read_video(item.file(name)).frames.shape for name in item.card.modalities}
    assert shapes == {
        "rgb": (2, 72, 96, 3),
        "nir": (2, 72, 96, 3),
        "overlay": (2, 72, 96, 3),
        "preview": (2, 72, 3 * 96 + 8, 3),
    }
    rgb, nir = read_video(item.file("rgb")).frames, read_video(item.file("nir")).frames
    assert 30 < rgb.mean() < 230 and rgb.std() > 5
    assert np.abs(nir.astype(int) - nir.mean(axis=-1, keepdims=True)).max() < 4, "infrared is grey"
    assert item.card.sensor["name"] == "cctv" and item.card.sensor["blur"] == 3 and item.card.light == "day"


def test_the_same_seed_gives_the_same_noise(stage: FilmSet, tmp_path: Path) -> None:
    settings = FilmSettings(("depth",), fps=5, sensor=sensor_named("depth_structured"))
    films = [
        read_depth_video(film(stage, camera(), settings, tmp_path / name, seed=seed) / "depth.mkv").frames
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    np.testing.assert_array_equal(films[0], films[1])
    assert (films[0] != films[2]).mean() > 0.05
    exact = read_depth_video(
        film(stage, camera(), FilmSettings(("depth",), fps=5), tmp_path / "d") / "depth.mkv"
    ).frames
    assert np.median(np.abs(films[0][films[0] > 0] - exact[films[0] > 0].astype(float))) < 60


def test_a_stop_in_mid_film_leaves_nothing_and_a_rerun_finishes(stage: FilmSet, tmp_path: Path) -> None:
    count = [0]

    def stop() -> None:
        count[0] += 1
        if count[0] == 2:
            raise KeyboardInterrupt

    settings = FilmSettings(("depth", "keypoints"), fps=10)
    with pytest.raises(KeyboardInterrupt):
        film(stage, camera(), settings, tmp_path / "a.wall", progress=stop)
    assert not list(tmp_path.iterdir())
    # What a killed process could not clear away.
    (tmp_path / ".a.wall.part").mkdir()
    (tmp_path / ".a.wall.part" / ".depth.1.part.mkv").write_bytes(b"half")
    item = load_item(film(stage, camera(), settings, tmp_path / "a.wall"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.wall"]
    assert not [path for path in item.folder.iterdir() if path.name.startswith(".")]


def test_a_full_disk_is_told_and_nothing_is_lost(
    stage: FilmSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FilmSettings(("silhouette",), fps=10)
    film(stage, camera(), settings, tmp_path / "a")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}

    def full(self: FrameWriter, picture: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(FrameWriter, "write", full)
    with pytest.raises(UserError, match="No space left"):
        film(stage, camera(), settings, tmp_path / "a", seed=9)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_numbers_of_a_hand_made_picture() -> None:
    buffer = empty_buffer(2, 2)
    buffer.instance[0] = [0, PERSON_BASE + 3]
    buffer.part[0] = [0, 16]
    buffer.normal[0] = [[0, 0, 1], [0, -1, 0]]
    view = camera(width=16, height=16)
    level = dataclasses.replace(view, rotation=np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]))
    assert numbers("silhouette", buffer, level).tolist() == [[0, 255], [0, 0]]
    assert numbers("instances", buffer, level).tolist() == [[0, 4], [0, 0]]
    assert numbers("parts", buffer, level).tolist() == [[0, 16], [0, 0]]
    # Up in the world is -y of the camera; towards the camera is -z.
    assert numbers("normals", buffer, level)[0].tolist() == [[128, 0, 128], [128, 128, 0]]
    assert numbers("normals", buffer, level)[1].max() == 0


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"modalities": ("rgb", "sound")}, "'sound'"),
        ({"modalities": ()}, "modalities out of"),
        ({"fps": 0}, "1 to 30"),
        ({"fps": 31.0}, "1 to 30"),
        ({"fps": float("nan")}, "1 to 30"),
    ],
)
def test_settings_are_checked(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(UserError, match=match):
        FilmSettings(**wrong)


def test_tiny_pictures_are_refused(stage: FilmSet, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="16x16"):
        film(stage, camera(width=12, height=48), FilmSettings(("depth",)), tmp_path / "a")
    assert not list(tmp_path.iterdir())
