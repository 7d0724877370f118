"""Clips that bring the furniture they touch: the ward's bed or toilet is swapped for theirs, chairs come along.

Simulated and controlled clips carry a bare room: a plain square with nothing but the things that they touch. Their
contact is exact, so people and things move together, and only everything else in the ward gives way.
"""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float

from carescene.clips.clip import Clip
from carescene.scenes.footprint import footprint, rectangle_points, wall_distance
from carescene.scenes.free_places import FreePlaces, thinned, turned
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.rearranging import apart, bed_spots
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.scene_files import scene_from_dict

# Things with a place of their own in a room: the clip's is put where the room's is. Others stand where there is room.
ANCHORED: Final = ("bed", "toilet", "basin", "handrail", "door")
# Beyond their box by this much (metres), two things are thought to stand apart.
_GAP_M: Final = 0.02


@dataclasses.dataclass(frozen=True)
class OwnPlace:
    """A place for a clip with its things: a turn about the vertical and a shift, and the room furnished with them."""

    yaw: float
    shift: tuple[float, float]
    scene: Scene


def bare_room(clip: Clip) -> Scene | None:
    """The bare room that a clip carries; None if it carries none, or one with doors or windows that is a real room."""
    if not isinstance(clip.scene, dict):
        return None
    scene = scene_from_dict(clip.scene)
    is_room = scene.preset is not None or scene.mesh is not None or bool(scene.of_kind("door", "window"))
    return None if is_room or not scene.objects else scene


def own_places(
    clip: Clip,
    own: list[SceneObject],
    joints: Float[np.ndarray, "person frame 24 3"],
    scene: Scene,
    reach: tuple[Float[np.ndarray, "24"], Bool[np.ndarray, "24"]],
    pushing: bool,
    folder: Path | None,
    rng: np.random.Generator,
) -> Iterator[OwnPlace]:
    """Places where the clip's things stand apart from the room's and all joints keep clear of everything else.

    Args:
        clip: of which the joints are.
        own: the clip's things, in its own world.
        joints: in the clip's world, metres; NaN without person.
        scene: the room.
        reach: the distance that each joint keeps from things (metres), and which joints belong to the trunk.
        pushing: also try the room's bed in other places.
        folder: where the scene's file lies.
        rng: chooses among places.
    """
    anchors = [thing for thing in own if thing.kind in ANCHORED]
    if anchors:
        anchor = anchors[0]
        there = scene.of_kind(anchor.kind)
        for number in rng.permutation(len(there)):
            spots = bed_spots(scene, there[number]) if pushing and anchor.kind == "bed" else [there[number]]
            others = dataclasses.replace(scene, objects=[t for t in scene.objects if t.id != there[number].id])
            geometry = SceneGeometry.of([others], folder=folder, dtype=torch.float64)
            for spot in spots:
                yaw = math.remainder(spot.yaw - anchor.yaw, 2 * math.pi)
                # Backs together: a longer bed reaches further into the room.
                middle = np.array(footprint(spot).world(0.0, (anchor.size[1] - spot.size[1]) / 2))
                shift = middle - turned(np.array(anchor.center[:2]), yaw)
                place = _furnished(others, own, yaw, shift, there[number].id)
                if place is not None and _is_clear(clip, joints, place, others, geometry, reach[0]):
                    yield place
        return
    limbs, trunk = reach
    flat = joints[clip.valid][..., :2]
    classes = [thinned(flat[:, trunk].reshape(-1, 2)), thinned(flat[:, ~trunk].reshape(-1, 2))]
    classes.append(np.concatenate([rectangle_points(footprint(thing), 0.05) for thing in own]))
    places = FreePlaces.of(scene, [float(limbs[trunk].max()), float(limbs[~trunk].max()), _GAP_M], folder)
    for yaw in rng.uniform(-math.pi, math.pi, 24):
        moves = places.fitting_moves([turned(points, float(yaw)) for points in classes])
        for shift in rng.permutation(moves)[:3]:
            place = _furnished(scene, own, float(yaw), shift, None)
            if place is not None:
                yield place


def _furnished(
    scene: Scene, own: list[SceneObject], yaw: float, shift: Float[np.ndarray, "2"], swapped: str | None
) -> OwnPlace | None:
    """The room with the clip's things, or None if they would stand in something."""
    names = {thing.id for thing in scene.objects} | ({swapped} if swapped else set())
    brought = []
    for thing in own:
        x, y = turned(np.array(thing.center[:2]), yaw) + shift
        name = swapped if swapped and thing is _first_anchor(own) else thing.id
        if name != swapped:
            name = next(n for n in (name, *(f"{thing.kind}-{k}" for k in range(1, 1000))) if n not in names)
        names.add(name)
        turn = math.remainder(thing.yaw + yaw, 2 * math.pi)
        brought.append(dataclasses.replace(thing, id=name, center=(float(x), float(y), thing.center[2]), yaw=turn))
    furnished = dataclasses.replace(scene, objects=[*scene.objects, *brought])
    if not apart(furnished, len(brought)):
        return None
    return OwnPlace(yaw, (float(shift[0]), float(shift[1])), furnished)


def _first_anchor(own: list[SceneObject]) -> SceneObject:
    return next(thing for thing in own if thing.kind in ANCHORED)


def _is_clear(
    clip: Clip,
    joints: Float[np.ndarray, "person frame 24 3"],
    place: OwnPlace,
    others: Scene,
    geometry: SceneGeometry,
    reach: Float[np.ndarray, "24"],
) -> bool:
    """Whether all joints keep their distance from walls and from everything that the clip did not bring."""
    there = joints[clip.valid]
    for chosen in (there[::16], there[::2]):
        flat = turned(chosen[..., :2], place.yaw) + np.array(place.shift)
        if (wall_distance(flat.reshape(-1, 2), others.polygon) < 0.08).any():
            return False
        if not others.objects:
            continue
        points = np.concatenate([flat, chosen[..., 2:]], axis=-1).reshape(1, -1, 3)
        distance = geometry.signed_distance(torch.from_numpy(points))[0].numpy().reshape(-1, 24)
        # The floor is the nearest surface for feet and for who lies on it; only what lies above it is in the way.
        distance = np.where(distance >= chosen[..., 2] - 1e-6, np.inf, distance)
        if (distance < reach).any():
            return False
    return True
