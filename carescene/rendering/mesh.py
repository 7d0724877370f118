"""One picture of one mesh: what every ray hits, its smooth normal, its clothes, and how the lamp reaches it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from carescene.rendering.camera import Camera
from carescene.rendering.clothing import garment_of
from carescene.rendering.floor import lamp_visible
from carescene.rendering.lighting import Lighting, lamp_samples, shade

_SELF_SHADOW_RAYS = 3
# Shadow rays start this far above the skin, in metres, so that a triangle does not shade itself.
_LIFT = 0.004


@dataclass(frozen=True)
class Surface:
    """Everything about a mesh that does not move: triangles, garment fields, and the palette each vertex draws from."""

    faces: Int[np.ndarray, "face 3"]
    fields: Float[np.ndarray, "vertex garment"]
    palette: Int[np.ndarray, "vertex"]
    colors: Float[np.ndarray, "palette garment 3"]
    # Sums face normals at vertices; kept because building it costs more than using it.
    gather: sparse.csr_matrix


@dataclass(frozen=True)
class Hits:
    """Rays that met the mesh: which triangle, where in it, and the world point."""

    found: Bool[np.ndarray, "ray"]
    face: Int[np.ndarray, "hit"]
    weights: Float[np.ndarray, "hit 3"]


def join_surfaces(
    faces: Int[np.ndarray, "face 3"],
    fields: list[Float[np.ndarray, "vertex garment"]],
    colors: list[Float[np.ndarray, "garment 3"]],
) -> Surface:
    """Surface of several bodies that share one triangle list, one after the other in a common vertex list."""
    vertices = len(fields[0])
    everyone = np.concatenate([faces + person * vertices for person in range(len(fields))])
    return Surface(
        faces=everyone,
        fields=np.concatenate(fields),
        palette=np.repeat(np.arange(len(fields)), vertices),
        colors=np.stack(colors),
        gather=_gather(everyone, vertices * len(fields)),
    )


def _gather(faces: Int[np.ndarray, "face 3"], vertices: int) -> sparse.csr_matrix:
    columns = np.repeat(np.arange(len(faces)), 3)
    return sparse.csr_matrix((np.ones(faces.size, np.float32), (faces.ravel(), columns)), (vertices, len(faces)))


def vertex_normals(vertices: Float[np.ndarray, "vertex 3"], surface: Surface) -> Float[np.ndarray, "vertex 3"]:
    """Unit normals at the vertices: the mean of the adjoining triangles' normals, weighted by area."""
    corners = vertices[surface.faces]
    normals = surface.gather @ np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)


def make_raycaster(vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]) -> Any:
    """An `open3d.t.geometry.RaycastingScene` with this one mesh (metres, world)."""
    import open3d

    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        open3d.core.Tensor(np.ascontiguousarray(vertices, dtype=np.float32)),
        open3d.core.Tensor(np.ascontiguousarray(faces, dtype=np.uint32)),
    )
    return scene


def cast(raycaster: Any, camera: Camera, pixels: Float[np.ndarray, "ray 2"], *, threads: int = 1) -> Hits:
    """Send one ray through each pixel position."""
    import open3d

    rays = np.empty((len(pixels), 6), dtype=np.float32)
    rays[:, :3] = camera.eye
    rays[:, 3:] = camera.directions(pixels)
    answer = raycaster.cast_rays(open3d.core.Tensor(rays), nthreads=threads)
    found = np.isfinite(answer["t_hit"].numpy())
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
    blended = interpolate(np.concatenate([vertices, normals, surface.fields], axis=1), surface, hits)
    points, smooth = blended[:, :3], blended[:, 3:6]
    smooth = smooth / np.maximum(np.linalg.norm(smooth, axis=-1, keepdims=True), 1e-12)
    garment = garment_of(blended[:, 6:])
    albedo = surface.colors[surface.palette[surface.faces[hits.face, 0]], garment]
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
