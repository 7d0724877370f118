"""Projection of points into the picture, with slopes in the point and in the camera's five unknowns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from carescene.rendering.camera import Camera
from carescene.rendering.lens import Distortion, distort, model_end

# Points nearer than this to the plane of the eye, or behind it, have no usable picture, metres.
NEAREST_M = 0.1


@dataclass(frozen=True)
class Projection:
    """Points in the picture.

    Attributes:
        pixels: x right, y down.
        depth: along the view axis, metres; at least NEAREST_M.
        visible: whether the point lies in front of the eye by more than that.
        by_point: change of the pixels with the point in the world.
        by_camera: change of the pixels with (log focal length, pitch, roll, log height, k1).
        depth_by_camera: change of the depth with the same.
    """

    pixels: Float[np.ndarray, "*batch 2"]
    depth: Float[np.ndarray, "*batch"]
    visible: np.ndarray
    by_point: Float[np.ndarray, "*batch 2 3"]
    by_camera: Float[np.ndarray, "*batch 2 5"]
    depth_by_camera: Float[np.ndarray, "*batch 5"]


def project_points(camera: Camera, points: Float[np.ndarray, "*batch 3"]) -> Projection:
    """Project world points (metres) with a camera that stands at (0, 0, height), and differentiate.

    Pitch p and roll r turn the camera by R = Rz(r) Rx(p + pi / 2): a change of pitch turns the scene about the world's
    x axis, a change of roll about the camera's view axis, and a change of log height moves the scene down.
    """
    rotation = camera.rotation
    seen = (points - camera.eye) @ rotation.T
    x, y, depth = seen[..., 0], seen[..., 1], np.maximum(seen[..., 2], NEAREST_M)
    flat = np.stack([x / depth, y / depth], axis=-1)
    lens = lens_slopes(flat, camera.distortion)
    bent = distort(flat, camera.distortion)
    scale = camera.scale
    # Pixels by the point in the camera's axes.
    inner = np.zeros((*flat.shape, 3))
    inner[..., 0, 0] = inner[..., 1, 1] = 1 / depth
    inner[..., :, 2] = -flat / depth[..., None]
    by_seen = (scale[:, None] * lens) @ inner
    # A change of pitch turns seen points about the image of the world's x axis, one of roll about the view axis.
    turns = np.stack([np.broadcast_to(rotation[:, 0], seen.shape), np.broadcast_to([0.0, 0.0, 1.0], seen.shape)])
    moved = np.cross(turns, seen)
    lowered = np.broadcast_to(-camera.eye[2] * rotation[:, 2], seen.shape)
    by_motion = by_seen @ np.stack([*moved, lowered], axis=-1)
    by_camera = np.zeros((*flat.shape, 5))
    by_camera[..., 0] = scale * bent
    by_camera[..., 1:4] = by_motion
    by_camera[..., 4] = scale * lens_slope_in_k1(flat, camera.distortion)
    depth_by_camera = np.zeros((*depth.shape, 5))
    depth_by_camera[..., 1], depth_by_camera[..., 2] = moved[0][..., 2], moved[1][..., 2]
    depth_by_camera[..., 3] = lowered[..., 2]
    visible = seen[..., 2] > NEAREST_M
    return Projection(scale * bent + camera.principal, depth, visible, by_seen @ rotation, by_camera, depth_by_camera)


def lens_slopes(flat: Float[np.ndarray, "*batch 2"], distortion: Distortion) -> Float[np.ndarray, "*batch 2 2"]:
    """Change of `carescene.rendering.lens.distort` with the flat coordinates, also in its straight continuation."""
    if not any(distortion):
        return np.broadcast_to(np.eye(2), (*flat.shape, 2))
    k1, k2, p1, p2, k3 = distortion
    end, slope = model_end(distortion)
    radius = np.linalg.norm(flat, axis=-1)
    inwards = np.minimum(1.0, end / np.maximum(radius, 1e-12))
    x, y = flat[..., 0] * inwards, flat[..., 1] * inwards
    s = x * x + y * y
    factor = 1 + s * (k1 + s * (k2 + s * k3))
    change = k1 + s * (2 * k2 + s * 3 * k3)
    slopes = np.empty((*flat.shape, 2))
    slopes[..., 0, 0] = factor + 2 * x * x * change + 2 * p1 * y + 6 * p2 * x
    slopes[..., 1, 1] = factor + 2 * y * y * change + 6 * p1 * y + 2 * p2 * x
    slopes[..., 0, 1] = slopes[..., 1, 0] = 2 * x * y * change + 2 * p1 * x + 2 * p2 * y
    beyond = radius > end
    if beyond.any():
        outwards = flat[beyond] / radius[beyond, None]
        across = inwards[beyond, None, None] * (np.eye(2) - outwards[:, :, None] * outwards[:, None, :])
        slopes[beyond] = slope * np.eye(2) + (slopes[beyond] - slope * np.eye(2)) @ across
    return slopes


def lens_slope_in_k1(flat: Float[np.ndarray, "*batch 2"], distortion: Distortion) -> Float[np.ndarray, "*batch 2"]:
    """Change of `carescene.rendering.lens.distort` with k1.

    Where the polynomial is left, it joins its straight continuation with the same slope, so that moving the joint
    itself changes nothing.
    """
    end, _ = model_end(distortion)
    inwards = np.minimum(1.0, end / np.maximum(np.linalg.norm(flat, axis=-1), 1e-12))[..., None]
    inside = flat * inwards
    return inside * (inside**2).sum(-1, keepdims=True)
