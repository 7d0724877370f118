"""Exact people for tests of the camera: upright or lying bodies of the average build, seen without a detector."""

import numpy as np

from carescene.rendering.camera import Camera
from reconstruction.camera_parameters import camera_of, plain_camera
from reconstruction.landmarks import free_landmarks
from reconstruction.observations import LANDMARKS, Keypoints


def body(stature: float = 1.68) -> np.ndarray:
    """Landmarks of a standing body, soles at z = 0, facing -y, `(26, 3)`."""
    model = free_landmarks()
    joints, offsets = model.rest(np.zeros(10))
    points = joints[model.carrier] + offsets
    points = np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=-1)
    points[:, 2] -= points[17:23, 2].min()
    return points * stature / points[:, 2].max()


def lying(points: np.ndarray) -> np.ndarray:
    """The same body on its back on the floor."""
    return np.stack([points[:, 0], points[:, 2], 0.15 - points[:, 1]], axis=-1)


def turned(points: np.ndarray, angle: float, x: float, y: float) -> np.ndarray:
    """A body turned about the vertical and put somewhere."""
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return points @ turn.T + [x, y, 0]


def ward_camera(pitch: float = 25.0, height: float = 2.4, focal: float = 620.0, roll: float = 1.0) -> Camera:
    """A camera of 1280x720 pixels; angles in degrees."""
    parameters = np.array([np.log(focal), np.deg2rad(pitch), np.deg2rad(roll), np.log(height), -0.03])
    return camera_of(parameters, plain_camera(1280, 720, focal))


def seen(people: np.ndarray, camera: Camera, noise: float = 0.0, seed: int = 0, rate: float = 10.0) -> Keypoints:
    """Key points of `(person, frame, 26, 3)` landmarks; what is outside the picture is missing."""
    pixels, depth = camera.project(people)
    rng = np.random.default_rng(seed)
    pixels = pixels + noise * rng.normal(size=pixels.shape)
    inside = ((pixels >= 0) & (pixels < [camera.width, camera.height])).all(-1) & (depth > 0.2)
    persons, frames = people.shape[:2]
    return Keypoints(
        times=np.arange(frames) / rate,
        frames=np.arange(frames),
        width=camera.width,
        height=camera.height,
        pixels=np.where(inside[..., None], pixels, np.nan),
        confidence=inside.astype(float),
        sigma=np.full((persons, frames, len(LANDMARKS)), max(noise, 1.0)),
        names=tuple(f"person {number}" for number in range(persons)),
        source="made",
    )


def walks(count: int = 8, stature: float = 1.68, seed: int = 0, centre: tuple[float, float] = (0.0, 4.5)) -> np.ndarray:
    """One person on straight ways through a room, `(1, frame, 26, 3)`, ten frames each, not in step."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        start, heading = rng.uniform(-1.5, 1.5, 2), rng.uniform(0, 2 * np.pi)
        for step in range(10):
            x, y = start + 0.12 * (step - 5) * np.array([np.cos(heading), np.sin(heading)])
            frames.append(turned(body(stature), heading + np.pi / 2, x + centre[0], y + centre[1]))
    return np.stack(frames)[None]
