"""Colour that varies over surfaces: floor coverings, tiles, wood grain, cloth, a ceiling of square tiles.

Everything is a function of the place in the world, so it does not depend on the resolution. Detail finer than a pixel
is faded out, so that it neither shimmers nor makes false patterns. Contrast is low: it is there to be felt, not seen.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from carescene.scenes.scene import Scene

# Pattern of floors that are not tiled, one chosen per room by seed.
FLOORS: Final = ("speckle", "planks")
_TILE: Final = 0.20
_FLOOR_TILE: Final = 0.30
_CEILING_TILE: Final = 0.60
_SIDE: Final = 32
_TABLE: Final = np.random.default_rng(2024).uniform(-1, 1, (_SIDE, _SIDE, _SIDE)).astype(np.float32)

Pattern = Callable[
    [Float[np.ndarray, "point 3"], Float[np.ndarray, "point 3"], Float[np.ndarray, "point"]],
    Float[np.ndarray, "point 3"] | Float[np.ndarray, "point 1"],
]


def floor_pattern(scene: Scene) -> str:
    """Tiles in bathrooms, else speckled vinyl or planks, the same for the same room."""
    if (scene.preset or "").startswith("bathroom"):
        return "tiles"
    return FLOORS[(scene.seed or 0) % 3 // 2]


def textured(
    albedo: Float[np.ndarray, "point 3"],
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    material: Int[np.ndarray, "point"],
    footprint: Float[np.ndarray, "point"],
    names: tuple[str, ...],
    floor: str,
) -> Float[np.ndarray, "point 3"]:
    """Albedo with each material's pattern on it.

    Args:
        albedo: plain colour of every point.
        points: in the world, metres.
        material: index into `names` for every point.
        footprint: width in metres of the piece of surface that one sample stands for.
        floor: pattern of the floor, out of `FLOORS` or "tiles".
    """
    result = albedo.copy()
    for index, name in enumerate(names):
        pattern = _FLOOR_PATTERNS[floor] if name == "floor" else _PATTERNS.get(name)
        if pattern is None:
            continue
        chosen = np.flatnonzero(material == index)
        if len(chosen):
            result[chosen] *= pattern(points[chosen], normals[chosen], footprint[chosen])
    return np.clip(result, 0, 0.95)


def noise(points: Float[np.ndarray, "point 3"], size: float | tuple[float, float, float]) -> Float[np.ndarray, "point"]:
    """Smooth random numbers from -1 to 1 over space whose bumps are about `size` metres wide (value noise)."""
    place = points / np.asarray(size, np.float32)
    corner = np.floor(place).astype(np.int64)
    inside = (place - corner).astype(np.float32)
    inside = inside * inside * (3 - 2 * inside)
    total = np.zeros(len(points), np.float32)
    share = (1 - inside, inside)
    index = ((corner % _SIDE).T, ((corner + 1) % _SIDE).T)
    for i, j, k in np.ndindex(2, 2, 2):
        values = _TABLE[index[i][0], index[j][1], index[k][2]]
        total += share[i][:, 0] * share[j][:, 1] * share[k][:, 2] * values
    return total


def per_cell(*cells: Int[np.ndarray, "point"]) -> Float[np.ndarray, "point"]:
    """One random number from -1 to 1 for each whole-numbered cell."""
    x, y, z = (*cells, np.zeros_like(cells[0]), np.zeros_like(cells[0]))[:3]
    return _TABLE[x % _SIDE, (y + x // _SIDE * 7) % _SIDE, (z + y // _SIDE * 11) % _SIDE]


def fade(footprint: Float[np.ndarray, "point"], size: float | int) -> Float[np.ndarray, "point"]:
    """How much of a detail of `size` metres is left in samples as wide as `footprint`: 1 fine, 0 from its size on."""
    return np.clip(1.5 - 1.5 * footprint / size, 0, 1)


def lines(
    distance: Float[np.ndarray, "point"], width: float | int, footprint: Float[np.ndarray, "point"]
) -> Float[np.ndarray, "point"]:
    """Share of a sample that a line covers whose middle is `distance` away; a sample wider than the line sees part of
    it."""
    half = np.maximum(footprint, 1e-4) / 2
    low, high = np.maximum(distance - half, -width / 2), np.minimum(distance + half, width / 2)
    return np.clip(high - low, 0, None) / (2 * half)


def to_grid(coordinate: Float[np.ndarray, "point"], step: float | int) -> Float[np.ndarray, "point"]:
    """Distance to the nearest of lines `step` apart."""
    return np.abs(coordinate - step * np.round(coordinate / step))


def on_wall(points: Float[np.ndarray, "point 3"], normals: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point"]:
    """Horizontal coordinate along an upright surface, metres."""
    return np.where(np.abs(normals[:, 0]) > np.abs(normals[:, 1]), points[:, 1], points[:, 0])


def _speckle(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Sheet vinyl: chips of a few millimetres to centimetres, and a welded seam every 2 m."""
    bright = 0.07 * noise(points, 0.012) * fade(footprint, 0.03) + 0.05 * noise(points, 0.05) * fade(footprint, 0.1)
    bright += 0.025 * noise(points, 0.7)
    seam = lines(to_grid(points[:, 0] - 0.63, 2.0), 0.006, footprint)
    return (1 + bright - 0.22 * seam)[:, None]


def _planks(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Boards of 0.18 m x 1.2 m, each row shifted, each board a little lighter or darker, warm as wood."""
    row = np.floor(points[:, 1] / 0.18).astype(np.int64)
    shifted = points[:, 0] + 1.2 * (per_cell(row) + 1)
    board = np.floor(shifted / 1.2).astype(np.int64)
    tint = 0.09 * per_cell(row, board)
    grain = noise(points + 3.1 * tint[:, None], (0.30, 0.012, 0.3)) * fade(footprint, 0.03)
    grain += noise(points + 3.1 * tint[:, None], (0.9, 0.05, 0.3)) * fade(footprint, 0.1)
    gap = np.maximum(
        lines(to_grid(points[:, 1], 0.18), 0.003, footprint), lines(to_grid(shifted, 1.2), 0.003, footprint)
    )
    bright = 1 + tint + 0.06 * grain - 0.5 * gap
    return bright[:, None] * np.array([1.08, 0.93, 0.74], np.float32)


def _floor_tiles(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    return _tiled(points[:, 0], points[:, 1], _FLOOR_TILE, points, footprint, 0.72)


def _wall_tiles(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    return _tiled(on_wall(points, normals), points[:, 2], _TILE, points, footprint, 0.80)


def _tiled(
    across: np.ndarray, along: np.ndarray, step: float, points: np.ndarray, footprint: np.ndarray, grout: float
) -> np.ndarray:
    cell = per_cell(np.floor(across / step).astype(np.int64), np.floor(along / step).astype(np.int64))
    joint = np.maximum(lines(to_grid(across, step), 0.005, footprint), lines(to_grid(along, step), 0.005, footprint))
    bright = 1 + 0.04 * cell + 0.02 * noise(points, 0.06) * fade(footprint, 0.1)
    return (bright * (1 - (1 - grout) * joint))[:, None]


def _ceiling(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Mineral tiles of 0.6 m on thin rails."""
    rail = np.maximum(
        lines(to_grid(points[:, 0], _CEILING_TILE), 0.024, footprint),
        lines(to_grid(points[:, 1], _CEILING_TILE), 0.024, footprint),
    )
    cells = (np.floor(points[:, axis] / _CEILING_TILE).astype(np.int64) for axis in (0, 1))
    return (1 + 0.015 * per_cell(*cells) - 0.13 * rail)[:, None]


def _paint(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Paint that is not quite even, and a little scuffed near the floor."""
    scuffs = np.clip(noise(points, (0.25, 0.25, 0.06)) - 0.2, 0, 1) * np.exp(-points[:, 2] / 0.4)
    return (1 + 0.012 * noise(points, 0.5) - 0.08 * scuffs)[:, None]


def _wood(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Grain along the height of upright boards, along x of flat ones."""
    upright = np.abs(normals[:, 2:]) < 0.7
    stretched = np.where(upright, points[:, [2, 0, 1]], points)
    grain = noise(stretched, (0.5, 0.03, 0.03)) + 0.6 * noise(stretched, (0.25, 0.011, 0.011)) * fade(footprint, 0.03)
    return (1 + 0.09 * grain)[:, None] * np.array([1.0, 0.99, 0.97], np.float32)


def _curtain(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Wide soft bands, woven threads, and a mesh of paler cloth at the top, as on cubicle curtains."""
    band = 0.05 * np.sin(2 * np.pi * points[:, 2] / 0.35) * fade(footprint, 0.35)
    thread = 0.05 * noise(points, (0.01, 0.01, 0.06)) * fade(footprint, 0.03)
    return (1 + band + thread)[:, None]


def _woven(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Cloth with faint checks."""
    check = np.sin(2 * np.pi * points[:, 0] / 0.04) * np.sin(2 * np.pi * points[:, 1] / 0.04)
    return (1 + 0.05 * check * fade(footprint, 0.04) + 0.03 * noise(points, 0.09) * fade(footprint, 0.15))[:, None]


def _linen(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Creases from lying on it."""
    crease = noise(points, (0.10, 0.22, 0.2)) + 0.6 * noise(points, (0.05, 0.07, 0.1)) * fade(footprint, 0.1)
    return (1 + 0.03 * crease)[:, None]


def _upholstery(points: np.ndarray, normals: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    return (1 + 0.05 * noise(points, 0.02) * fade(footprint, 0.05) + 0.03 * noise(points, 0.2))[:, None]


_FLOOR_PATTERNS: Final[dict[str, Pattern]] = {"speckle": _speckle, "planks": _planks, "tiles": _floor_tiles}
_PATTERNS: Final[dict[str, Pattern]] = {
    "tiles": _wall_tiles,
    "ceiling": _ceiling,
    "wall": _paint,
    "door": _wood,
    "wood": _wood,
    "wood_light": _wood,
    "wall_guard": _wood,
    "curtain": _curtain,
    "blanket": _woven,
    "sheet": _linen,
    "pillow": _linen,
    "mattress": _linen,
    "upholstery": _upholstery,
}
