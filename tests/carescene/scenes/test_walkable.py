"""Walking: gaps of known width, things to step over and pass under, and paths measured by other means."""

import math

import numpy as np
import pytest
import torch

from carescene.scenes import Scene, SceneGeometry, default_object
from carescene.scenes.scene import SceneObject
from carescene.scenes.walkable import (
    bedside_spots,
    door_spot,
    free_path,
    ground_clearance,
    reachable,
    walkable_grid,
)

ROOM = [(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (0.0, 3.0)]


def block(x: float, y: float, size: tuple[float, float, float], low: float = 0.0, yaw: float = 0.0) -> SceneObject:
    return SceneObject(f"block-{x}-{y}", "wall", (x, y, low + size[2] / 2), size, yaw)


def gate(width: float) -> Scene:
    """A room cut in two by a wall with a gap of this width in the middle."""
    long = (3.0 - width) / 2
    parts = [block(2.0, long / 2, (0.2, long, 2.0)), block(2.0, 3.0 - long / 2, (0.2, long, 2.0))]
    return Scene("gate", ROOM, objects=parts)


@pytest.mark.parametrize(("width", "passes"), [(0.25, False), (0.29, False), (0.45, True), (1.0, True)])
def test_a_disc_of_30_cm_needs_a_gap_of_30_cm(width: float, passes: bool) -> None:
    way = free_path(gate(width), (0.5, 1.5), (3.5, 1.5))
    assert (way is not None) == passes


def test_a_larger_disc_needs_a_larger_gap() -> None:
    assert free_path(gate(0.8), (0.5, 1.5), (3.5, 1.5), radius_m=0.3) is not None
    assert free_path(gate(0.8), (0.5, 1.5), (3.5, 1.5), radius_m=0.45) is None


def test_the_shortest_way_around_a_wall() -> None:
    # A wall from y = 0 to 2 at x = 2: the disc's middle rounds its end at (2 +- 0.05, 2) at 15 cm.
    scene = Scene("bend", ROOM, objects=[block(2.0, 1.0, (0.1, 2.0, 2.0))])
    way = free_path(scene, (1.0, 1.0), (3.0, 1.0))
    assert way is not None
    length = np.linalg.norm(np.diff(way, axis=0), axis=1).sum()
    least = 2 * math.hypot(0.95, 1.15) + 0.1  # over the corner's top, a little less than any allowed way
    # Eight directions cost at most 8.3 % more than straight lines, and the grid a cell.
    assert least - 0.2 <= length <= least * 1.083 + 0.15


def test_the_way_begins_and_ends_beside_the_places_asked_for() -> None:
    way = free_path(gate(1.0), (0.52, 1.47), (3.43, 1.5))
    assert way is not None
    assert np.linalg.norm(way[0] - [0.52, 1.47]) < 0.05 and np.linalg.norm(way[-1] - [3.43, 1.5]) < 0.05
    assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() < 0.05 * 1.5


def test_nobody_starts_inside_a_wall() -> None:
    assert free_path(gate(1.0), (2.0, 0.3), (3.5, 1.5)) is None
    assert free_path(gate(1.0), (3.5, 1.5), (9.0, 1.5)) is None


def test_low_things_are_stepped_over_and_high_ones_passed_under() -> None:
    whole = (0.2, 3.0)
    for low, high, passes in ((0.0, 0.04, True), (0.0, 0.10, False), (1.95, 2.5, True), (1.8, 2.5, False)):
        scene = Scene("bar", ROOM, objects=[block(2.0, 1.5, (*whole, high - low), low)])
        scene.objects[0].kind = "other"
        assert (free_path(scene, (0.5, 1.5), (3.5, 1.5)) is not None) == passes, (low, high)


def test_an_undrawn_curtain_lets_people_through() -> None:
    for drawn, passes in ((0.15, True), (1.0, False)):
        curtain = default_object(
            "curtain", "curtain-1", x=2.0, y=1.5, yaw=math.pi / 2, size=(3.0, None, None), drawn=drawn
        )
        scene = Scene("curtain", ROOM, objects=[curtain])
        assert (free_path(scene, (0.5, 1.0), (3.5, 1.0)) is not None) == passes


def test_what_is_skipped_is_no_obstacle() -> None:
    scene = Scene("blocked", ROOM, objects=[block(2.0, 1.5, (0.2, 3.0, 2.0))])
    assert free_path(scene, (0.5, 1.5), (3.5, 1.5)) is None
    assert free_path(scene, (0.5, 1.5), (3.5, 1.5), skip=(scene.objects[0].id,)) is not None


def test_clearance_is_the_distance_from_the_nearest_outline() -> None:
    scene = Scene("one", ROOM, objects=[block(2.0, 1.5, (1.0, 1.0, 1.0), yaw=math.pi / 4)])
    points = np.array([[2.0, 1.5 + math.sqrt(0.5) + 0.3], [0.1, 1.5], [2.0, 1.5], [1.0, 0.5]])
    # Beyond the turned block's corner; near the wall; in its middle; off its slanted side, along the diagonal.
    expected = [0.3, 0.1, -0.5, 0.5]
    assert np.allclose(ground_clearance(scene, points), expected, atol=1e-6)


def test_free_cells_keep_their_distance_from_real_furniture() -> None:
    things = [
        default_object("bed", "bed-1", x=1.2, y=1.6, yaw=0.3),
        default_object("iv_pole", "iv_pole-1", x=2.5, y=2.4, yaw=0.2),
        default_object("wheelchair", "wheelchair-1", x=3.1, y=0.9, yaw=1.0),
    ]
    scene = Scene("some", ROOM, objects=things)
    grid = walkable_grid(scene)
    spots = torch.from_numpy(grid.points()[grid.free])
    assert 50 < len(spots) < grid.free.size / 2
    # Measured independently: the exact distance to all solids, from what is stepped over to what is passed under.
    geometry = SceneGeometry.of([scene], dtype=torch.float64)
    for height in np.arange(0.051, 1.9, 0.12):
        points = torch.cat([spots, torch.full((len(spots), 1), float(height), dtype=torch.float64)], dim=1)[None]
        distance = geometry.signed_distance(points, per="object")
        assert distance.min() >= 0.15


def test_places_beside_a_bed_and_before_a_door() -> None:
    bed = default_object("bed", "bed-1", x=0.55, y=1.2, yaw=0.0)
    door = default_object("door", "door-1", x=3.0, y=0.06, yaw=0.0)
    scene = Scene("room", ROOM, objects=[bed, door])
    grid = walkable_grid(scene)
    spots = bedside_spots(scene, bed, grid)
    assert spots["left"] == [], "the bed stands against the wall"
    assert len(spots["right"]) > 8 and all(x == pytest.approx(1.35) for x, _ in spots["right"])
    x, y = door_spot(door)
    assert x == pytest.approx(3.0) and y == pytest.approx(0.5, abs=0.01)
    assert reachable(grid, (x, y))[grid.cell_of(spots["right"][0])]


def test_what_is_walled_off_is_not_reached() -> None:
    scene = gate(0.2)
    grid = walkable_grid(scene)
    reached = reachable(grid, (0.5, 1.5))
    assert reached[grid.cell_of((1.0, 1.0))] and not reached[grid.cell_of((3.0, 1.0))]
    assert not reachable(grid, (2.0, 0.3)).any()


def test_a_users_own_mesh_blocks_its_box() -> None:
    thing = SceneObject("sofa", "other", (2.0, 1.5, 0.4), (0.3, 3.0, 0.8), 0.0, mesh="sofa.glb")
    assert free_path(Scene("sofa", ROOM, objects=[thing]), (0.5, 1.5), (3.5, 1.5)) is None
