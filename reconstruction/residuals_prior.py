"""Terms of the unknowns that all frames share: shape, stature, camera, scale of depth, the detector's offsets."""

import numpy as np
from jaxtyping import Float

from carescene.humans.body import NUM_BETAS
from reconstruction.calibration_fit import evidence_slope
from reconstruction.camera_parameters import camera_of, parameters_of
from reconstruction.chains import stature_model
from reconstruction.problem import Problem, State
from reconstruction.sigmas import Sigmas
from reconstruction.window import AFFINITY, CAMERA, NUM_COMMON, NUM_OFFSETS, OFFSET_BASIS, OFFSETS


def shape_energy(
    betas: Float[np.ndarray, "10"], stature: float, stature_sigma: float, sigmas: Sigmas
) -> tuple[float, Float[np.ndarray, "10 10"], Float[np.ndarray, "10"]]:
    """Half the squares of betas and of the height's distance from its prior, over sigma; curvature and gradient.

    Like all priors of shared unknowns, times `Sigmas.repeats`.
    """
    model = stature_model()
    off, slope = (model.of(betas) - stature) / stature_sigma, model.slope(betas) / stature_sigma
    square = sigmas.repeats * (np.eye(NUM_BETAS) / sigmas.shape**2 + np.outer(slope, slope))
    return (
        sigmas.repeats * float((betas**2).sum() / sigmas.shape**2 + off**2) / 2,
        square,
        sigmas.repeats * (betas / sigmas.shape**2 + off * slope),
    )


def common_energy(
    problem: Problem, state: State, sigmas: Sigmas
) -> tuple[dict[str, float], Float[np.ndarray, "unknown unknown"], Float[np.ndarray, "unknown"]]:
    """Priors of camera, affinity and offsets: energies by name, curvature and gradient over the common unknowns.

    What is usual and what was measured of the camera is taken where it is now, since a focal length may be a third off
    at first. Like all priors of shared unknowns, all count `Sigmas.repeats` times.
    """
    square, slope = np.zeros((NUM_COMMON, NUM_COMMON)), np.zeros(NUM_COMMON)
    energies = {}

    def add(name: str, at: np.ndarray, off: np.ndarray, covariance: np.ndarray) -> None:
        information = sigmas.repeats * np.linalg.inv(covariance)
        square[at[:, None], at] += information
        slope[at] += information @ off
        energies[name] = float(off @ information @ off) / 2

    if problem.camera_covariance is not None:
        add("camera", CAMERA, state.camera - parameters_of(problem.camera), problem.camera_covariance)
    if evidence := problem.camera_evidence():
        off, change = evidence_slope(evidence, camera_of(state.camera, problem.camera))
        square[CAMERA[:, None], CAMERA] += sigmas.repeats * change.T @ change
        slope[CAMERA] += sigmas.repeats * change.T @ off
        energies["camera"] = energies.get("camera", 0.0) + sigmas.repeats * float(off @ off) / 2
    if problem.depth is not None:
        add("affinity", AFFINITY, state.affinity - problem.depth.affinity, problem.depth.affinity_covariance)
    # Mirrored pairs share their three numbers, so the basis has orthogonal columns of length √2.
    unknown = OFFSET_BASIS.reshape(-1, NUM_OFFSETS).T @ state.offsets.reshape(-1) / 2
    add("offsets", OFFSETS, unknown, sigmas.offset**2 * np.eye(NUM_OFFSETS))
    return energies, square, slope
