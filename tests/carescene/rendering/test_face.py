"""Faces are drawn where the bundled head has them; age shows."""

import numpy as np
import pytest

from carescene.rendering.clothing import GARMENTS, garment_of
from carescene.rendering.face import HairStyle, Head, hair_field, hair_thickness, head_fields, skin_tint


def head(hair: HairStyle = "short", age: float = 30.0, stubble: float = 0.0) -> Head:
    spots = np.array([[0.05, 0.07, -0.03, 0.008]])
    return Head(hair, age, stubble, 1.0, spots)


def seen(looks: Head, *places: tuple[float, float, float]) -> list[str]:
    points = np.array(places)
    return [GARMENTS[index] for index in garment_of(head_fields(points, looks), len(points))]


# In metres from the nose's tip: x to the person's left, y up, z forward.
def test_features_are_where_a_face_has_them():
    for sign in (-1, 1):
        assert seen(head(), (sign * 0.0315, 0.0405, -0.03)) == ["irises"]
        assert seen(head(), (sign * 0.0405, 0.0405, -0.03)) == ["eyes"]
        assert seen(head(), (sign * 0.0315, 0.0585, -0.03)) == ["brows"]
        assert seen(head(), (sign * 0.012, -0.029, -0.02)) == ["lips"]
    assert seen(head(), (0.0, 0.0, 0.0), (0.05, 0.0, -0.03), (0.0, -0.055, -0.02)) == ["skin"] * 3
    # The same places at the back of the head are hair.
    assert seen(head(), (0.0315, 0.0405, -0.2), (0.0315, 0.0585, -0.2)) == ["hair", "hair"]


TOP, TEMPLE, SIDE, NAPE = (0.0, 0.15, -0.1), (0.045, 0.115, -0.06), (0.07, 0.08, -0.12), (0.0, -0.02, -0.2)
EAR = (0.085, 0.02, -0.115)


@pytest.mark.parametrize(
    ("style", "hairy"),
    [
        ("short", {TOP, TEMPLE, SIDE, NAPE}),
        ("receding", {TOP, SIDE, NAPE}),
        ("bald", {SIDE, NAPE}),
        ("bob", {TOP, TEMPLE, SIDE, NAPE, EAR}),
        ("bun", {TOP, TEMPLE, SIDE, NAPE}),
    ],
)
def test_hair_by_style(style, hairy):
    found = {place for place in (TOP, TEMPLE, SIDE, NAPE, EAR) if hair_field(np.array([place]), style)[0] > 0}
    assert found == hairy


def test_hair_has_no_step_at_its_border():
    points = np.column_stack([np.zeros(200), np.linspace(0.05, 0.15, 200), np.full(200, -0.03)])
    thickness = hair_thickness(points, head())
    assert thickness[hair_field(points, "short") <= 0].max() == 0
    assert np.abs(np.diff(thickness)).max() < 0.0006
    assert 0.005 < thickness.max() < 0.02


def test_bun_stands_off_the_back_of_the_head():
    points = np.array([(0.0, 0.085, -0.195), (0.0, 0.14, -0.1)])
    bun, cap = hair_thickness(points, head("bun"))
    assert bun > 0.04 > cap


def test_old_faces_are_marked_and_young_ones_hardly():
    fold = (0.026, -0.017, -0.02)
    bag = (0.029, 0.026, -0.03)
    forehead = (0.0, 0.081, -0.02)
    spot = (0.05, 0.07, -0.03)
    places = np.array([fold, bag, forehead, spot])
    young, old = skin_tint(places, head(age=30.0)).mean(axis=1), skin_tint(places, head(age=88.0)).mean(axis=1)
    assert (old < young - 0.05).all()
    assert young[[0, 2, 3]].min() > 0.85


def test_eye_sockets_are_darker_than_the_forehead():
    tint = skin_tint(np.array([(0.03, 0.047, -0.03), (0.0, 0.09, -0.02)]), head(age=30.0)).mean(axis=1)
    assert tint[0] < 0.9 < tint[1]


def test_tints_stay_between_black_and_the_skin_itself():
    random = np.random.default_rng(0).uniform(-0.12, 0.12, (2000, 3))
    tint = skin_tint(random, head(age=95.0, stubble=1.0))
    assert tint.min() > 0
    assert tint.max() <= 1


def test_stubble_darkens_the_jaw_only():
    places = np.array([(0.05, -0.05, -0.04), (0.0, 0.08, -0.02)])
    shaved, rough = skin_tint(places, head()), skin_tint(places, head(stubble=0.8))
    assert rough[0].mean() < shaved[0].mean() - 0.05
    np.testing.assert_allclose(rough[1], shaved[1])
