"""Light follows its closed forms."""

import numpy as np
import pytest

from carescene.rendering.lighting import lamp_samples, light_from_behind_camera, shade, to_srgb


def test_srgb_curve():
    values = to_srgb(np.array([[0.0, 0.002, 0.2140411]]))
    np.testing.assert_allclose(values, [[0.0, 12.92 * 0.002, 0.5]], atol=1e-6)
    ramp = to_srgb(np.linspace(0, 5, 200)[:, None].repeat(3, 1))
    assert (np.diff(ramp[:, 0]) >= 0).all()
    assert ramp.max() <= 1


def test_lamp_stands_beside_and_above_the_watcher():
    forward = np.array([0.0, 1.0, -0.2])
    key = light_from_behind_camera(forward).key_direction
    assert np.linalg.norm(key) == pytest.approx(1)
    assert key[2] > 0.5
    assert key @ forward < 0
    # Seen along +y, left is -x.
    assert key[0] < 0


def test_lamp_samples_fill_a_cone_around_the_lamp():
    lighting = light_from_behind_camera(np.array([1.0, 0.0, 0.0]))
    rays = lamp_samples(lighting, 400)
    angles = np.arccos(rays @ lighting.key_direction)
    assert angles.max() < lighting.key_radius
    # Evenly over a disc: half of the rays lie within 1 / sqrt(2) of its radius.
    assert np.median(angles) == pytest.approx(lighting.key_radius / np.sqrt(2), rel=0.05)
    mean = rays.mean(axis=0)
    assert mean / np.linalg.norm(mean) @ lighting.key_direction == pytest.approx(1, abs=1e-4)


def test_shading_is_linear_in_light_and_dark_without_it():
    lighting = light_from_behind_camera(np.array([1.0, 0.0, 0.0]))
    albedo, normal = np.full((1, 3), 0.5), lighting.key_direction[None]
    none, half, full = (shade(albedo, normal, np.array([lit]), np.array([0.0]), lighting) for lit in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(none, 0)
    np.testing.assert_allclose(full, 2 * half)
    np.testing.assert_allclose(full, 2 / np.pi * albedo * np.array(lighting.key))
    away = shade(albedo, -normal, np.array([1.0]), np.array([0.0]), lighting)
    np.testing.assert_allclose(away, 0)
