"""Triangles of solids: vertices on the exact surface, with the exact normals of it."""

from functools import cache

import numpy as np
from jaxtyping import Float, Int

from carescene.scenes.solids import Solid

# A chord may cut an arc by this many metres. On a ball end, curved both ways, a triangle lies up to twice as deep:
# still within the 2 mm in which drawn and measured surfaces must agree.
_SAGITTA = 1.0e-3

Triangles = tuple[Float[np.ndarray, "vertex 3"], Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]


def tessellate(solid: Solid) -> Triangles:
    """Triangles of one solid in the frame that the solid is given in.

    Returns vertices in metres, unit normals and faces counter-clockwise from outside. All vertices lie on the solid's
    surface; triangles stay within 1 mm of it, at ball-shaped ends within 2 mm. Sharp edges have separate vertices on
    both sides.
    """
    inner = np.maximum(solid.half - solid.radius, 0.0)
    inner[inner < 1e-9] = 0.0
    if solid.shape == "box" or inner[0] == 0.0:
        if solid.radius == 0.0:
            corners, directions, faces = _sharp_box()
        else:
            wide = (bool(inner[0] > 0), bool(inner[1] > 0), bool(inner[2] > 0))
            corners, directions, faces = _round_box(_steps(solid.radius), wide)
        local = corners * inner + solid.radius * directions
    else:
        around = 4 * _steps(float(solid.half[0]))
        if solid.radius == 0.0:
            corners, directions, faces = _sharp_cylinder(around)
        else:
            corners, directions, faces = _round_cylinder(around, _steps(solid.radius), bool(inner[2] > 0))
        local = corners * inner + solid.radius * directions
    return local @ solid.rotation.T + solid.center, directions @ solid.rotation.T, faces


def _steps(radius: float) -> int:
    """Parts of a quarter circle so that its chords stay within the allowed sagitta."""
    chord = 2 * np.arccos(max(1 - _SAGITTA / radius, 0.0))
    return int(np.clip(np.ceil(np.pi / 2 / chord), 1, 8))


@cache
def _sharp_box() -> Triangles:
    corners, directions = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            first, second = (axis + 1) % 3, (axis + 2) % 3
            around = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            for a, b in around if sign > 0 else reversed(around):
                corner, normal = np.zeros(3), np.zeros(3)
                corner[axis], corner[first], corner[second] = sign, a, b
                normal[axis] = sign
                corners.append(corner)
                directions.append(normal)
    quads = np.arange(24).reshape(6, 4)
    return np.array(corners), np.array(directions), _split(quads)


@cache
def _round_box(steps: int, wide: tuple[bool, bool, bool]) -> Triangles:
    """A globe cut along its three main planes and pulled apart; `wide` says along which axes it is really pulled."""
    quarter = np.linspace(0.0, np.pi / 2, steps + 1)
    longitude = np.concatenate([quarter + turn * np.pi / 2 for turn in range(4)])
    side_x, side_y = np.repeat([1, -1, -1, 1], steps + 1), np.repeat([1, 1, -1, -1], steps + 1)
    latitude = np.concatenate([quarter - np.pi / 2, quarter])
    side_z = np.repeat([-1, 1], steps + 1)
    flat = np.ones_like(longitude)
    directions = np.stack(
        [
            np.outer(np.cos(latitude), np.cos(longitude)),
            np.outer(np.cos(latitude), np.sin(longitude)),
            np.outer(np.sin(latitude), flat),
        ],
        axis=-1,
    )
    sides = np.broadcast_to(np.stack([side_x, side_y, flat], axis=-1), directions.shape).copy()
    sides[..., 2] = side_z[:, None]
    # The first column of the next quarter closes the ring; at the poles a quad spans the four corners.
    columns = len(longitude)
    poles = np.array([0, 1, 2, 3]) * (steps + 1)
    quads = np.concatenate([_ring(len(latitude), columns), [poles[::-1], (len(latitude) - 1) * columns + poles]])
    return _welded((sides * np.array(wide)).reshape(-1, 3), directions.reshape(-1, 3), quads)


@cache
def _sharp_cylinder(around: int) -> Triangles:
    angle = np.arange(around) * 2 * np.pi / around
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    low, high = np.full((around, 1), -1.0), np.full((around, 1), 1.0)
    zero, none = np.zeros((around, 1)), np.zeros((around, 2))
    corners = [np.hstack([circle, low]), np.hstack([circle, high])] * 2
    directions = [np.hstack([circle, zero])] * 2 + [np.hstack([none, low]), np.hstack([none, high])]
    fan = _fan(around)
    faces = np.concatenate([_split(_ring(2, around)), fan[:, ::-1] + 2 * around, fan + 3 * around])
    return np.concatenate(corners), np.concatenate(directions), faces


@cache
def _round_cylinder(around: int, steps: int, tall: bool) -> Triangles:
    angle = np.arange(around) * 2 * np.pi / around
    quarter = np.linspace(0.0, np.pi / 2, steps + 1)
    latitude, side = np.concatenate([quarter - np.pi / 2, quarter]), np.repeat([-1.0, 1.0], steps + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    directions = np.zeros((len(latitude), around, 3))
    directions[..., :2] = np.cos(latitude)[:, None, None] * circle
    directions[..., 2] = np.sin(latitude)[:, None]
    corners = np.zeros_like(directions)
    corners[..., :2], corners[..., 2] = circle, (side * tall)[:, None]
    fan = _fan(around)
    ends = np.concatenate([fan[:, ::-1], fan + (len(latitude) - 1) * around])
    quads = np.concatenate([_ring(len(latitude), around), np.hstack([ends, ends[:, :1]])])
    return _welded(corners.reshape(-1, 3), directions.reshape(-1, 3), quads)


def _ring(rows: int, columns: int) -> Int[np.ndarray, "quad 4"]:
    """Quads of a grid of rows, closed along each row."""
    index = np.arange(rows * columns).reshape(rows, columns)
    following = np.roll(index, -1, axis=1)
    return np.stack([index[:-1], following[:-1], following[1:], index[1:]], axis=-1).reshape(-1, 4)


def _fan(around: int) -> Int[np.ndarray, "face 3"]:
    return np.stack([np.zeros(around - 2, int), np.arange(1, around - 1), np.arange(2, around)], axis=-1)


def _split(quads: Int[np.ndarray, "quad 4"]) -> Int[np.ndarray, "face 3"]:
    return quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)


def _welded(
    corners: Float[np.ndarray, "corner 3"], directions: Float[np.ndarray, "corner 3"], quads: Int[np.ndarray, "quad 4"]
) -> Triangles:
    """One vertex for equal ones, and no triangles without area."""
    both = np.round(np.hstack([corners, directions]), 9) + 0.0
    _, first, index = np.unique(both, axis=0, return_index=True, return_inverse=True)
    faces = index.reshape(-1)[_split(quads)]
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return corners[first], directions[first], faces[distinct]
