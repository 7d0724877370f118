"""The joint optimisation on people whose truth is known; resuming; standard deviations against dense algebra."""

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carescene.clips.clip import validate_clip
from carescene.errors import UserError
from carescene.humans.turns import log_turn
from carescene.rendering.camera import lens_folds
from reconstruction.camera_parameters import camera_of
from reconstruction.label_spread import label_scale
from reconstruction.optimiser import Optimiser
from reconstruction.posed import FREE_JOINTS, point_slopes, pose_body
from reconstruction.problem import State
from reconstruction.reduction import Elimination
from reconstruction.schedule import STAGES, SolverOptions
from reconstruction.sigmas import Sigmas
from reconstruction.solution import make_solution
from reconstruction.solver import Progress, load_run, solve
from reconstruction.window import BETAS

QUICK = SolverOptions(root_iterations=2, pose_iterations=4, contact_iterations=2)


def test_finds_what_explains_everything(glide: Callable[..., Any], shaken: Callable[..., State]) -> None:
    """A glide in one pose costs nothing at all: the solver must come back to it exactly, from all unknowns at once."""
    made = glide(frames=7)
    options = SolverOptions(root_iterations=3, pose_iterations=20, contact_iterations=0, tolerance=0.0)
    solution = solve(made.problem, shaken(made.truth, 0.1), options)
    np.testing.assert_allclose(solution.state.trans, made.truth.trans, atol=1e-4)
    np.testing.assert_allclose(solution.state.betas, made.truth.betas, atol=1e-3)
    np.testing.assert_allclose(solution.state.camera, made.truth.camera, atol=1e-4)
    turned = made.truth.rotations.swapaxes(-1, -2) @ solution.state.rotations
    assert np.abs(log_turn(turned)[:, :, FREE_JOINTS]).max() < 1e-3
    assert solution.energies[-1]["total"] < 1e-4
    totals = [entry["total"] for entry in solution.energies if entry["kernel"] == options.sigmas.kernel]
    assert all(later <= earlier for earlier, later in pairwise(totals))


def test_outliers_and_gaps(glide: Callable[..., Any]) -> None:
    """A tenth of the points far off and one frame without any: the path stays within centimetres."""
    made = glide(frames=14)
    rng = np.random.default_rng(1)
    points = made.problem.keypoints
    pixels, confidence = points.pixels + rng.standard_normal(points.pixels.shape), points.confidence.copy()
    wrong = rng.random(confidence.shape) < 0.1
    pixels[wrong] += 90.0
    confidence[:, 6] = 0.0
    pixels[confidence == 0] = np.nan
    keypoints = dataclasses.replace(points, pixels=pixels, confidence=confidence)
    problem = dataclasses.replace(made.problem, keypoints=keypoints, camera_free=(False,) * 5)
    solution = solve(problem)
    assert solution.valid.all()
    assert np.linalg.norm(solution.state.trans - made.truth.trans, axis=-1).max() < 0.1
    assert solution.inlier[wrong & (confidence > 0)].mean() < 0.05
    assert solution.inlier[~wrong & (confidence > 0)].mean() > 0.7
    assert np.isnan(solution.reprojection[:, 6]).all()


def test_step_is_that_of_the_dense_equations(
    glide: Callable[..., Any], shaken: Callable[..., State], dense: Callable[..., Any]
) -> None:
    """Two people, all shared unknowns: elimination person by person against one dense solve."""
    made = glide(frames=4, persons=2)
    optimiser = Optimiser(made.problem, shaken(made.truth, 0.05), SolverOptions(root_iterations=0))
    contexts, damping = optimiser.contexts(), 1e-2
    bodies = optimiser.take(optimiser.run.state)
    _, step = optimiser.solve_step(bodies, contexts, FREE_JOINTS, damping)
    assert step is not None
    unknown = optimiser.shared_unknowns()
    square, slope = optimiser.common_equations()
    width, size = len(unknown) + 20, 4 * 69
    matrix, right = np.zeros((2 * size + width, 2 * size + width)), np.zeros(2 * size + width)
    common = 2 * size + np.arange(len(unknown))
    matrix[common[:, None], common], right[common] = square[unknown[:, None], unknown], slope[unknown]
    for person in range(2):
        equations = dense(optimiser, optimiser.run.state, person, contexts[person])[1]
        own = np.arange(person * size, (person + 1) * size)
        shared = np.concatenate([common, 2 * size + len(unknown) + 10 * person + np.arange(10)])
        columns = np.concatenate([unknown, BETAS])
        matrix[own[:, None], own] = equations.matrix
        border = equations.border[:, columns]
        matrix[own[:, None], shared] = border
        matrix[shared[:, None], own] = border.T
        matrix[shared[:, None], shared] += equations.corner[columns[:, None], columns]
        right[own], right[shared] = equations.slope, right[shared] + equations.shared_slope[columns]
    frames = np.arange(2 * size)
    matrix[frames, frames] += damping * (matrix[frames, frames] + 1.0)
    # The shared unknowns are damped once the frames are eliminated.
    border, corner = matrix[:size * 2, 2 * size:], matrix[2 * size:, 2 * size:]  # fmt: skip
    carried = np.linalg.solve(matrix[: 2 * size, : 2 * size], np.column_stack([border, right[: 2 * size]]))
    reduced = corner - border.T @ carried[:, :-1]
    reduced[np.diag_indices(width)] *= 1 + damping
    shared_step = -np.linalg.solve(reduced, right[2 * size :] - border.T @ carried[:, -1])
    np.testing.assert_allclose(step.common[unknown], shared_step[: len(unknown)], rtol=1e-5, atol=1e-9)
    own_step = -carried[:, -1] - carried[:, :-1] @ shared_step
    np.testing.assert_allclose(np.concatenate(step.frames), own_step, rtol=1e-5, atol=1e-8)


def test_standard_deviations_are_those_of_the_dense_inverse(
    glide: Callable[..., Any], dense: Callable[..., Any]
) -> None:
    made = glide(frames=5)
    # Repeats concern only what frames share: without them the inverse is that of the whole matrix.
    options = SolverOptions(sigmas=Sigmas(repeats=1.0))
    optimiser = Optimiser(made.problem, made.truth, options)
    optimiser.run.stage = len(STAGES)
    solution = make_solution(optimiser)
    equations = dense(optimiser, optimiser.run.state, 0, optimiser.contexts()[0])[1]
    unknown = optimiser.shared_unknowns()
    columns = np.concatenate([unknown, BETAS])
    size = equations.slope.size
    square, _ = optimiser.common_equations()
    whole = np.zeros((size + len(columns), size + len(columns)))
    whole[:size, :size] = equations.matrix
    whole[:size, size:] = equations.border[:, columns]
    whole[size:, :size] = whole[:size, size:].T
    whole[size:, size:] = equations.corner[columns[:, None], columns]
    whole[size : size + len(unknown), size : size + len(unknown)] += square[unknown[:, None], unknown]
    covariance = np.linalg.inv(whole)
    posed = pose_body(optimiser.model, made.truth.rotations[0], made.truth.trans[0], made.truth.betas[0])
    slopes = point_slopes(posed, posed.joints, np.arange(24)).reshape(5, 72, -1)
    frame, width = 3, slopes.shape[-1]
    rows = np.zeros((72, len(whole)))
    rows[:, frame * width : (frame + 1) * width] = slopes[frame]
    rows[:, -10:] = posed.shapes[frame].reshape(72, 10)
    variances = np.einsum("ij,jk,ik->i", rows, covariance, rows).reshape(24, 3)
    np.testing.assert_allclose(solution.joint_std[0, frame], np.sqrt(variances), rtol=1e-4)
    own = np.sqrt(np.diag(covariance)[frame * width :][:3])
    np.testing.assert_allclose(solution.trans_std[0, frame], own, rtol=1e-4)
    turns = slice(frame * width + 3, (frame + 1) * width)
    # What the frames' own unknowns leave open is no wider than the label's 0.2 rad in any direction; the label's mean
    # is the truth, so that its covariance is the same in all axes.
    every = np.linalg.inv(whole[:size, :size]).reshape(5, width, 5, width)[:, 3:, :, 3:]
    alone = every[frame, :, frame]
    values, axes = np.linalg.eigh(alone)
    assert (values > 0.04).any()
    # No pose is off its label: only the labels' own statement keeps the variances from being smaller still.
    ratios = np.linalg.eigvalsh(np.einsum("fifj->fij", every)) / 0.04
    scale = label_scale(0.0, float((1 / (1 + ratios)).sum()) / 8, 66)
    expected = covariance[turns, turns] - alone + scale * (axes * np.minimum(values, 0.04)) @ axes.T
    # Turns are solved for about the world's axes and told about the joint's own.
    for number, joint in enumerate(FREE_JOINTS):
        at, world = slice(3 * number, 3 * number + 3), posed.world[frame, joint]
        own = np.diag(world.T @ expected[at, at] @ world)
        np.testing.assert_allclose(solution.turn_std[0, frame, joint], np.sqrt(own), rtol=1e-4)
        rms = np.sqrt(np.trace(expected[at, at]) / 3)
        np.testing.assert_allclose(solution.pose_std[0, frame, joint], rms, rtol=1e-4)
    camera = np.sqrt(np.diag(covariance)[size : size + 5])
    np.testing.assert_allclose(solution.camera_std, camera, rtol=1e-4)


@pytest.mark.parametrize("frames", [3, 49, 98])
def test_elimination_of_frames_alone(glide: Callable[..., Any], dense: Callable[..., Any], frames: int) -> None:
    """Without shared unknowns a reduced chain is nothing but its own step, however its chunks and blocks end."""
    made = glide(frames=frames)
    optimiser = Optimiser(made.problem, made.truth)
    context, bodies = optimiser.contexts()[0], optimiser.take(optimiser.run.state)
    equations = dense(optimiser, optimiser.run.state, 0, context)[1]
    elimination = Elimination(frames, 69, np.zeros(0, np.int64), 0.0)
    optimiser.chain(bodies, 0, context, FREE_JOINTS, elimination)
    reduced, slope = elimination.finish(), equations.slope
    np.testing.assert_allclose(equations.matrix @ reduced.alone, -slope, atol=1e-6 * np.abs(slope).max() + 1e-9)
    assert reduced.carried.shape == (len(slope), 0)


def test_a_killed_run_goes_on(glide: Callable[..., Any], shaken: Callable[..., State], tmp_path: Path) -> None:
    """Stopped after every iteration and started anew, the result is that of one run, digit by digit."""
    made = glide(frames=6, persons=2)
    start, path = shaken(made.truth, 0.1), tmp_path / "run.npz"
    whole = solve(made.problem, start, QUICK)

    def kill(progress: Progress) -> None:
        if progress.iteration % 3 == 0:
            raise InterruptedError

    for _ in range(20):
        try:
            pieces = solve(made.problem, start, QUICK, kill, resume=path)
            break
        except InterruptedError:
            continue
    else:
        pytest.fail("the run never came to its end")
    np.testing.assert_array_equal(pieces.state.rotations, whole.state.rotations)
    np.testing.assert_array_equal(pieces.state.camera, whole.state.camera)
    assert pieces.energies == whole.energies
    with pytest.raises(UserError, match="but got 2 and 6"):
        load_run(path, glide(frames=5).problem)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="cut off"):
        load_run(path, made.problem)


def test_progress_and_clip(glide: Callable[..., Any]) -> None:
    made = glide(frames=6, persons=2)
    seen: list[Progress] = []
    active = np.ones((2, 6), bool)
    active[1, 4:] = False
    solution = solve(dataclasses.replace(made.problem, active=active), options=QUICK, progress=seen.append)
    assert [each.iteration for each in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].share == 1.0
    assert all(earlier.share <= later.share for earlier, later in pairwise(seen))
    assert {each.stage for each in seen} == set(STAGES)
    last = seen[-1].energies
    assert last["total"] == pytest.approx(sum(last.get(name, 0.0) for name in ENERGIES))
    clip = validate_clip(solution.clip("seen", made.problem.keypoints))
    assert clip.fps == pytest.approx(20.0)
    assert clip.valid.tolist() == active.tolist()
    assert clip.pose_std is not None and (clip.pose_std[0] > 0).all()
    assert np.isnan(solution.joint_std[1, 4:]).all() and np.isfinite(solution.joint_std[1, :4]).all()


ENERGIES = (
    "keypoints", "labels", "depth", "acceleration", "turning", "limits", "slip", "touch", "penetration", "people",
    "shape", "camera", "affinity", "offsets",
)  # fmt: skip


def test_no_step_folds_the_lens(glide: Callable[..., Any]) -> None:
    """However much key points pull the corners in, the picture stays one that every direction has a place in."""
    made = glide(frames=6)
    points = made.problem.keypoints
    flat = (points.pixels - made.camera.principal) / 900
    bent = flat * (1 - 0.8 * (flat**2).sum(-1, keepdims=True))
    pulled = dataclasses.replace(points, pixels=made.camera.principal + 900 * bent)
    camera = camera_of(np.array([np.log(900.0), 0.3, 0.02, np.log(2.4), -0.2]), made.camera)
    spread = np.diag([1e-4, 1e-4, 1e-4, 1e-4, 5.0]) ** 2
    problem = dataclasses.replace(made.problem, keypoints=pulled, camera=camera, camera_covariance=spread)
    assert not lens_folds(camera)
    optimiser = Optimiser(problem, None, SolverOptions(root_iterations=0, pose_iterations=6, contact_iterations=0))
    before = optimiser.run.state.camera[4]
    while not optimiser.done:
        optimiser.step()
        assert not lens_folds(camera_of(optimiser.run.state.camera, camera))
    assert optimiser.run.state.camera[4] != before
