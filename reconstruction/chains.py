"""One person's observations in the frames in which it is solved for, laid out for the optimisation."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int

from carescene.humans.anthropometry import body_measures
from carescene.humans.body import NUM_BETAS, load_body
from carescene.humans.skin_points import SkinPoints
from reconstruction.landmarks import LandmarkModel
from reconstruction.observations import LANDMARK, LANDMARKS, PoseLabels
from reconstruction.posed import FREE_JOINTS, NUM_SHAPES, BodyPoints
from reconstruction.problem import BRIDGE_S, Problem
from reconstruction.sigmas import Sigmas

_HIPS: Final = (LANDMARK["left_hip"], LANDMARK["right_hip"], LANDMARK["pelvis"])
# Terms of motion are given for this many frames a second.
USUAL_FPS: Final = 20.0
# Between labels a pose may be this far from what lies between, radians.
_BROAD: Final = 0.5
# Skin that can touch something: evenly spread, with more of it under the feet.
_SOLE_POINTS: Final = 24
_OTHER_POINTS: Final = 48


@dataclass(frozen=True)
class Chain:
    """One person's active frames, one after the other, with breaks where it was away.

    Attributes:
        person: index in the problem.
        frames: of the problem.
        pixels, precision: key points, and one over their sigma in pixels; both 0 where nothing is seen.
        label_means: means of pose labels.
        label_information: inverse covariances of the free joints' turns.
        differences: weights that make an acceleration of three frames from this one on; 0 across a break.
        steps: seconds to the next frame, infinite across a break.
        depth, depth_precision: readings of the depth map, and one over their sigma.
        upright: weight of the term that holds the person upright, 0 in frames without.
        depth_kind: "disparity" or "metres", see `reconstruction.problem.DepthTerm`.
    """

    person: int
    frames: Int[np.ndarray, "frame"]
    pixels: Float[np.ndarray, "frame landmark 2"]
    precision: Float[np.ndarray, "frame landmark"]
    label_means: Float[np.ndarray, "frame 24 3 3"]
    label_information: Float[np.ndarray, "frame turn turn"]
    differences: Float[np.ndarray, "frame 3"]
    steps: Float[np.ndarray, "frame"]
    depth: Float[np.ndarray, "frame landmark"]
    depth_precision: Float[np.ndarray, "frame landmark"]
    upright: Float[np.ndarray, "frame"]
    depth_kind: str

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def time_weight(self) -> Float[np.ndarray, "frame"]:
        """How much a difference of frames counts, so that a second counts the same at every frame rate."""
        return np.where(np.isfinite(self.steps), self.steps, 0.0) * USUAL_FPS

    @property
    def frame_weight(self) -> Float[np.ndarray, "frame"]:
        """The same for what is said about single frames: the last one before a break counts as well."""
        finite = self.steps[np.isfinite(self.steps)]
        usual = float(np.median(finite)) if len(finite) else 1 / USUAL_FPS
        return np.where(np.isfinite(self.steps), self.steps, usual) * USUAL_FPS


def make_chains(problem: Problem, labels: PoseLabels, sigmas: Sigmas) -> list[Chain]:
    """The chains of all people who are active in any frame.

    Args:
        labels: those of the problem, or neutral ones.
    """
    active = problem.active_frames()
    return [
        _chain(problem, labels, sigmas, person, np.flatnonzero(row)) for person, row in enumerate(active) if row.any()
    ]


def _chain(problem: Problem, labels: PoseLabels, sigmas: Sigmas, person: int, frames: np.ndarray) -> Chain:
    points = problem.keypoints
    seen = points.seen[person, frames] & np.isfinite(points.pixels[person, frames]).all(-1)
    precision = np.where(seen, 1 / np.where(seen, points.sigma[person, frames], 1.0), 0.0)
    precision[:, _HIPS] /= sigmas.hips
    turns = np.concatenate([np.arange(3 * joint, 3 * joint + 3) for joint in FREE_JOINTS])
    # Frames between labels: broadly what the labels around them say, but nothing of where the body faces.
    broad = np.diag(np.repeat([0.0, 1 / _BROAD**2], [3, len(turns) - 3])).astype(np.float32)
    information = np.tile(broad, (len(frames), 1, 1))
    valid = labels.valid[person, frames]
    known = frames[valid]
    # In pieces: a copy of all covariances would be the largest array of all.
    for start in range(0, len(known), 256):
        piece = known[start : start + 256]
        covariance = labels.covariance[person, piece][:, turns[:, None], turns]
        information[np.flatnonzero(valid)[start : start + 256]] = np.linalg.inv(covariance.astype(np.float64))
    steps, differences = _differences(problem.keypoints.times[frames], frames)
    depth, depth_precision = _depth(problem, person, frames)
    return Chain(
        person, frames, np.where(seen[..., None], points.pixels[person, frames], 0.0).astype(np.float64), precision,
        labels.rotations[person, frames].astype(np.float64), information, differences, steps,
        depth, depth_precision, _upright(problem, sigmas, person, frames),
        "disparity" if problem.depth is None else problem.depth.kind,
    )  # fmt: skip


def _differences(times: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds to the next frame of a chain, and the weights of second differences for uneven steps."""
    steps = np.append(np.diff(times), np.inf)
    # One frame alone may be longer than a second; what is missing in between makes the break.
    broken = np.append((steps[:-1] > BRIDGE_S) & (np.diff(frames) > 1), True)
    steps = np.where(broken, np.inf, steps)
    weights = np.zeros((len(times), 3))
    first, second = steps[:-2], steps[1:-1]
    whole = np.isfinite(first) & np.isfinite(second)
    one, two = np.where(whole, first, 1.0), np.where(whole, second, 1.0)
    table = np.stack([2 / (one * (one + two)), -2 / (one * two), 2 / (two * (one + two))], axis=-1)
    weights[: max(len(times) - 2, 0)] = np.where(whole[:, None], table, 0.0)
    return steps, weights


def _upright(problem: Problem, sigmas: Sigmas, person: int, frames: np.ndarray) -> np.ndarray:
    """Together the upright frames of a person count `lean_count` times, each once at most."""
    if problem.upright is None:
        return np.zeros(len(frames))
    upright = problem.upright[person, frames].astype(np.float64)
    return upright * min(1.0, sigmas.repeats * sigmas.lean_count / max(float(upright.sum()), 1.0))


def _depth(problem: Problem, person: int, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, precision = np.zeros((2, problem.frames, len(LANDMARKS)))
    if problem.depth is not None:
        mine = problem.depth.person == person
        at = problem.depth.frame[mine], problem.depth.landmark[mine]
        value[at], precision[at] = problem.depth.value[mine], 1 / problem.depth.sigma[mine]
    return value[frames], precision[frames]


@cache
def contact_points() -> BodyPoints:
    """Points of the bundled body's skin that can touch something, rigid with the joint that moves them most."""
    skin = SkinPoints.of(load_body(), _SOLE_POINTS + _OTHER_POINTS)
    carrier = skin.part.numpy().astype(np.int64)
    offsets = (skin.template - skin.rest[skin.part]).double().numpy()
    shapes = (skin.shape - skin.rest_shape[skin.part]).double().numpy()
    return BodyPoints(carrier, offsets, shapes)


@cache
def contact_shares() -> Float[np.ndarray, "point"]:
    """How much each contact point counts, so that a body part counts as two points however many it has."""
    carrier = contact_points().carrier
    return np.minimum(1.0, 2 / np.bincount(carrier)[carrier])


def landmark_points(model: LandmarkModel) -> BodyPoints:
    """The landmarks as points of the body."""
    return BodyPoints(model.carrier, model.offsets, model.offset_shapes)


@dataclass(frozen=True)
class Stature:
    """Height in metres as a quadratic function of the betas: constant + linear · β + β · square β."""

    constant: float
    linear: Float[np.ndarray, "10"]
    square: Float[np.ndarray, "10 10"]

    def of(self, betas: Float[np.ndarray, "10"]) -> float:
        """Height of a body of this shape, metres."""
        return float(self.constant + self.linear @ betas + betas @ self.square @ betas)

    def slope(self, betas: Float[np.ndarray, "10"]) -> Float[np.ndarray, "10"]:
        """Change of the height with each beta, metres."""
        return self.linear + 2 * self.square @ betas


@cache
def stature_model() -> Stature:
    """Height of the bundled body (`carescene.humans.anthropometry.body_measures`, which is quadratic in the betas)."""

    def height(betas: np.ndarray) -> np.ndarray:
        return body_measures(torch.from_numpy(betas))[..., 1].numpy()

    eye = np.eye(NUM_SHAPES)
    constant, up, down = float(height(np.zeros(NUM_BETAS))), height(eye), height(-eye)
    both = height(eye[:, None] + eye[None])
    square = (both - up[:, None] - up[None] + constant) / 2
    return Stature(constant, (up - down) / 2, square)


def betas_of_stature(height: float | int) -> Float[np.ndarray, "10"]:
    """The most usual shape of a body of this height in metres: smallest sum of squared betas, by Newton's method."""
    model, betas = stature_model(), np.zeros(NUM_BETAS)
    for _ in range(8):
        slope = model.slope(betas)
        # The nearest point to 0 on the tangent plane of all bodies of this height.
        betas = slope * (height - model.of(betas) + slope @ betas) / (slope @ slope)
    return betas
