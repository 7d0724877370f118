"""Where skin is inside things or other people, as wishes to move out: equations with a tolerance for `body_rows`."""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.evaluation.people_contact import BONE_ENDS, BONE_STARTS
from diffusion.steering.body_rows import BodyRows
from diffusion.steering.room_contact import WaysOut
from diffusion.steering.skin import NUM_PARTS, Skin

# How exactly a depth is wanted away (metres): a part of the body that lies on something is pushed at many points.
_TOLERANCE: Final = 0.004
# More equations than this make the solution slower than a second; the deepest are met first.
_MOST: Final = 500
# How much of a contact between two people each of them is asked to take away.
_SHARE: Final = 0.8


def room_rows(
    skin: Skin, joints: Float[Tensor, "person frame 24 3"], ways: WaysOut, *, allowed_m: float | int
) -> list[BodyRows]:
    """Points of people that are more than `allowed_m` inside furniture, walls or the floor, each to be moved out."""
    person, frame, point = _deepest(ways.depth, skin.group, allowed_m)
    if not len(person):
        return []
    wanted = ways.depth[person, frame, point] - allowed_m
    return [_rows(skin, joints, person, frame, point, ways.direction[person, frame, point], wanted)]


def people_rows(
    skin: Skin,
    joints: Float[Tensor, "person frame 24 3"],
    radii: Sequence[Float[Tensor, "bone"]],
    there: Bool[Tensor, "person frame"],
    *,
    allowed_m: float | int,
) -> list[BodyRows]:
    """Points of people inside capsules around the bones of others, each to be moved most of the way out.

    Args:
        radii: of the capsules of each person, see `carescene.evaluation.people_contact`.
    """
    found = []
    for mine in range(len(joints)):
        for other in range(len(joints)):
            # Out of reach of each other: two outstretched arms.
            near = (joints[mine, :, 0] - joints[other, :, 0]).norm(dim=-1) < 2.2
            frames = torch.nonzero(there[mine] & there[other] & near)[:, 0]
            if mine == other or not len(frames):
                continue
            points = skin.points[mine, frames]
            distance, normal = _capsules(points, joints[other, frames].to(points), radii[other].to(points))
            own, frame, point = _deepest(-distance[None], skin.group, allowed_m)
            if len(own):
                # The other person, whose skin is in this one's capsules, is asked for the same. Half each would do if
                # both could move, but one may be given, and what comes apart too far is not pulled back.
                wanted = _SHARE * (-distance[frame, point] - allowed_m)
                person = torch.full_like(own, mine)
                found.append(_rows(skin, joints, person, frames[frame], point, normal[frame, point], wanted))
    return found


def _capsules(
    points: Float[Tensor, "frame point 3"],
    joints: Float[Tensor, "frame 24 3"],
    radii: Float[Tensor, "bone"],
) -> tuple[Float[Tensor, "frame point"], Float[Tensor, "frame point 3"]]:
    """Signed distance to the nearest capsule and the direction away from its bone."""
    start, end = joints[:, None, BONE_STARTS], joints[:, None, BONE_ENDS]
    edge = end - start
    part = ((points[:, :, None] - start) * edge).sum(-1) / (edge**2).sum(-1).clamp(min=1e-9)
    away = points[:, :, None] - start - part.clamp(0, 1)[..., None] * edge
    length = away.norm(dim=-1)
    distance, bone = (length - radii).min(dim=-1)
    chosen = away.gather(2, bone[..., None, None].expand(-1, -1, 1, 3))[:, :, 0]
    return distance, chosen / chosen.norm(dim=-1, keepdim=True).clamp(min=1e-6)


def _deepest(
    depth: Float[Tensor, "person frame point"], group: Int[Tensor, "point"], allowed_m: float | int
) -> tuple[Int[Tensor, "found"], Int[Tensor, "found"], Int[Tensor, "found"]]:
    """Person, frame and point of the deepest point of each part of the body in each frame, where too deep."""
    picked = []
    for number in range(NUM_PARTS):
        members = torch.nonzero(group == number)[:, 0]
        worst, which = depth[..., members].max(dim=-1)
        person, frame = torch.nonzero(worst > allowed_m, as_tuple=True)
        picked.append(torch.stack((person, frame, members[which[person, frame]]), dim=1))
    all_of_them = torch.cat(picked)
    if len(all_of_them) > _MOST:
        person, frame, point = all_of_them.unbind(1)
        all_of_them = all_of_them[depth[person, frame, point].argsort(descending=True)[:_MOST]]
    person, frame, point = all_of_them.unbind(1)
    return person, frame, point


def _rows(
    skin: Skin,
    joints: Float[Tensor, "person frame 24 3"],
    person: Int[Tensor, "found"],
    frame: Int[Tensor, "found"],
    point: Int[Tensor, "found"],
    normal: Float[Tensor, "found 3"],
    wanted: Float[Tensor, "found"],
) -> BodyRows:
    joint = skin.carrier[point]
    lever = skin.points[person, frame, point].double() - joints[person, frame, joint]
    tolerance = torch.full((len(person),), _TOLERANCE, dtype=torch.float64)
    return BodyRows(torch.arange(len(person)), person, frame, joint, lever, normal.double(), wanted.double(), tolerance)
