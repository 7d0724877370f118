"""The mesh of a whole room: floor, walls, ceiling, lamps and furniture in one."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from carescene.errors import UserError
from carescene.scenes import (
    MATERIALS,
    SHELL,
    Scene,
    SceneMesh,
    SceneObject,
    Solid,
    ceiling_lamps,
    default_object,
    object_solids,
    scene_mesh,
)
from carescene.scenes.scene import area

PLAN = [(0.0, 0.0), (6.0, 0.0), (6.0, 3.0), (3.0, 3.0), (3.0, 5.0), (0.0, 5.0)]


@pytest.fixture
def ward() -> Scene:
    bed = default_object("bed", "bed-1", x=1.5, y=1.5, yaw=0.3, rails="full")
    chair = default_object("chair", "chair-1", x=4.0, y=1.0, yaw=-2.0)
    window = default_object("window", "window-1", x=3.0, y=0.06)
    return Scene("w", PLAN, height=2.6, objects=[bed, chair, window], preset="ward_single")


def areas(mesh: SceneMesh) -> np.ndarray:
    corners = mesh.vertices[mesh.faces]
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2


def of_material(mesh: SceneMesh, *names: str) -> np.ndarray:
    return np.isin(mesh.face_material, [mesh.materials.index(name) for name in names if name in mesh.materials])


def test_indices_are_consistent(ward: Scene) -> None:
    mesh = scene_mesh(ward)
    assert mesh.faces.min() == 0 and mesh.faces.max() == len(mesh.vertices) - 1
    assert mesh.face_material.shape == mesh.face_object.shape == (len(mesh.faces),)
    assert set(mesh.materials) <= set(MATERIALS)
    assert set(np.unique(mesh.face_object)) == {SHELL, 0, 1, 2}
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-9)
    corners = mesh.vertices[mesh.faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("ij,ikj->ik", facing, mesh.normals[mesh.faces]) >= -1e-12).all()


def test_shell_has_the_area_of_the_room_and_looks_inwards(ward: Scene) -> None:
    mesh = scene_mesh(ward)
    size = areas(mesh)
    assert size[of_material(mesh, "floor")].sum() == pytest.approx(area(PLAN))
    assert size[of_material(mesh, "ceiling")].sum() == pytest.approx(area(PLAN))
    walls = of_material(mesh, "wall", "skirting", "wall_guard")
    assert size[walls].sum() == pytest.approx(22.0 * 2.6)
    assert mesh.normals[mesh.faces[of_material(mesh, "floor")]][..., 2].min() == 1
    assert mesh.normals[mesh.faces[of_material(mesh, "ceiling")]][..., 2].max() == -1
    # From each wall, a step along its normal leads into the room.
    for face in np.flatnonzero(walls):
        x, y, _ = mesh.vertices[mesh.faces[face]].mean(axis=0) + 0.05 * mesh.normals[mesh.faces[face, 0]]
        assert (0 < x < 6 and 0 < y < 3) or (0 < x < 3 and 0 < y < 5)


def test_furniture_is_where_its_box_is(ward: Scene) -> None:
    mesh = scene_mesh(ward)
    for index, thing in enumerate(ward.objects):
        points = mesh.vertices[mesh.faces[mesh.face_object == index]].reshape(-1, 3) - np.array(thing.center)
        cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
        x, y = points[:, 0] * cos + points[:, 1] * sin, points[:, 1] * cos - points[:, 0] * sin
        assert (np.abs(np.stack([x, y, points[:, 2]], axis=-1)) <= np.array(thing.size) / 2 + 0.01).all()
        assert np.ptp(x) > thing.size[0] - 0.1


def test_walls_are_painted_by_the_kind_of_room() -> None:
    def materials(preset: str | None) -> set[str]:
        return set(scene_mesh(Scene("s", PLAN, preset=preset)).materials)

    assert "wall_guard" in materials("corridor") and "tiles" in materials("bathroom")
    assert not {"wall_guard", "tiles"} & materials("day_room") and not {"wall_guard", "tiles"} & materials(None)
    assert "skirting" in materials(None)


def test_lamps_hang_in_the_room(ward: Scene) -> None:
    lamps = ceiling_lamps(ward)
    assert 3 <= len(lamps) <= 6
    for x, y, wide, deep in lamps:
        for corner_x in (x - wide / 2, x + wide / 2):
            for corner_y in (y - deep / 2, y + deep / 2):
                assert (0 < corner_x < 6 and 0 < corner_y < 3) or (0 < corner_x < 3 and 0 < corner_y < 5)
    mesh = scene_mesh(ward)
    shining = of_material(mesh, "lamp")
    assert areas(mesh)[shining].sum() == pytest.approx(len(lamps) * 1.2 * 0.3)
    assert set(mesh.face_object[shining]) == {SHELL}


def test_a_room_without_ceiling_height_for_all_strips_is_cut_there() -> None:
    mesh = scene_mesh(Scene("s", PLAN, height=1.9, preset="bathroom"))
    assert mesh.vertices[:, 2].max() == 1.9


def gap(solid: Solid, points: np.ndarray) -> np.ndarray:
    """Distance of points from a rounded box, negative inside; a round solid counts as the box around it."""
    over = np.abs((points - solid.center) @ solid.rotation) - solid.half + solid.radius
    return np.linalg.norm(np.maximum(over, 0), axis=-1) + np.minimum(over.max(axis=-1), 0) - solid.radius


def flat_faces(solid: Solid) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points on each flat face of a box, and the face's normal."""
    inner, grid, faces = solid.half - solid.radius, np.linspace(-0.95, 0.95, 9), []
    for axis in range(3):
        around = [other for other in range(3) if other != axis]
        if inner[around].min() < 2e-3:
            continue
        for sign in (-1.0, 1.0):
            local = np.zeros((81, 3))
            local[:, axis] = sign * solid.half[axis]
            local[:, around] = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2) * inner[around]
            faces.append((local @ solid.rotation.T + solid.center, sign * solid.rotation[:, axis]))
    return faces


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("bed", {"head_angle_deg": 30, "rails": "full", "folded_blanket": True, "lifting_pole": True}),
        ("cabinet", {"items": 3}),
        ("cabinet", {"size": (1.0, 0.6, 2.0)}),
        ("overbed_table", {"items": 3}),
        ("door", {"vision_panel": True}),
        ("window", {"blind": 0.4}),
        ("basin", {}),
        ("toilet", {}),
        ("iv_pole", {"bags": 2}),
        ("other", {"look": "bed_panel"}),
        ("other", {"look": "board"}),
        ("other", {"look": "screen"}),
    ],
)
def test_no_two_materials_share_a_visible_surface(kind: str, params: dict) -> None:
    # Where they do, rays meet now the one and now the other, and the picture is speckled.
    thing = default_object(kind, kind, x=0, y=0, **params)
    solids = [solid for solid in object_solids(thing) if solid.shape == "box"]
    for first in solids:
        for points, normal in flat_faces(first):
            # The back on the wall and the underside on the floor are never seen.
            seen = (points[:, 1] > 1e-3 - thing.size[1] / 2) & (points[:, 2] > 1e-3 - thing.size[2] / 2)
            for other in solids:
                if other.material != first.material and (np.abs(gap(other, points)) < 4e-4)[seen].any():
                    shared = (np.abs(gap(other, points)) < 4e-4) & (gap(other, points + 2e-3 * normal) > 1.5e-3) & seen
                    for third in solids:
                        shared &= gap(third, points + 1e-3 * normal) > 0
                    assert not shared.any(), (first, other)


def test_own_mesh_of_an_object_stands_in_its_box(tmp_path: Path) -> None:
    trimesh.creation.box((0.4, 0.6, 1.0)).export(tmp_path / "thing.ply")
    own = SceneObject("thing", "other", (2.0, 1.0, 0.5), (0.4, 0.6, 1.0), yaw=np.pi / 2, mesh="thing.ply")
    mesh = scene_mesh(Scene("s", PLAN, objects=[own]), tmp_path)
    points = mesh.vertices[mesh.faces[mesh.face_object == 0]].reshape(-1, 3)
    np.testing.assert_allclose(points.min(axis=0), [1.7, 0.8, 0.0], atol=1e-6)
    np.testing.assert_allclose(points.max(axis=0), [2.3, 1.2, 1.0], atol=1e-6)
    assert {mesh.materials[number] for number in mesh.face_material[mesh.face_object == 0]} == {"own"}


def test_own_mesh_of_a_room_is_named_by_its_objects(tmp_path: Path) -> None:
    room = trimesh.creation.box((6.0, 5.0, 2.6))
    room.apply_translation([3.0, 2.5, 1.3])
    chest = trimesh.creation.box((0.5, 0.5, 0.8))
    chest.apply_translation([1.0, 1.0, 0.4])
    trimesh.util.concatenate([room, chest]).export(tmp_path / "room.ply")
    cabinet = default_object("cabinet", "c", x=1, y=1, size=(0.6, 0.6, 0.9))
    mesh = scene_mesh(Scene("s", PLAN, objects=[cabinet], mesh="room.ply"), tmp_path)
    assert mesh.materials == ("own",)
    assert (mesh.face_object == 0).sum() == 12 and (mesh.face_object == SHELL).sum() == 12
    np.testing.assert_allclose(mesh.vertices[mesh.faces[mesh.face_object == 0]].max(axis=(0, 1)), [1.25, 1.25, 0.8])
    with pytest.raises(UserError, match=r"other\.ply"):
        scene_mesh(Scene("s", PLAN, mesh="other.ply"), tmp_path)
