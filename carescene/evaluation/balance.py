"""Centre of mass and balance from joints: how far the extrapolated centre of mass is within the reach of the feet."""

from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from carescene.humans.skeleton import JOINT

# Share of the body's mass, and the two joints between which a segment's centre lies with the part of the way from the
# first: de Leva 1996 (adjustments to Zatsiorsky-Seluyanov), means of women and men.
SEGMENTS: Final[tuple[tuple[str, str, float, float], ...]] = (
    ("neck", "head", 0.068, 1.0),
    ("pelvis", "neck", 0.430, 0.50),
    ("left_shoulder", "left_elbow", 0.0265, 0.58),
    ("right_shoulder", "right_elbow", 0.0265, 0.58),
    ("left_elbow", "left_wrist", 0.015, 0.46),
    ("right_elbow", "right_wrist", 0.015, 0.46),
    ("left_wrist", "left_hand", 0.006, 1.0),
    ("right_wrist", "right_hand", 0.006, 1.0),
    ("left_hip", "left_knee", 0.1447, 0.39),
    ("right_hip", "right_knee", 0.1447, 0.39),
    ("left_knee", "left_ankle", 0.0457, 0.44),
    ("right_knee", "right_ankle", 0.0457, 0.44),
    ("left_ankle", "left_foot", 0.0133, 0.5),
    ("right_ankle", "right_foot", 0.0133, 0.5),
)

GRAVITY: Final = 9.81
# The sole reaches this far around the line from ankle to ball, metres.
_SOLE: Final = 0.06
# The heel behind the ankle, metres.
_HEEL: Final = 0.05


def center_of_mass(joints: Float[np.ndarray, "*batch 24 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Centre of mass in metres from joints and mean segment masses (de Leva 1996)."""
    total = sum(mass for _, _, mass, _ in SEGMENTS)
    center = np.zeros_like(joints[..., 0, :])
    for start, end, mass, part in SEGMENTS:
        center = center + mass / total * (joints[..., JOINT[start], :] * (1 - part) + joints[..., JOINT[end], :] * part)
    return center


def balance_margin(joints: Float[np.ndarray, "frame 24 3"], fps: float | int, leg: float) -> Float[np.ndarray, "frame"]:
    """How far within the area between the feet the extrapolated centre of mass is, metres; negative outside.

    The extrapolated centre of mass is its ground projection plus velocity times sqrt(l / g) with l the leg's length
    times 1.2 (Hof et al. 2005). The area is the hull of both feet, a swinging one included, because it may come down
    where it is.
    """
    mass = gaussian_filter1d(center_of_mass(joints), 0.05 * fps, axis=0, mode="nearest")
    velocity = np.gradient(mass, axis=0) * fps
    ahead = mass[:, :2] + velocity[:, :2] * np.sqrt(1.2 * leg / GRAVITY)
    feet = []
    for side in ("left", "right"):
        ankle, ball = joints[:, JOINT[f"{side}_ankle"]], joints[:, JOINT[f"{side}_foot"]]
        along = ball[:, :2] - ankle[:, :2]
        along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
        feet += [ankle[:, :2] - _HEEL * along, ball[:, :2] + 0.5 * _SOLE * along]
    return _SOLE - _outside_hull(ahead, np.stack(feet, axis=1))


def _outside_hull(points: Float[np.ndarray, "frame 2"], corners: Float[np.ndarray, "frame 4 2"]) -> np.ndarray:
    """Distance from points to the convex hull of four corners; negative depths inside."""
    distances = np.full(len(points), np.inf)
    # The hull of two line segments: all six lines between corners; outside if all corners are on one side of a line
    # and the point on the other.
    inside = np.ones(len(points), bool)
    for a in range(4):
        for b in range(a + 1, 4):
            start, end = corners[:, a], corners[:, b]
            edge = end - start
            length = np.maximum((edge**2).sum(-1), 1e-12)
            part = np.clip(((points - start) * edge).sum(-1) / length, 0, 1)
            distances = np.minimum(distances, np.linalg.norm(points - start - part[:, None] * edge, axis=-1))
            others = [corners[:, c] for c in range(4) if c not in (a, b)]
            sides = np.stack([_cross(edge, other - start) for other in others], axis=-1)
            mine = _cross(edge, points - start)
            inside &= ~((sides >= 0).all(-1) & (mine < 0)) & ~((sides <= 0).all(-1) & (mine > 0))
    return np.where(inside, 0.0, distances)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
