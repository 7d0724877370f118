"""Problems: what fits together, who is active when, and files of problems and states."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.scenes import generate_scene
from carescene.scenes.geometry import SceneGeometry
from reconstruction.calibration_priors import CameraPriors, GivenCamera, KnownDistance
from reconstruction.floor_reading import FloorReading
from reconstruction.problem import DepthTerm, load_state, scene_surroundings
from reconstruction.problem_files import load_problem, save_problem


def test_bad_input(glide: Callable[..., Any]) -> None:
    problem = glide(frames=4).problem
    with pytest.raises(UserError, match="Expected stature to have the shape"):
        dataclasses.replace(problem, stature=np.ones(2), stature_sigma=np.ones(2))
    with pytest.raises(UserError, match="same key points"):
        dataclasses.replace(problem, labels=glide(frames=5).problem.labels)
    points = problem.keypoints
    nobody = dataclasses.replace(points, confidence=np.zeros_like(points.confidence))
    with pytest.raises(UserError, match="at least one person"):
        dataclasses.replace(problem, keypoints=nobody)
    with pytest.raises(UserError, match="increasing times"):
        dataclasses.replace(problem, keypoints=dataclasses.replace(points, times=points.times[::-1].copy()))


def test_active_frames(glide: Callable[..., Any]) -> None:
    """Half a second without any point is bridged, two seconds are not; two points alone are nobody."""
    problem = glide(frames=100).problem
    confidence = problem.keypoints.confidence.copy()
    confidence[0, 5:15] = 0.0
    confidence[0, 30:70] = 0.0
    confidence[0, 90:, 2:] = 0.0
    active = dataclasses.replace(
        problem, keypoints=dataclasses.replace(problem.keypoints, confidence=confidence)
    ).active_frames()
    expected = np.ones(100, bool)
    expected[30:70] = expected[90:] = False
    np.testing.assert_array_equal(active[0], expected)


def test_files(glide: Callable[..., Any], tmp_path: Path) -> None:
    made = glide(frames=4, persons=2)
    one = np.array([0])
    depth = DepthTerm("metres", one, one, one, np.ones(1), np.ones(1), np.array([1.0, 0.0]), np.eye(2))
    floor = FloorReading(np.array([0.0, 5e-4, 0.1]), np.eye(3), True, 0.05, 0.4, measured=True)
    known = GivenCamera(distance=KnownDistance(np.array([[200.0, 500.0], [900.0, 600.0]]), 3), height=2.2)
    problem = dataclasses.replace(
        made.problem, depth=depth, camera_free=(True, True, False, True, True), camera_covariance=None,
        usual=CameraPriors().modes[1], known=known, floor=floor, upright=np.ones((2, 4), bool),
    )  # fmt: skip
    save_problem(problem, tmp_path / "seen.npz")
    again = load_problem(tmp_path / "seen.npz")
    np.testing.assert_array_equal(again.keypoints.pixels, problem.keypoints.pixels)
    np.testing.assert_allclose(again.labels.covariance, problem.labels.covariance, rtol=1e-6)
    assert again.depth.kind == "metres" and again.camera_free == problem.camera_free
    assert again.keypoints.names == problem.keypoints.names
    np.testing.assert_allclose(again.camera.matrix, problem.camera.matrix)
    assert again.camera_covariance is None and again.active is None and again.usual == problem.usual
    np.testing.assert_array_equal(again.upright, problem.upright)
    for evidence, before in zip(again.camera_evidence(), problem.camera_evidence(), strict=True):
        np.testing.assert_allclose(evidence(made.camera, np.zeros(0)), before(made.camera, np.zeros(0)))
    made.truth.save(tmp_path / "state.npz", extra=np.arange(3))
    state, further = load_state(tmp_path / "state.npz")
    np.testing.assert_array_equal(state.rotations, made.truth.rotations)
    np.testing.assert_array_equal(further["extra"], np.arange(3))
    with pytest.raises(UserError, match="observations of a video"):
        load_problem(tmp_path / "state.npz")
    with pytest.raises(UserError, match="observations of a video"):
        load_problem(tmp_path / "missing.npz")
    with pytest.raises(UserError, match="state of a reconstruction"):
        load_state(tmp_path / "seen.npz")


def test_surroundings_leave_the_floor_out() -> None:
    """Distance to furniture and walls with its gradient: a step along the gradient changes the distance by as much."""
    scene = generate_scene("ward_single", 0)
    nearest = scene_surroundings(scene)
    rng = np.random.default_rng(0)
    points = rng.uniform([-2, -2, 0.02], [2, 2, 1.0], (200, 3))
    distance, gradient = nearest(points)
    whole = SceneGeometry.of([scene])
    with_floor = whole.signed_distance(torch.from_numpy(points.astype(np.float32))[None])[0].numpy()
    np.testing.assert_allclose(np.minimum(distance, points[:, 2]), with_floor, atol=1e-5)
    step = 1e-3 * rng.standard_normal(points.shape)
    moved = nearest(points + step)[0] - nearest(points - step)[0]
    close = np.abs(moved - 2 * (gradient * step).sum(-1)) < 2e-4
    assert close.mean() > 0.9, "all but the few at an edge between two surfaces"
