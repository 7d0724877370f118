"""A made room with an exact depth picture, and people who rest or walk in it, for the tests of reconstruction."""

import math
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.rendering.camera import Camera, look_rotation
from carescene.rendering.room_view import RoomView
from carescene.scenes import Scene, default_object, scene_mesh

UP = np.array([0.0, 0.0, 1.0])


def ward_camera(width: int = 320, height: int = 240, eye_height: float = 2.45) -> Camera:
    """High up at the wall, looking along +y and 32 degrees down, 80 degrees across."""
    pitch = math.radians(32)
    rotation = look_rotation(np.array([0.0, math.cos(pitch), -math.sin(pitch)]))
    focal = width / 2 / math.tan(math.radians(40))
    lens = (-0.08, 0.0, 0.0, 0.0, 0.0)
    return Camera(np.array([0.0, 0.0, eye_height]), rotation, focal, width, height, lens)


def ward_room(turn: float = 0.0) -> Scene:
    """4.4 x 5.2 m with a bed at the far right, a cabinet and a table, turned about the camera."""
    corners = np.array([[-2.2, -0.3], [2.2, -0.3], [2.2, 4.9], [-2.2, 4.9]])
    cos, sin = math.cos(turn), math.sin(turn)
    turned = corners @ np.array([[cos, sin], [-sin, cos]])

    def place(x: float, y: float) -> dict[str, Any]:
        return {"x": cos * x - sin * y, "y": sin * x + cos * y}

    things = [
        # Head at the far wall.
        default_object(
            "bed", "bed-1", **place(1.2, 3.7), yaw=turn + math.pi, mattress_height_m=0.52, rails="none", pillow=False
        ),
        default_object("cabinet", "cabinet-1", **place(-1.9, 3.0), yaw=turn - math.pi / 2),
        default_object("table", "table-1", **place(-0.9, 1.9), yaw=turn),
    ]
    return Scene("made", [(float(x), float(y)) for x, y in turned], 2.7, things)


def plate_depth(scene: Scene, camera: Camera) -> np.ndarray:
    """Exact depth of the empty room, metres, NaN where nothing is met."""
    depth = RoomView.cast(scene_mesh(scene), camera).buffer.depth.astype(np.float64)
    depth[~np.isfinite(depth)] = np.nan
    return depth


def lying_clip(at: tuple[float, float, float], head: np.ndarray, frames: int = 40) -> Clip:
    """Somebody on the back with the pelvis at a place and the head in a horizontal direction."""
    return _still(at, np.column_stack([np.cross(head, UP), head, UP]), {}, frames)


def sitting_clip(at: tuple[float, float, float], front: np.ndarray, frames: int = 40) -> Clip:
    """Somebody upright with bent hips and knees, looking in a horizontal direction."""
    bends = {1: -90.0, 2: -90.0, 4: 90.0, 5: 90.0}
    return _still(at, np.column_stack([np.cross(UP, front), UP, front]), bends, frames)


def kneeling_clip(at: tuple[float, float, float], front: np.ndarray, frames: int = 40) -> Clip:
    """Somebody upright who sits on the heels, knees on the floor, and is called sitting."""
    bends = {1: -50.0, 2: -50.0, 4: 145.0, 5: 145.0}
    clip = _still(at, np.column_stack([np.cross(UP, front), UP, front]), bends, frames)
    clip.frame_label[:] = OMNIFALL_ID["sitting"]
    return clip


def walking_clip(start: tuple[float, float], end: tuple[float, float], frames: int = 60) -> Clip:
    """Somebody who glides upright from one place to another at 20 frames per second."""
    way = np.subtract(end, start)
    front = np.array([*(way / np.linalg.norm(way)), 0.0])
    clip = _still((0.0, 0.0, 0.93), np.column_stack([np.cross(UP, front), UP, front]), {}, frames)
    clip.trans[0, :, :2] = np.linspace(start, end, frames)
    return clip


def _still(at: tuple[float, float, float], root: np.ndarray, bends: dict[int, float], frames: int) -> Clip:
    poses = np.zeros((1, frames, 24, 3), np.float32)
    # Arms down.
    poses[0, :, 16, 2], poses[0, :, 17, 2] = -1.2, 1.2
    poses[0, :, 0] = Rotation.from_matrix(root).as_rotvec()
    for joint, degrees in bends.items():
        poses[0, :, joint, 0] = math.radians(degrees)
    return Clip(
        id="made",
        fps=20.0,
        poses=poses,
        trans=np.tile(np.array(at, np.float32), (1, frames, 1)),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, frames), -1, np.int8),
        valid=np.ones((1, frames), bool),
    )
