"""The light field of a box room: bounds of energy, what it knows about lamps."""

import numpy as np
import pytest

from carescene.rendering.bounce import LightField, sphere
from carescene.rendering.lights import light_room, received, sum_light
from carescene.rendering.raycast import build_caster
from carescene.scenes.furniture import default_object
from carescene.scenes.room_mesh import scene_mesh
from carescene.scenes.scene import Scene

SQUARE = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]


def measure(albedo: float, light: str = "day", seed: int = 0) -> LightField:
    scene = Scene("box", SQUARE)
    mesh = scene_mesh(scene)
    color = np.full((len(mesh.materials), 3), albedo, np.float32)
    caster = build_caster(mesh.vertices, mesh.faces)
    return LightField.of(scene, mesh, caster, color, light_room(scene, light, seed), seed=seed)


@pytest.fixture(scope="module")
def grey() -> LightField:
    return measure(0.5)


def test_sphere_is_even():
    ways = sphere(500)
    np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(ways.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose((ways**2).mean(axis=0), 1 / 3, atol=0.01)


def test_black_room_passes_nothing_on():
    assert np.abs(measure(0.0).cube).max() == 0


def test_energy_is_bounded_by_the_albedo(grey):
    """In a closed room of albedo a the light passed on is a / (1 - a) of the lamps' light on its walls at the most, and
    at least a of it; walls are 4 x 4 x 2.7 m."""
    light = grey.light
    # Lambert lamps that face down send pi * radiance * area into the room.
    sent = np.pi * light.above[:, 1].sum()
    walls = 2 * 16 + 4 * 4 * 2.7
    rng = np.random.default_rng(0)
    points = rng.uniform([0.3, 0.3, 0.3], [3.7, 3.7, 2.4], (300, 3))
    normals = rng.normal(size=(300, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    mean = grey.passed_on(points, normals)[:, 1].mean()
    assert 0.5 * sent / walls < mean * 1.3
    assert mean < 1.3 * sent / walls * 0.5 / (1 - 0.5)


def test_paler_room_is_brighter(grey):
    assert measure(0.8).cube.mean() > 2 * grey.cube.mean()


def test_lamps_are_seen_from_an_empty_room_and_give_what_they_must(grey):
    assert grey.seen[:, :, :-1].min() == 1
    place, up = np.array([[2.0, 2.0, 0.5]]), np.array([[0.0, 0.0, 1.0]])
    bright, given = grey.direct(place, up)
    assert given.shape == (1, len(grey.light.points))
    assert given.sum() == pytest.approx(bright[0, 1], rel=1e-4)
    np.testing.assert_allclose(bright, sum_light(*received(place, up, grey.light), grey.light), rtol=1e-4)


def test_same_seed_same_field(grey):
    np.testing.assert_array_equal(measure(0.5).cube, grey.cube)


def test_places_inside_things_do_not_darken_the_room():
    """A closed block in the middle: the grid's places inside it take over the light around it."""
    block = default_object("cabinet", "block", x=2.0, y=2.0, yaw=0.0, size=(1.2, 0.8, 1.2))
    scene = Scene("box", SQUARE, objects=[block])
    mesh = scene_mesh(scene)
    color = np.full((len(mesh.materials), 3), 0.5, np.float32)
    field = LightField.of(
        scene, mesh, build_caster(mesh.vertices, mesh.faces), color, light_room(scene, "day", 0), seed=0
    )
    assert field.cube[..., 2, :].min() > 0.2 * field.cube[..., 2, :].mean()
