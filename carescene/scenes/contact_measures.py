"""How well people touch a room: how deep their skin is in things and floor, and whether what should rest, rests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float

from carescene.clips.clip import Clip
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import SkinPoints, load_skin_points
from carescene.scenes.depth import largest_known, mean_known, share_over
from carescene.scenes.footprint import footprint, rectangle_distance
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.scene import Scene
from carescene.scenes.scene_files import scene_from_dict

# Nothing further than this from a person can be touched in any frame.
_REACH_M: Final = 0.1
# In these, the person is carried by something all the time; falls, jumps and runs have moments in the air.
_CARRIED: Final = ("walk", "standing", "sitting", "lying", "fallen", "kneeling", "squatting", "sit_down", "stand_up")
_ON_SEAT: Final = (OMNIFALL_ID["sitting"],)
_ON_BACK: Final = (OMNIFALL_ID["lying"], OMNIFALL_ID["fallen"])
# What carries somebody who sits, and somebody who lies, by the joint that moves the skin there.
SEAT_PARTS: Final = tuple(JOINT[name] for name in ("pelvis", "left_hip", "right_hip"))
_BACK_PARTS: Final = (*SEAT_PARTS, *(JOINT[name] for name in ("spine1", "spine2", "spine3", "head")))


@dataclass(frozen=True)
class ContactReport:
    """Contact of all people of a clip with a room, frame by frame.

    Attributes:
        depth_m: of the deepest skin point inside furniture, floor or wall, 0 where nothing is inside; NaN in frames in
            which the person does not exist.
        gap_m: from what should carry the person (buttocks of who sits, back or side of who lies, the lowest point of
            all others) to the nearest surface, 0 where it touches; NaN in the air (falls, jumps) and without person.
        deepest: id of the thing in which somebody is deepest, "floor" or "wall"; "" if nobody is in anything.
    """

    depth_m: Float[np.ndarray, "person frame"]
    gap_m: Float[np.ndarray, "person frame"]
    deepest: str

    @property
    def mean_m(self) -> float:
        """Mean over persons and frames of the deepest point's depth, metres."""
        return mean_known(self.depth_m)

    @property
    def max_m(self) -> float:
        """Depth of the deepest point of all, metres."""
        return largest_known(self.depth_m)

    @property
    def share_deep(self) -> float:
        """Share of persons' frames with a point deeper than 3 cm."""
        return share_over(self.depth_m)

    @property
    def floating_m(self) -> float:
        """Mean gap under what should be carried, metres."""
        return mean_known(self.gap_m)

    @property
    def share_floating(self) -> float:
        """Share of the frames in which something should carry the person and is more than 3 cm away."""
        return share_over(self.gap_m)


def contact_report(
    clip: Clip,
    scene: Scene | None = None,
    *,
    every: int = 1,
    folder: Path | None = None,
    skin: SkinPoints | None = None,
) -> ContactReport:
    """Measure the contact of a clip's people with their room, on skin points of the bundled body.

    Args:
        clip: metres, z up, floor at z = 0.
        scene: the room; None for the one that the clip carries.
        every: only every so many frames (the others are NaN): 2 halves the time.
        folder: where the scene's file lies, to which the names of its meshes are relative.
        skin: points of another body.

    Raises:
        UserError: if there is no room, or `every` is less than 1.
    """
    if every < 1:
        raise UserError(f"Expected to measure every 1 or more frames, but got every {every}. Use 1 for all.")
    room = scene if scene is not None else clip_scene(clip)
    skin = skin or load_skin_points()
    depth = np.full((clip.num_persons, clip.num_frames), np.nan)
    gap, deepest = depth.copy(), ("", 0.0)
    for person in range(clip.num_persons):
        frames = np.nonzero(clip.valid[person])[0][::every]
        if not len(frames):
            continue
        points = skin.of_person(clip.poses[person, frames], clip.trans[person, frames], clip.betas[person])
        near = near_scene(room, points.reshape(-1, 3))
        distance = distances(SceneGeometry.of([near], folder=folder), points)
        least = distance.min(axis=1)
        depth[person, frames] = np.maximum(-least, 0.0)
        if -least.min() > deepest[1]:
            worst = points.reshape(-1, 3)[distance.argmin()]
            deepest = (_name_at(near, worst, folder), float(-least.min()))
        gap[person, frames] = _gaps(distance, clip.frame_label[person, frames], skin)
    return ContactReport(depth, gap, deepest[0])


def clip_scene(clip: Clip) -> Scene:
    """The room that a clip carries.

    Raises:
        UserError: if it carries none.
    """
    if not isinstance(clip.scene, dict):
        raise UserError(
            f"Expected clip '{clip.id}' to carry a room, but got {'a name' if clip.scene else 'none'}. "
            "Place it in one first (place_clip), or give the room."
        )
    return scene_from_dict(clip.scene)


def near_scene(scene: Scene, points: Float[np.ndarray, "point 3"], reach_m: float = _REACH_M) -> Scene:
    """The room with only the things whose boxes some of the points come near to: far quicker to measure in."""
    flat = np.unique(np.round(points[:, :2] / 0.05).astype(int), axis=0) * 0.05
    low = points[:, 2].min() - reach_m
    kept = [
        thing
        for thing in scene.objects
        if thing.mesh is not None
        or (
            thing.center[2] + thing.size[2] / 2 > low
            and float(rectangle_distance(flat, footprint(thing)).min()) < reach_m + 0.05
        )
    ]
    return Scene(scene.id, scene.polygon, scene.height, kept, mesh=scene.mesh)


def distances(geometry: SceneGeometry, points: Float[np.ndarray, "frame point 3"]) -> Float[np.ndarray, "frame point"]:
    """Signed distance of points from a room's surfaces, metres."""
    with torch.no_grad():
        flat = torch.from_numpy(np.asarray(points, np.float32)).reshape(1, -1, 3)
        return geometry.signed_distance(flat)[0].numpy().reshape(points.shape[:2]).astype(np.float64)


def carrying_points(label: int, skin: SkinPoints) -> Bool[np.ndarray, "point"]:
    """Skin points of which one must touch something while a frame has this label; all of them for most labels."""
    parts = SEAT_PARTS if label in _ON_SEAT else _BACK_PARTS if label in _ON_BACK else range(24)
    return np.isin(skin.part.numpy(), list(parts))


def _gaps(
    distance: Float[np.ndarray, "frame point"], labels: np.ndarray, skin: SkinPoints
) -> Float[np.ndarray, "frame"]:
    gap = np.full(len(distance), np.nan)
    for name in _CARRIED:
        frames = labels == OMNIFALL_ID[name]
        if frames.any():
            carried = carrying_points(OMNIFALL_ID[name], skin)
            gap[frames] = np.maximum(distance[frames][:, carried].min(axis=1), 0.0)
    return gap


def _name_at(scene: Scene, point: Float[np.ndarray, "3"], folder: Path | None) -> str:
    geometry = SceneGeometry.of([scene], folder=folder)
    at = torch.from_numpy(np.asarray(point, np.float32)).reshape(1, 1, 3)
    wall, floor, ceiling = geometry.shell_distance(at)[0, 0].tolist()
    names = {"wall": wall, "floor": floor, "ceiling": ceiling}
    if scene.objects:
        each = geometry.signed_distance(at, per="object")[0, 0].tolist()
        names |= {thing.id: value for thing, value in zip(scene.objects, each, strict=True)}
    return min(names, key=lambda name: names[name])
