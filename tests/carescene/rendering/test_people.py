"""People between frames, next to frames that do not exist, and the parts and borders of their meshes."""

import numpy as np
import torch

from carescene.clips import Clip
from carescene.humans.body import load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering import PosedPeople, Topology, pose_people
from carescene.rendering.people import closed_pieces, cross

TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])


def three_frames(valid: list[bool]) -> PosedPeople:
    """One person of four vertices who moves by 1 m, then by 3 m along x, at 2 frames a second."""
    places = np.array([0.0, 1.0, 4.0], np.float32)
    vertices = np.zeros((1, 3, 4, 3), np.float32)
    joints = np.zeros((1, 3, 24, 3), np.float32)
    vertices[0, :, :, 0] = joints[0, :, :, 0] = places[:, None]
    vertices[0, ~np.array(valid)] = np.nan
    topology = Topology.of(TETRAHEDRON, np.array([0, 1, 1, 2]))
    return PosedPeople(2.0, vertices, joints, np.array([valid]), topology)


def place(people: PosedPeople, time: float) -> float:
    frame = people.at(time)
    assert frame.time_s == time
    assert (frame.joints[..., 0] == frame.vertices[0, 0, 0]).all()
    return float(frame.vertices[0, 0, 0])


def test_people_move_in_straight_lines_between_frames():
    people = three_frames([True, True, True])
    assert [place(people, time) for time in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0.0, 0.5, 1.0, 2.5, 4.0]
    assert people.at(0.25).visible.all()


def test_people_stand_still_before_and_after_the_clip():
    people = three_frames([True, True, True])
    assert [place(people, time) for time in (-3.0, 1.2, 99.0)] == [0.0, 4.0, 4.0]


def test_frames_that_do_not_exist_are_never_mixed_in():
    people = three_frames([True, False, True])
    assert place(people, 0.2) == 0.0
    assert people.at(0.2).visible.all()
    assert not people.at(0.3).visible.any()
    assert not people.at(0.5).visible.any()
    assert place(people, 0.8) == 4.0
    assert people.at(0.8).visible.all()


def test_one_person_may_vanish_while_another_moves():
    first, second = three_frames([True, True, True]), three_frames([True, False, False])
    both = PosedPeople(
        2.0,
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.joints, second.joints]),
        np.concatenate([first.valid, second.valid]),
        first.topology,
    )
    frame = both.at(0.3)
    assert frame.visible.tolist() == [True, False]
    np.testing.assert_allclose(frame.vertices[0, :, 0], 0.6)


def test_asking_changes_nothing():
    people = three_frames([True, True, True])
    before = people.vertices.copy()
    for time in (0.0, 0.1, 0.5, 0.9):
        people.at(time)
    np.testing.assert_array_equal(people.vertices, before)


def test_part_of_a_triangle_is_that_of_most_corners():
    topology = three_frames([True] * 3).topology
    # Corners' parts: (0, 1, 1), (0, 1, 2), (1, 1, 2), (0, 2, 1).
    assert topology.face_part.tolist() == [1, 0, 1, 0]


def test_closed_pieces_have_no_border():
    two = np.concatenate([TETRAHEDRON, TETRAHEDRON[1:] + 4])
    assert closed_pieces(two, 8).tolist() == [True] * 4 + [False] * 3
    flipped = TETRAHEDRON.copy()
    flipped[0] = flipped[0, ::-1]
    assert not closed_pieces(flipped, 4).any()
    assert not closed_pieces(np.concatenate([TETRAHEDRON, TETRAHEDRON]), 4).any()


def test_cross_products_are_those_of_numpy():
    first, second = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    np.testing.assert_allclose(cross(first, second), np.cross(first, second), atol=1e-12)


def test_normals_of_a_tetrahedron_point_away_from_its_middle():
    corners = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]], np.float32)
    topology = Topology.of(TETRAHEDRON[:, ::-1], np.zeros(4, dtype=int))
    normals = topology.vertex_normals(topology.face_normals(corners))
    outwards = corners / np.sqrt(3)
    sign = np.sign((normals * outwards).sum())
    np.testing.assert_allclose(sign * normals, outwards, atol=1e-6)


def short_clip(frames: int = 40) -> Clip:
    rng = np.random.default_rng(0)
    valid = np.ones((2, frames), dtype=bool)
    valid[1, 7] = False
    clip = Clip(
        id="two",
        fps=20.0,
        poses=rng.normal(0, 0.3, (2, frames, 24, 3)).astype(np.float32),
        trans=rng.normal(0, 1, (2, frames, 3)).astype(np.float32),
        betas=rng.normal(0, 1, (2, 10)).astype(np.float32),
        frame_label=np.zeros((2, frames), np.int8),
        valid=valid,
    )
    clip.poses[1, 7] = np.nan
    return clip


def test_posed_people_are_the_body_frame_by_frame():
    clip, body = short_clip(), load_body()
    people = pose_people(clip, body)
    assert people.vertices.dtype == np.float32
    assert np.isfinite(people.vertices).all()
    for person, frame in ((0, 0), (1, 39), (0, 33)):
        mesh = body.pose(
            *(torch.from_numpy(values) for values in (clip.poses[person, frame], clip.trans[person, frame])),
            torch.from_numpy(clip.betas[person]),
        )
        np.testing.assert_allclose(people.vertices[person, frame], mesh.vertices.numpy(), atol=1e-5)
        np.testing.assert_allclose(people.joints[person, frame], mesh.joints.numpy(), atol=1e-5)
    np.testing.assert_allclose(people.joints[:, :, 0][clip.valid], clip.trans[clip.valid], atol=1e-5)


def test_parts_of_the_body_lie_at_their_joints():
    body = load_body()
    people = pose_people(short_clip(8), body)
    rest, joints = body.rest_vertices(torch.zeros(10)).numpy(), body.rest_joints(torch.zeros(10)).numpy()
    assert people.topology.closed.all()
    assert set(np.unique(people.topology.face_part)) <= set(range(24))
    for name in ("head", "left_knee", "right_elbow", "left_ankle"):
        own = people.topology.vertex_part == JOINT[name]
        assert own.sum() > 20
        assert np.linalg.norm(rest[own] - joints[JOINT[name]], axis=1).min() < 0.15
    left = people.topology.vertex_part == JOINT["left_knee"]
    assert rest[left, 0].min() > 0
