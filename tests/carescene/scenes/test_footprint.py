"""Footprints against closed forms and against brute force over points."""

import math

import numpy as np
import pytest

from carescene.scenes.footprint import (
    Footprint,
    footprint,
    inside_polygon,
    overlap,
    rectangle_distance,
    rectangle_points,
    wall_distance,
    within_walls,
)
from carescene.scenes.scene import SceneObject

L_SHAPE = [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (2.0, 2.0), (2.0, 5.0), (0.0, 5.0)]


def test_the_footprint_of_an_object_is_its_box_seen_from_above() -> None:
    thing = SceneObject("bed-1", "bed", (1.0, 2.0, 0.4), (1.0, 2.0, 0.8), math.pi / 2)
    part = footprint(thing)
    # A quarter turn: the bed's length lies along x, and its front (+y) looks along -x.
    assert np.allclose(sorted(part.corners[:, 0]), [0.0, 0.0, 2.0, 2.0])
    assert np.allclose(sorted(part.corners[:, 1]), [1.5, 1.5, 2.5, 2.5])
    assert part.world(0.0, 1.0) == pytest.approx((0.0, 2.0))
    assert (part.low, part.high) == pytest.approx((0.0, 0.8))


def random_footprint(rng: np.random.Generator) -> Footprint:
    x, y, yaw = (float(value) for value in rng.uniform(-1, 1, 3))
    half_x, half_y = (float(value) for value in rng.uniform(0.1, 0.9, 2))
    return Footprint(x, y, half_x, half_y, 4 * yaw)


def test_overlap_agrees_with_points_that_lie_in_both() -> None:
    rng = np.random.default_rng(1)
    seen = {True: 0, False: 0}
    for _ in range(400):
        first, second = (random_footprint(rng) for _ in range(2))
        points = rectangle_points(first, 0.03)
        depth = rectangle_distance(points, second).min()
        if abs(depth) < 0.03:
            continue  # too close to touching for points to tell
        assert overlap(first, second) == overlap(second, first) == (depth < 0)
        seen[bool(depth < 0)] += 1
    assert min(seen.values()) > 50


def test_things_above_each_other_do_not_overlap() -> None:
    low = Footprint(0.0, 0.0, 1.0, 1.0, low=0.0, high=0.8)
    assert not overlap(low, Footprint(0.0, 0.0, 1.0, 1.0, low=0.8, high=2.0))
    assert overlap(low, Footprint(0.0, 0.0, 1.0, 1.0, low=0.7, high=2.0))


def test_side_by_side_is_not_overlapping() -> None:
    assert not overlap(Footprint(0.0, 0.0, 1.0, 1.0), Footprint(2.0, 0.0, 1.0, 1.0))
    assert overlap(Footprint(0.0, 0.0, 1.0, 1.0), Footprint(1.99, 0.0, 1.0, 1.0))


def test_distance_from_a_rectangle() -> None:
    part = Footprint(1.0, 0.0, 1.0, 0.5, 0.0)
    points = np.array([[3.0, 0.0], [3.0, 1.5], [1.0, 0.0], [1.9, 0.0]])
    assert np.allclose(rectangle_distance(points, part), [1.0, math.hypot(1, 1), -0.5, -0.1])


def test_distance_from_the_walls_of_an_l_shaped_room() -> None:
    points = np.array([[1.0, 1.0], [3.0, 3.0], [2.5, 1.0], [1.0, 4.9], [5.0, 1.0]])
    assert np.allclose(wall_distance(points, L_SHAPE), [1.0, -1.0, 1.0, 0.1, -1.0])
    assert inside_polygon(points, L_SHAPE).tolist() == [True, False, True, True, False]


def test_a_room_with_an_inner_corner_holds_only_what_lies_inside() -> None:
    assert within_walls(Footprint(1.0, 2.5, 0.9, 2.4), L_SHAPE)
    assert within_walls(Footprint(1.0, 2.5, 1.0, 2.5), L_SHAPE), "touching walls is inside"
    # All four corners lie inside, the room's inner corner lies in the rectangle.
    assert not within_walls(Footprint(2.0, 2.0, 1.6, 0.4, math.pi / 4), L_SHAPE)
    assert not within_walls(Footprint(3.9, 1.0, 0.5, 0.5), L_SHAPE)


def test_a_thin_wall_through_the_middle_is_noticed() -> None:
    slit = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.05, 4.0), (2.05, 1.0), (1.95, 1.0), (1.95, 4.0), (0.0, 4.0)]
    assert not within_walls(Footprint(2.0, 2.5, 1.0, 0.5), slit)
    assert within_walls(Footprint(2.0, 0.5, 1.0, 0.4), slit)


def test_points_cover_a_rectangle() -> None:
    part = Footprint(0.3, -0.2, 0.5, 0.2, 0.7)
    points = rectangle_points(part, 0.05)
    assert (rectangle_distance(points, part) < 1e-9).all()
    for corner in part.corners:
        assert np.linalg.norm(points - corner, axis=1).min() < 1e-9
    probes = np.random.default_rng(0).uniform([-0.5, -0.2], [0.5, 0.2], (50, 2)) @ part.axes + [0.3, -0.2]
    gaps = np.linalg.norm(points[None] - probes[:, None], axis=2).min(axis=1)
    assert gaps.max() <= 0.05 * math.sqrt(0.5)
