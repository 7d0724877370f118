"""One picture of one mesh: what every ray hits, its smooth normal, its clothes, and how the lamp reaches it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from carescene.rendering.camera import Camera
from carescene.rendering.clothing import Outfit, garment_of
from carescene.rendering.floor import lamp_visible, to_open3d
from carescene.rendering.lighting import Lighting, lamp_samples, shade

_SELF_SHADOW_RAYS = 3
# Shadow rays start this far above the skin, in metres, so that a triangle does not shade itself.
_LIFT = 0.004
# Skin this far under the floor (metres) is still drawn: rounding must not eat the soles.
_FLOOR_SLACK = 0.001
# Each step lets a garment's vertices move towards the mean of their neighbours.
_SMOOTHING_STEPS = 8


@dataclass(frozen=True)
class Surface:
    """Everything about a mesh that does not move: triangles, garments, and the palette each vertex draws from."""

    faces: Int[np.ndarray, "face 3"]
    fields: Float[np.ndarray, "vertex garment"]
    palette: Int[np.ndarray, "vertex"]
    colors: Float[np.ndarray, "palette garment 3"]
    thickness: Float[np.ndarray, "vertex"]
    # Sums face normals at vertices, and lets cloth relax by one step; kept because building them costs more than use.
    gather: sparse.csr_matrix
    relax: sparse.csr_matrix


@dataclass(frozen=True)
class Hits:
    """Rays that met the mesh: which triangle, where in it, and the world point."""

    found: Bool[np.ndarray, "ray"]
    face: Int[np.ndarray, "hit"]
    weights: Float[np.ndarray, "hit 3"]


def join_surfaces(faces: Int[np.ndarray, "face 3"], outfits: list[Outfit]) -> Surface:
    """Surface of several bodies that share one triangle list, one after the other in a common vertex list."""
    vertices = len(outfits[0].fields)
    everyone = np.concatenate([faces + person * vertices for person in range(len(outfits))])
    smoothness = np.concatenate([outfit.smoothness for outfit in outfits])
    return Surface(
        faces=everyone,
        fields=np.concatenate([outfit.fields for outfit in outfits]),
        palette=np.repeat(np.arange(len(outfits)), vertices),
        colors=np.stack([outfit.colors for outfit in outfits]),
        thickness=np.concatenate([outfit.thickness for outfit in outfits]),
        gather=_gather(everyone, vertices * len(outfits)),
        relax=_relax(everyone, smoothness),
    )


def _gather(faces: Int[np.ndarray, "face 3"], vertices: int) -> sparse.csr_matrix:
    columns = np.repeat(np.arange(len(faces)), 3)
    return sparse.csr_matrix((np.ones(faces.size, np.float32), (faces.ravel(), columns)), (vertices, len(faces)))


def _relax(faces: Int[np.ndarray, "face 3"], smoothness: Float[np.ndarray, "vertex"]) -> sparse.csr_matrix:
    """Moves every vertex towards the mean of its neighbours by its smoothness (an umbrella operator)."""
    count = len(smoothness)
    start, end = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    links = sparse.coo_matrix((np.ones(len(start), np.float32), (start, end)), (count, count)).tocsr()
    links = ((links + links.T) > 0).astype(np.float32)
    neighbours = np.asarray(links.sum(axis=1)).ravel()
    mean = sparse.diags(smoothness / np.maximum(neighbours, 1)) @ links
    return (sparse.diags(1 - smoothness) + mean).astype(np.float32).tocsr()


def put_on(vertices: Float[np.ndarray, "vertex 3"], surface: Surface) -> Float[np.ndarray, "vertex 3"]:
    """Posed vertices with clothes on: garments stand off the skin and smooth over what is under them."""
    dressed = vertices + surface.thickness[:, None] * vertex_normals(vertices, surface)
    for _ in range(_SMOOTHING_STEPS):
        dressed = surface.relax @ dressed
    return dressed


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
        to_open3d(np.ascontiguousarray(vertices, dtype=np.float32)),
        to_open3d(np.ascontiguousarray(faces, dtype=np.uint32)),
    )
    return scene


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
