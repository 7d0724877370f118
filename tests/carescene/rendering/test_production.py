"""From clips to items: names, seeds, rooms, cameras that see people, and what is left to do."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carescene.clips import Clip, load_clip, save_clip
from carescene.clips.rendered import Card, load_item, save_card
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering import production as production_module
from carescene.rendering.camera import Camera, look_at
from carescene.rendering.film import FilmSettings
from carescene.rendering.lights import LIGHTS
from carescene.rendering.people import pose_people
from carescene.rendering.production import (
    Production,
    asked_for,
    items_of,
    left_to_do,
    own_scene,
    produce,
    sample_light,
    seed_of,
    stage_clip,
    watched_points,
)
from carescene.rendering.video import read_depth_video
from carescene.scenes import Scene, load_scene, save_scene, scene_to_dict


def standing(clip_id: str = "a", frames: int = 2, **more: Any) -> Clip:
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[:, :, JOINT["pelvis"]] = [np.pi / 2, 0, 0]
    trans = np.full((1, frames, 3), [2.0, 2.0, 0.95], np.float32)
    betas = np.zeros((1, 10), np.float32)
    return Clip(
        clip_id, 5.0, poses, trans, betas, np.full((1, frames), 8, np.int8), np.ones((1, frames), np.bool_), **more
    )


def room() -> Scene:
    return Scene("box", [(0.0, 0.0), (4.0, 0.0), (4.0, 4.5), (0.0, 4.5)], 2.6)


def fixed(name: str = "mine", eye: tuple[float, float, float] = (2.0, 0.3, 2.0)) -> Camera:
    made = look_at(np.array(eye), np.array([2.0, 2.5, 0.9]), width=48, height=36, field_of_view=1.2)
    return dataclasses.replace(made, name=name)


def wanted(out: Path, **changes: Any) -> Production:
    fields: dict[str, Any] = {
        "out": out,
        "scene": "box",
        "cameras": (fixed(),),
        "settings": FilmSettings(("depth",), fps=5),
        "room": room(),
    }
    return Production(**(fields | changes))


def test_items_are_named_by_clip_camera_and_view(tmp_path: Path) -> None:
    plan = wanted(tmp_path, cameras=("wall", fixed()), views=2)
    assert [item.folder.name for item in items_of(Path("x/a.b.json"), plan)] == ["a.b.wall", "a.b.wall.v1", "a.b.mine"]


def test_items_are_made_once_and_only_with_the_same_settings(tmp_path: Path) -> None:
    clip = save_clip(standing(), tmp_path / "clips")
    plan = wanted(tmp_path / "out")
    assert produce(clip, plan) == ["a.mine"] and produce(clip, plan) == []
    item = load_item(tmp_path / "out" / "a.mine")
    assert item.card.frames == 2 and item.card.scene["id"] == "box"
    other = dataclasses.replace(plan, seed=1, settings=FilmSettings(("depth",), fps=6))
    with pytest.raises(UserError, match="other seed, fps"):
        left_to_do(clip, other)
    assert load_item(item.folder).card.fps == 5
    assert produce(clip, dataclasses.replace(other, overwrite=True)) == ["a.mine"]
    assert load_item(item.folder).card.fps == 6
    # The clip itself is a setting as well.
    save_clip(standing(frames=3), tmp_path / "clips")
    with pytest.raises(UserError, match="other clip"):
        left_to_do(clip, other)


def test_a_card_of_another_version_is_not_taken_for_done(tmp_path: Path) -> None:
    clip = save_clip(standing(), tmp_path)
    plan = wanted(tmp_path / "out")
    [item] = items_of(clip, plan)
    asked = asked_for(clip, item, plan)
    fields: dict[str, Any] = {"scene": {}, "camera": {}, "fps": 1.0, "frames": 1, "light": "day", "sensor": {}}
    card = Card(id="a.mine", clip="a", seed=0, version="0", modalities={}, settings=asked, **fields)
    save_card(card, item.folder)
    assert left_to_do(clip, plan) == []
    save_card(dataclasses.replace(card, settings=asked | {"version": "0.0"}), item.folder)
    with pytest.raises(UserError, match="other version"):
        left_to_do(clip, plan)


def test_seeds_are_the_same_everywhere_and_differ(tmp_path: Path) -> None:
    assert seed_of(0, "clip") == 1938409952
    seeds = [seed_of(0, name, view) for name in "abc" for view in range(50)]
    assert len(set(seeds)) == 150 and all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of("a", "bc") != seed_of("ab", "c")


def test_sampled_light_is_half_day() -> None:
    drawn = [sample_light(seed) for seed in range(400)]
    assert set(drawn) == set(LIGHTS)
    # Five standard deviations of a fair coin's 400 throws.
    assert abs(drawn.count("day") - 200) < 50


def test_a_clips_own_room(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--scene"):
        own_scene(standing(), tmp_path)
    save_scene(room(), tmp_path / "room.json")
    by_name, folder = own_scene(standing(scene="room.json"), tmp_path)
    inside, _ = own_scene(standing(scene=scene_to_dict(room())), tmp_path)
    assert by_name.polygon == inside.polygon == room().polygon and folder == tmp_path
    clip = standing(scene="room.json")
    same, scene, _ = stage_clip(clip, tmp_path, wanted(tmp_path, scene="clip", room=None), seed=1)
    assert same is clip and scene.id == "box"


def test_another_room_is_tried_for_a_clip_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int | None] = []

    def place(clip: Clip, scene: Scene, *, seed: int) -> tuple[Clip, Scene]:
        tried.append(scene.seed)
        if len(tried) < 3:
            raise UserError("Expected floor, but got none.")
        return clip, scene

    monkeypatch.setattr(production_module, "place_clip", place)
    plan = wanted(tmp_path, scene="corridor", room=None)
    _, scene, folder = stage_clip(standing(), tmp_path, plan, seed=4)
    assert scene.preset == "corridor" and folder is None and len(set(tried)) == 3
    monkeypatch.setattr(production_module, "_ROOMS", 2)
    tried.clear()
    with pytest.raises(UserError, match=r"got none\. 2 rooms"):
        stage_clip(standing(), tmp_path, plan, seed=4)


def test_watched_points_leave_out_who_is_not_there() -> None:
    clip = standing(frames=4)
    clip.valid[0, 2:] = False
    clip.trans[0, 2:] = np.nan
    people = pose_people(clip, load_body())
    points = watched_points(people, 4)
    assert points.shape == (12, 3) and np.isfinite(points).all()


@pytest.mark.slow
def test_a_preset_clip_is_placed_filmed_and_seen(tmp_path: Path) -> None:
    clip = save_clip(standing(), tmp_path / "clips")
    plan = wanted(tmp_path / "out", scene="ward_single", room=None, cameras=("wall",), views=2, width=64, height=48)
    assert produce(clip, plan) == ["a.wall", "a.wall.v1"]
    items = [load_item(tmp_path / "out" / name) for name in ("a.wall", "a.wall.v1")]
    eyes = [item.card.camera["eye"] for item in items]
    assert eyes[0] != eyes[1] and items[0].card.scene == items[1].card.scene
    for item in items:
        assert load_scene(item.scene_path).preset == "ward_single"
        moved = load_clip(item.folder / "a.json")
        np.testing.assert_allclose(item.labels.joints[0, :, 0], moved.trans[0], atol=1e-5)
    # The same seed, clip and options: the same pictures.
    produce(clip, dataclasses.replace(plan, out=tmp_path / "again"))
    again = read_depth_video(tmp_path / "again" / "a.wall.v1" / "depth.mkv")
    np.testing.assert_array_equal(again.frames, read_depth_video(items[1].file("depth")).frames)


def test_a_camera_outside_the_room_is_refused(tmp_path: Path) -> None:
    clip = save_clip(standing(), tmp_path / "clips")
    with pytest.raises(UserError, match="inside the room"):
        produce(clip, wanted(tmp_path / "out", cameras=(fixed(eye=(2.0, -1.0, 2.0)),)))
    assert not (tmp_path / "out").exists()
