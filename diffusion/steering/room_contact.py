"""How deep the skin of people is in a room, and which way leads out.

The nearest surface is the way out, with one exception: under somebody who has sunk into a mattress or a seat by more
than half of its thickness, the nearest surface is the underside. Skin on the under side of a limb or the trunk came
from above, so it leaves upwards.
"""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.humans.skeleton import MODEL_JOINTS
from carescene.scenes.contact_measures import near_scene
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.scene import Scene
from diffusion.steering.skin import Skin

# Corrections move nobody further than this, metres: things further away are left out.
_REACH_M: Final = 0.25
# Whoever has sunk deeper than this was not carried by it; metres.
_DEEPEST_M: Final = 0.3
# A way out that leads down by more than this (sine) is that through the underside.
_DOWN: Final = -0.3
# Steps upwards until a point is out. A step is as long as the way to the nearest surface, so most need two or three.
_STEPS: Final = 6
_SHORTEST_M: Final = 0.002


@dataclass(frozen=True)
class WaysOut:
    """Depth of skin points (metres, -inf where surely outside) and the direction that leads out (0 if not inside)."""

    depth: Float[Tensor, "person frame point"]
    direction: Float[Tensor, "person frame point 3"]


def room_near(scene: Scene, skin: Skin, there: Bool[Tensor, "person frame"], *, every: int = 4) -> SceneGeometry | None:
    """The geometry of what people could touch in some of their frames, also a quarter of a metre away; None: nobody."""
    points = skin.points[:, ::every][there[:, ::every]]
    if not len(points):
        return None
    return SceneGeometry.of([near_scene(scene, points.reshape(-1, 3).numpy(), _REACH_M)], dtype=points.dtype)


def ways_out(
    skin: Skin,
    joints: Float[Tensor, "person frame 24 3"],
    geometry: SceneGeometry,
    there: Bool[Tensor, "person frame"],
    *,
    allowed_m: float | int,
) -> WaysOut:
    """Depth and way out of all skin points that are more than `allowed_m` inside furniture, walls or the floor."""
    depth = room_depth(skin, joints, geometry, there)
    direction = torch.zeros_like(skin.points)
    inside = torch.nonzero(depth > allowed_m, as_tuple=True)
    if not len(inside[0]):
        return WaysOut(depth, direction)
    with torch.enable_grad():
        at = skin.points[inside].requires_grad_()
        (normal,) = torch.autograd.grad(geometry.signed_distance(at[None]).sum(), at)
    found, at = depth[inside], at.detach()
    lever = at - joints[inside[0], inside[1], skin.carrier[inside[2]]].to(at)
    sunk = torch.nonzero((normal[:, 2] < _DOWN) & (lever[:, 2] < 0))[:, 0]
    if len(sunk):
        up = _way_up(at[sunk], found[sunk], geometry)
        out = torch.nonzero(up < _DEEPEST_M)[:, 0]
        found[sunk[out]] = up[out]
        normal[sunk[out]] = normal.new_tensor([0.0, 0.0, 1.0])
    depth[inside], direction[inside] = found, normal
    return WaysOut(depth, direction)


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
def _way_up(
    points: Float[Tensor, "point 3"], depth: Float[Tensor, "point"], geometry: SceneGeometry
) -> Float[Tensor, "point"]:
    """How far above each point (metres) it is outside; `inf` where that is too far to be the way it came."""
    climbed = depth.clamp(min=_SHORTEST_M)
    below = torch.arange(len(points))
    up = torch.tensor([0.0, 0.0, 1.0], dtype=points.dtype)
    for _ in range(_STEPS):
        left = -geometry.signed_distance((points[below] + climbed[below, None] * up)[None])[0]
        still = (left > 0) & (climbed[below] < _DEEPEST_M)
        below, left = below[still], left[still]
        if not len(below):
            break
        climbed[below] += left.clamp(min=_SHORTEST_M)
    climbed[below] = torch.inf
    return climbed
