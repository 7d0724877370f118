"""How far people must rise or sink to touch what carries them, and furniture set to take as much of that as it can."""

import dataclasses
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import SkinPoints
from carescene.scenes.contact_measures import SEAT_PARTS, distances
from carescene.scenes.footprint import footprint, rectangle_distance
from carescene.scenes.furniture import default_object
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.rearranging import apart, replaced
from carescene.scenes.scene import Scene, SceneObject

# Ranges of `docs/scenes.md`.
HEIGHTS: Final = {
    "bed": ("mattress_height_m", 0.30, 0.80),
    "chair": ("seat_height_m", 0.38, 0.56),
    "recliner": ("seat_height_m", 0.40, 0.58),
    "wheelchair": ("seat_height_m", 0.44, 0.56),
    "toilet": ("seat_height_m", 0.38, 0.52),
}
# Rigid lifts that are tried, metres; the trunk may be this deep after the one that is taken.
_LIFTS: Final = np.arange(-0.08, 0.181, 0.01)
_DEEP_M: Final = 0.006
# Things on legs or castors are pushed this far (metres): seats back or forth, beds to a side.
_PUSHES: Final = {"bed": (0.0, -0.04, -0.08, -0.12, 0.04, 0.08, 0.12), "seat": (0.0, -0.03, -0.06, -0.09, 0.03, 0.06)}
# Backrests of beds that are tried, degrees, and how much lower (metres) somebody may lie on a flatter one.
_ANGLES: Final = (60.0, 50.0, 40.0, 30.0, 25.0, 20.0, 15.0, 10.0, 5.0)
_SAME_M: Final = 0.015
_TRUNK: Final = (*SEAT_PARTS, *(JOINT[name] for name in ("spine1", "spine2", "spine3")))
_RESTING: Final = (OMNIFALL_ID["sitting"], OMNIFALL_ID["lying"])
_RAISED_M: Final = 0.25  # people whose pelvis is lower rest on the floor


def carrier_of(scene: Scene, pelvis: Float[np.ndarray, "frame 3"]) -> SceneObject | None:
    """The bed or seat above which most of the pelvis' places lie, if there is one."""
    best, share = None, 0.5
    for thing in scene.of_kind(*HEIGHTS):
        if thing.mesh is not None:
            continue
        inside = float((rectangle_distance(pelvis[:, :2], footprint(thing)) < 0.05).mean())
        if inside > share:
            best, share = thing, inside
    return best


def resting_frames(labels: np.ndarray, pelvis: Float[np.ndarray, "frame 3"]) -> Bool[np.ndarray, "frame"]:
    """Frames in which somebody sits or lies above the floor."""
    return np.isin(labels, _RESTING) & (pelvis[:, 2] > _RAISED_M)


def needed_lift(
    points: Float[np.ndarray, "frame point 3"], labels: np.ndarray, geometry: SceneGeometry, skin: SkinPoints
) -> Float[np.ndarray, "frame"]:
    """The lowest lift in metres with which buttocks and back are hardly inside anything; NaN if none is.

    In frames in which nobody rests (getting up, lying down) it is never less than 0: such people need not touch.
    """
    found = np.full(len(points), np.nan)
    sits = labels == OMNIFALL_ID["sitting"]
    for frames, parts in ((np.flatnonzero(sits), SEAT_PARTS), (np.flatnonzero(~sits), _TRUNK)):
        if not len(frames):
            continue
        zone = points[np.ix_(frames, np.flatnonzero(np.isin(skin.part.numpy(), parts)))]
        deepest = np.stack([-distances(geometry, zone + np.array([0.0, 0.0, lift])).min(axis=1) for lift in _LIFTS])
        # From above: the first lift that would press the body in ends the search.
        fits = deepest[::-1] <= _DEEP_M
        run = np.logical_and.accumulate(fits, axis=0).sum(axis=0)
        lift = np.where(run > 0, _LIFTS[::-1][np.maximum(run - 1, 0)], np.nan)
        found[frames] = np.where(np.isin(labels[frames], _RESTING), lift, np.maximum(lift, 0.0))
    return found


def without_pillow(bed: SceneObject) -> SceneObject:
    """The bed with nothing on its mattress: a head recorded on a flat sofa lies where the pillow would be."""
    return dataclasses.replace(bed, params={**bed.params, "pillow": False, "folded_blanket": False})


def with_height(thing: SceneObject, change_m: float) -> SceneObject:
    """The bed or seat higher by this much, as far as its range allows; it stays where it stands."""
    name, low, high = HEIGHTS[thing.kind]
    now = surface_height(thing)
    params = {**thing.params, name: round(min(max(now + change_m, low), high), 3)}
    x, y, _ = thing.center
    return default_object(
        thing.kind, thing.id, x=x, y=y, yaw=thing.yaw, size=(thing.size[0], thing.size[1], None), bottom=None, **params
    )


def with_backrest(
    scene: Scene, bed: SceneObject, points: Float[np.ndarray, "frame point 3"], labels: np.ndarray, skin: SkinPoints
) -> SceneObject:
    """The bed with the steepest backrest that does not push up somebody who lies on it, up to the one it has."""
    some = slice(None, None, max(1, len(points) // 4))
    flat = dataclasses.replace(bed, params={**bed.params, "head_angle_deg": 0.0})
    lowest = np.nanmedian(needed_lift(points[some], labels[some], alone(scene, flat), skin))
    for angle in (float(bed.params.get("head_angle_deg", 0.0)), *_ANGLES):
        if angle > float(bed.params.get("head_angle_deg", 0.0)):
            continue
        tilted = dataclasses.replace(bed, params={**bed.params, "head_angle_deg": angle})
        lift = needed_lift(points[some], labels[some], alone(scene, tilted), skin)
        if np.isfinite(lift).all() and np.median(lift) <= lowest + _SAME_M:
            return tilted
    return flat


def pushed(
    scene: Scene, thing: SceneObject, points: Float[np.ndarray, "frame point 3"], lift: Float[np.ndarray, "frame"]
) -> SceneObject:
    """The seat or bed where the people on it are least inside it: pushed a little, if it has room there."""
    best, least = thing, np.inf
    raised = points + np.stack([0 * lift, 0 * lift, lift], axis=1)[:, None]
    sideways = thing.kind == "bed"
    for push in _PUSHES["bed" if sideways else "seat"]:
        x, y = footprint(thing).world(push if sideways else 0.0, 0.0 if sideways else push)
        moved = dataclasses.replace(thing, center=(x, y, thing.center[2]))
        if push and not apart(replaced(scene, moved, last=True), 1):
            continue
        inside = np.maximum(-distances(alone(scene, moved), raised) - 0.003, 0.0)
        # Nobody falls off: what is pushed far away is in nobody's way.
        cost = float(inside.sum(axis=1).mean()) + 0.02 * abs(push)
        if cost < least - 1e-6:
            best, least = moved, cost
    return best


def alone(scene: Scene, thing: SceneObject) -> SceneGeometry:
    """The geometry of the room with nothing but this thing."""
    return SceneGeometry.of([Scene(scene.id, scene.polygon, scene.height, [thing])])


def surface_height(thing: SceneObject) -> float:
    """Height of a bed's mattress or a seat, metres above the floor."""
    name, low, high = HEIGHTS[thing.kind]
    value = thing.params.get(name)
    natural = {"bed": 0.50, "chair": 0.46, "recliner": 0.48, "wheelchair": 0.50, "toilet": 0.46}[thing.kind]
    return float(value) if isinstance(value, float | int) else min(max(natural, low), high)
