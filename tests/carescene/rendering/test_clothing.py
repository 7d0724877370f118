"""Clothes cover the parts of the body they are named after, on the bundled body and on a skeleton of round numbers."""

import numpy as np
import pytest
import torch

from carescene.humans.body import load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering.clothing import GARMENTS, Cut, cloth_fields, find_landmarks, garment_of, leg_height


@pytest.fixture(scope="module")
def rest() -> tuple[np.ndarray, np.ndarray]:
    body = load_body()
    with torch.inference_mode():
        return body.rest_vertices(torch.zeros(10)).numpy(), body.rest_joints(torch.zeros(10)).numpy()


@pytest.fixture(scope="module")
def marks(rest):
    return find_landmarks(*rest)


def worn(marks, cut: Cut, *places: tuple[float, float, float]) -> list[str]:
    points = np.array(places)
    return [GARMENTS[index] for index in garment_of(cloth_fields(points, marks, cut), len(points))]


# Places on the bundled body (y up, pelvis at the origin): chest, upper arm, forearm, thigh, shin, foot.
CHEST, BACK, ARM, FOREARM = (0.05, 0.3, 0.1), (0.05, 0.3, -0.1), (0.3, 0.45, 0.0), (0.55, 0.43, 0.0)
HIP, THIGH, SHIN, FOOT = (0.1, 0.08, 0.1), (0.12, -0.3, 0.05), (0.12, -0.65, 0.04), (0.12, -0.92, 0.1)


def test_landmarks_of_the_bundled_body(rest, marks):
    vertices, joints = rest
    assert marks.scale == pytest.approx(1, abs=0.02)
    assert marks.nose[1] == pytest.approx(0.615, abs=0.01)
    assert marks.nose[2] == pytest.approx(vertices[vertices[:, 1] > joints[JOINT["head"], 1], 2].max())
    assert (
        marks.sole < marks.ankle < marks.knee < marks.pelvis < marks.chest < marks.neck[1] < marks.nose[1] < marks.top
    )
    assert marks.shoulder < marks.elbow < marks.wrist


def test_landmarks_scale_with_the_body(rest, marks):
    vertices, joints = rest
    double = find_landmarks(2 * vertices, 2 * joints)
    assert double.scale == pytest.approx(2 * marks.scale)
    assert double.knee == pytest.approx(2 * marks.knee)
    np.testing.assert_allclose(double.nose, 2 * marks.nose)


def test_gown_leaves_forearms_and_shins_bare(marks):
    gown = Cut(sleeve=0.9, collar="open", top_hem=1.0, legs="none", shoes=None)
    assert worn(marks, gown, CHEST, BACK, ARM, THIGH) == ["top"] * 4
    assert worn(marks, gown, FOREARM, SHIN, FOOT) == ["skin"] * 3


def test_gown_is_open_at_the_back_only(marks):
    gown = Cut(collar="open", top_hem=1.0, legs="none", shoes=None, open_back=True)
    assert worn(marks, gown, (0.0, 0.3, -0.12), (0.0, 0.3, 0.12)) == ["skin", "top"]


def test_scrubs_have_a_v_in_front(marks):
    scrubs = Cut(collar="v", shoes="trainers")
    low = marks.neck[1] - 0.09
    assert worn(marks, scrubs, (0.0, low, 0.09), (0.0, low, -0.09)) == ["skin", "top"]
    assert worn(marks, scrubs, HIP, THIGH, SHIN, FOOT) == ["top", "bottom", "bottom", "shoes"]


def test_tucked_shirt_ends_at_the_waist(marks):
    assert worn(marks, Cut(top_hem=None), CHEST, (0.1, 0.0, 0.1)) == ["top", "bottom"]
    assert worn(marks, Cut(top_hem=0.3), CHEST, (0.1, 0.0, 0.1)) == ["top", "top"]


def test_sleeves_end_where_told(marks):
    for sleeve, bare in ((0.5, "skin"), (1.9, "top")):
        assert worn(marks, Cut(sleeve=sleeve), FOREARM) == [bare]
    assert worn(marks, Cut(sleeve=1.9), (0.8, 0.42, 0.0)) == ["skin"]


def test_socks_shoes_and_slippers(marks):
    ankle = (0.12, marks.ankle + 0.04, 0.0)
    heel = (0.12, marks.sole + 0.05, -0.05)
    assert worn(marks, Cut(legs="none", socks=0.08, shoes=None), ankle, heel) == ["socks", "socks"]
    assert worn(marks, Cut(legs="none", shoes="slippers"), heel, FOOT) == ["skin", "shoes"]
    assert worn(marks, Cut(legs="none", shoes="trainers"), (0.12, marks.sole + 0.01, 0.1)) == ["soles"]


def test_badge_is_on_the_left_breast(marks):
    place = (0.08, marks.chest - 0.055, 0.12)
    mirrored = (-place[0], place[1], place[2])
    assert worn(marks, Cut(badge=True), place, mirrored) == ["badge", "top"]


def test_trim_follows_the_borders(marks):
    trimmed = Cut(trim=True, top_hem=1.0, legs="none")
    hem = leg_height(1.0, marks)
    assert worn(marks, trimmed, (0.1, hem + 0.005, 0.08), (0.1, hem + 0.05, 0.08)) == ["trim", "top"]


def test_fields_are_signed_distances_at_a_hem(marks):
    hem = leg_height(1.0, marks)
    heights = hem + np.array([-0.05, -0.01, 0.01, 0.05])
    points = np.column_stack([np.full(4, 0.1), heights, np.full(4, 0.08)])
    field = cloth_fields(points, marks, Cut(top_hem=1.0, legs="none"))["top"]
    np.testing.assert_allclose(field, heights - hem, atol=1e-9)


@pytest.mark.parametrize(
    ("cut", "hem"),
    [
        (Cut(top_hem=None), None),
        (Cut(top_hem=0.2), 0.2),
        (Cut(top_hem=1.1, legs="none"), 1.1),
        (Cut(top_hem=0.1, legs="skirt", leg_hem=1.3), 1.3),
        (Cut(top_hem=None, legs="skirt", leg_hem=1.3), 1.3),
    ],
)
def test_what_hangs_loose(cut, hem):
    assert cut.hanging_hem == hem
