"""Shadows lie where geometry puts them."""

import dataclasses

import numpy as np
import pytest

from carescene.rendering.lights import Pane, RoomLight
from carescene.rendering.occlusion import scatter
from carescene.rendering.people_light import enclose
from carescene.rendering.raycast import build_caster
from carescene.rendering.shadows import (
    ShadowRays,
    patch_rays,
    patches_seen,
    pick_patches,
    sun_seen,
    way_to_sun,
)

UP = np.array([0.0, 0.0, 1.0], np.float32)


def lamps(*places: tuple[float, float, float], half: float = 0.0) -> RoomLight:
    """Square lamps that shine down, and no sun."""
    count = len(places)
    zero = np.zeros(3)
    return RoomLight(
        name="day",
        points=np.array(places),
        normals=np.tile([0.0, 0.0, -1.0], (count, 1)),
        across=np.tile([half, 0.0, 0.0], (count, 1)),
        up=np.tile([0.0, half, 0.0], (count, 1)),
        above=np.ones((count, 3)),
        below=np.ones((count, 3)),
        sun_direction=np.array([0.0, 0.0, 1.0]),
        sun=zero,
        windows=(),
        ceiling=3.0,
        window_glow=zero,
        blind_glow=zero,
        panel_glow=np.ones(3),
        bed_glow=zero,
        brightness=0.3,
    )


def ball(center, radius) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of a ball."""
    rows, columns = 16, 24
    polar, turn = np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False)
    polar, turn = np.meshgrid(polar, turn, indexing="ij")
    unit = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=-1)
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], index[1:], right[1:], right[:-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return (np.asarray(center) + radius * unit).reshape(-1, 3).astype(np.float32), faces


def floor(x, y=0.0) -> tuple[np.ndarray, np.ndarray]:
    points = np.stack([np.asarray(x, float), np.full(len(x), y), np.zeros(len(x))], axis=-1).astype(np.float32)
    return points, np.tile(UP, (len(x), 1))


def test_shadow_of_a_ball_lies_where_the_lamp_throws_it():
    """Lamp at 3 m, ball of 0.2 m at half that height 0.5 m aside: the shadow's middle is 1 m aside, 0.4 m in radius."""
    light = lamps((0.0, 0.0, 3.0))
    vertices, faces = ball((0.5, 0.0, 1.5), 0.2)
    x = np.array([0.0, 0.45, 0.7, 1.0, 1.3, 1.6, 2.5])
    points, normals = floor(x)
    rays = ShadowRays.towards_patches(points, normals, np.ones((len(x), 1)), light, scatter(len(x), 0), 3)
    blocked = rays.blocked([build_caster(vertices, faces)], [enclose(vertices)])
    np.testing.assert_array_equal(blocked, [0, 0, 1, 1, 1, 0, 0])


def test_large_lamp_throws_a_soft_edge():
    light = lamps((0.0, 0.0, 3.0), half=0.5)
    vertices, faces = ball((0.0, 0.0, 1.0), 0.5)
    points, normals = floor(np.linspace(0, 2, 41))
    rays = ShadowRays.towards_patches(points, normals, np.ones((41, 1)), light, scatter(41, 0), 200)
    blocked = rays.blocked([build_caster(vertices, faces)], [enclose(vertices)])
    assert blocked[0] == 1
    assert blocked[-1] == 0
    assert ((blocked > 0.1) & (blocked < 0.9)).sum() > 3


def test_culling_loses_no_ray():
    rng = np.random.default_rng(0)
    light = lamps(*rng.uniform([-2, -2, 2], [2, 2, 3], (6, 3)).tolist(), half=0.3)
    vertices, faces = ball((0.2, 0.1, 0.9), 0.3)
    points = rng.uniform([-2, -2, 0], [2, 2, 0.5], (400, 3)).astype(np.float32)
    rays = ShadowRays.towards_patches(
        points, np.tile(UP, (400, 1)), rng.random((400, 6), np.float32), light, scatter(400, 0), 4
    )
    caster = build_caster(vertices, faces)
    quick = rays.blocked([caster], [enclose(vertices)])
    everything = rays.blocked([caster], [(np.zeros((1, 3), np.float32), np.array([50.0], np.float32))])
    np.testing.assert_array_equal(quick, everything)
    assert 0 < quick.mean() < 0.5


def test_two_people_shade_once():
    light = lamps((0.0, 0.0, 3.0))
    vertices, faces = ball((0.0, 0.0, 1.5), 0.2)
    points, normals = floor([0.0])
    rays = ShadowRays.towards_patches(points, normals, np.ones((1, 1)), light, scatter(1, 0), 4)
    caster, around = build_caster(vertices, faces), enclose(vertices)
    assert rays.blocked([caster, caster], [around, around])[0] == 1


def test_points_without_light_send_no_rays():
    light = lamps((0.0, 0.0, 3.0))
    points, normals = floor([0.0, 1.0])
    rays = ShadowRays.towards_patches(points, normals, np.array([[0.0], [1.0]]), light, scatter(2, 0), 4)
    np.testing.assert_array_equal(np.unique(rays.point), [1])


def test_rays_go_to_patches_in_proportion_to_their_light():
    given = np.tile([1.0, 3.0, 0.0, 4.0], (500, 1)).astype(np.float32)
    picked, whole = pick_patches(given, 8, scatter(500, 1)[:, 0])
    np.testing.assert_allclose(whole, 8)
    np.testing.assert_allclose(np.bincount(picked.ravel(), minlength=4) / picked.size, given[0] / 8, atol=0.01)


def test_rays_end_on_their_patch():
    light = lamps((1.0, 2.0, 3.0), half=0.25)
    rng = np.random.default_rng(0)
    starts = rng.random((100, 3)).astype(np.float32)
    ends = starts + patch_rays(starts, np.zeros(100, int), rng.random((100, 2)), light)
    np.testing.assert_allclose(ends[:, 2], 3, atol=1e-5)
    assert (np.abs(ends[:, :2] - [1, 2]) <= 0.2501).all()


def test_furniture_hides_lamps():
    """A table 1 m high between a lamp and the floor."""
    light = lamps((0.0, 0.0, 3.0), (5.0, 0.0, 3.0))
    board = np.array([[-0.5, -0.5, 1.0], [0.5, -0.5, 1.0], [0.5, 0.5, 1.0], [-0.5, 0.5, 1.0]])
    caster = build_caster(board, np.array([[0, 1, 2], [0, 2, 3]]))
    points, normals = floor([0.0, 2.0])
    seen = patches_seen(caster, points, normals, np.ones((2, 2), np.float32), light, scatter(2, 0))
    np.testing.assert_array_equal(seen, [[0, 1], [1, 1]])


@pytest.fixture
def sunny() -> RoomLight:
    """A pane of 2 m x 2 m in the wall x = 0 and a sun 45 degrees high behind it."""
    pane = Pane(
        np.array([0.0, 0.0, 1.5]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    )
    sun = np.array([-1.0, 0.0, 1.0]) / np.sqrt(2)
    return dataclasses.replace(lamps((0.0, 0.0, 3.0)), windows=(pane,), sun_direction=sun, sun=np.ones(3))


def test_sun_lights_the_floor_behind_the_window_with_its_cosine(sunny):
    caster = build_caster(*ball((50.0, 0.0, 0.0), 0.1))
    points, normals = floor([0.3, 1.5, 2.3, 2.8])
    # The pane reaches from 0.5 to 2.5 m, so at 45 degrees the floor is lit from 0.5 to 2.5 m.
    np.testing.assert_allclose(sun_seen(caster, points, normals, sunny), [0, np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-6)


def test_things_in_the_sunbeam_throw_shadows(sunny):
    caster = build_caster(*ball((0.75, 0.0, 0.75), 0.2))
    points, normals = floor([1.5, 2.3])
    np.testing.assert_allclose(sun_seen(caster, points, normals, sunny), [0, np.sqrt(0.5)], atol=1e-6)


def test_sun_rays_stop_before_the_glass(sunny):
    points, _ = floor([1.0, 2.0])
    ends = points + way_to_sun(points, sunny)
    np.testing.assert_allclose(ends[:, 0], 0.12, atol=1e-5)
