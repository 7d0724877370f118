"""Falls, their direction, side and place, bed exits and free fall, on written-down motion."""

import numpy as np
import pytest

from carescene.evaluation.balance import balance_margin, center_of_mass
from carescene.evaluation.onset import find_fall, free_fall_error, leans_to
from carescene.evaluation.tracks import clip_joints, tracks_of
from carescene.humans.skeleton import JOINT


@pytest.mark.parametrize(
    ("script", "direction", "side"),
    [
        ("falls backward", "backward", "back"),
        ("falls forward", "forward", "front"),
        ("falls left", "left", "left"),
        ("falls right", "right", "right"),
        ("collapses", "down", "seat"),
    ],
)
def test_direction_and_side(play, script, direction, side):
    fall = find_fall(tracks_of(play(script))[0])
    assert fall is not None
    assert (fall.direction, fall.side) == (direction, side)
    assert fall.onset_s == pytest.approx(1.5, abs=0.2)
    assert fall.onset_s <= fall.descent_s < fall.impact_s <= fall.rest_s
    assert fall.impact_s == pytest.approx(2.15, abs=0.25)
    assert fall.drop_m == pytest.approx(0.8, abs=0.05)


def test_place_is_where_the_pelvis_hits(play):
    fall = find_fall(tracks_of(play("falls left"))[0])
    assert fall is not None
    assert fall.place == pytest.approx([0.55, 0.0], abs=0.1)


def test_leaning_is_the_lower_side(play):
    track = tracks_of(play("falls left"))[0]
    assert leans_to(track, 3.5) == "left"
    assert leans_to(tracks_of(play("falls right"))[0], 99.0) == "right"


@pytest.mark.parametrize("script", ["standing", "walking", "sits down", "kneels down", "bends", "stands up"])
def test_no_fall(play, script):
    assert find_fall(tracks_of(play(script))[0]) is None


def test_slow_ways_down_are_found_only_when_asked(play):
    track = tracks_of(play("lies down on the floor slowly"))[0]
    assert find_fall(track) is None
    slow = find_fall(track, 0.0)
    assert slow is not None
    assert slow.speed < 0.55


def test_center_of_mass_of_a_standing_person_is_in_the_belly_and_in_the_middle(play):
    joints = clip_joints(play("standing"))[0]
    mass = center_of_mass(joints)[0]
    assert mass[0] == pytest.approx(0.0, abs=0.01)
    # 55 to 57 % of the height in adults (Winter 2009).
    assert 0.53 < mass[2] / 1.68 < 0.60


def test_center_of_mass_moves_with_the_body():
    joints = np.random.default_rng(0).normal(size=(5, 24, 3))
    moved = center_of_mass(joints + np.array([1.0, 2.0, 3.0])) - center_of_mass(joints)
    assert moved == pytest.approx(np.tile([1.0, 2.0, 3.0], (5, 1)))
    same = np.broadcast_to(np.array([0.1, 0.2, 0.3]), (24, 3))
    assert center_of_mass(same) == pytest.approx([0.1, 0.2, 0.3])


def test_standing_is_in_balance_and_leaning_out_is_not(play):
    joints = clip_joints(play("standing"))[0]
    assert (balance_margin(joints, 20.0, 0.84) > 0).all()
    leaning = joints.copy()
    feet = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("ankle", "foot")]
    leaning[:, feet, 1] += 1.0
    margin = balance_margin(leaning, 20.0, 0.84)
    # The toes point to -y; the heels of the moved feet are the nearest part.
    assert (margin < -0.6).all()


def test_speed_counts_as_hof_has_it(play):
    joints = clip_joints(play("standing"))[0]
    still = balance_margin(joints, 20.0, 0.84)[20]
    speed, leg = 2.0, 0.84
    moving = joints + speed * np.arange(len(joints))[:, None, None] / 20.0 * np.array([1.0, 0.0, 0.0])
    lost = balance_margin(moving, 20.0, leg)[20]
    ahead = speed * np.sqrt(1.2 * leg / 9.81)
    # From the middle of the feet to the outside of the left one, then out.
    half = joints[0, JOINT["left_ankle"], 0]
    assert lost == pytest.approx(0.06 - (ahead - half), abs=0.02)
    assert still > lost


def test_nothing_sinks_faster_than_free_fall(play, key):
    slow = tracks_of(play("falls backward"))[0]
    fall = find_fall(slow)
    assert fall is not None
    assert free_fall_error(slow, fall) < 5.0
    pushed = [key(0.0, (0, 0, 0.95)), key(1.0, (0, 0, 0.95)), key(1.1, (0, 0, 0.14), pitch=0.0),
              key(3.0, (0, 0, 0.14), pitch=0.0)]  # fmt: skip
    track = tracks_of(play(pushed))[0]
    fall = find_fall(track)
    assert fall is not None
    assert free_fall_error(track, fall) > 20.0
