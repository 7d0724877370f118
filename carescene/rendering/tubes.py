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
class Half:
    """One half of a ring's slice: its vertices, and their shares in its middle (they sum to 1)."""

    vertices: Int64[np.ndarray, "some"]
    shares: Float[np.ndarray, "some"]

    def middle(self, vertices: Float[np.ndarray, "frame vertex 3"]) -> Float[np.ndarray, "frame 3"]:
        """Where its middle is on posed bodies."""
        return np.einsum("v,fvc->fc", self.shares, vertices[:, self.vertices])


@dataclass(frozen=True)
class Tube:
    """One tube on one body.

    Attributes:
        rings: both halves of each ring's slice: the ring's first axis points from the middle of the second half to the
            middle of the first, the person's left.
        ease: distance of the cloth from the slice's outline, metres.
        shrink: factor on each ring's radius, to close an end.
        shift: of each ring along the tube, metres.
        follow: how far each ring follows the body's hollows, 1, rather than spanning them, 0.
    """

    rings: list[tuple[Half, Half]]
    ease: Float[np.ndarray, "ring point"]
    shrink: Float[np.ndarray, "ring"]
    shift: Float[np.ndarray, "ring"]
    follow: Float[np.ndarray, "ring"]


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
    """From the chest to the hem; arms are far out in the T-pose and so in no slice."""
    rings, points = _SHAPES["hanging"]
    # It falls from the widest part of the chest; above the armpits the slice must leave out the arms.
    trunk = np.abs(rest[:, 0]) < np.where(rest[:, 1] < marks.chest - 0.12, 0.3, marks.shoulder + 0.02)
    slices = [
        _slice(rest, np.flatnonzero(trunk & (np.abs(rest[:, 1] - height) < _SLICE)), 0.0, up=height)
        for height in np.linspace(marks.chest - 0.10, leg_height(hem, marks), rings)
    ]
    down = np.linspace(0, 1, rings)[:, None]
    # The longer it hangs, the wider it falls; soft folds fan out towards the hem.
    ease = 0.002 + down * (0.018 + 0.012 * hem) + 0.006 * down * np.cos(7 * _angles(points) + 1.0)
    return _tube(slices, ease, border=5)


def _leg(rest: np.ndarray, marks: Landmarks, cut: Cut, side: int) -> Tube:
    """A straight trouser leg from the middle of the thigh to the hem."""
    rings, points = _SHAPES["left_leg"]
    middle = float(rest[(rest[:, 1] < marks.knee) & (rest[:, 0] * side > 0), 0].mean())
    near = (rest[:, 0] * side > 0) & (np.abs(rest[:, 0]) < 0.35)
    slices = [
        _slice(rest, np.flatnonzero(near & (np.abs(rest[:, 1] - height) < _SLICE)), middle, up=height)
        for height in np.linspace(leg_height(0.42, marks), leg_height(cut.leg_hem, marks), rings)
    ]
    ease = np.linspace(0.002, 0.026, rings)[:, None] + np.zeros(points)
    return _tube(slices, ease, border=3)


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
        slices.append(_slice(rest, np.flatnonzero(near & (np.abs(rest[:, 2] - depth) < 0.022)), middle, ahead=depth))
    ease = thick * np.clip(1 + 1.2 * np.sin(_angles(points)), 0, 1) + np.zeros((rings, 1))
    shrink = np.array([0.02, 0.80, *[1.0] * (rings - 4), 0.82, 0.02])
    # The outermost slices lie inside the foot: the rings that close the ends go on to heel and toes.
    shift = np.zeros(rings)
    shift[:2] = np.array([1.0, 0.7]) * (heel - thick - inner[0])
    shift[-2:] = np.array([0.7, 1.0]) * (toes + thick - inner[-1])
    return Tube(slices, ease, shrink, shift, np.zeros(rings))


def _tube(slices: list[tuple[Half, Half]], ease: np.ndarray, border: int) -> Tube:
    """A tube whose upper border starts a little under the skin and leaves it over `border` rings, without an edge."""
    rings = len(slices)
    ease = ease - 0.009 * np.clip(1 - np.arange(rings) / 2, 0, 1)[:, None]
    return Tube(slices, ease, np.ones(rings), np.zeros(rings), np.clip(1 - np.arange(rings) / border, 0, 1))


def _slice(
    rest: np.ndarray, some: np.ndarray, middle: float, *, up: float | None = None, ahead: float | None = None
) -> tuple[Half, Half]:
    """Halves of a slice left and right of x = `middle`, whose own middles lie at one height `up` or depth `ahead`.

    The mean of the vertices would not do: it lies where the mesh is fine, and the rings would tilt and wave.
    """
    low, high = rest[some].min(axis=0), rest[some].max(axis=0)
    place = (low + high) / 2
    place[1], place[2] = place[1] if up is None else up, place[2] if ahead is None else ahead

    def half(vertices: np.ndarray) -> Half:
        target = np.array([float(rest[vertices, 0].mean()), place[1], place[2]])
        # The shares nearest to equal ones whose middle is the wanted point.
        rows = np.concatenate([rest[vertices].T.astype(np.float64), np.ones((1, len(vertices)))])
        equal = np.full(len(vertices), 1 / len(vertices))
        return Half(vertices, equal + np.linalg.pinv(rows) @ (np.append(target, 1.0) - rows @ equal))

    return half(some[rest[some, 0] > middle]), half(some[rest[some, 0] <= middle])


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
    firsts = np.stack([half.middle(vertices) for half, _ in tube.rings], axis=1)
    seconds = np.stack([half.middle(vertices) for _, half in tube.rings], axis=1)
    middles = (firsts + seconds) / 2
    along = np.gradient(middles, axis=1)
    # Smoothed along the tube, so that it bends around a joint over a hand's width rather than in one crease; rings that
    # close an end share their slice with a neighbour and take their direction from it.
    for _ in range(3):
        padded = np.concatenate([along[:, :1], along, along[:, -1:]], axis=1)
        along = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    across = _unit(firsts - seconds)
    along = _unit(along - (along * across).sum(-1, keepdims=True) * across)
    ahead = np.cross(along, across)
    centres = middles + tube.shift[:, None] * along
    angle = _angles(tube.ease.shape[1])
    fan = np.stack([np.cos(angle), np.sin(angle)])
    rings = []
    for ring, (first, second) in enumerate(tube.rings):
        skin = (
            vertices[:, np.concatenate([first.vertices, second.vertices])]
            - (firsts[:, ring] + seconds[:, ring])[:, None] / 2
        )
        flat = np.stack([skin @ across[:, ring, :, None], skin @ ahead[:, ring, :, None]], axis=-1)[:, :, 0]
        radius = _outline((flat @ fan).max(axis=1), angle)
        if tube.follow[ring] > 0:
            radius = radius + tube.follow[ring] * (_skin_radius(flat, fan, radius) - radius)
        radius = (radius + tube.ease[ring]) * tube.shrink[ring]
        sideways, forwards = (radius * fan[0])[..., None], (radius * fan[1])[..., None]
        rings.append(centres[:, ring, None] + sideways * across[:, ring, None] + forwards * ahead[:, ring, None])
    return np.concatenate(rings, axis=1)


def _outline(support: Float[np.ndarray, "frame angle"], angle: Float[np.ndarray, "angle"]) -> np.ndarray:
    """Radius of a convex outline in every direction, from how far it reaches in every direction (support function)."""
    cos = np.cos(angle[:, None] - angle[None])
    walls = np.where(cos > 0.05, support[:, None, :] / np.maximum(cos, 0.05), np.inf)
    return walls.min(axis=-1)


def _skin_radius(flat: np.ndarray, fan: np.ndarray, outline: np.ndarray) -> Float[np.ndarray, "frame angle"]:
    """Radius of the slice itself in every direction: of its points within 20 degrees, or of the outline."""
    along = flat @ fan
    near = along > np.cos(np.deg2rad(20)) * np.linalg.norm(flat, axis=-1, keepdims=True)
    radius = np.where(near, along, -np.inf).max(axis=1)
    return np.where(np.isfinite(radius), np.minimum(radius, outline), outline)


def _angles(count: int) -> Float[np.ndarray, "angle"]:
    return 2 * np.pi * np.arange(count) / count


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
