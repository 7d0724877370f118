"""Geometry questions of people in rooms: how far is the nearest surface, how high is the ground around a point.

Both are answered from the solids of which the furniture is drawn and from users' own meshes, in torch, for batches of
rooms, with gradients in the points.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError
from carescene.scenes._height_map import map_points, solid_tops
from carescene.scenes._room_distance import RoomBatch, is_inside, wall_distance
from carescene.scenes._solid_distance import SolidBatch
from carescene.scenes.furniture import scene_solids
from carescene.scenes.mesh import SHELL
from carescene.scenes.mesh_distance import MeshDistance
from carescene.scenes.scene import Scene
from carescene.scenes.user_mesh import object_mesh, room_mesh


@dataclass(frozen=True)
class SceneGeometry:
    """The surfaces of a batch of rooms, padded to one size; make it with `SceneGeometry.of`.

    All points are in the world: metres, z up, floor at z = 0.

    Attributes:
        solids: furniture, doors, windows and partitions.
        rooms: walls and ceilings.
        meshes: users' own meshes of each room in the world, with the index of their object, `SHELL` for a mesh of the
            room itself.
    """

    solids: SolidBatch
    rooms: RoomBatch
    meshes: tuple[tuple[tuple[MeshDistance, int], ...], ...]

    @classmethod
    def of(
        cls, scenes: Sequence[Scene], *, folder: Path | None = None, dtype: torch.dtype = torch.float32
    ) -> "SceneGeometry":
        """The geometry of some rooms.

        Args:
            folder: where the scenes' files lie, to which the names of their meshes are relative.
            dtype: precision of the geometry, of the points asked for and of the answers.

        Raises:
            UserError: if there is no scene, or a mesh cannot be read.
        """
        if not scenes:
            raise UserError("Expected at least one scene, but got none. Name the rooms to ask about.")
        # Where the room has a mesh of its own, boxes without a mesh only name parts of it.
        placed = [[] if scene.mesh else [(each.solid, each.index) for each in scene_solids(scene)] for scene in scenes]
        return cls(
            SolidBatch.of(placed, max(len(scene.objects) for scene in scenes), dtype),
            RoomBatch.of([scene.polygon for scene in scenes], [scene.height for scene in scenes], dtype),
            tuple(tuple(_meshes(scene, folder, dtype)) for scene in scenes),
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "SceneGeometry":
        """The same geometry on another device or with another precision."""
        meshes = tuple(tuple((mesh.to(device, dtype), index) for mesh, index in room) for room in self.meshes)
        return SceneGeometry(self.solids.to(device, dtype), self.rooms.to(device, dtype), meshes)

    def signed_distance(
        self, points: Float[Tensor, "batch point 3"], *, per: Literal["scene", "object"] = "scene"
    ) -> Float[Tensor, "batch point"] | Float[Tensor, "batch point object"]:
        """Distance in metres to the nearest surface: positive in free space, negative inside things and walls.

        Exact in free space. Inside, it is the deepest of the distances to the single solids' surfaces, which is never
        deeper than the way out of all of them together. Differentiable once everywhere, with finite gradients; where
        two surfaces are equally near, the gradient is that of one of them or of their mean.

        Args:
            per: `scene` for the nearest of furniture, walls, floor and ceiling; `object` for one distance for each
                of the scene's objects, without the shell: infinite for objects that a smaller room lacks.
        """
        if per == "object":
            return self._object_distance(points)
        furniture = self.solids.distance(points, self.solids.nearest(points))
        nearest = torch.minimum(furniture, self.shell_distance(points).amin(dim=-1))
        if not any(self.meshes):
            return nearest
        rows = [
            torch.stack([row, *(mesh.signed_distance(at) for mesh, _ in room)]).amin(dim=0)
            for row, at, room in zip(nearest, points, self.meshes, strict=True)
        ]
        return torch.stack(rows)

    def shell_distance(self, points: Float[Tensor, "batch point 3"]) -> Float[Tensor, "batch point 3"]:
        """Signed distances in metres to the nearest wall, to the floor and to the ceiling, positive inside the room."""
        z = points[..., 2]
        walls = wall_distance(self.rooms.corners, points[..., :2])
        return torch.stack([walls, z, self.rooms.height[:, None] - z], dim=-1)

    def height_map(
        self,
        center: Float[Tensor, "batch 2"],
        yaw: Float[Tensor, "batch"],
        *,
        size_m: float | int = 1.2,
        cells: int = 32,
        limit_m: float | int = 2.0,
        outside_m: float | int | None = None,
    ) -> Float[Tensor, "batch cells cells"]:
        """Height in metres of the highest surface below `limit_m`, on a square map around a point of the floor.

        Rows run from behind to the front of a person who faces `yaw` (0 is world +y, as for `SceneObject`), columns
        from left to right; the height is that at the middle of each cell. Differentiable once in center and yaw.

        Args:
            size_m: edge of the map. 1.2 m and 32 cells follow SceMoS (CVPR 2026).
            limit_m: things above this do not count (lamps, curtain rails); things that reach through it count as this
                high. 2 m is above a standing person's reach with the body.
            outside_m: height of what lies outside the walls; `limit_m` if not given.
        """
        points = map_points(center, yaw, size_m, cells)
        height = solid_tops(self.solids, points, limit_m)
        if any(self.meshes):
            rows = [
                torch.stack([row, *(mesh.tops(at, limit_m) for mesh, _ in room)]).amax(dim=0)
                for row, at, room in zip(height, points, self.meshes, strict=True)
            ]
            height = torch.stack(rows)
        outside = float(limit_m if outside_m is None else outside_m)
        height = torch.where(is_inside(self.rooms.corners, points), height, outside)
        return height.reshape(-1, cells, cells)

    def _object_distance(self, points: Tensor) -> Tensor:
        places = self.solids.nearest_per_object(points)
        spread = points[:, :, None].expand(*places.shape, 3)
        flat = self.solids.distance(spread.flatten(1, 2), places.clamp(min=0).flatten(1, 2)).reshape(places.shape)
        distance = flat.masked_fill(places < 0, torch.inf)
        if not any(self.meshes):
            return distance
        rooms = []
        for row, at, room in zip(distance, points, self.meshes, strict=True):
            own = {index: mesh.signed_distance(at) for mesh, index in room if index != SHELL}
            columns = [own.get(index, column) for index, column in enumerate(row.unbind(dim=-1))]
            rooms.append(torch.stack(columns, dim=-1) if own else row)
        return torch.stack(rooms)


def _meshes(scene: Scene, folder: Path | None, dtype: torch.dtype) -> Iterator[tuple[MeshDistance, int]]:
    if scene.mesh is not None:
        yield MeshDistance.of(*room_mesh(scene, folder), room=True, dtype=dtype), SHELL
    for index, thing in enumerate(scene.objects):
        if thing.mesh is not None:
            vertices, faces = object_mesh(thing, folder)
            turn = np.array(
                [
                    [math.cos(thing.yaw), -math.sin(thing.yaw), 0],
                    [math.sin(thing.yaw), math.cos(thing.yaw), 0],
                    [0, 0, 1],
                ]
            )
            yield MeshDistance.of(vertices @ turn.T + np.array(thing.center), faces, dtype=dtype), index
