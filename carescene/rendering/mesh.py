"""One picture of one mesh: what every ray hits, its smooth normal, its clothes, and how the lamp reaches it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from carescene.rendering.camera import Camera
from carescene.rendering.floor import lamp_visible
from carescene.rendering.lighting import Lighting, lamp_samples, shade
from carescene.rendering.outfit import Look
from carescene.rendering.raycast import to_open3d

_SELF_SHADOW_RAYS = 3
# Shadow rays start this far above the skin, in metres, so that a triangle does not shade itself.
_LIFT = 0.004
# Skin this far under the floor (metres) is still drawn: rounding must not eat the soles.
_FLOOR_SLACK = 0.001

# Gives the colours of points of one person's surface, in rest-pose coordinates.
Painter = Callable[[Float[np.ndarray, "point 3"]], Look]


@dataclass(frozen=True)
class Surface:
    """Everything about a mesh that does not move: triangles, where each vertex is in the rest pose, and whose it is."""

    faces: Int[np.ndarray, "face 3"]
    rest: Float[np.ndarray, "vertex 3"]
    person: Int[np.ndarray, "vertex"]
    painters: list[Painter]
    # Sums face normals at vertices; kept because building it costs more than use.
    gather: sparse.csr_matrix


@dataclass(frozen=True)
class Hits:
    """Rays that met the mesh: which triangle, where in it, and the world point."""

    found: Bool[np.ndarray, "ray"]
    face: Int[np.ndarray, "hit"]
    weights: Float[np.ndarray, "hit 3"]


def join_surfaces(
    faces: Int[np.ndarray, "face 3"], rest: Float[np.ndarray, "person vertex 3"], painters: list[Painter]
) -> Surface:
    """Surface of several people that share one triangle list, one after the other in a common vertex list."""
    persons, vertices = rest.shape[:2]
    everyone = np.concatenate([faces + person * vertices for person in range(persons)])
    columns = np.repeat(np.arange(len(everyone)), 3)
    shape = (persons * vertices, len(everyone))
    return Surface(
        faces=everyone,
        rest=rest.reshape(-1, 3),
        person=np.repeat(np.arange(persons), vertices),
        painters=painters,
        gather=sparse.csr_matrix((np.ones(everyone.size, np.float32), (everyone.ravel(), columns)), shape),
    )


def vertex_normals(vertices: Float[np.ndarray, "vertex 3"], surface: Surface) -> Float[np.ndarray, "vertex 3"]:
    """Unit normals at the vertices: the mean of the adjoining triangles' normals, weighted by area."""
    corners = vertices[surface.faces]
    normals = surface.gather @ np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)


def cast(raycaster: Any, camera: Camera, pixels: Float[np.ndarray, "ray 2"], *, threads: int = 1) -> Hits:
    """Send one ray through each pixel position; what is under the floor counts as hidden by it."""
    rays = np.empty((len(pixels), 6), dtype=np.float32)
    rays[:, :3] = camera.eye
    rays[:, 3:] = camera.directions(pixels)
    answer = raycaster.cast_rays(to_open3d(rays), nthreads=threads)
    distance = answer["t_hit"].numpy()
    found = np.isfinite(distance)
    found[found] = camera.eye[2] + distance[found] * rays[found, 5] > -_FLOOR_SLACK
    across = answer["primitive_uvs"].numpy()[found]
    weights = np.column_stack([1 - across.sum(axis=1), across])
    return Hits(found=found, face=answer["primitive_ids"].numpy()[found].astype(np.int64), weights=weights)


def interpolate(
    values: Float[np.ndarray, "vertex channel"], surface: Surface, hits: Hits
) -> Float[np.ndarray, "hit channel"]:
    """Values at vertices, blended linearly across the triangle to where each ray hit."""
    return np.einsum("hc,hcv->hv", hits.weights, values[surface.faces[hits.face]])


def hit_color(
    vertices: Float[np.ndarray, "vertex 3"],
    normals: Float[np.ndarray, "vertex 3"],
    surface: Surface,
    hits: Hits,
    raycaster: Any,
    lighting: Lighting,
    *,
    threads: int = 1,
) -> tuple[Float[np.ndarray, "hit 3"], Int[np.ndarray, "hit"]]:
    """Linear colour of every hit, and the garment that was hit."""
    blended = interpolate(np.concatenate([vertices, normals, surface.rest], axis=1), surface, hits)
    points, smooth = blended[:, :3], blended[:, 3:6]
    smooth = smooth / np.maximum(np.linalg.norm(smooth, axis=-1, keepdims=True), 1e-12)
    albedo, garment = np.zeros((len(points), 3)), np.zeros(len(points), dtype=np.int64)
    person = surface.person[surface.faces[hits.face, 0]]
    for index in np.unique(person):
        look = surface.painters[index](blended[person == index, 6:])
        albedo[person == index], garment[person == index] = look.color, look.garment
    # Where the smooth normal turns away from the lamp the surface is dark in any case: no ray is needed.
    lit = np.zeros(len(points), dtype=np.float32)
    towards = smooth @ lighting.key_direction > 0
    directions = lamp_samples(lighting, _SELF_SHADOW_RAYS)
    start = points[towards] + _LIFT * smooth[towards]
    lit[towards] = lamp_visible(start, raycaster, directions, threads=threads)
    # The floor hides part of the surroundings from skin that is near it and faces down.
    near_floor = np.exp(-np.clip(points[:, 2], 0.0, None) / 0.2)
    open_sky = 1 - 0.45 * near_floor * (0.5 - 0.5 * smooth[:, 2])
    return shade(albedo, smooth, lit, open_sky, lighting), garment
