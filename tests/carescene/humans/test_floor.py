"""Soles and the floor under them."""

import numpy as np
import torch

from carescene.humans import rotation_about
from carescene.humans.body import load_body
from carescene.humans.floor import Soles, estimate_floor, find_soles, sole_heights, stance_heights, standing_frames
from carescene.humans.retarget import RetargetedMotion, pose_from_world
from carescene.humans.skeleton import JOINT

FPS = 20.0
UPRIGHT = rotation_about("x", torch.tensor(np.pi / 2, dtype=torch.float64)).numpy()


def bundled() -> tuple[np.ndarray, Soles]:
    body = load_body()
    with torch.no_grad():
        rest = body.rest_joints(torch.zeros(10)).double().numpy()
        vertices = body.rest_vertices(torch.zeros(10)).double().numpy()
    return rest, find_soles(vertices, body.lbs_weights.double().numpy(), rest)


def stand(rest: np.ndarray, pelvis: np.ndarray, root: np.ndarray | None = None) -> RetargetedMotion:
    world = np.tile(UPRIGHT if root is None else root, (len(pelvis), 24, 1, 1))
    return pose_from_world(world, pelvis, rest)


def test_soles_of_the_bundled_body_are_its_lowest_points() -> None:
    rest, soles = bundled()
    motion = stand(rest, np.zeros((3, 3)))
    with torch.no_grad():
        lowest = float(load_body().rest_vertices(torch.zeros(10))[:, 1].min()) - rest[0, 1]
    heights = sole_heights(motion.joints, motion.world, soles)
    np.testing.assert_allclose(heights, lowest, atol=2e-3)
    # Both heels and toes are there: as long as a foot, behind and ahead of the ankle.
    points = soles.offsets + rest[soles.joints]
    assert (np.ptp(points[..., 2], axis=1) > 0.18).all()
    assert (points[0, :, 0] > 0).all() and (points[1, :, 0] < 0).all()


def test_the_floor_of_somebody_who_stands_is_at_the_mesh() -> None:
    rest, soles = bundled()
    rng = np.random.default_rng(0)
    pelvis = np.array([0.0, 0.0, 1.3]) + 1e-4 * rng.normal(size=(60, 3))
    motion = stand(rest, pelvis)
    floor, own = estimate_floor(stance_heights(motion.joints, motion.world, soles, FPS), FPS, usual=0.35)
    with torch.no_grad():
        lowest = float(load_body().rest_vertices(torch.zeros(10))[:, 1].min()) - rest[0, 1]
    assert own
    assert abs(floor - (1.3 + lowest)) < 3e-3


def test_outliers_below_do_not_pull_the_floor_down() -> None:
    heights = np.concatenate((np.full(95, 0.1), np.full(5, -0.3), np.full(60, 0.45)))
    floor, own = estimate_floor(heights, FPS, usual=0.1)
    assert own and abs(floor - 0.1) < 1e-9


def test_without_stance_or_far_from_the_usual_the_usual_floor_counts() -> None:
    assert estimate_floor(np.full(5, 0.1), FPS, usual=0.02) == (0.02, False)
    assert estimate_floor(np.full(100, 0.4), FPS, usual=0.02) == (0.02, False)
    assert estimate_floor(np.full(100, 0.05), FPS, usual=0.02) == (0.05, True)


def test_lying_and_walking_feet_do_not_stand() -> None:
    rest, _ = bundled()
    still = np.tile([0.0, 0.0, 1.0], (20, 1))
    standing = stand(rest, still)
    assert standing_frames(standing.joints, standing.world, FPS).all()
    lying = stand(rest, still, np.eye(3)[:, [0, 2, 1]] * [1.0, 1.0, -1.0])
    lying = stand(rest, still, np.eye(3)) if np.allclose(lying.world[0, 0], UPRIGHT) else lying
    assert not standing_frames(lying.joints, lying.world, FPS).any()
    moving = stand(rest, still + np.arange(20)[:, None] * [0.02, 0.0, 0.0])
    assert not standing_frames(moving.joints, moving.world, FPS).any()


def test_a_raised_toe_leaves_the_heel_as_the_lowest_point() -> None:
    rest, soles = bundled()
    world = np.tile(UPRIGHT, (1, 24, 1, 1))
    level = sole_heights(stand(rest, np.zeros((1, 3))).joints, world, soles)[0, 0]
    raised = world.copy()
    # Toes up: about the foot's x axis, backwards.
    pitch = rotation_about("x", torch.tensor(-0.4, dtype=torch.float64)).numpy()
    for joint in ("left_ankle", "left_foot"):
        raised[:, JOINT[joint]] = UPRIGHT @ pitch
    motion = pose_from_world(raised, np.zeros((1, 3)), rest)
    heights = sole_heights(motion.joints, motion.world, soles)[0]
    assert abs(heights[1] - level) < 1e-9
    ankle = rest[JOINT["left_ankle"], 1] - rest[0, 1]
    assert ankle - 0.12 < heights[0] < ankle - 0.04
