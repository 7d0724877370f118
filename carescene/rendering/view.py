"""One plain view of the people of a clip on a floor: the picture a newcomer sees first.

Open3D's ray casting does the geometry, so no graphics card and no window system is needed. To stay quick on two cores
the empty floor is drawn once, rays are sent only where the people are, and only outlines are smoothed by extra rays.
"""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.humans.body import Body, load_body
from carescene.humans.rotations import rotvec_to_matrix
from carescene.rendering.camera import Camera, frame_motion
from carescene.rendering.floor import Floor, cast_shadow, draw_floor, lay_shadow
from carescene.rendering.lighting import Lighting, light_from_behind_camera, to_srgb
from carescene.rendering.mesh import Surface, cast, hit_color, join_surfaces, vertex_normals
from carescene.rendering.people import pose_people
from carescene.rendering.raycast import build_caster
from carescene.rendering.wardrobe import dress_clip

# A quarter-pixel grid turned by half a cell: with the pixel's centre five rays smooth an outline.
_OUTLINE_OFFSETS = np.array([[-0.125, -0.375], [0.375, -0.125], [0.125, 0.375], [-0.375, 0.125]])


@dataclass(frozen=True)
class Stage:
    """What stays the same in all pictures of one clip."""

    camera: Camera
    lighting: Lighting
    floor: Floor
    surface: Surface


def render_clip(
    clip: Clip,
    *,
    body: Body | None = None,
    width: int = 384,
    height: int = 384,
    fps: float | None = None,
    camera: Camera | None = None,
    workers: int = 2,
    seed: int = 0,
    on_frame: Callable[[], object] | None = None,
) -> UInt8[np.ndarray, "frame height width 3"]:
    """Pictures (sRGB, 8 bit) of every person of a clip on the floor z = 0.

    Args:
        clip: metres, z up. Frames in which a person is not valid leave that person out.
        body: body model; None takes the bundled one.
        fps: pictures per second; None keeps the clip's own rate. The nearest frame in time is shown.
        camera: None finds a three-quarter view that keeps the whole motion in the picture.
        workers: pictures drawn at the same time.
        seed: of the people's looks.
        on_frame: called after each finished picture, for progress bars.

    Raises:
        UserError: if nobody is ever visible, or the picture is smaller than 16 x 16.
    """
    if min(width, height) < 16:
        raise UserError(f"Expected a picture of at least 16x16 pixels, but got {width}x{height}. Ask for a larger one.")
    if not clip.valid.any():
        raise UserError(
            f"Clip '{clip.id}': expected at least one person in at least one frame, but `valid` is false everywhere. "
            "There is nobody to draw; check how the clip was made."
        )
    body = body if body is not None else load_body()
    people = pose_people(clip, body)
    wardrobe = dress_clip(clip, body, people.topology, seed=seed)
    vertices = wardrobe.wear(people).vertices
    shown = shown_frames(clip, fps)
    if camera is None:
        camera = frame_motion(_landmarks(vertices, clip.valid), facing(clip), width=width, height=height)
    painters = [outfit.paint for outfit in wardrobe.outfits]
    stage = set_stage(camera, join_surfaces(wardrobe.topology.faces, wardrobe.rest, painters))
    frames = np.empty((len(shown), camera.height, camera.width, 3), dtype=np.uint8)

    def draw(index: int) -> UInt8[np.ndarray, "height width 3"]:
        return render_frame(vertices[:, shown[index]], clip.valid[:, shown[index]], stage)

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for index, picture in enumerate(_in_order(pool, draw, len(shown), ahead=2 * workers)):
            frames[index] = picture
            if on_frame is not None:
                on_frame()
    return frames


def _in_order(
    pool: ThreadPoolExecutor, draw: Callable[[int], np.ndarray], count: int, *, ahead: int
) -> Iterator[np.ndarray]:
    """Results in order, with only a few tasks in flight so that an error or Ctrl-C ends the work soon."""
    indices = iter(range(count))
    waiting = [pool.submit(draw, index) for index in islice(indices, ahead)]
    while waiting:
        picture = waiting.pop(0).result()
        waiting += [pool.submit(draw, index) for index in islice(indices, 1)]
        yield picture


def shown_frames(clip: Clip, fps: float | None) -> Int[np.ndarray, "shown"]:
    """Index of the clip's frame that each picture shows at `fps` pictures per second, the nearest in time."""
    if fps is None or fps == clip.fps:
        return np.arange(clip.num_frames)
    count = max(1, round(clip.seconds * fps))
    return np.minimum(np.round(np.arange(count) * clip.fps / fps).astype(int), clip.num_frames - 1)


def facing(clip: Clip) -> float:
    """Azimuth in radians that the first visible person mostly faces: the pelvis' mean horizontal forward axis."""
    person = int(np.argmax(clip.valid.any(axis=1)))
    roots = torch.from_numpy(clip.poses[person, clip.valid[person], 0]).float()
    forward = rotvec_to_matrix(roots)[:, :2, 2].mean(dim=0).numpy()
    return float(np.arctan2(forward[1], forward[0]))


def set_stage(camera: Camera, surface: Surface) -> Stage:
    """Light and floor for a camera."""
    lighting = light_from_behind_camera(camera.rotation[2])
    return Stage(camera=camera, lighting=lighting, floor=draw_floor(camera, lighting), surface=surface)


def render_frame(
    vertices: Float[np.ndarray, "person vertex 3"], visible: np.ndarray, stage: Stage
) -> UInt8[np.ndarray, "height width 3"]:
    """One picture (sRGB) of the persons marked visible; vertices are those of the dressed people."""
    if not visible.any():
        return _to_bytes(stage.floor.bright)
    surface, mesh = stage.surface, vertices.reshape(-1, 3)
    drawn = surface.faces[np.repeat(visible, len(surface.faces) // len(visible))]
    raycaster = build_caster(mesh, drawn)
    surface = surface if visible.all() else _only(surface, drawn)
    shown = mesh.reshape(vertices.shape)[visible].reshape(-1, 3)
    shadow = cast_shadow(shown, raycaster, stage.lighting)
    picture = lay_shadow(stage.floor, shadow)
    normals = vertex_normals(mesh, stage.surface)

    def look(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        hits = cast(raycaster, stage.camera, pixels)
        color, garment = hit_color(mesh, normals, surface, hits, raycaster, stage.lighting)
        return hits.found, color, garment

    left, top, right, bottom = _box(shown, stage.camera)
    if right > left and bottom > top:
        x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
        centres = np.stack([x, y], axis=-1)
        patch = picture[top:bottom, left:right]
        found, color, garment = look(centres.reshape(-1, 2))
        region = np.full(found.shape, -1)
        region[found] = garment
        region, found = region.reshape(x.shape), found.reshape(x.shape)
        plain = patch.copy()
        patch[found] = color
        _smooth_outlines(patch, plain, centres, region, look)
    return _to_bytes(picture)


def _smooth_outlines(
    patch: np.ndarray,
    plain: np.ndarray,
    centres: np.ndarray,
    region: np.ndarray,
    look: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    """Average extra rays, in place, in pixels where the figure, or a garment, begins or ends."""
    edge = np.zeros(region.shape, dtype=bool)
    for axis in (0, 1):
        change = np.diff(region, axis=axis) != 0
        before, after = [(0, 1), (0, 0)], [(1, 0), (0, 0)]
        if axis == 1:
            before, after = before[::-1], after[::-1]
        edge |= np.pad(change, before) | np.pad(change, after)
    if not edge.any():
        return
    pixels = centres[edge][:, None] + _OUTLINE_OFFSETS
    found, color, _ = look(pixels.reshape(-1, 2))
    samples = np.repeat(plain[edge][:, None], len(_OUTLINE_OFFSETS), axis=1).reshape(-1, 3)
    samples[found] = color
    extra = samples.reshape(-1, len(_OUTLINE_OFFSETS), 3).sum(axis=1)
    patch[edge] = (patch[edge] + extra) / (1 + len(_OUTLINE_OFFSETS))


def _only(surface: Surface, faces: np.ndarray) -> Surface:
    return dataclasses.replace(surface, faces=faces)


def _box(points: Float[np.ndarray, "point 3"], camera: Camera) -> tuple[int, int, int, int]:
    """Left, top, right and bottom pixel of a box around points; the whole picture where some are beside the eye."""
    pixels, depth = camera.project(points)
    if depth.min() < 0.05:
        return 0, 0, camera.width, camera.height
    low, high = np.floor(pixels.min(axis=0)).astype(int) - 1, np.ceil(pixels.max(axis=0)).astype(int) + 1
    left, top = np.clip(low, 0, [camera.width, camera.height])
    right, bottom = np.clip(high, 0, [camera.width, camera.height])
    return int(left), int(top), int(right), int(bottom)


def _landmarks(
    vertices: Float[np.ndarray, "person frame vertex 3"], valid: np.ndarray
) -> Float[np.ndarray, "frame point 3"]:
    """The corners of a box around everybody in every frame that shows somebody."""
    corners = []
    for frame in np.flatnonzero(valid.any(axis=0)):
        points = vertices[valid[:, frame], frame].reshape(-1, 3)
        ends = np.stack([points.min(axis=0), points.max(axis=0)])
        corners.append([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    return np.array(corners)


def _to_bytes(linear: Float[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    return np.round(255 * to_srgb(linear)).astype(np.uint8)
