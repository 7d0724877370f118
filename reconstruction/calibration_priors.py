"""What is known of a static camera before anything is seen through it, and what the user may say about it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError
from carescene.rendering.camera import Camera, camera_from_dict, check_lens
from reconstruction.calibration_fit import Evidence
from reconstruction.camera_parameters import rotation_of, to_our_world

# A calibration pattern gives a focal length to about half a per cent, a tape measure a height to a centimetre or two.
_GIVEN_FOCAL: Final = 0.005
_GIVEN_TILT: Final = 0.003
_GIVEN_HEIGHT: Final = 0.01
_GIVEN_LENS: Final = 0.003
# People click on a floor to about two pixels, and measure it to about one per cent.
_CLICK: Final = 2.0
_TAPE: Final = 0.01


@dataclass(frozen=True)
class PitchMode:
    """One way to hang a camera.

    Attributes:
        pitch, sd: where it looks and the standard deviation, radians.
        share: of the cameras that hang so.
        view: angle in radians across the longer side of the picture of the middle one of them.
    """

    pitch: float
    sd: float
    share: float
    view: float

    def focal(self, width: int, height: int) -> float:
        """Focal length of the middle camera in pixels of pictures of this size."""
        return max(width, height) / 2 / float(np.tan(self.view / 2))


@dataclass(frozen=True)
class CameraPriors:
    """What cameras in wards and homes are like.

    Attributes:
        modes: how cameras look down: on walls, in corners, on tables 20 +- 17 degrees with 75 degrees of view; a few
            straight down, which needs wider lenses under ordinary ceilings.
        log_focal_sd: standard deviation of the log focal length; with 0.3 and 75 degrees in the middle, 95 % have 46 to
            109 degrees of view.
        level_sd: how far the picture's horizontal is off the level, radians.
        height, log_height_sd: 1.8 m, 95 % within 0.75 to 4.3 m: tables as well as ceilings.
        barrel, barrel_sd: share of the corner's distance from the middle by which lenses move it (k1 r^2): 3 % inwards,
            give or take 4 %.
    """

    modes: tuple[PitchMode, ...] = (
        PitchMode(float(np.deg2rad(20.0)), float(np.deg2rad(17.0)), 0.85, float(np.deg2rad(75.0))),
        PitchMode(float(np.deg2rad(90.0)), float(np.deg2rad(6.0)), 0.15, float(np.deg2rad(95.0))),
    )
    log_focal_sd: float = 0.3
    level_sd: float = float(np.deg2rad(3.0))
    height: float = 1.8
    log_height_sd: float = 0.45
    barrel: float = -0.03
    barrel_sd: float = 0.04

    def nearest(self, pitch: float) -> PitchMode:
        """The way to hang a camera that comes nearest to this pitch in radians."""
        return min(self.modes, key=lambda mode: abs(mode.pitch - pitch))

    def evidence(self, mode: PitchMode) -> Evidence:
        """Residuals of a camera against the priors."""

        def residuals(camera: Camera, stature: np.ndarray) -> np.ndarray:
            down = -camera.rotation[:, 2]
            pitch = np.arctan2(down[2], down[1])
            corner = np.hypot(camera.width, camera.height) / 2 / camera.focal
            return np.array([
                np.log(camera.focal / mode.focal(camera.width, camera.height)) / self.log_focal_sd,
                # Near the vertical the whole lean counts, in whichever direction of the picture.
                (pitch - mode.pitch) / mode.sd,
                np.arcsin(np.clip(down[0], -1, 1)) / self.level_sd,
                np.log(camera.eye[2] / self.height) / self.log_height_sd,
                (camera.distortion[0] * corner**2 - self.barrel) / self.barrel_sd,
            ])  # fmt: skip

        return residuals


@dataclass(frozen=True)
class KnownDistance:
    """How far apart two points of the floor are: their `pixels` `(2, 2)` and the distance in `metres`."""

    pixels: Float[np.ndarray, "2 2"]
    metres: float | int


@dataclass(frozen=True)
class GivenCamera:
    """What the user knows about the camera; everything may be left out.

    Attributes:
        camera: all of it, in a world with z up and the floor at z = 0.
        lens: intrinsics only, as `lens_camera` makes; where the camera stands is found from people.
        distance: one known distance on the floor.
        height: of the lens above the floor, metres.
    """

    camera: Camera | None = None
    lens: Camera | None = None
    distance: KnownDistance | None = None
    height: float | int | None = None

    def check(self, width: int, height: int) -> "GivenCamera":
        """The same for pictures of this size, with the camera in the world of a reconstruction.

        Raises:
            UserError: for a camera of pictures of another shape, or a distance or height that is none.
        """
        camera = None if self.camera is None else to_our_world(_resized(self.camera, width, height))
        lens = None if self.lens is None else _resized(self.lens, width, height)
        if self.height is not None and not 0.2 <= self.height <= 30:
            raise UserError(
                f"Expected a camera height of 0.2 to 30 metres, but got {self.height}. "
                "It may be in centimetres or feet. Give metres above the floor."
            )
        if self.distance is not None:
            apart = float(np.linalg.norm(np.diff(self.distance.pixels, axis=0)))
            inside = (self.distance.pixels >= 0).all() and (self.distance.pixels <= [width, height]).all()
            if not 0 < self.distance.metres < 100 or apart < 10 or not inside:
                raise UserError(
                    f"Expected two points of the floor at least 10 pixels apart in the picture of {width}x{height} "
                    f"pixels and their distance in metres, but got {self.distance.pixels.tolist()} and "
                    f"{self.distance.metres} m. Take two points that are far apart, such as the corners of the room."
                )
        return GivenCamera(camera, lens, self.distance, self.height)

    def evidence(self) -> list[Evidence]:
        """Residuals of a camera against what is given."""
        found: list[Evidence] = []
        if self.camera is not None:
            given = self.camera
            found.append(lambda camera, stature: np.concatenate([
                _lens_residuals(camera, given),
                (camera.rotation[:, 2] - given.rotation[:, 2]) / _GIVEN_TILT,
                [np.log(camera.eye[2] / given.eye[2]) / _GIVEN_HEIGHT],
            ]))  # fmt: skip
        elif self.lens is not None:
            lens = self.lens
            found.append(lambda camera, stature: _lens_residuals(camera, lens))
        if self.height is not None:
            height = float(self.height)
            found.append(lambda camera, stature: np.array([np.log(camera.eye[2] / height) / _GIVEN_HEIGHT]))
        if self.distance is not None:
            known = self.distance
            found.append(lambda camera, stature: np.array([_distance_residual(camera, known)]))
        return found


def lens_camera(
    matrix: Float[np.ndarray, "3 3"], distortion: Float[np.ndarray, "lens"], width: int, height: int
) -> Camera:
    """Intrinsics as a camera without a place: OpenCV's K and up to five terms k1, k2, p1, p2, k3.

    Raises:
        UserError: as `carescene.rendering.camera.camera_from_dict`.
    """
    lens = [float(value) for value in distortion]
    return camera_from_dict({
        "K": matrix.tolist(), "distortion": lens + [0.0] * (5 - len(lens)), "R": rotation_of(0.0, 0.0).tolist(),
        "eye": [0.0, 0.0, 1.0], "width": width, "height": height,
    })  # fmt: skip


def read_camera(path: Path) -> Camera:
    """A camera file: JSON as `Camera.to_dict` writes it, or a clip's with its `cameras`, of which the first is taken.

    Raises:
        UserError: if there is no such file, or it holds no camera.
    """
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"Expected a camera file in JSON at {path}, but could not read it ({error}). "
            "Write one as Camera.to_dict does: K, R, eye, width, height and, if known, distortion."
        ) from error
    if isinstance(values, dict) and values.get("cameras"):
        values = values["cameras"][0]
    if not isinstance(values, dict):
        raise UserError(
            f"Expected a camera with K, R, eye, width and height in {path}, but got {type(values).__name__}. "
            "Write it as Camera.to_dict does."
        )
    return camera_from_dict(values)


def _resized(camera: Camera, width: int, height: int) -> Camera:
    """The same camera for smaller or larger pictures of the same shape."""
    across, down = width / camera.width, height / camera.height
    if abs(across / down - 1) > 0.01:
        raise UserError(
            f"Expected a camera of pictures of the shape {width}x{height}, but got one of {camera.width}x"
            f"{camera.height} pixels. It belongs to another video, or the video was cropped. Give this video's camera."
        )
    shift = (camera.shift[0] * across, camera.shift[1] * down)
    return check_lens(
        Camera(
            camera.eye, camera.rotation, camera.focal * across, width, height, camera.distortion, camera.name,
            aspect=camera.aspect * down / across, shift=shift,
        )
    )  # fmt: skip


def _lens_residuals(camera: Camera, given: Camera) -> np.ndarray:
    bent = camera.distortion[0] - given.distortion[0]
    return np.array([np.log(camera.focal / given.focal) / _GIVEN_FOCAL, bent / _GIVEN_LENS])


def _distance_residual(camera: Camera, known: KnownDistance) -> float:
    """Log of the distance on the floor over the given one, in standard deviations of clicks and tape."""
    length = floor_distance(camera, known.pixels)
    slack = []
    for point in range(2):
        for axis in range(2):
            moved = known.pixels.copy()
            moved[point, axis] += _CLICK
            slack.append(np.log(floor_distance(camera, moved) / length))
    spread = np.sqrt(_TAPE**2 + np.sum(np.square(slack)))
    return float(np.log(length / known.metres) / min(spread, 0.5))


def floor_distance(camera: Camera, pixels: Float[np.ndarray, "2 2"]) -> float:
    """Metres between what two pixels show of the floor; rays near or above the horizon are bent down to meet it."""
    rays = camera.directions(pixels)
    floor = camera.eye[2] * rays[:, :2] / np.maximum(-rays[:, 2:], 0.01)
    return max(float(np.linalg.norm(floor[0] - floor[1])), 1e-6)
