"""Terms of motion: accelerations of joints, angular accelerations, and skin that rests and must not slip.

Lengths are measured against the body's own. In metres, the quietest motion that explains a picture is that of a dwarf
close to the eye: hundreds of frames of motion would outvote what is known of statures. For the same reason the pelvis'
acceleration along the view axis is measured against the focal length, with which its depth grows: else the widest lens
would win. Limbs move in depth by the body's own lengths, whatever the lens.
"""

from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.humans.turns import log_slope, log_turn
from reconstruction.chains import contact_points, contact_shares, stature_model
from reconstruction.kernels import soft_length
from reconstruction.posed import joint_points, place_points, point_shapes, point_slopes
from reconstruction.sigmas import SMOOTH_JOINTS
from reconstruction.window import BETAS, FOCAL, Window

# Height of a usual body, metres: for it, sigmas are in metres.
USUAL_M: Final = 1.7
_SHARED: Final = np.concatenate([FOCAL, BETAS])

# Contacts less likely than this are not worth their slopes.
_TOO_LITTLE: Final = 0.02


def _body_scale(window: Window) -> tuple[float, Float[np.ndarray, "10"]]:
    """What takes metres to those of a usual body, and the change of its logarithm with each beta."""
    model = stature_model()
    stature = model.of(window.betas)
    return USUAL_M / stature, -model.slope(window.betas) / stature


def _add(
    window: Window,
    rows: Float[np.ndarray, "all_frames point 3 variable"],
    shapes: Float[np.ndarray, "all_frames point 3 10"],
    factors: Float[np.ndarray, "frame reach"],
    residual: Float[np.ndarray, "frame point 3"],
    weight: Float[np.ndarray, "frame row"],
    by_focal: Float[np.ndarray, "frame point 3"] | float,
) -> None:
    """Add differences of points in time, in the body's own lengths, to the window's equations."""
    assert window.into is not None
    scale, shrinking = _body_scale(window)
    size = (len(rows), 3 * rows.shape[1])
    shared = np.concatenate([np.zeros((*shapes.shape[:-1], 1)), scale * shapes], axis=-1).reshape(*size, -1)
    direct = np.empty((*residual.shape, 1 + len(shrinking)))
    direct[..., 0], direct[..., 1:] = by_focal, residual[..., None] * shrinking
    flat = (len(residual), size[1])
    rows, residual, direct = (scale * rows).reshape(*size, -1), residual.reshape(flat), direct.reshape(*flat, -1)
    window.into.add_differences(rows, shared, factors, residual, weight, _SHARED, direct)


def acceleration_energy(window: Window) -> float:
    """Half the sum of pseudo-Huber costs of joints' accelerations over their sigmas."""
    chain, count, posed = window.chain, window.count, window.posed
    points = joint_points(tuple(SMOOTH_JOINTS))
    places = posed.joints[:, points.carrier]
    factors = chain.differences[window.own]
    forward, scale = window.context.forward, _body_scale(window)[0]
    narrower = window.context.focal / window.common.camera.focal
    plain = np.zeros((count, *places.shape[1:]))
    for a in range(3):
        plain += factors[:, a, None, None] * places[a : a + count]
    # The pelvis is the first of the points.
    deep = (plain[:, :1] @ forward)[..., None] * forward
    acceleration = scale * (plain + (narrower - 1) * deep)
    sigma = window.sigmas.acceleration * np.array(list(SMOOTH_JOINTS.values()))
    scaled = (acceleration**2).sum(-1) / sigma**2
    cost, weight = soft_length(scaled, window.sigmas.acceleration_kernel)
    per_second = chain.time_weight[window.own, None]
    if window.into is not None:
        weight = np.repeat(per_second * weight / sigma**2, 3, axis=1)
        rows = point_slopes(posed, places, points.carrier, window.free)
        along = np.einsum("a,b,fbv->fav", forward, forward, rows[:, 0])
        rows += (narrower - 1) * along[:, None]
        by_focal = np.broadcast_to(-scale * narrower * deep, acceleration.shape)
        shapes = posed.shapes[:, points.carrier]
        _add(window, rows, shapes, factors, acceleration, weight, by_focal)
    return float((per_second * cost).sum()) / 2


def turning_energy(window: Window) -> float:
    """Half the sum of squares of angular accelerations of joints relative to their parents, over sigma.

    From turns log(R_t' R_t+1) of one frame to the next. The gradient is exact; the curvature is that of small turns,
    where a turn's change is the difference of the two frames' own.
    """
    chain, count, posed = window.chain, window.count, window.posed
    free = list(window.free)
    steps = chain.steps[np.minimum(np.arange(window.start, window.stop + 1), len(chain) - 1)]
    rates = np.where(np.isfinite(steps), 1 / steps, 0.0)
    rotations = posed.rotations[:, free]
    turns = log_turn(rotations[:-1].swapaxes(-1, -2) @ rotations[1:])
    whole = chain.differences[window.own].any(axis=-1)
    middle = np.where(whole, (steps[:-1] + np.where(np.isfinite(steps[1:]), steps[1:], 0.0)) / 2, 1.0)
    before, after = np.where(whole, rates[:-1] / middle, 0.0), np.where(whole, rates[1:] / middle, 0.0)
    residual = after[:, None, None] * turns[1:] - before[:, None, None] * turns[:-1]
    weight = np.where(whole, chain.time_weight[window.own], 0.0) / window.sigmas.turning**2
    if window.into is not None:
        into, width = window.into, 3 * len(free)
        factors = np.stack([before, -before - after, after])
        for a in range(3):
            for b in range(a, 3):
                diagonal = np.einsum("fii->fi", into.squares[b - a, a : a + count, 3 : 3 + width, 3 : 3 + width])
                diagonal += (weight * factors[a] * factors[b])[:, None]
        slopes = log_slope(turns)
        pull = weight[:, None, None, None] * residual[..., None]
        late = (slopes[1:].swapaxes(-1, -2) @ pull, slopes[1:] @ pull)
        early = (slopes[:-1].swapaxes(-1, -2) @ pull, slopes[:-1] @ pull)
        force = np.zeros((count + 2, *turns.shape[1:], 1))
        # A turn from t to t + 1 grows with the later frame's own turn and shrinks with the earlier one's.
        force[2:] += after[:, None, None, None] * late[0]
        force[1:-1] -= after[:, None, None, None] * late[1] + before[:, None, None, None] * early[0]
        force[:-2] += before[:, None, None, None] * early[1]
        into.slope[:, 3 : 3 + width] += (posed.world[:, free] @ force).reshape(count + 2, width)
    return float((weight[:, None, None] * residual**2).sum()) / 2


def slip_energy(window: Window) -> float:
    """Half the sum of squares of the speed of skin that rests on something, over sigma, times its probability."""
    chain, count, posed = window.chain, window.count, window.posed
    if window.context.contact is None:
        return 0.0
    steps = chain.steps[window.own]
    rates = np.where(np.isfinite(steps), 1 / steps, 0.0)
    contact = window.context.contact[np.minimum(np.arange(window.start, window.stop + 1), len(chain) - 1)]
    weight = contact[:-1] * contact[1:] * contact_shares() * chain.time_weight[window.own, None]
    used = np.flatnonzero((weight > _TOO_LITTLE).any(axis=0))
    if len(used) == 0:
        return 0.0
    weight, points = weight[:, used] / window.sigmas.slip**2, contact_points().take(used)
    places = place_points(posed, points.carrier, points.of(window.betas))
    factors = np.stack([-rates, rates], axis=-1)
    velocity = _body_scale(window)[0] * (
        factors[:, :1, None] * places[:count] + factors[:, 1:, None] * places[1 : count + 1]
    )
    if window.into is not None:
        rows = point_slopes(posed, places, points.carrier, window.free)
        shapes = point_shapes(posed, points.carrier, points.shapes)
        _add(window, rows, shapes, factors, velocity, np.repeat(weight, 3, axis=1), 0.0)
    return float((weight * (velocity**2).sum(-1)).sum()) / 2
