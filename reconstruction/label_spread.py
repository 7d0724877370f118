"""What a frame's own label says at least about its turns, for the standard deviations that are stated."""

import numpy as np
from jaxtyping import Bool, Float

from carescene.humans.turns import log_slope, log_turn
from reconstruction.chains import Chain
from reconstruction.kernels import student
from reconstruction.posed import FREE_JOINTS, Posed


def label_information(
    chain: Chain, part: slice, posed: Posed, camera: Float[np.ndarray, "3 3"], freedom: float | int
) -> tuple[Bool[np.ndarray, "frame"], Float[np.ndarray, "labelled turn turn"]]:
    """Which frames have a label of their own, and what it alone says about turns in the world's axes.

    Args:
        part: frames of the chain.
        posed: the body in them.
        camera: rotation from the world to the camera.
        freedom: degrees of freedom of the labels' Student t distribution: a label that does not fit says less.

    Returns:
        Inverse covariances of the free joints' turns ω, rad^-2, of the frames that have a label.
    """
    information = chain.label_information[part]
    # Between labels nothing is said about where the body faces.
    labelled = information[:, 0, 0] > 0
    free, information = list(FREE_JOINTS), information[labelled].astype(np.float64)
    rotations = posed.rotations[labelled][:, free]
    rotations[:, 0] = camera @ rotations[:, 0]
    turns = log_turn(chain.label_means[part][labelled][:, free].swapaxes(-1, -2) @ rotations)
    flat = turns.reshape(len(turns), -1, 1)
    _, weight = student((flat.swapaxes(1, 2) @ information @ flat)[:, 0, 0], freedom)
    slopes = log_slope(turns) @ posed.world[labelled][:, free].swapaxes(-1, -2)
    size = (len(turns), len(free), 3, -1)
    for _ in range(2):
        # From the left, then, turned over, from the right.
        information = (slopes.swapaxes(-1, -2) @ information.reshape(size)).reshape(information.shape).swapaxes(1, 2)
    return labelled, weight[:, None, None] * information


def limited_by_labels(
    covariance: Float[np.ndarray, "frame turn turn"], information: Float[np.ndarray, "frame turn turn"]
) -> Float[np.ndarray, "frame turn turn"]:
    """Covariances no direction of which is known worse than `information` alone says.

    Labels that are near in time share their errors, so that each counts for a part only (`Sigmas.label_memory`), and
    together as one. What holds frames together is weak on purpose, so that a frame on its own sees hardly more than its
    own label's part, and its variance comes out at twice what the label states. But no estimate that has used a label
    is worse than the label. Where the label's covariance is the unit ball, variances are cut off at 1.

    Raises:
        LinAlgError: if a matrix of `information` is not positive definite.
    """
    root = np.linalg.cholesky(information)
    values, axes = np.linalg.eigh(root.swapaxes(1, 2) @ covariance @ root)
    back = np.linalg.solve(root.swapaxes(1, 2), axes)
    return (back * np.minimum(values, 1.0)[:, None]) @ back.swapaxes(1, 2)
