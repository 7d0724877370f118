"""Colours of people: closed forms of colour spaces, and orders that skin, hair and cloth must keep."""

import numpy as np
import pytest

from carescene.rendering.palettes import (
    SKIN_ANGLES,
    Paint,
    cloth,
    hair_paint,
    lab_to_linear,
    mix,
    natural_hair,
    skin_paint,
)


@pytest.mark.parametrize(
    ("lab", "linear"),
    [
        ((100.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        # L* = 50 is 18.4 % luminance; neutral, so equal in all channels.
        ((50.0, 0.0, 0.0), (0.1842, 0.1842, 0.1842)),
        # The sRGB red primary.
        ((53.24, 80.09, 67.20), (1.0, 0.0, 0.0)),
        ((8.0, 0.0, 0.0), (0.00886, 0.00886, 0.00886)),
    ],
)
def test_lab_against_known_colours(lab, linear):
    np.testing.assert_allclose(lab_to_linear(np.array(lab)), linear, atol=2e-3)


def test_skin_gets_darker_with_the_typology_angle():
    angles = np.linspace(*SKIN_ANGLES, 20)
    paints = [skin_paint(float(angle)) for angle in angles]
    luminance = [np.dot(paint.color, (0.2126, 0.7152, 0.0722)) for paint in paints]
    assert (np.diff(luminance) > 0).all()
    # From deep brown to very light: measured skin spans about 4 to 50 % of luminous reflectance.
    assert 0.03 < luminance[0] < 0.08
    assert 0.40 < luminance[-1] < 0.52
    for paint in paints:
        red, green, blue = paint.color
        assert red > green > blue
        assert 0.5 <= paint.infrared <= 0.62
        # Near 850 nm melanin hardly absorbs: skin is brighter there than to the eye.
        assert paint.infrared > np.mean(paint.color)


def test_hair_greys_then_whitens():
    levels = [np.mean(hair_paint("dark brown", age).color) for age in (25, 38, 55, 68, 80, 90)]
    assert levels[0] == pytest.approx(levels[1])
    assert (np.diff(levels[1:]) > 0).all()
    red, _, blue = hair_paint("red", 90).color
    assert red == pytest.approx(blue, rel=0.06)
    assert np.mean(hair_paint("brown", 50, early=10.0).color) > np.mean(hair_paint("brown", 50).color)


def test_dark_hair_is_dark_in_the_infrared_too():
    assert hair_paint("black", 25).infrared == pytest.approx(0.15)


def test_natural_hair_of_dark_skin_is_dark():
    assert {natural_hair(0.0, draw) for draw in np.linspace(0, 1, 11)} == {"black"}
    assert {natural_hair(50.0, draw) for draw in np.linspace(0, 1, 101)} == {"dark brown", "brown", "fair", "red"}


def test_cloth_is_bright_in_the_infrared():
    for color in ((0.02, 0.02, 0.02), (0.4, 0.1, 0.1), (0.8, 0.8, 0.8)):
        for draw in (0.0, 0.5, 1.0):
            assert 0.4 <= cloth(color, draw).infrared <= 0.8


def test_mixing_paints():
    first, second = Paint((0.0, 0.2, 0.4), 0.1), Paint((1.0, 0.4, 0.0), 0.5)
    half = mix(first, second, 0.5)
    np.testing.assert_allclose(half.color, (0.5, 0.3, 0.2))
    assert half.infrared == pytest.approx(0.3)
    assert mix(first, second, 0.0) == first
