"""The empty room and people laid into it, against shapes whose depth, outline and hidden share are known."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from carescene.humans.body import load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering import Camera, Cloth, RoomView, Topology, draw_buffer, look_at
from carescene.rendering.draw import pixel_box
from carescene.rendering.gbuffer import CLOTH_BASE, NOTHING, PERSON_BASE, ROOM
from carescene.rendering.people import PeopleFrame
from carescene.rendering.raycast import blend, pixel_grid
from carescene.scenes import SHELL, SceneMesh, box
from carescene.scenes.tessellate import tessellate

Mesh = tuple[np.ndarray, np.ndarray, np.ndarray]


def box_mesh(center: tuple[float, float, float], size: tuple[float, float, float]) -> Mesh:
    """Vertices, normals and faces of a box, as rooms get them."""
    return tessellate(box(center, size, "wood"))


def capsule_mesh(center: tuple[float, float, float], radius: float, length: float, steps: int = 256) -> Mesh:
    """A vertical capsule (a ball if `length` is 0) in chords that stay within 0.1 mm of it."""
    rise = np.linspace(0, np.pi, steps + 1)
    if length > 0:
        rise = np.insert(rise, steps // 2, np.pi / 2)
    height = -np.cos(rise) * radius + np.where(np.arange(len(rise)) > steps // 2, length / 2, -length / 2)
    if length == 0:
        height = -np.cos(rise) * radius
    turn = np.linspace(0, 2 * np.pi, 2 * steps, endpoint=False)
    flat = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    normals = np.empty((len(rise), len(turn), 3))
    normals[..., :2] = np.sin(rise)[:, None, None] * flat
    normals[..., 2] = -np.cos(rise)[:, None]
    vertices = normals * radius
    vertices[..., 2] = height[:, None]
    here = np.arange(len(rise) - 1)[:, None] * len(turn) + np.arange(len(turn))
    right = np.arange(len(rise) - 1)[:, None] * len(turn) + (np.arange(len(turn)) + 1) % len(turn)
    a, b, c, d = here.ravel(), right.ravel(), (right + len(turn)).ravel(), (here + len(turn)).ravel()
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])
    return vertices.reshape(-1, 3) + center, normals.reshape(-1, 3), faces


def box_distance(center: tuple[float, float, float], size: tuple[float, float, float]) -> Callable:
    """Exact distance to a box."""

    def distance(points: np.ndarray) -> np.ndarray:
        over = np.abs(points - center) - np.array(size) / 2
        return np.linalg.norm(np.maximum(over, 0), axis=-1) + np.minimum(over.max(axis=-1), 0)

    return distance


def capsule_distance(center: tuple[float, float, float], radius: float, length: float) -> Callable:
    """Exact distance to a vertical capsule."""

    def distance(points: np.ndarray) -> np.ndarray:
        offset = points - center
        offset[..., 2] -= np.clip(offset[..., 2], -length / 2, length / 2)
        return np.linalg.norm(offset, axis=-1) - radius

    return distance


def exact_depth(camera: Camera, distance: Callable, reach: float = 12.0) -> np.ndarray:
    """Depth by marching every view through the distance (Hart 1996, "Sphere tracing"); infinite where missed."""
    directions = camera.directions(pixel_grid(camera))
    along = np.zeros(directions.shape[:-1])
    moving = np.ones(along.shape, dtype=bool)
    while moving.any():
        step = distance(camera.eye + along[moving][:, None] * directions[moving])
        along[moving] += step
        moving[moving] = (step > 1e-8) & (along[moving] < reach)
    missed = distance(camera.eye + along[..., None] * directions) > 1e-6
    return np.where(missed, np.inf, along * (directions @ camera.rotation[2]))


def room_mesh(*things: Mesh, size: tuple[float, float, float] = (10.0, 10.0, 6.0)) -> SceneMesh:
    """A room around the origin with things in it, numbered from 0; `materials` are the room's and the things'."""
    vertices, normals, faces = box_mesh((0.0, 0.0, 0.0), size)
    parts = [(vertices, -normals, faces[:, ::-1]), *things]
    starts = np.cumsum([0, *(len(part[0]) for part in parts)])
    counts = [len(part[2]) for part in parts]
    return SceneMesh(
        vertices=np.concatenate([part[0] for part in parts]),
        normals=np.concatenate([part[1] for part in parts]),
        faces=np.concatenate([part[2] + start for part, start in zip(parts, starts, strict=False)]),
        face_material=np.repeat(np.minimum(np.arange(len(parts)), 1), counts),
        face_object=np.repeat(np.arange(len(parts)) + SHELL, counts),
        materials=("wall", "wood"),
    )


def people_frame(*bodies: Mesh) -> PeopleFrame:
    """Persons that are shapes of one kind of mesh."""
    vertices = np.stack([body[0] for body in bodies]).astype(np.float32)
    topology = Topology.of(bodies[0][2], np.zeros(vertices.shape[1], dtype=int))
    joints = np.zeros((len(bodies), 24, 3), np.float32)
    return PeopleFrame(0.0, vertices, joints, np.ones(len(bodies), dtype=bool), topology)


LENS = (-0.06, 0.01, 1e-3, -7e-4, 0.0)
PLACE = (0.3, -0.2, 0.1)
SHAPES = {
    "box": (box_mesh(PLACE, (0.5, 0.8, 1.2)), box_distance(PLACE, (0.5, 0.8, 1.2))),
    "ball": (capsule_mesh(PLACE, 0.5, 0.0), capsule_distance(PLACE, 0.5, 0.0)),
    "capsule": (capsule_mesh(PLACE, 0.3, 1.0), capsule_distance(PLACE, 0.3, 1.0)),
}


def corner_camera(distortion=(0.0, 0.0, 0.0, 0.0, 0.0)) -> Camera:
    camera = look_at(np.array([2.1, -1.6, 1.7]), np.array(PLACE), width=160, height=120, field_of_view=1.0)
    return dataclasses.replace(camera, distortion=distortion)


def straight_camera(width: int = 160, height: int = 120) -> Camera:
    """At (0, -3, 0), looking along +y; a metre at the origin is 40 pixels wide."""
    camera = look_at(np.array([0.0, -3.0, 0.0]), np.zeros(3), width=width, height=height)
    return dataclasses.replace(camera, focal=120.0)


def check_depth(depth: np.ndarray, camera: Camera, distance) -> None:
    expected = exact_depth(camera, distance)
    inside = np.isfinite(expected)
    assert inside.sum() > 800
    # Where rays graze the outline of a curved thing, its chords may just miss.
    assert (inside != (depth < np.inf)).sum() <= 0.003 * inside.sum()
    both = inside & (depth < np.inf)
    error = np.abs(depth[both] - expected[both])
    assert np.quantile(error, 0.995) < 1e-3
    assert np.median(error) < 3e-5


@pytest.mark.parametrize("distortion", [(0.0, 0.0, 0.0, 0.0, 0.0), LENS])
@pytest.mark.parametrize("shape", SHAPES)
def test_depth_of_furniture_is_exact(shape, distortion):
    mesh, distance = SHAPES[shape]
    camera = corner_camera(distortion)
    buffer = RoomView.cast(room_mesh(mesh), camera).buffer
    check_depth(np.where(buffer.instance == 1, buffer.depth, np.inf), camera, distance)


@pytest.mark.parametrize("distortion", [(0.0, 0.0, 0.0, 0.0, 0.0), LENS])
@pytest.mark.parametrize("shape", SHAPES)
def test_depth_of_people_is_exact(shape, distortion):
    mesh, distance = SHAPES[shape]
    camera = corner_camera(distortion)
    drawn = draw_buffer(RoomView.cast(room_mesh(), camera), people_frame(mesh), shadows=False)
    seen = drawn.buffer.instance == PERSON_BASE
    check_depth(np.where(seen, drawn.buffer.depth, np.inf), camera, distance)
    assert drawn.full_pixels[0] == seen.sum()


def test_a_calibrated_camera_sees_people_where_they_are():
    mesh, distance = SHAPES["capsule"]
    camera = dataclasses.replace(corner_camera(LENS), aspect=1.05, shift=(9.0, -6.0))
    drawn = draw_buffer(RoomView.cast(room_mesh(), camera), people_frame(mesh))
    mine = drawn.buffer.instance == PERSON_BASE
    check_depth(np.where(mine, drawn.buffer.depth, np.inf), camera, distance)


def test_depth_of_the_walls_is_exact():
    camera = corner_camera(LENS)
    room = RoomView.cast(room_mesh(), camera)
    directions = camera.directions(pixel_grid(camera))
    with np.errstate(divide="ignore"):
        to_walls = ((np.sign(directions) * [5, 5, 3] - camera.eye) / directions).min(axis=-1)
    np.testing.assert_allclose(room.buffer.depth, to_walls * (directions @ camera.rotation[2]), atol=1e-4)
    np.testing.assert_allclose(room.points, camera.eye + to_walls[..., None] * directions, atol=1e-4)


def ball(x: float, y: float, z: float = 0.0, radius: float = 0.4):
    return capsule_mesh((x, y, z), radius, 0.0, steps=48)


def test_person_before_behind_and_half_behind_a_wall():
    camera = straight_camera()
    wall = box_mesh((-1.0, 0.0, 0.0), (2.0, 0.1, 3.0))
    room, empty = RoomView.cast(room_mesh(wall), camera), RoomView.cast(room_mesh(), camera)

    def draw(view: RoomView, x: float, y: float):
        drawn = draw_buffer(view, people_frame(ball(x, y)))
        return int((drawn.buffer.instance == PERSON_BASE).sum()), float(drawn.full_pixels[0])

    whole, _ = draw(empty, -0.6, 1.0)
    assert draw(room, -0.6, 1.0) == (0, whole)
    before = draw(room, -0.6, -1.0)
    assert before[0] == before[1] > whole
    half, full = draw(room, 0.0, 1.0)
    assert full == draw(empty, 0.0, 1.0)[0]
    assert half == pytest.approx(full / 2, rel=0.02)


def test_nearer_person_wins_whatever_their_order():
    room = RoomView.cast(room_mesh(), straight_camera())
    far, near = ball(0.0, 1.0, radius=0.8), ball(0.1, 0.0, radius=0.3)
    first = draw_buffer(room, people_frame(far, near)).buffer
    second = draw_buffer(room, people_frame(near, far)).buffer
    np.testing.assert_array_equal(first.instance == PERSON_BASE + 1, second.instance == PERSON_BASE)
    np.testing.assert_array_equal(first.depth, second.depth)
    assert (first.instance == PERSON_BASE).any()
    assert first.instance[60, 84] == PERSON_BASE + 1


@pytest.mark.parametrize("where", [(-2.0, 0.0), (2.0, 0.0), (0.0, 1.5), (0.0, -1.5), (2.0, 1.5), (2.3, 0.1)])
def test_outline_stays_whole_beyond_the_picture(where):
    camera, wide = straight_camera(), straight_camera(480, 360)
    body = ball(where[0], 0.0, where[1], radius=0.6)
    cut = draw_buffer(RoomView.cast(room_mesh(), camera), people_frame(body))
    whole = draw_buffer(RoomView.cast(room_mesh(), wide), people_frame(body))
    expected = int((whole.buffer.instance == PERSON_BASE).sum())
    shown = int((cut.buffer.instance == PERSON_BASE).sum())
    assert shown < 0.75 * expected
    assert cut.full_pixels[0] == pytest.approx(expected, rel=0.03)


def test_outline_stays_whole_beyond_a_picture_of_odd_size():
    body = people_frame(ball(-1.4, 0.0, radius=0.6))
    whole = draw_buffer(RoomView.cast(room_mesh(), straight_camera(481, 363)), body)
    cut = draw_buffer(RoomView.cast(room_mesh(), straight_camera(117, 79)), body)
    assert cut.full_pixels[0] == pytest.approx(float(whole.full_pixels[0]), rel=0.03)


def test_people_far_outside_or_behind_the_eye_leave_nothing():
    room = RoomView.cast(room_mesh(size=(60.0, 60.0, 6.0)), straight_camera())
    for place in ((0.0, -8.0), (25.0, 1.0)):
        drawn = draw_buffer(room, people_frame(ball(*place)))
        assert drawn.full_pixels[0] == 0
        np.testing.assert_array_equal(drawn.buffer.depth, room.buffer.depth)
        assert PERSON_BASE in drawn.casters


def test_somebody_around_the_eye_fills_the_picture():
    room = RoomView.cast(room_mesh(), straight_camera())
    drawn = draw_buffer(room, people_frame(ball(0.0, -3.0)))
    assert (drawn.buffer.instance == PERSON_BASE).all()
    assert drawn.full_pixels[0] > 5 * drawn.buffer.instance.size


def test_absent_people_are_not_drawn():
    room = RoomView.cast(room_mesh(), straight_camera())
    frame = dataclasses.replace(people_frame(ball(-0.5, 0.0), ball(0.5, 0.0)), visible=np.array([False, True]))
    drawn = draw_buffer(room, frame)
    assert set(np.unique(drawn.buffer.instance)) == {ROOM, PERSON_BASE + 1}
    assert drawn.full_pixels[0] == 0
    assert set(drawn.casters) == {PERSON_BASE + 1}
    np.testing.assert_array_equal(room.buffer.instance, ROOM)


def test_cloth_hides_people_from_both_sides():
    vertices = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], np.float32)
    for faces in (np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0, 2, 1], [0, 3, 2]])):
        sheet = Cloth(vertices, Topology.of(faces, np.zeros(4, dtype=int)))
        room = RoomView.cast(room_mesh(), straight_camera())
        for shadows in (True, False):
            drawn = draw_buffer(room, people_frame(ball(0.0, 1.0)), [sheet], shadows=shadows)
            shown = int((drawn.buffer.instance == PERSON_BASE).sum())
            assert shown == pytest.approx(float(drawn.full_pixels[0]) / 2, rel=0.02)
            of_sheet = drawn.buffer.instance == CLOTH_BASE
            assert of_sheet.sum() == pytest.approx(40 * 80, rel=0.01)
            np.testing.assert_allclose(drawn.buffer.normal[of_sheet], np.tile([0, -1, 0], (of_sheet.sum(), 1)))
            assert (drawn.buffer.part[of_sheet] == 0).all()
            assert (drawn.buffer.material[of_sheet] == NOTHING).all()


def test_normals_of_a_ball_are_smooth_and_face_the_eye():
    camera = corner_camera(LENS)
    (vertices, normals, faces), _ = capsule_mesh(PLACE, 0.5, 0.0, steps=32), None
    furniture = RoomView.cast(room_mesh((vertices, normals, faces)), camera)
    person = draw_buffer(RoomView.cast(room_mesh(), camera), people_frame((vertices, normals, faces)))
    for buffer, instance in ((furniture.buffer, 1), (person.buffer, PERSON_BASE)):
        seen = buffer.instance == instance
        points = camera.eye + buffer.depth[seen][:, None] * camera.rays(pixel_grid(camera))[seen]
        exact = (points - PLACE) / np.linalg.norm(points - PLACE, axis=-1, keepdims=True)
        angle = np.rad2deg(np.arccos(np.clip((exact * buffer.normal[seen]).sum(axis=-1), -1, 1)))
        assert np.quantile(angle, 0.99) < 1.0
        np.testing.assert_allclose(np.linalg.norm(buffer.normal, axis=-1), 1, atol=1e-5)
        assert ((buffer.normal * camera.rays(pixel_grid(camera))).sum(axis=-1) <= 1e-6).all()


def test_faces_and_weights_say_where_on_the_body_a_pixel_is():
    camera = corner_camera(LENS)
    frame = people_frame(ball(*PLACE))
    buffer = draw_buffer(RoomView.cast(room_mesh(), camera), frame).buffer
    seen = buffer.instance == PERSON_BASE
    points = blend(frame.vertices[0], frame.topology.faces[buffer.face[seen]], buffer.weights[seen])
    pixels, depth = camera.project(points.astype(np.float64))
    np.testing.assert_allclose(pixels, pixel_grid(camera)[seen], atol=0.02)
    np.testing.assert_allclose(depth, buffer.depth[seen], atol=1e-4)
    assert (buffer.face[~seen] == NOTHING).all()


@pytest.fixture(scope="module")
def bodies() -> PeopleFrame:
    """Two people on the free body in twisted poses, arms through the trunk, upright, facing -y."""
    body = load_body()
    poses = torch.randn(2, 24, 3, generator=torch.Generator().manual_seed(3)) * 0.4
    poses[:, 0] = torch.tensor([np.pi / 2, 0.0, 0.0])
    trans = torch.tensor([[-0.5, 0.0, -0.1], [0.5, 0.4, -0.1]])
    with torch.inference_mode():
        mesh = body.pose(poses, trans, torch.zeros(10))
    topology = Topology.of(body.faces.numpy(), body.lbs_weights.argmax(dim=1).numpy())
    return PeopleFrame(0.0, mesh.vertices.numpy(), mesh.joints.numpy(), np.ones(2, dtype=bool), topology)


def test_leaving_out_what_faces_away_changes_no_pixel(bodies):
    for eye in ((0.0, -3.0, 0.4), (2.5, 1.0, 1.8), (-1.5, 2.0, -0.8)):
        camera = look_at(np.array(eye), np.zeros(3), width=160, height=120, field_of_view=0.9)
        room = RoomView.cast(room_mesh(), camera)
        whole, culled = draw_buffer(room, bodies), draw_buffer(room, bodies, shadows=False)
        assert (whole.buffer.instance >= PERSON_BASE).sum() > 800
        for item in dataclasses.fields(whole.buffer):
            np.testing.assert_array_equal(getattr(whole.buffer, item.name), getattr(culled.buffer, item.name))
        np.testing.assert_array_equal(whole.full_pixels, culled.full_pixels)
        assert len(whole.casters) == 2
        assert not culled.casters


def test_body_parts_are_where_their_joints_are(bodies):
    camera = look_at(np.array([0.0, -3.0, 0.2]), np.zeros(3), width=320, height=240, field_of_view=0.9)
    buffer = draw_buffer(RoomView.cast(room_mesh(), camera), bodies).buffer
    for person in (0, 1):
        seen = buffer.instance == PERSON_BASE + person
        for name in ("head", "left_knee", "right_knee"):
            part = seen & (buffer.part == 1 + JOINT[name])
            middle = np.argwhere(part).mean(axis=0)[::-1] + 0.5
            pixel, _ = camera.project(bodies.joints[person, JOINT[name]].astype(np.float64))
            assert np.linalg.norm(middle - pixel) < 35
    assert (buffer.part[buffer.instance < PERSON_BASE] == 0).all()
    assert (buffer.part[buffer.instance >= PERSON_BASE] > 0).all()


def test_room_pixels_know_their_object_and_material():
    things = box_mesh((-0.6, 0.0, 0.0), (0.4, 0.4, 0.4)), box_mesh((0.6, 0.0, 0.0), (0.4, 0.4, 0.4))
    buffer = RoomView.cast(room_mesh(*things), straight_camera()).buffer
    assert buffer.instance[60, [56, 80, 104]].tolist() == [1, ROOM, 2]
    assert buffer.material[60, [56, 80, 104]].tolist() == [1, 0, 1]
    np.testing.assert_allclose(buffer.normal[60, [56, 104]], [[0, -1, 0]] * 2, atol=1e-6)
    assert (buffer.face == NOTHING).all()


def test_finer_rooms_have_the_same_pixels():
    camera = corner_camera(LENS)
    once, thrice = (RoomView.cast(room_mesh(SHAPES["box"][0]), camera, samples=samples) for samples in (1, 3))
    assert thrice.buffer.depth.shape == (360, 480)
    np.testing.assert_allclose(thrice.buffer.depth[1::3, 1::3], once.buffer.depth, atol=1e-5)
    np.testing.assert_array_equal(thrice.buffer.instance[1::3, 1::3], once.buffer.instance)


def test_rooms_with_holes_show_nothing_there():
    mesh = room_mesh(SHAPES["box"][0])
    only_box = dataclasses.replace(
        mesh, faces=mesh.faces[12:], face_material=mesh.face_material[12:], face_object=mesh.face_object[12:]
    )
    room = RoomView.cast(only_box, corner_camera())
    hole = room.buffer.instance == NOTHING
    assert 0.2 < hole.mean() < 0.95
    assert np.isinf(room.buffer.depth[hole]).all()
    assert np.isnan(room.points[hole]).all()
    assert (room.buffer.normal[hole] == 0).all()
    drawn = draw_buffer(room, people_frame(ball(*PLACE, radius=0.9)))
    assert (drawn.buffer.instance[hole] == PERSON_BASE).any()


def test_boxes_of_pixels_hold_everything_without_much_around(bodies):
    for distortion in ((0.0, 0.0, 0.0, 0.0, 0.0), LENS, (-0.25, 0.05, 2e-3, 1e-3, 0.0)):
        camera = look_at(np.array([0.8, -1.2, 1.4]), np.zeros(3), width=160, height=120, field_of_view=1.6)
        camera = dataclasses.replace(camera, distortion=distortion)
        for vertices in bodies.vertices:
            pixels, depth = camera.project(vertices.astype(np.float64))
            assert depth.min() > 0.1
            box = pixel_box(vertices, camera)
            assert box is not None
            assert (box[0] <= pixels.min(axis=0)).all()
            assert (box[1] >= pixels.max(axis=0)).all()
            assert (box[1] - box[0] <= np.ptp(pixels, axis=0) * 1.3 + 4).all()
