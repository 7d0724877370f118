"""Terms of contact: skin that rests touches its surface; no skin is inside the floor, furniture or other people."""

from typing import Final

import numpy as np

from carescene.humans.skeleton import JOINT
from reconstruction.chains import contact_points, contact_shares
from reconstruction.posed import BodyPoints, joint_points, place_points, point_shapes, slopes_along
from reconstruction.window import BETAS, Surface, Window

_TOO_LITTLE: Final = 0.02
# Balls around joints that keep two people apart: radii in metres of a slim adult, since clothes and flesh give way.
BODY_SPHERES: Final[dict[int, float]] = {
    JOINT[name]: radius
    for name, radius in {
        "pelvis": 0.12, "spine2": 0.11, "spine3": 0.12, "head": 0.09, "left_hip": 0.08, "right_hip": 0.08,
        "left_shoulder": 0.06, "right_shoulder": 0.06, "left_elbow": 0.04, "right_elbow": 0.04,
        "left_wrist": 0.03, "right_wrist": 0.03, "left_knee": 0.05, "right_knee": 0.05,
        "left_ankle": 0.04, "right_ankle": 0.04,
    }.items()
}  # fmt: skip


def touch_energy(window: Window) -> float:
    """Half the sum of squared distances of resting skin from its surface, over sigma, times the contact's chance."""
    context = window.context
    if context.contact is None or context.touched is None:
        return 0.0
    weight = context.contact[window.own] * contact_shares() * window.chain.frame_weight[window.own, None]
    used = np.flatnonzero((weight > _TOO_LITTLE).any(axis=0))
    distance, normals, points = _distances(window, context.touched, used)
    weight = weight[:, used] / context.touched.sigma**2
    _add(window, points, normals, distance, weight)
    return float((weight * distance**2).sum()) / 2


def penetration_energy(window: Window) -> float:
    """Half the sum of squared depths of skin in the floor and in furniture, over sigma."""
    total = 0.0
    for surface in window.context.surfaces:
        distance, normals, points = _distances(window, surface, np.arange(len(contact_points().carrier)))
        used = np.flatnonzero((distance < 0).any(axis=0))
        if len(used) == 0:
            continue
        depth = np.minimum(distance[:, used], 0.0)
        share = contact_shares()[used] * window.chain.frame_weight[window.own, None]
        weight = np.where(depth < 0, share, 0.0) / surface.sigma**2
        _add(window, points.take(used), normals[:, used], depth, weight)
        total += float((weight * depth**2).sum()) / 2
    return total


def apart_energy(window: Window) -> float:
    """Half the sum of squared overlaps of a person's balls with the nearest ball of others, over sigma.

    Others stand where they were before this iteration; the curvature is doubled, because they give way as well.
    """
    context = window.context
    if context.others.shape[1] == 0:
        return 0.0
    posed, points = window.now, joint_points(tuple(BODY_SPHERES))
    places = posed.joints[:, points.carrier]
    radii = np.array(list(BODY_SPHERES.values()))
    others = context.others[window.own]
    near = np.flatnonzero(np.nanmin(_gap(others, posed.joints[:, :1]), axis=(1, 2), initial=np.inf) < _NEAR_M)
    if len(near) == 0:
        return 0.0
    away = places[near][:, :, None] - others[near][:, None]
    length = np.linalg.norm(away, axis=-1)
    overlap = np.nan_to_num(radii[:, None] + context.other_radii - length, nan=-np.inf)
    deepest = overlap.argmax(axis=-1)[..., None]
    depth = np.zeros(places.shape[:2])
    depth[near] = np.maximum(np.take_along_axis(overlap, deepest, axis=-1)[..., 0], 0.0)
    if not depth.any():
        return 0.0
    normals = np.zeros_like(places)
    chosen = np.take_along_axis(away, deepest[..., None], axis=2)[:, :, 0]
    normals[near] = np.nan_to_num(chosen / np.maximum(np.linalg.norm(chosen, axis=-1, keepdims=True), 1e-6))
    weight = np.where(depth > 0, window.chain.frame_weight[window.own, None], 0.0) / window.sigmas.people**2
    _add(window, points, normals, -depth, weight, majorise=2)
    return float((weight * depth**2).sum()) / 2


# Further than this from somebody's pelvis, no ball of another person touches, metres.
_NEAR_M: Final = 1.2


def _gap(others: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    return np.linalg.norm(others[:, None] - pelvis[:, :, None], axis=-1)


def _distances(window: Window, surface: Surface, used: np.ndarray) -> tuple[np.ndarray, np.ndarray, BodyPoints]:
    points = contact_points().take(used)
    places = place_points(window.now, points.carrier, points.of(window.betas))
    normals = surface.normals[window.own][:, used]
    return (places * normals).sum(-1) - surface.levels[window.own][:, used], normals, points


def _add(
    window: Window,
    points: BodyPoints,
    normals: np.ndarray,
    distance: np.ndarray,
    weight: np.ndarray,
    *,
    majorise: int = 1,
) -> None:
    if window.into is None or len(points.carrier) == 0:
        return
    posed = window.now
    places = place_points(posed, points.carrier, points.of(window.betas))
    rows = slopes_along(posed, places, points.carrier, normals, window.free)
    shapes = point_shapes(posed, points.carrier, points.shapes)
    shared = (normals[:, :, None] @ shapes)[:, :, 0]
    window.into.add_rows(rows, distance, weight, shared, BETAS, majorise=majorise)
