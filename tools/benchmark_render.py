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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from carescene.clips import Clip, load_clip
from carescene.humans.body import Body, load_body
from carescene.rendering.camera import Camera
from carescene.rendering.camera_presets import place_camera
from carescene.rendering.draw import draw_buffer
from carescene.rendering.keypoints import keypoint_model
from carescene.rendering.labels import LabelWriter
from carescene.rendering.lens import NO_DISTORTION
from carescene.rendering.painter import Painter
from carescene.rendering.people import PosedPeople, pose_people
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


def rate(
    draw: Callable[[int], object], frames: int, threads: int, repeats: int, prepare: Callable[[], object]
) -> float:
    """Pictures per second: the median of some runs over all frames, `prepare` included, after one run to warm up."""
    times = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeats + 1):
            start = time.perf_counter()
            prepare()
            list(pool.map(draw, range(frames)))
            times.append(time.perf_counter() - start)
    return frames / float(np.median(times[1:]))


def ours(
    clip: Clip, body: Body, scene: Scene, mesh: SceneMesh, camera: Camera, arguments: argparse.Namespace
) -> tuple[list[tuple[str, float, float]], np.ndarray]:
    """Rows (name, seconds to set up, pictures per second), and the depth of the first picture."""
    frames, threads, repeats = arguments.frames, arguments.threads, arguments.repeats
    start = time.perf_counter()
    room = RoomView.cast(mesh, camera)
    room_seconds = time.perf_counter() - start
    models = [keypoint_model(body, betas) for betas in clip.betas]
    labels = LabelWriter(clip, np.arange(frames) / FPS, camera, models)
    posed: list[PosedPeople] = []

    def pose() -> None:
        posed[:] = [pose_people(clip, body)]

    def label(index: int) -> np.ndarray:
        people = posed[0].at(index / FPS)
        drawn = draw_buffer(room, people, shadows=False)
        labels.add(index, drawn.buffer, drawn.full_pixels, people)
        return drawn.buffer.depth

    plain = rate(label, frames, threads, repeats, pose)
    depth = label(0)
    start = time.perf_counter()
    wardrobe = dress_clip(clip, body, posed[0].topology, seed=arguments.seed)
    painter = Painter(scene, mesh, room, wardrobe, "day", arguments.seed)
    painter_seconds = time.perf_counter() - start

    def dress() -> None:
        posed[:] = [wardrobe.wear(pose_people(clip, body))]

    def paint(index: int) -> None:
        people = posed[0].at(index / FPS)
        drawn = draw_buffer(room, people)
        labels.add(index, drawn.buffer, drawn.full_pixels, people)
        painter.rgb(drawn, people)

    shaded = rate(paint, frames, threads, repeats, dress)
    rows = [
        ("ours: depth, normals, ids, parts, key points", room_seconds, plain),
        ("ours: the same and shaded RGB of dressed people with shadows", room_seconds + painter_seconds, shaded),
    ]
    return rows, depth


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
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    # Pictures run side by side; threads inside torch as well would only wait for each other.
    torch.set_num_threads(1)

    clips = [load_clip(path) for path in arguments.clips] if arguments.clips else [walk(arguments.frames)] * 2
    width, height = arguments.size
    scene = generate_scene(arguments.scene, arguments.seed)
    clip, scene = place_clip(side_by_side(clips, arguments.frames), scene, seed=arguments.seed)
    camera = place_camera("ceiling_corner", scene, seed=arguments.seed, width=width, height=height)
    # The peers know no lenses.
    camera = dataclasses.replace(camera, distortion=NO_DISTORTION)
    body, mesh = load_body(), scene_mesh(scene)
    rows, depth = ours(clip, body, scene, mesh, camera, arguments)
    if arguments.peer:
        rows += peers(arguments.peer, pose_people(clip, body), mesh, camera, arguments, depth)

    triangles = len(mesh.faces) + clip.num_persons * len(body.faces)
    lines = [
        f"{arguments.scene}, {clip.num_persons} people, {triangles} triangles, {width}x{height}, "
        f"{arguments.threads} threads, {arguments.frames} frames, median of {arguments.repeats} runs",
        "",
        "| renderer | set up once, s | ms per picture | pictures per second |",
        "|---|---|---|---|",
        *(f"| {name} | {seconds:.1f} | {1000 / speed:.1f} | {speed:.1f} |" for name, seconds, speed in rows),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
