"""Height of the highest surface under a given height on vertical lines through a room, in torch.

Along a vertical line the signed distance to a convex solid is a convex function of z. Newton's method that starts above
the solid therefore never steps past its top, and reaches it in a few steps; a slope that is not positive means that
the line misses the solid. The gradient is that of the implicit function: dz/dx = -(df/dx) / (df/dz).
"""

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.scenes._solid_distance import SolidBatch, safe_norm
from carescene.scenes._solid_search import CHUNK

# Far from the top every step at least halves what is left, near it the error is squared: 2 m become 1 um.
_STEPS: Final = 24
# Gradients end at slopes of about 84 degrees: on the upright side of a box the height jumps and has none.
_LEAST_SLOPE: Final = 0.1


def map_points(
    center: Float[Tensor, "batch 2"], yaw: Float[Tensor, "batch"], size_m: float | int, cells: int
) -> Float[Tensor, "batch cell 2"]:
    """Middles of the cells of a square map in the world, metres, row by row.

    The map is turned by `yaw` like a `SceneObject`: rows run from behind to the front (its y), columns from left to
    right (its x).
    """
    axis = ((torch.arange(cells, device=center.device, dtype=center.dtype) + 0.5) / cells - 0.5) * float(size_m)
    front, right = torch.meshgrid(axis, axis, indexing="ij")
    x, y = right.reshape(1, -1), front.reshape(1, -1)
    cos, sin = yaw.cos()[:, None], yaw.sin()[:, None]
    return center[:, None] + torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)


def solid_tops(
    solids: SolidBatch, points: Float[Tensor, "batch point 2"], limit_m: float | int
) -> Float[Tensor, "batch point"]:
    """Top of the highest solid met below `limit_m` on the vertical line through each point, metres; 0 where none is.

    A solid that reaches through `limit_m` counts as `limit_m` high; one that lies above it altogether does not count.
    Differentiable once in the points.
    """
    fixed = points.detach()
    room, point, place = _candidates(solids, fixed)
    top = _enter_from_above(solids, fixed[room, point], room, place, float(limit_m))
    flat = room * points.shape[1] + point
    best = torch.zeros(points.shape[:2].numel(), dtype=points.dtype, device=points.device)
    best.scatter_reduce_(0, flat, top, "amax")
    height = best.reshape(points.shape[:2])
    if not (points.requires_grad and torch.is_grad_enabled()):
        return height
    highest = torch.zeros_like(best, dtype=torch.long)
    highest[flat[top == best[flat]]] = place[top == best[flat]]
    lean = _lean(solids, fixed, height, highest.reshape(height.shape))
    lean = lean * ((height > 0) & (height < limit_m))[..., None]
    return height - ((points - fixed) * lean).sum(dim=-1)


def _candidates(solids: SolidBatch, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Triples of room, point and solid whose box, seen from above, holds the point."""
    reach = (solids.rotation.abs() @ solids.core[..., None])[..., :2, 0] + solids.radius[..., None]
    low, high = solids.center[..., :2] - reach, solids.center[..., :2] + reach
    found = []
    step = max(1, CHUNK // solids.radius.numel())
    for first in range(0, points.shape[1], step):
        some = points[:, first : first + step, None]
        held = ((some >= low[:, None]) & (some <= high[:, None])).all(dim=-1)
        room, point, place = held.nonzero(as_tuple=True)
        found.append(torch.stack([room, point + first, place]))
    room, point, place = torch.cat(found, dim=1)
    return room, point, place


def _enter_from_above(
    solids: SolidBatch, xy: Float[Tensor, "pair 2"], room: Int[Tensor, "pair"], place: Int[Tensor, "pair"], limit: float
) -> Float[Tensor, "pair"]:
    """Height at which each vertical line enters its solid; `limit` if it starts inside, 0 if it misses."""
    turn, core, radius = solids.rotation[room, place], solids.core[room, place], solids.radius[room, place]
    offset, is_cylinder = xy - solids.center[room, place, :2], (place >= solids.boxes)[:, None]
    middle = solids.center[room, place, 2]
    z = torch.full_like(middle, limit)
    missed = torch.zeros_like(z, dtype=torch.bool)
    for _ in range(_STEPS):
        local = (torch.cat([offset, (z - middle)[:, None]], dim=-1)[:, None] @ turn)[:, 0]
        distance, normal = _distance_and_normal(local, core, radius, is_cylinder)
        slope = (turn[:, 2] * normal).sum(dim=-1)
        missed |= (distance > 0) & (slope <= 0)
        z = torch.where(missed | (distance <= 0), z, z - distance / slope.clamp(min=1e-6))
    return torch.where(missed, 0.0, z).clamp(min=0)


def _distance_and_normal(local: Tensor, core: Tensor, radius: Tensor, is_cylinder: Tensor) -> tuple[Tensor, Tensor]:
    """Distance outside a solid, at most 0 inside, and its gradient outside, in the solid's own frame."""
    radial = safe_norm(local[:, :2])[:, None]
    # The point of the core next to a point of a cylinder lies on the line from its axis.
    beyond_disc = local[:, :2] * ((radial - core[:, :1]).clamp(min=0) / radial.clamp(min=1e-12))
    beyond = local.sign() * (local.abs() - core).clamp(min=0)
    beyond = torch.cat([torch.where(is_cylinder, beyond_disc, beyond[:, :2]), beyond[:, 2:]], dim=-1)
    reach = safe_norm(beyond)
    return reach - radius, beyond / reach.clamp(min=1e-12)[:, None]


def _lean(solids: SolidBatch, points: Tensor, height: Tensor, place: Tensor) -> Tensor:
    """How fast the surface of each point's solid sinks along x and y."""
    at = torch.cat([points, height[..., None]], dim=-1)
    with torch.enable_grad():
        at.requires_grad_(True)
        (normal,) = torch.autograd.grad(solids.distance(at, place).sum(), at)
    return normal[..., :2] / normal[..., 2:].clamp(min=_LEAST_SLOPE)
