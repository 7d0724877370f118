"""Planted feet: no sliding, no sinking, bones untouched."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from carescene.humans import rotation_about
from carescene.humans._retarget_feet import bend_toes, intervals, plant_feet, standing
from carescene.humans.reference import reference_rest_joints
from carescene.humans.retarget import RetargetedMotion, pose_from_world
from carescene.humans.skeleton import JOINT

REST = reference_rest_joints().double().numpy()
UPRIGHT = rotation_about("x", torch.tensor(np.pi / 2, dtype=torch.float64)).numpy()
TIMES = np.arange(40) / 20
ANKLES = [JOINT["left_ankle"], JOINT["right_ankle"]]
FAR_ABOVE = np.full((40, 2), -1.0)


def crouch(sway: np.ndarray) -> RetargetedMotion:
    """Somebody with bent knees whose pelvis sways along x; legs stay parallel, so that feet slide with it."""
    world = np.tile(UPRIGHT, (len(sway), 24, 1, 1))
    for side in ("left", "right"):
        world[:, JOINT[f"{side}_hip"]] = UPRIGHT @ Rotation.from_rotvec([-0.5, 0.0, 0.0]).as_matrix()
        world[:, JOINT[f"{side}_knee"]] = UPRIGHT @ Rotation.from_rotvec([0.5, 0.0, 0.0]).as_matrix()
    return pose_from_world(world, np.stack((sway, 0 * sway, 0 * sway + 0.9), -1), REST)


def test_feet_stand_where_the_sources_stand() -> None:
    motion = crouch(0.02 * np.sin(3 * TIMES))
    still = np.tile(motion.joints[:1, ANKLES] + [0.01, 0.02, 0.0], (40, 1, 1))
    planted = plant_feet(motion.world, motion.joints, still, FAR_ABOVE, TIMES)
    after = pose_from_world(planted, motion.trans, REST)
    assert np.ptp(motion.joints[:, ANKLES, 0], axis=0).min() > 0.03
    np.testing.assert_allclose(np.ptp(after.joints[:, ANKLES], axis=0), 0.0, atol=2e-4)
    # Feet keep their orientation; nothing above the hips moves; knees still bend forward (the person faces -y).
    for name in ("left_ankle", "right_foot", "spine1", "left_wrist"):
        np.testing.assert_allclose(planted[:, JOINT[name]], motion.world[:, JOINT[name]], atol=1e-12)
    knees = after.joints[:, [JOINT["left_knee"], JOINT["right_knee"]], 1]
    assert (knees < after.joints[:, ANKLES, 1] - 0.1).all()


def test_a_motion_that_needs_nothing_is_left_alone() -> None:
    motion = crouch(0 * TIMES)
    planted = plant_feet(motion.world, motion.joints, motion.joints[:, ANKLES], FAR_ABOVE, TIMES)
    np.testing.assert_allclose(planted, motion.world, atol=1e-4)


def test_sunken_soles_are_raised_by_their_depth() -> None:
    motion = crouch(0 * TIMES)
    depths = FAR_ABOVE.copy()
    depths[:, 0] = 0.03
    planted = plant_feet(motion.world, motion.joints, motion.joints[:, ANKLES], depths, TIMES)
    after = pose_from_world(planted, motion.trans, REST)
    lift = after.joints[:, ANKLES, 2] - motion.joints[:, ANKLES, 2]
    np.testing.assert_allclose(lift[:, 0], 0.03 - 0.004, atol=1e-3)
    np.testing.assert_allclose(lift[:, 1], 0.0, atol=1e-3)


def test_corrections_are_limited() -> None:
    motion = crouch(0.5 * np.sin(0.5 * TIMES))
    still = np.tile(motion.joints[:1, ANKLES], (40, 1, 1))
    after = pose_from_world(plant_feet(motion.world, motion.joints, still, FAR_ABOVE, TIMES), motion.trans, REST)
    moved = np.linalg.norm(after.joints[:, ANKLES] - motion.joints[:, ANKLES], axis=-1)
    assert moved.max() < 0.041


def test_a_straight_leg_is_not_torn() -> None:
    world = np.tile(UPRIGHT, (40, 24, 1, 1))
    motion = pose_from_world(world, np.tile([0.0, 0.0, 0.9], (40, 1)), REST)
    wanted = motion.joints[:, ANKLES] - [0.0, 0.0, 0.05] * np.sin(TIMES)[:, None, None]
    planted = plant_feet(world, motion.joints, wanted, FAR_ABOVE, TIMES)
    assert np.isfinite(planted).all()
    np.testing.assert_allclose(planted @ planted.transpose(0, 1, 3, 2), np.tile(np.eye(3), (40, 24, 1, 1)), atol=1e-9)


def test_swinging_feet_do_not_stand() -> None:
    path = np.zeros((40, 3))
    path[20:, 0] = 1.5 * (TIMES[20:] - TIMES[20])
    stance = standing(path, TIMES)
    assert stance[:19].all() and not stance[22:].any()
    assert intervals(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert intervals(np.array([False, False])) == []


def test_toes_give_way_on_the_floor_only() -> None:
    world = np.tile(UPRIGHT, (1, 24, 1, 1))
    down = UPRIGHT @ Rotation.from_rotvec([0.6, 0.0, 0.0]).as_matrix()
    for joint in ("left_ankle", "left_foot"):
        world[:, JOINT[joint]] = down
    motion = pose_from_world(world, np.array([[0.0, 0.0, 0.95]]), REST)
    height = motion.joints[0, JOINT["left_foot"], 2]
    bent = bend_toes(world, motion.joints, floor=height - 0.03)
    # The foot points down by 0.6; its toes are level.
    np.testing.assert_allclose(bent[0, JOINT["left_foot"]], UPRIGHT, atol=1e-9)
    free = bend_toes(world, motion.joints, floor=height - 0.3)
    np.testing.assert_allclose(free[0, JOINT["left_foot"]], down, atol=1e-9)
