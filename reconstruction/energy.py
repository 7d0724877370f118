"""The whole energy of one person's chain, and its normal equations, chunk by chunk."""

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float

from reconstruction.chains import Chain
from reconstruction.landmarks import LandmarkModel
from reconstruction.normal_equations import ChunkEquations
from reconstruction.posed import FREE_JOINTS
from reconstruction.residuals_contact import apart_energy, penetration_energy, touch_energy
from reconstruction.residuals_motion import acceleration_energy, slip_energy, turning_energy
from reconstruction.residuals_pose import label_energy, limit_energy
from reconstruction.residuals_seen import depth_energy, keypoint_energy
from reconstruction.residuals_upright import upright_energy
from reconstruction.sigmas import Sigmas
from reconstruction.window import Common, Context, Window, make_window

# Frames that are looked at together: enough to keep numpy busy, few enough for the processor's cache; whole blocks of
# the factorisation.
CHUNK: Final = 48

TERMS: Final[dict[str, Callable[[Window], float]]] = {
    "keypoints": keypoint_energy,
    "labels": label_energy,
    "depth": depth_energy,
    "acceleration": acceleration_energy,
    "turning": turning_energy,
    "limits": limit_energy,
    "upright": upright_energy,
    "slip": slip_energy,
    "touch": touch_energy,
    "penetration": penetration_energy,
    "people": apart_energy,
}


def chain_energy(
    chain: Chain,
    rotations: Float[np.ndarray, "frame 24 3 3"],
    trans: Float[np.ndarray, "frame 3"],
    betas: Float[np.ndarray, "10"],
    model: LandmarkModel,
    common: Common,
    context: Context,
    sigmas: Sigmas,
    *,
    free: tuple[int, ...] = FREE_JOINTS,
    into: Callable[[ChunkEquations], None] | None = None,
) -> dict[str, float]:
    """Energies of all terms summed over a chain; `into` is given the normal equations of one chunk after the other.

    Memory does not grow with the frames.
    """
    energies = dict.fromkeys(TERMS, 0.0)
    for start in range(0, len(chain), CHUNK):
        span = (start, min(start + CHUNK, len(chain)))
        window = make_window(
            chain, span, rotations, trans, betas, model, common, context, sigmas, free=free, slopes=into is not None
        )
        for name, term in TERMS.items():
            energies[name] += term(window)
        if into is not None and window.into is not None:
            into(window.into)
    return energies
