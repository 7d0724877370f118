"""The room of a video: floor, walls, furniture and free space, as a Scene and as measured triangles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.rendering.camera import Camera
from carescene.scenes.footprint import footprint
from carescene.scenes.resting import clip_joints
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.scene_files import save_scene
from reconstruction.room_boxes import find_boxes
from reconstruction.room_carriers import carrying_things, find_carried
from reconstruction.room_drawn import DrawnThing, drawn_object
from reconstruction.room_kinds import things_of
from reconstruction.room_layout import Found, arrange, inside_box
from reconstruction.room_mesh import room_triangles, write_ply
from reconstruction.room_surfaces import (
    Surfels,
    explained_by_scale,
    find_ceiling,
    find_surfels,
    find_wall,
    fit_floor,
    wall_direction,
)

# People keep about this much from walls; a wall that nobody saw is set so far behind them.
_FROM_WALL_M: Final = 0.50
# A camera hangs on a wall or under a ceiling.
_CAMERA_TO_WALL_M: Final = 0.25
_CAMERA_TO_CEILING_M: Final = 0.20
_CEILING_M: Final = 2.7
# Walls of a room; beyond, the depth looked through a window.
_FARTHEST_M: Final = 15.0
SCENE_NAME: Final = "scene.json"
SCAN_NAME: Final = "scan.json"
MESH_NAME: Final = "scan.ply"


@dataclass(frozen=True)
class Room:
    """What became known of a room.

    Attributes:
        scene: floor, walls and furniture of our kinds: physics, training and drawing use it.
        vertices, faces: measured triangles with planes for floor, walls and ceiling, in the world, metres; None without
            depth.
        notes: what was decided and on what evidence, one sentence each.
    """

    scene: Scene
    notes: tuple[str, ...]
    vertices: Float[np.ndarray, "vertex 3"] | None = None
    faces: Int[np.ndarray, "face 3"] | None = None


def build_room(
    clip: Clip,
    camera: Camera,
    plate_depth_m: Float[np.ndarray, "height width"] | None = None,
    furniture: Sequence[DrawnThing] = (),
    *,
    name: str = "room",
) -> Room:
    """Recover a room from what people did in it, from the depth of its empty picture, and from what the user drew.

    With depth, floor, walls and ceiling are planes and furniture stands where the depth shows it. Without, the walls
    are set around the people, the furniture and the camera. Either way a bed or chair stands where somebody lay or sat
    for half a second or more, and nothing stands where somebody was.

    Args:
        clip: reconstructed people: metres, z up, floor at z = 0.
        camera: that saw them, in the same world.
        plate_depth_m: metres along the view axis of the empty room, NaN where unknown; any size of the whole picture.
        furniture: outlines drawn by the user; they are believed before everything else.
        name: of the scene.

    Raises:
        UserError: if the camera is not above the floor, or a drawn outline cannot be what it is called.
    """
    if not camera.eye[2] > 0:
        raise UserError(
            f"Expected a camera above the floor, but its height is {camera.eye[2]:.2f} m. Check the camera."
        )
    joints = clip_joints(clip)
    notes: list[str] = []
    seen = None if plate_depth_m is None else _levelled(plate_depth_m, camera, notes)
    names: set[str] = set()
    drawn = [Found(drawn_object(each, camera, None, names), "drawn") for each in furniture]
    people = joints[np.isfinite(joints).all(axis=-1)]
    corners = [np.array([thing.thing.center[:2]]) for thing in drawn]
    floor_points = np.concatenate([people[:, :2], *corners, camera.eye[None, :2]])
    yaw = wall_direction(seen) if seen is not None else 0.0
    bounds, spread = _bounds(seen, floor_points, camera, yaw, notes)
    polygon = _rectangle([around for _, around in bounds], yaw)
    height = _ceiling(seen, camera, people, notes)
    # Only now is it known at which walls drawn things have their backs.
    names.clear()
    drawn = [Found(drawn_object(each, camera, polygon, names), "drawn") for each in furniture]
    # A measured wall that gave way to people is still no furniture.
    measured = _rectangle([wall for wall, _ in bounds], yaw)
    boxes = find_boxes(seen, measured, height, yaw, camera.eye, spread) if seen is not None else []
    found = carrying_things(find_carried(clip, joints), drawn, boxes, clip, joints, names)
    seen_things = things_of(boxes, polygon, height, names, [each.thing for each in found])
    found += [Found(thing, "seen") for thing in seen_things]
    polygon = _around_things(polygon, found)
    # A box that reaches around the camera is wrong, however it came about: the camera sees from there.
    free = [each for each in found if not _holds(each.thing, camera.eye)]
    notes += [f"{each.thing.id} left out: the camera is inside it" for each in found if _holds(each.thing, camera.eye)]
    things, changes = arrange(free, polygon, joints)
    notes += changes
    notes.append(f"furniture: {', '.join(thing.id for thing in things) or 'none'}")
    height = max(height, *(thing.center[2] + thing.size[2] / 2 for thing in things)) if things else height
    scene = Scene(name, polygon, height, things)
    if seen is None:
        return Room(scene, tuple(notes))
    return Room(scene, tuple(notes), *room_triangles(seen, polygon, height, camera.eye))


def save_room(room: Room, folder: Path) -> Path:
    """Write `scene.json`, and with depth also `scan.ply` and `scan.json`, the same room drawn from its triangles.

    Both scene files are read by `carescene.scenes.load_scene`; neither holds a pixel of the video.

    Returns:
        path of `scene.json`.

    Raises:
        UserError: if the scene is not valid or a file cannot be written.
    """
    path = save_scene(room.scene, folder / SCENE_NAME)
    if room.vertices is not None and room.faces is not None:
        write_ply(folder / MESH_NAME, room.vertices, room.faces)
        scan = replace(room.scene, id=f"{room.scene.id}.scan", mesh=MESH_NAME)
        save_scene(scan, folder / SCAN_NAME)
    return path


def _levelled(depth: Float[np.ndarray, "height width"], camera: Camera, notes: list[str]) -> Surfels | None:
    """The depth's surfaces with its floor brought to z = 0 by one factor; None if no factor could do that."""
    seen = find_surfels(depth, camera)
    fit = fit_floor(seen, float(camera.eye[2]))
    if fit is None:
        notes.append("the depth shows no floor, so its scale is taken as it is")
        return seen
    notes.append(
        f"the depth's floor lies {100 * fit.height:+.1f} cm from z = 0, tilted by {fit.tilt_deg:.1f} degrees "
        f"({fit.area:.1f} square metres seen)"
    )
    if not explained_by_scale(fit):
        notes.append(
            f"the depth was left out: with a factor of {fit.scale:.2f} and {fit.tilt_deg:.0f} degrees of tilt between "
            "its floor and the camera's, one of the two is wrong"
        )
        return None
    if abs(fit.height) < 0.005:
        return seen
    notes.append(f"the depth was multiplied by {fit.scale:.3f} to lie on the floor")
    return find_surfels(depth, camera, fit.scale)


def _bounds(
    seen: Surfels | None, points: Float[np.ndarray, "point 2"], camera: Camera, yaw: float, notes: list[str]
) -> tuple[list[tuple[float, float]], float]:
    """For the directions `yaw` and its quarter turns, how far out the wall was seen, and where it is set, metres.

    A wall is set where it was seen, else behind everybody who was there. Also the largest spread of a wall's points.

    Args:
        points: people's joints, furniture and the eye, seen from above; all of them come to lie inside.
    """
    bounds: list[tuple[float, float]] = []
    spread = 0.0
    for quarter in range(4):
        angle = yaw + quarter * math.pi / 2
        outward = np.array([math.cos(angle), math.sin(angle)])
        reach = float((points @ outward).max())
        found = find_wall(seen, outward) if seen is not None else None
        side = _side(outward)
        eye = float(camera.eye[:2] @ outward)
        if found is not None:
            wall, spread = found.place, max(spread, found.spread)
        else:
            wall = max(reach + _FROM_WALL_M, eye + _CAMERA_TO_WALL_M)
            if seen is not None:
                along = seen.points[seen.whole][:, :2] @ outward
                wall = max(wall, min(float(np.quantile(along, 0.99)), eye + _FARTHEST_M))
            notes.append(f"no wall was seen {side}: it is set {wall - eye:.1f} m from the camera")
        around = wall
        if reach + 0.05 > wall:
            around = reach + 0.10
            notes.append(
                f"the wall {side} gave way by {100 * (around - wall):.0f} cm to people, furniture or the camera"
            )
        bounds.append((wall, around))
    return bounds, spread


def _rectangle(bounds: Sequence[float], yaw: float) -> list[tuple[float, float]]:
    """Corners, counter-clockwise, of a rectangle from how far its sides are out at `yaw` and its quarter turns."""
    axes = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
    right, far, left, near = bounds
    corners = np.array([[-left, -near], [right, -near], [right, far], [-left, far]]) @ axes
    return [(float(x), float(y)) for x, y in corners]


def _side(outward: Float[np.ndarray, "2"]) -> str:
    """Name of a direction seen from the camera, which looks towards +y."""
    if abs(outward[1]) >= abs(outward[0]):
        return "ahead" if outward[1] > 0 else "behind the camera"
    return "to the right" if outward[0] > 0 else "to the left"


def _ceiling(seen: Surfels | None, camera: Camera, people: Float[np.ndarray, "point 3"], notes: list[str]) -> float:
    least = float(camera.eye[2]) + 0.05
    if len(people):
        least = max(least, float(people[:, 2].max()) + 0.15)
    height = find_ceiling(seen) if seen is not None else None
    if height is not None and height > least:
        return min(height, 10.0)
    notes.append("no ceiling was seen: it is set by the camera's height")
    return min(max(_CEILING_M, float(camera.eye[2]) + _CAMERA_TO_CEILING_M, least), 10.0)


def _holds(thing: SceneObject, point: Float[np.ndarray, "3"]) -> bool:
    low, high = thing.center[2] - thing.size[2] / 2, thing.center[2] + thing.size[2] / 2
    return bool(low < point[2] < high and inside_box(point[None, :2], thing, 0.02)[0])


def _around_things(polygon: list[tuple[float, float]], found: Sequence[Found]) -> list[tuple[float, float]]:
    """The rectangle grown so that what the user drew, and what carries somebody, lies inside."""
    firm = [each.thing for each in found if each.source != "seen" or each.carries is not None]
    if not firm:
        return polygon
    corners = np.array(polygon)
    first, second = corners[1] - corners[0], corners[3] - corners[0]
    axes = np.stack([first / np.linalg.norm(first), second / np.linalg.norm(second)])
    here = (corners - corners[0]) @ axes.T
    boxes = np.concatenate([footprint(thing).corners for thing in firm])
    there = (boxes - corners[0]) @ axes.T
    low = np.minimum(here.min(axis=0), there.min(axis=0) - 0.01)
    high = np.maximum(here.max(axis=0), there.max(axis=0) + 0.01)
    grown = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    return [(float(x), float(y)) for x, y in corners[0] + grown @ axes]
