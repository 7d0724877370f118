"""Triangles of solids: on the surface, closed, with true normals and nearly the true volume."""

import math

import numpy as np
import pytest

from carescene.scenes.solids import Solid, box, cylinder, rod, turn_to
from carescene.scenes.tessellate import tessellate

_TURN = turn_to((0.3, -0.5, 0.8))
SOLIDS = {
    "sharp box": box((1, 2, 3), (0.5, 0.3, 0.2), "metal", rotation=_TURN),
    "round box": box((1, 2, 3), (0.5, 0.3, 0.2), "metal", radius=0.04, rotation=_TURN),
    "slab": box((0, 0, 0), (0.5, 0.3, 0.04), "metal", radius=0.02),
    "rod": rod((0, 0, 0), (0.3, 0.4, 0.5), 0.06, "metal"),
    "ball": rod((1, 1, 1), (1, 1, 1), 0.2, "metal"),
    "sharp cylinder": cylinder((0, 1, 0), 0.2, 0.5, "metal", axis=(1, 1, 0)),
    "round cylinder": cylinder((0, 1, 0), 0.2, 0.5, "metal", axis=(1, 1, 0), radius=0.03),
    "round disc": cylinder((0, 1, 0), 0.3, 0.06, "metal", radius=0.03),
}


def distance(solid: Solid, points: np.ndarray) -> np.ndarray:
    """Signed distance of a rounded box or cylinder, written independently of the package."""
    local = (points - solid.center) @ solid.rotation
    if solid.shape == "cylinder":
        local = np.stack([np.hypot(local[:, 0], local[:, 1]), local[:, 2]], axis=-1)
        inner = solid.half[[0, 2]] - solid.radius
    else:
        inner = solid.half - solid.radius
    over = np.abs(local) - inner
    return np.linalg.norm(np.maximum(over, 0), axis=-1) + np.minimum(over.max(axis=-1), 0) - solid.radius


def volume(solid: Solid) -> float:
    """Steiner's formula: volume of a convex body grown by a ball."""
    r = solid.radius
    a, b, c = 2 * (solid.half - r)
    if solid.shape == "box":
        return a * b * c + 2 * (a * b + b * c + c * a) * r + math.pi * (a + b + c) * r**2 + 4 / 3 * math.pi * r**3
    inner = solid.half[0] - r
    straight = math.pi * inner**2 * c
    surface = 2 * math.pi * inner**2 + 2 * math.pi * inner * c
    # Mean width of a cylinder times 2 pi: pi * height + pi^2 * radius.
    return straight + surface * r + (math.pi * c + math.pi**2 * inner) * r**2 + 4 / 3 * math.pi * r**3


@pytest.mark.parametrize("name", SOLIDS)
def test_vertices_lie_on_the_surface_and_normals_are_its_gradient(name: str) -> None:
    vertices, normals, _ = tessellate(SOLIDS[name])
    np.testing.assert_allclose(distance(SOLIDS[name], vertices), 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-12)
    # Along a true normal the distance grows as fast as one walks; at sharp edges it also does, off the edge's face.
    np.testing.assert_allclose(distance(SOLIDS[name], vertices + 1e-3 * normals), 1e-3, atol=1e-9)


@pytest.mark.parametrize("name", SOLIDS)
def test_mesh_is_closed_and_faces_look_outwards(name: str) -> None:
    vertices, normals, faces = tessellate(SOLIDS[name])
    _, same = np.unique(np.round(vertices, 9), axis=0, return_inverse=True)
    welded = same.reshape(-1)[faces]
    edges = np.concatenate([welded[:, [0, 1]], welded[:, [1, 2]], welded[:, [2, 0]]])
    forward, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 1).all()
    # Every edge is also run through once the other way.
    assert {tuple(edge) for edge in forward.tolist()} == {tuple(edge[::-1]) for edge in forward.tolist()}
    corners = vertices[faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("ij,ikj->ik", facing, normals[faces]) > 0).all()


@pytest.mark.parametrize("name", SOLIDS)
def test_volume_is_nearly_the_formula(name: str) -> None:
    vertices, _, faces = tessellate(SOLIDS[name])
    corners = vertices[faces] - SOLIDS[name].center
    got = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    expected = volume(SOLIDS[name])
    # Chords cut the round parts off, by a few percent of a thin rod.
    assert 0.93 * expected < got <= expected * (1 + 1e-9)


@pytest.mark.parametrize("name", SOLIDS)
def test_triangles_stay_near_the_surface(name: str) -> None:
    vertices, _, faces = tessellate(SOLIDS[name])
    middles = vertices[faces].mean(axis=1)
    gap = distance(SOLIDS[name], middles)
    assert gap.max() < 1e-9
    assert gap.min() > -2.5e-3
