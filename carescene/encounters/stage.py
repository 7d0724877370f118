"""What a scene offers somebody who joins: where the others are, the door, free places to stop, and ways there."""

import dataclasses
import math
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from carescene.clips.clip import Clip
from carescene.clips.taxonomy import OMNIFALL16
from carescene.encounters.actor import FPS
from carescene.encounters.ways import Ways
from carescene.scenes.footprint import footprint, overlap, wall_distance
from carescene.scenes.furniture import default_object
from carescene.scenes.rearranging import replaced
from carescene.scenes.resting import clip_joints
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.walkable import door_spot

_DOOR_OPEN_DEG: Final = 85.0
_DOOR_OFF_M: Final = 0.45
_DIRECTIONS: Final = 24


@dataclasses.dataclass(frozen=True)
class Stage:
    """A placed clip of people, about to be joined.

    Attributes:
        clip, scene: as placed; the scene's entrance is open.
        joints: of all people, metres; NaN where somebody is not there.
        door: the entrance.
    """

    clip: Clip
    scene: Scene
    joints: Float[np.ndarray, "person frame 24 3"]
    door: SceneObject | None

    @classmethod
    def of(cls, clip: Clip, scene: Scene, rng: np.random.Generator) -> "Stage":
        """The stage, with one of the room's doors opened if its leaf has room to swing."""
        doors = scene.of_kind("door")
        door = doors[int(rng.integers(len(doors)))] if doors else None
        if door is not None and float(door.params.get("open_deg", 0.0)) < 60:
            opened = _opened(door)
            joints = clip_joints(clip)[..., :2].reshape(-1, 2)
            part = footprint(opened, 0.1)
            local = (joints - [part.x, part.y]) @ part.axes.T
            hit = (np.abs(local) < [part.half_x, part.half_y]).all(axis=1).any()
            others = [footprint(thing) for thing in scene.objects if thing.id != door.id]
            if not hit and not any(overlap(footprint(opened), other) for other in others):
                scene, door = replaced(scene, opened), opened
        return cls(clip, scene, clip_joints(clip), door)

    @property
    def entrance(self) -> tuple[float, float] | None:
        """Where somebody stands who has just come in."""
        if self.door is None:
            return None
        # An open leaf makes the door's box deeper; the way in is measured from the wall.
        return door_spot(self.door, _DOOR_OFF_M)

    def at_end(self, person: int = 0, seconds: float = 1.0) -> Float[np.ndarray, "frame 24 3"]:
        """Joints of somebody in the last second."""
        frames = np.flatnonzero(self.clip.valid[person])
        return self.joints[person, frames[-max(2, round(seconds * FPS)) :]]

    def state(self, person: int = 0) -> str:
        """What somebody does at the end: an OmniFall label."""
        frames = np.flatnonzero(self.clip.valid[person])
        labels = self.clip.frame_label[person, frames[-max(2, len(frames) // 5) :]]
        known = labels[labels >= 0]
        return OMNIFALL16[int(np.bincount(known).argmax())] if len(known) else "unknown"

    def ways(self, start: tuple[float, float], frames: Bool[np.ndarray, "frame"], keep_m: float = 0.34) -> Ways | None:
        """Ways past everybody as they are in these frames."""
        people = self.joints[:, frames][..., :2].reshape(-1, 2)
        people = people[np.isfinite(people).all(axis=1)]
        return Ways.of(self.scene, start, people, keep_m=keep_m)

    def spots_around(
        self,
        center: Float[np.ndarray, "2"],
        body: Float[np.ndarray, "joint 2"],
        distance: tuple[float, float],
        ways: Ways,
        rng: np.random.Generator,
    ) -> list[Float[np.ndarray, "2"]]:
        """Reachable places whose distance from the nearest point of a body lies in a range; near ones first."""
        found = []
        for angle in rng.uniform(0, 2 * math.pi) + 2 * math.pi * np.arange(_DIRECTIONS) / _DIRECTIONS:
            ahead = np.array([math.cos(angle), math.sin(angle)])
            for far in np.arange(0.3, 2.2, 0.06):
                spot = center + far * ahead
                nearest = float(np.linalg.norm(body - spot, axis=1).min())
                if nearest < distance[0]:
                    continue
                inside = wall_distance(spot[None], self.scene.polygon)[0] > 0.3
                if nearest <= distance[1] and inside and np.isfinite(ways.length(spot)):
                    # A short way counts, and even more to be within reach of the middle.
                    reach = 8.0 * max(far - 0.6, 0.0)
                    found.append((ways.length(spot) + reach + float(rng.uniform(0, 0.8)), spot))
                break
        return [spot for _, spot in sorted(found, key=lambda each: each[0])]


def heading_to(spot: Float[np.ndarray, "2"], target: Float[np.ndarray, "2"]) -> float:
    """Angle from +x under which a target is seen."""
    return float(math.atan2(*(target - spot)[::-1]))


def _opened(door: SceneObject) -> SceneObject:
    """The door with its leaf open; its back stays on the wall."""
    back = np.array(footprint(door).world(0.0, -door.size[1] / 2))
    params = {**door.params, "open_deg": _DOOR_OPEN_DEG}
    opened = default_object(
        "door", door.id, x=0.0, y=0.0, yaw=door.yaw, size=(door.size[0], None, door.size[2]), bottom=None, **params
    )
    ahead = np.array([-math.sin(door.yaw), math.cos(door.yaw)])
    x, y = back + ahead * opened.size[1] / 2
    return dataclasses.replace(opened, center=(float(x), float(y), door.center[2]))
