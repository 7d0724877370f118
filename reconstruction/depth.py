"""What a depth map says about the room and the people in it, in its own unit and, once fitted, in metres.

A map of a network is inverse depth up to a factor and an offset, 1 / z = a m + b, the same for a whole video of a
static camera when it was run on one size of picture. The two are fitted here to anchors whose depth the camera tells:
the floor under people's feet, then all of the floor. The noise is about even in inverse depth, not in depth, so
residuals are taken there (Ranftl et al., "Towards robust monocular depth estimation", TPAMI 2022, section 4).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from carescene.rendering.camera import Camera
from carescene.rendering.lens import undistort
from reconstruction.floor_reading import FloorReading, floor_slope
from reconstruction.observations import LANDMARK, DepthLabels, Keypoints

TORSO: Final = tuple(LANDMARK[name] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip"))
_ANKLES: Final = (LANDMARK["left_ankle"], LANDMARK["right_ankle"])
# Skin and clothes are this far in front of shoulders and hips, metres: half the depth of a trunk.
BEHIND_SKIN: Final = 0.09
# Map noise that is left at best, as a share of the map's spread: networks are no better than that between places.
_LEAST_NOISE: Final = 0.02
_ROUNDS: Final = 30
# Sensors' zero is off by a few centimetres.
_SENSOR_OFFSET: Final = 0.05
# Neighbouring pixels err together over about a fifteenth of the picture, so that area counts as one reading.
_TOGETHER: Final = 15
# Farther than this, floors are a wrong horizon.
_FARTHEST: Final = 30.0
_FEWEST: Final = 6


@dataclass(frozen=True)
class DepthReadings:
    """The map at single landmarks, in the map's own unit.

    The landmark lies inside the body, behind what the map sees. For maps in measured metres `BEHIND_SKIN` is already
    added; for others it is far within `sigma`.

    Attributes:
        person, frame, landmark: of what; indices into the key points.
        value: of the map.
        sigma: its standard deviation.
    """

    person: Int[np.ndarray, "reading"]
    frame: Int[np.ndarray, "reading"]
    landmark: Int[np.ndarray, "reading"]
    value: Float[np.ndarray, "reading"]
    sigma: Float[np.ndarray, "reading"]


@dataclass(frozen=True)
class Affinity:
    """1 / z = a m + b for maps of kind "disparity", z = a m + b for "metres".

    Attributes:
        a, b: in 1 / metre or metres per unit of the map.
        covariance: of the two.
        sigma: standard deviation of a single pixel around it, in 1 / metre or metres.
        anchors: how many independent readings it rests on; 0 when it is only a prior.
    """

    a: float
    b: float
    covariance: Float[np.ndarray, "2 2"]
    sigma: float
    anchors: int


def depth_in_metres(
    values: Float[np.ndarray, "*batch"], labels: DepthLabels, affinity: Affinity
) -> Float[np.ndarray, "*batch"]:
    """Depth along the view axis in metres; NaN where unknown or not within 0.1 to 50 m."""
    fitted = affinity.a * values + affinity.b
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = 1 / fitted if labels.kind == "disparity" else fitted
        return np.where((depth > 0.1) & (depth < 50), depth, np.nan)


def depth_readings(labels: DepthLabels, keypoints: Keypoints) -> DepthReadings:
    """The maps at shoulders and hips of everybody in the frames that have maps.

    Each is the median over a patch of a tenth of the person's size, small enough to stay on the trunk. Readings whose
    patch is not of one piece (an arm or a bed rail in front) are left out: its spread is compared with the others'.
    """
    found: list[tuple[int, int, int, float, float]] = []
    spread = _spread(labels.plate)
    for index, frame in enumerate(labels.frames):
        for person in np.flatnonzero(keypoints.present[:, frame]):
            points = keypoints.pixels[person, frame]
            extent = np.nanmax(np.ptp(points[keypoints.seen[person, frame]], axis=0))
            for landmark in TORSO:
                if not keypoints.seen[person, frame, landmark]:
                    continue
                patch = _patch(labels.maps[index], points[landmark], 0.05 * extent, keypoints)
                if len(patch) < 4:
                    continue
                middle = float(np.median(patch))
                within = float(np.diff(np.quantile(patch, [0.16, 0.84]))[0]) / 2
                if within < 0.1 * spread:
                    found.append((int(person), int(frame), landmark, middle, within))
    columns = list(zip(*found, strict=True)) if found else [()] * 5
    value, within = np.array(columns[3], np.float64), np.array(columns[4], np.float64)
    measured = labels.kind == "metres" and labels.metric
    # A sensor measures skin, a few centimetres more or less in front of the joint; a network is as good as it is.
    floor = 0.05 if measured else _LEAST_NOISE * spread
    return DepthReadings(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.int64),
        value + (BEHIND_SKIN if measured else 0.0),
        np.hypot(within, floor),
    )


def floor_from_depth(labels: DepthLabels, camera: Camera, tilt: float | int = 0.7) -> FloorReading | None:
    """The floor in a plate of depths in metres: the plane with most pixels, and fewest below it, about level.

    Random triples of pixels propose planes (RANSAC), the best is fitted by reweighted least squares in inverse depth.

    Args:
        labels: of kind "metres".
        camera: calibrated without depth; its lens straightens the pixels.
        tilt: radians by which the floor's normal may differ from the camera's.

    Returns:
        None if the map is in no known unit, or no plane of at least 3 % of the picture qualifies.
    """
    if labels.kind != "metres":
        return None
    height, width = labels.plate.shape
    step = max(1, int(np.sqrt(height * width / 6000)))
    rows, columns = np.meshgrid(np.arange(0, height, step), np.arange(0, width, step), indexing="ij")
    depth = labels.plate[rows, columns].ravel()
    pixels = _map_to_picture(np.stack([columns.ravel(), rows.ravel()], -1), labels, camera.width, camera.height)
    known = np.isfinite(depth) & (depth > 0.2) & (depth < _FARTHEST)
    depth, straight = depth[known], _straight(pixels[known], camera)
    if len(depth) < 50:
        return None
    design = np.column_stack([straight, np.ones(len(straight))])
    inverse = 1 / depth
    # 1.5 % or 2 cm: what structured light, coarse grey levels and lossy coding leave.
    noise = np.hypot(0.015, 0.02 / depth) * inverse
    best, members = _best_plane(design, inverse, noise, camera, float(tilt))
    if best is None or members.mean() * len(depth) / len(known) < 0.03:
        return None
    for _ in range(_ROUNDS):
        residual = (design @ best - inverse) / noise
        weight = np.where(np.abs(residual) < 3, 1 / (1 + residual**2), 0) / noise**2
        best = np.linalg.solve(design.T @ (weight[:, None] * design), design.T @ (weight * inverse))
    residual = (design @ best - inverse) / noise
    inside = np.abs(residual) < 3
    independent = max(1.0, (height / _TOGETHER / step) * (width / _TOGETHER / step) / 25)
    scatter = max(1.0, float(np.mean(residual[inside] ** 2)))
    matrix = (design[inside] / noise[inside, None]).T @ (design[inside] / noise[inside, None])
    covariance = np.linalg.inv(matrix) * scatter * independent
    share = float(inside.sum() / len(known))
    return FloorReading(best, covariance, True, labels.scale_sigma, share, measured=labels.metric)


def fit_affinity(
    labels: DepthLabels,
    camera: Camera,
    keypoints: Keypoints | None = None,
    upright: Bool[np.ndarray, "person frame"] | None = None,
) -> Affinity:
    """Factor and offset of a video's maps, robustly, from the floor.

    First from the floor under the feet of upright people, then from all pixels of the plate that agree with it to be
    floor (iteratively reweighted least squares with Cauchy weights). With nobody upright, the floor is what fits best
    among the pixels of the lower half of the picture. Measured maps keep a = 1 and b = 0 within their accuracy.

    Args:
        labels: the maps.
        camera: calibrated; in the world of a reconstruction.
        keypoints: of the video, for the feet.
        upright: who stands or walks in which frame (`Calibration.upright`).
    """
    measured = labels.kind == "metres"
    prior, tie = np.zeros(2), np.diag([1e-12, 1e-4])
    if measured:
        known = metres_affinity(labels)
        prior, tie = np.array([known.a, known.b]), np.linalg.inv(known.covariance)
    values, truth = _feet(labels, camera, keypoints, upright)
    plate, floor = _floor_pixels(labels, camera)
    if len(np.unique(np.concatenate([plate, values]))) < 2:
        return _prior_affinity(labels)
    if len(values) < _FEWEST or np.ptp(values) < 0.05 * _spread(labels.plate):
        start, scatter, _ = _irls(plate, floor, tie, prior, 0.5)
    else:
        start, scatter, _ = _irls(values, truth, tie, prior, 1.0)
    # The floor's pixels that the first fit explains; furniture and walls stand in front of the floor behind them.
    near = np.abs(start[0] * plate + start[1] - floor) < 3 * max(scatter, 0.03 * float(np.median(floor)))
    values, truth = np.concatenate([values, plate[near]]), np.concatenate([truth, floor[near]])
    independent = max(1.0, near.sum() / max(1.0, _TOGETHER * _TOGETHER * near.mean()))
    solution, scatter, matrix = _irls(values, truth, tie, prior, independent / max(1, len(values)), start)
    covariance = np.linalg.inv(matrix)
    if not measured and solution[0] <= 0:
        # Nearer things must have larger values; a fit that says otherwise is worth nothing.
        return _prior_affinity(labels)
    return Affinity(float(solution[0]), float(solution[1]), covariance, scatter, round(independent))


def metres_affinity(labels: DepthLabels) -> Affinity:
    """What is known of a map in metres before anything is compared: factor 1 and offset 0 within its accuracy.

    A sensor's factor is 1; a metric network's is that of its training camera's focal length. Of sensors, the joint
    optimisation takes this: a factor fitted to the floor under the calibrated camera is wrong by what that is wrong,
    and the floor's reading would count twice.
    """
    spread = np.array([labels.scale_sigma, _SENSOR_OFFSET] if labels.metric else [0.25, 0.3])
    return Affinity(1.0, 0.0, np.diag(spread**2), 0.3, 0)


def _prior_affinity(labels: DepthLabels) -> Affinity:
    """What is known of a map alone: a relative one reaches from half a metre to ten metres or so."""
    if labels.kind == "metres":
        return metres_affinity(labels)
    low, high = np.nanquantile(labels.plate, [0.02, 0.98])
    a = (1 / 1.5 - 1 / 8) / max(high - low, 1e-9)
    b = 1 / 8 - a * low
    return Affinity(float(a), float(b), np.diag([(0.5 * a) ** 2, 0.15**2]), 0.1, 0)


def _irls(
    values: np.ndarray, truth: np.ndarray, tie: np.ndarray, prior: np.ndarray, share: float,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, float, np.ndarray]:  # fmt: skip
    """Cauchy-weighted line; its solution, scatter and information with `share` of the readings independent."""
    design = np.column_stack([values, np.ones(len(values))])
    solution = np.array([*np.polyfit(values, truth, 1)]) if start is None else start
    scatter, matrix = 1.0, np.eye(2)
    for _ in range(_ROUNDS):
        residual = design @ solution - truth
        scatter = max(1.48 * float(np.median(np.abs(residual))), 1e-4)
        weight = share / (1 + (residual / (2 * scatter)) ** 2) / scatter**2
        matrix = design.T @ (weight[:, None] * design) + tie
        solution = np.linalg.solve(matrix, design.T @ (weight * truth) + tie @ prior)
    return solution, scatter, matrix


def _feet(
    labels: DepthLabels, camera: Camera, keypoints: Keypoints | None, upright: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Values of the plate where people stood, and what the floor's depth there is (inverse, or metres)."""
    if keypoints is None or upright is None or not upright.any():
        return np.zeros(0), np.zeros(0)
    person, frame = np.nonzero(upright)
    pixels = keypoints.pixels[person, frame][:, _ANKLES].reshape(-1, 2)
    pixels = pixels[keypoints.seen[person, frame][:, _ANKLES].ravel()]
    rays = camera.rays(pixels)
    # Ankles are 10 cm above the floor (the mean of stance and swing); their shadow on it is what the plate shows.
    along = (camera.eye[2] - 0.10) / np.maximum(-rays[:, 2], 1e-3)
    spots = camera.eye + along[:, None] * rays
    spots[:, 2] = 0.0
    shown, depth = camera.project(spots)
    values = _look_up(labels.plate, shown, camera)
    good = np.isfinite(values) & (depth > 0.3) & (depth < _FARTHEST)
    return values[good], _target(labels, depth[good])


def _floor_pixels(labels: DepthLabels, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Values of the plate where the camera would see the floor if nothing stood on it, and the floor's depth."""
    height, width = labels.plate.shape
    step = max(1, int(np.sqrt(height * width / 4000)))
    rows, columns = np.meshgrid(np.arange(0, height, step), np.arange(0, width, step), indexing="ij")
    pixels = _map_to_picture(np.stack([columns.ravel(), rows.ravel()], -1), labels, camera.width, camera.height)
    values = labels.plate[rows, columns].ravel()
    inverse = np.column_stack([_straight(pixels, camera), np.ones(len(pixels))]) @ floor_slope(camera)
    good = np.isfinite(values) & (inverse > 1 / _FARTHEST) & (inverse < 5)
    return values[good].astype(np.float64), _target(labels, 1 / inverse[good])


def _target(labels: DepthLabels, depth: np.ndarray) -> np.ndarray:
    return 1 / depth if labels.kind == "disparity" else depth


def _best_plane(
    design: np.ndarray, inverse: np.ndarray, noise: np.ndarray, camera: Camera, tilt: float
) -> tuple[np.ndarray | None, np.ndarray]:
    rng = np.random.default_rng(0)
    down = -camera.rotation[:, 2]
    best, members, most = None, np.zeros(len(inverse), bool), 0.0
    for _ in range(400):
        three = rng.choice(len(inverse), 3, replace=False)
        try:
            plane = np.linalg.solve(design[three], inverse[three])
        except np.linalg.LinAlgError:
            continue
        normal = plane * np.array([camera.scale[0], camera.scale[1], 1.0])
        if normal @ down < np.cos(tilt) * np.linalg.norm(normal):
            continue
        residual = (design @ plane - inverse) / noise
        inside = np.abs(residual) < 2.5
        # Nothing is seen below a floor: table tops, and slanted planes through several things, have something there.
        score = float(inside.sum() - (residual > 4).sum())
        if score > most:
            best, members, most = plane, inside, score
    return best, members


def _straight(pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """Pixels from the principal point as a camera without a lens of the same focal length would show them."""
    return undistort((pixels - camera.principal) / camera.scale, camera.distortion) * camera.scale


def _map_to_picture(cells: np.ndarray, labels: DepthLabels, width: int, height: int) -> np.ndarray:
    """Middle of cells (column, row) of the map in pixels of the picture."""
    rows, columns = labels.plate.shape
    return (cells + 0.5) * np.array([width / columns, height / rows])


def _look_up(plate: np.ndarray, pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """The map at pixels of the picture, NaN outside."""
    rows, columns = plate.shape
    cell = np.floor(np.nan_to_num(pixels, nan=-1e6) * np.array([columns / camera.width, rows / camera.height]))
    inside = (cell >= 0).all(-1) & (cell < [columns, rows]).all(-1)
    at = np.where(inside[:, None], cell, 0).astype(int)
    return np.where(inside, plate[at[:, 1], at[:, 0]], np.nan).astype(np.float64)


def _patch(plane: np.ndarray, pixel: np.ndarray, radius: float, keypoints: Keypoints) -> np.ndarray:
    """Known values of the map within `radius` pixels of the picture around a point."""
    rows, columns = plane.shape
    scale = np.array([columns / keypoints.width, rows / keypoints.height])
    (x, y), (across, down) = pixel * scale, np.maximum(radius * scale, 1.0)
    left, right = max(0, int(x - across)), min(columns, int(x + across) + 1)
    top, bottom = max(0, int(y - down)), min(rows, int(y + down) + 1)
    patch = plane[top:bottom, left:right].astype(np.float64).ravel()
    return patch[np.isfinite(patch)]


def _spread(plate: np.ndarray) -> float:
    """How far the values of a map reach."""
    low, high = np.nanquantile(plate, [0.02, 0.98])
    return max(float(high - low), 1e-9)
