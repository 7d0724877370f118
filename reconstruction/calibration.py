"""Where a static camera is, how it looks and which lens it has, from the people that walk through its picture.

Upright people are rods of nearly known length on one floor: from many places, their feet and heads give the vertical
vanishing point, the horizon, the focal length and, with the stature of people, the height. After Krahnstoever and
Mendonca, "Bayesian autocalibration for surveillance" (ICCV 2005), with whole bodies instead of two ends, so that
sitting and falling people tell themselves apart by their proportions.
"""

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from carescene.rendering.camera import Camera
from reconstruction.body_size import (
    SizeReadings,
    read_sizes,
    read_widths,
    size_residuals,
    width_residuals,
)
from reconstruction.calibration_fit import (
    Evidence,
    Fit,
    believe,
    fit_camera,
    parameter_covariance,
    search,
)
from reconstruction.calibration_priors import CameraPriors, GivenCamera, PitchMode
from reconstruction.camera_parameters import angles_of, camera_of, floor_in_camera, parameters_of, plain_camera
from reconstruction.floor_reading import FloorReading
from reconstruction.gravity import GravityReadings, bent_bodies, gravity_residuals, most_agreed, read_gravity
from reconstruction.observations import Keypoints, PoseLabels
from reconstruction.upright import (
    LEVEL_HEIGHT,
    STATURE,
    STATURE_GAIN,
    STATURE_SD,
    LevelObservations,
    observe_levels,
    posterior_stature,
    spread_places,
    steady_points,
    take,
)

# Observations that are believed at least so much count as upright people.
_UPRIGHT: Final = 0.5
# With less than this many upright people in different places, nothing is learnt from them.
_FEWEST: Final = 2.0
# Up to so many, sizes of sitting and lying people are worth reading as well.
_PLENTY: Final = 10.0
_SEARCH_VIEWS: Final = (-1.0, 0.0, 1.0)
# In standard deviations: -5 to 62 degrees for cameras on walls.
_SEARCH_PITCHES: Final = (-2.0, -1.2, -0.5, 0.2, 0.9, 1.6, 2.5)
_SEARCH_HEIGHTS: Final = (0.8, 1.3, 1.9, 2.5, 3.2)
_STARTS: Final = 2
# A way to hang the camera whose best start is so much worse than another's is not followed up; fits gain 10 to 30.
_HOPELESS: Final = 60.0
_NOBODY: Final = np.zeros(0)


@dataclass(frozen=True)
class Calibration:
    """A camera in the world of a reconstruction, and how well it is known.

    Attributes:
        camera: above (0, 0), looking towards +y, the floor at z = 0.
        covariance: of (log f, pitch, roll, log h, k1).
        scale_source: one sentence that says what fixed the scale.
        statures: of each person, metres.
        stature_sigma: their standard deviations, metres, given the camera's scale as it is.
        upright: who stands or walks upright in which frame, as far as this fit knows.
        notes: further sentences for the report.
    """

    camera: Camera
    covariance: Float[np.ndarray, "5 5"]
    scale_source: str
    statures: Float[np.ndarray, "person"]
    stature_sigma: Float[np.ndarray, "person"]
    upright: Bool[np.ndarray, "person frame"]
    notes: tuple[str, ...] = ()

    @property
    def floor(self) -> tuple[Float[np.ndarray, "3"], float]:
        """The floor in the camera's frame: unit normal (upwards) and the camera's height above it in metres."""
        return floor_in_camera(self.camera)

    @property
    def sigma(self) -> Float[np.ndarray, "5"]:
        """Standard deviations of (log f, pitch, roll, log h, k1)."""
        return np.sqrt(np.diag(self.covariance))


def calibrate(
    keypoints: Keypoints,
    *,
    priors: CameraPriors | None = None,
    given: GivenCamera | None = None,
    floor: FloorReading | None = None,
    labels: PoseLabels | None = None,
) -> Calibration:
    """Find the camera of a video from the people in it.

    Frames in which people sit, lie or fall are recognised by their proportions and left out. Where nobody is ever
    upright, the sizes of bodies and the priors decide, the covariance is wide, and `notes` say so.

    Args:
        keypoints: of everybody in the video.
        priors: of cameras; those of wards and homes by default.
        given: what the user knows.
        floor: what a depth map says about the floor (`reconstruction.depth.floor_from_depth`).
        labels: poses in the camera's frame, such as `lift(keypoints, calibrate(keypoints).camera, gravity_known=False)`
            gives: they tell who sits, and the tilt where people are upright in one place only.

    Raises:
        UserError: if what is given contradicts the picture's size or is impossible.
    """
    priors = priors or CameraPriors()
    given = (given or GivenCamera()).check(keypoints.width, keypoints.height)
    steady = steady_points(keypoints)
    everybody = observe_levels(keypoints, steady)
    if labels is not None:
        # Somebody who sits looks, from higher up, like somebody who stands.
        everybody = take(everybody, np.flatnonzero(~bent_bodies(labels)[everybody.person, everybody.frame]))
    observations = spread_places(everybody)
    extra: list[Evidence] = given.evidence() + ([] if floor is None else [floor.evidence()])
    num_persons = max(len(keypoints.names), 1)
    starts = _starts(observations, priors, given, keypoints)
    if labels is not None:
        gravity = read_gravity(labels)
        extra.append(lambda camera, stature: gravity_residuals(gravity, camera))
        starts = [(mode, [*cameras, *_tilted(cameras[0], mode, gravity)]) for mode, cameras in starts]
    fit = _best(observations, starts, priors, extra, num_persons)
    believed = fit.trust > _UPRIGHT
    upright = float(observations.weight[believed].sum())
    sizes: SizeReadings | None = None
    if upright >= _FEWEST:
        widths = read_widths(keypoints, steady, observations.person[believed], observations.frame[believed])
        extra = [*extra, lambda camera, stature: width_residuals(widths, camera, stature)]
        pitch = float(parameters_of(fit.camera)[1])
        hung = priors.nearest(pitch)
        fit = _best(observations, [(hung, [fit.camera])], priors, extra, num_persons)
    if upright < _PLENTY:
        if upright < _FEWEST:
            observations, upright = take(observations, np.zeros(0, int)), 0.0
            judged = np.zeros(len(everybody))
        else:
            judged = believe(everybody, fit.camera, fit.heights)
        bent = keypoints.present.copy()
        bent[everybody.person[judged > _UPRIGHT], everybody.frame[judged > _UPRIGHT]] = False
        sizes = read_sizes(keypoints, steady, bent)
        readings = sizes
        extra = [*extra, lambda camera, stature: size_residuals(readings, camera, stature)]
        if upright:
            starts = [(mode, [fit.camera, *cameras]) for mode, cameras in starts]
        elif given.camera is None:
            starts = _middle(starts, priors, labels)
        fit = _best(observations, starts, priors, extra, num_persons)
    camera = fit.camera if given.camera is None else given.camera
    standing = np.zeros(keypoints.present.shape, bool)
    if upright:
        trust = believe(everybody, fit.camera, fit.heights)
        standing[everybody.person[trust > _UPRIGHT], everybody.frame[trust > _UPRIGHT]] = True
    if not standing.any():
        upright = 0.0
    covariance = parameter_covariance(fit)
    statures, sigma = _statures(fit, len(keypoints.names))
    source = _scale_source(given, floor, standing)
    notes = _notes(upright, sizes)
    return Calibration(camera, covariance, source, statures, sigma, standing, notes)


def _starts(
    observations: LevelObservations, priors: CameraPriors, given: GivenCamera, keypoints: Keypoints
) -> list[tuple[PitchMode, list[Camera]]]:
    """Cameras to start from for each way to hang one: the best of a coarse grid."""
    if given.camera is not None:
        pitch = float(parameters_of(given.camera)[1])
        return [(priors.nearest(pitch), [given.camera])]
    found, lowest = [], np.inf
    for mode in priors.modes:
        cameras = _grid(mode, priors, given, keypoints.width, keypoints.height)
        costs = search(observations, cameras) if len(observations) else np.zeros(len(cameras))
        evidence = priors.evidence(mode)
        costs = costs + [float(np.sum(evidence(camera, _NOBODY) ** 2)) for camera in cameras]
        ranked = np.argsort(costs)[:_STARTS]
        lowest = min(lowest, float(costs[ranked[0]]))
        found.append((mode, [cameras[k] for k in ranked], float(costs[ranked[0]])))
    return [(mode, cameras) for mode, cameras, cost in found if cost < lowest + _HOPELESS]


def _grid(mode: PitchMode, priors: CameraPriors, given: GivenCamera, width: int, height: int) -> list[Camera]:
    focal = mode.focal(width, height)
    like = given.lens or plain_camera(width, height, focal)
    k1 = like.distortion[0] if given.lens is not None else priors.barrel / (np.hypot(width, height) / 2 / focal) ** 2
    views = (0.0,) if given.lens is not None else _SEARCH_VIEWS
    pitches = mode.pitch + mode.sd * np.array(_SEARCH_PITCHES)
    heights = _SEARCH_HEIGHTS if given.height is None else (float(given.height),)
    return [
        camera_of(np.array([np.log(like.focal) + view * priors.log_focal_sd, pitch, 0.0, np.log(above), k1]), like)
        for view in views for pitch in pitches for above in heights
    ]  # fmt: skip


def _middle(
    starts: list[tuple[PitchMode, list[Camera]]], priors: CameraPriors, labels: PoseLabels | None
) -> list[tuple[PitchMode, list[Camera]]]:
    """The middle camera of the most usual way to hang one, for want of anything but, perhaps, straight poses."""
    mode, cameras = max(starts, key=lambda start: start[0].share)
    parameters = parameters_of(cameras[0])
    parameters[1:4] = mode.pitch, 0.0, np.log(priors.height)
    middle = camera_of(parameters, cameras[0])
    return [(mode, [middle, *([] if labels is None else _tilted(middle, mode, read_gravity(labels)))])]


def _tilted(camera: Camera, mode: PitchMode, gravity: GravityReadings) -> list[Camera]:
    """The camera turned to what straight bodies say is up, if a camera that hangs like this may see it there."""
    up = most_agreed(gravity)
    if up is None:
        return []
    pitch, roll = angles_of(-up)
    if abs(pitch - mode.pitch) > 3 * mode.sd:
        return []
    parameters = parameters_of(camera)
    parameters[1:3] = pitch, roll
    return [camera_of(parameters, camera)]


def _best(
    observations: LevelObservations,
    starts: list[tuple[PitchMode, list[Camera]]],
    priors: CameraPriors,
    extra: list[Evidence],
    num_persons: int,
) -> Fit:
    fits = []
    for mode, cameras in starts:
        evidence = [priors.evidence(mode), *extra]
        fits += [
            dataclasses.replace(fit, cost=fit.cost - 2 * float(np.log(mode.share / mode.sd)))
            for fit in fit_camera(observations, cameras, evidence, num_persons)
        ]
    return min(fits, key=lambda fit: fit.cost)


def _statures(fit: Fit, num_persons: int) -> tuple[np.ndarray, np.ndarray]:
    """Stature of each person and its standard deviation, the camera's own uncertainty included."""
    if num_persons == 0:
        return np.zeros(0), np.zeros(0)
    covariance = np.linalg.inv(fit.information)[5:, 5:]
    levels, gain = len(LEVEL_HEIGHT), STATURE_GAIN
    # What is left open of the stature when all levels are known.
    left = STATURE_SD**2 - STATURE_SD**2 * float(gain @ LEVEL_HEIGHT)
    spread = [
        gain @ covariance[p * levels : (p + 1) * levels, p * levels : (p + 1) * levels] @ gain
        for p in range(num_persons)
    ]
    return posterior_stature(fit.heights[:num_persons]), np.sqrt(np.array(spread) + max(left, 0.0))


def _scale_source(given: GivenCamera, floor: FloorReading | None, standing: np.ndarray) -> str:
    if given.camera is not None:
        return "The camera that was given fixed the scale."
    if given.height is not None:
        return f"The given height of the camera ({given.height:.2f} m) fixed the scale."
    if given.distance is not None:
        return f"The given distance on the floor ({given.distance.metres:.2f} m) fixed the scale."
    if floor is not None and floor.measured:
        return "The recorded depth of the floor fixed the scale."
    people = int(standing.any(-1).sum())
    if people:
        who = "one person" if people == 1 else f"{people} people"
        return (
            f"The stature of {who} seen upright ({STATURE:.2f} m, give or take {STATURE_SD:.2f} m each) "
            "fixed the scale."
        )
    return "Nobody was seen upright: the usual height of cameras and the size of bodies in the picture fixed the scale."


def _notes(upright: float, sizes: SizeReadings | None) -> tuple[str, ...]:
    notes = []
    if not upright:
        notes.append(
            "Nobody stands or walks in view, so focal length and tilt are little more than those of a usual camera. "
            "Give the camera, or one distance on the floor, if you know it."
        )
    elif upright < _PLENTY:
        notes.append(f"Upright people were seen in only {upright:.0f} places; the camera's angles lean on the priors.")
    if sizes is not None and len(sizes.person) == 0 and not upright:
        notes.append("No body was seen well enough to read its size.")
    return tuple(notes)
