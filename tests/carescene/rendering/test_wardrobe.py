"""Dressed bodies: cloth stays around the body, shoes on the floor, and colours follow the mesh."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from carescene.clips import Clip, PersonInfo
from carescene.humans.body import Body, load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering.clothing import GARMENT, Cut
from carescene.rendering.looks import dress_person
from carescene.rendering.people import PosedPeople, pose_people
from carescene.rendering.tubes import TUBE_VERTICES, tube_faces, tube_parts
from carescene.rendering.wardrobe import Wardrobe, dress_clip, fit_wardrobe


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def posed(body: Body, *bends: tuple[str, float]) -> PosedPeople:
    """One person facing world -y, first standing in the T-pose, then with joints bent about their x axis (radians)."""
    poses = np.zeros((1, 2, 24, 3), np.float32)
    poses[:, :, 0, 0] = np.pi / 2
    for name, angle in bends:
        poses[0, 1, JOINT[name], 0] = angle
    trans = np.zeros((1, 2, 3), np.float32)
    trans[..., 2] = 0.96
    clip = Clip(
        id="one",
        fps=20.0,
        poses=poses,
        trans=trans,
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.zeros((1, 2), np.int8),
        valid=np.ones((1, 2), bool),
        persons=[PersonInfo("patient", 80.0)],
    )
    return pose_people(clip, body)


def wearing(body: Body, people: PosedPeople, cut: Cut) -> Wardrobe:
    with torch.inference_mode():
        rest, joints = body.rest_vertices(torch.zeros(10)).numpy(), body.rest_joints(torch.zeros(10)).numpy()
    outfit = replace(dress_person(rest, joints, role="patient", age_years=80, seed=0), cut=cut, fullness=1.0)
    return fit_wardrobe([outfit], body, people.topology)


GOWN = Cut(collar="open", top_hem=1.0, legs="none", shoes=None)
SUIT = Cut(top_hem=0.1, shoes="trainers")


def test_dressed_people_share_one_closed_list_of_triangles(body):
    people = posed(body)
    wardrobe = wearing(body, people, GOWN)
    dressed = wardrobe.wear(people)
    count = people.vertices.shape[2]
    assert dressed.vertices.shape == (1, 2, count + TUBE_VERTICES, 3)
    assert dressed.topology.faces.max() < count + TUBE_VERTICES
    np.testing.assert_array_equal(dressed.topology.faces[: len(people.faces)], people.faces)
    assert np.isfinite(dressed.vertices).all()
    assert dressed.vertices.dtype == np.float32
    np.testing.assert_array_equal(dressed.joints, people.joints)


def test_tubes_know_their_joints():
    assert tube_faces().max() == TUBE_VERTICES - 1
    assert len(tube_parts()) == TUBE_VERTICES
    assert set(tube_parts()) <= set(range(24))


def test_clothes_not_worn_are_points_inside_the_body(body):
    people = posed(body)
    dressed = wearing(body, people, replace(GOWN, top_hem=None)).wear(people)
    tubes = dressed.vertices[0, 0, people.vertices.shape[2] :]
    np.testing.assert_allclose(tubes, np.broadcast_to(people.joints[0, 0, JOINT["pelvis"]], tubes.shape), atol=1e-6)


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    first, second, third = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return float(np.einsum("fc,fc->f", first, np.cross(second, third)).sum() / 6)


@pytest.mark.parametrize("bends", [(), (("left_hip", -1.2),), (("left_hip", -1.5), ("right_hip", -1.5))])
def test_gown_surrounds_both_legs(body, bends):
    people = posed(body, *bends)
    dressed = wearing(body, people, GOWN).wear(people)
    count = people.vertices.shape[2]
    gown = dressed.vertices[0, 1, count : count + 16 * 40].reshape(16, 40, 3)
    # The ring at the middle of the thighs: its middle is between both legs, and both thighs are inside it.
    hips = people.joints[0, 1, [JOINT["left_hip"], JOINT["right_hip"]]]
    knees = people.joints[0, 1, [JOINT["left_knee"], JOINT["right_knee"]]]
    middle = (hips + knees).mean(axis=0) / 2
    ring = gown[np.linalg.norm(gown.mean(axis=1) - middle, axis=-1).argmin()]
    reach = np.abs((ring - ring.mean(axis=0)) @ [1.0, 0.0, 0.0]).max()
    thighs = np.abs((hips + knees)[:, 0] / 2 - middle[0]).max()
    assert reach > thighs + 0.06
    lowest = gown[-1, :, 2].mean() if not bends else None
    if lowest is not None:
        assert lowest == pytest.approx(knees[:, 2].mean(), abs=0.03)


def test_tubes_face_outwards(body):
    people = posed(body)
    dressed = wearing(body, people, SUIT).wear(people)
    vertices = dressed.vertices[0, 0]
    faces = dressed.topology.faces[len(people.faces) :]
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middles = corners.mean(axis=1)
    # The hanging part of the top: horizontally away from the body's axis.
    hanging = slice(0, 2 * 15 * 40)
    away = middles[hanging, :2] - people.joints[0, 0, JOINT["pelvis"], :2]
    turned = np.einsum("fc,fc->f", normals[hanging, :2], away)
    assert (turned > 0).mean() > 0.97


def test_shoes_stand_on_the_floor_of_the_feet(body):
    people = posed(body)
    dressed = wearing(body, people, SUIT).wear(people)
    count = people.vertices.shape[2]
    shoes = dressed.vertices[0, 0, -2 * 11 * 20 :]
    sole = people.vertices[0, 0, :, 2].min()
    assert shoes[:, 2].min() == pytest.approx(sole, abs=0.006)
    assert dressed.vertices[0, 0, :count, 2].min() > sole - 0.004
    # A shoe is longer than the foot in it, but not by much.
    foot = np.ptp(people.vertices[0, 0, people.vertices[0, 0, :, 2] < sole + 0.05, 1])
    assert foot < np.ptp(shoes[:, 1]) < foot + 0.05


def test_cloth_makes_bodies_larger_not_smaller(body):
    people = posed(body)
    dressed = wearing(body, people, SUIT).wear(people)
    count = people.vertices.shape[2]
    bare = volume(people.vertices[0, 0], people.faces)
    assert bare < volume(dressed.vertices[0, 0, :count], people.faces) < 1.25 * bare


def test_dressing_moves_with_the_body(body):
    people = posed(body)
    moved = replace(people, vertices=people.vertices + np.float32(1.5), joints=people.joints + np.float32(1.5))
    wardrobe = wearing(body, people, GOWN)
    np.testing.assert_allclose(wardrobe.wear(moved).vertices, wardrobe.wear(people).vertices + 1.5, atol=1e-4)


def test_look_blends_places_not_colours(body):
    people = posed(body)
    wardrobe = wearing(body, people, GOWN)
    rest = wardrobe.rest[0]
    # A triangle whose corners are two garments: each point takes one of them, none a mixture.
    garment = wardrobe.outfits[0].garment(rest)
    faces = wardrobe.topology.faces[: len(people.faces)]
    mixed = faces[(garment[faces] == GARMENT["top"]).any(axis=1) & (garment[faces] == GARMENT["skin"]).any(axis=1)]
    weights = np.random.default_rng(0).dirichlet([1, 1, 1], len(mixed)).astype(np.float32)
    look = wardrobe.look(0, mixed, weights)
    assert {GARMENT["top"], GARMENT["skin"]} <= set(look.garment.tolist())
    corner = wardrobe.look(0, mixed, np.tile(np.array([1.0, 0.0, 0.0], np.float32), (len(mixed), 1)))
    np.testing.assert_array_equal(corner.garment, garment[mixed[:, 0]])


def test_dress_clip_dresses_everybody(body):
    people = posed(body)
    clip = Clip(
        id="one",
        fps=20.0,
        poses=np.zeros((1, 2, 24, 3), np.float32),
        trans=np.zeros((1, 2, 3), np.float32),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.zeros((1, 2), np.int8),
        valid=np.ones((1, 2), bool),
    )
    wardrobe = dress_clip(clip, body, people.topology, seed=4)
    assert len(wardrobe.outfits) == len(wardrobe.tubes) == len(wardrobe.drapes) == 1
    assert wardrobe.wear(people).vertices.shape[0] == 1
