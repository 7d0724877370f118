"""The room as triangles: planes for floor, walls and ceiling, and the measured surface of what stands in front."""

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from carescene.files import write_atomically
from carescene.scenes.footprint import wall_distance
from carescene.scenes.polygon import triangulate
from reconstruction.room_surfaces import Surfels

# Measured surfaces this near to a plane are the plane; depth errors grow with distance.
_SNAP_M: Final = 0.05
_SNAP_SHARE: Final = 0.012


def room_triangles(
    seen: Surfels, polygon: list[tuple[float, float]], height: float | int, eye: Float[np.ndarray, "3"]
) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """A closed shell of planes, and in front of it the measured surface, torn where depth jumps.

    What lies within 5 cm plus 1.2 % of its distance of the floor, a wall or the ceiling is replaced by that plane, so
    the floor is level also where the depth was not, and behind furniture there is floor instead of a hole.

    Args:
        polygon: of the floor, counter-clockwise, metres.
        height: of the ceiling, metres.
        eye: of the camera, metres.
    """
    vertices, faces = shell(polygon, float(height))
    points = seen.points
    snap = _SNAP_M + _SNAP_SHARE * np.linalg.norm(np.nan_to_num(points) - eye, axis=-1)
    flat = np.nan_to_num(points).reshape(-1, 3)
    wall = wall_distance(flat[:, :2], polygon).reshape(snap.shape)
    z = np.nan_to_num(points[..., 2])
    free = seen.whole & (wall > snap) & (z > snap) & (height - z > snap)
    own = _grid_faces(seen, free)
    used, renumbered = np.unique(own, return_inverse=True)
    extra = flat[used]
    return (
        np.concatenate([vertices, extra]),
        np.concatenate([faces, renumbered.reshape(-1, 3) + len(vertices)]),
    )


def shell(
    polygon: list[tuple[float, float]], height: float | int
) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """Floor, walls and ceiling of a room as one closed piece, seen from inside."""
    corners, floor = np.array(polygon, np.float64), np.asarray(triangulate(polygon))
    count = len(corners)
    low = np.column_stack([corners, np.zeros(count)])
    high = np.column_stack([corners, np.full(count, float(height))])
    start, end = np.arange(count), (np.arange(count) + 1) % count
    walls = np.concatenate(
        [np.column_stack([end, start, start + count]), np.column_stack([end, start + count, end + count])]
    )
    return np.concatenate([low, high]), np.concatenate([floor, floor[:, ::-1] + count, walls])


def _grid_faces(seen: Surfels, free: Bool[np.ndarray, "row column"]) -> Int[np.ndarray, "face 3"]:
    """Two triangles for each four neighbours on one surface, at least one of which stands free of the shell."""
    rows, columns = free.shape
    number = np.arange(rows * columns).reshape(rows, columns)
    right, down = seen.linked_right, seen.linked_down
    whole = right[:-1] & right[1:] & down[:, :-1] & down[:, 1:]
    some = free[:-1, :-1] | free[1:, :-1] | free[:-1, 1:] | free[1:, 1:]
    known = seen.whole[:-1, :-1] & seen.whole[1:, :-1] & seen.whole[:-1, 1:] & seen.whole[1:, 1:]
    chosen = whole & some & known
    a, b = number[:-1, :-1][chosen], number[:-1, 1:][chosen]
    c, d = number[1:, :-1][chosen], number[1:, 1:][chosen]
    # Counter-clockwise seen from the eye.
    return np.concatenate([np.column_stack([a, c, b]), np.column_stack([b, c, d])])


def write_ply(path: Path, vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]) -> None:
    """Write triangles as binary PLY (Turk 1994), metres, z up.

    Raises:
        UserError: if the file cannot be written.
    """
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(faces), dtype=[("count", "u1"), ("corners", "<i4", (3,))])
    rows["count"], rows["corners"] = 3, faces
    content = header.encode("ascii") + vertices.astype("<f4").tobytes() + rows.tobytes()
    write_atomically(path, lambda file: file.write(content))
