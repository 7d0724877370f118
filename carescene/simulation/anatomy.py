"""One body as inverse kinematics needs it: bones, points of its skin, and where it touches things."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.errors import UserError
from carescene.humans.body import NUM_BETAS, Body, load_body
from carescene.humans.skeleton import JOINT, NUM_JOINTS, PARENTS

# One point for each 9 cm square of skin: between two of them it can be a centimetre deeper.
_PROBES: Final = 220
# Share of the body's mass that each bone carries, at its middle (Winter 2009, table 4.1, thighs to feet and arms;
# trunk split over the spine by volume). The bone of a joint runs from its parent to it.
_MASS_OF_BONE: Final = {
    "spine1": 0.11, "spine2": 0.12, "spine3": 0.13, "neck": 0.10, "head": 0.081, "left_hip": 0.02, "right_hip": 0.02,
    "left_knee": 0.10, "right_knee": 0.10, "left_ankle": 0.0465, "right_ankle": 0.0465, "left_foot": 0.0145,
    "right_foot": 0.0145, "left_elbow": 0.028, "right_elbow": 0.028, "left_wrist": 0.016, "right_wrist": 0.016,
    "left_hand": 0.006, "right_hand": 0.006,
}  # fmt: skip
SIDES: Final = ("left", "right")


@dataclass(frozen=True)
class Anatomy:
    """Measures of one body; lengths in metres, points in the rest frame (y up, facing +z, left is +x).

    Attributes:
        betas: shape of the body.
        rest: joints in the rest pose.
        ancestors: `ancestors[j, a]` is 1 where joint a carries joint j, itself included.
        probes: points of the skin in the rest pose.
        probe_weights: share of each joint in their movement.
        mass: share of the body's mass at the joint end and at the parent end of each bone, summed per joint.
        ankle_height: of the ankle joint above the sole.
        knee_radius: from the knee joint to the skin before it.
        seat: from the pelvis joint down to the skin somebody upright sits on.
        back, belly, side: from the pelvis joint to the skin behind, before and beside it.
        leg: thigh and shin together.
        arm: shoulder to wrist.
        stature: height of the skin's highest point above the sole.
    """

    betas: Float[np.ndarray, "10"]
    rest: Float[np.ndarray, "24 3"]
    ancestors: Float[np.ndarray, "24 24"]
    probes: Float[np.ndarray, "probe 3"]
    probe_weights: Float[np.ndarray, "probe 24"]
    mass: Float[np.ndarray, "24"]
    ankle_height: float
    knee_radius: float
    seat: float
    back: float
    belly: float
    side: float
    leg: float
    arm: float
    stature: float


@lru_cache(maxsize=1)
def bundled_body() -> Body:
    """The bundled body; read once per process."""
    return load_body()


@lru_cache(maxsize=1)
def _probe_indices() -> np.ndarray:
    """Vertices spread evenly over the skin: each next one is the farthest from those chosen (Gonzalez 1985)."""
    points = bundled_body().rest_vertices(torch.zeros(NUM_BETAS)).numpy().astype(np.float64)
    # Tips touch first: crown, toes, heels, finger tips, elbows are extremes of the rest pose.
    chosen = [int(np.argmax(points @ way)) for way in np.concatenate([np.eye(3), -np.eye(3)])]
    distance = np.linalg.norm(points[:, None] - points[chosen], axis=-1).min(axis=1)
    while len(chosen) < _PROBES:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=-1))
    return np.array(chosen)


def ancestor_table() -> Float[np.ndarray, "24 24"]:
    """`table[j, a]` is 1 where turning joint a moves what hangs on joint j, itself included."""
    table = np.eye(NUM_JOINTS)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            table[joint] += table[parent]
    return table


def mass_table() -> Float[np.ndarray, "24"]:
    """Share of the body's mass per joint position: half of each bone at either of its ends; sums to 1."""
    mass = np.zeros(NUM_JOINTS)
    for name, share in _MASS_OF_BONE.items():
        mass[JOINT[name]] += share / 2
        mass[PARENTS[JOINT[name]]] += share / 2
    return mass / mass.sum()


def measure_body(betas: Float[np.ndarray, "10"]) -> Anatomy:
    """Measure a body of the bundled shape space.

    Raises:
        UserError: numbers that are not finite.
    """
    if not np.isfinite(betas).all():
        raise UserError("Expected finite betas, but got NaN or infinity. Use `body_from` to make betas.")
    body = bundled_body()
    shape = torch.from_numpy(np.asarray(betas, np.float32))
    rest = body.rest_joints(shape).numpy().astype(np.float64)
    skin = body.rest_vertices(shape).numpy().astype(np.float64)
    weights = body.lbs_weights.numpy().astype(np.float64)
    owner = weights.argmax(axis=1)
    pelvis = skin[np.isin(owner, [JOINT["pelvis"], JOINT["left_hip"], JOINT["right_hip"]])]
    pelvis = pelvis[np.abs(pelvis[:, 1] - rest[0, 1] + 0.05) < 0.12] - rest[0]
    knee = skin[np.isin(owner, [JOINT["left_hip"], JOINT["left_knee"]])] - rest[JOINT["left_knee"]]
    knee = knee[np.abs(knee[:, 1]) < 0.05]
    indices = _probe_indices()
    bone = np.linalg.norm(rest[1:] - rest[list(PARENTS[1:])], axis=-1)
    return Anatomy(
        betas=np.asarray(betas, np.float64),
        rest=rest,
        ancestors=ancestor_table(),
        probes=skin[indices],
        probe_weights=weights[indices],
        mass=mass_table(),
        ankle_height=float(rest[JOINT["left_ankle"], 1] - skin[:, 1].min()),
        knee_radius=float(knee[:, 2].max()),
        seat=_seat_depth(skin, weights, rest),
        back=float(-pelvis[:, 2].min()),
        belly=float(pelvis[:, 2].max()),
        side=float(pelvis[:, 0].max()),
        leg=float(bone[JOINT["left_knee"] - 1] + bone[JOINT["left_ankle"] - 1]),
        arm=float(bone[JOINT["left_elbow"] - 1] + bone[JOINT["left_wrist"] - 1]),
        stature=float(np.ptp(skin[:, 1])),
    )


def _seat_depth(skin: np.ndarray, weights: np.ndarray, rest: np.ndarray) -> float:
    """Depth of the skin below the pelvis joint once both thighs are level."""
    turn = Rotation.from_rotvec([-np.pi / 2, 0, 0]).as_matrix()
    bent = weights[:, [JOINT["pelvis"]]] * skin
    legs = [[f"{side}_{part}" for part in ("hip", "knee", "ankle", "foot")] for side in SIDES]
    rigid = weights[:, JOINT["pelvis"]].copy()
    for names in legs:
        share = weights[:, [JOINT[name] for name in names]].sum(axis=1)
        centre = rest[JOINT[names[0]]]
        bent += share[:, None] * ((skin - centre) @ turn.T + centre)
        rigid += share
    near = (rigid > 0.95) & (np.abs(bent[:, 2] - rest[0, 2]) < 0.12)
    return float(rest[0, 1] - bent[near, 1].min())
