"""Key postures and the way between them: splines, planted feet, steps."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.errors import UserError
from carescene.simulation.anatomy import mass_table, measure_body
from carescene.simulation.cast import Cast, cast_person
from carescene.simulation.key_postures import all_fours, at, feet_at, half_kneel, kneel, sit, squat, stand
from carescene.simulation.keyframing import FPS, Key, Liveliness, noise, perform, spline
from carescene.simulation.pose_solver import joint_limit_excess, kinematics
from carescene.simulation.postures import (
    Posture,
    foot_points,
    held_points,
    point_positions,
    point_rows,
    posture_rotations,
    solve_postures,
)
from carescene.simulation.surfaces import floor, penetration

HERE = np.zeros(2)


@pytest.fixture(scope="module")
def cast() -> Cast:
    return cast_person(np.random.default_rng(3), "patient")


def _miss(cast: Cast, posture: Posture) -> float:
    solved = solve_postures(cast.anatomy, [posture], [floor()])
    where, weight = held_points(posture)
    return float(np.abs((point_positions(cast.anatomy, solved)[0] - where) * (weight == 1)).max())


def test_spline_is_minimum_jerk_between_two_rests():
    times = np.linspace(0, 2, 21)
    got = spline(np.array([0.0, 2.0]), np.array([[0.0], [3.0]]), np.ones(2), times)[:, 0]
    u = times / 2
    np.testing.assert_allclose(got, 3 * (10 * u**3 - 15 * u**4 + 6 * u**5), atol=1e-12)


def test_spline_never_overshoots_and_keeps_going_through_a_via():
    times = np.linspace(0, 3, 301)
    knots, values = np.array([0.0, 1.0, 3.0]), np.array([[0.0], [1.0], [1.5]])
    via = spline(knots, values, np.array([1.0, 0.0, 1.0]), times)[:, 0]
    stop = spline(knots, values, np.ones(3), times)[:, 0]
    assert (np.diff(via) > -1e-9).all() and via.max() <= 1.5 + 1e-9
    middle = np.searchsorted(times, 1.0)
    assert np.diff(via)[middle] > 5 * max(np.diff(stop)[middle], 1e-9)


def test_noise_has_variance_one_and_its_band():
    times = np.arange(4000) / FPS
    values = noise(np.random.default_rng(0), times, 1.0, 2.0, 40)
    assert values.var() == pytest.approx(1.0, rel=0.15)
    power = np.abs(np.fft.rfft(values, axis=0)) ** 2
    hertz = np.fft.rfftfreq(len(times), 1 / FPS)
    assert power[(hertz > 0.9) & (hertz < 2.1)].sum() > 0.99 * power.sum()


def test_angles_mean_what_they_say(cast):
    upright = Posture(pelvis=np.array([0.0, 0.0, 1.0]), yaw=0.0)
    turned = Posture(pelvis=np.array([0.0, 0.0, 1.0]), yaw=np.pi / 2)
    lying = Posture(pelvis=np.array([0.0, 0.0, 1.0]), pitch=-90)
    on_left = Posture(pelvis=np.array([0.0, 0.0, 1.0]), pitch=-90, turn=90)
    up, front, left = np.array([0.0, 1, 0]), np.array([0.0, 0, 1]), np.array([1.0, 0, 0])
    np.testing.assert_allclose(posture_rotations(upright)[0] @ front, [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(posture_rotations(upright)[0] @ left, [-1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(posture_rotations(turned)[0] @ front, [-1, 0, 0], atol=1e-9)
    # On the back the head is where somebody upright has the back, and the face looks up; on the left side, left.
    np.testing.assert_allclose(posture_rotations(lying)[0] @ up, [0, -1, 0], atol=1e-9)
    np.testing.assert_allclose(posture_rotations(lying)[0] @ front, [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(posture_rotations(on_left)[0] @ front, [-1, 0, 0], atol=1e-9)


def test_feet_stand_flat_and_turn_about_their_ball(cast):
    flat = foot_points(cast.anatomy, "left", HERE, 0.0)
    raised = foot_points(cast.anatomy, "left", HERE, 0.0, pitch=40.0)
    assert flat[0, 2] == pytest.approx(cast.anatomy.ankle_height, abs=1e-9)
    assert raised[1, 2] == pytest.approx(flat[1, 2], abs=1e-9) and raised[0, 2] > flat[0, 2] + 0.05
    for first, second in ((0, 1), (0, 2), (1, 2)):
        np.testing.assert_allclose(
            np.linalg.norm(flat[first] - flat[second]), np.linalg.norm(raised[first] - raised[second])
        )


@pytest.mark.parametrize("name", ["stand", "bent", "sit", "squat", "half kneel", "kneel", "all fours"])
def test_key_postures_touch_what_they_hold(cast, name):
    posture = {
        "stand": stand(cast, HERE, 0.4),
        "bent": stand(cast, HERE, 0.4, bend=50, knees=15),
        "sit": sit(cast, at(0, 0), 1.0, 0.46),
        "squat": squat(cast, HERE, 0.0, depth=0.6),
        "half kneel": half_kneel(cast, HERE, 0.0),
        "kneel": kneel(cast, HERE, 2.0, sit_back=0.5),
        "all fours": all_fours(cast, HERE, 0.0),
    }[name]
    solved = solve_postures(cast.anatomy, [posture], [floor()])
    assert _miss(cast, posture) < 1e-3
    assert joint_limit_excess(solved.rotations).max() < np.radians(3)
    # Upright people look ahead, people on all fours face the floor.
    nose = kinematics(solved.rotations, solved.trans, cast.anatomy.rest)[0][0, 15] @ np.array([0.0, 0, 1])
    assert nose[2] > (-0.95 if name in ("bent", "squat", "all fours") else -0.6)


def test_planted_feet_stay_and_a_moved_foot_steps(cast):
    first, second = stand(cast, HERE, 0.0), stand(cast, HERE, 0.0, bend=40, knees=10)
    second = second.holding(**{n: first.holds[n] for n in ("left_foot", "right_foot")})
    moved = feet_at(cast.anatomy, HERE, 0.0)["left_foot"] + np.array([0.0, 0.25, 0.0])
    third = stand(cast, at(0, 0.12), 0.0).holding(left_foot=moved, right_foot=first.holds["right_foot"])
    keys = [Key(first, 0, "standing", hold=0.5), Key(second, 1, "other"), Key(third, 1, "walk", hold=0.5)]
    motion = perform(cast.anatomy, keys, [floor()], np.random.default_rng(0), Liveliness(tremor_deg=1.0))
    _, joints = kinematics(motion.rotations, motion.trans, cast.anatomy.rest)
    left, right = joints[:, 7], joints[:, 8]
    slid = np.linalg.norm(right - right[0], axis=-1).max()
    assert slid < 0.01
    assert np.linalg.norm(left[:30] - left[0], axis=-1).max() < 0.01
    assert left[40:44, 2].max() > left[0, 2] + 0.02 and left[-1, 1] - left[0, 1] == pytest.approx(0.25, abs=0.01)
    assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() < 0.05 * 2
    assert {"standing", "other", "walk"} == set(motion.labels)


def test_same_seed_same_motion(cast):
    keys = [Key(stand(cast, HERE, 0.0), 0, "standing", hold=0.4), Key(squat(cast, HERE, 0.0), 0.8, "squat_down")]
    one, two = (perform(cast.anatomy, keys, [floor()], np.random.default_rng(5), Liveliness()) for _ in range(2))
    np.testing.assert_array_equal(one.rotations, two.rotations)
    other = perform(cast.anatomy, keys, [floor()], np.random.default_rng(6), Liveliness())
    assert not np.array_equal(one.rotations, other.rotations)


def test_points_that_may_be_held_are_all_numbered_once():
    rows = [row for part in point_rows().values() for row in range(part.start, part.stop)]
    assert sorted(rows) == list(range(len(rows)))


def test_floor_depth_and_its_way_out():
    depth, way = penetration(floor(), np.array([[0.0, 0.0, -0.1], [0.0, 0.0, 0.2]]))
    assert depth[0] == pytest.approx(0.1 - floor().gives) and depth[1] == 0
    np.testing.assert_array_equal(way[0], [0, 0, 1])


def test_mass_is_shared_out_whole():
    assert mass_table().sum() == pytest.approx(1.0)


def test_a_body_of_nan_is_refused():
    with pytest.raises(UserError, match="finite betas"):
        measure_body(np.full(10, np.nan))


def test_lying_turned_by_half_a_circle_is_prone():
    prone = posture_rotations(Posture(pelvis=np.zeros(3), pitch=-90, turn=180))[0]
    np.testing.assert_allclose(prone @ np.array([0.0, 0, 1]), [0, 0, -1], atol=1e-9)
    assert Rotation.from_matrix(prone).magnitude() > 0
