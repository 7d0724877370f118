"""The other renderers of tools/benchmark_render.py, which starts this in an interpreter that has them.

    python tools/benchmark_render_peers.py vtk|pyrender SCENE.npz REPEATS DEPTH.npy

Prints rows (name, seconds to set up, pictures per second) as JSON, and saves the first picture's depth in metres.
Imports nothing of the project. Both peers draw off-screen through EGL, without a window system.
"""

import json
import os
import sys
import time

import numpy as np

NEAR, FAR = 0.2, 40.0
PERSON = (0.55, 0.42, 0.36)


def rate(draw, frames, repeats):
    """Pictures per second: the median of some runs over all frames, after one picture to warm up."""
    draw(0)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for frame in range(frames):
            draw(frame)
        times.append(time.perf_counter() - start)
    return frames / float(np.median(times))


def vtk_rows(data, repeats):
    """VTK through pyvista: depth with ids as flat colours without light; RGB and depth, edges plain and smooth."""
    import pyvista  # pyright: ignore[reportMissingImports]
    from vtkmodules.util.numpy_support import vtk_to_numpy  # pyright: ignore[reportMissingImports]
    from vtkmodules.vtkCommonCore import vtkFloatArray, vtkUnsignedCharArray  # pyright: ignore[reportMissingImports]

    width, height = (int(value) for value in data["size"])
    people, frames = data["people"], data["people"].shape[1]
    triangles = np.hstack([np.full((len(data["faces"]), 1), 3), data["faces"]]).ravel()
    rows, depth = [], np.zeros((height, width))
    pixels, buffer = vtkUnsignedCharArray(), vtkFloatArray()
    variants = {
        "depth and ids": 1,
        "RGB without shadows, and depth": 1,
        "RGB without shadows, smooth edges (its default), and depth": 8,
        "RGB with a lamp's shadows and ambient occlusion, and depth": 1,
    }
    for name, samples in variants.items():
        flat = name == "depth and ids"
        start = time.perf_counter()
        pyvista.global_theme.multi_samples = samples
        plotter = pyvista.Plotter(off_screen=True, window_size=(width, height))
        room = pyvista.PolyData(
            data["room_vertices"].astype(np.float32),
            np.hstack([np.full((len(data["room_faces"]), 1), 3), data["room_faces"]]).ravel(),
        )
        ids = np.column_stack([data["room_ids"] % 256, data["room_ids"] // 256, np.zeros(len(data["room_ids"]))])
        room.cell_data["color"] = (ids if flat else 255 * data["room_colors"]).astype(np.uint8)
        plotter.add_mesh(room, scalars="color", rgb=True, lighting=not flat)
        bodies = [pyvista.PolyData(vertices[0].copy(), triangles) for vertices in people]
        for number, body in enumerate(bodies):
            color = (0.0, 0.0, (100 + number) / 255) if flat else PERSON
            plotter.add_mesh(body, color=color, lighting=not flat, smooth_shading=not flat)
        eye, rotation = data["eye"], data["rotation"]
        camera = plotter.camera
        camera.position, camera.focal_point, camera.up = eye, eye + rotation[2], -rotation[1]
        camera.view_angle = float(np.rad2deg(2 * np.arctan(height / 2 / data["focal"])))
        camera.clipping_range = (NEAR, FAR)
        if "ambient" in name:
            middle = (data["room_vertices"].min(axis=0) + data["room_vertices"].max(axis=0)) / 2
            lamp = pyvista.Light(
                position=(*middle[:2], 2.2), focal_point=(*middle[:2], 0.0), positional=True, cone_angle=80
            )
            plotter.add_light(lamp)
            plotter.enable_shadows()
            plotter.enable_ssao(radius=0.5, kernel_size=32)
        plotter.show(auto_close=False, interactive=False)
        camera.clipping_range = (NEAR, FAR)
        setup = time.perf_counter() - start

        def draw(frame, plotter=plotter, bodies=bodies, flat=flat):
            for body, vertices in zip(bodies, people, strict=True):
                body.points = vertices[frame]
                if not flat:
                    body.compute_normals(cell_normals=False, split_vertices=False, inplace=True)
            plotter.render()
            # Straight from the window: pyvista's own ways of reading a picture draw it again.
            window, corner = plotter.render_window, (0, 0, width - 1, height - 1)
            window.GetRGBACharPixelData(*corner, 0, pixels)
            window.GetZbufferData(*corner, buffer)
            reach = vtk_to_numpy(buffer).reshape(height, width)[::-1]
            near, far = plotter.camera.clipping_range
            return vtk_to_numpy(pixels), near * far / (far - reach * (far - near))

        speed = rate(draw, frames, repeats)
        rows.append((f"VTK (pyvista): {name}", setup, speed))
        if flat:
            depth = draw(0)[1]
        plotter.close()
    return rows, depth


def pyrender_rows(data, repeats):
    """pyrender: RGB and depth; and depth with ids through its flat segmentation pass."""
    os.environ["PYOPENGL_PLATFORM"] = "egl"
    import pyrender  # pyright: ignore[reportMissingImports]
    import trimesh

    width, height = (int(value) for value in data["size"])
    people, frames, faces = data["people"], data["people"].shape[1], data["faces"]
    start = time.perf_counter()
    scene = pyrender.Scene(ambient_light=(0.3, 0.3, 0.3))
    nodes = {}
    for number in np.unique(data["room_ids"]):
        chosen = data["room_ids"] == number
        colors = np.column_stack([255 * data["room_colors"][chosen], np.full(chosen.sum(), 255)]).astype(np.uint8)
        part = trimesh.Trimesh(data["room_vertices"], data["room_faces"][chosen], face_colors=colors, process=False)
        nodes[scene.add(pyrender.Mesh.from_trimesh(part, smooth=False))] = (int(number) % 256, int(number) // 256, 0)
    pose = np.eye(4)
    # OpenGL looks backwards with y up.
    pose[:3, :3], pose[:3, 3] = data["rotation"].T * [1, -1, -1], data["eye"]
    focal = float(data["focal"])
    scene.add(pyrender.IntrinsicsCamera(focal, focal, width / 2, height / 2, znear=NEAR, zfar=FAR), pose=pose)
    scene.add(pyrender.PointLight(intensity=20.0), pose=pose)
    renderer = pyrender.OffscreenRenderer(width, height)
    setup = time.perf_counter() - start

    def draw(frame, flat):
        moving = []
        for number, vertices in enumerate(people):
            body = trimesh.Trimesh(vertices[frame], faces, process=False)
            node = scene.add(pyrender.Mesh.from_trimesh(body, smooth=True))
            nodes[node] = (0, 0, 100 + number)
            moving.append(node)
        flags = pyrender.RenderFlags.SEG if flat else pyrender.RenderFlags.NONE
        color, depth = renderer.render(scene, flags=flags, seg_node_map=nodes if flat else None)
        for node in moving:
            scene.remove_node(node)
            del nodes[node]
        return color, depth

    rows = [
        ("pyrender: depth and ids", setup, rate(lambda frame: draw(frame, True), frames, repeats)),
        ("pyrender: RGB without shadows, and depth", setup, rate(lambda frame: draw(frame, False), frames, repeats)),
    ]
    return rows, draw(0, True)[1]


def main():
    """Time one peer."""
    name, scene, repeats, depth_file = sys.argv[1:]
    with np.load(scene) as archive:
        data = dict(archive)
    rows, depth = (vtk_rows if name == "vtk" else pyrender_rows)(data, int(repeats))
    np.save(depth_file, depth)
    sys.stdout.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
