"""Who stands or walks is upright: the only term that knows which way is up before anything touches the floor."""

from typing import Final

import numpy as np

from carescene.humans.skeleton import JOINT
from reconstruction.kernels import geman_mcclure
from reconstruction.posed import joint_points, point_shapes, slopes_along
from reconstruction.window import BETAS, Window

# From between the ankles to the neck.
_ROD: Final = (JOINT["neck"], JOINT["left_ankle"], JOINT["right_ankle"])
_SHARES: Final = np.array([1.0, -0.5, -0.5])
# How long that is, metres.
_LENGTH_M: Final = 1.35
# Whoever leans further than so many sigmas does not stand.
_KERNEL: Final = 3.0


def upright_energy(window: Window) -> float:
    """Half the sum of Geman-McClure costs of the lean from ankles to neck of those known to be upright, over sigma."""
    weight = window.chain.upright[window.own]
    if not weight.any():
        return 0.0
    posed, points = window.now, joint_points(_ROD)
    places = posed.joints[:, points.carrier]
    scale = 1 / (_LENGTH_M * window.sigmas.lean)
    residual = scale * (_SHARES @ places)[:, :2]
    cost, kernel = geman_mcclure((residual**2).sum(-1), _KERNEL)
    if window.into is not None:
        across = np.eye(3)[:2, None, None]
        rows = [
            _SHARES @ slopes_along(posed, places, points.carrier, np.broadcast_to(axis, places.shape), window.free)
            for axis in across
        ]
        shapes = np.einsum("p,fpxb->fxb", _SHARES, point_shapes(posed, points.carrier, points.shapes))[:, :2]
        both = np.repeat((weight * kernel)[:, None], 2, axis=1)
        window.into.add_rows(scale * np.stack(rows, axis=1), residual, both, scale * shapes, BETAS)
    return float((weight * cost).sum()) / 2
