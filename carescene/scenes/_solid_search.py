"""Finding the solid with the smallest signed distance to each of many points, without gradients, fast."""

from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.scenes._space_order import space_order

# Numbers per temporary array (4 MB in float32): more falls out of a processor's cache, and is slower.
CHUNK: Final = 1 << 20
# Points that share one list of solids: fewer need more rounds, more lie further apart and need longer lists.
_NEIGHBOURS: Final = 128


class SolidTable(NamedTuple):
    """The solids of one room, coordinate by coordinate: the first `boxes` are boxes, the others cylinders.

    `turn[:, a]` are the solids' own axes a; a point p lies at p @ turn - shift in their frames.
    """

    turn: Float[Tensor, "3 3 solid"]
    shift: Float[Tensor, "3 solid"]
    core: Float[Tensor, "3 solid"]
    radius: Float[Tensor, "solid"]
    boxes: int

    def only(self, places: Int[Tensor, "some"]) -> "SolidTable":
        """Some of the solids; `places` must be sorted."""
        boxes = int((places < self.boxes).sum())
        return SolidTable(
            self.turn[..., places], self.shift[:, places], self.core[:, places], self.radius[places], boxes
        )

    def distances(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, "point solid"]:
        """Signed distances of all points to all solids, by the formula of `solid_distance`."""
        k, total = self.boxes, len(self.radius)
        local = torch.addmm(self.shift.reshape(-1), points, self.turn.reshape(3, -1), beta=-1).abs_()
        local = local.reshape(-1, 3, total).unbind(1)
        x, y, z = (axis[:, :k] - self.core[index, :k] for index, axis in enumerate(local))
        inside = torch.maximum(torch.maximum(x, y), z).clamp_(max=0)
        boxes = x.clamp_(min=0).square_().add_(y.clamp_(min=0).square_()).add_(z.clamp_(min=0).square_()).sqrt_()
        boxes.add_(inside)
        if k == total:
            return boxes.sub_(self.radius)
        radial = torch.hypot(local[0][:, k:], local[1][:, k:]).sub_(self.core[0, k:])
        axial = local[2][:, k:] - self.core[2, k:]
        inside = torch.maximum(radial, axial).clamp_(max=0)
        rounds = torch.hypot(radial.clamp_(min=0), axial.clamp_(min=0)).add_(inside)
        return torch.cat([boxes, rounds], dim=1).sub_(self.radius)


def nearest_solid(solids: SolidTable, points: Float[Tensor, "point 3"]) -> Int[Tensor, "point"]:
    """Place of the nearest solid to each point.

    Neighbouring points are looked at together. Within r of their middle no distance differs by more than r from that
    at the middle, so only solids are compared whose distance there is at most 2 r above the smallest.
    """
    step = max(1, CHUNK // (3 * len(solids.radius)))
    # Short lists of their own for each group cost an accelerator more, in waiting, than they save.
    if points.device.type != "cpu" or len(points) <= _NEIGHBOURS:
        return torch.cat([solids.distances(some).argmin(dim=1) for some in points.split(step)])
    order = space_order(points)
    groups = order.split(_NEIGHBOURS)
    boxes = [torch.stack([points[group].amin(dim=0), points[group].amax(dim=0)]) for group in groups]
    low, high = torch.stack(boxes).unbind(dim=1)
    to_middle = torch.cat([solids.distances(some) for some in ((low + high) / 2).split(step)])
    reach = to_middle.amin(dim=1) + (high - low).norm(dim=1) * (1 + 1e-5) + 1e-5
    found = torch.empty_like(order)
    for group, listed in zip(groups, to_middle <= reach[:, None], strict=True):
        places = listed.nonzero()[:, 0]
        found[group] = places[solids.only(places).distances(points[group]).argmin(dim=1)]
    return found
