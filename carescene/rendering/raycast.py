"""Rays through Open3D, without copies where they can be avoided."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int, Int32

from carescene.rendering.camera import Camera

# Cosine to the ray up to which a normal that points away is taken for a rounded outline (20 degrees past it).
_BENT: Final = 0.35


@dataclass(frozen=True)
class RayHits:
    """What each ray meets first.

    Attributes:
        distance: in multiples of the ray's own length, infinite where nothing is met.
        face: index of the triangle, -1 where nothing is met.
        across: barycentric weights of the triangle's second and third corner.
    """

    distance: Float[np.ndarray, "ray"]
    face: Int32[np.ndarray, "ray"]
    across: Float[np.ndarray, "ray 2"]


def build_caster(vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]) -> Any:
    """An `open3d.t.geometry.RaycastingScene` of one mesh (metres, world), for this thread alone or for many."""
    import open3d

    caster = open3d.t.geometry.RaycastingScene(nthreads=1)
    caster.add_triangles(
        to_open3d(np.ascontiguousarray(vertices, np.float32)), to_open3d(np.ascontiguousarray(faces, np.uint32))
    )
    return caster


def cast(caster: Any, eye: Float[np.ndarray, "3"], rays: Float[np.ndarray, "ray 3"], *, threads: int = 1) -> RayHits:
    """Send rays (any length, world) from one eye (metres, world)."""
    packed = np.empty((len(rays), 6), np.float32)
    packed[:, :3], packed[:, 3:] = eye, rays
    answer = caster.cast_rays(to_open3d(packed), nthreads=threads)
    # Open3D marks "nothing met" by the largest unsigned number, which reads as -1.
    face = answer["primitive_ids"].numpy().view(np.int32)
    return RayHits(answer["t_hit"].numpy(), face, answer["primitive_uvs"].numpy())


def corner_weights(across: Float[np.ndarray, "hit 2"]) -> Float[np.ndarray, "hit 3"]:
    """Barycentric weights of all three corners."""
    weights = np.empty((len(across), 3), np.float32)
    weights[:, 1:] = across
    weights[:, 0] = 1 - across[:, 0] - across[:, 1]
    return weights


def blend(
    values: Float[np.ndarray, "vertex channel"], corners: Int[np.ndarray, "hit 3"], weights: Float[np.ndarray, "hit 3"]
) -> Float[np.ndarray, "hit channel"]:
    """Values at vertices, blended linearly across each hit's triangle."""
    mixed = weights[:, :1] * values[corners[:, 0]]
    mixed += weights[:, 1:2] * values[corners[:, 1]]
    mixed += weights[:, 2:] * values[corners[:, 2]]
    return mixed


def facing_eye(normals: Float[np.ndarray, "hit 3"], rays: Float[np.ndarray, "hit 3"]) -> Float[np.ndarray, "hit 3"]:
    """Unit normals turned to the side the ray came from.

    Near an outline a blended normal may point a little away although the triangle faces the eye: such a normal is bent
    until it stands across the ray. One that points clearly away belongs to the back of a sheet and is turned round.
    """
    length = np.sqrt(np.einsum("hc,hc->h", normals, normals))
    unit = normals / np.maximum(length, 1e-12)[:, None]
    along = np.einsum("hc,hc->h", unit, rays) / np.sqrt(np.einsum("hc,hc->h", rays, rays))
    behind = along > _BENT
    unit[behind] *= -1
    slight = np.flatnonzero((along > 0) & ~behind)
    if len(slight):
        ray = rays[slight] / np.linalg.norm(rays[slight], axis=1, keepdims=True)
        # A trace towards the eye, so that rounding does not put it on the far side again.
        across = unit[slight] - (along[slight, None] + 1e-3) * ray
        unit[slight] = across / np.linalg.norm(across, axis=1, keepdims=True)
    return unit.astype(normals.dtype)


def pixel_grid(camera: Camera, samples: int = 1) -> Float[np.ndarray, "height width 2"]:
    """Centres of all pixels, or of `samples` x `samples` parts of every pixel, in pixel units."""
    across = (np.arange(camera.width * samples) + 0.5) / samples
    down = (np.arange(camera.height * samples) + 0.5) / samples
    return np.stack(np.meshgrid(across, down), axis=-1)


def to_open3d(array: np.ndarray) -> Any:
    """The array as open3d's tensor; open3d is imported here, so that only drawing waits for it."""
    import open3d.core

    # Its stubs name another numpy's arrays.
    return open3d.core.Tensor(array)  # pyright: ignore[reportCallIssue, reportArgumentType]
