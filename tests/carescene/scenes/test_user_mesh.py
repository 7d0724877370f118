"""Reading users' meshes: formats, axes, units, and every file that must be refused."""

import subprocess
import sys

import numpy as np
import pytest
import trimesh

from carescene.errors import UserError
from carescene.scenes import Scene, SceneObject, read_mesh, validate_scene
from carescene.scenes.scene import area
from carescene.scenes.user_mesh import bounds_of_mesh, object_mesh, room_mesh

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 1 1 0\n"


@pytest.mark.parametrize("ending", ["ply", "obj", "stl"])
def test_formats_with_z_up(tmp_path, ending: str) -> None:
    path = tmp_path / f"box.{ending}"
    trimesh.creation.box((1.0, 2.0, 3.0)).export(path)
    vertices, faces = read_mesh(path)
    assert np.ptp(vertices, axis=0) == pytest.approx([1, 2, 3], abs=1e-6)
    assert len(faces) == 12


def test_glb_is_turned_upright_and_keeps_its_winding(tmp_path) -> None:
    wedge = trimesh.convex.convex_hull([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3.0]])
    wedge.export(tmp_path / "wedge.glb")
    vertices, faces = read_mesh(tmp_path / "wedge.glb")
    # The file's y (2 m) is up, its z (3 m) comes to the front, which is -y.
    assert vertices.min(axis=0) == pytest.approx([0, -3, 0], abs=1e-6)
    assert vertices.max(axis=0) == pytest.approx([1, 0, 2], abs=1e-6)
    assert trimesh.Trimesh(vertices, faces).volume == pytest.approx(1.0, abs=1e-5)
    as_is, _ = read_mesh(tmp_path / "wedge.glb", up="z")
    assert as_is.max(axis=0) == pytest.approx([1, 2, 3], abs=1e-6)


def test_parts_of_a_glb_stand_where_their_nodes_put_them(tmp_path) -> None:
    scene = trimesh.Scene()
    for place in (0.0, 3.0):
        scene.add_geometry(
            trimesh.creation.box((1, 1, 1)), transform=trimesh.transformations.translation_matrix([place, 0, 0])
        )
    scene.export(tmp_path / "two.glb")
    vertices, faces = read_mesh(tmp_path / "two.glb")
    assert np.ptp(vertices[:, 0]) == pytest.approx(4.0)
    assert len(faces) == 24


def test_unit(tmp_path) -> None:
    trimesh.creation.box((1000, 500, 750)).export(tmp_path / "mm.ply")
    vertices, _ = read_mesh(tmp_path / "mm.ply", unit_m=0.001)
    assert np.ptp(vertices, axis=0) == pytest.approx([1, 0.5, 0.75], abs=1e-6)
    with pytest.raises(UserError, match=r"at most 100 m .* got 1000 m.*millimetres"):
        read_mesh(tmp_path / "mm.ply")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("points.obj", TRIANGLE, "without faces.*point cloud"),
        ("nan.obj", TRIANGLE.replace("1 1", "nan 1") + "f 1 2 3\n", "finite coordinates"),
        ("index.obj", TRIANGLE + "f 1 2 7\n", "index.obj"),
        ("tiny.obj", TRIANGLE.replace("1", "0.001") + "f 1 2 3\n", "at least 1 cm"),
        (
            "far.obj",
            TRIANGLE.replace("v 0", "v 5000").replace("v 1", "v 5001") + "f 1 2 3\n",
            "near its origin",
        ),
        ("line.obj", TRIANGLE.replace("1 1", "2 0") + "f 1 2 3\nf 1 1 2\n", "all 2 are lines or points"),
        ("empty.ply", "", "damaged or cut short"),
        ("text.glb", "this is no mesh", "damaged or cut short"),
        ("room.txt", "x", "Expected a mesh file"),
    ],
)
def test_files_that_cannot_be_right(tmp_path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_mesh(tmp_path / name)


@pytest.mark.parametrize("ending", ["glb", "ply"])
def test_truncated_file(tmp_path, ending: str) -> None:
    path = tmp_path / f"ball.{ending}"
    trimesh.creation.icosphere(2).export(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UserError, match="damaged or cut short"):
        read_mesh(path)


def test_point_cloud_file(tmp_path) -> None:
    trimesh.PointCloud(np.random.default_rng(0).random((20, 3))).export(tmp_path / "scan.ply")
    with pytest.raises(UserError, match="20 vertices without faces"):
        read_mesh(tmp_path / "scan.ply")


@pytest.mark.slow
def test_rooms_need_neither_open3d_nor_trimesh() -> None:
    code = (
        "import sys; sys.modules['open3d'] = sys.modules['trimesh'] = None\n"
        "from carescene.scenes import SceneGeometry, generate_scene, scene_mesh, validate_scene\n"
        "scene = validate_scene(generate_scene('bathroom', 0)); scene_mesh(scene); SceneGeometry.of([scene])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_missing_file(tmp_path) -> None:
    with pytest.raises(UserError, match=r"there is none.*relative to that file"):
        read_mesh(tmp_path / "room.ply")


def test_object_mesh_is_moved_into_its_box(tmp_path) -> None:
    mesh = trimesh.creation.box((1.0, 2.0, 0.5))
    mesh.apply_translation((7, 8, 9))
    mesh.export(tmp_path / "o.ply")
    thing = SceneObject("o", "other", (1.0, 1.0, 0.25), (1.0, 2.0, 0.5), mesh="o.ply")
    vertices, _ = object_mesh(thing, tmp_path)
    assert vertices.max(axis=0) == pytest.approx([0.5, 1.0, 0.25], abs=1e-5)
    assert vertices.min(axis=0) == pytest.approx([-0.5, -1.0, -0.25], abs=1e-5)
    thing.size = (2.0, 1.0, 0.5)
    with pytest.raises(UserError, match=r"box of object 'o' \(2.00 x 1.00 x 0.50 m\), but it measures 1.00 x 2.00"):
        object_mesh(thing, tmp_path)


def test_mesh_that_is_not_named() -> None:
    with pytest.raises(UserError, match="object 'o' to have a mesh"):
        object_mesh(SceneObject("o", "other", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    with pytest.raises(UserError, match="scene 's' to have a mesh"):
        room_mesh(Scene("s", []))


def test_bounds_are_the_hull_of_the_mesh() -> None:
    mesh = trimesh.creation.box((4.0, 6.0, 2.5))
    mesh.apply_translation((2, 3, 1.25))
    polygon, height = bounds_of_mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64))
    assert height == 2.5
    assert {tuple(np.round(corner, 6)) for corner in polygon} == {(0, 0), (4, 0), (4, 6), (0, 6)}


def test_bounds_of_a_round_room_have_few_corners() -> None:
    mesh = trimesh.creation.cylinder(3.0, 2.5, sections=2000)
    mesh.apply_translation((0, 0, 1.25))
    polygon, _ = bounds_of_mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64))
    assert 12 < len(polygon) < 80
    assert area(polygon) == pytest.approx(np.pi * 9, rel=0.02)
    validate_scene(Scene("round", polygon))


def test_bounds_of_a_mesh_in_the_air_or_on_edge() -> None:
    box = trimesh.creation.box((4.0, 6.0, 2.5))
    with pytest.raises(UserError, match=r"floor of room mesh 'r' at z = 0, but its lowest point is at z = -1.25"):
        bounds_of_mesh(np.asarray(box.vertices), np.asarray(box.faces, np.int64), "r")
    sheet = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 2.0]])
    with pytest.raises(UserError, match="seen from above it is a line"):
        bounds_of_mesh(sheet, np.array([[0, 1, 2]]))
