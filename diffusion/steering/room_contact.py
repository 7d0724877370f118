"""How deep the skin of people is in a room, and which way leads out.

The nearest surface is the way out, with three exceptions:

- Who lies or sits with the hips in the column over and under a bed or a seat came from above it. All skin below its
  top, also what has come out of the mattress again on the under side, leaves upwards.
- Under somebody who has sunk into anything else by more than half of its thickness, the nearest surface is the under
  side. Skin on the under side of a limb or the trunk came from above, so it leaves upwards too.
- The nearest side of a cabinet may be the one that stands against a wall. Then another side is looked for.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.evaluation.carriers import Carriers
from carescene.humans.skeleton import MODEL_JOINTS
from carescene.scenes.contact_measures import near_scene
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.scene import Scene
from diffusion.steering.skin import CARRYING, Skin

# Corrections move nobody further than this, metres: things further away are left out.
_REACH_M: Final = 0.25
# Whoever has sunk deeper than this was not carried by it; metres.
_DEEPEST_M: Final = 0.3
# Hips of somebody who is carried are at most so far over the top and below it, metres: near the edge, lower ones are
# those of somebody beside it.
_OVER_M: Final = 0.4
_DIPS_M: Final = 0.05
_BESIDE_M: Final = 0.1
_SUNK_M: Final = 0.25
# Skin this far below a top that is inside nothing has come out again on the under side, metres.
_THICK_M: Final = 0.06
# Directions that are tried where the nearest way is blocked, how far, and what must be free behind them, metres.
_COMPASS: Final = 8
_FURTHEST_M: Final = 0.6
_FREE_M: Final = 0.01
# A way out that leads down by more than this (sine) is that through the underside.
_DOWN: Final = -0.3
# Steps until a point is out. A step is as long as the way to the nearest surface, so most need two or three.
_STEPS: Final = 6
_SHORTEST_M: Final = 0.002


@dataclass(frozen=True)
class Surroundings:
    """What people can touch: all surfaces, and the beds and seats among them."""

    geometry: SceneGeometry
    carriers: Carriers

    @classmethod
    def of(cls, scene: Scene, skin: Skin, there: Bool[Tensor, "person frame"]) -> "Surroundings | None":
        """What is within a quarter of a metre of people; some of a clip's frames will do. None without people."""
        points = skin.points[there]
        if not len(points):
            return None
        near = near_scene(scene, points.reshape(-1, 3).numpy(), _REACH_M)
        return cls(SceneGeometry.of([near], dtype=points.dtype), Carriers.of(near))


@dataclass(frozen=True)
class WaysOut:
    """Depth of skin points (metres, -inf where surely outside) and the direction that leads out (0 if not inside)."""

    depth: Float[Tensor, "person frame point"]
    direction: Float[Tensor, "person frame point 3"]


def ways_out(
    skin: Skin,
    joints: Float[Tensor, "person frame 24 3"],
    around: Surroundings,
    there: Bool[Tensor, "person frame"],
    *,
    allowed_m: float | int,
) -> WaysOut:
    """Depth and way out of all skin points that are more than `allowed_m` inside furniture, walls or the floor."""
    geometry = around.geometry
    depth = room_depth(skin, joints, geometry, there)
    direction = torch.zeros_like(skin.points)
    inside = torch.nonzero(depth > allowed_m, as_tuple=True)
    if len(inside[0]):
        with torch.enable_grad():
            at = skin.points[inside].requires_grad_()
            (normal,) = torch.autograd.grad(geometry.signed_distance(at[None]).sum(), at)
        found, at = depth[inside], at.detach()
        lever = at - joints[inside[0], inside[1], skin.carrier[inside[2]]].to(at)
        hips = joints[inside[0], inside[1], 0, 2].to(at)
        _leave_upwards(at, found, normal, (normal[:, 2] < _DOWN) & (lever[:, 2] < 0), hips, geometry)
        _leave_freely(at, found, normal, geometry)
        depth[inside], direction[inside] = found, normal
    below = _below_tops(skin, joints, around.carriers, there)
    # The edges of tops are round: what is only a little below them may be outside.
    sunk = (below > depth.clamp(min=0)) & ((depth > allowed_m) | (below > _THICK_M))
    depth[sunk] = below[sunk]
    direction[sunk] = direction.new_tensor([0.0, 0.0, 1.0])
    return WaysOut(depth, direction)


def _leave_upwards(
    at: Tensor, found: Tensor, normal: Tensor, under: Tensor, hips: Tensor, geometry: SceneGeometry
) -> None:
    """Change depth and direction of points on under sides whose nearest way out is down, if the hips are above."""
    sunk = torch.nonzero(under)[:, 0]
    if len(sunk):
        up = _way(at[sunk], found[sunk], normal.new_tensor([0.0, 0.0, 1.0]), geometry, _DEEPEST_M)
        out = torch.isfinite(up) & (at[sunk, 2] + up < hips[sunk] + _DIPS_M)
        found[sunk[out]] = up[out]
        normal[sunk[out]] = normal.new_tensor([0.0, 0.0, 1.0])


def _leave_freely(at: Tensor, found: Tensor, normal: Tensor, geometry: SceneGeometry) -> None:
    """Change depth and direction of points whose nearest way out ends inside something else."""
    level = torch.nonzero(normal[:, 2].abs() < 1 + _DOWN)[:, 0]
    if not len(level):
        return
    end = at[level] + (found[level, None] + _FREE_M) * normal[level]
    with torch.no_grad():
        blocked = level[geometry.signed_distance(end[None])[0] < 0]
    if not len(blocked):
        return
    angles = torch.arange(_COMPASS) * (2 * torch.pi / _COMPASS)
    headings = torch.stack((angles.cos(), angles.sin(), torch.zeros(_COMPASS)), dim=-1).to(at)
    lengths = torch.stack([_way(at[blocked], found[blocked], heading, geometry, _FURTHEST_M) for heading in headings])
    shortest, which = lengths.min(dim=0)
    out = torch.isfinite(shortest)
    found[blocked[out]] = shortest[out]
    normal[blocked[out]] = headings[which[out]]


def _below_tops(
    skin: Skin, joints: Float[Tensor, "person frame 24 3"], carriers: Carriers, there: Bool[Tensor, "person frame"]
) -> Float[Tensor, "person frame point"]:
    """How far skin is below the top of what carries its person (metres), -inf of whoever is not carried.

    On beds all skin counts, on seats hips and thighs: shins and feet may be under them.
    """
    points, found = skin.points.numpy(), np.full(skin.points.shape[:3], -np.inf)
    hips = joints[:, :, 0].numpy()
    on_seat = np.isin(skin.group.numpy(), CARRYING)
    for surface in carriers.surfaces:
        above, sunk = hips[..., 2] - surface.tops(hips), hips[..., 2] - surface.tops(hips, _BESIDE_M)
        # NaN beside the surface compares as False.
        carried = (above < _OVER_M) & ((above > -_DIPS_M) | (sunk > -_SUNK_M)) & there.numpy()
        if carried.any():
            below = surface.tops(points[carried]) - points[carried][..., 2]
            counts = (below < _SUNK_M + _OVER_M) & (surface.is_bed | on_seat)
            found[carried] = np.fmax(found[carried], np.where(counts, below, -np.inf))
    return torch.from_numpy(found).to(skin.points)


@torch.no_grad()
def room_depth(
    skin: Skin, joints: Float[Tensor, "person frame 24 3"], geometry: SceneGeometry, there: Bool[Tensor, "person frame"]
) -> Float[Tensor, "person frame point"]:
    """Depth of skin points in things, walls and floor (metres); -inf where a point is surely outside of all.

    No distance changes faster than its point moves: a point is outside if its joint is further from things than the
    point is from the joint. Most points of a room's clip are, and need no search.
    """
    points = skin.points
    carriers = joints[..., :MODEL_JOINTS, :].to(points)
    around = geometry.signed_distance(carriers.reshape(1, -1, 3))[0].reshape(carriers.shape[:3])
    lever = (points - carriers[:, :, skin.carrier]).norm(dim=-1)
    doubtful = (around[..., skin.carrier] < lever) & there[..., None]
    depth = torch.full(points.shape[:3], -torch.inf, dtype=points.dtype)
    chosen = points[doubtful]
    if len(chosen):
        depth[doubtful] = -geometry.signed_distance(chosen[None])[0]
    return depth


@torch.no_grad()
def _way(
    points: Float[Tensor, "point 3"],
    depth: Float[Tensor, "point"],
    heading: Float[Tensor, "3"],
    geometry: SceneGeometry,
    furthest_m: float,
) -> Float[Tensor, "point"]:
    """How far points must go in a direction until they are outside (metres); `inf` where that is too far."""
    gone = depth.clamp(min=_SHORTEST_M)
    inside = torch.arange(len(points))
    for _ in range(_STEPS):
        left = -geometry.signed_distance((points[inside] + gone[inside, None] * heading)[None])[0]
        still = left > 0
        inside, left = inside[still], left[still]
        gone[inside] += left.clamp(min=_SHORTEST_M)
        inside = inside[gone[inside] < furthest_m]
        if not len(inside):
            break
    gone[inside] = torch.inf
    return torch.where(gone < furthest_m, gone, torch.inf)
