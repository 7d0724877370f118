"""Where a posed body stands, from what the camera sees of it, while its pose is held."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from carescene.rendering.camera import Camera
from carescene.rendering.lens import undistort

# How near a pelvis may be to the plane of the eye, metres.
_NEAREST_M: Final = 0.5
_START_M: Final = 4.0
# Poses are guesses here: misfits grow into outliers beyond this many sigmas only.
_SOFT: Final = 6.0
_ROUNDS: Final = 6
_LEAST_POINTS: Final = 3


def fit_positions(
    camera: Camera,
    offsets: Float[np.ndarray, "frame landmark 3"],
    pixels: Float[np.ndarray, "frame landmark 2"],
    precision: Float[np.ndarray, "frame landmark"],
) -> tuple[Float[np.ndarray, "frame 3"], Float[np.ndarray, "frame"], Bool[np.ndarray, "frame"]]:
    """Translation of a rigid set of points with which it projects to these pixels, reweighted against outliers.

    In the camera's axes a point q off the pelvis t is seen at flat coordinates u where (t + q)_xy = u (t + q)_z: two
    equations that are linear in t. Cauchy weights.

    Args:
        offsets: points less the pelvis, in the world's axes, metres.
        precision: one over the pixels' sigmas, 0 where nothing is seen.

    Returns:
        pelvis in the world in metres, mean Cauchy cost of its seen points, and whether at least three are seen.
    """
    flat = undistort((pixels - camera.principal) / camera.scale, camera.distortion)
    turned = offsets @ camera.rotation.T
    rows = np.zeros((*flat.shape, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1.0
    rows[..., 2] = -flat
    right = (flat * turned[..., 2:] - turned[..., :2])[..., None]
    scale = precision * camera.focal
    place = np.tile([0.0, 0.0, _START_M], (len(flat), 1))
    weight, cost = scale, np.zeros_like(scale)
    for _ in range(_ROUNDS):
        weighted = (rows * (weight**2)[..., None, None]).reshape(len(flat), -1, 3).swapaxes(1, 2)
        normal = weighted @ rows.reshape(len(flat), -1, 3)
        # A little of the identity: without any point, the last place is kept.
        ridge = 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12
        force = weighted @ right.reshape(len(flat), -1, 1) + ridge * place[..., None]
        place = np.linalg.solve(normal + ridge * np.eye(3), force)[..., 0]
        place[:, 2] = np.maximum(place[:, 2], _NEAREST_M)
        depth = np.maximum(place[:, None, 2] + turned[..., 2], _NEAREST_M / 2)
        miss = np.linalg.norm((rows @ place[:, None, :, None] - right)[..., 0], axis=-1) * scale / depth
        cost = np.log1p((miss / _SOFT) ** 2)
        weight = scale / depth / np.sqrt(1 + (miss / _SOFT) ** 2)
    seen = (precision > 0).sum(axis=-1)
    return camera.eye + place @ camera.rotation, cost.sum(-1) / np.maximum(seen, 1), seen >= _LEAST_POINTS


def moved_places(
    places: Float[np.ndarray, "frame 3"],
    steps: Float[np.ndarray, "frame 3"],
    cameras: tuple[Camera, Camera],
    change: Float[np.ndarray, "5"],
) -> Float[np.ndarray, "frame 3"]:
    """Where places come to by a step of places and camera that is straight in pixels and log depth.

    Focal length and distance trade off along a curve of the world, on which the picture hardly changes. To first order
    the result is `places + steps`; beyond it, the pixels and the logarithms of depth move evenly instead of the
    metres, so that a step along that curve may be long.

    Args:
        places, steps: in the world, metres.
        cameras: before and after the step.
        change: of (log focal length, pitch, roll, log height, k1) from one to the other.
    """
    before, after = cameras
    rotation = before.rotation
    seen = (places - before.eye) @ rotation.T
    turned = change[1] * np.cross(rotation[:, 0], seen) + change[2] * np.cross([0.0, 0.0, 1.0], seen)
    moved = steps @ rotation.T + turned - change[3] * before.eye[2] * rotation[:, 2]
    depth, deeper = seen[:, 2:], moved[:, 2:]
    # Beside or behind the eye there are no pixels; there the world itself is straight.
    ahead = depth > _NEAREST_M
    depth = np.where(ahead, depth, 1.0)
    flat = seen[:, :2] / depth
    flat = (flat * (1 + change[0]) + (moved[:, :2] - flat * deeper) / depth) * np.exp(-change[0])
    depth = depth * np.exp(np.clip(deeper / depth, -1.0, 1.0))
    world = np.concatenate([flat * depth, depth], axis=-1) @ after.rotation + after.eye
    return np.where(ahead, world, places + steps)
