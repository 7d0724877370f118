"""Rooms with known truth: exact depth of a made ward, people at known places, outlines drawn exactly."""

import dataclasses
import math
from pathlib import Path

import made_rooms as made
import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.rendering.camera_presets import check_camera
from carescene.rendering.room_view import RoomView
from carescene.scenes import (
    SceneGeometry,
    bed_surface,
    default_object,
    load_scene,
    object_to_world,
    scene_mesh,
    validate_scene,
)
from carescene.scenes.fitting_furniture import surface_height
from carescene.scenes.footprint import footprint, rectangle_distance, wall_distance
from carescene.scenes.resting import clip_joints, find_resting
from diffusion.objects import encode_scene
from diffusion.world import PRESENT
from reconstruction.room import build_room, save_room
from reconstruction.room_carriers import find_carried, labelled
from reconstruction.room_drawn import DrawnThing, read_furniture

CAMERA = made.ward_camera()
WALK = made.walking_clip((-1.75, 0.9), (-1.75, 2.0))


@pytest.fixture(scope="module")
def depth() -> np.ndarray:
    return made.plate_depth(made.ward_room(), CAMERA)


def _bed(scene):
    beds = scene.of_kind("bed")
    assert len(beds) == 1
    return beds[0]


def test_the_room_comes_out_of_an_exact_depth(depth: np.ndarray) -> None:
    room = build_room(WALK, CAMERA, depth)
    truth = made.ward_room()
    scene = validate_scene(room.scene)
    check_camera(CAMERA, scene)
    bed, true = _bed(scene), _bed(truth)
    assert math.dist(bed.center[:2], true.center[:2]) < 0.04
    assert abs(surface_height(bed) - 0.52) < 0.01
    assert np.allclose(bed.size[:2], true.size[:2], atol=0.08)
    # The head end cannot be seen, but stands at the wall.
    assert abs(math.remainder(bed.yaw - true.yaw, 2 * math.pi)) < math.radians(1)
    (left, _), (right, far) = np.min(scene.polygon, axis=0), np.max(scene.polygon, axis=0)
    assert np.allclose([left, right, far], [-2.2, 2.2, 4.9], atol=0.02)
    tables = scene.of_kind("table")
    assert len(tables) == 1 and abs(tables[0].center[2] + tables[0].size[2] / 2 - 0.74) < 0.01
    cabinet = min(scene.objects, key=lambda thing: math.dist(thing.center[:2], (-1.9, 3.0)))
    assert cabinet.kind == "cabinet" and math.dist(cabinet.center[:2], (-1.9, 3.0)) < 0.06


def test_a_turned_room_is_found_along_its_own_walls() -> None:
    turn = math.radians(25)
    truth = made.ward_room(turn)
    room = build_room(made.walking_clip((0.0, 1.0), (0.0, 1.6)), CAMERA, made.plate_depth(truth, CAMERA))
    edges = np.diff(np.array([*room.scene.polygon, room.scene.polygon[0]]), axis=0)
    angles = np.mod(np.degrees(np.arctan2(edges[:, 1], edges[:, 0])), 90)
    assert np.allclose(angles, 25, atol=0.5)
    bed, true = _bed(room.scene), _bed(truth)
    assert math.dist(bed.center[:2], true.center[:2]) < 0.05


def test_depth_of_a_wrong_scale_is_brought_to_the_floor(depth: np.ndarray) -> None:
    clip = WALK
    exact, short = build_room(clip, CAMERA, depth), build_room(clip, CAMERA, 0.85 * depth)
    assert any("multiplied by 1.17" in note for note in short.notes)
    assert math.dist(_bed(short.scene).center[:2], _bed(exact.scene).center[:2]) < 0.02
    turn = np.deg2rad(12)
    tilted = np.array([[1, 0, 0], [0, np.cos(turn), np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]])
    other = dataclasses.replace(CAMERA, rotation=tilted @ CAMERA.rotation)
    for camera, values in ((CAMERA, 0.5 * depth), (other, depth)):
        room = build_room(clip, camera, values)
        assert room.vertices is None and any("depth was left out" in note for note in room.notes)


def test_a_small_noisy_depth_with_holes_still_gives_the_bed(depth: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    small = depth[::2, ::2] * (1 + 0.01 * rng.standard_normal(depth[::2, ::2].shape))
    small[rng.random(small.shape) < 0.05] = np.nan
    room = build_room(WALK, CAMERA, small)
    bed = _bed(room.scene)
    assert math.dist(bed.center[:2], (1.2, 3.7)) < 0.12
    assert abs(surface_height(bed) - 0.52) < 0.04


def test_the_scan_looks_like_the_room(depth: np.ndarray, tmp_path: Path) -> None:
    room = build_room(WALK, CAMERA, depth)
    path = save_room(room, tmp_path)
    assert load_scene(path) == room.scene
    scan = load_scene(tmp_path / "scan.json")
    again = RoomView.cast(scene_mesh(scan, tmp_path), CAMERA).buffer.depth
    relative = np.abs(again - depth)[np.isfinite(depth)] / depth[np.isfinite(depth)]
    # The ceiling is not in this picture; what was torn at edges shows the wall behind.
    assert np.mean(relative < 0.02) > 0.95
    geometry = SceneGeometry.of([scan], folder=tmp_path)
    spots = torch.tensor([[[0.3, 1.5, 1.0], [1.2, 3.7, 0.62]]])
    distance = geometry.signed_distance(spots)[0]
    assert distance[0] > 0.5 and abs(float(distance[1]) - 0.10) < 0.03


def test_the_model_sees_the_room(depth: np.ndarray) -> None:
    room = build_room(WALK, CAMERA, depth)
    vectors = encode_scene(room.scene)
    # The room itself and each thing in it.
    assert int((vectors[:, PRESENT] > 0).sum()) == 1 + len(room.scene.objects)


def test_a_box_around_the_camera_is_left_out() -> None:
    low = dataclasses.replace(CAMERA, eye=np.array([0.0, 0.0, 0.4]))
    clip = made.lying_clip((0.0, 0.7, 0.62), np.array([0.0, 1.0, 0.0]))
    room = build_room(clip, low)
    assert not room.scene.objects and any("the camera is inside it" in note for note in room.notes)


def test_without_depth_somebody_who_lies_has_a_bed() -> None:
    head = np.array([0.0, 1.0, 0.0])
    clip = made.lying_clip((1.2, 3.6, 0.62), head)
    room = build_room(clip, CAMERA)
    bed = _bed(validate_scene(room.scene))
    assert abs(surface_height(bed) - 0.52) < 0.01
    lies = bed_surface(bed)
    toward_head = np.subtract(object_to_world(bed, tuple(lies.head)), object_to_world(bed, tuple(lies.foot)))
    assert toward_head @ head / np.linalg.norm(toward_head) > 0.99
    assert rectangle_distance(np.array([[1.2, 3.6], [1.2, 4.2]]), footprint(bed)).max() < 0
    assert room.vertices is None
    check_camera(CAMERA, room.scene)


def test_without_depth_somebody_who_sits_has_a_chair() -> None:
    clip = made.sitting_clip((-0.5, 2.5, 0.58), np.array([1.0, 0.0, 0.0]))
    scene = validate_scene(build_room(clip, CAMERA).scene)
    (chair,) = scene.objects
    assert chair.kind == "chair" and abs(surface_height(chair) - 0.46) < 0.01
    assert abs(math.remainder(chair.yaw + math.pi / 2, 2 * math.pi)) < 0.1
    assert rectangle_distance(np.array([[-0.5, 2.5]]), footprint(chair))[0] < -0.1


def test_a_moment_on_the_way_down_is_no_seat() -> None:
    clip = made.sitting_clip((0.0, 2.0, 0.58), np.array([1.0, 0.0, 0.0]), frames=9)
    assert not find_carried(clip, clip_joints(clip))
    slow = made.sitting_clip((0.0, 2.0, 0.58), np.array([1.0, 0.0, 0.0]))
    slow.trans[0, :, 0] += 0.5 * np.arange(40) / 20
    assert not find_carried(slow, clip_joints(slow))
    assert not build_room(clip, CAMERA).scene.objects


def test_who_sits_on_the_heels_or_floats_has_no_furniture() -> None:
    """Heels carry a pelvis well above the floor, and a wrong camera lets people float where no bed reaches."""
    front = np.array([1.0, 0.0, 0.0])
    kneeling, floating = made.kneeling_clip((0.0, 2.5, 0.40), front), made.lying_clip((0.0, 2.5, 1.75), front)
    for clip in (kneeling, floating):
        assert find_resting(labelled(clip), clip_joints(clip)) and not find_carried(clip, clip_joints(clip))
    assert not build_room(kneeling, CAMERA).scene.objects


def test_contact_and_depth_share_one_bed(depth: np.ndarray) -> None:
    # The pelvis says 0.55 m, the depth 0.52 m: one bed between them.
    clip = made.lying_clip((1.2, 3.6, 0.65), np.array([0.0, 1.0, 0.0]))
    room = build_room(clip, CAMERA, depth)
    bed = _bed(room.scene)
    assert 0.52 < surface_height(bed) < 0.55
    assert math.dist(bed.center[:2], (1.2, 3.7)) < 0.05


def test_nothing_stands_where_people_walk(depth: np.ndarray) -> None:
    # Straight through the table, at its edge: the measured box gives way.
    clip = made.walking_clip((-0.45, 1.0), (-0.45, 2.8))
    room = build_room(clip, CAMERA, depth)
    path = np.column_stack([np.full(30, -0.45), np.linspace(1.0, 2.8, 30)])
    for thing in room.scene.objects:
        assert rectangle_distance(path, footprint(thing)).min() > -0.07
    assert any("gave way" in note for note in room.notes)


def test_a_table_over_a_bed_is_an_overbed_table() -> None:
    truth = made.ward_room()
    across = default_object("overbed_table", "over-1", x=1.1, y=3.2, height_m=0.82)
    truth.objects.append(across)
    room = build_room(WALK, CAMERA, made.plate_depth(truth, CAMERA))
    (table,) = validate_scene(room.scene).of_kind("overbed_table")
    assert math.dist(table.center[:2], (1.1, 3.2)) < 0.05
    assert abs(table.center[2] + table.size[2] / 2 - 0.82) < 0.02
    assert abs(math.remainder(table.yaw, math.pi)) < 0.05
    # It hides the foot end, so the bed comes out too short, but not elsewhere.
    assert math.dist(_bed(room.scene).center[:2], (1.2, 3.7)) < 0.25


def test_a_wall_gives_way_to_people(depth: np.ndarray) -> None:
    clip = made.walking_clip((0.0, 3.0), (0.0, 5.6))
    room = build_room(clip, CAMERA, depth)
    assert wall_distance(np.array([[0.0, 5.6]]), room.scene.polygon)[0] > 0
    assert any("ahead" in note and "gave way" in note for note in room.notes)


@pytest.mark.parametrize("given", [True, False])
def test_a_drawn_bed_stands_where_it_was_drawn(depth: np.ndarray, given: bool) -> None:
    corners = footprint(_bed(made.ward_room())).corners
    pixels, _ = CAMERA.project(np.column_stack([corners, np.full(4, 0.5)]))
    drawn = DrawnThing("bed", pixels, 0.5)
    clip = WALK
    room = build_room(clip, CAMERA, depth if given else None, [drawn])
    bed = min(room.scene.of_kind("bed"), key=lambda thing: math.dist(thing.center[:2], (1.2, 3.7)))
    assert math.dist(bed.center[:2], (1.2, 3.7)) < 0.01
    assert np.allclose(bed.size[:2], (1.0, 2.15), atol=0.01)
    assert abs(surface_height(bed) - 0.5) < 1e-6
    # What was drawn is not put there a second time by the depth.
    assert len(room.scene.of_kind("bed")) == 1


def test_a_sofa_becomes_the_nearest_kind() -> None:
    corners = np.array([[-0.9, 2.0], [0.9, 2.0], [0.9, 2.85], [-0.9, 2.85]])
    pixels, _ = CAMERA.project(np.column_stack([corners, np.full(4, 0.42)]))
    clip = made.walking_clip((-1.5, 1.0), (-1.5, 1.6))
    (thing,) = build_room(clip, CAMERA, None, [DrawnThing("sofa", pixels, 0.42)]).scene.objects
    assert thing.kind == "bed" and thing.id == "sofa-1" and abs(surface_height(thing) - 0.42) < 1e-6


def test_drawn_furniture_is_read_from_both_formats(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "furniture:\n- {kind: bed, pixels: [[1, 2], [30, 2], [30, 40]], height: 0.5}\n"
        "- {kind: table, pixels: [[1, 2], [3, 4], [5, 9]]}\n"
    )
    bed, table = read_furniture(tmp_path / "a.yaml")
    assert bed.kind == "bed" and bed.height == 0.5 and bed.pixels.shape == (3, 2)
    assert table.height == 0.0
    (tmp_path / "a.json").write_text(
        '{"furniture": [{"kind": "sofa", "pixels": [[1, 2], [3, 4], [5, 9]], "height": 0.4}]}'
    )
    assert read_furniture(tmp_path / "a.json")[0].kind == "sofa"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "furniture"),
        ("furniture: [{kind: throne, pixels: [[1, 2], [3, 4], [5, 6]]}]", "throne"),
        ("furniture: [{kind: bed, pixels: [[1, 2], [3, 4]]}]", "three"),
        ("furniture: [{kind: bed, pixels: [[1, 2], [3, 4], [5, x]]}]", "three"),
        ("furniture: [{kind: bed, pixels: [[1, 2], [3, 4], [5, 6]], height: 40}]", "0 to 3 m"),
        ("furniture: [{kind: bed, colour: red}]", "kind, pixels"),
        ("furniture: [", "YAML"),
    ],
)
def test_wrong_drawings_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        read_furniture(tmp_path / "a.yaml")


def test_an_outline_above_the_horizon_or_of_wrong_size_is_refused() -> None:
    clip = made.walking_clip((-1.5, 1.0), (-1.5, 1.6))
    sky = DrawnThing("bed", np.array([[10.0, 2.0], [60.0, 2.0], [60.0, 9.0]]), 2.9)
    with pytest.raises(UserError, match="does not come"):
        build_room(clip, CAMERA, None, [sky])
    corners = np.array([[-1.9, 1.0], [1.9, 1.0], [1.9, 4.5], [-1.9, 4.5]])
    pixels, _ = CAMERA.project(np.column_stack([corners, np.full(4, 0.5)]))
    with pytest.raises(UserError, match="as large as"):
        build_room(clip, CAMERA, None, [DrawnThing("bed", pixels, 0.5)])
    with pytest.raises(UserError, match="above the floor"):
        build_room(clip, dataclasses.replace(CAMERA, eye=np.zeros(3)))
    with pytest.raises(UserError, match="hold a"):
        build_room(clip, CAMERA, np.full((60, 80), np.nan))
