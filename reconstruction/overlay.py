"""The film in which people check a reconstruction: the input, the bodies over it, and the room from above."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from carescene.clips.clip import Clip
from carescene.clips.rendered import label_name
from carescene.errors import UserError
from carescene.humans.body import Body, load_body
from carescene.rendering.camera import Camera
from carescene.rendering.overlay import Labelled, draw_labels
from carescene.rendering.people import Topology
from carescene.rendering.video import h264, open_video
from carescene.scenes.resting import clip_joints
from carescene.scenes.scene import Scene
from reconstruction.observations import Keypoints
from reconstruction.overlay_map import FloorMap, recent
from reconstruction.overlay_mesh import draw_people, draw_room_edges
from reconstruction.room_carriers import labelled

Picture = UInt8[np.ndarray, "height width 3"]
# What stands for the video where none of its pixels may be shown.
PLAIN: Final = (58, 61, 66)
_GAP: Final = 4
# Bodies posed at once: enough for the matrix products, few enough for the memory.
_CHUNK: Final = 16
_SURE: Final = 0.5


def write_overlay(
    path: Path,
    clip: Clip,
    camera: Camera,
    scene: Scene,
    pictures: Iterable[tuple[float, Picture]] | None,
    *,
    keypoints: Keypoints | None = None,
    trusted: Bool[np.ndarray, "person frame"] | None = None,
    fps: float | int = 10.0,
    panel_height: int = 240,
    blur: Callable[[Picture, float], Picture] | None = None,
    body: Body | None = None,
    progress: Callable[[], object] | None = None,
) -> Path:
    """Write an mp4 of three panels: input with key points, bodies and room over the input, and the view from above.

    Args:
        path: of the mp4.
        clip: reconstructed people; frame 0 is at 0 s.
        camera: recovered; its size is that of the video.
        scene: the room.
        pictures: seconds and picture of the video, in order, at any size and rate at least that of `fps` (others are
            repeated or left out); None for plain ground instead of pixels of the video.
        keypoints: drawn over the input.
        trusted: frames of people to be trusted; the others are red.
        fps: of the film. 10 pictures a second are enough to see whether bodies follow people, at a third of the cost.
        panel_height: of each panel, pixels.
        blur: what to do to every picture before anything else, such as hiding faces.
        body: body model; the bundled one if not given.
        progress: called after each picture of the film.

    Raises:
        UserError: for sizes or rates that are not positive, no picture, or a file that cannot be written.
    """
    if not fps > 0 or panel_height < 32:
        raise UserError(
            f"Expected a positive rate and panels of at least 32 pixels, but got {fps} fps and {panel_height} pixels."
        )
    panel_height = panel_height // 2 * 2
    width = max(2, 2 * round(panel_height * camera.width / camera.height / 2))
    small = shrunk(camera, width, panel_height)
    sure = clip.valid if trusted is None else trusted & clip.valid
    model = body or load_body()
    clip = labelled(clip)
    joints = clip_joints(clip)
    # The camera stands still, and so do the room's edges.
    edges = draw_room_edges(np.zeros((panel_height, width, 3), np.uint8), small, scene)
    edged = edges.any(axis=-1, keepdims=True)
    plan = FloorMap.of(scene, small, max(width, panel_height), panel_height)
    total = 2 * width + max(width, panel_height) + 2 * _GAP
    coding = h264(crf=23, gop=int(max(10, round(float(fps)))))
    with open_video(path, fps, total, panel_height, coding) as film:
        for time, frame, picture, vertices, topology in _moments(
            clip, pictures, fps, model, (width, panel_height), blur
        ):
            there = clip.valid[:, frame]
            left = _with_keypoints(picture, clip, frame, time, keypoints, camera)
            middle = np.where(edged, edges, picture)
            middle = draw_people(middle, small, vertices, topology, there, sure[:, frame])
            std = None if clip.trans_std is None else clip.trans_std[:, frame, :2].astype(np.float64)
            trails = [recent(path_[:, 0, :2], frame, clip.fps) for path_ in joints]
            right = plan.draw(joints[:, frame], trails, std, sure[:, frame])
            doubted = [str(person + 1) for person in np.flatnonzero(there & ~sure[:, frame])]
            note = f"not trusted: {', '.join(doubted)}" if doubted else "reconstruction"
            film.write(_row([_captioned(left, "input"), _captioned(middle, note), _captioned(right, "from above")]))
            if progress is not None:
                progress()
    return path


def shrunk(camera: Camera, width: int, height: int) -> Camera:
    """The same camera with pictures of another size."""
    across, down = width / camera.width, height / camera.height
    shift = (camera.shift[0] * across, camera.shift[1] * down)
    return replace(
        camera,
        focal=camera.focal * across,
        aspect=camera.aspect * down / across,
        shift=shift,
        width=width,
        height=height,
    )


def film_length(clip: Clip, fps: float | int = 10.0) -> int:
    """Number of pictures that the film of a clip has."""
    return max(1, round(clip.seconds * float(fps)))


def _moments(
    clip: Clip,
    pictures: Iterable[tuple[float, Picture]] | None,
    fps: float | int,
    body: Body,
    size: tuple[int, int],
    blur: Callable[[Picture, float], Picture] | None,
) -> Iterator[tuple[float, int, Picture, Float[np.ndarray, "person vertex 3"], Topology]]:
    """Time, frame of the clip, picture and bodies of each moment of the film."""
    times = np.arange(film_length(clip, fps)) / float(fps)
    frames = np.minimum(np.round(times * clip.fps).astype(int), clip.num_frames - 1)
    part = body.lbs_weights.argmax(dim=1).cpu().numpy()
    topology = Topology.of(np.asarray(body.faces.cpu()), part)
    shown = _shown(pictures, times, size, blur)
    for start in range(0, len(times), _CHUNK):
        some = frames[start : start + _CHUNK]
        vertices = _posed(clip, some, body)
        for number, frame in enumerate(some):
            picture = next(shown, None)
            if picture is None:
                return
            yield float(times[start + number]), int(frame), picture, vertices[:, number], topology


def _posed(clip: Clip, frames: np.ndarray, body: Body) -> Float[np.ndarray, "person frame vertex 3"]:
    with torch.inference_mode():
        mesh = body.pose(
            torch.from_numpy(np.nan_to_num(clip.poses[:, frames])).float(),
            torch.from_numpy(np.nan_to_num(clip.trans[:, frames])).float(),
            torch.from_numpy(clip.betas).float()[:, None].expand(-1, len(frames), -1),
        )
    return mesh.vertices.numpy()


def _shown(
    pictures: Iterable[tuple[float, Picture]] | None,
    times: Float[np.ndarray, "time"],
    size: tuple[int, int],
    blur: Callable[[Picture, float], Picture] | None,
) -> Iterator[Picture]:
    """For each time the last picture not after it, at the panel's size; the film ends soon after the pictures do."""
    if pictures is None:
        plain = np.full((size[1], size[0], 3), PLAIN, np.uint8)
        yield from (plain for _ in times)
        return
    source = iter(pictures)
    coming = next(source, None)
    if coming is None:
        return
    current = coming
    ready: tuple[float, Picture] | None = None
    for time in times:
        while coming is not None and coming[0] <= time + 1e-6:
            current, coming = coming, next(source, None)
        if ready is None or ready[0] != current[0]:
            picture = current[1] if blur is None else blur(current[1], current[0])
            ready = current[0], _fitted(picture, size)
        yield ready[1]


def _fitted(picture: Picture, size: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
    return np.asarray(
        Image.fromarray(picture).resize(size, Image.Resampling.BOX if picture.shape[1] > size[0] else None)
    )


def _with_keypoints(
    picture: Picture, clip: Clip, frame: int, time: float, keypoints: Keypoints | None, camera: Camera
) -> Picture:
    if keypoints is None:
        return picture
    moment = int(np.argmin(np.abs(keypoints.times - time)))
    scale = picture.shape[1] / camera.width, picture.shape[0] / camera.height
    people: list[Labelled | None] = []
    for person in range(len(keypoints.pixels)):
        sure = keypoints.confidence[person, moment, :17]
        if not (sure > 0).any():
            people.append(None)
            continue
        points = np.zeros((17, 3))
        points[:, :2] = np.nan_to_num(keypoints.pixels[person, moment, :17]) * scale
        points[:, 2] = np.where(sure <= 0, 0, np.where(sure >= _SURE, 2, 1))
        known = person < clip.num_persons
        label = label_name(int(clip.frame_label[person, frame])) if known else ""
        people.append(Labelled(str(person + 1), label, np.full(4, np.nan), points))
    return draw_labels(picture, people, time)


def _captioned(picture: Picture, caption: str) -> Picture:
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    wide = pen.textlength(caption, font=font) + 8
    pen.rectangle((0, 0, wide, 16), fill=(16, 18, 22))
    pen.text((4, 1), caption, fill=(255, 255, 255), font=font)
    return np.asarray(image)


def _row(panels: list[Picture]) -> UInt8[np.ndarray, "height total 3"]:
    gap = np.full((panels[0].shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1)
