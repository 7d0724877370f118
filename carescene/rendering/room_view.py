"""The empty room from one camera, cast once: people are later laid into it by depth."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from carescene.rendering.camera import Camera
from carescene.rendering.gbuffer import GBuffer, empty_buffer
from carescene.rendering.margin import Margin
from carescene.rendering.raycast import blend, build_caster, cast, corner_weights, facing_eye, pixel_grid
from carescene.scenes.mesh import SceneMesh


@dataclass(frozen=True)
class RoomView:
    """A room without people, seen by a camera.

    Attributes:
        camera: whose picture it is.
        samples: rays per pixel across and down; all arrays have `samples` times the picture's rows and columns.
        buffer: what every ray shows; without people, no pixel has a `face`.
        points: where every ray ends, in the world, metres; NaN where nothing is met.
        rays: view vectors in the world, 1 m long along the view axis.
        margin: what lies around the picture.
        caster: `open3d.t.geometry.RaycastingScene` of the room, for shadows and occlusion.
    """

    camera: Camera
    samples: int
    buffer: GBuffer
    points: Float[np.ndarray, "height width 3"]
    rays: Float[np.ndarray, "height width 3"]
    margin: Margin
    caster: Any = field(repr=False)

    @classmethod
    def cast(cls, mesh: SceneMesh, camera: Camera, samples: int = 1, *, caster: Any = None) -> "RoomView":
        """Cast the room once; normals are blended from the mesh's vertex normals and face the camera.

        Args:
            caster: of this mesh, where there is one already.
        """
        rays = camera.rays(pixel_grid(camera, samples)).astype(np.float32)
        height, width = rays.shape[:2]
        caster = build_caster(mesh.vertices, mesh.faces) if caster is None else caster
        hits = cast(caster, camera.eye, rays.reshape(-1, 3))
        found = hits.face >= 0
        faces, weights = hits.face[found], corner_weights(hits.across[found])
        buffer = empty_buffer(height, width)
        buffer.depth.reshape(-1)[:] = hits.distance
        buffer.instance.reshape(-1)[found] = mesh.face_object[faces] + 1
        buffer.material.reshape(-1)[found] = mesh.face_material[faces]
        normals = blend(mesh.normals.astype(np.float32), mesh.faces[faces], weights)
        buffer.normal.reshape(-1, 3)[found] = facing_eye(normals, rays.reshape(-1, 3)[found])
        with np.errstate(invalid="ignore"):
            points = camera.eye.astype(np.float32) + buffer.depth[..., None] * rays
        points[~np.isfinite(buffer.depth)] = np.nan
        return cls(camera, samples, buffer, points, rays, Margin.of(camera), caster)
