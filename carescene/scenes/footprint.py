"""Footprints: where things stand on the floor, and whether two of them want the same place."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from carescene.scenes.scene import SceneObject


@dataclass(frozen=True)
class Footprint:
    """A turned rectangle on the floor with the heights it takes up, metres; `yaw` as in `SceneObject`."""

    x: float
    y: float
    half_x: float
    half_y: float
    yaw: float = 0.0
    low: float = 0.0
    high: float = math.inf

    @property
    def axes(self) -> Float[np.ndarray, "2 2"]:
        """Rows are the rectangle's own x and y directions in the world."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return np.array([[cos, sin], [-sin, cos]])

    @property
    def corners(self) -> Float[np.ndarray, "4 2"]:
        """Corners, counter-clockwise."""
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return np.array([self.x, self.y]) + (signs * [self.half_x, self.half_y]) @ self.axes

    def world(self, x: float, y: float) -> tuple[float, float]:
        """A point of the rectangle's own frame in the world."""
        point = np.array([self.x, self.y]) + np.array([x, y]) @ self.axes
        return float(point[0]), float(point[1])


def footprint(thing: SceneObject, margin: float = 0.0) -> Footprint:
    """The footprint of an object's oriented box, grown by `margin` metres to all four sides."""
    (x, y, z), (width, depth, height) = thing.center, thing.size
    half_x, half_y = width / 2 + margin, depth / 2 + margin
    return Footprint(x, y, half_x, half_y, thing.yaw, z - height / 2, z + height / 2)


def overlap(first: Footprint, second: Footprint) -> bool:
    """Whether two footprints share ground at a common height (separating axis theorem); touching is not sharing."""
    tolerance = 1e-6
    if min(first.high, second.high) - max(first.low, second.low) <= tolerance:
        return False
    x, y = second.x - first.x, second.y - first.y
    if math.hypot(x, y) >= math.hypot(first.half_x, first.half_y) + math.hypot(second.half_x, second.half_y):
        return False
    turn = second.yaw - first.yaw
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    for part, other in ((first, second), (second, first)):
        axis_x, axis_y = math.cos(part.yaw), math.sin(part.yaw)
        if abs(axis_x * x + axis_y * y) >= part.half_x + other.half_x * cos + other.half_y * sin - tolerance:
            return False
        if abs(axis_x * y - axis_y * x) >= part.half_y + other.half_x * sin + other.half_y * cos - tolerance:
            return False
    return True


def rectangle_distance(points: Float[np.ndarray, "point 2"], part: Footprint) -> Float[np.ndarray, "point"]:
    """Signed distance in metres of points on the floor from a footprint, negative inside (heights do not count)."""
    local = np.abs((points - [part.x, part.y]) @ part.axes.T) - [part.half_x, part.half_y]
    return np.linalg.norm(np.maximum(local, 0), axis=-1) + np.minimum(local.max(axis=-1), 0)


def rectangle_points(part: Footprint, step_m: float) -> Float[np.ndarray, "point 2"]:
    """Points that cover a footprint, its edges included, at most `step_m` metres apart along its sides."""
    xs = np.linspace(-part.half_x, part.half_x, int(2 * part.half_x / step_m) + 2)
    ys = np.linspace(-part.half_y, part.half_y, int(2 * part.half_y / step_m) + 2)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    return np.array([part.x, part.y]) + grid @ part.axes


def wall_distance(
    points: Float[np.ndarray, "point 2"], polygon: list[tuple[float, float]]
) -> Float[np.ndarray, "point"]:
    """Signed distance in metres of points on the floor from a room's walls, positive inside the room."""
    corners = np.array(polygon)
    nearest = np.full(len(points), np.inf)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge = end - start
        along = np.clip((points - start) @ edge / (edge @ edge), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(points - start - along[:, None] * edge, axis=1))
    return np.where(inside_polygon(points, polygon), nearest, -nearest)


def inside_polygon(
    points: Float[np.ndarray, "point 2"], polygon: list[tuple[float, float]]
) -> Bool[np.ndarray, "point"]:
    """Whether points lie inside a polygon (even-odd rule: a ray to the right crosses an odd number of edges)."""
    inside = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for (start_x, start_y), (end_x, end_y) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if start_y == end_y:
            continue
        crosses = (start_y > y) != (end_y > y)
        inside ^= crosses & (x < start_x + (y - start_y) * (end_x - start_x) / (end_y - start_y))
    return inside


def within_walls(part: Footprint, polygon: list[tuple[float, float]], tolerance: float = 1e-3) -> bool:
    """Whether a footprint lies inside the room, also when the room has corners that point inwards."""
    if (wall_distance(part.corners, polygon) < -tolerance).any():
        return False
    # A wall may enter between two corners; 5 cm is less than any piece of furniture is wide.
    return bool((rectangle_distance(_along_walls(tuple(polygon), 0.05), part) > -tolerance).all())


@functools.lru_cache(maxsize=16)
def _along_walls(polygon: tuple[tuple[float, float], ...], step: float) -> Float[np.ndarray, "point 2"]:
    pieces = []
    for start, end in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        count = max(int(math.dist(start, end) / step), 1)
        pieces.append(np.linspace(start, end, count, endpoint=False))
    return np.concatenate(pieces)
