"""Clothes cover the parts of the body they are named after; light follows its closed forms."""

import numpy as np
import pytest

from carescene.humans.skeleton import JOINT
from carescene.rendering.clothing import GARMENTS, dress, garment_fields, garment_of
from carescene.rendering.lighting import lamp_samples, light_from_behind_camera, shade, to_srgb


def skeleton() -> np.ndarray:
    """A T-pose skeleton, y up and facing +z, with round numbers."""
    joints = np.zeros((24, 3))
    heights = {"ankle": 0.08, "knee": 0.5, "hip": 0.88, "shoulder": 1.4, "elbow": 1.4, "wrist": 1.4}
    sides = {"ankle": 0.1, "knee": 0.1, "hip": 0.08, "shoulder": 0.18, "elbow": 0.45, "wrist": 0.7}
    for name in heights:
        for side, sign in (("left", 1), ("right", -1)):
            joints[JOINT[f"{side}_{name}"]] = [sign * sides[name], heights[name], 0.0]
    joints[JOINT["pelvis"], 1], joints[JOINT["neck"], 1], joints[JOINT["head"], 1] = 0.95, 1.48, 1.57
    return joints


@pytest.mark.parametrize(
    ("place", "garment"),
    [
        ((0.1, 0.03, 0.1), "shoes"),
        ((0.1, 0.5, 0.05), "trousers"),
        ((0.0, 0.92, 0.1), "trousers"),
        ((0.0, 1.25, 0.12), "shirt"),
        ((0.25, 1.42, 0.0), "shirt"),
        ((-0.25, 1.42, 0.0), "shirt"),
        ((0.55, 1.4, 0.0), "skin"),
        ((-0.75, 1.4, 0.0), "skin"),
        ((0.0, 1.6, 0.11), "skin"),
        ((0.0, 1.52, 0.02), "skin"),
        ((0.0, 1.77, 0.0), "hair"),
        ((0.0, 1.65, -0.09), "hair"),
    ],
)
def test_garments_cover_their_part(place, garment):
    body = np.array([place, (0.0, 1.78, 0.0)])
    worn = garment_of(garment_fields(body, skeleton()))
    assert GARMENTS[worn[0]] == garment


def test_hair_greys_with_age():
    body = np.array([(0.0, 1.78, 0.0)])
    hair = [dress(body, skeleton(), age_years=age).colors[GARMENTS.index("hair")].mean() for age in (30.0, 57.0, 85.0)]
    assert hair[0] < hair[1] < hair[2]
    assert dress(body, skeleton()).colors[GARMENTS.index("hair")].mean() == pytest.approx(hair[0])


def test_people_of_one_clip_wear_different_shirts():
    body = np.array([(0.0, 1.78, 0.0)])
    shirts = {tuple(dress(body, skeleton(), person=p).colors[GARMENTS.index("shirt")]) for p in range(4)}
    assert len(shirts) == 4


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
