"""Bringing found furniture to rest: inside the walls, apart from each other, never where somebody was."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from carescene.errors import UserError
from carescene.scenes.check import may_overlap, overlap_depth
from carescene.scenes.fitting_furniture import surface_height
from carescene.scenes.footprint import Footprint, footprint, rectangle_distance, rectangle_points, wall_distance
from carescene.scenes.furniture import default_object
from carescene.scenes.furniture.catalogue import BUILDERS
from carescene.scenes.scene import SceneObject

# How far each side of a box may give way, and in what steps, metres.
_GIVE_M: Final = 0.40
_STEP_M: Final = 0.08
# Reconstructed joints may be this deep in a box by error; joints of the resting person are left out altogether.
_ERROR_M: Final = 0.06
# A pelvis higher than this belongs to somebody on their feet.
_UPRIGHT_M: Final = 0.70
# A bed or chair under somebody gives way by this much for each cell of 5 cm that somebody went through.
_ENTERED_M: Final = 0.03
# Places where a box may end up are tried from the least change on; more than this many are not worth the wait.
_TRIED: Final = 4000
# Boxes may share this much, a little less than scene files allow.
_SHARED_M: Final = 0.008


@dataclass(frozen=True)
class Found:
    """A thing that was found, before it is known whether it has room.

    Attributes:
        thing: with its box where it was found.
        source: "drawn" by the user, "carries" somebody, or "seen" in the depth.
        carries: for each person and frame, whether the thing may touch this person then; None for nobody ever.
        covers: places on the floor that must stay under it, such as the pelvis of who lies there.
    """

    thing: SceneObject
    source: str
    carries: Bool[np.ndarray, "person frame"] | None = None
    covers: Float[np.ndarray, "place 2"] | None = None


def arrange(
    found: Sequence[Found],
    polygon: list[tuple[float, float]],
    joints: Float[np.ndarray, "person frame joint 3"],
) -> tuple[list[SceneObject], list[str]]:
    """Things that fit together, earlier ones first; what has no place is left out, with a note for each change.

    A box gives way by up to 40 cm on each side, the least change first: it must lie in the room (a convex one), keep
    apart from the boxes that are there already, and hold no joint of anybody whom it does not carry just then: where
    people went is free space. What was drawn, or carries somebody, stays also where it must hold some.

    Args:
        polygon: of the floor, counter-clockwise.
        joints: of everybody in the world, metres, NaN where not there.
    """
    kept: list[SceneObject] = []
    notes: list[str] = []
    for each in found:
        thing = each.thing
        blocked = _visited(each, joints)
        others = [thing_ for thing_ in kept if not may_overlap(thing_, thing)]
        if each.source == "seen" and each.carries is None:
            same = [other.id for other in others if inside_box(np.array([thing.center[:2]]), other, 0.0)[0]]
            if same:
                notes.append(f"{thing.kind} '{thing.id}' (seen) left out: it is a part of '{same[0]}'")
                continue
        place = _settled(each, polygon, blocked, others)
        if place is None:
            notes.append(f"{thing.kind} '{thing.id}' ({each.source}) left out: people or other things take its place")
            continue
        try:
            settled = resized(thing, place)
        except UserError:
            notes.append(f"{thing.kind} '{thing.id}' ({each.source}) left out: too little of it has room")
            continue
        change = math.dist(settled.center[:2], thing.center[:2]) + sum(
            abs(a - b) for a, b in zip(settled.size[:2], thing.size[:2], strict=True)
        )
        if change > 0.02:
            notes.append(
                f"{thing.kind} '{thing.id}' gave way by {100 * change:.0f} cm to people, walls or other things"
            )
        kept.append(settled)
    return kept, notes


def resized(thing: SceneObject, place: Footprint) -> SceneObject:
    """The thing with its box on another footprint; its height stays.

    Raises:
        UserError: if its kind cannot be that small.
    """
    size = (2 * place.half_x, 2 * place.half_y, thing.size[2])
    low = thing.center[2] - thing.size[2] / 2
    return default_object(
        thing.kind, thing.id, x=place.x, y=place.y, yaw=place.yaw, size=size, bottom=low, **thing.params
    )


def _visited(found: Found, joints: Float[np.ndarray, "person frame joint 3"]) -> Float[np.ndarray, "place 2"]:
    """Places seen from above where somebody's joint was inside the box' heights while it did not carry that person."""
    thing = found.thing
    top, bottom = thing.center[2] + thing.size[2] / 2, thing.center[2] - thing.size[2] / 2
    inside = np.isfinite(joints[..., 2])
    if thing.kind in ("table", "overbed_table"):
        # Who sits has the legs under it.
        inside &= joints[..., :1, 2] > _UPRIGHT_M
    elif thing.kind in ("bed", "chair", "recliner"):
        top = surface_height(thing)
        # Feet go under beds and chairs.
        bottom = top / 2
    inside &= (joints[..., 2] > bottom) & (joints[..., 2] < top - _ERROR_M)
    if found.carries is not None:
        inside &= ~found.carries[..., None]
    places = joints[inside][:, :2]
    if not len(places):
        return np.zeros((0, 2))
    cells, counts = np.unique(np.round(places / 0.05).astype(int), axis=0, return_counts=True)
    # One frame of one joint may be an outlier.
    return cells[counts > 1] * 0.05


def _settled(
    found: Found,
    polygon: list[tuple[float, float]],
    blocked: Float[np.ndarray, "place 2"],
    others: list[SceneObject],
) -> Footprint | None:
    part = footprint(found.thing)
    builder = BUILDERS[found.thing.kind]
    guessed = found.source == "carries"
    edges, cost = _candidates(part, builder.smallest[:2], builder.largest[:2], guessed)
    local = (blocked - [part.x, part.y]) @ part.axes.T
    near = local[(np.abs(local) < [part.half_x + _GIVE_M, part.half_y + _GIVE_M]).all(axis=1)]
    solid = [rectangle_points(footprint(other, -_SHARED_M), 0.04) for other in others]
    solid = [(points - [part.x, part.y]) @ part.axes.T for points in solid]
    hard = np.concatenate([np.zeros((0, 2)), *solid])
    hard = hard[(np.abs(hard) < [part.half_x + _GIVE_M, part.half_y + _GIVE_M]).all(axis=1)]
    covers = found.covers if guessed and found.covers is not None else np.zeros((0, 2))
    covers = (covers - [part.x, part.y]) @ part.axes.T
    sure = found.carries is not None or found.source == "drawn"
    best, least = None, math.inf
    for (left, right, back, front), change in zip(edges, cost, strict=True):
        if change >= least:
            break
        if _inside(covers, left, right, back, front).sum() < len(covers):
            continue
        entered = int(_inside(near, left + _ERROR_M, right - _ERROR_M, back + _ERROR_M, front - _ERROR_M).sum())
        # What carries somebody or was drawn is there for certain: it may only be less wrong in one place.
        price = change + (_ENTERED_M * entered if sure else math.inf if entered else 0.0)
        if price >= least or _inside(hard, left, right, back, front).any():
            continue
        x, y = part.world((left + right) / 2, (back + front) / 2)
        place = replace(part, x=x, y=y, half_x=(right - left) / 2, half_y=(front - back) / 2)
        if (wall_distance(place.corners, polygon) < -0.015).any():
            continue
        box = (x, y, found.thing.center[2]), (right - left, front - back, found.thing.size[2])
        candidate = SceneObject("", found.thing.kind, *box, found.thing.yaw)
        if all(overlap_depth(candidate, other) <= _SHARED_M for other in others):
            best, least = place, price
    return best


def _candidates(
    part: Footprint, smallest: tuple[float, ...], largest: tuple[float, ...], guessed: bool
) -> tuple[Float[np.ndarray, "candidate 4"], Float[np.ndarray, "candidate"]]:
    """Left, right, back and front of boxes to try in the box' own frame, and their changes in metres, least first.

    Boxes that were only guessed around somebody (`guessed`) move as they are or shrink; measured ones lose their sides.
    """
    steps = np.arange(0.0, _GIVE_M + 1e-9, _STEP_M)
    if guessed:
        shifts = np.concatenate([-steps[:0:-1], steps])
        moves = np.array(list(itertools.product(shifts, shifts, steps[:4], steps[:4])))
        across, along, narrow, short = moves.T
        wide, long = part.half_x - narrow / 2, part.half_y - short / 2
        edges = np.column_stack([across - wide, across + wide, along - long, along + long])
        cost = np.abs(across) + np.abs(along) + 1.5 * narrow + 1.5 * short
    else:
        cuts = np.array(list(itertools.product(steps, repeat=4)))
        edges = np.column_stack(
            [
                -part.half_x + cuts[:, 0],
                part.half_x - cuts[:, 1],
                -part.half_y + cuts[:, 2],
                part.half_y - cuts[:, 3],
            ]
        )
        cost = cuts.sum(axis=1)
    wide, long = edges[:, 1] - edges[:, 0], edges[:, 3] - edges[:, 2]
    fits = (wide >= smallest[0] - 1e-9) & (long >= smallest[1] - 1e-9)
    fits &= (wide <= largest[0] + 1e-9) & (long <= largest[1] + 1e-9)
    order = np.argsort(cost[fits], kind="stable")[:_TRIED]
    return edges[fits][order], cost[fits][order]


def _inside(points: np.ndarray, left: float, right: float, back: float, front: float) -> Bool[np.ndarray, "point"]:
    x, y = points[:, 0], points[:, 1]
    return (x > left) & (x < right) & (y > back) & (y < front)


def nearest_wall_yaw(at: tuple[float, float], polygon: list[tuple[float, float]]) -> float:
    """Yaw of a thing at a place that has its back to the nearest wall, radians."""
    best, yaw = math.inf, 0.0
    for start, end in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        edge = np.subtract(end, start)
        inward = np.array([-edge[1], edge[0]]) / np.linalg.norm(edge)
        distance = float(np.subtract(at, start) @ inward)
        if distance < best:
            best, yaw = distance, math.atan2(-inward[0], inward[1])
    return yaw


def inside_box(points: Float[np.ndarray, "point 2"], thing: SceneObject, margin_m: float) -> Bool[np.ndarray, "point"]:
    """Which places on the floor lie under a thing's box or at most so far beside it."""
    return rectangle_distance(points, footprint(thing)) < margin_m


def fresh_name(kind: str, names: set[str]) -> str:
    """The first of `kind-1`, `kind-2`, ... that is not taken; it is added to the names."""
    name = next(f"{kind}-{number}" for number in itertools.count(1) if f"{kind}-{number}" not in names)
    names.add(name)
    return name
