"""Where the joint optimisation starts: labelled poses, or neutral ones, set in front of the camera."""

import dataclasses
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.humans.skeleton import NUM_JOINTS
from reconstruction.camera_parameters import parameters_of
from reconstruction.chains import betas_of_stature, landmark_points
from reconstruction.landmarks import LandmarkModel, free_landmarks
from reconstruction.neutral import between_poses, neutral_poses
from reconstruction.observations import PoseLabels
from reconstruction.placing import fit_positions
from reconstruction.posed import place_points, pose_body
from reconstruction.problem import Problem, State

# How far a pose may be from a neutral one, radians: broad enough for anything that people do.
_BROAD: Final = 0.5
_ROOT_BROAD: Final = 0.8


def complete_labels(problem: Problem, model: LandmarkModel | None = None) -> PoseLabels:
    """Labels with a mean in every frame: the problem's own, turned evenly across frames without one.

    People without any label get neutral poses, which then count as broad labels of the source "neutral".
    """
    model = model or free_landmarks()
    active, labels = problem.active_frames(), problem.labels
    persons, frames = problem.persons, problem.frames
    rotations = np.tile(np.eye(3), (persons, frames, NUM_JOINTS, 1, 1))
    valid = np.zeros((persons, frames), bool) if labels is None else labels.valid & active
    unlabelled = [person for person in range(persons) if not valid[person].any() and active[person].any()]
    for person in range(persons):
        if labels is not None and valid[person].any():
            known = np.flatnonzero(valid[person])
            rotations[person] = between_poses(labels.rotations[person, known].astype(np.float64), known, frames)
        elif person in unlabelled:
            betas = betas_of_stature(float(problem.stature[person]))
            rotations[person] = neutral_poses(problem, person, active[person], betas, model)
            rotations[person, :, 0] = problem.camera.rotation @ rotations[person, :, 0]
    if labels is not None and not unlabelled:
        return dataclasses.replace(labels, rotations=rotations, valid=valid)
    broad = np.full(3 * NUM_JOINTS, _BROAD**2)
    broad[:3] = _ROOT_BROAD**2
    size = (persons, frames, len(broad), len(broad))
    # One matrix, seen from everywhere.
    covariance = np.broadcast_to(np.diag(broad), size)
    if labels is not None:
        covariance = covariance.copy()
        covariance[valid] = labels.covariance[valid]
    valid = valid.copy()
    valid[unlabelled] = active[unlabelled]
    return PoseLabels(rotations, covariance, valid, "neutral" if labels is None else labels.source)


def initial_state(problem: Problem, labels: PoseLabels | None = None, model: LandmarkModel | None = None) -> State:
    """People in their labelled poses, each frame set where its key points say, with the prior's camera and statures.

    Args:
        labels: `complete_labels(problem)`, if it has been made already.
        model: the body's landmarks, if not those of the bundled body.
    """
    model = model or free_landmarks()
    rotations = (labels or complete_labels(problem, model)).rotations.astype(np.float64)
    # Labels give the pelvis relative to the camera.
    rotations[:, :, 0] = problem.camera.rotation.T @ rotations[:, :, 0]
    active = problem.active_frames()
    trans = np.zeros((problem.persons, problem.frames, 3))
    betas = np.stack([betas_of_stature(float(height)) for height in problem.stature])
    points, keypoints = landmark_points(model), problem.keypoints
    for person in np.flatnonzero(active.any(axis=1)):
        seen = keypoints.seen[person]
        posed = pose_body(model, rotations[person], trans[person], betas[person], shapes=False)
        place, _, sure = fit_positions(
            problem.camera,
            place_points(posed, points.carrier, points.of(betas[person])),
            np.where(seen[..., None], keypoints.pixels[person], 0.0).astype(np.float64),
            np.where(seen, 1 / np.where(seen, keypoints.sigma[person], 1.0), 0.0),
        )
        trans[person] = _between_places(place, np.flatnonzero(sure & active[person]))
    affinity = np.array([1.0, 0.0]) if problem.depth is None else problem.depth.affinity.astype(np.float64)
    return State(rotations, trans, betas, parameters_of(problem.camera), affinity, np.zeros((len(model.carrier), 3)))


def _between_places(place: Float[np.ndarray, "frame 3"], known: np.ndarray) -> Float[np.ndarray, "frame 3"]:
    frames = np.arange(len(place))
    return np.stack([np.interp(frames, known, place[known, axis]) for axis in range(3)], axis=-1)
