"""Where the optimisation starts: places, neutral poses, labels across gaps, statures, contacts."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.humans.anthropometry import body_measures
from carescene.humans.turns import log_turn
from reconstruction.chains import betas_of_stature, contact_points, landmark_points, make_chains, stature_model
from reconstruction.contacts import contact_probability, floor_surface, other_spheres, surfaces_near
from reconstruction.initial import complete_labels, initial_state
from reconstruction.landmarks import free_landmarks
from reconstruction.neutral import between_poses
from reconstruction.placing import fit_positions
from reconstruction.posed import place_points, pose_body
from reconstruction.sigmas import Sigmas


def test_places_are_found(glide: Callable[..., Any]) -> None:
    """With the pose known and a fifth of the points far off, the pelvis is found to centimetres."""
    made, rng = glide(frames=6), np.random.default_rng(0)
    points = landmark_points(free_landmarks())
    still = np.zeros_like(made.truth.trans[0])
    posed = pose_body(free_landmarks(), made.truth.rotations[0], still, made.truth.betas[0])
    pixels = made.problem.keypoints.pixels[0].copy()
    precision = np.full(pixels.shape[:2], 0.5)
    offsets = place_points(posed, points.carrier, points.offsets)
    place, cost, sure = fit_positions(made.camera, offsets, pixels, precision)
    np.testing.assert_allclose(place, made.truth.trans[0], atol=1e-6)
    assert sure.all() and cost.max() < 1e-6
    pixels[rng.random(pixels.shape[:2]) < 0.2] += 150.0
    precision[5, 2:] = 0.0
    place, _, sure = fit_positions(made.camera, offsets, pixels, precision)
    assert sure.tolist() == [True] * 5 + [False]
    assert np.linalg.norm(place - made.truth.trans[0], axis=-1)[:5].max() < 0.05


@pytest.mark.parametrize("turn", [0.0, 2.5])
def test_neutral_poses_face_the_right_way(glide: Callable[..., Any], turn: float) -> None:
    """Nobody has said anything about poses: somebody who stands is found standing, and facing about right."""
    made = glide(frames=8, turn=turn)
    problem = dataclasses.replace(made.problem, labels=None)
    labels = complete_labels(problem)
    assert labels.source == "neutral" and labels.valid.all()
    state = initial_state(problem, labels)
    turns = made.truth.rotations[0, :, 0].swapaxes(-1, -2) @ state.rotations[0, :, 0]
    assert np.rad2deg(np.linalg.norm(log_turn(turns), axis=-1)).max() < 35
    assert np.linalg.norm(state.trans - made.truth.trans, axis=-1).max() < 0.5


def test_labels_reach_across_gaps(glide: Callable[..., Any]) -> None:
    """Between two labels a pose turns evenly; outside it stays; covariances are left where they are."""
    made = glide(frames=9)
    labels = made.problem.labels
    rotations, valid = labels.rotations.copy(), np.zeros((1, 9), bool)
    valid[0, [2, 6]] = True
    rotations[0, 6, 4] = rotations[0, 2, 4] @ Rotation.from_rotvec([0.8, 0.0, 0.0]).as_matrix()
    rotations[0, ~valid[0]] = np.eye(3)
    problem = dataclasses.replace(made.problem, labels=dataclasses.replace(labels, rotations=rotations, valid=valid))
    whole = complete_labels(problem)
    turned = log_turn(rotations[0, 2, 4].T @ whole.rotations[0, :, 4])[:, 0]
    np.testing.assert_allclose(turned, [0, 0, 0, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8], atol=1e-9)
    assert whole.covariance is labels.covariance
    chain = make_chains(problem, whole, Sigmas())[0]
    np.testing.assert_allclose(np.diag(chain.label_information[2]), 1 / 0.04, rtol=1e-5)
    np.testing.assert_allclose(np.diag(chain.label_information[3]), [0.0] * 3 + [4.0] * 63)
    known = np.array([1, 3])
    poses = between_poses(rotations[0, [2, 6]], known, 5)
    np.testing.assert_allclose(poses[[0, 1, 3, 4]], rotations[0, [2, 2, 6, 6]])


def test_statures() -> None:
    betas = np.random.default_rng(0).standard_normal((5, 10))
    heights = body_measures(torch.from_numpy(betas))[:, 1].numpy()
    model = stature_model()
    np.testing.assert_allclose([model.of(each) for each in betas], heights, rtol=1e-9)
    step = 1e-6 * np.eye(10)
    slope = [(model.of(betas[0] + each) - model.of(betas[0] - each)) / 2e-6 for each in step]
    np.testing.assert_allclose(model.slope(betas[0]), slope, atol=1e-7)
    for height in (1.5, 1.7, 1.95):
        found = betas_of_stature(height)
        assert model.of(found) == pytest.approx(height, abs=1e-6)
        assert np.linalg.norm(found) < 3.5


def test_contacts(glide: Callable[..., Any]) -> None:
    """Low and slow skin rests, low and quick does not, nor does high skin; furniture is touched where it is nearer."""
    made = glide(frames=5)
    chain = make_chains(made.problem, made.problem.labels, Sigmas())[0]
    places = np.zeros((5, 3, 3))
    places[:, 0, 2], places[:, 1, 2], places[:, 2, 2] = 0.01, 0.01, 0.4
    places[:, 1, 0] = 0.1 * np.arange(5)
    places[3:, 0, 0] = 0.5
    contact = contact_probability(chain, places, floor_surface(places, 0.02))
    assert contact[:, 0].min() > 0.9, "one jump leaves the frames on both sides of it resting"
    assert contact[:, 1:].max() < 1e-5
    floating = places + np.array([0.0, 0.0, 0.2])
    np.testing.assert_allclose(contact_probability(chain, floating, floor_surface(floating, 0.02)) > 0.9, contact > 0.9)
    above = places + np.array([0.0, 0.0, 0.3])
    assert contact_probability(chain, above, floor_surface(above, 0.02)).max() < 1e-5, "who sits on a bed is not pulled"

    def bench(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return points[:, 2] - 0.38, np.tile([0.0, 0.0, 1.0], (len(points), 1))

    surfaces, touched = surfaces_near(places, bench, Sigmas())
    assert len(surfaces) == 2
    np.testing.assert_allclose(touched.levels[0], [0.0, 0.0, 0.38])
    np.testing.assert_allclose(contact_probability(chain, places, touched)[:, 2], np.exp(-0.04))
    assert len(contact_points().carrier) == len(set(map(tuple, contact_points().offsets)))


def test_others_are_where_they_are(glide: Callable[..., Any]) -> None:
    """Balls of another person in the frames that both share, NaN elsewhere."""
    made = glide(frames=6, persons=2)
    active = np.ones((2, 6), bool)
    active[1, :2] = False
    problem = dataclasses.replace(made.problem, active=active)
    first, second = make_chains(problem, made.problem.labels, Sigmas())
    joints = np.random.default_rng(0).standard_normal((4, 24, 3))
    centres, radii = other_spheres(first, [(second, joints)], 6)
    assert np.isnan(centres[:2]).all() and len(radii) == centres.shape[1]
    np.testing.assert_array_equal(centres[2:, 0], joints[:, 0])
    assert other_spheres(first, [], 6)[0].shape == (6, 0, 3)
