"""Cloth that hangs between the legs: the lower part of a gown or a skirt, stretched around both legs.

No cloth is simulated. At each height along the legs, the cloth is the convex outline of both legs' cross-section,
widened a little: what a light skirt does when legs move inside it. It follows every pose without memory.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int, UInt8

from carescene.humans.skeleton import JOINT
from carescene.rendering.clothing import Landmarks, leg_height

_LEVELS: Final = 12
_ROUND: Final = 40
SKIRT_VERTICES: Final = _LEVELS * _ROUND
# Cloth's distance from the legs in metres, at the hip and at the hem.
_EASE: Final = (0.012, 0.030)
# Height of the slice of skin that counts as one level's cross-section, metres.
_SLICE: Final = 0.035


@dataclass(frozen=True)
class Skirt:
    """Which vertices of the body each level is stretched around, and on which side of the body they are."""

    left: list[Int[np.ndarray, "slice"]]
    right: list[Int[np.ndarray, "slice"]]


def skirt_faces() -> Int[np.ndarray, "face 3"]:
    """Triangles of every skirt, indices from 0; counter-clockwise seen from outside."""
    level, turn = np.meshgrid(np.arange(_LEVELS - 1), np.arange(_ROUND), indexing="ij")
    here, right = level * _ROUND + turn, level * _ROUND + (turn + 1) % _ROUND
    below, across = here + _ROUND, right + _ROUND
    sides = np.concatenate([np.stack([here, right, below], -1), np.stack([right, across, below], -1)])
    return sides.reshape(-1, 3)


def skirt_part() -> UInt8[np.ndarray, "vertex"]:
    """SMPL joint that each vertex of a skirt counts to: the pelvis at the top, then the hip of its side."""
    angle = 2 * np.pi * np.arange(_ROUND) / _ROUND
    side = np.where(np.cos(angle) > 0, JOINT["left_hip"], JOINT["right_hip"])
    levels = np.repeat(side[None], _LEVELS, axis=0)
    levels[:2] = JOINT["pelvis"]
    return levels.reshape(-1).astype(np.uint8)


def cut_skirt(rest: Float[np.ndarray, "vertex 3"], marks: Landmarks, hem: float) -> Skirt:
    """A skirt down to `hem` (1 knee, 2 ankle) for a body in the rest pose."""
    left, right = [], []
    top = marks.pelvis + 0.02
    bottom = leg_height(hem, marks)
    # Hands are far out in the T-pose; nothing of the legs is.
    near = np.abs(rest[:, 0]) < 0.35
    for height in np.linspace(top, bottom, _LEVELS):
        inside = near & (np.abs(rest[:, 1] - height) < _SLICE)
        left.append(np.flatnonzero(inside & (rest[:, 0] > 0)))
        right.append(np.flatnonzero(inside & (rest[:, 0] < 0)))
    return Skirt(left, right)


def hang_skirt(vertices: Float[np.ndarray, "frame vertex 3"], skirt: Skirt) -> Float[np.ndarray, "frame skirt 3"]:
    """The skirt's vertices around posed bodies, metres."""
    lefts = np.stack([vertices[:, some].mean(axis=1) for some in skirt.left], axis=1)
    rights = np.stack([vertices[:, some].mean(axis=1) for some in skirt.right], axis=1)
    centres = (lefts + rights) / 2
    down = np.gradient(centres, axis=1)
    # Smoothed along the cloth, so that it bends around the hip over a hand's width rather than in one crease.
    for _ in range(2):
        padded = np.concatenate([down[:, :1], down, down[:, -1:]], axis=1)
        down = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    across = _unit(lefts - rights)
    down = _unit(down - (down * across).sum(-1, keepdims=True) * across)
    ahead = np.cross(down, across)
    angle = 2 * np.pi * np.arange(_ROUND) / _ROUND
    fan = np.stack([np.cos(angle), np.sin(angle)])
    rings = []
    for level, share in enumerate(np.linspace(0, 1, _LEVELS)):
        skin = vertices[:, np.concatenate([skirt.left[level], skirt.right[level]])] - centres[:, level, None]
        flat = np.stack([skin @ across[:, level, :, None], skin @ ahead[:, level, :, None]], axis=-1)[:, :, 0]
        radius = _outline((flat @ fan).max(axis=1) + _EASE[0] + share * (_EASE[1] - _EASE[0]), angle)
        # Soft folds that fan out towards the hem; the top edge is tucked under the garment above it.
        radius *= 1 + 0.035 * share * np.cos(7 * angle) + (-0.10 if level == 0 else 0.0)
        ring = (radius * fan[0])[..., None] * across[:, level, None] + (radius * fan[1])[..., None] * ahead[
            :, level, None
        ]
        rings.append(centres[:, level, None] + ring)
    return np.concatenate(rings, axis=1).astype(vertices.dtype)


def _outline(support: Float[np.ndarray, "frame angle"], angle: Float[np.ndarray, "angle"]) -> np.ndarray:
    """Radius of a convex outline in every direction, from how far it reaches in every direction (support function)."""
    cos = np.cos(angle[:, None] - angle[None])
    with np.errstate(divide="ignore"):
        walls = np.where(cos > 0.05, support[:, None, :] / np.maximum(cos, 0.05), np.inf)
    return walls.min(axis=-1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
