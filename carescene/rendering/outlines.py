"""Smooth outlines: in pixels where things meet, a few more rays say how much of the pixel each thing covers."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from carescene.rendering.draw import Drawn
from carescene.rendering.gbuffer import CLOTH_BASE, ROOM
from carescene.rendering.raycast import cast, corner_weights
from carescene.rendering.room_view import RoomView

# A quarter-pixel grid turned by half a cell; with the pixel's centre five samples.
_OFFSETS: Final = np.array([[-0.125, -0.375], [0.375, -0.125], [0.125, 0.375], [-0.375, 0.125]])
# Neighbouring pixels of one body whose depths differ by more than this (metres) show different limbs.
_STEP: Final = 0.05


@dataclass(frozen=True)
class Outline:
    """Extra samples in pixels where people or cloth begin or end.

    Attributes:
        pixel: the pixels.
        instance: of each of their samples; `ROOM` for any part of the still room.
        face, weights: of samples that show people or cloth.
        like: pixel nearby that shows the same thing at nearly the same depth: the sample is lit like that one.
    """

    pixel: Int[np.ndarray, "pixel"]
    instance: Int[np.ndarray, "pixel sample"]
    face: Int[np.ndarray, "pixel sample"]
    weights: Float[np.ndarray, "pixel sample 3"]
    like: Int[np.ndarray, "pixel sample"]


def find_outlines(drawn: Drawn, view: RoomView, garment: Int[np.ndarray, "height width"]) -> Outline:
    """Cast extra rays where what moves borders on something else, or one garment on another."""
    buffer = drawn.buffer
    width = buffer.depth.shape[1]
    edge = edges(buffer.instance, buffer.depth, garment)
    pixel = np.flatnonzero(edge)
    rows, columns = np.divmod(pixel, width)
    rays = rays_beside(view, pixel, _OFFSETS).reshape(-1, 3)
    count = len(rays)
    instance, face = np.full(count, ROOM, np.int32), np.full(count, -1, np.int32)
    weights = np.zeros((count, 3), np.float32)
    nearest = cast(view.caster, view.camera.eye, rays).distance if count else np.zeros(0, np.float32)
    for number, caster in drawn.casters.items():
        if not count or not (buffer.instance == number).any():
            continue
        hits = cast(caster, view.camera.eye, rays)
        nearer = hits.distance < nearest
        nearest = np.where(nearer, hits.distance, nearest)
        instance[nearer], face[nearer] = number, hits.face[nearer]
        weights[nearer] = corner_weights(hits.across[nearer])
    like = _most_alike(buffer.instance, buffer.depth, np.repeat(rows, 4), np.repeat(columns, 4), instance, nearest)
    # A sample of something that no pixel around shows is left out: it counts as what its pixel's centre shows.
    lost = (instance >= CLOTH_BASE) & (buffer.instance.ravel()[like] != instance)
    own = np.repeat(pixel, 4)
    instance[lost] = np.where(
        buffer.instance.ravel()[own[lost]] >= CLOTH_BASE, buffer.instance.ravel()[own[lost]], ROOM
    )
    face[lost], weights[lost] = buffer.face.ravel()[own[lost]], buffer.weights.reshape(-1, 3)[own[lost]]
    like[lost] = own[lost]
    shape = len(pixel), len(_OFFSETS)
    return Outline(pixel, instance.reshape(shape), face.reshape(shape), weights.reshape(*shape, 3), like.reshape(shape))


def rays_beside(
    view: RoomView, pixel: Int[np.ndarray, "pixel"], offsets: Float[np.ndarray, "sample 2"]
) -> Float[np.ndarray, "pixel sample 3"]:
    """View vectors a part of a pixel (right, down) away from pixels' centres, straight between the centres' own.

    Without a lens this is exact; a lens bends rays so little within a pixel that it makes no difference.
    """
    height, width = view.rays.shape[:2]
    rows, columns = np.divmod(pixel, width)
    before, after = np.maximum(columns - 1, 0), np.minimum(columns + 1, width - 1)
    above, below = np.maximum(rows - 1, 0), np.minimum(rows + 1, height - 1)
    across = (view.rays[rows, after] - view.rays[rows, before]) / np.maximum(after - before, 1)[:, None]
    down = (view.rays[below, columns] - view.rays[above, columns]) / np.maximum(below - above, 1)[:, None]
    right, lower = offsets.astype(np.float32)[:, :1], offsets.astype(np.float32)[:, 1:]
    rays = view.rays[rows, columns][:, None] + right * across[:, None] + lower * down[:, None]
    return rays.astype(np.float32)


def edges(
    instance: Int[np.ndarray, "height width"],
    depth: Float[np.ndarray, "height width"],
    garment: Int[np.ndarray, "height width"],
) -> Bool[np.ndarray, "height width"]:
    """Pixels beside a border of something that moves: to another thing, to another garment, or to another limb."""
    moving = instance >= CLOTH_BASE
    found = np.zeros(instance.shape, bool)
    for first, second in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        either, both = moving[first] | moving[second], moving[first] & moving[second]
        step = np.where(both, depth[first], 0) - np.where(both, depth[second], 0)
        differ = (instance[first] != instance[second]) | (garment[first] != garment[second]) | (np.abs(step) > _STEP)
        border = either & differ
        found[first] |= border
        found[second] |= border
    return found


def _most_alike(
    instance: np.ndarray,
    depth: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    wanted: np.ndarray,
    wanted_depth: np.ndarray,
) -> Int[np.ndarray, "sample"]:
    """Of the pixel and its eight neighbours the one that shows the wanted thing at the nearest depth."""
    height, width = instance.shape
    flat_instance, flat_depth = instance.ravel(), depth.ravel()
    best, chosen = np.full(len(rows), np.inf), rows * width + columns
    for down in (0, -1, 1):
        for right in (0, -1, 1):
            index = np.clip(rows + down, 0, height - 1) * width + np.clip(columns + right, 0, width - 1)
            with np.errstate(invalid="ignore"):
                off = np.abs(flat_depth[index] - wanted_depth)
            off = np.where(flat_instance[index] == wanted, off, 1e6)
            chosen, best = np.where(off < best, index, chosen), np.minimum(off, best)
    return chosen
