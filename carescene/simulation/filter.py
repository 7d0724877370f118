"""Which simulated motions are kept: those that no explosion, tunnel, broken joint or trembling has spoilt."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.simulation.humanoid import Humanoid
from carescene.simulation.motion import SimulatedMotion
from carescene.simulation.segments import SIMULATED_JOINTS

# A motion that has come to rest is still for this long at its end.
_REST_S: Final = 1.0


@dataclass(frozen=True)
class FilterLimits:
    """What is still believable.

    Attributes:
        speed: of any joint, m/s; a hand that reaches out in a fall comes to 8.
        pelvis_speed: m/s; free fall from standing height ends at 4.3.
        acceleration: of any joint from frame to frame, m/s^2; a hand that hits the floor at 8 m/s stops within 0.05 s.
        energy: gain over the first frame, joules per kilogram; a hard push brings 2.
        floor_depth: of a contact, metres, for longer than a blow takes; `blow_depth` at any time.
        furniture_depth: of a contact with something soft or thin, metres.
        limit: of a joint outside its range for longer than a blow takes, radians.
        rest_speed: of any joint over the last second, m/s.
        jitter: mean acceleration of all joints over the last second, m/s^2.
    """

    speed: float = 12.0
    pelvis_speed: float = 5.5
    acceleration: float = 260.0
    energy: float = 6.0
    floor_depth: float = 0.03
    blow_depth: float = 0.06
    furniture_depth: float = 0.12
    limit: float = 0.3
    rest_speed: float = 0.15
    jitter: float = 1.0


def joint_positions(humanoid: Humanoid, motion: SimulatedMotion) -> Float[np.ndarray, "frame 24 3"]:
    """Joints of a simulated motion in the world, metres."""
    positions, _ = forward_kinematics(
        rotvec_to_matrix(torch.from_numpy(motion.poses)),
        torch.from_numpy(motion.trans),
        torch.from_numpy(humanoid.rest_joints),
    )
    return positions.numpy()


def rejection(
    humanoid: Humanoid, motion: SimulatedMotion, *, at_rest: bool, limits: FilterLimits | None = None
) -> str | None:
    """Why a motion must not be used, in one or two words for counting; None if it may.

    Reasons: "not finite", "speed", "acceleration", "energy", "floor", "furniture", "joint range", "not at rest",
    "jitter".

    Args:
        at_rest: whether the person has to lie or sit still at the end.
        limits: None takes the ordinary ones.
    """
    limits = limits or FilterLimits()
    if not (np.isfinite(motion.poses).all() and np.isfinite(motion.trans).all()):
        return "not finite"
    positions = joint_positions(humanoid, motion)[:, :SIMULATED_JOINTS]
    velocity = np.diff(positions, axis=0) * motion.fps
    acceleration = np.diff(velocity, axis=0) * motion.fps
    gain = motion.energy.sum(1) - motion.energy[0].sum()
    end = max(1, round(_REST_S * motion.fps))
    checks: list[tuple[str, bool]] = [
        ("speed", _most(velocity) > limits.speed),
        ("speed", float(np.linalg.norm(motion.pelvis_velocity, axis=-1).max()) > limits.pelvis_speed),
        ("acceleration", _most(acceleration) > limits.acceleration),
        ("energy", float(gain.max()) > limits.energy * humanoid.weight_kg),
        ("floor", _lasting(motion.floor_depth) > limits.floor_depth or motion.floor_depth.max() > limits.blow_depth),
        ("floor", float(positions[..., 2].min()) < -limits.floor_depth),
        ("furniture", _lasting(motion.furniture_depth) > limits.furniture_depth),
        ("joint range", _lasting(motion.limit_violation) > limits.limit),
        ("not at rest", at_rest and _most(velocity[-end:]) > limits.rest_speed),
        ("jitter", at_rest and _mean(acceleration[-end:]) > limits.jitter),
    ]
    return next((reason for reason, bad in checks if bad), None)


def _most(vectors: Float[np.ndarray, "frame joint 3"]) -> float:
    return float(np.linalg.norm(vectors, axis=-1).max()) if vectors.size else 0.0


def _mean(vectors: Float[np.ndarray, "frame joint 3"]) -> float:
    return float(np.linalg.norm(vectors, axis=-1).mean()) if vectors.size else 0.0


def _lasting(values: Float[np.ndarray, "frame"]) -> float:
    """The largest value that lasts for four frames (0.2 s): the highest of all lows over four."""
    if len(values) < 4:
        return float(values.min())
    return float(np.lib.stride_tricks.sliding_window_view(values, 4).min(1).max())
