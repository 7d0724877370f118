"""A tree of boxes over triangles, searched for the nearest one for many points at once, in torch.

Triangles are sorted along a space-filling curve (Morton 1966), as in Karras 2012, "Maximizing parallelism in the
construction of BVHs, octrees, and k-d trees"; every `_BRANCHES` neighbours share a box, and so on upwards. All points
go down the tree together: a pair of point and box is dropped once the box is further away than a point that is known
to lie on the surface, so the nearest triangle is never lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.scenes._space_order import space_order

_BRANCHES: Final = 4
# Pairs of point and box looked at together: 50 MB or so of temporary arrays.
_MOST_PAIRS: Final = 1 << 19

# Squared distances of points `(pair, 3)` to the triangles named for them `(pair)`.
SquaredDistance = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class BoxTree:
    """Boxes of all levels, from single triangles up to at most `_BRANCHES` boxes.

    Attributes:
        order: index of the triangle at each place of the lowest level.
        levels: low corner, high corner and a point of the surface for each box of each level, metres, `(box, 9)`.
    """

    order: Int[Tensor, "face"]
    levels: tuple[Tensor, ...]

    @classmethod
    def of(cls, triangles: Float[Tensor, "face 3 3"]) -> "BoxTree":
        """Build the tree of some triangles, metres."""
        middle = triangles.mean(dim=1)
        order = space_order(middle)
        low, high, anchor = triangles.amin(dim=1)[order], triangles.amax(dim=1)[order], middle[order]
        levels = [torch.cat([low, high, anchor], dim=1)]
        while len(low) > _BRANCHES:
            low, high = _blocks(low).amin(dim=1), _blocks(high).amax(dim=1)
            anchor = _blocks(anchor)[:, _BRANCHES // 2]
            levels.append(torch.cat([low, high, anchor], dim=1))
        return cls(order, tuple(levels))

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "BoxTree":
        """The same tree on another device or with another precision."""
        return BoxTree(self.order.to(device), tuple(level.to(device, dtype) for level in self.levels))

    def bounds(self) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
        """Low and high corner of the box around everything, metres."""
        return self.levels[-1][:, :3].amin(dim=0), self.levels[-1][:, 3:6].amax(dim=0)

    @torch.no_grad()
    def nearest(self, points: Float[Tensor, "point 3"], squared: SquaredDistance) -> Int[Tensor, "point"]:
        """Index of the triangle nearest to each point."""
        found = self._descend(points, squared) if len(points) <= _MOST_PAIRS // 64 else None
        if found is None:
            half = len(points) // 2
            return torch.cat([self.nearest(points[:half], squared), self.nearest(points[half:], squared)])
        return found

    def _descend(self, points: Tensor, squared: SquaredDistance) -> Tensor | None:
        """As `nearest`, or None if there would be too many pairs at once."""
        count, top = len(points), len(self.levels) - 1
        reach = points.new_full((count,), torch.inf)
        point = torch.arange(count, device=points.device).repeat_interleave(len(self.levels[top]))
        place = torch.arange(len(self.levels[top]), device=points.device).repeat(count)
        children = torch.arange(_BRANCHES, device=points.device)
        for level in range(top, -1, -1):
            at, low, high, anchor = torch.cat(
                [points.index_select(0, point), self.levels[level].index_select(0, place)], dim=1
            ).split(3, dim=1)
            to_anchor = (anchor - at).square_().sum(dim=-1)
            # Rounding must not drop the box that holds the nearest point.
            reach = reach.scatter_reduce(0, point, to_anchor * (1 + 1e-5) + 1e-12, "amin")
            beyond = torch.maximum(low - at, at - high).clamp_(min=0).square_().sum(dim=-1)
            kept = (beyond <= reach.index_select(0, point)).nonzero()[:, 0]
            point, place = point.index_select(0, kept), place.index_select(0, kept)
            if level > 0:
                if len(point) * _BRANCHES > _MOST_PAIRS and count > 1:
                    return None
                point = point.repeat_interleave(_BRANCHES)
                # A level's last box may have fewer children; its last child is then looked at twice.
                place = (place[:, None] * _BRANCHES + children).flatten().clamp_(max=len(self.levels[level - 1]) - 1)
        face = self.order.index_select(0, place)
        exact = squared(points.index_select(0, point), face)
        best = points.new_full((count,), torch.inf).scatter_reduce(0, point, exact, "amin")
        wins = (exact <= best.index_select(0, point)).nonzero()[:, 0]
        return torch.zeros(count, dtype=torch.long, device=points.device).scatter(0, point[wins], face[wins])


def _blocks(level: Tensor) -> Tensor:
    missing = -len(level) % _BRANCHES
    filled = torch.cat([level, level[-1:].expand(missing, 3)])
    return filled.reshape(-1, _BRANCHES, 3)
