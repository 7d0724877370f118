"""Time our pictures beside those of VTK and pyrender, in one run on one machine: same room, same people, same camera.

    .venv/bin/python tools/benchmark_render.py [--peer PEER/bin/python] [--clips A.npz B.npz]

The scene is a furnished ward with two people, seen from a corner of the ceiling. PEER is an interpreter of its own with
numpy, pyvista and pyrender (`pip install pyvista pyrender trimesh "numpy<2"`), because the project does not need them;
it runs tools/benchmark_render_peers.py on the same triangles. Without clips, two people walk on the spot.

Our times include posing the bodies and, where named, the key points; the peers get posed vertices for nothing. Setting
up (room, camera, lights) is timed by itself. The depth pictures are compared, so that all have drawn the same thing.
"""

import argparse
import dataclasses
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from carescene.clips import Clip, load_clip
from carescene.humans.body import load_body
from carescene.rendering.camera import Camera
from carescene.rendering.camera_presets import place_camera
from carescene.rendering.draw import Drawn, draw_buffer
from carescene.rendering.keypoints import keypoint_model
from carescene.rendering.labels import LabelWriter, person_mask
from carescene.rendering.lens import NO_DISTORTION
from carescene.rendering.painter import Painter
from carescene.rendering.people import PeopleFrame, PosedPeople, pose_people
from carescene.rendering.room_view import RoomView
from carescene.rendering.wardrobe import dress_clip
from carescene.scenes import MATERIALS, Scene, SceneMesh, scene_mesh
from carescene.scenes.generator import generate_scene
from carescene.scenes.placement import place_clip

FPS = 20.0
# Metres between the two people's mean places.
APART = 1.0


def walk(frames: int) -> Clip:
    """Somebody who walks on the spot, one step a second."""
    swing = 0.5 * np.sin(np.pi * np.arange(frames) / FPS)
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[0, :, 0, 0] = np.pi / 2
    poses[0, :, 1, 0], poses[0, :, 2, 0] = swing, -swing
    poses[0, :, 16, 2], poses[0, :, 17, 2] = -1.2, 1.2
    trans = np.zeros((1, frames, 3), np.float32)
    trans[..., 2] = 0.95
    return Clip(
        id="walk",
        fps=FPS,
        poses=poses,
        trans=trans,
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.zeros((1, frames), np.int8),
        valid=np.ones((1, frames), dtype=bool),
    )


def side_by_side(clips: list[Clip], frames: int) -> Clip:
    """The first persons of some clips in one clip, `APART` metres from each other; short clips end in a long stand."""
    index = [np.minimum(np.arange(frames), clip.num_frames - 1) for clip in clips]
    trans = np.stack([clip.trans[0, rows] for clip, rows in zip(clips, index, strict=True)])
    trans[..., :2] -= trans[..., :2].mean(axis=1, keepdims=True)
    trans[..., 0] += APART * np.arange(len(clips))[:, None]
    return Clip(
        id="benchmark",
        fps=FPS,
        poses=np.stack([clip.poses[0, rows] for clip, rows in zip(clips, index, strict=True)]),
        trans=trans,
        betas=np.stack([clip.betas[0] for clip in clips]),
        frame_label=np.stack([clip.frame_label[0, rows] for clip, rows in zip(clips, index, strict=True)]),
        valid=np.ones((len(clips), frames), dtype=bool),
    )


class Ours:
    """Our renderer at work on some frames of a clip, all set up; `seconds` says how long each part of that took."""

    def __init__(self, clip: Clip, scene: Scene, camera: Camera, seed: int) -> None:
        self._clip, self._body, mesh = clip, load_body(), scene_mesh(scene)
        start = time.perf_counter()
        self._room = RoomView.cast(mesh, camera)
        half = time.perf_counter()
        posed = pose_people(clip, self._body)
        self._wardrobe = dress_clip(clip, self._body, posed.topology, seed=seed)
        self._painter = Painter(scene, mesh, self._room, self._wardrobe, "day", seed)
        self.seconds = half - start, time.perf_counter() - start
        models = [keypoint_model(self._body, betas) for betas in clip.betas]
        self._labels = LabelWriter(clip, np.arange(clip.num_frames) / FPS, camera, models)

    def plain(self) -> np.ndarray:
        """Depth, normals, ids, parts and key points of all frames; returns the first frame's depth."""
        people = pose_people(self._clip, self._body)
        depths = [self._draw(index, people, shadows=False)[1].buffer.depth for index in range(self._clip.num_frames)]
        return depths[0]

    def shaded(self) -> np.ndarray:
        """The same and colour of all frames; returns the first picture."""
        people = self._wardrobe.wear(pose_people(self._clip, self._body))
        pictures = []
        for index in range(self._clip.num_frames):
            frame, drawn = self._draw(index, people, shadows=True)
            pictures.append(self._painter.rgb(drawn, frame))
        return pictures[0]

    def flat(self) -> np.ndarray:
        """The same and colour without shadows, as the peers' plain rows have it; returns the first picture."""
        people = self._wardrobe.wear(pose_people(self._clip, self._body))
        pictures = []
        for index in range(self._clip.num_frames):
            frame, drawn = self._draw(index, people, shadows=False)
            pictures.append(self._lit_from_eye(frame, drawn))
        return pictures[0]

    def _lit_from_eye(self, people: PeopleFrame, drawn: Drawn) -> np.ndarray:
        """Lambert's law with a lamp at the eye; the room's own light was worked out before."""
        picture, buffer = self._painter.empty(), drawn.buffer
        for person in range(len(people.visible)):
            mine = person_mask(buffer, person)
            look = self._wardrobe.look(person, people.topology.faces[buffer.face[mine]], buffer.weights[mine])
            rays = self._room.rays[mine]
            slope = -np.einsum("pc,pc->p", rays, buffer.normal[mine]) / np.linalg.norm(rays, axis=-1)
            picture[mine] = look.color * (0.3 + 0.7 * slope[:, None])
        return picture

    def _draw(self, index: int, people: PosedPeople, *, shadows: bool) -> tuple[PeopleFrame, Drawn]:
        frame = people.at(index / FPS)
        drawn = draw_buffer(self._room, frame, shadows=shadows)
        self._labels.add(index, drawn.buffer, drawn.full_pixels, frame)
        return frame, drawn


def some_frames(clip: Clip, part: int, parts: int) -> Clip:
    """One of several equal parts of a clip."""
    first, last = part * clip.num_frames // parts, (part + 1) * clip.num_frames // parts
    names = ("poses", "trans", "frame_label", "valid")
    return dataclasses.replace(clip, **{name: getattr(clip, name)[:, first:last] for name in names})


def work(
    number: int, clip: Clip, scene: Scene, camera: Camera, arguments: argparse.Namespace, gate: Any, out: Any
) -> None:
    """Draw one process's share of the clip, again and again, whenever all processes have come to the gate."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    renderer = Ours(some_frames(clip, number, arguments.workers), scene, camera, arguments.seed)
    depth = renderer.plain()
    for draw in (renderer.plain, renderer.flat, renderer.shaded):
        for _ in range(arguments.repeats + 1):
            gate.wait()
            draw()
            gate.wait()
    if number == 0:
        out.put((renderer.seconds, depth))


def ours(
    clip: Clip, scene: Scene, camera: Camera, arguments: argparse.Namespace
) -> tuple[list[tuple[str, float, float]], np.ndarray]:
    """Rows (name, seconds to set up, pictures per second), and the depth of the first picture.

    Processes share the frames, as `lightning render` shares clips; the slowest counts.
    """
    context = multiprocessing.get_context("spawn")
    gate, out = context.Barrier(arguments.workers + 1), context.Queue()
    common = clip, scene, camera, arguments, gate, out
    processes = [context.Process(target=work, args=(number, *common)) for number in range(arguments.workers)]
    for process in processes:
        process.start()
    speeds = []
    for _ in ("plain", "flat", "shaded"):
        times = []
        for _ in range(arguments.repeats + 1):
            gate.wait()
            start = time.perf_counter()
            gate.wait()
            times.append(time.perf_counter() - start)
        # The first run warms up.
        speeds.append(clip.num_frames / float(np.median(times[1:])))
    seconds, depth = out.get()
    for process in processes:
        process.join()
    names = (
        "ours: depth, normals, ids, parts, key points",
        "ours: the same and RGB of dressed people without shadows",
        "ours: the same and RGB of dressed people with soft shadows, ambient occlusion, smooth edges",
    )
    return list(zip(names, (seconds[0], seconds[1], seconds[1]), speeds, strict=True)), depth


def peers(
    python: str, posed: PosedPeople, mesh: SceneMesh, camera: Camera, arguments: argparse.Namespace, depth: np.ndarray
) -> list[tuple[str, float, float]]:
    """Rows of every peer that the other interpreter can run."""
    colors = np.array([MATERIALS[name].color for name in mesh.materials])[mesh.face_material]
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder) / "scene.npz"
        np.savez(
            shared,
            room_vertices=mesh.vertices,
            room_faces=mesh.faces,
            room_colors=colors,
            room_ids=mesh.face_object + 2,
            people=posed.vertices,
            faces=posed.faces,
            eye=camera.eye,
            rotation=camera.rotation,
            focal=camera.focal,
            size=(camera.width, camera.height),
        )
        script = Path(__file__).with_name("benchmark_render_peers.py")
        rows = []
        for name in ("vtk", "pyrender"):
            command = [python, str(script), name, str(shared), str(arguments.repeats), str(Path(folder) / "depth.npy")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.stderr.write(f"{name} did not run: {done.stderr.strip().splitlines()[-1:]}" + "\n")
                continue
            theirs = np.load(Path(folder) / "depth.npy")
            agreement = float((np.abs(theirs - depth) < 0.02).mean())
            sys.stderr.write(f"{name}: {agreement:.1%} of its pixels have our depth to 2 cm" + "\n")
            rows += [tuple(row) for row in json.loads(done.stdout.strip().splitlines()[-1])]
    return rows


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs=2, help="two clips, one person of each is drawn")
    parser.add_argument("--peer", help="interpreter with pyvista and pyrender")
    parser.add_argument("--scene", default="ward_two_bed")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2, help="our processes; the peers use all cores by themselves")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    clips = [load_clip(path) for path in arguments.clips] if arguments.clips else [walk(arguments.frames)] * 2
    width, height = arguments.size
    scene = generate_scene(arguments.scene, arguments.seed)
    clip, scene = place_clip(side_by_side(clips, arguments.frames), scene, seed=arguments.seed)
    camera = place_camera("ceiling_corner", scene, seed=arguments.seed, width=width, height=height)
    # The peers know no lenses.
    camera = dataclasses.replace(camera, distortion=NO_DISTORTION)
    body, mesh = load_body(), scene_mesh(scene)
    rows, depth = ours(clip, scene, camera, arguments)
    if arguments.peer:
        rows += peers(arguments.peer, pose_people(clip, body), mesh, camera, arguments, depth)

    triangles = len(mesh.faces) + clip.num_persons * len(body.faces)
    lines = [
        f"{arguments.scene}, {clip.num_persons} people, {triangles} triangles, {width}x{height}, "
        f"{arguments.workers} processes, {arguments.frames} frames, median of {arguments.repeats} runs",
        "",
        "| renderer | set up once, s | ms per picture | pictures per second |",
        "|---|---|---|---|",
        *(f"| {name} | {seconds:.1f} | {1000 / speed:.1f} | {speed:.1f} |" for name, seconds, speed in rows),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
