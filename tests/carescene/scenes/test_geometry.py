"""Signed distance and height maps of rooms against closed forms, and against Open3D on the drawn triangles."""

import itertools
import math

import numpy as np
import open3d as o3d
import pytest
import torch

from carescene.errors import UserError
from carescene.scenes import KINDS, Scene, SceneGeometry, SceneMesh, default_object, generate_scene, scene_mesh
from carescene.scenes import tessellate as drawing
from carescene.scenes._room_distance import is_inside, wall_distance
from carescene.scenes._solid_distance import SolidBatch
from carescene.scenes.footprint import inside_polygon
from carescene.scenes.solids import Solid, box, cylinder, rod, turn_to

ROOM = [(0.0, 0.0), (6.0, 0.0), (6.0, 5.0), (0.0, 5.0)]
L_SHAPE = [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (2.0, 2.0), (2.0, 5.0), (0.0, 5.0)]


def _room(*things, polygon=None, height=2.7) -> Scene:
    return Scene("room", polygon or ROOM, height, list(things))


def _distance(solid: Solid, points) -> torch.Tensor:
    batch = SolidBatch.of([[(solid, 0)]], 1, torch.float64)
    points = torch.as_tensor(np.asarray(points), dtype=torch.float64)[None]
    return batch.distance(points, batch.nearest(points))[0]


def _caster(mesh: SceneMesh, only: int | None = None) -> o3d.t.geometry.RaycastingScene:
    """Open3D's distances and rays to the drawn triangles of a room, or of one of its objects."""
    faces = mesh.faces if only is None else mesh.faces[mesh.face_object == only]
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(o3d.core.Tensor(mesh.vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32)))
    return caster


def test_box_distance_by_hand() -> None:
    points = [(0, 0, 0), (0.4, 0, 0), (1.5, 0, 0), (1.5, 3, 0), (1.5, 3, 4)]
    expected = [-0.5, -0.1, 1.0, math.hypot(1, 2), math.sqrt(1 + 4 + 12.25)]
    assert _distance(box((0, 0, 0), (1, 2, 1), "wall"), points).tolist() == pytest.approx(expected)


def test_rounded_box_is_nearer_to_its_rounded_corner() -> None:
    corner = _distance(box((0, 0, 0), (2, 2, 2), "wall", radius=0.5), [(1.0, 1.0, 1.0)])
    assert corner.item() == pytest.approx(0.5 * math.sqrt(3) - 0.5)


def test_capsule_is_distance_to_its_axis() -> None:
    start, end = np.array([0.1, 0.2, 0.3]), np.array([1.0, -0.5, 0.9])
    points = torch.randn(200, 3).double().numpy()
    part = np.clip((points - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    expected = np.linalg.norm(points - start - part[:, None] * (end - start), axis=1) - 0.1
    got = _distance(rod(tuple(start), tuple(end), 0.2, "metal"), points)
    outside = expected > 0
    np.testing.assert_allclose(got[outside], expected[outside], atol=1e-9)
    assert (got[~outside] < 0).all()


def test_cylinder_by_hand_along_a_tilted_axis() -> None:
    axis = (1.0, 2.0, 2.0)
    turn = turn_to(axis)
    local = np.array([(0, 0, 0), (0.3, 0.4, 0), (0, 0, 2), (0, 1.3, 1.4), (0.2, 0, 0.95)])
    expected = [-0.5, 0.0, 1.0, math.hypot(0.8, 0.4), -0.05]
    solid = cylinder((1, 2, 3), 1.0, 2.0, "metal", axis=axis)
    assert _distance(solid, local @ turn.T + [1, 2, 3]).tolist() == pytest.approx(expected, abs=1e-9)


def test_nearest_search_and_single_distance_agree() -> None:
    scene = generate_scene("ward_single", 0)
    geometry = SceneGeometry.of([scene])
    points = torch.rand(1, 300, 3) * torch.tensor([5.0, 5.0, 2.5])
    everywhere = torch.stack(
        [
            geometry.solids.distance(points, torch.full((1, 300), place))
            for place in range(geometry.solids.radius.shape[1])
        ]
    )
    found = geometry.solids.distance(points, geometry.solids.nearest(points))
    torch.testing.assert_close(found, everywhere.amin(dim=0))


def test_wall_distance_against_dense_walls_and_another_inside_test() -> None:
    corners = np.array(L_SHAPE)
    along = np.linspace(0, 1, 2001)[:, None]
    walls = np.concatenate([a + along * (b - a) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)])
    points = np.random.default_rng(0).uniform(-1, 6, (300, 2))
    expected = np.linalg.norm(points[:, None] - walls, axis=-1).min(axis=1)
    inside = inside_polygon(points, L_SHAPE)
    got = wall_distance(torch.as_tensor(corners)[None], torch.as_tensor(points)[None])[0]
    np.testing.assert_allclose(got.abs(), expected, atol=2e-3)
    np.testing.assert_array_equal(got > 0, inside)
    np.testing.assert_array_equal(is_inside(torch.as_tensor(corners)[None], torch.as_tensor(points)[None])[0], inside)


def test_empty_room_is_floor_ceiling_and_walls() -> None:
    geometry = SceneGeometry.of([_room()])
    points = torch.tensor([[[3.0, 2.5, 0.2], [3.0, 2.5, 2.6], [0.3, 2.5, 1.3], [3.0, 2.5, -0.1], [-0.5, 2.5, 1.3]]])
    expected = torch.tensor([[0.2, 0.1, 0.3, -0.1, -0.5]])
    torch.testing.assert_close(geometry.signed_distance(points), expected)
    assert geometry.shell_distance(points).shape == (1, 5, 3)


def test_batch_of_different_rooms_equals_each_alone() -> None:
    rooms = [
        generate_scene("bathroom", 1),
        _room(default_object("chair", "c", x=1, y=1), polygon=L_SHAPE, height=2.4),
        _room(),
    ]
    points = torch.rand(3, 200, 3) * torch.tensor([4.0, 4.0, 2.5])
    both = SceneGeometry.of(rooms)
    center, yaw = torch.tensor([[1.0, 1.0], [1.2, 0.8], [2.0, 2.0]]), torch.tensor([0.1, 0.2, 0.3])
    distance, per_object = both.signed_distance(points), both.signed_distance(points, per="object")
    heights = both.height_map(center, yaw, cells=8)
    for row, room in enumerate(rooms):
        alone = SceneGeometry.of([room])
        some = slice(row, row + 1)
        torch.testing.assert_close(distance[some], alone.signed_distance(points[some]))
        count = len(room.objects)
        torch.testing.assert_close(
            per_object[some, :, :count], alone.signed_distance(points[some], per="object")[..., :count]
        )
        assert torch.isinf(per_object[row, :, count:]).all()
        torch.testing.assert_close(heights[some], alone.height_map(center[some], yaw[some], cells=8))


def test_nearest_object_and_shell_make_the_scene() -> None:
    geometry = SceneGeometry.of([generate_scene("day_room", 2)])
    points = torch.rand(1, 500, 3) * torch.tensor([6.0, 6.0, 2.5])
    objects = geometry.signed_distance(points, per="object").amin(dim=-1)
    shell = geometry.shell_distance(points).amin(dim=-1)
    torch.testing.assert_close(torch.minimum(objects, shell), geometry.signed_distance(points))


def test_turned_furniture_in_the_world() -> None:
    # The front of a bare box of 0.4 x 0.8 m, turned by 90 degrees, looks along -x.
    thing = default_object("other", "o", x=3, y=2, yaw=math.pi / 2, size=(0.4, 0.8, 1.0))
    geometry = SceneGeometry.of([_room(thing)])
    points = torch.tensor([[[2.3, 2.0, 0.5], [3.0, 2.5, 0.5], [3.0, 2.0, 1.3]]])
    torch.testing.assert_close(geometry.signed_distance(points), torch.tensor([[0.3, 0.3, 0.3]]), atol=1e-6, rtol=0)


def test_gradients_are_right_and_of_unit_length() -> None:
    geometry = SceneGeometry.of([generate_scene("bathroom", 0)], dtype=torch.float64)
    points = (torch.rand(1, 40, 3).double() * torch.tensor([3.0, 3.0, 2.6])).requires_grad_()
    assert torch.autograd.gradcheck(geometry.signed_distance, points, eps=1e-7, atol=1e-5)
    (gradient,) = torch.autograd.grad(geometry.signed_distance(points).sum(), points)
    torch.testing.assert_close(gradient.norm(dim=-1), torch.ones(1, 40).double())


def test_gradients_are_finite_on_edges_centres_and_corners() -> None:
    things = [default_object(kind, kind, x=3, y=2.5) for kind in ("other", "iv_pole", "bed")]
    geometry = SceneGeometry.of([_room(*things)], dtype=torch.float64)
    solids = geometry.solids
    marks = [-1.0, 0.0, 1.0]
    steps = torch.tensor([(a, b, c) for a in marks for b in marks for c in marks]).double()
    local = steps[:, None] * (solids.core[0] + solids.radius[0, :, None])
    on_solids = solids.center[0] + (local[..., None, :] @ solids.rotation[0].transpose(-1, -2))[..., 0, :]
    corners = [(x, y, z) for x in (0.0, 3.0, 6.0) for y in (0.0, 2.5, 5.0) for z in (0.0, 1.35, 2.7)]
    points = torch.cat([on_solids.reshape(-1, 3), torch.tensor(corners).double()])[None].requires_grad_()
    for per in ("scene", "object"):
        answer = geometry.signed_distance(points, per=per)
        (gradient,) = torch.autograd.grad(answer.sum(), points)
        assert torch.isfinite(gradient).all()


def test_other_devices_and_precisions() -> None:
    geometry = SceneGeometry.of([_room(default_object("chair", "c", x=1, y=1))])
    double = geometry.to(dtype=torch.float64)
    points = torch.rand(1, 50, 3) * 3
    assert double.signed_distance(points.double()).dtype == torch.float64
    torch.testing.assert_close(double.signed_distance(points.double()).float(), geometry.signed_distance(points))
    assert geometry.to("meta").solids.center.device.type == "meta"


def test_no_scene_is_refused() -> None:
    with pytest.raises(UserError, match="at least one scene"):
        SceneGeometry.of([])


@pytest.mark.parametrize("kind", KINDS)
def test_furniture_of_every_kind_against_open3d(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Finer triangles than are drawn: on a ball-shaped end the middle of a drawn one lies up to 2 mm deep.
    monkeypatch.setattr(drawing, "_steps", lambda radius: 14)
    thing = default_object(kind, kind, x=3, y=2.5, yaw=0.3)
    scene = _room(thing)
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (1500, 3)) * (np.array(thing.size) + 0.6) + thing.center
    got = SceneGeometry.of([scene]).signed_distance(torch.as_tensor(points, dtype=torch.float32)[None], per="object")
    got = got[0, :, 0].numpy()
    expected = _caster(scene_mesh(scene), only=0).compute_distance(o3d.core.Tensor(points.astype(np.float32))).numpy()
    # Inside, where solids overlap, the triangles also hold surfaces that are hidden in others.
    outside = got > 0
    assert outside.sum() > 300
    np.testing.assert_allclose(got[outside], expected[outside], atol=1e-3)


@pytest.mark.parametrize(("preset", "seed"), [("ward_single", 3), ("bathroom", 4), ("day_room", 5)])
def test_whole_rooms_against_open3d(preset: str, seed: int) -> None:
    scene = generate_scene(preset, seed)
    polygon = np.array(scene.polygon)
    rng = np.random.default_rng(seed)
    points = rng.uniform([*polygon.min(0), 0.0], [*polygon.max(0), scene.height], (1500, 3)).astype(np.float32)
    got = SceneGeometry.of([scene]).signed_distance(torch.as_tensor(points)[None])[0].numpy()
    expected = _caster(scene_mesh(scene)).compute_distance(o3d.core.Tensor(points)).numpy()
    free = got > 0
    assert free.sum() > 700
    np.testing.assert_allclose(got[free], expected[free], atol=2e-3)


def test_height_map_against_rays_from_above() -> None:
    scene = generate_scene("ward_single", 1)
    center, size, cells, limit = np.array(scene.polygon).mean(axis=0), 4.0, 80, 2.0
    geometry = SceneGeometry.of([scene], dtype=torch.float64)
    yaw = 0.4
    got = geometry.height_map(
        torch.as_tensor(center)[None], torch.tensor([yaw]).double(), size_m=size, cells=cells, limit_m=limit
    )[0].numpy()
    axis = ((np.arange(cells) + 0.5) / cells - 0.5) * size
    right, front = np.meshgrid(axis, axis)
    xy = center + np.stack(
        [math.cos(yaw) * right - math.sin(yaw) * front, math.sin(yaw) * right + math.cos(yaw) * front], axis=-1
    )
    caster = _caster(scene_mesh(scene))
    seen = []
    # Rays a little beside each other, because where the height jumps the triangles jump up to 1 mm elsewhere.
    for dx, dy in itertools.product((-2e-3, 0.0, 2e-3), repeat=2):
        rays = np.zeros((cells * cells, 6), np.float32)
        rays[:, :2], rays[:, 2], rays[:, 5] = (xy + np.array([dx, dy])).reshape(-1, 2), limit, -1
        seen.append(limit - caster.cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy().reshape(cells, cells))
    low, high = np.min(seen, axis=0), np.max(seen, axis=0)
    starts_inside = (
        geometry.signed_distance(torch.as_tensor(np.dstack([xy, np.full_like(right, limit)])).reshape(1, -1, 3))
        .reshape(cells, cells)
        .numpy()
        < 3e-3
    )
    fits = (got >= low - 2e-3) & (got <= high + 2e-3)
    assert (~starts_inside).mean() > 0.7
    assert fits[~starts_inside].all()
    assert (got[starts_inside & (got > 1.99)] == limit).all()


def test_height_map_rows_run_to_the_front_and_columns_to_the_right() -> None:
    # The person stands at (2, 2) and looks along -x: in front is smaller x, to the right is larger y.
    ahead = default_object("other", "ahead", x=1.5, y=2.0, size=(0.2, 0.2, 0.4))
    right = default_object("other", "right", x=2.0, y=2.5, size=(0.2, 0.2, 0.7))
    geometry = SceneGeometry.of([_room(ahead, right)])
    heights = geometry.height_map(torch.tensor([[2.0, 2.0]]), torch.tensor([math.pi / 2]), cells=12)[0]
    assert heights[10, 5].item() == pytest.approx(0.4, abs=1e-6)
    assert heights[5, 10].item() == pytest.approx(0.7, abs=1e-6)
    assert heights[1, 5] == heights[5, 1] == 0


def test_height_map_limit_and_outside() -> None:
    tall = default_object("other", "tall", x=3.0, y=2.5, size=(0.5, 0.5, 2.5))
    hung = default_object("other", "hung", x=1.0, y=2.5, size=(0.5, 0.5, 0.2), bottom=2.2)
    geometry = SceneGeometry.of([_room(tall, hung)])
    center, yaw = torch.tensor([[0.5, 2.5]]), torch.zeros(1)
    heights = geometry.height_map(center, yaw, size_m=6.0, cells=60, outside_m=-1.0)[0]
    assert heights[30, 55].item() == 2.0
    assert heights[30, 34].item() == 0.0
    assert heights[30, 10].item() == -1.0
    assert geometry.height_map(center, yaw, size_m=6.0, cells=60)[0, 30, 10].item() == 2.0


def test_height_map_gradient_on_a_ramp() -> None:
    # A board that rises by 30 degrees along +y: moving forward raises every cell by tan 30.
    tilt = math.radians(30)
    turn = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
    ramp = box((3, 2.5, 0.8), (4, 4, 0.1), "wood", rotation=turn, radius=0.02)
    empty = SceneGeometry.of([_room()], dtype=torch.float64)
    geometry = SceneGeometry(SolidBatch.of([[(ramp, 0)]], 1, torch.float64), empty.rooms, empty.meshes)
    center = torch.tensor([[3.0, 2.5]]).double().requires_grad_()
    yaw = torch.tensor([0.3]).double().requires_grad_()

    def heights(center: torch.Tensor, yaw: torch.Tensor) -> torch.Tensor:
        return geometry.height_map(center, yaw, cells=4)

    (gradient,) = torch.autograd.grad(heights(center, yaw).mean(), center)
    torch.testing.assert_close(gradient, torch.tensor([[0.0, math.tan(tilt)]]).double(), atol=1e-6, rtol=0)
    assert torch.autograd.gradcheck(heights, (center, yaw), atol=1e-5)
