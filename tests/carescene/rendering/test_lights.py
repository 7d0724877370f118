"""Lamps and windows give light by the laws of geometry, and stand where the room has them."""

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.rendering.lights import (
    LIGHTS,
    bed_lamps,
    geometry_factor,
    in_sunbeam,
    inside_polygon,
    light_room,
    sum_light,
    window_panes,
)
from carescene.scenes.furniture import default_object
from carescene.scenes.scene import Scene


def room(**params) -> Scene:
    """4 m x 3 m with a bed, a window in the wall y = 3 and a door in the wall y = 0."""
    window = default_object("window", "window-1", x=2.0, y=2.95, yaw=np.pi, **params)
    door = default_object("door", "door-1", x=1.0, y=0.07, yaw=0.0)
    bed = default_object("bed", "bed-1", x=3.2, y=1.2, yaw=0.0)
    return Scene("room", [(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (0.0, 3.0)], objects=[window, door, bed])


def test_light_falls_off_with_cosines_and_inverse_square():
    lamp, down = np.array([[0.0, 0.0, 3.0]]), np.array([[0.0, 0.0, -1.0]])
    up = np.array([0.0, 0.0, 1.0])
    below = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0], [2.0, 0.0, 1.0]])
    factor, _ = geometry_factor(below, np.tile(up, (3, 1)), lamp, down)
    # 2 m below: 1/4. 1 m below: 1. 45 degrees aside: both cosines 1/sqrt(2), squared distance 8.
    np.testing.assert_allclose(factor[:, 0], [1 / 4, 1.0, 0.5 / 8], rtol=1e-5)
    tilted = np.array([[0.0, np.sin(1.0), np.cos(1.0)]])
    factor, _ = geometry_factor(below[:1], tilted, lamp, down)
    assert factor[0, 0] == pytest.approx(np.cos(1.0) / 4, rel=1e-5)
    factor, _ = geometry_factor(below, -np.tile(up, (3, 1)), lamp, down)
    assert (factor == 0).all()


def test_all_round_lamp_has_no_cosine_of_its_own():
    lamp = np.array([[0.0, 0.0, 3.0]])
    point, normal = np.array([[3.0, 0.0, 3.0]]), np.array([[-1.0, 0.0, 0.0]])
    factor, _ = geometry_factor(point, normal, lamp, np.zeros((1, 3)))
    assert factor[0, 0] == pytest.approx(1 / 9, rel=1e-5)


def test_upper_part_of_a_window_is_seen_from_below():
    window, inward = np.array([[0.0, 0.0, 1.5]]), np.array([[1.0, 0.0, 0.0]])
    points = np.array([[1.0, 0.0, 0.2], [1.0, 0.0, 2.6]])
    _, upper = geometry_factor(points, np.tile([-1.0, 0.0, 0.0], (2, 1)), window, inward)
    np.testing.assert_allclose(upper[:, 0], [1.0, 0.0])


def test_patches_of_a_pane_give_what_the_pane_gives():
    """Far away, the light of all patches together is radiance * area * cosines / distance^2."""
    light = light_room(room(blind=0.0), "day", 5)
    glass, _ = window_panes(room(blind=0.0).objects[0])
    area = 4 * np.linalg.norm(glass.across) * np.linalg.norm(glass.up)
    point = (glass.center + 60 * glass.inward)[None]
    own = light.normals @ glass.inward > 0.9
    factor, upper = geometry_factor(point, -glass.inward[None], light.points[own], light.normals[own])
    expected = area / 60**2 * 0.5 * (light.window_glow + light.below[own][0] / (area / own.sum()))
    got = (factor * upper) @ (light.above - light.below)[own] + factor @ light.below[own]
    np.testing.assert_allclose(got[0], expected, rtol=0.02)


def test_sum_of_light_is_linear():
    light = light_room(room(), "dim", 1)
    rng = np.random.default_rng(0)
    factor, upper = rng.random((5, len(light.points))), rng.random((5, len(light.points)))
    np.testing.assert_allclose(sum_light(3 * factor, upper, light), 3 * sum_light(factor, upper, light), rtol=1e-5)
    assert (sum_light(0 * factor, upper, light) == 0).all()


@pytest.mark.parametrize("light", LIGHTS)
def test_same_seed_same_lights(light):
    first, second = light_room(room(), light, 3), light_room(room(), light, 3)
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.sun_direction, second.sun_direction)
    assert first.brightness == second.brightness
    assert len(first.points) == len(first.above) == len(first.normals) > 0
    assert all(np.isfinite(getattr(first, name)).all() for name in ("points", "above", "below", "across", "up"))


def test_night_is_darker_than_evening_and_evening_than_day():
    bright = [light_room(room(), name, 1).brightness for name in ("night", "dim", "day")]
    assert bright[0] < bright[1] / 3 < bright[2] / 3
    assert light_room(room(), "night", 1).above.sum() < 0.2 * light_room(room(), "dim", 1).above.sum()


def test_every_source_is_inside_the_room():
    for light in LIGHTS:
        points = light_room(room(), light, 2).points
        assert inside_polygon(points[:, :2], np.array(room().polygon)).all()
        assert (points[:, 2] > 0).all()
        assert (points[:, 2] < 2.7).all()


def test_room_without_windows_or_doors_is_lit():
    closet = Scene("closet", [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    for light in LIGHTS:
        lamps = light_room(closet, light, 0)
        assert lamps.above.max() > 0
        assert not lamps.sun.any()


def test_unknown_light_is_refused():
    with pytest.raises(UserError, match=r"day, dim, night.*'noon'"):
        light_room(room(), "noon", 0)


def test_blind_covers_the_top_of_the_glass():
    free, none = window_panes(room(blind=0.0).objects[0])
    glass, blind = window_panes(room(blind=0.5).objects[0])
    assert none is None
    assert blind is not None
    assert glass.up[2] == pytest.approx(free.up[2] / 2)
    assert blind.center[2] > glass.center[2]
    assert glass.center[2] + glass.up[2] == pytest.approx(blind.center[2] - blind.up[2])


def test_sun_comes_through_the_window_and_nowhere_else():
    light = next(light for light in (light_room(room(), "day", seed) for seed in range(20)) if light.sun.any())
    pane = light.windows[0]
    inside = pane.center - 1.5 * light.sun_direction
    beside = inside + 1.2 * pane.across + 0.1 * pane.across / np.linalg.norm(pane.across)
    outside = pane.center + 0.5 * light.sun_direction
    np.testing.assert_allclose(in_sunbeam(np.stack([inside, beside, outside]), light), [1, 0, 0])
    edge = inside + pane.across
    assert in_sunbeam(edge[None], light)[0] == pytest.approx(0.5, abs=0.01)


def test_reading_lamps_hang_over_the_heads_of_beds():
    scene = room()
    ((x, y, z),) = bed_lamps(scene)
    bed = scene.objects[2]
    assert abs(x - bed.center[0]) < bed.size[0] / 2
    assert y < bed.center[1] - 0.3 * bed.size[1]
    assert 1.4 < z < 1.9


def test_inside_polygon():
    corner = np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.0, 3.0)])
    points = np.array([(0.5, 2.5), (3.5, 0.5), (2.0, 2.0), (-0.1, 1.0), (0.5, 0.5)])
    np.testing.assert_array_equal(inside_polygon(points, corner), [True, True, False, False, True])
