"""Least squares behind the camera's calibration: upright people as rods of nearly known length on one floor.

Unknown are the camera (five numbers), how high each person's levels are (`reconstruction.upright`) and where on the
floor each observed person stands. The places are eliminated by the Schur complement; everything else that is known
enters as `Evidence`: residuals of the camera and of the people's heights.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.rendering.camera import Camera
from carescene.rendering.lens import distort, undistort
from reconstruction.camera_parameters import angles_of, camera_of, parameters_of, rotation_of
from reconstruction.upright import (
    BENT_COVARIANCE,
    BENT_LEAN_COVARIANCE,
    BENT_LOWER,
    HALF_WIDTH,
    LEAN_COVARIANCE,
    LEVEL_COVARIANCE,
    LEVEL_HEIGHT,
    STATURE,
    STATURE_GAIN,
    STEP_COVARIANCE,
    LevelObservations,
    posterior_stature,
)

# Residuals, each of standard deviation 1, from the camera and everybody's stature `(person,)` in metres.
Evidence = Callable[[Camera, np.ndarray], np.ndarray]

_LEVELS: Final = len(LEVEL_HEIGHT)
_NEAREST: Final = 0.1
_STAGES: Final = 5
_STEPS: Final = 4
_CLOSE: Final = 0.02
_MISSING: Final = 1e12
_WHITENER: Final = np.linalg.inv(np.linalg.cholesky(LEVEL_COVARIANCE))
# What is no person at all puts its levels anywhere: standard deviation in units of its size.
_ANYTHING: Final = 0.3
# Of upright people, of people who bend, sit, lie or fall, and of anything else.
_SHARES: Final = np.array([0.6, 0.3, 0.1])


@dataclass(frozen=True)
class Fit:
    """A fitted camera.

    Attributes:
        camera: in the world of a reconstruction.
        heights: of each person's levels, metres, `(person, level)`.
        information: inverse covariance of (log f, pitch, roll, log h, k1, then all heights).
        cost: minus twice the log of the posterior; smaller is better.
        trust: probability of each observation to be of an upright person.
    """

    camera: Camera
    heights: Float[np.ndarray, "person level"]
    information: Float[np.ndarray, "unknown unknown"]
    cost: float
    trust: Float[np.ndarray, "observation"]


def project(camera: Camera, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
    """World points to pixels; what is nearer than 10 cm, or behind, is moved to 10 cm in front of the eye."""
    seen = (points - camera.eye) @ camera.rotation.T
    flat = seen[..., :2] / np.maximum(seen[..., 2:], _NEAREST)
    return camera.scale * distort(flat, camera.distortion) + camera.principal


def move_camera(camera: Camera, step: Float[np.ndarray, "5"]) -> Camera:
    """A camera with changed log focal length, tilt (about its own two axes across the vertical), log height and k1.

    Tilting about axes at right angles to the vertical leaves the compass direction alone and, unlike pitch and roll,
    has no special place straight above the floor.
    """
    turn = tilt_axes(camera.rotation) @ step[1:3]
    angle = float(np.linalg.norm(turn))
    x, y, z = turn
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    # Rodrigues' formula, with the limits of its factors at 0.
    first, second = (np.sin(angle) / angle, (1 - np.cos(angle)) / angle**2) if angle > 1e-8 else (1.0, 0.5)
    return dataclasses.replace(
        camera,
        focal=float(camera.focal * np.exp(step[0])),
        rotation=(np.eye(3) + first * cross + second * cross @ cross) @ camera.rotation,
        eye=camera.eye * np.array([1.0, 1.0, np.exp(step[3])]),
        distortion=(camera.distortion[0] + float(step[4]), *camera.distortion[1:]),
    )


def tilt_axes(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 2"]:
    """Two unit axes in the camera's frame, at right angles to the vertical and to each other."""
    up = rotation[:, 2]
    x, y, z = up
    # Across the vertical and the view axis; across the picture's y axis where those two are nearly the same.
    first = np.array([y, -x, 0.0]) if abs(z) < 0.9 else np.array([-z, 0.0, x])
    a, b, c = first / np.linalg.norm(first)
    return np.array([[a, y * c - z * b], [b, z * a - x * c], [c, x * b - y * a]])


def fit_camera(
    observations: LevelObservations,
    starts: Sequence[Camera],
    evidence: Sequence[Evidence],
    num_persons: int,
) -> list[Fit]:
    """Fit the camera from each start, by expectation-maximisation with Levenberg-Marquardt steps.

    Args:
        observations: of people who are upright, or not: those that fit to no upright person lose their weight.
        starts: cameras from which to start, such as `search` finds.
        evidence: what else is known.
        num_persons: of the video.
    """
    return [_fit(observations, start, evidence, num_persons) for start in starts]


def search(observations: LevelObservations, cameras: Sequence[Camera], most: int = 40) -> Float[np.ndarray, "camera"]:
    """Minus twice the log likelihood of each camera for people of average build, at the best places on the floor."""
    if len(observations) > most:
        chosen = np.linspace(0, len(observations) - 1, most).round().astype(int)
        scale = len(observations) / most
        observations = LevelObservations(
            observations.person[chosen], observations.frame[chosen], observations.pixels[chosen],
            observations.sigma[chosen], observations.single[chosen], observations.weight[chosen] * scale,
        )  # fmt: skip
    heights = np.broadcast_to(STATURE * LEVEL_HEIGHT, (len(observations), _LEVELS))
    costs = []
    for camera in cameras:
        places = _first_places(camera, observations, heights)
        surprise, _, _ = _surprise(camera, observations, heights, places, STEP_COVARIANCE + LEVEL_COVARIANCE)
        costs.append(float(observations.weight @ surprise))
    return np.array(costs)


def _fit(observations: LevelObservations, camera: Camera, evidence: Sequence[Evidence], num_persons: int) -> Fit:
    heights = np.tile(STATURE * LEVEL_HEIGHT, (num_persons, 1))
    places = _first_places(camera, observations, heights[observations.person])
    best: Fit | None = None
    for stage in range(_STAGES + 1):
        # At first nobody's own heights are known. The noise is kept while steps are compared, or it would pay to make
        # it larger; what counts in the end is the likelihood with the noise as it is, which a stage may make worse.
        each = heights[observations.person]
        upwards = STEP_COVARIANCE + (LEVEL_COVARIANCE if stage == 0 else 0)
        surprise, trust, lower = _surprise(camera, observations, each, places, upwards)
        if stage > 0:
            parts = _whiten(camera, observations, each, places, lower)
            matrix, _, _ = _normal(parts, observations.person, observations.weight * trust, num_persons)
            residual, slope = _differentiate(evidence, camera, heights)
            cost = float(observations.weight @ surprise + residual @ residual)
            if best is None or cost < best.cost - _CLOSE:
                best = Fit(camera, heights, matrix + slope.T @ slope, cost, trust)
            elif stage > 2:
                break
        if stage < _STAGES:
            weight = observations.weight * trust
            camera, heights, places = _descend(observations, camera, heights, places, lower, evidence, weight)
    assert best is not None
    settled, information = _in_our_world(best.camera, best.information)
    return dataclasses.replace(best, camera=settled, information=information)


def _descend(
    observations: LevelObservations, camera: Camera, heights: np.ndarray, places: np.ndarray, lower: np.ndarray,
    evidence: Sequence[Evidence], weight: np.ndarray,
) -> tuple[Camera, np.ndarray, np.ndarray]:  # fmt: skip
    """Levenberg-Marquardt steps with one noise and one set of weights."""

    def known(camera: Camera, heights: np.ndarray) -> np.ndarray:
        prior = ((heights - STATURE * LEVEL_HEIGHT) @ _WHITENER.T).ravel()
        stature = posterior_stature(heights)
        return np.concatenate([prior, *(one(camera, stature) for one in evidence)])

    damping = 1e-3
    for _ in range(_STEPS):
        parts = _whiten(camera, observations, heights[observations.person], places, lower)
        matrix, gradient, back = _normal(parts, observations.person, weight, len(heights))
        residual, slope = _differentiate(evidence, camera, heights)
        matrix += slope.T @ slope
        gradient += slope.T @ residual
        now = then = float(weight @ _distances(parts)[0] + residual @ residual)
        for _ in range(6):
            step = -np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), gradient)
            step[:5] = np.clip(step[:5], -0.3, 0.3)
            moved, changed = move_camera(camera, step[:5]), heights + step[5:].reshape(heights.shape)
            shifted = places + back(step)
            distance, _, _ = _distances(
                _whiten_places(moved, observations, changed[observations.person], shifted, lower)
            )
            ends = known(moved, changed)
            trial = float(weight @ distance + ends @ ends)
            if np.isfinite(trial) and trial < now:
                camera, heights, places, then = moved, changed, shifted, trial
                damping = max(damping / 5, 1e-7)
                break
            damping = min(damping * 6, 1e6)
        if now - then < _CLOSE:
            break
    return camera, heights, places


def _in_our_world(camera: Camera, information: np.ndarray) -> tuple[Camera, np.ndarray]:
    """The camera turned to look towards +y, and the information about pitch and roll instead of the two tilts."""
    slope = np.zeros((2, 2))
    for k in range(2):
        ends = []
        for sign in (1.0, -1.0):
            step = np.zeros(5)
            step[1 + k] = sign * 1e-5
            ends.append(np.array(angles_of(-move_camera(camera, step).rotation[:, 2])))
        slope[:, k] = (ends[0] - ends[1]) / 2e-5
    pitch, roll = angles_of(-camera.rotation[:, 2])
    turned = dataclasses.replace(camera, rotation=rotation_of(pitch, roll))
    # Straight down every roll is the same view: there the roll's slope is not finite, and large enough otherwise.
    inverse = np.linalg.inv(slope) if np.isfinite(slope).all() and abs(np.linalg.det(slope)) > 1e-9 else np.eye(2)
    change = np.eye(len(information))
    change[1:3, 1:3] = inverse
    return turned, change.T @ information @ change


def _first_places(camera: Camera, observations: LevelObservations, heights: np.ndarray) -> np.ndarray:
    """Where on the floor people stand so that their levels are nearest to their view rays (linear least squares)."""
    flat = undistort((observations.pixels - camera.principal) / camera.scale, camera.distortion)
    rows = camera.rotation[None, None, :2] - flat[..., None] * camera.rotation[2]
    right = -rows[..., 2] * (heights - camera.eye[2])[..., None]
    weight = np.where(observations.seen, 1.0, 0.0)[..., None, None]
    matrix = np.einsum("nlai,nlaj->nij", weight * rows[..., :2], rows[..., :2]) + 1e-9 * np.eye(2)
    vector = np.einsum("nlai,nla->ni", weight * rows[..., :2], right)
    places = np.linalg.solve(matrix, vector[..., None])[..., 0]
    # At grazing angles or with a wrong camera the rays may meet far away or behind.
    return np.clip(places, -60, 60)


def _points(heights: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.concatenate([np.repeat(places[:, None], _LEVELS, axis=1), heights[..., None]], axis=-1)


def _by_point(camera: Camera, observations: LevelObservations, points: np.ndarray) -> np.ndarray:
    """Slopes of the pixels by the points, `(n, level, 2, 3)`, 0 where nothing is seen."""
    slope = np.empty((*points.shape[:2], 2, 3))
    for axis in range(3):
        offset = np.zeros(3)
        offset[axis] = 1e-4
        slope[..., axis] = (project(camera, points + offset) - project(camera, points - offset)) / 2e-4
    return np.where(observations.seen[..., None, None], slope, 0)


def _noise(observations: LevelObservations, slope: np.ndarray, upwards: np.ndarray, sideways: np.ndarray) -> np.ndarray:
    """Cholesky factors `(n, 2 levels, 2 levels)` of the covariance of the pixels, from that of points in the world."""
    count = 2 * _LEVELS
    spread = np.stack([sideways, sideways, upwards])
    noise = np.einsum("nlac,nmbc,clm->nlamb", slope, slope, spread, optimize=True).reshape(-1, count, count)
    aside = np.where(observations.single, HALF_WIDTH * STATURE, 0) ** 2
    own = np.where(observations.seen, observations.sigma, 0) ** 2
    own = own + aside * (slope[..., :2] ** 2).sum((-1, -2)) / 2 + 1e-6
    own = np.where(observations.seen, own, _MISSING)
    noise[:, np.arange(count), np.arange(count)] += np.repeat(own, 2, axis=1)
    return np.linalg.cholesky(noise)


def _whiten(
    camera: Camera, observations: LevelObservations, heights: np.ndarray, places: np.ndarray, lower: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Whitened residuals `(n, 2 levels)`, their slopes by camera (5), by level (6) and by place (2)."""
    points = _points(heights, places)
    residual = np.where(observations.seen[..., None], project(camera, points) - observations.pixels, 0)
    by_point = _by_point(camera, observations, points)
    by_camera = np.empty((*points.shape[:2], 2, 5))
    for k in range(5):
        step = np.zeros(5)
        step[k] = 1e-5
        ends = [project(move_camera(camera, sign * step), points) for sign in (1, -1)]
        by_camera[..., k] = (ends[0] - ends[1]) / 2e-5
    by_camera = np.where(observations.seen[..., None, None], by_camera, 0)
    count = 2 * _LEVELS
    by_level = np.zeros((len(points), _LEVELS, 2, _LEVELS))
    for level in range(_LEVELS):
        by_level[:, level, :, level] = by_point[:, level, :, 2]
    columns = np.concatenate(
        [
            residual.reshape(-1, count, 1),
            by_camera.reshape(-1, count, 5),
            by_level.reshape(-1, count, _LEVELS),
            by_point[..., :2].reshape(-1, count, 2),
        ],
        axis=-1,
    )
    white = np.linalg.solve(lower, columns)
    return white[..., 0], white[..., 1:6], white[..., 6 : 6 + _LEVELS], white[..., 6 + _LEVELS :]


def _surprise(
    camera: Camera, observations: LevelObservations, heights: np.ndarray, places: np.ndarray, upwards: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minus twice the log likelihood of each observation, the probability of an upright person, and its noise.

    A mixture: upright people, people who bend, sit or fall (lower, leaning, and much more varied), and anything else,
    as wide as the person is large. Each is a Gaussian of the pixels at right angles to the directions in which they
    move with the person's place. The determinants matter: else cameras at which everything would be blurred win.
    """
    slope = _by_point(camera, observations, _points(heights, places))
    lower = _noise(observations, slope, upwards, LEAN_COVARIANCE)
    upright, dof = _gaussian(_whiten_places(camera, observations, heights, places, lower), observations, lower)
    loose = _noise(observations, slope, BENT_COVARIANCE + upwards - STEP_COVARIANCE, BENT_LEAN_COVARIANCE)
    low = np.maximum(heights + BENT_LOWER, 0.05)
    bent, _ = _gaussian(_whiten_places(camera, observations, low, places, loose), observations, loose)
    size = np.where(observations.seen[..., None], observations.pixels, np.nan)
    size = np.nanmax(np.nanmax(size, axis=1) - np.nanmin(size, axis=1), axis=-1)
    other = dof * (2 * np.log(_ANYTHING * np.maximum(size, 1.0)) + 1)
    logs = np.stack([-upright / 2, -bent / 2, -other / 2]) + np.log(_SHARES)[:, None]
    total = np.logaddexp.reduce(logs, axis=0)
    return -2 * total, np.exp(logs[0] - total), lower


def _gaussian(
    parts: tuple[np.ndarray, np.ndarray], observations: LevelObservations, lower: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Minus twice the log density, less a constant, and degrees of freedom."""
    distance, dof, white = _distances(parts)
    slope = lower @ white
    inner = np.linalg.slogdet(np.einsum("nri,nrj->nij", white, white) + 1e-12 * np.eye(2))[1]
    outer = np.linalg.slogdet(np.einsum("nri,nrj->nij", slope, slope) + 1e-12 * np.eye(2))[1]
    missing = 2 * np.log(_MISSING) * (~observations.seen).sum(-1)
    return distance + 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(-1) - missing + inner - outer, dof


def _whiten_places(
    camera: Camera, observations: LevelObservations, heights: np.ndarray, places: np.ndarray, lower: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whitened residuals and their slopes by place alone."""
    points = _points(heights, places)
    residual = np.where(observations.seen[..., None], project(camera, points) - observations.pixels, 0)
    by_place = _by_point(camera, observations, points)[..., :2]
    shape = (len(points), 2 * _LEVELS)
    white = np.linalg.solve(lower, np.concatenate([residual.reshape(*shape, 1), by_place.reshape(*shape, 2)], axis=-1))
    return white[..., 0], white[..., 1:]


def _distances(parts: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mahalanobis distance squared at the best place nearby, degrees of freedom, and the slopes by place."""
    residual, by_place = parts[0], parts[-1]
    matrix = np.einsum("nri,nrj->nij", by_place, by_place) + 1e-9 * np.eye(2)
    vector = np.einsum("nri,nr->ni", by_place, residual)
    # What a further step of the place would take away.
    gain = np.einsum("ni,ni->n", vector, np.linalg.solve(matrix, vector[..., None])[..., 0])
    levels = (np.abs(by_place).sum(-1) > 1e-4).reshape(len(residual), _LEVELS, 2).any(-1).sum(-1)
    distance = np.maximum((residual**2).sum(-1) - np.maximum(gain, 0) * 0.999, 0)
    return distance, np.maximum(2.0 * levels - 2, 1.0), by_place


def _normal(
    parts: tuple[np.ndarray, ...], person: np.ndarray, weight: np.ndarray, num_persons: int
) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Normal matrix and gradient without the places, and the function that finds the places' steps afterwards."""
    residual, by_camera, by_level, by_place = parts
    own = np.concatenate([by_camera, by_level], axis=-1)
    inner = np.einsum("nri,nrj->nij", by_place, by_place) + 1e-9 * np.eye(2)
    mixed = np.einsum("nri,nrj->nij", by_place, own)
    toward = np.einsum("nri,nr->ni", by_place, residual)
    solved = np.linalg.solve(inner, np.concatenate([mixed, toward[..., None]], axis=-1))
    blocks = np.einsum("nri,nrj->nij", own, own) - np.einsum("nki,nkj->nij", mixed, solved[..., :-1])
    slopes = np.einsum("nri,nr->ni", own, residual) - np.einsum("nki,nk->ni", mixed, solved[..., -1])
    size = 5 + num_persons * _LEVELS
    matrix, gradient = np.zeros((size, size)), np.zeros(size)
    for p in range(num_persons):
        mine = person == p
        at = np.concatenate([np.arange(5), 5 + p * _LEVELS + np.arange(_LEVELS)])
        matrix[np.ix_(at, at)] += np.einsum("n,nij->ij", weight[mine], blocks[mine])
        gradient[at] += weight[mine] @ slopes[mine]

    def back(step: np.ndarray) -> np.ndarray:
        levels = step[5:].reshape(num_persons, _LEVELS)[person]
        mine = np.concatenate([np.broadcast_to(step[:5], (len(person), 5)), levels], axis=-1)
        return np.clip(-solved[..., -1] - np.einsum("nkj,nj->nk", solved[..., :-1], mine), -3, 3)

    return matrix, gradient, back


def _differentiate(evidence: Sequence[Evidence], camera: Camera, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals and slopes of the prior on heights and of all evidence."""
    stature = posterior_stature(heights)

    def known(camera: Camera, stature: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros(0), *(one(camera, stature) for one in evidence)])

    residual = known(camera, stature)
    levels = heights.size
    slope = np.zeros((levels + len(residual), 5 + levels))
    slope[:levels, 5:] = np.kron(np.eye(len(heights)), _WHITENER)
    for k in range(5):
        step = np.zeros(5)
        step[k] = 1e-5
        ends = [known(move_camera(camera, sign * step), stature) for sign in (1, -1)]
        slope[levels:, k] = (ends[0] - ends[1]) / 2e-5
    for p in range(len(heights)):
        step = np.zeros(len(heights))
        step[p] = 1e-4
        by_stature = (known(camera, stature + step) - known(camera, stature - step)) / 2e-4
        at = 5 + p * _LEVELS
        slope[levels:, at : at + _LEVELS] = by_stature[:, None] * STATURE_GAIN
    prior = ((heights - STATURE * LEVEL_HEIGHT) @ _WHITENER.T).ravel()
    return np.concatenate([prior, residual]), slope


def parameter_covariance(fit: Fit) -> Float[np.ndarray, "5 5"]:
    """Covariance of (log f, pitch, roll, log h, k1), everything else left free.

    The fit itself tilts the camera about its own two axes (`tilt_axes`), of which one may run against the pitch.
    """
    steps = 1e-6 * np.eye(5)
    ends = [[parameters_of(move_camera(fit.camera, sign * step)) for step in steps] for sign in (1, -1)]
    slope = (np.array(ends[0]) - np.array(ends[1])).T / 2e-6
    return slope @ np.linalg.inv(fit.information)[:5, :5] @ slope.T


def evidence_slope(
    evidence: Sequence[Evidence], camera: Camera
) -> tuple[Float[np.ndarray, "residual"], Float[np.ndarray, "residual 5"]]:
    """Residuals of evidence that asks nothing of people, and their change with (log f, pitch, roll, log h, k1)."""
    at = parameters_of(camera)

    def residuals(parameters: np.ndarray) -> np.ndarray:
        moved = camera_of(parameters, camera)
        return np.concatenate([np.zeros(0), *(one(moved, np.zeros(0)) for one in evidence)])

    steps = 1e-5 * np.eye(5)
    slope = np.stack([(residuals(at + step) - residuals(at - step)) / 2e-5 for step in steps], axis=-1)
    return residuals(at), slope


def believe(
    observations: LevelObservations, camera: Camera, heights: Float[np.ndarray, "person level"]
) -> Float[np.ndarray, "observation"]:
    """Probability that each observation is of an upright person, for a fitted camera."""
    if len(observations) == 0:
        return np.zeros(0)
    each = heights[observations.person]
    places = _first_places(camera, observations, each)
    for _ in range(3):
        slope = _by_point(camera, observations, _points(each, places))
        lower = _noise(observations, slope, STEP_COVARIANCE, LEAN_COVARIANCE)
        residual, by_place = _whiten_places(camera, observations, each, places, lower)
        matrix = np.einsum("nri,nrj->nij", by_place, by_place) + 1e-9 * np.eye(2)
        vector = np.einsum("nri,nr->ni", by_place, residual)
        places = np.clip(places - np.linalg.solve(matrix, vector[..., None])[..., 0], -60, 60)
    return _surprise(camera, observations, each, places, STEP_COVARIANCE)[1]
