"""Taking a mesh apart into closed pieces, which have an inside, and the rest, which has none; numpy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Vertices nearer than this (metres) are one: exporters split vertices where colours or normals jump.
_WELD_M: Final = 1.0e-5
# A closed piece of a room's mesh that fills more than this share of the mesh's box is the room's own shell.
_SHELL_SHARE: Final = 0.5


@dataclass(frozen=True)
class Piece:
    """Part of a mesh, with its own pseudonormals (Baerentzen and Aanaes 2005) if it is closed.

    Attributes:
        triangles: corners in metres; counter-clockwise seen from free space if closed.
        normals: of the face, of its edges (corner 0 to 1, 1 to 2, 2 to 0) and of its corners; not of unit length;
            zero if the piece is open.
        shell: free space is inside.
    """

    triangles: Float[np.ndarray, "face 3 3"]
    normals: Float[np.ndarray, "face 7 3"]
    closed: bool
    shell: bool = False


def split_mesh(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"], *, room: bool = False
) -> list[Piece]:
    """Groups of closed pieces whose boxes do not touch each other, and last the open rest, if any.

    A piece is closed if each of its edges is shared by exactly two faces that run along it in opposite directions.
    Every closed piece is taken as a solid, whichever way it is wound, so hollows inside solids are filled.

    Args:
        room: the mesh is a whole room; then closed pieces that fill more than half of the mesh's box are its shell,
            with free space inside.
    """
    welded, faces = _weld(vertices, faces)
    count, label, closed = _pieces(faces)
    extent = np.ptp(welded[faces].reshape(-1, 3), axis=0).prod() if len(faces) else 0.0
    found, boxes, shells = [], [], []
    for number in np.flatnonzero(closed[:count]):
        own = faces[label == number]
        triangles = welded[own]
        volume = float(np.einsum("fi,fi->f", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])).sum()) / 6
        is_shell = room and abs(volume) > _SHELL_SHARE * float(extent)
        found.append(own[:, ::-1] if (volume < 0) != is_shell else own)
        shells.append(is_shell)
        boxes.append(np.stack([triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))]))
    pieces = []
    for group in _apart(boxes):
        own = np.concatenate([found[index] for index in group])
        # A shell's box touches all others, so it is alone in its group.
        pieces.append(Piece(welded[own], pseudonormals(welded, own), True, shells[group[0]]))
    rest = welded[faces[~closed[label]]]
    if len(rest):
        pieces.append(Piece(rest, np.zeros((len(rest), 7, 3)), False))
    return pieces


def pseudonormals(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]
) -> Float[np.ndarray, "face 7 3"]:
    """Normals that tell inside from outside wherever the nearest point lies: on a face, an edge or a corner.

    Face normals; their sum over the two faces of each edge; their sum over the faces of each corner, weighted by the
    faces' angles there (Baerentzen and Aanaes 2005, "Signed distance computation using the angle weighted
    pseudonormal").
    """
    corners = vertices[faces]
    along = np.roll(corners, -1, axis=1) - corners
    face = np.cross(along[:, 0], along[:, 1])
    face = face / np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-30)
    unit = along / np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-30)
    angle = np.arccos(np.clip(-np.einsum("fki,fki->fk", unit, np.roll(unit, 1, axis=1)), -1, 1))
    corner = np.zeros_like(vertices)
    for place in range(3):
        np.add.at(corner, faces[:, place], angle[:, place, None] * face)
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1), axis=-1).reshape(-1, 2)
    _, edge = np.unique(edges, axis=0, return_inverse=True)
    edge = edge.reshape(-1)
    edge_normal = np.zeros((int(edge.max()) + 1, 3))
    np.add.at(edge_normal, edge, np.repeat(face, 3, axis=0))
    return np.concatenate([face[:, None], edge_normal[edge].reshape(-1, 3, 3), corner[faces]], axis=1)


def _weld(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One vertex for those at the same place, and no faces that name one vertex twice."""
    _, first, index = np.unique(
        np.round(vertices / _WELD_M).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    faces = index.reshape(-1)[faces]
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return np.asarray(vertices, np.float64)[first], faces[distinct]


def _pieces(faces: Int[np.ndarray, "face 3"]) -> tuple[int, Int[np.ndarray, "face"], Bool[np.ndarray, "piece"]]:
    """Number of pieces, piece of each face, and whether each piece is closed; faces are joined by shared edges."""
    if not len(faces):
        return 0, np.zeros(0, int), np.zeros(0, bool)
    directed = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    forward = directed[:, 0] < directed[:, 1]
    _, edge = np.unique(np.sort(directed, axis=1), axis=0, return_inverse=True)
    edge = edge.reshape(-1)
    owner = np.repeat(np.arange(len(faces)), 3)
    # An edge of more than two faces joins nothing: two solids merely touch there.
    joins = np.bincount(edge)[edge] == 2
    links = coo_array(
        (np.ones(joins.sum()), (owner[joins], edge[joins])), shape=(len(faces), int(edge.max()) + 1)
    ).tocsr()
    count, label = connected_components(links @ links.T, directed=False)
    # Now each piece's own uses of an edge.
    _, use = np.unique(np.stack([label[owner], edge], axis=-1), axis=0, return_inverse=True)
    use = use.reshape(-1)
    good = (np.bincount(use) == 2) & (np.bincount(use, weights=forward) == 1)
    closed = np.ones(count, dtype=bool)
    closed[label[owner[~good[use]]]] = False
    return int(count), label, closed


def _apart(boxes: list[np.ndarray]) -> list[list[int]]:
    """Groups of boxes none of which touches another of its group.

    Within a group, the face nearest to a point inside a piece belongs to that piece, so one search serves them all.
    """
    groups: list[list[int]] = []
    for index, box in enumerate(boxes):
        for group in groups:
            others = np.stack([boxes[other] for other in group])
            if not ((box[0] <= others[:, 1]) & (others[:, 0] <= box[1])).all(axis=1).any():
                group.append(index)
                break
        else:
            groups.append([index])
    return groups
