"""The floor: a plain with a fine 1-m grid, drawn once per clip, and the shadow that is laid on it in every frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from carescene.rendering.camera import Camera
from carescene.rendering.lighting import Lighting, lamp_samples, shade
from carescene.rendering.raycast import pixel_grid, to_open3d

_FLOOR = np.array([0.46, 0.45, 0.43])
_LINE = np.array([0.24, 0.24, 0.245])
_HAZE = np.array([0.60, 0.63, 0.66])
_LINE_WIDTH = 0.014
# Edge of a shadow cell in metres: a quarter of a foot's width.
_CELL = 0.025
_LAMP_RAYS = 8
# Skin closer to the floor than this (metres) darkens it by contact.
_CONTACT_REACH = 0.10


@dataclass(frozen=True)
class Floor:
    """The empty floor from one camera: its points (NaN above the horizon), its colour in the light and in shade."""

    points: Float[np.ndarray, "height width 2"]
    bright: Float[np.ndarray, "height width 3"]
    shaded: Float[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class ShadowMap:
    """Lamp light and contact light that reach a patch of floor, on cells of `_CELL` metres from `corner`."""

    corner: Float[np.ndarray, "2"]
    lit: Float[np.ndarray, "row column"]
    contact: Float[np.ndarray, "row column"]


def floor_points(camera: Camera, pixels: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 2"]:
    """Where the view through each pixel meets the plane z = 0, in metres; NaN where it does not."""
    rays = camera.directions(pixels)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = -camera.eye[2] / rays[..., 2]
        distance = np.where(distance > 0, distance, np.nan)
        return camera.eye[:2] + distance[..., None] * rays[..., :2]


def draw_floor(camera: Camera, lighting: Lighting, samples: int = 3) -> Floor:
    """Draw the empty floor, smoothed over `samples` x `samples` rays per pixel; far away it fades into haze."""
    points = floor_points(camera, pixel_grid(camera, samples))
    distance = np.linalg.norm(points - camera.eye[:2], axis=-1)
    to_line = np.abs(points - np.round(points)).min(axis=-1)
    line = (to_line < _LINE_WIDTH / 2)[..., None]
    albedo = np.where(line, _LINE, _FLOOR).reshape(-1, 3)
    up, whole = np.broadcast_to([0.0, 0.0, 1.0], albedo.shape), np.ones(len(albedo))
    # Far floor fades into haze, so that the horizon is soft and the grid does not flicker there.
    haze = np.where(np.isnan(distance), 1.0, 1 - np.exp(-((np.nan_to_num(distance) / 16.0) ** 2)))[..., None]

    def picture(lit: float) -> np.ndarray:
        color = shade(albedo, up, whole * lit, whole, lighting).reshape(*points.shape[:2], 3)
        blended = (1 - haze) * color + haze * _HAZE
        shape = (camera.height, samples, camera.width, samples, 3)
        return blended.reshape(shape).mean(axis=(1, 3)).astype(np.float32)

    return Floor(points=floor_points(camera, pixel_grid(camera)), bright=picture(1.0), shaded=picture(0.0))


def cast_shadow(
    vertices: Float[np.ndarray, "vertex 3"], raycaster: Any, lighting: Lighting, *, threads: int = 1
) -> ShadowMap:
    """Shadow of a mesh on z = 0 from a lamp of finite size, and the darkening where the mesh comes near the floor.

    `raycaster` is an `open3d.t.geometry.RaycastingScene` that holds the mesh. Only cells near a vertex's shadow are
    looked at, so neighbouring vertices must not be further apart than about 0.2 m.
    """
    key = lighting.key_direction
    thrown = vertices[:, :2] - np.clip(vertices[:, 2:], 0.0, None) * key[:2] / key[2]
    both = np.concatenate([thrown, vertices[:, :2]])
    pad = 0.15 + lighting.key_radius * max(float(vertices[:, 2].max()), 0.0) / key[2] ** 2
    corner = both.min(axis=0) - pad
    columns, rows = np.ceil((both.max(axis=0) + pad - corner) / _CELL).astype(int).tolist()
    x = corner[0] + (np.arange(columns) + 0.5) * _CELL
    y = corner[1] + (np.arange(rows) + 0.5) * _CELL
    cells = np.stack([*np.meshgrid(x, y), np.full((rows, columns), 1e-3)], axis=-1)
    occupied = _near(thrown, corner, (rows, columns), pad)
    lit = np.ones((rows, columns), dtype=np.float32)
    lit[occupied] = lamp_visible(cells[occupied], raycaster, lamp_samples(lighting, _LAMP_RAYS), threads=threads)
    return ShadowMap(
        corner=corner, lit=ndimage.gaussian_filter(lit, 1.1), contact=_contact(vertices, corner, (rows, columns))
    )


def lamp_visible(
    points: Float[np.ndarray, "point 3"], raycaster: Any, directions: Float[np.ndarray, "ray 3"], *, threads: int = 1
) -> Float[np.ndarray, "point"]:
    """Share of the directions in which nothing stands between a point and the lamp."""
    rays = np.empty((len(points), len(directions), 6), dtype=np.float32)
    rays[..., :3] = points[:, None]
    rays[..., 3:] = directions
    hidden = raycaster.test_occlusions(to_open3d(rays.reshape(-1, 6)), nthreads=threads).numpy()
    return 1 - hidden.reshape(len(points), len(directions)).mean(axis=1, dtype=np.float32)


def floor_pixels(floor: Floor, shadow: ShadowMap) -> Bool[np.ndarray, "height width"]:
    """Pixels whose piece of floor the shadow map covers."""
    cell = (floor.points - shadow.corner) / _CELL
    rows, columns = shadow.lit.shape
    with np.errstate(invalid="ignore"):
        return (cell[..., 0] >= 0) & (cell[..., 0] < columns) & (cell[..., 1] >= 0) & (cell[..., 1] < rows)


def lay_shadow(floor: Floor, shadow: ShadowMap) -> Float[np.ndarray, "height width 3"]:
    """The floor with the shadow on it, in linear light."""
    picture = floor.bright.copy()
    inside = floor_pixels(floor, shadow)
    cell = ((floor.points[inside] - shadow.corner) / _CELL - 0.5)[:, ::-1].T
    lit = ndimage.map_coordinates(shadow.lit, cell, order=1, mode="nearest")[:, None]
    contact = ndimage.map_coordinates(shadow.contact, cell, order=1, mode="nearest")[:, None]
    picture[inside] = contact * (lit * floor.bright[inside] + (1 - lit) * floor.shaded[inside])
    return picture


def _near(
    points: Float[np.ndarray, "point 2"], corner: Float[np.ndarray, "2"], shape: tuple[int, int], reach: float
) -> Bool[np.ndarray, "row column"]:
    """Cells within about `reach` metres of a point: only these need shadow rays."""
    coarse = 8
    size = -(-shape[0] // coarse), -(-shape[1] // coarse)
    index = np.floor((points - corner) / (_CELL * coarse)).astype(int)
    hit = np.zeros(size, dtype=bool)
    hit[np.clip(index[:, 1], 0, size[0] - 1), np.clip(index[:, 0], 0, size[1] - 1)] = True
    hit = ndimage.binary_dilation(hit, iterations=int(np.ceil(reach / (_CELL * coarse))), structure=np.ones((3, 3)))
    return np.repeat(np.repeat(hit, coarse, axis=0), coarse, axis=1)[: shape[0], : shape[1]]


def _contact(
    vertices: Float[np.ndarray, "vertex 3"], corner: Float[np.ndarray, "2"], shape: tuple[int, int]
) -> Float[np.ndarray, "row column"]:
    low = vertices[vertices[:, 2] < 2.5 * _CONTACT_REACH]
    index = np.floor((low[:, :2] - corner) / _CELL).astype(int)
    dark = np.zeros(shape, dtype=np.float32)
    np.maximum.at(dark, (index[:, 1], index[:, 0]), np.exp(-np.clip(low[:, 2], 0.0, None) / _CONTACT_REACH))
    closed = ndimage.grey_closing(dark, size=(3, 3))
    blurred = 0.5 * ndimage.gaussian_filter(closed, 1.2) + 0.5 * ndimage.gaussian_filter(closed, 3.0)
    return 1 - 0.6 * blurred
