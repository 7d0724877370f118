"""Furniture that gives way to people: pushed aside, taken out, put back, and checked for standing free."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.scenes.footprint import footprint, overlap, within_walls
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.layout import against, swing_of, walls_of
from carescene.scenes.scene import Scene, SceneObject

_MOVABLE: Final = ("chair", "recliner", "wheelchair", "walker", "iv_pole", "overbed_table")
_BEDSIDE_CABINET_M: Final = 1.2  # higher ones are wardrobes and stay
_OPEN_CURTAIN: Final = 0.15
# Beds are pushed this far to either side, nearest first, before they change to another wall.
_SLIDES_M: Final = (0.0, 0.3, -0.3, 0.6, -0.6, 0.9, -0.9, 1.2, -1.2, 1.6, -1.6)
_ALONG_M: Final = 0.35
_HEAD_OFF_M: Final = 0.05
_SIDE_OFF_M: Final = 0.12  # clear of a handrail


def cleared(scene: Scene) -> Scene:
    """The room without what can be pushed aside, and with open curtains."""
    objects = []
    for thing in scene.objects:
        if thing.kind == "curtain":
            drawn = min(float(thing.params.get("drawn", 1.0)), _OPEN_CURTAIN)
            thing = dataclasses.replace(thing, params={**thing.params, "drawn": drawn})
        if not _movable(thing):
            objects.append(thing)
    return dataclasses.replace(scene, objects=objects)


def restored(
    furnished: Scene,
    before: Scene,
    joints: Float[np.ndarray, "*batch joint 3"],
    clearance_m: float,
    folder: Path | None = None,
) -> Scene:
    """The room with all that was moved out of the way back where it was, if it keeps this far from all joints."""
    changed = {thing.id: thing for thing in furnished.objects}
    points = torch.from_numpy(joints[np.isfinite(joints).all(axis=-1)].reshape(1, -1, 3))
    geometry = SceneGeometry.of([before], folder=folder, dtype=torch.float64)
    distance = geometry.signed_distance(points, per="object")[0].amin(dim=0).numpy()
    for thing, nearest in zip(before.objects, distance, strict=True):
        if nearest < clearance_m:
            continue
        if thing.kind == "curtain" and thing.id in changed:
            furnished = replaced(furnished, thing)
        elif _movable(thing) and thing.id not in changed:
            back = dataclasses.replace(furnished, objects=[*furnished.objects, thing])
            furnished = back if apart(back, 1) else furnished
    return furnished


def replaced(scene: Scene, thing: SceneObject, last: bool = False) -> Scene:
    """The room with another thing of the same name, at its place in the list or as the last one."""
    if last:
        return dataclasses.replace(scene, objects=[*(other for other in scene.objects if other.id != thing.id), thing])
    objects = [thing if other.id == thing.id else other for other in scene.objects]
    return dataclasses.replace(scene, objects=objects)


def bed_spots(scene: Scene, bed: SceneObject) -> Iterator[SceneObject]:
    """Where a bed on castors may stand: where it is, further along its wall, with its head or a side to any wall."""
    part = footprint(bed)
    for distance in _SLIDES_M:
        x, y = part.world(distance, 0.0)
        yield dataclasses.replace(bed, center=(x, y, bed.center[2]))
    for turn, off in ((0.0, _HEAD_OFF_M), (math.pi / 2, _SIDE_OFF_M), (-math.pi / 2, _SIDE_OFF_M)):
        half = bed.size[0 if turn == 0 else 1] / 2 + 0.02
        for wall in walls_of(scene.polygon):
            for along in np.arange(half, wall.length - half, _ALONG_M):
                yield against(bed, wall, float(along), off, turn)


def apart(scene: Scene, newest: int) -> bool:
    """Whether the last objects of a room stand inside it, overlap with nothing and leave doors free."""
    parts = [footprint(thing) for thing in scene.objects]
    doorways = [swing_of(door) for door in scene.of_kind("door")]
    for number in range(len(parts) - newest, len(parts)):
        if not within_walls(parts[number], scene.polygon, 0.01):
            return False
        thing = scene.objects[number]
        if any(overlap(parts[number], doorway) for doorway in doorways):
            return False
        for place, other in enumerate(scene.objects):
            over_bed = {thing.kind, other.kind} == {"bed", "overbed_table"}
            if place != number and not over_bed and overlap(parts[number], parts[place]):
                return False
    return True


def _movable(thing: SceneObject) -> bool:
    return thing.kind in _MOVABLE or (thing.kind == "cabinet" and thing.size[2] < _BEDSIDE_CABINET_M)
