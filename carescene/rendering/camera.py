"""A pinhole camera with a lens, and where to put one so that a whole motion is seen.

OpenCV's convention: x right, y down, z forward.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError
from carescene.rendering.lens import NO_DISTORTION, Distortion, distort, model_end, undistort

# 26 degrees across, a portrait lens: somebody who walks towards the camera does not grow much, nothing is stretched.
FIELD_OF_VIEW = float(np.deg2rad(26.0))
# A tall person's eyes, seen from the door of a ward: low enough to feel present, high enough to see the floor.
EYE_HEIGHT = 2.1
# Three-quarter views from both sides: the face is seen, and so is the length of a step. The last suit long walks.
VIEW_ANGLES = np.deg2rad([35.0, -35.0, 50.0, -50.0, 20.0, -20.0])


@dataclass(frozen=True)
class Camera:
    """Where the eye stands, how it is turned, and its intrinsics in pixels.

    Attributes:
        eye: position in the world, metres.
        rotation: world to camera; its rows are the camera's right, down and forward axes.
        focal: focal length across, in pixels.
        width, height: of the picture in pixels.
        distortion: k1, k2, p1, p2, k3 of OpenCV's lens model (`carescene.rendering.lens`).
        name: what to call it in files and labels.
        aspect: focal length down over the one across; 1 for square pixels.
        shift: principal point relative to the middle of the picture, in pixels (right, down).
    """

    eye: Float[np.ndarray, "3"]
    rotation: Float[np.ndarray, "3 3"]
    focal: float
    width: int
    height: int
    distortion: Distortion = NO_DISTORTION
    name: str = "camera"
    aspect: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def principal(self) -> Float[np.ndarray, "2"]:
        """Where the view axis meets the picture: pixel (0, 0) covers [0, 1) x [0, 1), so its centre is (0.5, 0.5)."""
        return np.array([self.width / 2 + self.shift[0], self.height / 2 + self.shift[1]])

    @property
    def scale(self) -> Float[np.ndarray, "2"]:
        """Focal lengths across and down, in pixels."""
        return np.array([self.focal, self.focal * self.aspect])

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """OpenCV's camera matrix K, in pixels."""
        (x, y), (across, down) = self.principal, self.scale
        return np.array([[across, 0.0, x], [0.0, down, y], [0.0, 0.0, 1.0]])

    @property
    def hfov(self) -> float:
        """Angle in radians between the views through the middles of the left and right borders, lens included."""
        middle = self.height / 2
        left, right = self.directions(np.array([[0.0, middle], [self.width, middle]]))
        return float(np.arccos(np.clip(left @ right, -1.0, 1.0)))

    def project(
        self, points: Float[np.ndarray, "*batch 3"]
    ) -> tuple[Float[np.ndarray, "*batch 2"], Float[np.ndarray, "*batch"]]:
        """World points in metres to pixels (x right, y down) and depth along the view axis in metres.

        Pixels of points behind the eye (depth <= 0) mean nothing; look at the depth first.
        """
        seen = (points - self.eye) @ self.rotation.T
        depth = seen[..., 2]
        flat = distort(seen[..., :2] / depth[..., None], self.distortion)
        return self.scale * flat + self.principal, depth

    def rays(self, pixels: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 3"]:
        """Vectors in the world through these pixel positions, 1 m long along the view axis.

        The factor that takes such a vector from the eye to a surface is therefore the surface's depth.
        """
        flat = undistort((pixels - self.principal) / self.scale, self.distortion)
        return np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1) @ self.rotation

    def directions(self, pixels: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 3"]:
        """Unit vectors in the world that leave the eye through these pixel positions."""
        rays = self.rays(pixels)
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a JSON file: what OpenCV needs, and what people read (angle, height, tilt in degrees)."""
        return {
            "name": self.name,
            "K": self.matrix.tolist(),
            "distortion": list(self.distortion),
            "R": self.rotation.tolist(),
            "eye": self.eye.tolist(),
            "width": self.width,
            "height": self.height,
            "hfov_deg": float(np.rad2deg(self.hfov)),
            "height_m": float(self.eye[2]),
            "tilt_deg": float(np.rad2deg(np.arcsin(np.clip(-self.rotation[2, 2], -1.0, 1.0)))),
        }


def look_rotation(
    forward: Float[np.ndarray, "3"], up: tuple[float, float, float] = (0.0, 0.0, 1.0)
) -> Float[np.ndarray, "3 3"]:
    """World-to-camera rotation that looks along `forward` with `up` upwards in the picture.

    Rows are the camera's right, down and forward axes in the z-up world. Raises UserError where `forward` lies along
    `up`, because no direction is "right" then: a camera that looks straight down needs a horizontal `up`.
    """
    length = float(np.linalg.norm(forward))
    right = np.cross(forward, up)
    if length == 0 or np.linalg.norm(right) < 1e-6 * length * np.linalg.norm(up):
        raise UserError(
            f"Expected a viewing direction that is not vertical, but got {np.asarray(forward).tolist()} "
            f"with {list(up)} upwards. The eye stands exactly above or below its target. "
            "Move the eye sideways, or say which horizontal direction is upwards in the picture."
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


def lens_folds(camera: Camera) -> bool:
    """Whether OpenCV's polynomial folds back inside the picture, so that two directions fall on one pixel."""
    width, height = camera.width, camera.height
    border = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=np.float64)
    flat = undistort((border - camera.principal) / camera.scale, camera.distortion)
    return float(np.linalg.norm(flat, axis=-1).max()) > model_end(camera.distortion)[0]


def check_lens(camera: Camera) -> Camera:
    """The camera, if its lens shows every pixel of its picture one direction.

    Raises:
        UserError: if OpenCV's polynomial folds back inside the picture, so that other programs would not agree.
    """
    if lens_folds(camera):
        end, _ = model_end(camera.distortion)
        raise UserError(
            f"Expected a lens whose image keeps growing up to the picture's corners, but got the distortion "
            f"{list(camera.distortion)} with {np.rad2deg(camera.hfov):.0f} degrees across: it folds back "
            f"{np.rad2deg(np.arctan(end)):.0f} degrees off the axis. Use less distortion or a narrower view."
        )
    return camera


def camera_from_dict(values: dict[str, Any]) -> Camera:
    """The camera of a dictionary made by `Camera.to_dict`; the angles that are only for people to read are not needed.

    Raises:
        UserError: if something is missing or has the wrong size, K has skew or a principal point outside the picture,
            R is no rotation, or the lens folds back inside the picture.
    """
    try:
        matrix, rotation = np.array(values["K"], np.float64), np.array(values["R"], np.float64)
        eye, width, height = np.array(values["eye"], np.float64), int(values["width"]), int(values["height"])
        lens = tuple(float(value) for value in values.get("distortion", NO_DISTORTION))
        # OpenCV leaves k3 out where it was not fitted.
        lens = (*lens, 0.0) if len(lens) == 4 else lens
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"Expected a camera with K, R, eye, width and height, but got {values!r} ({error!r}). "
            "It may come from another program. Write it as Camera.to_dict does."
        ) from error
    if matrix.shape != (3, 3) or rotation.shape != (3, 3) or eye.shape != (3,) or len(lens) != 5:
        raise UserError(
            "Expected a camera with K 3x3, R 3x3, eye of 3 and distortion of 5 numbers, but got shapes "
            f"{matrix.shape}, {rotation.shape}, {eye.shape} and {len(lens)} numbers. Fill the lists."
        )
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5) or np.linalg.det(rotation) < 0:
        raise UserError(
            f"Expected R to be a rotation from world to camera, but got {rotation.tolist()}. "
            "Its rows must be the camera's right, down and forward axes, of length 1 and at right angles."
        )
    across, down, principal = float(matrix[0, 0]), float(matrix[1, 1]), matrix[:2, 2]
    plain = np.array([[across, 0.0, principal[0]], [0.0, down, principal[1]], [0.0, 0.0, 1.0]])
    inside = bool((principal > 0).all() and principal[0] < width and principal[1] < height)
    if min(width, height) < 1 or min(across, down) <= 0 or not np.allclose(matrix, plain, atol=1e-3) or not inside:
        raise UserError(
            f"Expected K as [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with positive focal lengths and the principal "
            f"point in the picture of {width}x{height} pixels, but got {matrix.tolist()}. Skew is not supported; "
            "check that K belongs to pictures of this size."
        )
    shift = float(principal[0] - width / 2), float(principal[1] - height / 2)
    name = str(values.get("name", "camera"))
    return check_lens(Camera(eye, rotation, across, width, height, lens, name, aspect=down / across, shift=shift))
