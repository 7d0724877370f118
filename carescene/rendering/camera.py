"""A pinhole camera, and where to put one so that a whole motion is seen.

OpenCV's convention: x right, y down, z forward.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError

# 26 degrees across, a portrait lens: somebody who walks towards the camera does not grow much, nothing is stretched.
FIELD_OF_VIEW = float(np.deg2rad(26.0))
# A tall person's eyes, seen from the door of a ward: low enough to feel present, high enough to see the floor.
EYE_HEIGHT = 2.1
# Three-quarter views from both sides: the face is seen, and so is the length of a step. The last suit long walks.
VIEW_ANGLES = np.deg2rad([35.0, -35.0, 50.0, -50.0, 20.0, -20.0])


@dataclass(frozen=True)
class Camera:
    """Where the eye stands, how it is turned, and its intrinsics in pixels."""

    eye: Float[np.ndarray, "3"]
    rotation: Float[np.ndarray, "3 3"]
    focal: float
    width: int
    height: int

    @property
    def principal(self) -> tuple[float, float]:
        """The picture's middle: pixel (0, 0) covers [0, 1) x [0, 1), so its centre is (0.5, 0.5)."""
        return self.width / 2, self.height / 2

    def project(
        self, points: Float[np.ndarray, "*batch 3"]
    ) -> tuple[Float[np.ndarray, "*batch 2"], Float[np.ndarray, "*batch"]]:
        """World points in metres to pixels (x right, y down) and depth along the view axis in metres."""
        seen = (points - self.eye) @ self.rotation.T
        depth = seen[..., 2]
        pixels = self.focal * seen[..., :2] / depth[..., None] + np.array(self.principal)
        return pixels, depth

    def directions(self, pixels: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 3"]:
        """Unit vectors in the world that leave the eye through these pixel positions."""
        flat = (pixels - np.array(self.principal)) / self.focal
        rays = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1) @ self.rotation
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def look_rotation(forward: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """World-to-camera rotation that looks along `forward` with the horizon level.

    Rows are the camera's right, down and forward axes in the z-up world. Raises UserError where `forward` is vertical,
    because no direction is "right" then.
    """
    length = float(np.linalg.norm(forward))
    right = np.cross(forward, [0.0, 0.0, 1.0])
    if length == 0 or np.linalg.norm(right) < 1e-6 * length:
        raise UserError(
            f"Expected a viewing direction that is not vertical, but got {forward.tolist()}. "
            "The eye stands exactly above or below its target. Move the eye sideways."
        )
    ahead, right = forward / length, right / np.linalg.norm(right)
    return np.stack([right, np.cross(ahead, right), ahead])


def look_at(
    eye: Float[np.ndarray, "3"],
    target: Float[np.ndarray, "3"],
    *,
    width: int,
    height: int,
    field_of_view: float = FIELD_OF_VIEW,
) -> Camera:
    """Camera at `eye` (metres) whose middle pixel shows `target`.

    `field_of_view` is the angle in radians across the shorter side. Raises UserError for an empty picture, an angle
    outside (0, pi), or an eye exactly above its target.
    """
    if width < 1 or height < 1 or not 0 < field_of_view < np.pi:
        raise UserError(
            f"Expected a picture of at least 1x1 pixels and an angle between 0 and pi, but got {width}x{height} pixels "
            f"and {field_of_view:.3g} rad. Give the angle in radians."
        )
    focal = min(width, height) / 2 / np.tan(field_of_view / 2)
    eye = np.asarray(eye, dtype=np.float64)
    rotation = look_rotation(np.asarray(target, dtype=np.float64) - eye)
    return Camera(eye=eye, rotation=rotation, focal=float(focal), width=width, height=height)


def closest_eye(
    points: Float[np.ndarray, "point 3"],
    rotation: Float[np.ndarray, "3 3"],
    tangents: tuple[float, float],
) -> Float[np.ndarray, "3"]:
    """The nearest eye that sees every point when the camera is turned by `rotation`.

    `tangents` are the tangents of the half angles across and down. Each side of the frustum is a half-space that
    must hold all points; opposite sides give two linear equations for the eye, hence this closed form.
    """
    seen = points @ rotation.T
    offsets, depths = [], []
    for axis, tangent in enumerate(tangents):
        low = np.max(seen[:, axis] - tangent * seen[:, 2])
        high = np.max(-seen[:, axis] - tangent * seen[:, 2])
        offsets.append((low - high) / 2)
        depths.append(-(low + high) / (2 * tangent))
    return np.array([*offsets, min(depths)]) @ rotation


def frame_points(
    points: Float[np.ndarray, "point 3"],
    azimuth: float,
    *,
    width: int,
    height: int,
    field_of_view: float = FIELD_OF_VIEW,
    eye_height: float = EYE_HEIGHT,
    margin: float = 0.08,
    closest: float = 3.5,
) -> Camera:
    """Camera at `eye_height` that shows every point, none of them nearer to the border than `margin` of the picture.

    `azimuth` (radians, counter-clockwise from world x) says from which side the motion is watched. The pitch is found
    by bisection: the steeper the view, the higher stands the closest eye. `closest` (metres) keeps the camera
    of a motion on the spot from coming so near that perspective distorts. Raises UserError for no or non-finite points.
    """
    if len(points) == 0 or not np.isfinite(points).all():
        raise UserError(
            f"Expected at least one finite point to look at, but got {len(points)} points. "
            "The clip shows nobody or holds NaN. Check its `valid` and `trans`."
        )
    focal = min(width, height) / 2 / np.tan(field_of_view / 2)
    shrink = 1 - 2 * margin
    tangents = (shrink * width / 2 / focal, shrink * height / 2 / focal)
    inward = -np.array([np.cos(azimuth), np.sin(azimuth)])

    def at(pitch: float) -> tuple[np.ndarray, np.ndarray]:
        rotation = look_rotation(np.array([*(np.cos(pitch) * inward), -np.sin(pitch)]))
        eye = closest_eye(points, rotation, tangents)
        missing = closest - np.min((points - eye) @ rotation[2])
        return rotation, eye - max(missing, 0.0) * rotation[2]

    gentle, steep = np.deg2rad(-30.0), np.deg2rad(60.0)
    for _ in range(40):
        pitch = (gentle + steep) / 2
        gentle, steep = (gentle, pitch) if at(pitch)[1][2] > eye_height else (pitch, steep)
    rotation, eye = at((gentle + steep) / 2)
    return Camera(eye=eye, rotation=rotation, focal=float(focal), width=width, height=height)


def frame_motion(
    points: Float[np.ndarray, "frame point 3"],
    facing: float,
    *,
    width: int,
    height: int,
    angles: Float[np.ndarray, "angle"] = VIEW_ANGLES,
) -> Camera:
    """Of several three-quarter views of a whole motion, the one in which the person looks largest.

    `points` are what must stay in the picture (metres, world), `facing` the azimuth in radians that the person mostly
    faces. A long walk is thus watched from its end rather than from the side, where it would be small.
    """
    everything = points.reshape(-1, 3)

    def size(camera: Camera) -> float:
        pixels, _ = camera.project(points)
        return float(np.mean(np.linalg.norm(np.ptp(pixels, axis=1), axis=-1)))

    cameras = [frame_points(everything, facing + angle, width=width, height=height) for angle in angles]
    return max(cameras, key=size)
