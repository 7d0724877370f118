"""How well rooms are recovered from exact motion, with and without exact depth: `docs/benchmarks.md` has the figures.

    python tools/measure_recovered_rooms.py --data data/prepared/scenes --clips 40

Takes clips in which somebody rests on a bed or seat of their room, hangs a ward camera up in it, renders the depth of
the empty room, forgets room and labels, and compares the bed or seat that `build_room` sets under the person with the
true one.
"""

import argparse
import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from carescene.clips import Clip, load_clip
from carescene.clips.files import list_clips
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.rendering.camera import Camera
from carescene.rendering.camera_presets import place_camera
from carescene.rendering.people import pose_people
from carescene.rendering.production import watched_points
from carescene.rendering.room_view import RoomView
from carescene.scenes import Scene, SceneObject, scene_from_dict, scene_mesh, validate_scene
from carescene.scenes.fitting_furniture import HEIGHTS, surface_height
from carescene.scenes.footprint import footprint, rectangle_distance
from carescene.scenes.free_places import turned
from carescene.scenes.placement import Move, moved_clip
from carescene.scenes.resting import Resting, clip_joints, find_resting
from reconstruction.room import build_room


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="prepared folder of clips in rooms")
    parser.add_argument("--clips", type=int, default=40, help="clips with somebody at rest")
    parser.add_argument("--camera", default="ceiling_corner", help="preset of the camera")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows: dict[tuple[str, str], list[tuple[float, float] | None]] = {}
    taken = 0
    paths = np.random.default_rng(args.seed).permutation(np.array(list_clips(args.data / "clips"), dtype=object))
    with tqdm(total=args.clips, unit="clip") as bar:
        for path in paths:
            if taken == args.clips:
                break
            clip = load_clip(path)
            resting = [rest for rest in find_resting(clip, clip_joints(clip)) if rest.frames.sum() >= clip.fps]
            if not resting:
                continue
            try:
                clip, scene, camera = from_the_camera(clip, args.camera, args.seed)
            except UserError as error:
                bar.write(f"{path.stem}: {error}")
                continue
            taken += 1
            bar.update()
            depth = RoomView.cast(scene_mesh(scene), camera).buffer.depth.astype(np.float64)
            depth[~np.isfinite(depth)] = np.nan
            resting = [rest for rest in find_resting(clip, clip_joints(clip)) if rest.frames.sum() >= clip.fps]
            clip.frame_label[:] = -1
            for name, given in (("depth", depth), ("no depth", None)):
                room = validate_scene(build_room(clip, camera, given).scene)
                for rest in resting:
                    kind = "lies" if rest.kind == "lie" else "sits"
                    rows.setdefault((name, kind), []).append(error_under(rest, scene, room))
    for (name, kind), errors in sorted(rows.items()):
        known = np.array([error for error in errors if error is not None])
        middle, most = np.median(known, axis=0), np.quantile(known, 0.9, axis=0)
        missing = len(errors) - len(known)
        sys.stdout.write(
            f"{name}, {kind}: {len(errors)} places, {missing} without furniture; place {middle[0]:.1f} cm (90 %: "
            f"{most[0]:.1f}), height {middle[1]:.1f} cm (90 %: {most[1]:.1f})\n"
        )


def from_the_camera(clip: Clip, preset: str, seed: int) -> tuple[Clip, Scene, Camera]:
    """A clip, its room and a camera in it, in the world of a reconstruction: the camera above (0, 0), looking at +y.

    Raises:
        UserError: if the clip holds no room, or no camera has a place in it.
    """
    scene = scene_from_dict(clip.scene, clip.id)
    people = watched_points(pose_people(clip, load_body()), 8)
    camera = place_camera(preset, scene, seed=seed, width=640, height=480, people=people)
    yaw = math.pi / 2 - math.atan2(camera.rotation[2, 1], camera.rotation[2, 0])
    x, y = (-turned(camera.eye[:2], yaw)).tolist()
    cos, sin = math.cos(yaw), math.sin(yaw)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    eye = np.array([0.0, 0.0, camera.eye[2]])

    def place(point: tuple[float, ...]) -> tuple[float, float]:
        moved = turned(np.array(point[:2]), yaw)
        return float(moved[0]) + x, float(moved[1]) + y

    things = [
        dataclasses.replace(thing, center=(*place(thing.center), thing.center[2]), yaw=thing.yaw + yaw)
        for thing in scene.objects
    ]
    room = dataclasses.replace(scene, polygon=[place(corner) for corner in scene.polygon], objects=things)
    seen = dataclasses.replace(camera, eye=eye, rotation=camera.rotation @ turn.T)
    return moved_clip(clip, Move(yaw, (x, y, 0.0))), room, seen


def error_under(rest: Resting, truth: Scene, room: Scene) -> tuple[float, float] | None:
    """Distance of box middles and difference of surface heights, cm, of what carries a person; None if nothing does."""

    def away(thing: SceneObject) -> float:
        return float(rectangle_distance(rest.at[None], footprint(thing))[0])

    true = min(truth.of_kind(*HEIGHTS), key=away)
    found = [thing for thing in room.of_kind(*HEIGHTS) if away(thing) < 0.1]
    if not found:
        return None
    thing = min(found, key=lambda each: abs(surface_height(each) - surface_height(true)))
    apart = math.dist(thing.center[:2], true.center[:2])
    return 100 * apart, 100 * abs(surface_height(thing) - surface_height(true))


if __name__ == "__main__":
    main()
