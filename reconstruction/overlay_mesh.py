"""Posed bodies and the room's edges drawn over a picture by the camera that saw it: plain, quick, see-through."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw

from carescene.rendering.camera import Camera
from carescene.rendering.overlay import PERSON_COLORS, Color
from carescene.rendering.people import Topology
from carescene.rendering.raycast import blend, build_caster, cast, corner_weights, facing_eye
from carescene.scenes.footprint import footprint
from carescene.scenes.scene import Scene

_OPAQUE: Final = 0.72
_DARKEST: Final = 0.45
# Nearer than this to the eye projection is of no use.
_NEAREST_M: Final = 0.1
_FLOOR_EDGE: Final[Color] = (120, 200, 255)
_THING_EDGE: Final[Color] = (255, 196, 60)
_DOUBT: Final[Color] = (213, 50, 30)
# An edge is drawn in so many pieces, so that the lens may bend it and the part behind the eye is left out.
_PIECES: Final = 24


def draw_people(
    picture: UInt8[np.ndarray, "height width 3"],
    camera: Camera,
    vertices: Float[np.ndarray, "person vertex 3"],
    topology: Topology,
    there: Bool[np.ndarray, "person"],
    trusted: Bool[np.ndarray, "person"],
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with everybody's body laid over it, shaded as if lit from the eye; red where not to be trusted.

    Args:
        camera: of the picture's own size.
        vertices: of all bodies in the world, metres.
        there: who exists at this moment.
    """
    out = picture.astype(np.float32)
    nearest = np.full(picture.shape[:2], np.inf, np.float32)
    for person in np.flatnonzero(there):
        body = vertices[person]
        window = _window(camera, body)
        if window is None:
            continue
        rows, columns = window
        pixels = np.stack(np.meshgrid(columns + 0.5, rows + 0.5), axis=-1)
        rays = camera.rays(pixels).astype(np.float32).reshape(-1, 3)
        hits = cast(build_caster(body, topology.faces), camera.eye, rays)
        place = np.ix_(rows, columns)
        depth = hits.distance.reshape(pixels.shape[:2])
        seen = depth < nearest[place]
        if not seen.any():
            continue
        chosen = np.flatnonzero(seen.reshape(-1))
        face = hits.face[chosen]
        normals = topology.vertex_normals(topology.face_normals(body)).astype(np.float32)
        smooth = blend(normals, topology.faces[face], corner_weights(hits.across[chosen]))
        toward = -np.einsum("hc,hc->h", facing_eye(smooth, rays[chosen]), rays[chosen])
        light = _DARKEST + (1 - _DARKEST) * np.clip(toward / np.linalg.norm(rays[chosen], axis=1), 0, 1)
        color = np.array(PERSON_COLORS[person % len(PERSON_COLORS)] if trusted[person] else _DOUBT, np.float32)
        # What is nearer hides who is behind, so the ground under a body is always the picture itself.
        ground = picture[place][seen].astype(np.float32)
        patch, near = out[place], nearest[place]
        patch[seen] = (1 - _OPAQUE) * ground + _OPAQUE * color * light[:, None]
        near[seen] = depth[seen]
        out[place], nearest[place] = patch, near
    return np.round(out).astype(np.uint8)


def draw_room_edges(
    picture: UInt8[np.ndarray, "height width 3"], camera: Camera, scene: Scene
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with the floor's outline and the edges of all furniture boxes in thin lines."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    corners = np.column_stack([np.array(scene.polygon), np.zeros(len(scene.polygon))])
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        _line(pen, camera, start, end, _FLOOR_EDGE)
    for thing in scene.objects:
        outline = footprint(thing).corners
        low, high = thing.center[2] - thing.size[2] / 2, thing.center[2] + thing.size[2] / 2
        for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
            for z in (low, high):
                _line(pen, camera, np.array([*start, z]), np.array([*end, z]), _THING_EDGE)
            _line(pen, camera, np.array([*start, low]), np.array([*start, high]), _THING_EDGE)
    return np.asarray(image)


def _line(pen: ImageDraw.ImageDraw, camera: Camera, start: np.ndarray, end: np.ndarray, color: Color) -> None:
    share = np.linspace(0, 1, _PIECES + 1)[:, None]
    points = start + share * (end - start)
    depth = (points - camera.eye) @ camera.rotation[2]
    pixels = np.full((len(points), 2), np.nan)
    before = depth > _NEAREST_M
    pixels[before] = camera.project(points[before])[0]
    # Far outside the picture a lens polynomial means nothing.
    reach = 2.0 * np.array([camera.width, camera.height])
    good = before & (np.abs(np.nan_to_num(pixels, nan=1e9) - reach / 4) < reach).all(axis=1)
    for number in np.flatnonzero(good[:-1] & good[1:]):
        pen.line([tuple(pixels[number].tolist()), tuple(pixels[number + 1].tolist())], fill=color, width=1)


def _window(camera: Camera, body: Float[np.ndarray, "vertex 3"]) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows and columns of the picture in which a body can be seen."""
    depth = (body - camera.eye) @ camera.rotation[2]
    if depth.max() < _NEAREST_M or not np.isfinite(body).all():
        return None
    if depth.min() < _NEAREST_M:
        return np.arange(camera.height), np.arange(camera.width)
    pixels, _ = camera.project(body)
    low, high = np.floor(pixels.min(axis=0)).astype(int), np.ceil(pixels.max(axis=0)).astype(int)
    rows = np.arange(max(low[1], 0), min(high[1], camera.height))
    columns = np.arange(max(low[0], 0), min(high[0], camera.width))
    return (rows, columns) if len(rows) and len(columns) else None
