"""The five numbers of a static camera: log focal length, pitch, roll, log height and one radial lens term.

World of a reconstruction: z up, floor at z = 0, the eye above (0, 0) looking towards +y. Pitch > 0 looks down and may
pass 90 degrees: a camera under the ceiling hangs a little askew, in any direction.
"""

import dataclasses
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError
from carescene.rendering.camera import Camera

PARAMETERS: Final = ("log focal", "pitch", "roll", "log height", "k1")


def rotation_of(pitch: float | int, roll: float | int) -> Float[np.ndarray, "3 3"]:
    """World-to-camera rotation of a camera that looks towards +y, `pitch` below the horizon, turned by `roll`.

    Rows are the camera's right, down and forward axes. With positive roll (radians) the picture of an upright thing
    turns clockwise.
    """
    sin, cos = np.sin(pitch), np.cos(pitch)
    level = np.array([[1.0, 0.0, 0.0], [0.0, -sin, -cos], [0.0, cos, -sin]])
    sin, cos = np.sin(roll), np.cos(roll)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) @ level


def angles_of(down: Float[np.ndarray, "3"]) -> tuple[float, float]:
    """Pitch and roll of a camera that sees the direction straight down as `down` (unit vector in its own frame).

    The roll is within 90 degrees of 0, so a picture is never taken for upside down; the pitch then reaches from -90
    to beyond 90 degrees.
    """
    x, y, z = down / np.linalg.norm(down)
    side = 1.0 if y >= 0 else -1.0
    return float(np.arctan2(z, side * np.hypot(x, y))), float(np.arctan2(-side * x, side * y))


def camera_of(parameters: Float[np.ndarray, "5"], like: Camera) -> Camera:
    """The camera with these parameters; picture size, principal point and further lens terms as in `like`.

    Args:
        parameters: log focal length in log pixels, pitch, roll in radians, log height in log metres, k1.
        like: a camera of pictures of the same size.
    """
    log_focal, pitch, roll, log_height, k1 = (float(value) for value in parameters)
    return dataclasses.replace(
        like,
        eye=np.array([0.0, 0.0, np.exp(log_height)]),
        rotation=rotation_of(pitch, roll),
        focal=float(np.exp(log_focal)),
        distortion=(k1, *like.distortion[1:]),
    )


def parameters_of(camera: Camera) -> Float[np.ndarray, "5"]:
    """Log focal length, pitch, roll, log height and k1 of any camera in a world with z up and the floor at z = 0.

    What the five do not tell is left out: where the camera stands on the floor and which way it faces.

    Raises:
        UserError: if the camera is not above the floor.
    """
    if not camera.eye[2] > 0:
        raise UserError(
            f"Expected a camera above the floor z = 0, but its eye is at {camera.eye[2]:.2f} m. "
            "Its world may have another axis upwards or another floor. Give the camera in a world with z up, in metres."
        )
    pitch, roll = angles_of(-camera.rotation[:, 2])
    return np.array([np.log(camera.focal), pitch, roll, np.log(camera.eye[2]), camera.distortion[0]])


def to_our_world(camera: Camera) -> Camera:
    """The same camera in the world of a reconstruction: above (0, 0) and looking towards +y.

    Raises:
        UserError: if the camera is not above the floor.
    """
    return camera_of(parameters_of(camera), camera)


def plain_camera(width: int, height: int, focal: float | int) -> Camera:
    """A camera without a place yet: square pixels, the principal point in the middle, no lens."""
    return Camera(np.array([0.0, 0.0, 1.0]), rotation_of(0.0, 0.0), float(focal), width, height)


def floor_in_camera(camera: Camera) -> tuple[Float[np.ndarray, "3"], float]:
    """The floor as the camera sees it: unit normal `n` (upwards) and offset `d` with n . x + d = 0, metres.

    `d` is the camera's height.
    """
    return camera.rotation[:, 2].copy(), float(camera.eye[2])


def camera_note(camera: Camera, sigma: Float[np.ndarray, "5"]) -> str:
    """One sentence on a camera and how well it is known; `sigma` of the five parameters, 0 for what was given."""
    focal, pitch, _, height, _ = sigma
    return (
        f"Focal length {camera.focal:.0f} px (give or take {100 * focal:.0f} %), {camera.eye[2]:.2f} m above the floor "
        f"(give or take {100 * height:.0f} %), looking {np.rad2deg(parameters_of(camera)[1]):.1f} degrees down "
        f"(give or take {np.rad2deg(pitch):.1f})."
    )
