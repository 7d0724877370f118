"""Standing and walking people as measuring rods: at which heights their ankles, hips, shoulders and heads are.

The statistics describe 31,000 standing and walking frames of motion capture (every eighth clip of the prepared
Bandai-Namco, SAMP, CIRCLE and DeepMimic recordings on the bundled body), trunk within 30 degrees of the vertical, hips
above 0.44 and ankles below 0.14 of stature: covariance of the clips' medians, and of frames around them.
"""

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from reconstruction.observations import LANDMARK, Keypoints

# Each level is the middle of what is seen of these landmarks; one of a pair alone is `HALF_WIDTH` off the middle.
LEVELS: Final[tuple[tuple[str, ...], ...]] = (
    ("left_ankle", "right_ankle"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "right_shoulder"),
    ("left_ear", "right_ear"),
    ("nose",),
    ("head_top",),
)
STATURE: Final = 1.68
STATURE_SD: Final = 0.09
# All in units of stature: mean height of each level and half the breadth between the two landmarks of a pair.
LEVEL_HEIGHT: Final = np.array([0.060, 0.514, 0.763, 0.902, 0.875, 0.969])
HALF_WIDTH: Final = np.array([0.067, 0.066, 0.104, 0.046, 0.0, 0.0])
# How people differ from each other in how they hold themselves (covariance of a person's mean heights) ...
_HABIT: Final = 1e-4 * np.array([
    [3.71, -0.83, -0.88, -1.42, -1.68, -1.17],
    [-0.83, 2.07, 3.23, 3.04, 3.60, 3.24],
    [-0.88, 3.23, 5.78, 4.73, 5.51, 5.11],
    [-1.42, 3.04, 4.73, 5.97, 7.78, 6.92],
    [-1.68, 3.60, 5.51, 7.78, 11.39, 9.29],
    [-1.17, 3.24, 5.11, 6.92, 9.29, 8.48],
])  # fmt: skip
# ... where detectors put a point on the body, 1.5 % of stature (25 mm) off our landmark ...
_DETECTOR: Final = 0.015
# ... and how much one person goes up and down in walking.
_STEP: Final = 1e-4 * np.array([
    [0.80, 0.01, -0.01, 0.04, 0.08, 0.05],
    [0.01, 1.14, 1.24, 1.24, 1.26, 1.26],
    [-0.01, 1.24, 1.43, 1.44, 1.49, 1.47],
    [0.04, 1.24, 1.44, 1.76, 1.97, 1.97],
    [0.08, 1.26, 1.49, 1.97, 2.49, 2.29],
    [0.05, 1.26, 1.47, 1.97, 2.29, 2.31],
])  # fmt: skip
# Sideways from one vertical line: people lean, and noses are in front of ankles.
_LEAN: Final = 1e-4 * np.array([
    [36.8, 11.5, 10.5, -11.7, -33.5, -19.9],
    [11.5, 6.8, 4.1, -5.3, -12.7, -9.4],
    [10.5, 4.1, 5.9, -4.4, -13.8, -8.6],
    [-11.7, -5.3, -4.4, 4.8, 12.2, 8.5],
    [-33.5, -12.7, -13.8, 12.2, 41.8, 21.9],
    [-19.9, -9.4, -8.6, 8.5, 21.9, 16.1],
])  # fmt: skip
# People who bend, crouch, sit or fall: how much lower their levels are on average, and how far to the side, all by one
# share that varies from nothing to twice that, and each by a little more.
_LOWER: Final = np.array([0.0, -0.10, -0.22, -0.27, -0.29, -0.30])
_ASIDE: Final = np.array([0.0, 0.08, 0.16, 0.22, 0.24, 0.22])
_LOOSE: Final = 0.05
_SMALL: Final = 1e-5 * np.eye(len(LEVELS))
LEVEL_COVARIANCE: Final = (
    STATURE**2 * (_HABIT + _DETECTOR**2 * np.eye(len(LEVELS)))
    + STATURE_SD**2 * np.outer(LEVEL_HEIGHT, LEVEL_HEIGHT)
)  # fmt: skip
STEP_COVARIANCE: Final = STATURE**2 * (_STEP + _SMALL)
LEAN_COVARIANCE: Final = STATURE**2 * (_LEAN + _SMALL)
BENT_LOWER: Final = STATURE * _LOWER
BENT_COVARIANCE: Final = (
    STATURE**2 * (0.4 * np.outer(_LOWER, _LOWER) + _LOOSE**2 * np.eye(len(LEVELS))) + STEP_COVARIANCE
)
BENT_LEAN_COVARIANCE: Final = (
    STATURE**2 * (np.outer(_ASIDE, _ASIDE) + _LOOSE**2 * np.eye(len(LEVELS))) + LEAN_COVARIANCE
)
# How much the stature of people changes with their levels, at the best guess.
STATURE_GAIN: Final = STATURE_SD**2 * np.linalg.solve(LEVEL_COVARIANCE, LEVEL_HEIGHT)
# A window of time in which a point of a body moves on a line, and how far off it is an error of the detector.
_WINDOW_S: Final = 0.15
_OFF_LINE: Final = 5.0
# Detectors put feet that are out of view on the picture's border, this near in units of its longer side.
_BORDER: Final = 0.012
# Places nearer than this (in units of the person's size in the picture) tell the same.
_PLACE: Final = 0.2
_PER_PLACE: Final = 2
# Moving less than this in about a second, in units of the person's size, is standing still.
_MOVING: Final = 0.15
_PER_WAY: Final = 3.0
MAX_OBSERVATIONS: Final = 120


@dataclass(frozen=True)
class LevelObservations:
    """Levels of people in single frames; missing levels have an infinite `sigma`.

    Attributes:
        person, frame: whose they are, indices into the key points.
        pixels: `(observation, level, 2)`, 0 where missing.
        sigma: of each level in pixels, infinite where missing.
        single: levels of which only one of two landmarks is seen.
        weight: how much each observation counts; people who stay in one place do not count again and again.
    """

    person: Int[np.ndarray, "observation"]
    frame: Int[np.ndarray, "observation"]
    pixels: Float[np.ndarray, "observation level 2"]
    sigma: Float[np.ndarray, "observation level"]
    single: Bool[np.ndarray, "observation level"]
    weight: Float[np.ndarray, "observation"]

    def __len__(self) -> int:
        return len(self.person)

    @property
    def seen(self) -> Bool[np.ndarray, "observation level"]:
        """Which levels there are."""
        return np.isfinite(self.sigma)


def steady_points(keypoints: Keypoints) -> Bool[np.ndarray, "person frame landmark"]:
    """Points that are seen, not on the picture's border, and lie where the same point is just before and after.

    A point is taken for a detector's jump, and left out, if it is further than `_OFF_LINE` of its sigmas, and more than
    a twentieth of the person's size, from every middle between its own positions equally long before and after, up to
    0.15 s. Without any such pair (slow videos, ends of a track), nothing can be said and the point stays.
    """
    with np.errstate(invalid="ignore"):
        edge = _BORDER * max(keypoints.width, keypoints.height)
        room = np.array([keypoints.width, keypoints.height]) - edge
        seen = keypoints.seen & ((keypoints.pixels > edge) & (keypoints.pixels < room)).all(-1)
    step = float(np.median(np.diff(keypoints.times))) if len(keypoints.times) > 1 else np.inf
    reach = int(_WINDOW_S / step) if step > 0 else 0
    if reach < 1 or not seen.any():
        return seen
    pixels = np.where(seen[..., None], keypoints.pixels, np.nan)
    away = np.full(seen.shape, np.inf)
    for k in range(1, min(reach, (pixels.shape[1] - 1) // 2) + 1):
        middle = (pixels[:, : -2 * k] + pixels[:, 2 * k :]) / 2
        distance = np.linalg.norm(pixels[:, k:-k] - middle, axis=-1)
        away[:, k:-k] = np.fmin(away[:, k:-k], distance)
    size = person_size(pixels)
    allowed = np.maximum(_OFF_LINE * np.where(seen, keypoints.sigma, 0), 0.05 * size[..., None])
    return seen & ~(np.isfinite(away) & (away > allowed))


def person_size(pixels: Float[np.ndarray, "person frame landmark 2"]) -> Float[np.ndarray, "person frame"]:
    """How large people are in the picture: four spreads of their points, robustly, in pixels; 0 where unseen.

    NaN marks missing points.
    """
    known = np.isfinite(pixels[..., 0])
    size = np.zeros(known.shape[:2])
    some = known.sum(-1) >= 3
    chosen = pixels[some]
    spread = np.nanmedian(np.abs(chosen - np.nanmedian(chosen, axis=-2, keepdims=True)), axis=-2)
    size[some] = 4 * np.linalg.norm(spread, axis=-1)
    return size


def observe_levels(keypoints: Keypoints, steady: Bool[np.ndarray, "person frame landmark"]) -> LevelObservations:
    """Levels of everybody in every frame with at least three of them, ankles or hips among them."""
    persons, frames = keypoints.present.shape
    pixels = np.zeros((persons, frames, len(LEVELS), 2))
    sigma = np.full((persons, frames, len(LEVELS)), np.inf)
    single = np.zeros((persons, frames, len(LEVELS)), bool)
    for level, names in enumerate(LEVELS):
        which = [LANDMARK[name] for name in names]
        known = steady[..., which]
        count = known.sum(-1)
        some = count > 0
        total = np.where(known[..., None], keypoints.pixels[..., which, :], 0).sum(-2)
        variance = np.where(known, keypoints.sigma[..., which], 0) ** 2
        pixels[some, level] = total[some] / count[some][:, None]
        sigma[some, level] = np.sqrt(variance.sum(-1)[some]) / count[some]
        single[..., level] = count == 1
    known = np.isfinite(sigma)
    use = (known.sum(-1) >= 3) & known[..., :2].any(-1)
    person, frame = np.nonzero(use)
    single &= np.array([len(names) > 1 for names in LEVELS])
    return LevelObservations(person, frame, pixels[use], sigma[use], single[use], np.ones(len(person)))


def spread_places(observations: LevelObservations, most: int = MAX_OBSERVATIONS) -> LevelObservations:
    """At most two observations of each person in each place and size in the picture, and at most `most` in all.

    One place tells the same however long somebody stays there. All places that a person passes while moving one way in
    the picture share how the person leans, so together they weigh as `_PER_WAY` observations.
    """
    if len(observations) == 0:
        return observations
    known = observations.seen[..., None]
    centre = np.where(known, observations.pixels, 0).sum(1) / known.sum(1)
    extent = np.array(
        [np.ptp(one[seen], axis=0).max() for one, seen in zip(observations.pixels, observations.seen, strict=True)]
    )
    size = {person: float(np.median(extent[observations.person == person])) for person in set(observations.person)}
    unit = _PLACE * np.array([max(size[person], 1.0) for person in observations.person])
    cells = np.floor(np.column_stack([centre / unit[:, None], extent / unit])).astype(int)
    cells = np.column_stack([observations.person, cells])
    _, cell = np.unique(cells, axis=0, return_inverse=True)
    cell = cell.ravel()
    keep: list[int] = []
    for number in range(cell.max() + 1):
        members = np.flatnonzero(cell == number)
        keep.extend(members[np.unique(np.linspace(0, len(members) - 1, _PER_PLACE + 2).round().astype(int)[1:-1])])
    chosen = np.sort(np.array(keep))
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).round().astype(int)]
    way = _ways(observations, centre, unit / _PLACE)[chosen]
    count = np.bincount(way)[way]
    spread = take(observations, chosen)
    return dataclasses.replace(spread, weight=np.minimum(1.0, _PER_WAY / count))


def _ways(
    observations: LevelObservations, centre: Float[np.ndarray, "observation 2"], size: Float[np.ndarray, "observation"]
) -> Int[np.ndarray, "observation"]:
    """Number of the way that each observation belongs to: a person and an eighth of the compass, or standing still."""
    way = np.zeros(len(observations), np.int64)
    for person in set(observations.person):
        mine = np.flatnonzero(observations.person == person)
        # About half a second to either side at the usual rates; what matters is only roughly which way.
        reach = min(8, len(mine) - 1)
        ahead = np.minimum(np.arange(len(mine)) + reach, len(mine) - 1)
        behind = np.maximum(np.arange(len(mine)) - reach, 0)
        moved = (centre[mine[ahead]] - centre[mine[behind]]) / size[mine][:, None]
        sector = np.floor((np.arctan2(moved[:, 1], moved[:, 0]) / (2 * np.pi) % 1) * 8).astype(int)
        sector[np.linalg.norm(moved, axis=-1) < _MOVING] = 8
        way[mine] = 9 * int(person) + sector
    return way


def take(observations: LevelObservations, chosen: Int[np.ndarray, "chosen"]) -> LevelObservations:
    """Some of the observations."""
    return LevelObservations(
        observations.person[chosen], observations.frame[chosen], observations.pixels[chosen],
        observations.sigma[chosen], observations.single[chosen], observations.weight[chosen],
    )  # fmt: skip


def posterior_stature(heights: Float[np.ndarray, "person level"]) -> Float[np.ndarray, "person"]:
    """Most probable stature of people whose levels are at these heights, metres."""
    return STATURE + (heights - STATURE * LEVEL_HEIGHT) @ STATURE_GAIN
