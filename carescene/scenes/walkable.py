"""Walking: where a person fits between the furniture, and how to get from one place to another.

The rule: whatever is solid between 5 cm and 1.9 m above the floor blocks the ground below it, by the outline of each
solid seen from above, and so do the walls. Lower things are stepped over, higher ones passed under.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import label
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from carescene.scenes.footprint import footprint, wall_distance
from carescene.scenes.furniture import scene_solids
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.layout import HEAD_ROOM_M
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.solids import Solid

STEP_OVER_M: Final = 0.05
DISC_RADIUS_M: Final = 0.15  # half of what somebody needs who turns sideways
_CELL_M: Final = 0.05
# A path between two free cells may come this much nearer to a corner than the cells themselves are.
_SLACK_M: Final = 0.005
# The floor of a mesh must not count as an obstacle, so the lowest height is above the disc's radius.
_MESH_HEIGHTS_M: Final = (0.3, 0.6, 0.9, 1.3, 1.7)
_STEPS: Final = ((1, 0), (0, 1), (1, 1), (1, -1))


@dataclass(frozen=True)
class WalkGrid:
    """Where the middle of a walking disc may be.

    Attributes:
        origin: world position of the middle of cell (0, 0), metres.
        cell_m: side of a cell, metres.
        free: rows run along world y, columns along world x.
    """

    origin: tuple[float, float]
    cell_m: float
    free: Bool[np.ndarray, "row column"]

    def points(self) -> Float[np.ndarray, "row column 2"]:
        """Middles of all cells in the world."""
        rows, columns = self.free.shape
        x = self.origin[0] + self.cell_m * np.arange(columns)
        y = self.origin[1] + self.cell_m * np.arange(rows)
        return np.stack(np.meshgrid(x, y), axis=-1)

    def cell_of(self, point: tuple[float, float]) -> tuple[int, int]:
        """Row and column of the cell that holds a point, cut to the grid."""
        rows, columns = self.free.shape
        column = int(np.clip(round((point[0] - self.origin[0]) / self.cell_m), 0, columns - 1))
        row = int(np.clip(round((point[1] - self.origin[1]) / self.cell_m), 0, rows - 1))
        return row, column


@dataclass(frozen=True)
class _Known:
    """A room that counts as the same if it holds the same things: work on rooms that are used often is kept."""

    scene: Scene
    text: str

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self.text == other.text

    @classmethod
    def of(cls, scene: Scene) -> "_Known":
        return cls(scene, repr((scene.polygon, scene.objects)))


def outlines(scene: Scene, skip: tuple[str, ...] = ()) -> list[Float[np.ndarray, "corner 2"]]:
    """Outlines on the floor, counter-clockwise, of all solids that block walking; objects named in `skip` left out."""
    return list(_outlines(_Known.of(scene), skip))


@functools.lru_cache(maxsize=256)
def _outlines(known: _Known, skip: tuple[str, ...]) -> tuple[Float[np.ndarray, "corner 2"], ...]:
    scene, shapes = known.scene, []
    for solid, index in scene_solids(scene):
        if scene.objects[index].id in skip:
            continue
        corners = _corners(solid)
        if corners[:, 2].max() > STEP_OVER_M and corners[:, 2].min() < HEAD_ROOM_M:
            shapes.append(_outline(corners[:, :2]))
    # A user's own mesh has no solids; its box stands for it. In a room that is a mesh, boxes name its parts.
    own = [thing for thing in scene.objects if thing.mesh is not None and thing.id not in skip]
    return tuple(shapes + [footprint(thing).corners for thing in own])


def ground_clearance(
    scene: Scene, points: Float[np.ndarray, "point 2"], skip: tuple[str, ...] = ()
) -> Float[np.ndarray, "point"]:
    """Signed distance in metres of points on the floor from whatever blocks walking, negative inside it."""
    nearest = wall_distance(points, scene.polygon)
    for outline in outlines(scene, skip):
        nearest = np.minimum(nearest, _convex_distance(points, outline))
    return nearest


def walkable_grid(
    scene: Scene,
    radius_m: float = DISC_RADIUS_M,
    cell_m: float = _CELL_M,
    skip: tuple[str, ...] = (),
    folder: Path | None = None,
) -> WalkGrid:
    """Cells in which a disc of this radius touches neither furniture nor wall.

    Args:
        radius_m: of the disc.
        cell_m: side of a cell.
        skip: ids of objects to walk through.
        folder: where the scene's file lies. A room that is a mesh of its own has no solids; with its folder it is
            measured at some heights instead, from `_MESH_HEIGHTS_M` upwards.
    """
    if scene.mesh is None or folder is None:
        grid = _plain_grid(_Known.of(scene), float(radius_m), float(cell_m), skip)
        return WalkGrid(grid.origin, grid.cell_m, grid.free.copy())
    return _grid(scene, radius_m, cell_m, skip, folder)


@functools.lru_cache(maxsize=512)
def _plain_grid(known: _Known, radius_m: float, cell_m: float, skip: tuple[str, ...]) -> WalkGrid:
    return _grid(known.scene, radius_m, cell_m, skip, None)


def _grid(scene: Scene, radius_m: float, cell_m: float, skip: tuple[str, ...], folder: Path | None) -> WalkGrid:
    corners = np.array(scene.polygon)
    low, high = corners.min(axis=0), corners.max(axis=0)
    columns, rows = (int(count) for count in np.ceil((high - low) / cell_m))
    origin = (float(low[0] + cell_m / 2), float(low[1] + cell_m / 2))
    grid = WalkGrid(origin, cell_m, np.zeros((rows, columns), dtype=bool))
    points, reach = grid.points(), radius_m + _SLACK_M
    free = (wall_distance(points.reshape(-1, 2), scene.polygon) >= reach).reshape(rows, columns)
    for outline in outlines(scene, skip):
        # Only cells near an outline need asking.
        first = np.maximum(np.floor((outline.min(axis=0) - reach - low) / cell_m).astype(int), 0)
        last = np.maximum(np.ceil((outline.max(axis=0) + reach - low) / cell_m).astype(int), 0)
        window = (slice(first[1], last[1]), slice(first[0], last[0]))
        near = points[window]
        if near.size:
            distance = _convex_distance(near.reshape(-1, 2), outline).reshape(near.shape[:2])
            free[window] &= distance >= reach
    if scene.mesh is not None and folder is not None:
        geometry = SceneGeometry.of([scene], folder=folder, dtype=torch.float64)
        for height in _MESH_HEIGHTS_M:
            rows_free, columns_free = np.nonzero(free)
            spots = np.column_stack([points[rows_free, columns_free], np.full(len(rows_free), height)])
            distance = geometry.signed_distance(torch.from_numpy(spots)[None])[0].numpy()
            free[rows_free, columns_free] = distance >= min(reach, height - STEP_OVER_M)
    return WalkGrid(origin, cell_m, free)


def free_path(
    scene: Scene,
    start: tuple[float, float],
    goal: tuple[float, float],
    radius_m: float = DISC_RADIUS_M,
    skip: tuple[str, ...] = (),
) -> Float[np.ndarray, "point 2"] | None:
    """The shortest way over the floor for a disc, or None if it cannot get there.

    Dijkstra's algorithm (1959) on cells of 5 cm and their eight neighbours.

    Args:
        start, goal: places on the floor, metres; each must have a free cell within 10 cm.
        radius_m: of the disc.
        skip: ids of objects to walk through.

    Returns:
        middles of cells from beside `start` to beside `goal`, metres.
    """
    grid = walkable_grid(scene, radius_m, skip=skip)
    first, last = nearest_free(grid, start), nearest_free(grid, goal)
    if first is None or last is None:
        return None
    rows, columns = grid.free.shape
    _, before = dijkstra(cell_graph(grid.free), indices=first, return_predecessors=True)
    way = [last]
    while way[-1] != first:
        step = int(before[way[-1]])
        if step < 0:
            return None
        way.append(step)
    return grid.points().reshape(rows * columns, 2)[way[::-1]]


def door_spot(door: SceneObject, off_m: float = 0.5) -> tuple[float, float]:
    """Where somebody stands who has just come in through a door, `off_m` metres from its wall."""
    return footprint(door).world(0.0, off_m - door.size[1] / 2)


def bedside_spots(
    scene: Scene, bed: SceneObject, grid: WalkGrid, off_m: float = 0.3
) -> dict[str, list[tuple[float, float]]]:
    """Free places along each long side of a bed, `off_m` metres from its box: {"left": [...], "right": [...]}.

    Left and right are the bed's own -x and +x. Places beside the head's last 60 cm do not count: cabinets stand there.
    """
    part = footprint(bed)
    spots: dict[str, list[tuple[float, float]]] = {"left": [], "right": []}
    for name, sign in (("left", -1.0), ("right", 1.0)):
        for y in np.arange(-part.half_y + 0.6, part.half_y, 0.1):
            point = part.world(sign * (part.half_x + off_m), float(y))
            inside = wall_distance(np.array([point]), scene.polygon)[0] > 0
            if inside and grid.free[grid.cell_of(point)]:
                spots[name].append(point)
    return spots


def reachable(grid: WalkGrid, start: tuple[float, float]) -> Bool[np.ndarray, "row column"]:
    """Cells that a disc can reach from a place on the floor."""
    cell = nearest_free(grid, start)
    if cell is None:
        return np.zeros_like(grid.free)
    regions, _ = label(grid.free, structure=np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    return regions == regions.reshape(-1)[cell]


def cell_graph(free: Bool[np.ndarray, "row column"]) -> csr_array:
    """Steps between neighbouring free cells (numbered row by row), in cells: 1 and the square root of 2."""
    number = np.arange(free.size).reshape(free.shape)
    starts, ends, lengths = [], [], []
    for right, down in _STEPS:
        here = number[: free.shape[0] - abs(down), : free.shape[1] - right]
        if down < 0:
            here = number[1:, : free.shape[1] - right]
        there = here + right + down * free.shape[1]
        both = free.reshape(-1)[here] & free.reshape(-1)[there]
        starts.append(here[both])
        ends.append(there[both])
        lengths.append(np.full(int(both.sum()), np.hypot(right, down)))
    row, column, value = (np.concatenate(part) for part in (starts, ends, lengths))
    both_ways = (np.concatenate((value, value)), (np.concatenate((row, column)), np.concatenate((column, row))))
    return coo_array(both_ways, shape=(free.size, free.size)).tocsr()


def nearest_free(grid: WalkGrid, point: tuple[float, float], within_m: float = 0.1) -> int | None:
    """Number of the free cell nearest to a place, None if there is none within this many metres."""
    distance = np.linalg.norm(grid.points() - np.array(point), axis=-1)
    distance[~grid.free] = np.inf
    cell = int(distance.argmin())
    return cell if distance.reshape(-1)[cell] <= within_m else None


def _corners(solid: Solid) -> Float[np.ndarray, "8 3"]:
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return solid.center + (signs * solid.half) @ solid.rotation.T


def _outline(points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "corner 2"]:
    """Convex hull, counter-clockwise (monotone chain, Andrew 1979)."""
    ordered = sorted({(round(float(x), 6), round(float(y), 6)) for x, y in points})

    def half(chain: list[tuple[float, float]]) -> list[tuple[float, float]]:
        hull: list[tuple[float, float]] = []
        for x, y in chain:
            while len(hull) > 1 and _turn(hull[-2], hull[-1], (x, y)) <= 0:
                hull.pop()
            hull.append((x, y))
        return hull[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _convex_distance(
    points: Float[np.ndarray, "point 2"], outline: Float[np.ndarray, "corner 2"]
) -> Float[np.ndarray, "point"]:
    """Signed distance from a counter-clockwise convex outline, negative inside."""
    edges = np.roll(outline, -1, axis=0) - outline
    squares = (edges**2).sum(axis=1)
    x, y = (points[:, None, axis] - outline[:, axis] for axis in (0, 1))
    along = np.clip((x * edges[:, 0] + y * edges[:, 1]) / squares, 0, 1)
    outside = np.hypot(x - along * edges[:, 0], y - along * edges[:, 1]).min(axis=1)
    depth = ((x * edges[:, 1] - y * edges[:, 0]) / np.sqrt(squares)).max(axis=1)
    return np.where(depth > 0, outside, depth)
