"""Signed distance to padded batches of rounded boxes and rounded cylinders, in torch.

For a box with half extents h (rounding r included) and a point p in its frame, with q = |p| - (h - r):

    d = |max(q, 0)| + min(max(q_x, q_y, q_z), 0) - r        (Quilez, "distance functions", iquilezles.org)

A cylinder is the same in two dimensions, with q = (radius of p, |z|) - (h - r).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.scenes._solid_search import CHUNK, SolidTable, nearest_solid
from carescene.scenes.solids import Solid

# Where padding stands (metres): further than any room is wide, near enough for float32.
_FAR = 1.0e4


@dataclass(frozen=True)
class SolidBatch:
    """The solids of several rooms, padded to one count: boxes in the first `boxes` places, then cylinders.

    Attributes:
        center: in the world, metres; padding stands far away.
        rotation: columns are the solid's own axes.
        core: half extents without the rounding, metres.
        radius: of the rounding, metres.
        boxes: how many of the places hold boxes.
        order: places sorted by the object they belong to, padding last.
        counts: how many solids each object has, room by room.
    """

    center: Float[Tensor, "batch solid 3"]
    rotation: Float[Tensor, "batch solid 3 3"]
    core: Float[Tensor, "batch solid 3"]
    radius: Float[Tensor, "batch solid"]
    boxes: int
    order: Int[Tensor, "batch solid"]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(
        cls, rooms: Sequence[Sequence[tuple[Solid, int]]], objects: int, dtype: torch.dtype = torch.float32
    ) -> "SolidBatch":
        """Pack each room's pairs of a solid in the world and the index of its object."""
        shapes = ("box", "cylinder")
        counts = [max([sum(s.shape == shape for s, _ in room) for room in rooms], default=0) for shape in shapes]
        # One place of padding at least, so that an empty room needs no case of its own.
        boxes, total = max(counts[0], 1), max(counts[0], 1) + counts[1]
        center = np.full((len(rooms), total, 3), _FAR)
        rotation = np.tile(np.eye(3), (len(rooms), total, 1, 1))
        core, radius = np.zeros((len(rooms), total, 3)), np.zeros((len(rooms), total))
        owner = np.full((len(rooms), total), -1)
        for row, room in enumerate(rooms):
            for first, shape in ((0, "box"), (boxes, "cylinder")):
                for place, (solid, index) in enumerate((pair for pair in room if pair[0].shape == shape), first):
                    center[row, place], rotation[row, place] = solid.center, solid.rotation
                    core[row, place], radius[row, place] = solid.half - solid.radius, solid.radius
                    owner[row, place] = index
        counts = tuple(tuple(np.bincount(row[row >= 0], minlength=objects).tolist()) for row in owner)
        order = np.argsort(np.where(owner < 0, objects, owner), axis=1, kind="stable")
        return cls(
            torch.as_tensor(center, dtype=dtype),
            torch.as_tensor(rotation, dtype=dtype),
            torch.as_tensor(core, dtype=dtype),
            torch.as_tensor(radius, dtype=dtype),
            boxes,
            torch.as_tensor(order),
            counts,
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "SolidBatch":
        """The same solids on another device or with another precision."""
        return SolidBatch(
            self.center.to(device, dtype),
            self.rotation.to(device, dtype),
            self.core.to(device, dtype),
            self.radius.to(device, dtype),
            self.boxes,
            self.order.to(device),
            self.counts,
        )

    @torch.no_grad()
    def nearest(self, points: Float[Tensor, "batch point 3"]) -> Int[Tensor, "batch point"]:
        """Place of the solid with the smallest signed distance to each point."""
        return torch.stack([nearest_solid(room, some) for room, some in zip(self._rooms(), points, strict=True)])

    @torch.no_grad()
    def nearest_per_object(self, points: Float[Tensor, "batch point 3"]) -> Int[Tensor, "batch point object"]:
        """Place of each object's solid with the smallest signed distance to each point; -1 for objects without any."""
        rows = []
        for room, order, counts, some in zip(self._rooms(), self.order, self.counts, points, strict=True):
            step = max(1, CHUNK // (3 * len(room.radius)))
            parts = [_each_best(room.distances(part), order, counts) for part in some.split(step)]
            rows.append(torch.cat(parts))
        return torch.stack(rows)

    def distance(
        self, points: Float[Tensor, "batch point 3"], place: Int[Tensor, "batch point"]
    ) -> Float[Tensor, "batch point"]:
        """Signed distance of each point to the one solid named for it, in metres; differentiable."""
        room = torch.arange(len(points), device=points.device)[:, None]
        offset = (points - self.center[room, place])[..., None, :]
        local = (offset @ self.rotation[room, place])[..., 0, :]
        return solid_distance(local, self.core[room, place], self.radius[room, place], place >= self.boxes)

    def _rooms(self) -> Iterator[SolidTable]:
        for center, rotation, core, radius in zip(self.center, self.rotation, self.core, self.radius, strict=True):
            turn = rotation.permute(1, 2, 0)
            shift = torch.einsum("sc,sca->as", center, rotation)
            yield SolidTable(turn, shift, core.T, radius, self.boxes)


def solid_distance(
    local: Float[Tensor, "*batch 3"],
    core: Float[Tensor, "*batch 3"],
    radius: Float[Tensor, "*batch"],
    is_cylinder: Bool[Tensor, "*batch"],
) -> Float[Tensor, "*batch"]:
    """Signed distance in metres of points in their solids' own frames; gradients are finite everywhere.

    Args:
        core: half extents without the rounding.
    """
    box = local.abs() - core
    radial = safe_norm(local[..., :2]) - core[..., 0]
    # A cylinder has two measures only: the third neither adds to the outside part nor rules the inside part.
    flat = torch.stack([radial, radial.clamp(max=0), box[..., 2]], dim=-1)
    q = torch.where(is_cylinder[..., None], flat, box)
    return safe_norm(q.clamp(min=0)) + q.amax(dim=-1).clamp(max=0) - radius


def safe_norm(vector: Float[Tensor, "*batch axis"]) -> Float[Tensor, "*batch"]:
    """Length of vectors, with gradient 0 (not NaN) where the length is 0."""
    squared = vector.square().sum(dim=-1)
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)


def _each_best(distance: Tensor, order: Tensor, counts: tuple[int, ...]) -> Tensor:
    """Place of the smallest distance among each object's solids: `(point, object)`."""
    columns, first = distance.new_full((len(distance), len(counts)), -1, dtype=torch.long), 0
    sorted_distance = distance[:, order]
    for index, count in enumerate(counts):
        if count:
            best = sorted_distance[:, first : first + count].argmin(dim=1)
            columns[:, index] = order[best + first]
        first += count
    return columns
