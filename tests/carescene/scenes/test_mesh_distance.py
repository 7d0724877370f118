"""Distances to users' own meshes against Open3D and closed forms; which side is inside; gradients."""

import math

import numpy as np
import open3d as o3d
import pytest
import torch
import trimesh

from carescene.scenes import Scene, SceneGeometry, SceneObject, generate_scene, load_scene, scene_mesh
from carescene.scenes._closed_pieces import split_mesh
from carescene.scenes.mesh_distance import MeshDistance

SQUARE = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]


def _bumpy_box() -> trimesh.Trimesh:
    mesh = trimesh.creation.box((1.0, 0.7, 0.5))
    for _ in range(4):
        mesh = mesh.subdivide()
    points = mesh.vertices
    waves = np.sin(9 * points[:, [1, 2, 0]]) * np.cos(7 * points[:, [2, 0, 1]])
    return trimesh.Trimesh(points + 0.03 * waves, mesh.faces)


SHAPES = {
    "ball": lambda: trimesh.creation.icosphere(3, 0.8),
    "ring": lambda: trimesh.creation.torus(0.5, 0.2),
    "box": lambda: trimesh.creation.box((1.0, 0.6, 0.4)),
    "bumpy box": _bumpy_box,
}


def _of(mesh: trimesh.Trimesh, **options) -> MeshDistance:
    return MeshDistance.of(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64), **options)


def _open3d(mesh: trimesh.Trimesh) -> o3d.t.geometry.RaycastingScene:
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(
        o3d.core.Tensor(np.asarray(mesh.vertices, np.float32)), o3d.core.Tensor(np.asarray(mesh.faces, np.uint32))
    )
    return caster


def _points(count: int = 800, reach: float = 1.2) -> torch.Tensor:
    return (torch.rand(count, 3) * 2 - 1) * reach


@pytest.mark.parametrize("name", SHAPES)
def test_closed_meshes_against_open3d(name: str) -> None:
    mesh, points = SHAPES[name](), _points(reach=0.8)
    distance = _of(mesh)
    assert distance.signed
    # Several rays per point: a single one may slip through an edge.
    expected = _open3d(mesh).compute_signed_distance(o3d.core.Tensor(points.numpy()), nsamples=5).numpy()
    got = distance.signed_distance(points).numpy()
    assert (got < 0).sum() > 20
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_open_mesh_has_distances_without_sign() -> None:
    mesh = SHAPES["ball"]()
    mesh.update_faces(mesh.triangles_center[:, 2] > 0.1)
    points = _points()
    distance = _of(mesh)
    assert not distance.signed
    expected = _open3d(mesh).compute_distance(o3d.core.Tensor(points.numpy())).numpy()
    np.testing.assert_allclose(distance.signed_distance(points).numpy(), expected, atol=1e-4)


def test_one_triangle_by_hand() -> None:
    corners = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    distance = MeshDistance.of(corners, np.array([[0, 1, 2]]), dtype=torch.float64)
    points = torch.tensor([[0.2, 0.2, 0.5], [0.5, -2.0, 0.0], [-3.0, -4.0, 0.0], [1.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
    expected = torch.tensor([0.5, 2.0, 5.0, math.sqrt(0.5), 1.0]).double()
    torch.testing.assert_close(distance.signed_distance(points.double()), expected)


def test_many_points_at_once_take_little_memory_and_lose_none() -> None:
    # From the middle of a ball all faces are equally near: the worst case for the search.
    distance = _of(trimesh.creation.icosphere(4, 1.0))
    got = distance.signed_distance(torch.randn(200, 3) * 1e-3)
    torch.testing.assert_close(got, torch.full((200,), -1.0), atol=6e-3, rtol=0)


def test_winding_does_not_matter_for_solids() -> None:
    mesh, points = SHAPES["bumpy box"](), _points()
    turned = trimesh.Trimesh(mesh.vertices, mesh.faces[:, ::-1])
    torch.testing.assert_close(_of(turned).signed_distance(points), _of(mesh).signed_distance(points))


def test_split_vertices_are_joined() -> None:
    mesh = SHAPES["box"]()
    loose = trimesh.Trimesh(mesh.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False)
    assert _of(loose).signed


def test_overlapping_solids_are_one_union() -> None:
    first, second = trimesh.creation.box((1, 1, 1)), trimesh.creation.box((1, 1, 1))
    second.apply_translation((0.6, 0.1, 0.2))
    points = _points(reach=1.5)
    both = _of(trimesh.util.concatenate([first, second])).signed_distance(points)
    apart = torch.minimum(_of(first).signed_distance(points), _of(second).signed_distance(points))
    torch.testing.assert_close(both, apart)


def test_solids_that_share_an_edge_stay_closed() -> None:
    boxes = [trimesh.creation.box((1, 1, 1)) for _ in range(2)]
    boxes[1].apply_translation((1, 1, 0))
    whole = trimesh.util.concatenate(boxes)
    points = _points(reach=1.5)
    apart = torch.minimum(*(_of(box).signed_distance(points) for box in boxes))
    assert _of(whole).signed
    torch.testing.assert_close(_of(whole).signed_distance(points), apart)


def test_solids_apart_are_searched_together() -> None:
    balls = [trimesh.creation.icosphere(1, 0.3) for _ in range(5)]
    for place, ball in enumerate(balls):
        ball.apply_translation((place, 0, 0))
    whole = trimesh.util.concatenate(balls)
    assert len(split_mesh(np.asarray(whole.vertices), np.asarray(whole.faces, np.int64))) == 1
    points = _points(reach=2.0) + torch.tensor([2.0, 0.0, 0.0])
    apart = torch.stack([_of(ball).signed_distance(points) for ball in balls]).amin(dim=0)
    torch.testing.assert_close(_of(whole).signed_distance(points), apart)


def test_hollow_in_a_solid_is_filled() -> None:
    outer, inner = trimesh.creation.box((2, 2, 2)), trimesh.creation.box((1, 1, 1))
    hollow = trimesh.util.concatenate([outer, trimesh.Trimesh(inner.vertices, inner.faces[:, ::-1])])
    assert _of(hollow).signed_distance(torch.zeros(1, 3)).item() == pytest.approx(-1.0)


@pytest.mark.parametrize("turned", [False, True])
def test_shell_of_a_room_is_free_inside(turned: bool) -> None:
    shell, table = trimesh.creation.box((4, 5, 2.5)), trimesh.creation.box((1, 1, 0.7))
    if turned:
        shell.invert()
    distance = _of(trimesh.util.concatenate([shell, table]), room=True)
    points = torch.tensor([[1.5, 0.0, 0.0], [0.0, 0.0, 0.2], [3.0, 0.0, 0.0], [9.0, 9.0, 0.0]])
    expected = torch.tensor([0.5, -0.15, -1.0, -math.hypot(7.0, 6.5)])
    torch.testing.assert_close(distance.signed_distance(points), expected)


def test_fold_in_a_mesh_does_not_turn_the_far_side_inside_out() -> None:
    mesh = trimesh.creation.box((1, 1, 1)).subdivide().subdivide()
    corner = int(np.argmax(mesh.vertices @ [1, 1, 1]))
    mesh.vertices[corner] -= 0.4
    points = _points(500, 1.0) * 0.3 + torch.tensor([1.5, 1.5, 1.5])
    assert (_of(mesh).signed_distance(points) > 0).all()


def test_gradients_are_right_and_finite() -> None:
    distance = _of(SHAPES["bumpy box"](), dtype=torch.float64)
    points = _points(15).double().requires_grad_()
    assert torch.autograd.gradcheck(distance.signed_distance, points, eps=1e-7, atol=1e-5)
    on_surface = torch.cat([distance.triangles[:50].mean(dim=1), distance.triangles[:50, 0]]).requires_grad_()
    (gradient,) = torch.autograd.grad(distance.signed_distance(on_surface).sum(), on_surface)
    torch.testing.assert_close(gradient.norm(dim=-1), torch.ones(100).double())
    shaped = _of(trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False), dtype=torch.float64)
    touching = torch.zeros(1, 3).double().requires_grad_()
    (gradient,) = torch.autograd.grad(shaped.signed_distance(touching).sum(), touching)
    assert torch.isfinite(gradient).all()


def test_tops_against_rays_from_above() -> None:
    mesh = SHAPES["bumpy box"]()
    mesh.apply_translation((0, 0, 0.6))
    points = _points(600, 0.6)[:, :2]
    rays = np.zeros((600, 6), np.float32)
    rays[:, :2], rays[:, 2], rays[:, 5] = points.numpy(), 2.0, -1
    hit = _open3d(mesh).cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy()
    expected = np.where(np.isinf(hit), 0.0, 2.0 - hit)
    distance = _of(mesh)
    got = distance.tops(points, 2.0).numpy()
    assert (expected > 0).mean() > 0.3
    # On the upright sides one of both may just miss.
    assert (np.abs(got - expected) < 1e-4).mean() > 0.995
    assert distance.tops(torch.zeros(1, 2), 0.5).item() == 0.5


def test_tops_gradient() -> None:
    distance = _of(SHAPES["ball"](), dtype=torch.float64)
    points = (_points(8, 0.4)[:, :2]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda at: distance.tops(at, 2.0), points, eps=1e-7, atol=1e-5)


def test_meshes_in_a_scene(tmp_path) -> None:
    trimesh.creation.box((0.4, 0.8, 0.5)).export(tmp_path / "stool.ply")
    thing = SceneObject("stool", "other", (2.0, 2.0, 0.25), (0.4, 0.8, 0.5), math.pi / 2, mesh="stool.ply")
    geometry = SceneGeometry.of([Scene("s", SQUARE, 2.7, [thing])], folder=tmp_path)
    points = torch.tensor([[[2.7, 2.0, 0.4], [2.0, 2.4, 0.45], [2.0, 2.0, 0.4], [2.0, 3.9, 1.0]]])
    expected = torch.tensor([[0.3, 0.2, -0.1, 0.1]])
    torch.testing.assert_close(geometry.signed_distance(points), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        geometry.signed_distance(points, per="object")[0, :3, 0], expected[0, :3], atol=1e-5, rtol=0
    )
    heights = geometry.height_map(torch.tensor([[2.0, 2.0]]), torch.zeros(1), cells=6)[0]
    torch.testing.assert_close(heights[2:4], torch.full((2, 6), 0.5).where(torch.tensor([0, 1, 1, 1, 1, 0]) > 0, 0.0))


def test_room_given_by_a_mesh_counts_once(tmp_path) -> None:
    # The table is part of the room's mesh; its box only names it and must not fill the room under it.
    shell, board = trimesh.creation.box((4, 4, 2.5)), trimesh.creation.box((1.2, 0.8, 0.04))
    shell.apply_translation((2, 2, 1.25))
    board.apply_translation((2, 2, 0.7))
    trimesh.util.concatenate([shell, board]).export(tmp_path / "room.ply")
    table = SceneObject("table", "table", (2.0, 2.0, 0.36), (1.2, 0.8, 0.72))
    scene = Scene("s", SQUARE, 2.5, [table], mesh="room.ply")
    geometry = SceneGeometry.of([scene], folder=tmp_path)
    points = torch.tensor([[[2.0, 2.0, 0.4], [2.0, 2.0, 0.8], [2.0, 2.0, 2.4], [-0.5, 2.0, 1.0]]])
    expected = torch.tensor([[0.28, 0.08, 0.1, -0.5]])
    torch.testing.assert_close(geometry.signed_distance(points), expected, atol=1e-5, rtol=0)
    assert torch.isinf(geometry.signed_distance(points, per="object")).all()


@pytest.mark.slow
def test_generated_room_comes_back_as_a_users_own_mesh(tmp_path) -> None:
    scene = generate_scene("ward_single", 2)
    drawn = scene_mesh(scene)
    upright = np.stack([drawn.vertices[:, 0], drawn.vertices[:, 2], -drawn.vertices[:, 1]], axis=-1)
    trimesh.Trimesh(upright, drawn.faces, process=False).export(tmp_path / "ward.glb")
    own = SceneGeometry.of([load_scene(tmp_path / "ward.glb")], folder=tmp_path)
    first = SceneGeometry.of([scene])
    low, high = np.min(scene.polygon, axis=0), np.max(scene.polygon, axis=0)
    points = np.random.default_rng(0).uniform([*low, 0.0], [*high, scene.height], (1000, 3))
    expected, got = (it.signed_distance(torch.as_tensor(points, dtype=torch.float32)[None])[0] for it in (first, own))
    free = expected > 3e-3
    assert 0.5 < free.float().mean() < 1
    torch.testing.assert_close(got[free], expected[free], atol=3e-3, rtol=0)
    # Every piece of furniture is closed, so the mesh knows its inside as well.
    assert (got[expected < -3e-3] < 0).all()
