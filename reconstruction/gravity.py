"""Which way is up for the camera, from the poses of people who stand or walk: from ankles to neck of a straight body.

A pose label is a body in the camera's frame. People upright in one place leave a camera's tilt open in two dimensions
(a short person seen from the front looks like a tall one seen from above); their poses do not.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import Camera
from reconstruction.landmarks import free_landmarks
from reconstruction.observations import PoseLabels

# A body is straight when knees and hips are bent by less than this.
_BENT: Final = np.cos(np.deg2rad(30.0))
# Standard deviation of a person's readings, which share errors of the labels and how far people lean: 4 to 9 degrees
# between labels of the lifter and the truth, for people in one place. Together they count as little more than one.
_SPREAD: Final = float(np.deg2rad(6.0))
_TOGETHER: Final = 1.5
_MOST: Final = 60


@dataclass(frozen=True)
class GravityReadings:
    """Upwards as straight bodies have it.

    Attributes:
        person: whose.
        up: unit vectors in the camera's frame.
        weight: how much each counts.
    """

    person: Int[np.ndarray, "reading"]
    up: Float[np.ndarray, "reading 3"]
    weight: Float[np.ndarray, "reading"]


def read_gravity(labels: PoseLabels) -> GravityReadings:
    """Directions from ankles to neck of all straight bodies, whether they stand or lie."""
    person, frame = np.nonzero(labels.valid)
    if len(person) == 0:
        return GravityReadings(person, np.zeros((0, 3)), np.zeros(0))
    up, straight = _posture(labels, person, frame)
    person, up = person[straight], up[straight]
    if len(person) > _MOST:
        chosen = np.linspace(0, len(person) - 1, _MOST).round().astype(int)
        person, up = person[chosen], up[chosen]
    return GravityReadings(person, up, np.minimum(1.0, _TOGETHER / np.bincount(person)[person]))


def bent_bodies(labels: PoseLabels) -> Bool[np.ndarray, "person frame"]:
    """Who sits, bends or crouches in which frame by the labels: whatever the camera, that is no upright person."""
    bent = np.zeros(labels.valid.shape, bool)
    person, frame = np.nonzero(labels.valid)
    if len(person):
        bent[person, frame] = ~_posture(labels, person, frame)[1]
    return bent


def _posture(labels: PoseLabels, person: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors from ankles to neck in the camera's frame, and whether the body is straight."""
    rotations = torch.from_numpy(np.asarray(labels.rotations[person, frame], np.float64))
    rest = torch.from_numpy(free_landmarks().joints)
    joints = forward_kinematics(rotations, torch.zeros(len(person), 3, dtype=torch.float64), rest)[0].numpy()

    def middle(name: str) -> np.ndarray:
        return (joints[:, JOINT[f"left_{name}"]] + joints[:, JOINT[f"right_{name}"]]) / 2

    hips, ankles, neck = middle("hip"), middle("ankle"), joints[:, JOINT["neck"]]
    straight = _along(neck - hips, hips - ankles) > _BENT
    for side in ("left", "right"):
        knee = joints[:, JOINT[f"{side}_knee"]]
        thigh, shin = joints[:, JOINT[f"{side}_hip"]] - knee, knee - joints[:, JOINT[f"{side}_ankle"]]
        # Walking bends the knee of the leg in the air further.
        straight &= _along(thigh, shin) > 0.5
    up = neck - ankles
    return up / np.linalg.norm(up, axis=-1, keepdims=True), straight


def gravity_residuals(readings: GravityReadings, camera: Camera) -> Float[np.ndarray, "residual"]:
    """Sine of the angle between each reading and the camera's up, across and along the picture, in deviations.

    Bounded (Geman-McClure), so that straight people who lie have no say once others stand.
    """
    up = camera.rotation[:, 2]
    off = (readings.up - up) / _SPREAD
    squared = (off**2).sum(-1, keepdims=True)
    return (np.sqrt(readings.weight)[:, None] * off / np.sqrt(1 + squared / 9)).ravel()


def most_agreed(readings: GravityReadings) -> Float[np.ndarray, "3"] | None:
    """The reading that most others agree with to 15 degrees; None without readings."""
    if len(readings.up) == 0:
        return None
    return readings.up[int((readings.up @ readings.up.T > np.cos(np.deg2rad(15.0))).sum(-1).argmax())]


def _along(first: Float[np.ndarray, "n 3"], second: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
    """Cosine of the angle between vectors."""
    return (first * second).sum(-1) / (np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1))
