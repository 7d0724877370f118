"""Terms of what the camera sees: key points, and readings of a depth map."""

from typing import Final

import numpy as np

from reconstruction.chains import landmark_points
from reconstruction.kernels import geman_mcclure
from reconstruction.posed import place_points, point_shapes, point_slopes, slopes_along
from reconstruction.projection import project_points
from reconstruction.window import AFFINITY, BETAS, CAMERA, NUM_SHARED, OFFSET_BASIS, OFFSETS, Window

# Shared unknowns that move the landmark in the world, and those that move it in the picture.
_MOVING: Final = np.concatenate([OFFSETS, BETAS])
_SEEN: Final = np.concatenate([CAMERA, OFFSETS, BETAS])


def keypoint_energy(window: Window) -> float:
    """Half the sum of Geman-McClure costs of (projected landmark - key point) / sigma.

    The landmark is that of the body plus the detector's constant offset.
    """
    posed, chain = window.now, window.chain
    points = landmark_points(window.model)
    offsets = points.of(window.betas) + window.common.offsets
    places = place_points(posed, points.carrier, offsets)
    seen = project_points(window.common.camera, places)
    # What came behind the eye cannot be pulled back by its picture.
    precision = np.where(seen.visible, chain.precision[window.own], 0.0)
    residual = (seen.pixels - chain.pixels[window.own]) * precision[..., None]
    cost, weight = geman_mcclure((residual**2).sum(-1), window.context.kernel)
    if window.into is not None:
        frames, count = precision.shape
        by_point = seen.by_point * precision[..., None, None]
        rows = by_point @ point_slopes(posed, places, points.carrier, window.free)
        shared = np.concatenate(
            [
                seen.by_camera * precision[..., None, None],
                by_point @ (posed.world[:, points.carrier] @ OFFSET_BASIS),
                by_point @ point_shapes(posed, points.carrier, points.shapes),
            ],
            axis=-1,
        )
        size = (frames, 2 * count)
        weight, shared = np.repeat(weight, 2, axis=1), shared.reshape(*size, -1)
        window.into.add_rows(rows.reshape(*size, -1), residual.reshape(size), weight, shared, _SEEN)
    return float(cost.sum()) / 2


def keypoint_distances(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each key point from its projected landmark in pixels, NaN where unseen, and its kernel's weight."""
    points = landmark_points(window.model)
    places = place_points(window.now, points.carrier, points.of(window.betas) + window.common.offsets)
    seen = project_points(window.common.camera, places)
    precision = window.chain.precision[window.own]
    distance = np.linalg.norm(seen.pixels - window.chain.pixels[window.own], axis=-1)
    weight = geman_mcclure((distance * precision) ** 2, window.context.kernel)[1]
    there = precision > 0
    return np.where(there, distance, np.nan), np.where(there, weight, 0.0)


def depth_energy(window: Window) -> float:
    """Half the sum of Geman-McClure costs of what the affine depth map says of landmarks' depth, less their depth.

    With a map value m: a m + b - 1 / z for disparity, a m + b - z for metres, over |a| times the reading's sigma. The
    sigma's own dependence on a is not differentiated: it would reward a map that says nothing.
    """
    chain = window.chain
    precision = chain.depth_precision[window.own]
    if not precision.any():
        return 0.0
    posed, points = window.now, landmark_points(window.model)
    used = np.flatnonzero(precision.any(axis=0))
    points, precision = points.take(used), precision[:, used]
    places = place_points(posed, points.carrier, points.of(window.betas) + window.common.offsets[used])
    camera, (a, b) = window.common.camera, window.common.affinity
    seen = project_points(camera, places)
    value = chain.depth[window.own][:, used]
    scale = np.where(seen.visible, precision, 0.0) / window.context.depth_scale
    disparity = chain.depth_kind == "disparity"
    expected, change = (1 / seen.depth, -1 / seen.depth**2) if disparity else (seen.depth, np.ones_like(value))
    residual = scale * (a * value + b - expected)
    cost, weight = geman_mcclure(residual**2, window.sigmas.depth_kernel)
    if window.into is not None:
        factor = -scale * change
        forward = np.broadcast_to(camera.rotation[2], places.shape)
        rows = factor[..., None] * slopes_along(posed, places, points.carrier, forward, window.free)
        shared = np.zeros((*residual.shape, NUM_SHARED))
        shared[..., AFFINITY] = scale[..., None] * np.stack([value, np.ones_like(value)], axis=-1)
        shared[..., CAMERA] = factor[..., None] * seen.depth_by_camera
        moved = np.concatenate(
            [
                posed.world[:, points.carrier] @ OFFSET_BASIS[used],
                point_shapes(posed, points.carrier, points.shapes),
            ],
            axis=-1,
        )
        shared[..., _MOVING] = factor[..., None] * (camera.rotation[2] @ moved)
        window.into.add_rows(rows, residual, weight, shared, np.arange(NUM_SHARED))
    return float(cost.sum()) / 2
