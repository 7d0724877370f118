"""One moment's picture geometry: people and loose cloth laid into the empty room by depth.

Everybody has a ray caster of their own, and rays are sent only where that body can be. So the time for a frame depends
on how large people look rather than on how much furniture there is, and everybody's own whole outline is known, however
much of it is hidden or cut off.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from carescene.rendering.camera import Camera
from carescene.rendering.gbuffer import CLOTH_BASE, NOTHING, PERSON_BASE, GBuffer
from carescene.rendering.lens import distort
from carescene.rendering.people import PeopleFrame, Topology
from carescene.rendering.raycast import blend, build_caster, cast, corner_weights, facing_eye
from carescene.rendering.room_view import RoomView

# Nearer than this to the eye (metres along the view axis) projection is of no use: the whole surroundings are searched.
_NEAREST: Final = 0.05


@dataclass(frozen=True)
class Cloth:
    """A loose piece of cloth, such as a blanket, at one moment: a thin sheet seen from both sides.

    Attributes:
        vertices: in the world, metres.
        topology: its triangles; parts are of no meaning.
        material: name out of `carescene.scenes.materials.MATERIALS`.
    """

    vertices: Float[np.ndarray, "vertex 3"]
    topology: Topology
    material: str = "blanket"


@dataclass(frozen=True)
class Drawn:
    """One moment's picture geometry.

    Attributes:
        buffer: what every pixel shows.
        full_pixels: how many pixels of each person would be seen if nothing hid them and the picture went on beyond its
            borders (up to one picture to every side).
        cloths: material of each cloth.
        casters: an `open3d.t.geometry.RaycastingScene` of everybody and of every cloth by instance id, for shadow rays.
    """

    buffer: GBuffer
    full_pixels: Float[np.ndarray, "person"]
    casters: dict[int, Any] = field(repr=False)
    cloths: tuple[str, ...] = ()


def draw_buffer(room: RoomView, people: PeopleFrame, cloths: Sequence[Cloth] = (), *, shadows: bool = True) -> Drawn:
    """Lay people and cloths into the empty room.

    Args:
        room: cast with `samples` 1.
        people: everybody at this moment.
        cloths: get the instances `CLOTH_BASE` + their index.
        shadows: False leaves out the `casters` and builds ray casters only of triangles that face the camera: the same
            picture of closed bodies in about half the time.
    """
    assert room.samples == 1, "people are drawn at the picture's own resolution"
    buffer = GBuffer(**{item.name: getattr(room.buffer, item.name).copy() for item in fields(GBuffer)})
    full = np.zeros(len(people.visible), np.float32)
    casters: dict[int, Any] = {}
    for person in np.flatnonzero(people.visible).tolist():
        thing = _Thing(people.vertices[person], people.topology, PERSON_BASE + person, has_parts=True)
        full[person] = _lay(thing, room, buffer, casters, shadows)
    for index, cloth in enumerate(cloths):
        _lay(
            _Thing(cloth.vertices, cloth.topology, CLOTH_BASE + index, has_parts=False), room, buffer, casters, shadows
        )
    return Drawn(buffer, full, casters, tuple(cloth.material for cloth in cloths))


@dataclass(frozen=True)
class _Thing:
    vertices: Float[np.ndarray, "vertex 3"]
    topology: Topology
    instance: int
    has_parts: bool


def _lay(thing: _Thing, room: RoomView, buffer: GBuffer, casters: dict[int, Any], shadows: bool) -> float:
    """Draw one thing into the buffer where it is nearest; returns how many pixels its whole outline has."""
    camera = room.camera
    box = pixel_box(thing.vertices, camera)
    if box is None and not shadows:
        return 0.0
    faces = thing.topology.faces
    sides = thing.topology.face_normals(thing.vertices)
    towards = np.arange(len(faces))
    if not shadows:
        view = thing.vertices[faces[:, 0]] - camera.eye.astype(np.float32)
        towards = np.flatnonzero((np.einsum("fc,fc->f", view, sides) < 0) | ~thing.topology.closed)
    caster = build_caster(thing.vertices, faces[towards])
    if shadows:
        casters[thing.instance] = caster
    if box is None:
        return 0.0
    low, high = box
    outside, pixels = room.margin.within(low, high)
    unseen = float(pixels[cast(caster, camera.eye, outside).face >= 0].sum()) if len(outside) else 0.0
    left, top = np.clip(np.floor(low), 0, (camera.width, camera.height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high), 0, (camera.width, camera.height)).astype(int).tolist()
    if left >= right or top >= bottom:
        return unseen
    window = slice(top, bottom), slice(left, right)
    rays = room.rays[window].reshape(-1, 3)
    hits = cast(caster, camera.eye, rays)
    own = float((hits.face >= 0).sum())
    nearer = hits.distance < buffer.depth[window].reshape(-1)
    place = nearer.reshape(bottom - top, right - left)
    face, weights = towards[hits.face[nearer]], corner_weights(hits.across[nearer])
    corners = faces[face]
    normals = blend(thing.topology.vertex_normals(sides), corners, weights)
    buffer.depth[window][place] = hits.distance[nearer]
    buffer.normal[window][place] = facing_eye(normals, rays[nearer])
    buffer.instance[window][place] = thing.instance
    buffer.part[window][place] = thing.topology.face_part[face] + 1 if thing.has_parts else 0
    buffer.material[window][place] = NOTHING
    buffer.face[window][place] = face
    buffer.weights[window][place] = weights
    return own + unseen


def pixel_box(
    vertices: Float[np.ndarray, "vertex 3"], camera: Camera
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]] | None:
    """Smallest and largest pixel position (x, y) at which something can be seen, None if it is all behind the eye.

    Infinite where a part of it is too near to the eye or behind it.
    """
    depth = (vertices - camera.eye.astype(np.float32)) @ camera.rotation[2].astype(np.float32)
    if depth.max() <= 0:
        return None
    if depth.min() < _NEAREST:
        return np.full(2, -np.inf), np.full(2, np.inf)
    flat = ((vertices - camera.eye.astype(np.float32)) @ camera.rotation[:2].T.astype(np.float32)) / depth[:, None]
    # A lens keeps inside what is inside, so the border of a flat box around everything tells enough.
    low, high = flat.min(axis=0).astype(np.float64), flat.max(axis=0).astype(np.float64)
    pixels = camera.scale * distort(low + _BORDER * (high - low), camera.distortion) + camera.principal
    # One pixel of room for the lens between two points of the border.
    return pixels.min(axis=0) - 1, pixels.max(axis=0) + 1


def _unit_border(points: int) -> Float[np.ndarray, "point 2"]:
    along = np.linspace(0, 1, points)
    low, high = np.zeros(points), np.ones(points)
    sides = [(along, low), (along, high), (low, along), (high, along)]
    return np.concatenate([np.stack(side, axis=-1) for side in sides])


_BORDER: Final = _unit_border(33)
