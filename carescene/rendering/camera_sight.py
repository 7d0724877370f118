"""What a camera in a room would see: of the beds, of the floor, of people, and of what hangs right before it."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from carescene.rendering.camera import Camera
from carescene.rendering.raycast import build_caster, cast, to_open3d
from carescene.scenes.furniture import bed_surface
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.mesh import SHELL, SceneMesh
from carescene.scenes.scene import Scene, object_to_world

# Enough of a clip's joints to tell how well it is seen.
_POINTS: Final = 120
# People should be at least this tall in the picture, as a share of its height, and the eye no nearer than this, metres.
_TALL: Final = 0.33
_PERSON: Final = 1.7
_NEAR: Final = 1.0
# What hides a piece of the picture from nearer than this, metres, stands right before the lens.
_BEFORE: Final = 1.0
# Skin that touches a mattress is seen although the ray ends on it: rays stop this share of their length earlier.
_STOP: Final = 0.03


@dataclass(frozen=True)
class RoomSight:
    """A room without people, ready to be asked what can be seen in it.

    Attributes:
        caster: `open3d.t.geometry.RaycastingScene` of the room's mesh.
        face_object: of the mesh, to tell walls from things.
    """

    caster: Any
    face_object: Int[np.ndarray, "face"]

    @classmethod
    def of(cls, mesh: SceneMesh) -> "RoomSight":
        """Sight in the room of this mesh."""
        return cls(build_caster(mesh.vertices, mesh.faces), mesh.face_object)

    def sees(self, camera: Camera, points: Float[np.ndarray, "point 3"]) -> Bool[np.ndarray, "point"]:
        """Which points (world, metres) are in the picture with nothing of the room in between."""
        ahead = (points - camera.eye) @ camera.rotation[2] > 0.1
        seen = np.zeros(len(points), dtype=bool)
        pixels, _ = camera.project(points[ahead])
        seen[ahead] = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(axis=1)
        rays = np.empty((int(seen.sum()), 6), np.float32)
        rays[:, :3], rays[:, 3:] = camera.eye, points[seen] - camera.eye
        seen[seen] = ~self.caster.test_occlusions(to_open3d(rays), tfar=1 - _STOP, nthreads=1).numpy()
        return seen

    def people_worth(self, camera: Camera, points: Float[np.ndarray, "point 3"]) -> float:
        """How well points of people (world, metres) are seen: in the picture, not hidden, large, and not too near.

        From 0 to 1; of long lists an even selection is looked at.
        """
        some = points[:: max(1, len(points) // _POINTS)]
        distance = np.linalg.norm(some - camera.eye, axis=1)
        tall = camera.focal * _PERSON / (np.maximum(distance, 1e-3) * _TALL * camera.height)
        good = np.minimum(tall, 1.0) * np.minimum(distance / _NEAR, 1.0)
        return float((self.sees(camera, some) * good).mean())

    def hidden_before(self, camera: Camera) -> float:
        """Share of the picture that things (not walls) nearer than 1 m cover."""
        across, down = np.meshgrid(
            (np.arange(16) + 0.5) / 16 * camera.width, (np.arange(12) + 0.5) / 12 * camera.height
        )
        rays = camera.directions(np.stack([across, down], axis=-1).reshape(-1, 2))
        hits = cast(self.caster, camera.eye, rays.astype(np.float32))
        near = hits.distance < _BEFORE
        return float((self.face_object[hits.face[near]] != SHELL).sum() / len(near))


def clearance(geometry: SceneGeometry, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point"]:
    """Signed distance in metres from points of the one room of `geometry` to the nearest surface."""
    asked = torch.from_numpy(np.ascontiguousarray(points, np.float32))[None]
    return geometry.signed_distance(asked)[0].numpy()


def worth_seeing(
    scene: Scene, geometry: SceneGeometry, above: Float[np.ndarray, "3"] | None
) -> tuple[Float[np.ndarray, "point 3"], Float[np.ndarray, "point"]]:
    """Points of people on beds and on free floor, and how much each counts; beds count as much as all the floor.

    With an eye `above` a bed, floor counts only near that eye.
    """
    low, high = np.min(scene.polygon, axis=0), np.max(scene.polygon, axis=0)
    grid = np.stack(np.meshgrid(*(np.arange(low[axis] + 0.25, high[axis], 0.5) for axis in (0, 1))), -1).reshape(-1, 2)
    floor = np.concatenate([np.column_stack([grid, np.full(len(grid), z)]) for z in (0.3, 1.0, 1.6)])
    floor = floor[clearance(geometry, floor) > 0.1]
    if above is not None:
        floor = floor[np.linalg.norm(floor[:, :2] - above[:2], axis=1) < 2.5]
    lying = []
    for bed in scene.of_kind("bed"):
        top = bed_surface(bed).height + 0.15 - bed.center[2]
        lying += [object_to_world(bed, (0.0, share * bed.size[1], top)) for share in (-0.3, 0.0, 0.3)]
    points = np.concatenate([floor, np.reshape(lying, (-1, 3))])
    worth = np.concatenate([np.full(len(floor), 1 / max(len(floor), 1)), np.full(len(lying), 1 / max(len(lying), 1))])
    return points, worth
