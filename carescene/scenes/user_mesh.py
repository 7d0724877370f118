"""Users' own meshes (glb, gltf, ply, obj, stl): read, brought to metres with z up, refused if they cannot be right."""

from pathlib import Path
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull, QhullError

from carescene.errors import UserError
from carescene.scenes.scene import Scene, SceneObject

Up = Literal["auto", "y", "z"]

_ENDINGS: Final = (".glb", ".gltf", ".ply", ".obj", ".stl")
# glTF's own rule (specification 2.0, section 3.4: +y up, metres). The others have none; scans are mostly z up.
_Y_UP_ENDINGS: Final = (".glb", ".gltf")
# Larger than any room in care, smaller than a small room in millimetres.
_LARGEST_M: Final = 100.0
_SMALLEST_M: Final = 0.01
# A mesh fills its object's box to this, and a scanned floor lies this near to z = 0.
_BOX_TOLERANCE_M: Final = 0.02
_FLOOR_TOLERANCE_M: Final = 0.3
_CORNER_M: Final = 0.01
# Square metres below which a triangle is a line.
_LEAST_AREA: Final = 1e-9


def read_mesh(
    path: Path, *, up: Up = "auto", unit_m: float | int = 1.0
) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """Vertices (metres, z up) and triangles of a mesh file; all parts of the file as one mesh.

    Args:
        path: .glb, .gltf, .ply, .obj or .stl; read by trimesh.
        up: the file's upward axis. `auto` is y for glb and gltf, as that format demands, and z for the others.
        unit_m: length of the file's unit in metres, such as 0.001 for millimetres.

    Raises:
        UserError: if the file is missing, of another format or damaged, has no triangles, holds numbers that are not
            finite, or is larger than 100 m or smaller than 1 cm.
    """
    vertices, faces = _load(path)
    if not np.isfinite(vertices).all():
        raise UserError(
            f"Expected finite coordinates in mesh '{path.name}', but got NaN or infinity. "
            "The export probably failed; write the mesh again."
        )
    if not len(faces):
        raise UserError(
            f"Expected triangles in mesh '{path.name}', but got {len(vertices)} vertices without faces. It is probably "
            "a point cloud; make a surface of it first, for example by Poisson reconstruction in MeshLab."
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise UserError(
            f"Expected the triangles of mesh '{path.name}' to name vertices 0 to {len(vertices) - 1}, but got "
            f"{faces.min()} to {faces.max()}. The file is damaged; write it again."
        )
    vertices = vertices * float(unit_m)
    if up == "y" or (up == "auto" and path.suffix.lower() in _Y_UP_ENDINGS):
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], axis=-1)
    corners = vertices[faces]
    _check_extent(path, corners.reshape(-1, 3))
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if np.linalg.norm(doubled, axis=1).max() < 2 * _LEAST_AREA:
        raise UserError(
            f"Expected triangles with an area in mesh '{path.name}', but all {len(faces)} are lines or points. "
            "The export probably failed; write the mesh again."
        )
    return vertices, faces


def object_mesh(
    thing: SceneObject, folder: Path | None = None
) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """An object's own mesh in the object's frame, metres, moved so that the middle of its bounding box is the origin.

    So the object's `center` and `size` always say where the mesh stands, wherever its file has its origin.

    Args:
        folder: where the file's name is relative to; the working folder if None.

    Raises:
        UserError: as `read_mesh`; if the object has no mesh; or if the mesh does not fill the object's box to 2 cm.
    """
    if thing.mesh is None:
        raise UserError(f"Expected object '{thing.id}' to have a mesh, but it has none. Name its file as 'mesh'.")
    vertices, faces, size = centered_mesh((folder or Path()) / thing.mesh)
    if max(abs(got - said) for got, said in zip(size, thing.size, strict=True)) > _BOX_TOLERANCE_M:
        raise UserError(
            f"Expected mesh '{thing.mesh}' to fill the box of object '{thing.id}' "
            f"({_sizes(thing.size)} m), but it measures {_sizes(size)} m. The box is wrong, or the mesh has another "
            "unit or another axis up; leave out the object's size to take it from the mesh."
        )
    return vertices, faces


def centered_mesh(
    path: Path,
) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"], tuple[float, float, float]]:
    """A mesh moved so that the middle of its bounding box is the origin, and the size of that box, metres.

    Raises:
        UserError: as `read_mesh`.
    """
    vertices, faces = read_mesh(path)
    used = vertices[faces].reshape(-1, 3)
    low, high = used.min(axis=0), used.max(axis=0)
    width, depth, height = (high - low).tolist()
    return vertices - (low + high) / 2, faces, (width, depth, height)


def bounds_of_mesh(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"], name: str = "mesh"
) -> tuple[list[tuple[float, float]], float]:
    """Floor plan and height of a room that is given as a mesh in the world.

    The plan is the convex hull of the mesh seen from above, counter-clockwise, without corners that stick out of it by
    less than 1 cm; the height is the mesh's top.

    Raises:
        UserError: if the mesh's lowest point is not near z = 0, or it covers no ground.
    """
    used = vertices[faces].reshape(-1, 3)
    bottom, top = float(used[:, 2].min()), float(used[:, 2].max())
    if abs(bottom) > _FLOOR_TOLERANCE_M:
        raise UserError(
            f"Expected the floor of room mesh '{name}' at z = 0, but its lowest point is at z = {bottom:.2f} m. "
            "Move the mesh, or give the room's bounds if it is right."
        )
    try:
        hull = ConvexHull(used[:, :2])
    except QhullError as error:
        raise UserError(
            f"Expected room mesh '{name}' to cover ground, but seen from above it is a line. "
            "Check which axis of it points up."
        ) from error
    return [(float(x), float(y)) for x, y in _simplified(used[hull.vertices, :2])], top


def room_mesh(
    scene: Scene, folder: Path | None = None
) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """A scene's own mesh of the whole room in the world, metres.

    Raises:
        UserError: as `read_mesh`, or if the scene has no mesh.
    """
    if scene.mesh is None:
        raise UserError(f"Expected scene '{scene.id}' to have a mesh, but it has none. Name its file as 'mesh'.")
    return read_mesh((folder or Path()) / scene.mesh)


def _load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if path.suffix.lower() not in _ENDINGS:
        raise UserError(f"Expected a mesh file ({', '.join(_ENDINGS)}), but got '{path.name}'. Export it as glb.")
    if not path.is_file():
        raise UserError(
            f"Expected a mesh file at '{path}', but there is none. Names in a scene file are relative to that file."
        )
    # Only users' own meshes need trimesh.
    import trimesh

    try:
        loaded = trimesh.load_scene(path, process=False)
        parts = [part for part in loaded.dump() if isinstance(part, trimesh.Trimesh)]
        points = [part for part in loaded.dump() if isinstance(part, trimesh.PointCloud)]
    # Readers of damaged files fail in every possible way, and none of them is our defect.
    except Exception as error:
        raise UserError(
            f"Expected '{path.name}' to be a readable {path.suffix.lower()} mesh, but reading failed: "
            f"{type(error).__name__}: {error}. The file is probably damaged or cut short; export it again."
        ) from error
    blocks = [np.asarray(part.vertices, np.float64).reshape(-1, 3) for part in (*parts, *points)]
    starts = np.cumsum([0, *(len(block) for block in blocks)])
    faces = [np.asarray(part.faces, np.int64).reshape(-1, 3) + at for part, at in zip(parts, starts, strict=False)]
    return np.concatenate([np.zeros((0, 3)), *blocks]), np.concatenate([np.zeros((0, 3), np.int64), *faces])


def _check_extent(path: Path, corners: Float[np.ndarray, "corner 3"]) -> None:
    extent = corners.max(axis=0) - corners.min(axis=0)
    if extent.max() > _LARGEST_M or np.abs(corners).max() > 10 * _LARGEST_M:
        far = extent.max() <= _LARGEST_M
        raise UserError(
            f"Expected mesh '{path.name}' to be at most {_LARGEST_M:.0f} m large and near its origin, but got "
            + (f"coordinates up to {np.abs(corners).max():.0f} m" if far else f"{extent.max():.0f} m")
            + ". It is probably in millimetres or centimetres; scale it to metres."
        )
    if extent.max() < _SMALLEST_M:
        raise UserError(
            f"Expected mesh '{path.name}' to be at least {_SMALLEST_M * 100:.0f} cm large, but got "
            f"{extent.max() * 1000:.3g} mm. Scale it to metres."
        )


def _simplified(corners: Float[np.ndarray, "corner 2"]) -> Float[np.ndarray, "fewer 2"]:
    """A convex outline without the corners that barely stick out, least ones first: scans have hundreds of them."""
    while len(corners) > 3:
        before, after = np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)
        side, along = corners - before, after - before
        out = np.abs(side[:, 0] * along[:, 1] - side[:, 1] * along[:, 0]) / np.linalg.norm(along, axis=1)
        if out.min() >= _CORNER_M:
            break
        corners = np.delete(corners, out.argmin(), axis=0)
    return corners


def _sizes(size: tuple[float, float, float]) -> str:
    return " x ".join(f"{value:.2f}" for value in size)
