"""People look like their role and age, every time the same for the same seed."""

import numpy as np
import pytest
import torch

from carescene import UserError
from carescene.clips import Clip, PersonInfo
from carescene.humans.body import Body, load_body
from carescene.rendering.clothing import GARMENT
from carescene.rendering.looks import ROLES, dress_clip_outfits, dress_person
from carescene.rendering.outfit import Outfit


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


@pytest.fixture(scope="module")
def rest(body) -> tuple[np.ndarray, np.ndarray]:
    with torch.inference_mode():
        return body.rest_vertices(torch.zeros(10)).numpy(), body.rest_joints(torch.zeros(10)).numpy()


def outfits(rest, count: int = 40, **options) -> list[Outfit]:
    return [dress_person(*rest, seed=seed, **options) for seed in range(count)]


@pytest.mark.parametrize("role", ROLES)
def test_same_seed_same_looks(rest, role):
    first, again = (dress_person(*rest, role=role, age_years=70, sex="male", seed=5) for _ in range(2))
    assert first.cut == again.cut
    assert first.paints == again.paints
    other = dress_person(*rest, role=role, age_years=70, sex="male", seed=6)
    assert first.paints != other.paints


def test_patients_are_dressed_for_bed_mostly(rest):
    cuts = [outfit.cut for outfit in outfits(rest, role="patient", age_years=80)]
    gowns = [cut for cut in cuts if cut.open_back]
    assert 0.4 < len(gowns) / len(cuts) < 0.8
    for cut in gowns:
        assert cut.legs == "none"
        assert 0.9 < (cut.top_hem or 0) < 1.3
        assert cut.sleeve < 1
        assert cut.shoes in (None, "slippers")


def test_staff_wear_trainers_and_no_gowns(rest):
    found = outfits(rest, role="staff", age_years=40)
    assert {outfit.cut.shoes for outfit in found} == {"trainers"}
    assert not any(outfit.cut.open_back for outfit in found)
    assert any(outfit.cut.badge for outfit in found)
    suits = [outfit for outfit in found if outfit.suit]
    assert len(suits) > len(found) / 2
    assert all(outfit.paints["top"] == outfit.paints["bottom"] for outfit in suits)


def test_visitors_wear_shoes_and_some_women_skirts(rest):
    women, men = (outfits(rest, role="visitor", age_years=50, sex=sex) for sex in ("female", "male"))
    assert all(outfit.cut.shoes in ("shoes", "trainers") for outfit in women + men)
    assert any(outfit.cut.legs == "skirt" for outfit in women)
    assert not any(outfit.cut.legs == "skirt" for outfit in men)


def test_unknown_roles_are_dressed_as_a_person(rest):
    known, unknown = (
        dress_person(*rest, role=role, age_years=50, sex="male", seed=3) for role in ("person", "chaplain")
    )
    assert known.paints == unknown.paints


def test_old_people_look_old(rest):
    young = outfits(rest, role="person", age_years=28, sex="male")
    old = outfits(rest, role="person", age_years=86, sex="male")
    level = [np.mean([np.mean(outfit.paints["hair"].color) for outfit in group]) for group in (young, old)]
    assert level[0] < 0.2
    assert level[1] > 0.5
    thin = [np.mean([outfit.head.hair in ("receding", "bald") for outfit in group]) for group in (young, old)]
    assert thin[0] < 0.2 < 0.4 < thin[1]
    assert max(outfit.head.lids for outfit in old) < min(outfit.head.lids for outfit in young)


def test_skin_covers_a_broad_range(rest):
    light = [float(np.mean(outfit.paints["skin"].color)) for outfit in outfits(rest, 120, role="person")]
    assert min(light) < 0.12
    assert max(light) > 0.40
    infrared = [outfit.paints["skin"].infrared for outfit in outfits(rest, 60, role="person")]
    assert 0.5 <= min(infrared) < max(infrared) <= 0.62


def test_ages_suit_the_role_when_unknown(rest):
    ages = {role: [outfit.head.age_years for outfit in outfits(rest, role=role)] for role in ("patient", "staff")}
    assert min(ages["patient"]) >= 68
    assert max(ages["staff"]) <= 62


def test_paint_is_an_albedo_everywhere(rest):
    for role in ROLES:
        look = dress_person(*rest, role=role, seed=1).paint(rest[0])
        assert look.color.shape == rest[0].shape
        assert look.color.min() >= 0
        assert look.color.max() <= 1
        assert look.infrared.min() > 0.05
        assert look.infrared.max() < 0.9


def test_marks_of_the_face_are_weaker_in_the_infrared(rest):
    outfit = dress_person(*rest, role="patient", age_years=90, sex="male", seed=1)
    look = outfit.paint(rest[0])
    skin = (look.garment == GARMENT["skin"]) & (rest[0][:, 1] > 0.56)
    color = look.color[skin].mean(axis=1) / np.mean(outfit.paints["skin"].color)
    infrared = look.infrared[skin] / outfit.paints["skin"].infrared
    assert color.min() < 0.8
    assert infrared.std() < 0.5 * color.std()


def test_points_without_any_are_painted_too(rest):
    assert dress_person(*rest, seed=0).paint(np.zeros((0, 3))).color.shape == (0, 3)


def clip_of(persons: list[PersonInfo], betas: np.ndarray | None = None) -> Clip:
    count = len(persons)
    return Clip(
        id="ward",
        fps=20.0,
        poses=np.zeros((count, 2, 24, 3), np.float32),
        trans=np.zeros((count, 2, 3), np.float32),
        betas=np.zeros((count, 10), np.float32) if betas is None else betas,
        frame_label=np.zeros((count, 2), np.int8),
        valid=np.ones((count, 2), bool),
        persons=persons,
    )


def test_clip_tells_role_age_and_sex(body):
    clip = clip_of([PersonInfo("patient", 90.0, None, "male"), PersonInfo("staff", 30.0, None, "female")])
    patient, nurse = dress_clip_outfits(clip, body, seed=2)
    assert (patient.head.age_years, nurse.head.age_years) == (90.0, 30.0)
    assert nurse.cut.shoes == "trainers"
    assert nurse.head.hair in ("short", "bob", "bun")


def test_age_is_read_from_the_body_where_the_clip_is_silent(body):
    from carescene.humans.anthropometry import body_from

    betas = torch.stack([body_from(age_years=85), body_from(age_years=30)]).numpy()
    old, young = dress_clip_outfits(clip_of([PersonInfo(), PersonInfo()], betas), body)
    assert old.head.age_years == pytest.approx(85, abs=3)
    assert young.head.age_years == pytest.approx(30, abs=3)


def test_people_of_one_clip_differ(body):
    same = PersonInfo("person", 50.0, None, "male")
    first, second = dress_clip_outfits(clip_of([same, same]), body)
    assert first.paints != second.paints


def test_bodies_that_are_not_numbers_are_refused(body):
    with pytest.raises(UserError, match="finite betas"):
        dress_clip_outfits(clip_of([PersonInfo()], np.full((1, 10), np.nan, np.float32)), body)
