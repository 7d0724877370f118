"""Ways over the free floor of a room from one place to many, with people who are in the way."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import dijkstra

from carescene.encounters.walking import smooth_path
from carescene.scenes.scene import Scene
from carescene.scenes.walkable import WalkGrid, cell_graph, nearest_free, walkable_grid

# Half of the width that somebody walks through without brushing things: shoulders are 0.4 to 0.5 m wide.
WALKER_M = 0.24


@dataclass(frozen=True)
class Ways:
    """Shortest ways (Dijkstra 1959) from one start; `cost` is their length in metres, infinite where there is none."""

    grid: WalkGrid
    start: tuple[float, float]
    cost: Float[np.ndarray, "row column"]
    before: np.ndarray

    @classmethod
    def of(
        cls,
        scene: Scene,
        start: tuple[float, float],
        people: Float[np.ndarray, "point 2"] | None = None,
        *,
        keep_m: float = 0.3,
        radius_m: float = WALKER_M,
    ) -> "Ways | None":
        """Ways from a start; None if nobody can stand there.

        Args:
            scene: the room.
            start: metres.
            people: places of joints of others, from which the walker's middle keeps `keep_m` metres.
            keep_m: see `people`.
            radius_m: from things and walls.
        """
        grid = walkable_grid(scene, radius_m)
        if people is not None and len(people):
            # A cell each is enough: joints lie close together.
            spots = np.unique(np.round(people / grid.cell_m).astype(int), axis=0) * grid.cell_m
            points = grid.points()
            nearest = np.full(grid.free.shape, np.inf)
            for spot in spots:
                nearest = np.minimum(nearest, np.linalg.norm(points - spot, axis=-1))
            grid = WalkGrid(grid.origin, grid.cell_m, grid.free & (nearest >= keep_m))
        first = nearest_free(grid, start, within_m=0.4)
        if first is None:
            return None
        cost, before = dijkstra(cell_graph(grid.free), indices=first, return_predecessors=True)
        return cls(grid, start, cost.reshape(grid.free.shape) * grid.cell_m, before)

    def length(self, spot: Float[np.ndarray, "2"]) -> float:
        """Length of the way to a place, metres; infinite if there is none."""
        cell = nearest_free(self.grid, (float(spot[0]), float(spot[1])), within_m=0.3)
        return float(self.cost.reshape(-1)[cell]) if cell is not None else np.inf

    def to(self, spot: Float[np.ndarray, "2"]) -> Float[np.ndarray, "point 2"] | None:
        """A smooth path from the start that ends exactly at a place within 30 cm of free floor, or None."""
        cell = nearest_free(self.grid, (float(spot[0]), float(spot[1])), within_m=0.3)
        if cell is None or not np.isfinite(self.cost.reshape(-1)[cell]):
            return None
        way = [cell]
        while self.before[way[-1]] >= 0:
            way.append(int(self.before[way[-1]]))
        cells = self.grid.points().reshape(-1, 2)[way[::-1]]
        return smooth_path(np.concatenate([[self.start], cells[1:-1], [spot]]))
