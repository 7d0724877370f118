"""The floor as a depth map shows it: inverse depth is linear over the pixels of a plane."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from carescene.rendering.camera import Camera
from reconstruction.calibration_fit import Evidence


@dataclass(frozen=True)
class FloorReading:
    """1 / z = A u + B v + C over the floor, with (u, v) in pixels from the principal point and z in metres.

    A plane seen by a camera of focal length f at height h, with the downward unit normal n in the camera's frame, has
    A = n_x / (f h), B = n_y / (f h), C = n_z / h.

    Attributes:
        slope: A, B (per metre and pixel) and C (per metre).
        covariance: of the three.
        metric: whether the map is in metres. If not, a common factor of the three is unknown and not used.
        scale_sigma: relative standard deviation of that factor when metric.
        share: of the map's pixels that lie on this plane.
        measured: whether a sensor measured it, rather than a network guessed it.
    """

    slope: Float[np.ndarray, "3"]
    covariance: Float[np.ndarray, "3 3"]
    metric: bool
    scale_sigma: float
    share: float
    measured: bool = False

    def evidence(self) -> Evidence:
        """Residuals of a camera against this floor."""
        length = float(np.linalg.norm(self.slope))
        covariance = self.covariance
        if self.metric:
            covariance = covariance + self.scale_sigma**2 * np.outer(self.slope, self.slope)
        white = np.linalg.inv(np.linalg.cholesky(covariance + (1e-5 * length) ** 2 * np.eye(3)))

        def residuals(camera: Camera, stature: np.ndarray) -> np.ndarray:
            seen = floor_slope(camera)
            if not self.metric:
                seen = seen * length / np.linalg.norm(seen)
            return white @ (seen - self.slope)

        return residuals


def floor_slope(camera: Camera) -> Float[np.ndarray, "3"]:
    """A, B, C of the floor in a camera's picture, its lens apart; see `FloorReading`."""
    down = -camera.rotation[:, 2]
    return np.array([*(down[:2] / camera.scale), down[2]]) / camera.eye[2]
