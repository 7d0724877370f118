"""The camera's infrared lamp: cosine, inverse square, beam, hot spots."""

import numpy as np
import pytest

from carescene.rendering.infrared import beam, hot_spot, infrared_light, lamp_light

EYE, AHEAD = np.array([0.0, 0.0, 2.0]), np.array([1.0, 0.0, 0.0])


def test_inverse_square_and_cosine():
    points = np.array([[1.0, 0.0, 2.0], [2.0, 0.0, 2.0], [4.0, 0.0, 2.0]])
    facing = np.tile(-AHEAD, (3, 1))
    near, middle, far = lamp_light(points, facing, EYE, AHEAD)
    assert near / middle == pytest.approx(4, rel=1e-5)
    assert near / far == pytest.approx(16, rel=1e-5)
    tilted = np.array([[-np.cos(0.7), np.sin(0.7), 0.0]])
    assert lamp_light(points[:1], tilted, EYE, AHEAD)[0] / near == pytest.approx(np.cos(0.7), rel=1e-5)
    assert lamp_light(points[:1], -facing[:1], EYE, AHEAD)[0] == 0


def test_beam_is_half_at_its_edge():
    np.testing.assert_allclose(beam(np.array([0.0, np.deg2rad(42)])), [1, 0.5], rtol=1e-6)
    aside = EYE + 2 * np.array([[np.cos(np.deg2rad(42)), np.sin(np.deg2rad(42)), 0.0]])
    towards = (EYE - aside) / 2
    ahead = lamp_light(EYE[None] + 2 * AHEAD, -AHEAD[None], EYE, AHEAD)
    assert lamp_light(aside, towards, EYE, AHEAD)[0] / ahead[0] == pytest.approx(0.5, rel=1e-4)


def test_lamp_is_bounded_at_the_lens():
    assert np.isfinite(lamp_light(EYE[None], -AHEAD[None], EYE, AHEAD)).all()


def test_hot_spot_only_where_gloss_faces_the_camera():
    points = np.array([[1.5, 0.0, 2.0]] * 3)
    normals = np.array([[-1.0, 0.0, 0.0], [-np.cos(0.5), np.sin(0.5), 0.0], [-1.0, 0.0, 0.0]])
    shine = hot_spot(points, normals, np.array([0.6, 0.6, 0.0]), EYE)
    assert shine[0] > 100 * shine[1]
    assert shine[2] == 0


def test_daylight_reaches_the_infrared_camera_more_than_a_ward_lamp():
    lamp, open_, around = np.zeros(1), np.zeros(1), 0.5
    light = np.full((1, 3), 0.4)
    by_day, evening = (infrared_light(lamp, open_, light, around, name)[0] for name in ("day", "dim"))
    assert by_day > 2 * evening > 0
    closed, opened = (infrared_light(lamp, np.full(1, share), 0 * light, around, "night")[0] for share in (0.0, 1.0))
    assert closed == 0
    assert 0 < opened < around
