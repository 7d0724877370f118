"""The triangles of a whole room: floor, walls, ceiling, and everything that stands in it."""

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from carescene.scenes.footprint import wall_distance
from carescene.scenes.furniture import object_solids, placed
from carescene.scenes.mesh import SHELL, SceneMesh
from carescene.scenes.polygon import triangulate
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.tessellate import Triangles, tessellate

# Strips of a wall from the floor up, as height of their upper side in metres and material; the rest is plain wall.
# They are coats of paint on the flat wall, so that distances to the wall need not know them.
_SKIRTING: Final = ((0.10, "skirting"),)
_GUARDED: Final = ((0.10, "skirting"), (0.72, "wall"), (0.92, "wall_guard"))
_TILED: Final = ((0.10, "skirting"), (2.0, "tiles"))
# Ceiling lamps: one panel of a common suspended ceiling for every square of this size, metres.
_LAMP: Final = (1.20, 0.30)
_LAMP_SPACING: Final = 2.4


class _Pieces:
    """Collects triangles with their material and object."""

    def __init__(self) -> None:
        self.vertices: list[np.ndarray] = []
        self.normals: list[np.ndarray] = []
        self.faces: list[np.ndarray] = []
        self.materials: dict[str, int] = {}
        self.face_material: list[np.ndarray] = []
        self.face_object: list[np.ndarray] = []
        self.count = 0

    def add(self, triangles: Triangles, material: str, index: int) -> None:
        vertices, normals, faces = triangles
        number = self.materials.setdefault(material, len(self.materials))
        self.vertices.append(vertices)
        self.normals.append(normals)
        self.faces.append(faces + self.count)
        self.face_material.append(np.full(len(faces), number))
        self.face_object.append(np.full(len(faces), index))
        self.count += len(vertices)

    def mesh(self) -> SceneMesh:
        return SceneMesh(
            vertices=np.concatenate(self.vertices),
            normals=np.concatenate(self.normals),
            faces=np.concatenate(self.faces),
            face_material=np.concatenate(self.face_material),
            face_object=np.concatenate(self.face_object),
            materials=tuple(self.materials),
        )


def scene_mesh(scene: Scene, folder: Path | None = None) -> SceneMesh:
    """Triangles of a room in the world, metres, with everything in it.

    A room with its own mesh is drawn from that mesh; its objects then only name parts of it (triangles whose middle
    lies in an object's box belong to that object), except those that have a mesh of their own, which are added.

    Args:
        folder: where the files of users' own meshes are relative to; the working folder if None.

    Raises:
        UserError: for objects that cannot be built, a floor that crosses itself, or a mesh that cannot be read.
    """
    pieces = _Pieces()
    if scene.mesh is None:
        _add_shell(pieces, scene)
        _add_lamps(pieces, scene)
    else:
        _add_own_room(pieces, scene, folder)
    for index, thing in enumerate(scene.objects):
        if thing.mesh is not None:
            pieces.add(_own_object(thing, folder), "own", index)
        elif scene.mesh is None:
            for solid in object_solids(thing):
                pieces.add(tessellate(placed(solid, thing)), solid.material, index)
    return pieces.mesh()


def _add_shell(pieces: _Pieces, scene: Scene) -> None:
    corners, faces = np.array(scene.polygon, dtype=np.float64), triangulate(scene.polygon)
    flat = np.zeros((len(corners), 1))
    up = np.broadcast_to([0.0, 0.0, 1.0], (len(corners), 3))
    pieces.add((np.hstack([corners, flat]), up, faces), "floor", SHELL)
    pieces.add((np.hstack([corners, flat + scene.height]), -up, faces[:, ::-1]), "ceiling", SHELL)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        low = 0.0
        for high, material in [*_strips(scene), (scene.height, "wall")]:
            top = min(high, scene.height)
            if top > low:
                pieces.add(_wall_strip(start, end, low, top), material, SHELL)
                low = top


def _strips(scene: Scene) -> tuple[tuple[float, str], ...]:
    preset = scene.preset or ""
    if preset.startswith("bathroom"):
        return _TILED
    return _GUARDED if preset.startswith(("ward", "corridor")) else _SKIRTING


def _wall_strip(start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"], low: float, high: float) -> Triangles:
    """A piece of wall, seen from the room, which lies to the left of the way from start to end."""
    vertices = np.array([[*end, low], [*start, low], [*start, high], [*end, high]])
    along = (end - start) / np.linalg.norm(end - start)
    normal = np.array([-along[1], along[0], 0.0])
    # Counter-clockwise from inside the room.
    return vertices, np.tile(normal, (4, 1)), np.array([[0, 1, 2], [0, 2, 3]])


def ceiling_lamps(scene: Scene) -> list[tuple[float, float, float, float]]:
    """The flat lamps let into a room's ceiling: x and y of their middle, width along x, depth along y, metres.

    One for each square of about 2.4 m of the walls' bounding box that has room for it, in the middle of that room.
    """
    corners = np.array(scene.polygon)
    low, extent = corners.min(axis=0), np.ptp(corners, axis=0)
    wide, deep = _LAMP if extent[0] >= extent[1] else _LAMP[::-1]
    count = np.maximum(np.round(extent / _LAMP_SPACING), 1).astype(int)
    # Places on a grid of some 20 cm where a whole lamp, corners and all, is inside the room.
    fine = [low[axis] + extent[axis] * (np.arange(13 * count[axis]) + 0.5) / (13 * count[axis]) for axis in range(2)]
    places = np.stack(np.meshgrid(*fine, indexing="ij"), axis=-1).reshape(-1, 2)
    ends = np.array([(0, 0), *((x * wide / 2, y * deep / 2) for x in (-1, 1) for y in (-1, 1))])
    free = (
        wall_distance((places[:, None] + ends).reshape(-1, 2), scene.polygon).reshape(-1, len(ends)).min(axis=1) > 0.1
    )
    places = places[free]
    square = np.minimum(((places - low) / extent * count).astype(int), count - 1)
    lamps = []
    for number in np.unique(square, axis=0):
        inside = places[(square == number).all(axis=1)]
        x, y = inside[np.argmin(np.linalg.norm(inside - inside.mean(axis=0), axis=1))]
        lamps.append((float(x), float(y), wide, deep))
    return lamps


def _add_lamps(pieces: _Pieces, scene: Scene) -> None:
    # A millimetre under the ceiling, so that the ceiling does not shine through.
    down, z = np.tile([0.0, 0.0, -1.0], (4, 1)), scene.height - 1e-3
    for x, y, wide, deep in ceiling_lamps(scene):
        left, right, near, far = x - wide / 2, x + wide / 2, y - deep / 2, y + deep / 2
        corners = np.array([[left, near, z], [left, far, z], [right, far, z], [right, near, z]])
        pieces.add((corners, down, np.array([[0, 1, 2], [0, 2, 3]])), "lamp", SHELL)


def _own_object(thing: SceneObject, folder: Path | None) -> Triangles:
    # Reading mesh files needs trimesh, which only users' own rooms must wait for.
    from carescene.scenes.user_mesh import object_mesh

    vertices, normals, faces = _flat(*object_mesh(thing, folder))
    cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return vertices @ turn.T + np.array(thing.center), normals @ turn.T, faces


def _add_own_room(pieces: _Pieces, scene: Scene, folder: Path | None) -> None:
    from carescene.scenes.user_mesh import room_mesh

    vertices, normals, faces = _flat(*room_mesh(scene, folder))
    owner = _owners(vertices[faces].mean(axis=1), scene)
    for index in np.unique(owner):
        own = faces[owner == index]
        pieces.add(
            (vertices[own].reshape(-1, 3), normals[own].reshape(-1, 3), np.arange(own.size).reshape(-1, 3)),
            "own",
            int(index),
        )


def _owners(points: Float[np.ndarray, "point 3"], scene: Scene) -> Int[np.ndarray, "point"]:
    """Index of the object in whose box each point lies, `SHELL` in none."""
    owner = np.full(len(points), SHELL)
    for index, thing in enumerate(scene.objects):
        cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
        offset = points - np.array(thing.center)
        local = np.stack(
            [cos * offset[:, 0] + sin * offset[:, 1], cos * offset[:, 1] - sin * offset[:, 0], offset[:, 2]], -1
        )
        owner[(np.abs(local) <= np.array(thing.size) / 2).all(axis=1)] = index
    return owner


def _flat(vertices: Float[np.ndarray, "corner 3"], faces: Int[np.ndarray, "triangle 3"]) -> Triangles:
    """A mesh with flat triangles: every triangle has its own three vertices and one normal."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    # Triangles without area cannot be seen and have no normal.
    solid = length[:, 0] > 0
    corners, normal = corners[solid], normal[solid] / length[solid]
    return corners.reshape(-1, 3), np.repeat(normal, 3, axis=0), np.arange(3 * len(corners)).reshape(-1, 3)
