"""Walks made of a gait: they follow their path, stop where and as they should, and their feet stand still."""

from types import SimpleNamespace

import numpy as np
import pytest

from carescene.encounters.gait import about_z, blend_rotations, find_gait
from carescene.encounters.walking import Walk, smooth_path, walk_along
from carescene.encounters.ways import Ways
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT
from carescene.scenes import contact_report, default_object
from carescene.scenes.resting import clip_joints

CORNER = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]])


def around_corner(people: SimpleNamespace, **options) -> Walk:
    return walk_along(smooth_path(CORNER), people.made_gait(), people.reference_body(), **options)


def heading_of(rotations: np.ndarray) -> np.ndarray:
    front = rotations[:, 0] @ np.array([0.0, 0.0, 1.0])
    return np.arctan2(front[:, 1], front[:, 0])


def test_turns_about_the_vertical_and_blends() -> None:
    quarter = about_z(np.array([np.pi / 2]))
    assert np.allclose(quarter[0] @ [1, 0, 0], [0, 1, 0])
    half = blend_rotations(np.eye(3)[None, None], quarter[:, None], np.array([0.5]))
    assert np.allclose(half[0, 0], about_z(np.array([np.pi / 4]))[0])


def test_a_gait_repeats_after_a_cycle(people: SimpleNamespace) -> None:
    gait = people.made_gait()
    first, last = gait.at(np.array([0.3])), gait.at(np.array([5.3]))
    assert all(np.allclose(a, b) for a, b in zip(first, last, strict=True)) and gait.seconds == pytest.approx(1.1)


def test_a_gait_is_found_again_in_the_walk_made_of_it(people: SimpleNamespace) -> None:
    gait = find_gait(people.walker())
    assert gait.speed == pytest.approx(1.2, rel=0.03) and gait.seconds == pytest.approx(1.1, abs=0.06)
    assert np.abs(gait.offset[:, :2].mean(axis=0)).max() < 1e-6 and gait.stands.mean() > 0.4
    # Closed: the step from the last frame to the first is like any other.
    step = np.linalg.norm(np.diff(np.concatenate([gait.offset, gait.offset[:1]]), axis=0), axis=1)
    assert step[-1] < 3 * np.median(step) + 0.01


def test_who_does_not_walk_has_no_gait(people: SimpleNamespace) -> None:
    with pytest.raises(UserError, match="two even steps"):
        find_gait(people.stander(1.0, 1.0))


def test_a_smooth_path_keeps_its_ends_and_straight_lines() -> None:
    path = smooth_path(CORNER)
    assert np.allclose(path[[0, -1]], CORNER[[0, -1]])
    assert np.linalg.norm(path - [2.0, 0.0], axis=1).min() > 0.05  # the corner is cut
    line = smooth_path(np.array([[0.0, 0.0], [0.5, 0.5], [3.0, 3.0]]))
    assert np.allclose(line[:, 0], line[:, 1])


def test_a_walk_stays_on_its_path_and_ends_as_it_should(people: SimpleNamespace) -> None:
    walk = around_corner(people, end_heading=np.pi)
    path = smooth_path(CORNER)
    far = np.linalg.norm(walk.trans[:, None, :2] - path, axis=-1).min(axis=1)
    assert far.max() < 0.03
    assert np.allclose(walk.trans[-1, :2], [2.0, 2.0], atol=1e-6)
    assert heading_of(walk.rotations[-1:])[0] == pytest.approx(np.pi, abs=0.02)
    # It ends in the very pose in which the person stands, turned.
    assert np.allclose(walk.rotations[-1, 1:], people.upright()[1:], atol=0.05)
    assert not walk.moving[-1] and walk.moving[0]


def test_heading_follows_the_path(people: SimpleNamespace) -> None:
    walk = around_corner(people, stop=False)
    assert abs(heading_of(walk.rotations)[3]) < 0.15
    assert heading_of(walk.rotations)[-3] == pytest.approx(np.pi / 2, abs=0.2)


def test_standing_feet_do_not_slide_and_nothing_is_in_the_floor(people: SimpleNamespace) -> None:
    clip = people.walker()
    joints = clip_joints(clip)[0]
    ankle = joints[:, JOINT["left_ankle"]]
    speed = np.linalg.norm(np.diff(ankle[:, :2], axis=0), axis=1) * 20
    # In the middle of a stance the ankle stands to some centimetres a second; in between it swings fast.
    assert np.percentile(speed, 25) < 0.08 and speed.max() > 1.5
    report = contact_report(clip, people.hall())
    assert report.mean_m < 0.01 and report.share_deep == 0.0 and report.share_floating < 0.1


def test_haste_and_start(people: SimpleNamespace) -> None:
    usual, hurried, rested = (
        around_corner(people),
        around_corner(people, haste=1.4),
        around_corner(people, from_standing=True),
    )
    assert hurried.seconds < usual.seconds < rested.seconds
    first = np.linalg.norm(rested.trans[1, :2] - rested.trans[0, :2]) * 20
    assert first < 0.3 and np.linalg.norm(usual.trans[1, :2] - usual.trans[0, :2]) * 20 > 0.8


def test_a_walk_can_keep_pace_with_somebody(people: SimpleNamespace) -> None:
    path = np.stack([np.linspace(0, 3, 80), np.zeros(80)], axis=1)
    along = np.linspace(0, 3, 80)
    walk = walk_along(path, people.made_gait(), people.reference_body(), stop=False, along=along)
    assert len(walk.trans) == 80 and np.abs(walk.trans[:, 0] - along).max() < 0.02


def test_ways_lead_around_things_and_people(people: SimpleNamespace) -> None:
    free = Ways.of(people.hall(), (1.5, 0.6))
    assert free is not None and free.length(np.array([1.5, 4.0])) == pytest.approx(3.4, abs=0.1)
    table = default_object("table", "table-1", x=1.5, y=2.2, size=(2.2, 0.8, None))
    around = Ways.of(people.hall(table), (1.5, 0.6), np.array([[3.6, 2.2]]), keep_m=0.4)
    assert around is not None
    path = around.to(np.array([1.5, 4.0]))
    assert path is not None and around.length(np.array([1.5, 4.0])) > 3.8
    assert np.linalg.norm(path - [3.6, 2.2], axis=1).min() > 0.35
    assert np.allclose(path[-1], [1.5, 4.0])


def test_there_is_no_way_into_walls_or_from_inside_things(people: SimpleNamespace) -> None:
    ways = Ways.of(people.hall(), (1.5, 0.6))
    assert ways is not None and ways.to(np.array([people.HALL[1][0] + 1.0, 1.0])) is None
    block = default_object("other", "block", x=1.5, y=1.0, size=(2.0, 2.0, 1.0))
    assert Ways.of(people.hall(block), (1.5, 1.0)) is None
