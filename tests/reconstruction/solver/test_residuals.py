"""Every term of the energy: gradients against differences, and the whole against a dense step."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from carescene.humans.skeleton import JOINT
from carescene.humans.turns import exp_turn, log_turn
from reconstruction import energy
from reconstruction.calibration_priors import CameraPriors, GivenCamera, KnownDistance
from reconstruction.floor_reading import FloorReading
from reconstruction.kernels import geman_mcclure, soft_length, student
from reconstruction.optimiser import Optimiser, Step
from reconstruction.posed import FREE_JOINTS
from reconstruction.problem import DepthTerm, State
from reconstruction.residuals_pose import JOINT_RANGES, beyond_limits
from reconstruction.residuals_prior import common_energy, shape_energy
from reconstruction.sigmas import Sigmas
from reconstruction.window import NUM_COMMON, NUM_SHARED

STEP = 1e-5
# Uneven steps, and one break.
TIMES = np.array([0.0, 0.05, 0.1, 0.16, 0.2, 0.25, 1.7, 1.75, 1.8])
NUMBERS = np.array([0, 1, 2, 3, 4, 5, 34, 35, 36])


def around(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance from a ball on the floor."""
    away = points - np.array([0.0, 4.5, 0.5])
    length = np.linalg.norm(away, axis=-1)
    return length - 0.6, away / length[:, None]


@pytest.fixture(scope="module")
def busy(glide: Callable[..., Any], shaken: Callable[..., State]) -> tuple[Optimiser, list[Any]]:
    """Two people in each other and in furniture, badly posed, with depth readings and a break: every term has a say."""
    made = glide(frames=len(TIMES), persons=2)
    keypoints = dataclasses.replace(made.problem.keypoints, times=TIMES, frames=NUMBERS)
    rng = np.random.default_rng(0)
    root = 0.3 * rng.standard_normal((2, len(TIMES), 72, 72))
    labels = dataclasses.replace(made.problem.labels, covariance=root @ root.swapaxes(-1, -2) + 0.05 * np.eye(72))
    where = np.array([0, 0, 1]), np.array([1, 2, 3]), np.array([5, 6, 5])
    values, affinity = np.array([0.3, 0.4, 0.5]), np.array([0.9, 0.1])
    depth = DepthTerm("disparity", *where, values, np.full(3, 0.1), affinity, 0.01 * np.eye(2))
    problem = dataclasses.replace(
        made.problem, keypoints=keypoints, labels=labels, depth=depth, surroundings=around,
        active=np.ones((2, len(TIMES)), bool), upright=np.ones((2, len(TIMES)), bool),
    )  # fmt: skip
    state = shaken(made.truth, 0.3)
    trans = state.trans.copy()
    trans[1] = trans[0] + 0.05
    trans[..., 2] -= 0.6
    optimiser = Optimiser(problem, dataclasses.replace(state, trans=trans))
    optimiser.run.stage = 2
    return optimiser, optimiser.contexts()


@pytest.mark.parametrize("chunk", [48, 4])
@pytest.mark.parametrize("name", list(energy.TERMS))
def test_gradient(
    busy: tuple[Optimiser, list[Any]],
    dense: Callable[..., Any],
    name: str,
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when the chain is looked at in pieces: terms reach two frames beyond each."""
    optimiser, contexts = busy
    monkeypatch.setattr(energy, "TERMS", {name: energy.TERMS[name]})
    monkeypatch.setattr(energy, "CHUNK", chunk)
    bodies = optimiser.take(optimiser.run.state)
    energies, equations = dense(optimiser, optimiser.run.state, 0, contexts[0])
    assert energies[name] > 0, "the case must ask something of the term"
    rng = np.random.default_rng(1)
    own, shared = rng.standard_normal(equations.slope.shape), rng.standard_normal(NUM_SHARED)

    def cost(size: float) -> float:
        step = Step(
            [size * own, np.zeros(own.size)],
            size * shared[:NUM_COMMON],
            np.stack([size * shared[NUM_COMMON:], np.zeros(10)]),
        )
        moved = optimiser.moved(bodies, step, 1.0, FREE_JOINTS)
        return sum(optimiser.chain(moved, 0, contexts[0], FREE_JOINTS).values())

    expected = (equations.slope * own).sum() + equations.shared_slope @ shared
    assert (cost(STEP) - cost(-STEP)) / (2 * STEP) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_curvature_is_that_of_the_rows(glide: Callable[..., Any], dense: Callable[..., Any]) -> None:
    """Near a perfect fit the energy is a square: its second difference is the normal matrix, border and corner too."""
    made = glide(frames=5)
    optimiser = Optimiser(made.problem, made.truth)
    optimiser.run.stage = 2
    contexts = optimiser.contexts()
    bodies = optimiser.take(made.truth)
    _, equations = dense(optimiser, made.truth, 0, contexts[0])
    rng = np.random.default_rng(2)
    own, shared = rng.standard_normal(equations.slope.size), 0.1 * rng.standard_normal(NUM_SHARED)
    shared[NUM_COMMON:] *= 10

    def cost(size: float) -> float:
        step = Step([size * own], size * shared[:NUM_COMMON], size * shared[None, NUM_COMMON:])
        moved = optimiser.moved(bodies, step, 1.0, FREE_JOINTS)
        return sum(optimiser.chain(moved, 0, contexts[0], FREE_JOINTS).values())

    size = 1e-4
    second = (cost(size) - 2 * cost(0.0) + cost(-size)) / size**2
    border = equations.border
    expected = own @ equations.matrix @ own + 2 * own @ border @ shared + shared @ equations.corner @ shared
    assert second == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize("shape", [geman_mcclure, soft_length, student])
def test_kernels(shape: Callable[..., Any]) -> None:
    """The weight is the slope of the cost in the squared distance, and 1 at 0."""

    def kernel(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return shape(squares, 3.0)

    squares = np.linspace(0.0, 60.0, 50)
    ahead, back = kernel(squares + STEP)[0], kernel(np.maximum(squares - STEP, 0.0))[0]
    np.testing.assert_allclose(((ahead - back) / (2 * STEP))[1:], kernel(squares)[1][1:], rtol=1e-4)
    assert kernel(np.zeros(1))[1] == pytest.approx(1.0)


def test_priors(glide: Callable[..., Any], shaken: Callable[..., State]) -> None:
    """Gradients of what is known of shapes, camera and offsets; the truth of the made person costs nothing."""
    made, sigmas = glide(frames=3), Sigmas()
    state, rng = shaken(made.truth, 0.3), np.random.default_rng(4)
    stature = float(made.problem.stature[0])
    assert shape_energy(np.zeros(10), stature, 0.08, sigmas)[0] == pytest.approx(0.0, abs=1e-12)
    _, _, slope = shape_energy(state.betas[0], stature, 0.08, sigmas)
    way = rng.standard_normal(10)
    ahead, back = (shape_energy(state.betas[0] + sign * STEP * way, stature, 0.08, sigmas)[0] for sign in (1, -1))
    assert (ahead - back) / (2 * STEP) == pytest.approx(slope @ way, rel=1e-6)
    known = GivenCamera(distance=KnownDistance(np.array([[200.0, 500.0], [900.0, 600.0]]), 3.0), height=2.2)
    floor = FloorReading(np.array([0.0, 5e-4, 0.1]), np.diag([1e-9, 1e-9, 1e-4]), True, 0.05, 0.4)
    problem = dataclasses.replace(made.problem, known=known, floor=floor, usual=CameraPriors().modes[0])
    assert common_energy(problem, state, sigmas)[0]["camera"] > common_energy(made.problem, state, sigmas)[0]["camera"]
    _, _, slope = common_energy(problem, state, sigmas)
    change = np.zeros(NUM_COMMON)
    change[2:7] = rng.standard_normal(5)

    def cost(size: float) -> float:
        moved = dataclasses.replace(state, camera=state.camera + size * change[2:7])
        return sum(common_energy(problem, moved, sigmas)[0].values())

    ahead, back = cost(STEP), cost(-STEP)
    assert (ahead - back) / (2 * STEP) == pytest.approx(slope @ change, rel=1e-6)
    # What was measured is no square of the five: its curvature is that of Gauss and Newton.
    energies, square, slope = common_energy(made.problem, state, sigmas)
    problem = made.problem
    ahead, back = cost(STEP), cost(-STEP)
    assert (ahead + back - 2 * sum(energies.values())) / STEP**2 == pytest.approx(change @ square @ change, rel=1e-2)


def test_limits_know_no_half_turn() -> None:
    """An arm that is raised past half a turn from its neutral pose costs hardly more than one just before it."""
    shoulder = JOINT["left_shoulder"]
    axis = np.array([0.0, -1.0, 0.2]) / np.linalg.norm([0.0, -1.0, 0.2])
    matrices = exp_turn(np.linspace(2.6, 3.6, 41)[:, None, None] * axis)
    vectors, over = beyond_limits(log_turn(matrices), [shoulder])
    np.testing.assert_allclose(exp_turn(vectors), matrices, atol=1e-9)
    costs = (over**2).sum((1, 2))
    assert costs.max() > 0.1, "the case must be beyond the range"
    assert np.abs(np.diff(costs)).max() < 0.1, "no step of 1.4 degrees may jump"
    low, high = JOINT_RANGES[shoulder]
    inside = np.random.default_rng(0).uniform(low, high, (200, 1, 3))
    inside = inside[np.linalg.norm(inside, axis=-1)[:, 0] < np.pi][:, None, 0]
    np.testing.assert_array_equal(beyond_limits(inside, [shoulder])[1], 0.0)


def test_ranges_are_mirrored() -> None:
    """Both collars allow the same."""
    left, right = JOINT_RANGES[JOINT["left_collar"]], JOINT_RANGES[JOINT["right_collar"]]
    np.testing.assert_allclose(right[:, 0], left[:, 0])
    np.testing.assert_allclose(right[:, 1:], -left[::-1, 1:])
    assert (left[0] < left[1]).all()
