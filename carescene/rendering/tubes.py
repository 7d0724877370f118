"""Loose cloth and shoes: tubes stretched around parts of a posed body.

No cloth is simulated. A tube is a row of rings; each ring is the convex outline of one slice of the body, widened a
little. Around both legs this is a gown or skirt that the legs move inside, around one leg a straight trouser leg,
around a foot a shoe. Tubes follow every pose without memory of the last frame.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int, Int64

from carescene.humans.skeleton import JOINT
from carescene.rendering.clothing import Cut, Landmarks, leg_height

TubeName = Literal["hanging", "left_leg", "right_leg", "left_shoe", "right_shoe"]

# Rings and points per ring. Every person has all tubes, those not worn shrunk to a point inside the body, so that all
# people share one list of triangles.
_SHAPES: Final[dict[TubeName, tuple[int, int]]] = {
    "hanging": (16, 40),
    "left_leg": (9, 20),
    "right_leg": (9, 20),
    "left_shoe": (11, 20),
    "right_shoe": (11, 20),
}
TUBE_VERTICES: Final = sum(rings * points for rings, points in _SHAPES.values())
# Height of the slice of skin that counts as one ring's cross-section, metres.
_SLICE: Final = 0.03
# Height above the ankle of what is on the foot, in front and at the heel, and its thickness; metres.
_FOOTWEAR: Final = {
    "trainers": (0.012, 0.012, 0.009),
    "shoes": (-0.008, -0.008, 0.006),
    "slippers": (-0.005, -0.2, 0.008),
    "socks": (0.01, 0.01, 0.003),
}


@dataclass(frozen=True)
class Tube:
    """One tube on one body.

    Attributes:
        first, second: vertices of each ring's slice in its two halves: the ring's first axis points from the second
            half to the first, the person's left.
        ease: distance of the cloth from the slice's outline, metres.
        shrink: factor on each ring's radius, to tuck a border in or to close an end.
        shift: of each ring along the tube, metres.
    """

    first: list[Int64[np.ndarray, "_"]]
    second: list[Int64[np.ndarray, "_"]]
    ease: Float[np.ndarray, "ring point"]
    shrink: Float[np.ndarray, "ring"]
    shift: Float[np.ndarray, "ring"]


def tube_faces() -> Int[np.ndarray, "face 3"]:
    """Triangles of all tubes, indices from 0; counter-clockwise seen from outside."""
    faces, start = [], 0
    for rings, points in _SHAPES.values():
        ring, point = np.meshgrid(np.arange(rings - 1), np.arange(points), indexing="ij")
        here, right = start + ring * points + point, start + ring * points + (point + 1) % points
        below, across = here + points, right + points
        faces += [np.stack([here, right, below], -1), np.stack([right, across, below], -1)]
        start += rings * points
    return np.concatenate([some.reshape(-1, 3) for some in faces])


def tube_parts() -> Int64[np.ndarray, "vertex"]:
    """SMPL joint that each vertex of the tubes counts to."""
    left = np.cos(_angles(_SHAPES["hanging"][1])) > 0
    hanging = np.repeat(np.where(left, JOINT["left_hip"], JOINT["right_hip"])[None], _SHAPES["hanging"][0], axis=0)
    hanging[:5], hanging[5:8] = JOINT["spine2"], JOINT["pelvis"]
    parts = [hanging.ravel()]
    for side in ("left", "right"):
        rings, points = _SHAPES["left_leg"]
        along = np.where(np.arange(rings) < 3, JOINT[f"{side}_hip"], JOINT[f"{side}_knee"])
        parts.append(np.repeat(along, points))
    for side in ("left", "right"):
        rings, points = _SHAPES["left_shoe"]
        along = np.where(np.arange(rings) < 7, JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"])
        parts.append(np.repeat(along, points))
    return np.concatenate(parts).astype(np.int64)


def cut_tubes(rest: Float[np.ndarray, "vertex 3"], marks: Landmarks, cut: Cut) -> dict[TubeName, Tube]:
    """The tubes that clothes of this cut need on a body in the rest pose (y up, facing +z, metres)."""
    tubes: dict[TubeName, Tube] = {}
    if cut.hanging_hem is not None:
        tubes["hanging"] = _hanging(rest, marks, cut.hanging_hem)
    if cut.legs == "trousers":
        tubes["left_leg"], tubes["right_leg"] = _leg(rest, marks, cut, 1), _leg(rest, marks, cut, -1)
    if cut.shoes is not None or cut.socks is not None:
        tubes["left_shoe"], tubes["right_shoe"] = _shoe(rest, marks, cut, 1), _shoe(rest, marks, cut, -1)
    return tubes


def _hanging(rest: np.ndarray, marks: Landmarks, hem: float) -> Tube:
    """From below the chest to the hem; arms are far out in the T-pose and so in no slice."""
    rings, points = _SHAPES["hanging"]
    # It falls from the widest part of the chest; above the armpits the slice must leave out the arms.
    heights = np.linspace(marks.chest - 0.09, leg_height(hem, marks), rings)
    trunk = (np.abs(rest[:, 0]) < marks.shoulder + 0.02) | (rest[:, 1] < marks.chest - 0.12)
    trunk &= np.abs(rest[:, 0]) < 0.3
    slices = [_slice(rest, np.abs(rest[:, 1] - height) < _SLICE, trunk, 0.0) for height in heights]
    down = np.linspace(0, 1, rings)[:, None]
    # The longer it hangs, the wider it falls; soft folds fan out towards the hem.
    ease = 0.002 + down * (0.018 + 0.012 * hem) + 0.006 * down * np.cos(7 * _angles(points) + 1.0)
    return _tube(slices, ease, tuck=0.16)


def _leg(rest: np.ndarray, marks: Landmarks, cut: Cut, side: int) -> Tube:
    """A straight trouser leg from the middle of the thigh to the hem."""
    rings, points = _SHAPES["left_leg"]
    heights = np.linspace(leg_height(0.42, marks), leg_height(cut.leg_hem, marks), rings)
    middle = float(rest[(rest[:, 1] < marks.knee) & (rest[:, 0] * side > 0), 0].mean())
    near = (rest[:, 0] * side > 0) & (np.abs(rest[:, 0]) < 0.35)
    slices = [_slice(rest, np.abs(rest[:, 1] - height) < _SLICE, near, middle) for height in heights]
    ease = np.linspace(0.002, 0.026, rings)[:, None] + np.zeros(points)
    return _tube(slices, ease, tuck=0.05)


def _shoe(rest: np.ndarray, marks: Landmarks, cut: Cut, side: int) -> Tube:
    """Rings from the heel to the toes, closed at both ends; the sole stays at the height of the foot's."""
    rings, points = _SHAPES["left_shoe"]
    top, heel_top, thick = _FOOTWEAR[cut.shoes or "socks"]
    foot = (rest[:, 0] * side > 0) & (rest[:, 1] < marks.ankle)
    heel, toes = float(rest[foot, 2].min()), float(rest[foot, 2].max())
    middle = float(rest[foot, 0].mean())
    inner = np.linspace(heel + 0.02, toes - 0.022, rings - 4)
    slices = []
    for depth in [inner[0]] * 2 + list(inner) + [inner[-1]] * 2:
        # Slippers are open at the heel: only their sole goes on there.
        height = top if depth > (heel + toes) / 2 - 0.02 else heel_top
        near = (rest[:, 0] * side > 0) & (rest[:, 1] < max(marks.ankle + height, marks.sole + 0.03))
        slices.append(_slice(rest, np.abs(rest[:, 2] - depth) < 0.022, near, middle))
    ease = thick * np.clip(1 + 1.2 * np.sin(_angles(points)), 0, 1) + np.zeros((rings, 1))
    shrink = np.array([0.02, 0.80, *[1.0] * (rings - 4), 0.82, 0.02])
    # The outermost slices' middles lie inside the foot: the rings that close the ends go on to heel and toes.
    back, front = (float(np.mean([rest[half, 2].mean() for half in slices[ring]])) for ring in (0, -1))
    shift = np.zeros(rings)
    shift[:2] = np.array([1.0, 0.7]) * (heel - thick - back)
    shift[-2:] = np.array([0.7, 1.0]) * (toes + thick - front)
    return Tube([some for some, _ in slices], [others for _, others in slices], ease, shrink, shift)


def _tube(slices: list[tuple[np.ndarray, np.ndarray]], ease: np.ndarray, tuck: float) -> Tube:
    shrink = np.ones(len(slices))
    # The upper border starts under the skin and comes out little by little, so that no edge is seen there.
    shrink[:2] -= tuck, tuck / 4
    return Tube([some for some, _ in slices], [others for _, others in slices], ease, shrink, np.zeros(len(slices)))


def _slice(rest: np.ndarray, level: np.ndarray, near: np.ndarray, middle: float) -> tuple[np.ndarray, np.ndarray]:
    inside = level & near
    return np.flatnonzero(inside & (rest[:, 0] > middle)), np.flatnonzero(inside & (rest[:, 0] <= middle))


def hang(
    vertices: Float[np.ndarray, "frame vertex 3"],
    inside: Float[np.ndarray, "frame 3"],
    tubes: dict[TubeName, Tube],
) -> Float[np.ndarray, "frame tube 3"]:
    """Vertices of all tubes around posed bodies, metres; those not worn shrink to the point `inside` the body."""
    hung = []
    for name, (rings, points) in _SHAPES.items():
        if name in tubes:
            hung.append(_stretch(vertices, tubes[name]))
        else:
            hung.append(np.broadcast_to(inside[:, None], (len(inside), rings * points, 3)))
    return np.concatenate(hung, axis=1).astype(np.float32)


def _stretch(vertices: np.ndarray, tube: Tube) -> Float[np.ndarray, "frame vertex 3"]:
    firsts = np.stack([vertices[:, some].mean(axis=1) for some in tube.first], axis=1)
    seconds = np.stack([vertices[:, some].mean(axis=1) for some in tube.second], axis=1)
    centres = (firsts + seconds) / 2
    along = np.gradient(centres, axis=1)
    # Smoothed along the tube, so that it bends around a joint over a hand's width rather than in one crease; rings that
    # close an end share their slice with a neighbour and take their direction from it.
    for _ in range(3):
        padded = np.concatenate([along[:, :1], along, along[:, -1:]], axis=1)
        along = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    across = _unit(firsts - seconds)
    along = _unit(along - (along * across).sum(-1, keepdims=True) * across)
    ahead = np.cross(along, across)
    centres = centres + tube.shift[:, None] * along
    angle = _angles(tube.ease.shape[1])
    fan = np.stack([np.cos(angle), np.sin(angle)])
    rings = []
    for ring, (some, others) in enumerate(zip(tube.first, tube.second, strict=True)):
        skin = vertices[:, np.concatenate([some, others])] - (firsts[:, ring] + seconds[:, ring])[:, None] / 2
        flat = np.stack([skin @ across[:, ring, :, None], skin @ ahead[:, ring, :, None]], axis=-1)[:, :, 0]
        radius = _outline((flat @ fan).max(axis=1), angle) + tube.ease[ring]
        radius = radius * tube.shrink[ring]
        sideways, forwards = (radius * fan[0])[..., None], (radius * fan[1])[..., None]
        rings.append(centres[:, ring, None] + sideways * across[:, ring, None] + forwards * ahead[:, ring, None])
    return np.concatenate(rings, axis=1)


def _outline(support: Float[np.ndarray, "frame angle"], angle: Float[np.ndarray, "angle"]) -> np.ndarray:
    """Radius of a convex outline in every direction, from how far it reaches in every direction (support function)."""
    cos = np.cos(angle[:, None] - angle[None])
    walls = np.where(cos > 0.05, support[:, None, :] / np.maximum(cos, 0.05), np.inf)
    return walls.min(axis=-1)


def _angles(count: int) -> Float[np.ndarray, "angle"]:
    return 2 * np.pi * np.arange(count) / count


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
