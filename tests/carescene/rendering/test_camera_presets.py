"""Camera presets in hand-made rooms: inside the room, with the promised view, and looking at what matters."""

import math

import numpy as np
import pytest
import trimesh

from carescene import UserError
from carescene.rendering.camera import Camera, check_lens, look_at, look_rotation
from carescene.rendering.camera_presets import CAMERA_PRESETS, check_camera, place_camera
from carescene.rendering.camera_sight import RoomSight, clearance
from carescene.scenes import Scene, default_object, scene_mesh
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.scene_files import load_scene


def ward() -> Scene:
    """An L-shaped ward with two beds along its back wall."""
    return Scene(
        id="ward",
        polygon=[(0.0, 0.0), (3.6, 0.0), (3.6, 1.5), (5.4, 1.5), (5.4, 4.2), (0.0, 4.2)],
        height=2.6,
        objects=[
            default_object("bed", "bed-1", x=1.3, y=3.1, yaw=math.pi),
            default_object("bed", "bed-2", x=4.2, y=3.1, yaw=math.pi),
            default_object("cabinet", "cabinet-1", x=2.7, y=3.9, yaw=math.pi),
        ],
    )


@pytest.mark.parametrize("preset", CAMERA_PRESETS)
def test_cameras_hang_in_free_space_under_the_ceiling(preset):
    scene = ward()
    geometry = SceneGeometry.of([scene])
    eyes = []
    for seed in range(3):
        camera = place_camera(preset, scene, seed=seed, width=160, height=120)
        assert check_camera(camera, scene) is camera
        assert check_lens(camera) is camera
        assert 2.0 <= camera.eye[2] <= 2.6
        assert 60 <= np.rad2deg(camera.hfov) <= 121
        assert 0 < np.abs(camera.distortion).max() < 0.2
        assert clearance(geometry, camera.eye[None])[0] > 0.05
        assert camera.name == preset
        eyes.append(camera.eye)
    assert len(np.unique(np.round(eyes, 6), axis=0)) == 3


@pytest.mark.parametrize("preset", CAMERA_PRESETS)
def test_cameras_see_a_bed(preset):
    scene = ward()
    sight = RoomSight.of(scene_mesh(scene))
    middles = np.array([[*bed.center[:2], 0.9] for bed in scene.of_kind("bed")])
    seen = [sight.sees(place_camera(preset, scene, seed=s, width=160, height=120), middles) for s in range(2)]
    assert np.any(seen, axis=1).all()


def test_ceiling_camera_looks_down():
    camera = place_camera("overhead", ward(), seed=2, width=160, height=120)
    assert camera.rotation[2, 2] < -0.98
    assert np.linalg.det(camera.rotation) == pytest.approx(1)


def test_corner_cameras_hang_in_corners_that_look_over_the_room():
    scene = ward()
    for seed in range(3):
        eye = place_camera("ceiling_corner", scene, seed=seed, width=160, height=120).eye
        distance = np.linalg.norm(np.array(scene.polygon) - eye[:2], axis=1)
        assert distance.min() < 0.5
        assert scene.polygon[int(distance.argmin())] != (3.6, 1.5)


def test_nothing_hangs_right_before_a_camera():
    scene = ward()
    rail = default_object("other", "rail", x=2.7, y=2.4, size=(0.1, 4.0, 0.06), bottom=2.45)
    scene.objects.append(rail)
    for seed in range(2):
        eye = place_camera("overhead", scene, seed=seed, width=160, height=120).eye
        assert abs(eye[0] - 2.7) > 0.35


def standing(x: float, y: float) -> np.ndarray:
    return np.column_stack([np.full((9, 1), x), np.full((9, 1), y), np.linspace(0.1, 1.7, 9)])


@pytest.mark.parametrize("preset", CAMERA_PRESETS)
def test_cameras_choose_a_place_from_which_people_are_seen(preset):
    scene = ward()
    sight = RoomSight.of(scene_mesh(scene))
    for seed, spot in enumerate(((0.5, 0.5), (2.7, 1.6))):
        people = standing(*spot)
        found = place_camera(preset, scene, seed=seed, width=160, height=120, people=people)
        check_camera(found, scene)
        anyhow = place_camera(preset, scene, seed=seed, width=160, height=120)
        assert sight.people_worth(found, people) >= sight.people_worth(anyhow, people) - 0.05
        if preset != "over_bed":
            assert sight.sees(found, people).mean() > 0.6


def test_people_count_for_more_when_they_look_large_and_are_not_hidden():
    scene = Scene(id="hall", polygon=[(0.0, 0.0), (12.0, 0.0), (12.0, 4.0), (0.0, 4.0)], height=3.0)
    camera = look_at(np.array([0.2, 2.0, 2.0]), np.array([6.0, 2.0, 0.9]), width=160, height=120, field_of_view=1.4)
    near, far, behind = standing(3.0, 2.0), standing(10.0, 2.0), standing(0.1, 2.0)
    sight = RoomSight.of(scene_mesh(scene))
    assert 1 >= sight.people_worth(camera, near) > 2 * sight.people_worth(camera, far) > 0
    assert sight.people_worth(camera, behind) == 0
    scene.objects.append(default_object("wall", "screen", x=1.5, y=2.0, yaw=math.pi / 2))
    assert RoomSight.of(scene_mesh(scene)).people_worth(camera, near) < 0.5 * sight.people_worth(camera, near)


def test_things_right_before_the_lens_are_told_from_walls_and_from_things_further_off():
    camera = look_at(np.array([1.0, 1.0, 1.0]), np.array([3.0, 1.0, 1.0]), width=160, height=120, field_of_view=1.0)

    def hidden(x: float) -> float:
        door = default_object("other", "leaf", x=x, y=1.0, size=(0.05, 4.0, 1.9), bottom=0.0)
        scene = Scene("room", [(0.5, 0.5), (5.0, 0.5), (5.0, 1.5), (0.5, 1.5)], objects=[door])
        return RoomSight.of(scene_mesh(scene)).hidden_before(camera)

    assert hidden(1.4) > 0.9
    assert hidden(3.0) == 0


def test_same_seed_gives_the_same_camera():
    first, again = (place_camera("wall", ward(), seed=5, width=160, height=120).to_dict() for _ in range(2))
    assert first == again


def test_rooms_without_beds_get_cameras():
    empty = Scene(id="hall", polygon=[(0.0, 0.0), (8.0, 0.0), (8.0, 2.2), (0.0, 2.2)], height=2.4)
    for preset in CAMERA_PRESETS:
        camera = check_camera(place_camera(preset, empty, seed=0, width=160, height=120), empty)
        assert RoomSight.of(scene_mesh(empty)).sees(camera, np.array([[4.0, 1.1, 0.5]])).all()


def test_sight_ends_at_furniture():
    scene = Scene(
        id="room",
        polygon=[(0.0, 0.0), (6.0, 0.0), (6.0, 4.0), (0.0, 4.0)],
        objects=[default_object("wall", "screen", x=3.0, y=2.0, yaw=0.0)],
    )
    low, high = (np.array(scene.objects[0].center) + sign * np.array(scene.objects[0].size) / 2 for sign in (-1, 1))
    assert high[2] > 1.0
    middle = (low + high) / 2
    camera = look_at(np.array([middle[0], 0.2, 1.0]), middle, width=100, height=100, field_of_view=1.2)
    points = np.array([[middle[0], high[1] + 0.5, 0.5], [middle[0], low[1] - 0.5, 0.8], [middle[0], 0.1, 1.0]])
    assert RoomSight.of(scene_mesh(scene)).sees(camera, points).tolist() == [False, True, False]


def camera_at(x: float, y: float, z: float) -> Camera:
    rotation = look_rotation(np.array([0.0, 0.0, -1.0]), up=(0.0, 1.0, 0.0))
    return Camera(np.array([x, y, z]), rotation, 100.0, 160, 120)


@pytest.mark.parametrize("place", [(4.5, 0.5, 1.0), (-0.1, 2.0, 2.0), (2.0, 2.0, 2.7), (2.0, 1.0, -0.2)])
def test_cameras_outside_the_room_are_refused(place):
    with pytest.raises(UserError, match=r"inside the room \(x 0.00 to 5.40, y 0.00 to 4.20, z 0 to 2.60"):
        check_camera(camera_at(*place), ward())


def test_cameras_in_furniture_are_refused():
    cabinet = ward().objects[2]
    top = cabinet.center[2] + cabinet.size[2] / 2
    with pytest.raises(UserError, match="inside the cabinet 'cabinet-1'"):
        check_camera(camera_at(*cabinet.center[:2], top - 0.01), ward())
    assert check_camera(camera_at(*cabinet.center[:2], top + 0.3), ward())


def test_cameras_in_furniture_of_a_scanned_room_are_refused(tmp_path):
    walls, block = trimesh.creation.box((5, 4, 2.6)), trimesh.creation.box((2, 1, 0.5))
    walls.apply_translation((0, 0, 1.3))
    walls.invert()
    block.apply_translation((1, 1, 0.25))
    trimesh.util.concatenate([walls, block]).export(tmp_path / "room.ply")
    scene = load_scene(tmp_path / "room.ply")
    with pytest.raises(UserError, match="part of the room's own mesh"):
        check_camera(camera_at(1.0, 1.0, 0.3), scene, folder=tmp_path)
    for preset in CAMERA_PRESETS:
        camera = place_camera(preset, scene, seed=1, width=160, height=120, folder=tmp_path)
        assert check_camera(camera, scene, folder=tmp_path) is camera


def test_rooms_too_full_for_a_camera_are_refused():
    full = default_object("other", "crate", x=1.0, y=1.0, yaw=0.0, size=(2.0, 2.0, 2.3))
    scene = Scene(id="store", polygon=[(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)], height=2.3, objects=[full])
    with pytest.raises(UserError, match="room for a camera"):
        place_camera("wall", scene, seed=0, width=160, height=120)


def test_unknown_presets_and_empty_pictures_are_refused():
    with pytest.raises(UserError, match="ceiling_corner, wall, over_bed, overhead, but got 'drone'"):
        place_camera("drone", ward(), seed=0, width=160, height=120)
    with pytest.raises(UserError, match="at least 1x1"):
        place_camera("wall", ward(), seed=0, width=0, height=120)
