"""Scene files: round trips, what may be left out, and every file that must be refused."""

import json
import math

import pytest
import trimesh
import yaml

from carescene.errors import UserError
from carescene.scenes import (
    Scene,
    SceneGeometry,
    SceneObject,
    default_object,
    generate_scene,
    load_scene,
    save_scene,
    scene_from_dict,
    scene_to_dict,
)

PLAIN = {"id": "s", "bounds": {"polygon": [[0, 0], [5, 0], [5, 4], [0, 4]], "height": 2.7}}


def _write(path, plain) -> None:
    path.write_text(json.dumps(plain) if path.suffix == ".json" else yaml.safe_dump(plain))


def _room_mesh(path) -> None:
    shell = trimesh.creation.box((4, 6, 2.5))
    shell.apply_translation((2, 3, 1.25))
    shell.export(path)


@pytest.mark.parametrize("ending", ["json", "yaml", "yml"])
@pytest.mark.parametrize("preset", ["ward_two_bed", "bathroom"])
def test_round_trip(tmp_path, ending: str, preset: str) -> None:
    scene = generate_scene(preset, 5)
    scene.style["wall"] = (0.5, 0.25, 0.75)
    path = save_scene(scene, tmp_path / "new" / f"room.{ending}")
    assert load_scene(path) == scene


def test_json_keeps_numbers_in_one_line_and_text_as_it_is(tmp_path) -> None:
    scene = Scene("zimmer [1, 2]", [(0.0, 0.0), (5.0, 0.0), (5.0, 4.0), (0.0, 4.0)])
    path = save_scene(scene, tmp_path / "s.json")
    assert "[5.0, 4.0]" in path.read_text()
    assert load_scene(path).id == "zimmer [1, 2]"


def test_what_may_be_left_out(tmp_path) -> None:
    objects = [
        {"id": "bed", "kind": "bed", "center": [2.5, 2.0], "params": {"head_angle_deg": 30}},
        {"id": "chair", "kind": "chair", "center": [0.5, 0.5]},
    ]
    _write(tmp_path / "s.yaml", PLAIN | {"objects": objects})
    scene = load_scene(tmp_path / "s.yaml")
    bed, chair = scene.objects
    assert bed == default_object("bed", "bed", x=2.5, y=2.0, head_angle_deg=30)
    assert chair == default_object("chair", "chair", x=0.5, y=0.5)
    assert (scene.style, scene.preset, scene.seed, scene.mesh) == ({}, None, None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "only the keys schema, id.*but got colour"),
        ({"schema": 99}, "schema 1, but got 99"),
        ({"id": ""}, "id to be a word"),
        ({"bounds": None}, "bounds {polygon, height}, or a mesh"),
        ({"bounds": {"polygon": [[0, 0], [1]]}}, r"polygon to be a list of \[x, y\]"),
        ({"bounds": {"polygon": "square"}}, r"polygon to be a list of \[x, y\]"),
        ({"bounds": {"polygon": [[0, 0], [5, 0], [5, 4]], "hight": 3}}, "but got hight"),
        ({"bounds": {"polygon": [[0, 0], [4, 4], [4, 0], [0, 4]]}}, "not to cross"),
        ({"objects": {"bed": 1}}, "objects to be a list"),
        ({"objects": ["bed"]}, "object 0 of s.json: expected the keys"),
        ({"style": {"wall": [1, 2]}}, "style 'wall'.*three finite numbers"),
        ({"style": [1]}, "style to map"),
        ({"seed": "seven"}, "seed to be of type int"),
        ({"mesh": "gone.glb"}, "mesh 'gone.glb'"),
    ],
)
def test_bad_scenes(tmp_path, change: dict, message: str) -> None:
    _write(tmp_path / "s.json", PLAIN | change)
    with pytest.raises(UserError, match=message):
        load_scene(tmp_path / "s.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "sofa"}, "kind to be one of.*but got 'sofa'"),
        ({"kind": None}, "kind to be a word, but got nothing"),
        ({"size": [1, 2]}, "size of 'a'.*three finite numbers"),
        ({"size": [1, 2, "3"]}, "three finite numbers"),
        ({"center": [1]}, r"center to be \[x, y, z\]"),
        ({"center": [1, 2, True]}, r"center to be \[x, y, z\]"),
        ({"yaw": "north"}, "yaw to be a finite number"),
        ({"yaw": math.nan}, "yaw to be a finite number"),
        ({"yaw": 10**400}, "yaw to be a finite number"),
        ({"params": {"head_angle_deg": math.nan}}, "params to map names"),
        ({"params": {"rails": [1]}}, "params to map names"),
        ({"params": {"rails": "gold"}}, "'rails' of object 'a'"),
        ({"rotation": 3}, "but got rotation"),
        ({"mesh": "gone.ply", "size": None}, "mesh file at"),
    ],
)
def test_bad_objects_in_files(tmp_path, change: dict, message: str) -> None:
    thing = {"id": "a", "kind": "bed", "center": [2.5, 2.0]} | change
    _write(tmp_path / "s.json", PLAIN | {"objects": [thing]})
    with pytest.raises(UserError, match=message):
        load_scene(tmp_path / "s.json")


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_truncated_file(tmp_path, ending: str) -> None:
    path = save_scene(generate_scene("bathroom", 1), tmp_path / f"s.{ending}")
    text = path.read_text()
    cut = text.rindex("[") + 3
    path.write_text(text[:cut])
    with pytest.raises(UserError, match=r"s[.].*complete (JSON|YAML).*cut short"):
        load_scene(path)


def test_missing_binary_and_unsafe_files(tmp_path) -> None:
    with pytest.raises(UserError, match="there is none"):
        load_scene(tmp_path / "gone.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="readable text"):
        load_scene(tmp_path / "b.json")
    (tmp_path / "u.yaml").write_text("id: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(UserError, match="complete YAML"):
        load_scene(tmp_path / "u.yaml")
    (tmp_path / "n.yaml").write_text("")
    with pytest.raises(UserError, match="the keys schema"):
        load_scene(tmp_path / "n.yaml")


def test_nothing_is_written_for_a_bad_scene_or_name(tmp_path) -> None:
    scene = generate_scene("bathroom", 1)
    with pytest.raises(UserError, match=r"named .json, .yaml or .yml"):
        save_scene(scene, tmp_path / "s.txt")
    scene.height = 0.5
    with pytest.raises(UserError, match="its height"):
        save_scene(scene, tmp_path / "s.json")
    assert list(tmp_path.iterdir()) == []


def test_room_given_by_a_mesh_alone(tmp_path) -> None:
    _room_mesh(tmp_path / "my_room.glb")
    # glb has y up, so the box lies on its back: 4 m wide, 2.5 m deep, 6 m high.
    scene = load_scene(tmp_path / "my_room.glb")
    assert (scene.id, scene.mesh, scene.height) == ("my_room", "my_room.glb", pytest.approx(6.0, abs=1e-5))
    _room_mesh(tmp_path / "flat.ply")
    scene = load_scene(tmp_path / "flat.ply")
    assert scene.height == pytest.approx(2.5)
    assert sorted(tuple(round(v, 5) for v in corner) for corner in scene.polygon) == [(0, 0), (0, 6), (4, 0), (4, 6)]


def test_mesh_with_boxes_and_bounds_from_the_mesh(tmp_path) -> None:
    _room_mesh(tmp_path / "room.ply")
    objects = [{"id": "bed", "kind": "bed", "center": [2.0, 3.0]}]
    _write(tmp_path / "s.yaml", {"id": "s", "mesh": "room.ply", "objects": objects})
    scene = load_scene(tmp_path / "s.yaml")
    assert scene.height == pytest.approx(2.5)
    assert [thing.id for thing in scene.objects] == ["bed"]


def test_object_with_a_mesh_takes_its_size_and_stands_on_the_floor(tmp_path) -> None:
    trimesh.creation.box((0.6, 0.8, 0.5)).export(tmp_path / "stool.obj")
    _write(
        tmp_path / "s.json", PLAIN | {"objects": [{"id": "a", "kind": "other", "center": [2, 2], "mesh": "stool.obj"}]}
    )
    (thing,) = load_scene(tmp_path / "s.json").objects
    assert thing.size == pytest.approx((0.6, 0.8, 0.5))
    assert thing.center == pytest.approx((2.0, 2.0, 0.25))


def test_meshes_travel_with_the_scene(tmp_path) -> None:
    (tmp_path / "from").mkdir()
    trimesh.creation.box((0.6, 0.8, 0.5)).export(tmp_path / "from" / "stool.ply")
    thing = SceneObject("a", "other", (2.0, 2.0, 0.25), (0.6, 0.8, 0.5), mesh="stool.ply")
    scene = scene_from_dict(PLAIN)
    scene.objects.append(thing)
    path = save_scene(scene, tmp_path / "to" / "s.json", meshes=tmp_path / "from")
    assert SceneGeometry.of([load_scene(path)], folder=path.parent).meshes[0][0][1] == 0
    with pytest.raises(UserError, match="no such file"):
        save_scene(scene, tmp_path / "other" / "s.json", meshes=tmp_path)


def test_dict_round_trip_inside_another_file() -> None:
    scene = generate_scene("corridor", 2)
    assert scene_from_dict(json.loads(json.dumps(scene_to_dict(scene)))) == scene
