"""Light that walls, floor and furniture pass on, and which lamps are seen from where: kept on a grid of places.

At every place of a coarse grid rays look around once. What they meet is lit by the lamps and, round after round, by
what the grid itself already knows (an irradiance volume: Greger et al. 1998). Six numbers per colour and place say how
much light a surface there gets that faces each way along an axis (an ambient cube: McTaggart 2004).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage, sparse

from carescene.rendering.lights import RoomLight, inside_polygon, received, sum_light
from carescene.rendering.occlusion import scatter
from carescene.rendering.raycast import to_open3d
from carescene.rendering.shadows import hidden_share, patch_rays, patches_seen, sun_seen
from carescene.scenes.mesh import SceneMesh
from carescene.scenes.scene import Scene

# Distance between places of the grid in metres: light changes slowly away from surfaces.
_STEP: Final = 0.6
_RAYS: Final = 128
# Light that has been passed on more often than this is too faint to matter in a pale room.
_ROUNDS: Final = 4
# A place from which more than this share of the rays meets the back of a surface is inside a thing.
_INSIDE: Final = 0.2
_AXES: Final = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)


@dataclass(frozen=True)
class LightField:
    """Light in the free space of one room, whatever camera looks at it.

    Attributes:
        light: the sources.
        low, step: first corner of the grid and the distance between its places, metres.
        cube: irradiance passed on by the room's surfaces, for the six ways +x, +y, +z, -x, -y, -z.
        seen: share of every patch of light that is seen from each place.
    """

    light: RoomLight
    low: Float[np.ndarray, "3"]
    step: Float[np.ndarray, "3"]
    cube: Float[np.ndarray, "x y z 6 3"]
    seen: Float[np.ndarray, "x y z patch"]

    @classmethod
    def of(
        cls,
        scene: Scene,
        mesh: SceneMesh,
        caster: Any,
        albedo: Float[np.ndarray, "material 3"],
        light: RoomLight,
        *,
        seed: int,
    ) -> "LightField":
        """Measure a room: its mesh, a caster of that mesh and the mean colour of each of the mesh's materials."""
        corners = np.array(scene.polygon)
        low = np.array([*(corners.min(axis=0) + 0.15), 0.12])
        high = np.array([*(corners.max(axis=0) - 0.15), scene.height - 0.15])
        count = np.maximum(2, np.ceil((high - low) / _STEP).astype(int) + 1)
        step = (high - low) / (count - 1)
        places = np.stack(np.meshgrid(*(np.arange(n) for n in count), indexing="ij"), axis=-1) * step + low
        flat = places.reshape(-1, 3).astype(np.float32)
        found, hit, hit_normal, material, free = _look_around(mesh, caster, flat, seed)
        free &= inside_polygon(flat[:, :2], corners)
        grid = tuple(int(n) for n in count)
        bright = _direct(caster, hit, hit_normal, light, seed)
        cube = np.zeros((*grid, 6, 3), np.float32)
        ways = _ways(len(flat), seed)
        blend = _between(hit + 0.15 * hit_normal, low, step, grid)
        for _ in range(_ROUNDS):
            passed = np.zeros((len(flat) * _RAYS, 3), np.float32)
            passed[found] = (
                albedo[material] / np.pi * (bright + _facing(blend @ cube.reshape(len(flat), -1), hit_normal))
            )
            cosine = np.clip(np.einsum("prc,ac->par", ways, _AXES), 0, None)
            sums = 4 * np.pi / _RAYS * np.einsum("par,prc->pac", cosine, passed.reshape(-1, _RAYS, 3))
            cube = _even_out(_fill(sums.reshape(*grid, 6, 3), free.reshape(grid)))
        seen = _fill(_patches_from(caster, flat, light, seed).reshape(*grid, -1), free.reshape(grid))
        return cls(light, low, step, cube, seen)

    def passed_on(
        self, points: Float[np.ndarray, "point 3"], normals: Float[np.ndarray, "point 3"]
    ) -> Float[np.ndarray, "point 3"]:
        """Irradiance that comes from the room's surfaces: the cube's sides blended by the squared normal."""
        grid = self.cube.shape[:3]
        cubes = _between(points, self.low, self.step, grid) @ self.cube.reshape(np.prod(grid), -1)
        return _facing(cubes, normals)

    def direct(
        self, points: Float[np.ndarray, "point 3"], normals: Float[np.ndarray, "point 3"]
    ) -> tuple[Float[np.ndarray, "point 3"], Float[np.ndarray, "point patch"]]:
        """Irradiance straight from the lamps and windows, their visibility read from the grid (no sun), and what each
        patch gives of it (green)."""
        factor, upper = received(points, normals, self.light)
        grid = self.seen.shape[:3]
        factor *= _between(points, self.low, self.step, grid) @ self.seen.reshape(np.prod(grid), -1)
        above, below = self.light.above[:, 1].astype(np.float32), self.light.below[:, 1].astype(np.float32)
        return sum_light(factor, upper, self.light), factor * (below + upper * (above - below))


def _between(
    points: Float[np.ndarray, "point 3"],
    low: Float[np.ndarray, "3"],
    step: Float[np.ndarray, "3"],
    grid: tuple[int, ...],
) -> sparse.csr_matrix:
    """Trilinear weights, `(point, place)`, of a grid's places at points; outside the grid its border counts."""
    count = np.array(grid)
    place = np.clip((points - low) / step, 0, count - 1.001).astype(np.float32)
    corner = place.astype(np.int32)
    upper = place - corner
    share = np.stack([1 - upper, upper])
    index, weight = np.empty((len(points), 8), np.int32), np.empty((len(points), 8), np.float32)
    for number, (i, j, k) in enumerate(np.ndindex(2, 2, 2)):
        index[:, number] = ((corner[:, 0] + i) * grid[1] + corner[:, 1] + j) * grid[2] + corner[:, 2] + k
        weight[:, number] = share[i, :, 0] * share[j, :, 1] * share[k, :, 2]
    starts = np.arange(0, index.size + 1, 8, dtype=np.int32)
    return sparse.csr_matrix((weight.ravel(), index.ravel(), starts), shape=(len(points), int(np.prod(grid))))


def _facing(
    cubes: Float[np.ndarray, "point 18"], normals: Float[np.ndarray, "point 3"]
) -> Float[np.ndarray, "point 3"]:
    """Blend an ambient cube's six sides by the squared normal."""
    square = (normals * normals).astype(np.float32)
    total = np.zeros((len(normals), 3), np.float32)
    for axis in range(3):
        ahead = normals[:, axis, None] > 0
        sides = np.where(ahead, cubes[:, 3 * axis : 3 * axis + 3], cubes[:, 9 + 3 * axis : 12 + 3 * axis])
        total += square[:, axis, None] * sides
    return total


def sphere(count: int) -> Float[np.ndarray, "count 3"]:
    """Directions spread evenly over the sphere (a golden spiral)."""
    steps = np.arange(count)
    z = 1 - (2 * steps + 1) / count
    turn = steps * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], axis=-1).astype(np.float32)


def _ways(places: int, seed: int) -> Float[np.ndarray, "place ray 3"]:
    """The same even directions from every place, turned about the vertical so that neighbours look between them."""
    turn = 2 * np.pi * scatter(places, seed)[:, 0]
    cos, sin, zero, one = np.cos(turn), np.sin(turn), np.zeros_like(turn), np.ones_like(turn)
    rotation = np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], axis=-1).reshape(-1, 3, 3)
    return np.einsum("pij,rj->pri", rotation, sphere(_RAYS)).astype(np.float32)


def _look_around(
    mesh: SceneMesh, caster: Any, places: Float[np.ndarray, "place 3"], seed: int
) -> tuple[Int[np.ndarray, "hit"], np.ndarray, np.ndarray, Int[np.ndarray, "hit"], np.ndarray]:
    """Rays that met something (their index), where, its normal and material, and whether each place is free."""
    ways = _ways(len(places), seed).reshape(-1, 3)
    packed = np.concatenate([np.repeat(places, _RAYS, axis=0), ways], axis=1)
    answer = caster.cast_rays(to_open3d(packed), nthreads=1)
    face = answer["primitive_ids"].numpy().view(np.int32)
    found = np.flatnonzero(face >= 0)
    face = face[found]
    hit = packed[found, :3] + answer["t_hit"].numpy()[found, None] * ways[found]
    first, second, third = (mesh.vertices[mesh.faces[face, corner]] for corner in range(3))
    normal = np.cross(second - first, third - first)
    normal = (normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    away = np.einsum("hc,hc->h", normal, ways[found]) > 0
    normal[away] *= -1
    behind = np.bincount(found // _RAYS, away, len(places)) / _RAYS
    return found, hit, normal, mesh.face_material[face], behind < _INSIDE


def _direct(
    caster: Any, points: np.ndarray, normals: np.ndarray, light: RoomLight, seed: int
) -> Float[np.ndarray, "point 3"]:
    factor, upper = received(points, normals, light)
    bright = sum_light(
        factor * patches_seen(caster, points, normals, factor, light, scatter(len(points), seed)), upper, light
    )
    return bright + sun_seen(caster, points, normals, light)[:, None] * light.sun.astype(np.float32)


def _patches_from(caster: Any, places: np.ndarray, light: RoomLight, seed: int) -> Float[np.ndarray, "place patch"]:
    """Share of four rays from each place that reach each patch."""
    seen = np.zeros((len(places), len(light.points)), np.float32)
    spread = scatter(len(places), seed)
    for patch in range(seen.shape[1]):
        for turn in range(4):
            shifted = (spread + np.array([0.25, 0.618034], np.float32) * turn) % 1
            ways = patch_rays(places, np.full(len(places), patch), shifted, light)
            seen[:, patch] += 0.25 * (1 - hidden_share(caster, places, ways, 0.985))
    return seen


def _even_out(cube: np.ndarray) -> np.ndarray:
    """Neighbouring places share what they saw: few rays catch a small bright spot from here and miss it from there."""
    return ndimage.gaussian_filter(cube, (0.8, 0.8, 0.8, 0, 0), mode="nearest")


def _fill(values: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Places inside things take the values of the nearest free place."""
    if free.all() or not free.any():
        return values
    nearest = ndimage.distance_transform_edt(~free, return_distances=False, return_indices=True)
    assert nearest is not None
    return values[tuple(nearest)]
