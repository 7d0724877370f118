"""Reflection, exposure and tone follow their closed forms."""

import numpy as np
import pytest

from carescene.rendering.shading import exposure, fresnel, lambert, luminance, mirror_share, reflect, tone


def test_matt_surface_gives_back_its_albedo_of_the_light():
    """The radiance of a Lambert surface, integrated over the hemisphere with the cosine, is albedo * irradiance."""
    radiance = lambert(np.array([[0.6, 0.3, 0.1]]), np.array([[2.0, 2.0, 2.0]]))
    np.testing.assert_allclose(radiance * np.pi, [[1.2, 0.6, 0.2]], rtol=1e-6)


def test_fresnel_ends():
    straight = np.array([0.04, 0.5])
    np.testing.assert_allclose(fresnel(np.ones(2), straight), straight)
    np.testing.assert_allclose(fresnel(np.zeros(2), straight), 1.0)


def test_no_surface_reflects_more_than_it_gets():
    cosine, gloss = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, 20), np.linspace(0, 1, 20)))
    for metal in (False, True):
        share = mirror_share(gloss, np.full(len(gloss), metal), cosine)
        assert (share >= 0).all()
        assert (share <= 1).all()
    assert mirror_share(np.array([0.9]), np.array([True]), np.array([1.0]))[0] == pytest.approx(0.9)


def test_mirror_keeps_length_and_turns_the_part_along_the_normal():
    rays, normals = np.array([[0.6, 0.0, -0.8]]), np.array([[0.0, 0.0, 1.0]])
    np.testing.assert_allclose(reflect(rays, normals), [[0.6, 0.0, 0.8]])


def test_exposure_brings_a_flat_picture_to_its_brightness():
    picture = np.full((8, 8, 3), 0.02, np.float32)
    gain = exposure(picture, 0.3)
    np.testing.assert_allclose(gain * 0.02, 0.3, rtol=1e-4)


def test_exposure_takes_away_most_of_a_colour_cast_whatever_its_strength():
    warm = np.full((8, 8, 3), 0.1) * np.array([1.4, 1.0, 0.5])
    result = warm[0, 0] * exposure(warm, 0.2)
    before, after = warm[0, 0, 0] / warm[0, 0, 2], result[0] / result[2]
    assert 1 < after < before
    np.testing.assert_allclose(exposure(10 * warm, 0.2), exposure(warm, 0.2) / 10, rtol=1e-5)


def test_small_bright_window_hardly_darkens_the_room():
    picture = np.full((10, 10, 3), 0.05)
    gain = exposure(picture, 0.3)[1]
    picture[0, :3] = 5.0
    assert 0.6 * gain < exposure(picture, 0.3)[1] < gain


def test_black_picture_keeps_its_gain():
    np.testing.assert_array_equal(exposure(np.zeros((4, 4, 3)), 0.3), 1)


def test_tone_is_the_identity_below_and_bends_smoothly_above():
    values = np.linspace(0, 50, 20001)
    bent = tone(values)
    low = values <= 0.3
    np.testing.assert_allclose(bent[low], values[low])
    assert (np.diff(bent) > 0).all()
    assert bent.max() < 1
    slope = np.diff(bent) / np.diff(values)
    assert np.abs(np.diff(slope)).max() < 0.02


def test_luminance_of_white_is_one():
    assert luminance(np.ones((1, 3), np.float32))[0] == pytest.approx(1, abs=1e-6)
