"""How far away people are who are not upright, from how large their limbs look.

Of ten limbs and sides of the trunk some lie nearly across the view in any posture: the 90th percentile of their
lengths in pixels over their true lengths is the picture's scale where the person is. Measured on sitting and lying
motion capture from random sides it is 4 % too small on average with 5 % spread.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from carescene.rendering.camera import Camera
from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.upright import HALF_WIDTH, LEVEL_HEIGHT, STATURE

# In units of stature, of the bundled body.
_LIMBS: Final = (
    ("shoulder", "elbow", 0.153), ("elbow", "wrist", 0.137), ("hip", "knee", 0.238), ("knee", "ankle", 0.249),
    ("shoulder", "hip", 0.275),
)  # fmt: skip
_QUANTILE: Final = 0.9
_TOO_SMALL: Final = 0.04
# 5 % as measured, and noise of key points on short limbs.
_SPREAD: Final = 0.12
# Middle of the trunk above the floor: 0.1 m on the floor, 0.7 m on a bed or a seat.
_MIDDLE: Final = 0.45
_MIDDLE_SD: Final = 0.25
# All places of a person share errors of build and posture: together they count as three.
_TOGETHER: Final = 3.0
_MOST: Final = 60
# Cosine of 40 degrees.
_STEEP: Final = 0.77
# Hips and shoulders, indices of `reconstruction.upright.LEVELS`. Bodies differ by 6 % in both (NASA-STD-3000), and
# detectors put hips a few centimetres wider or narrower; people pull their shoulders together by up to a third.
_PAIR_LEVELS: Final = (1, 2)
_WIDTH_SPREAD: Final = (0.12, 0.25)
_PAIRS: Final = (
    (LANDMARK["left_hip"], LANDMARK["right_hip"]),
    (LANDMARK["left_shoulder"], LANDMARK["right_shoulder"]),
)
_TRUNK: Final = (*_PAIRS[0], *_PAIRS[1])


@dataclass(frozen=True)
class SizeReadings:
    """Scale of the picture where people are.

    Attributes:
        person: whose.
        pixels: middle of the trunk.
        scale: pixels per metre for a body of `STATURE`.
        weight: how much each counts.
    """

    person: Int[np.ndarray, "reading"]
    pixels: Float[np.ndarray, "reading 2"]
    scale: Float[np.ndarray, "reading"]
    weight: Float[np.ndarray, "reading"]


def read_sizes(
    keypoints: Keypoints, steady: Bool[np.ndarray, "person frame landmark"], use: Bool[np.ndarray, "person frame"]
) -> SizeReadings:
    """Sizes of the people in the frames of `use` with at least six limbs in view and a trunk."""
    ratios = []
    for first, second, length in _LIMBS:
        for side in ("left", "right"):
            a, b = LANDMARK[f"{side}_{first}"], LANDMARK[f"{side}_{second}"]
            seen = steady[..., a] & steady[..., b]
            distance = np.linalg.norm(keypoints.pixels[..., a, :] - keypoints.pixels[..., b, :], axis=-1)
            ratios.append(np.where(seen, distance / (length * STATURE), np.nan))
    ratio = np.stack(ratios, axis=-1)
    trunk = steady[..., _TRUNK]
    good = use & (np.isfinite(ratio).sum(-1) >= 6) & (trunk.sum(-1) >= 2)
    person, _ = np.nonzero(good)
    if len(person) == 0:
        return SizeReadings(person, np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    scale = np.nanquantile(ratio[good], _QUANTILE, axis=-1) * np.exp(_TOO_SMALL)
    middle = np.where(trunk[good][..., None], keypoints.pixels[good][:, _TRUNK], np.nan)
    pixels = np.nanmean(middle, axis=1)
    chosen = np.unique(np.linspace(0, len(person) - 1, _MOST).round().astype(int))
    person, pixels, scale = person[chosen], pixels[chosen], scale[chosen]
    count = np.bincount(person)[person]
    return SizeReadings(person, pixels, scale, np.minimum(1.0, _TOGETHER / count))


def size_residuals(
    readings: SizeReadings, camera: Camera, stature: Float[np.ndarray, "person"]
) -> Float[np.ndarray, "reading"]:
    """Log of the depth by the floor over the depth by the size, over its standard deviation, bounded (Cauchy)."""
    rays = camera.rays(readings.pixels)
    eye = max(float(camera.eye[2]), 0.1)
    above = max(eye - _MIDDLE, 0.3 * eye)
    depth = above / np.maximum(-rays[:, 2], 0.02)
    by_size = camera.focal * stature[readings.person] / STATURE / readings.scale
    spread = np.sqrt(_SPREAD**2 + (_MIDDLE_SD / above) ** 2)
    residual = np.log(np.maximum(depth, 1e-3) / by_size) / spread
    return np.sqrt(readings.weight) * np.sign(residual) * np.sqrt(np.log1p(residual**2))


@dataclass(frozen=True)
class WidthReadings:
    """Hips and shoulders of upright people: middle and breadth in pixels.

    Attributes:
        person: whose.
        level: 0 for hips, 1 for shoulders.
        pixels: middle of the two.
        breadth: distance between them in the picture.
    """

    person: Int[np.ndarray, "reading"]
    level: Int[np.ndarray, "reading"]
    pixels: Float[np.ndarray, "reading 2"]
    breadth: Float[np.ndarray, "reading"]


def read_widths(
    keypoints: Keypoints,
    steady: Bool[np.ndarray, "person frame landmark"],
    person: Int[np.ndarray, "chosen"],
    frame: Int[np.ndarray, "chosen"],
) -> WidthReadings:
    """Hips and shoulders of people in these frames, where both sides are seen."""
    found = []
    for level, pair in enumerate(_PAIRS):
        both = steady[person, frame][:, pair].all(-1)
        ends = keypoints.pixels[person[both], frame[both]][:, pair]
        breadth = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1)
        found.append((person[both], np.full(len(ends), level), ends.mean(1), breadth))
    return WidthReadings(*(np.concatenate(column) for column in zip(*found, strict=True)))


def width_residuals(
    readings: WidthReadings, camera: Camera, stature: Float[np.ndarray, "person"]
) -> Float[np.ndarray, "residual"]:
    """Log of the breadth of each person's hips and shoulders over what it should be, over its deviation.

    Upright rods leave the focal length of a camera that looks straight down entirely open; hips and shoulders, which
    are level, do not. From the side they are foreshortened by an unknown turn, so only views from within 40 degrees of
    the vertical count; without any a residual is 0.
    """
    rays = camera.rays(readings.pixels)
    steep = -rays[:, 2] / np.linalg.norm(rays, axis=-1)
    found = np.zeros((len(stature), len(_PAIRS)))
    for person in range(len(stature)):
        for level, (spread, body) in enumerate(zip(_WIDTH_SPREAD, _PAIR_LEVELS, strict=True)):
            mine = (readings.person == person) & (readings.level == level) & (steep > _STEEP)
            if mine.any():
                above = max(float(camera.eye[2] - stature[person] * LEVEL_HEIGHT[body]), 0.1)
                depth = above / -rays[mine, 2]
                # Mean over all turns of the body of the length of a level rod, to second order of the view's slant.
                shown = 1 - (1 - steep[mine] ** 2) / 4
                wide = 2 * HALF_WIDTH[body] * stature[person] * camera.focal / depth * shown
                found[person, level] = np.median(np.log(np.maximum(readings.breadth[mine], 1.0) / wide)) / spread
    return found.ravel()
