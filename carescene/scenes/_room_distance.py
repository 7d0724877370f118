"""Signed distance to the walls of rooms whose floors are polygons, padded to one number of corners, in torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.scenes._solid_distance import safe_norm


@dataclass(frozen=True)
class RoomBatch:
    """Rooms as polygons with a ceiling; shorter polygons are filled up by repeating their last corner.

    Attributes:
        corners: counter-clockwise seen from above, metres.
        height: of the ceiling above the floor z = 0, metres.
    """

    corners: Float[Tensor, "batch corner 2"]
    height: Float[Tensor, "batch"]

    @classmethod
    def of(
        cls,
        polygons: Sequence[Sequence[tuple[float, float]]],
        heights: Sequence[float | int],
        dtype: torch.dtype = torch.float32,
    ) -> "RoomBatch":
        """Pack polygons and ceiling heights."""
        most = max(len(polygon) for polygon in polygons)
        padded = [[*polygon, *[polygon[-1]] * (most - len(polygon))] for polygon in polygons]
        return cls(torch.tensor(padded, dtype=dtype), torch.tensor([float(h) for h in heights], dtype=dtype))

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "RoomBatch":
        """The same rooms on another device or with another precision."""
        return RoomBatch(self.corners.to(device, dtype), self.height.to(device, dtype))


def wall_distance(
    corners: Float[Tensor, "batch corner 2"], points: Float[Tensor, "batch point 2"]
) -> Float[Tensor, "batch point"]:
    """Distance in metres to the nearest wall, negative outside the polygon; differentiable with finite gradients.

    The sign is by the crossings of a ray along x (Shimrat 1962, "Position of point relative to polygon"). Where the
    nearest point is not a corner, the signed distance to the wall's line is taken: smooth as a point passes the wall.
    """
    start, along, length = _edges(corners)
    with torch.no_grad():
        offset = points[:, :, None] - start[:, None]
        part = ((offset * along[:, None]).sum(-1) / length[:, None]).clamp(min=0).minimum(length[:, None])
        squared = (offset - part[..., None] * along[:, None] / length[:, None, :, None]).square().sum(-1)
        squared = squared.masked_fill((along == 0).all(-1)[:, None], torch.inf)
        nearest = squared.argmin(dim=-1)
        inside = is_inside(corners, points)
    room = torch.arange(len(points), device=points.device)[:, None]
    direction = along[room, nearest] / length[room, nearest][..., None]
    offset = points - start[room, nearest]
    part = (offset * direction).sum(-1)
    # Counter-clockwise corners: the room lies to the left of every edge.
    to_line = direction[..., 0] * offset[..., 1] - direction[..., 1] * offset[..., 0]
    end = part.detach().clamp(min=0).minimum(length[room, nearest])
    to_corner = safe_norm(offset - end[..., None] * direction)
    before_wall = (part.detach() >= 0) & (part.detach() <= length[room, nearest])
    return torch.where(before_wall, to_line, torch.where(inside, to_corner, -to_corner))


def is_inside(corners: Float[Tensor, "batch corner 2"], points: Float[Tensor, "batch point 2"]) -> Tensor:
    """Whether points lie inside the polygon: bool, `(batch, point)`; either answer on the line itself."""
    x, y = points[:, :, None].unbind(-1)
    x0, y0 = corners[:, None].unbind(-1)
    x1, y1 = corners.roll(-1, dims=1)[:, None].unbind(-1)
    spans = (y0 > y) != (y1 > y)
    rise = torch.where(y1 == y0, 1.0, y1 - y0)
    right = x < x0 + (y - y0) / rise * (x1 - x0)
    return (spans & right).sum(dim=-1) % 2 == 1


def _edges(corners: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    along = corners.roll(-1, dims=1) - corners
    length = along.norm(dim=-1)
    return corners, along, torch.where(length > 0, length, 1.0)
