"""What labels say about the standard deviations of turns: a frame's own at least, and how well all of them fit."""

import numpy as np
from jaxtyping import Bool, Float

from carescene.humans.turns import log_slope, log_turn
from reconstruction.chains import Chain
from reconstruction.posed import FREE_JOINTS, Posed


def label_information(
    chain: Chain, part: slice, posed: Posed, camera: Float[np.ndarray, "3 3"], freedom: float | int
) -> tuple[Bool[np.ndarray, "frame"], Float[np.ndarray, "labelled turn turn"], Float[np.ndarray, "labelled"]]:
    """Which frames have a label of their own, and what it alone says about turns in the world's axes.

    Args:
        part: frames of the chain.
        posed: the body in them.
        camera: rotation from the world to the camera.
        freedom: degrees of freedom of the labels' Student t distribution. A label that is further off than usual says
            less: (ν + d) / (ν + s), at most 1, for d turns and a squared distance s.

    Returns:
        The frames; of each the inverse covariance of the free joints' turns ω, rad^-2, and the squared distance of the
        pose from the label in terms of that, expected to be d less what the pose owes to the label.
    """
    information = chain.label_information[part]
    # Between labels nothing is said about where the body faces.
    labelled = information[:, 0, 0] > 0
    free, information = list(FREE_JOINTS), information[labelled].astype(np.float64)
    rotations = posed.rotations[labelled][:, free]
    rotations[:, 0] = camera @ rotations[:, 0]
    turns = log_turn(chain.label_means[part][labelled][:, free].swapaxes(-1, -2) @ rotations)
    flat = turns.reshape(len(turns), -1, 1)
    squares = (flat.swapaxes(1, 2) @ information @ flat)[:, 0, 0]
    weight = np.minimum((freedom + flat.shape[1]) / (freedom + squares), 1.0)
    slopes = log_slope(turns) @ posed.world[labelled][:, free].swapaxes(-1, -2)
    size = (len(turns), len(free), 3, -1)
    for _ in range(2):
        # From the left, then, turned over, from the right.
        information = (slopes.swapaxes(-1, -2) @ information.reshape(size)).reshape(information.shape).swapaxes(1, 2)
    return labelled, weight[:, None, None] * information, weight * squares


def limited_by_labels(
    covariance: Float[np.ndarray, "frame turn turn"], information: Float[np.ndarray, "frame turn turn"]
) -> tuple[Float[np.ndarray, "frame turn turn"], Float[np.ndarray, "frame"]]:
    """Covariances no direction of which is known worse than `information` alone says.

    Labels that are near in time share their errors, so that each counts for a part only (`Sigmas.label_memory`), and
    together as one. What holds frames together is weak on purpose, so that a frame on its own sees hardly more than its
    own label's part, and its variance comes out at twice what the label states. But no estimate that has used a label
    is worse than the label. Where the label's covariance is the unit ball, variances a are cut off at 1.

    Returns:
        The covariances, and how many of a label's numbers the pose takes up: the sum of a / (1 + a), which is what is
        left of a variance of 1 once something else is known with a variance of a.

    Raises:
        LinAlgError: if a matrix of `information` is not positive definite.
    """
    root = np.linalg.cholesky(information)
    values, axes = np.linalg.eigh(root.swapaxes(1, 2) @ covariance @ root)
    back = np.linalg.solve(root.swapaxes(1, 2), axes)
    limited = (back * np.minimum(values, 1.0)[:, None]) @ back.swapaxes(1, 2)
    return limited, (values / (1 + values)).sum(-1)


def label_scale(squares: float, left: float, counts: int) -> float:
    """Factor on stated variances of turns, from how well the labels of a video fit: their reduced chi-square.

    The labels' own statement counts as one label more, so that a few frames change little and perfect labels do not
    make anybody certain (a scaled inverse chi-square prior,
    Gelman et al. 2013, section 2.6).

    Args:
        squares: sum of squared distances from the labels, each in its own covariance.
        left: sum of the numbers of each label that the pose does not take up.
        counts: numbers of one label.
    """
    return (squares + counts) / (left + counts)
