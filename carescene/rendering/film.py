"""Filming a clip in a room: every film asked for, the labels, and last the card, streamed picture by picture."""

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, UInt8

from carescene import __version__
from carescene.clips.files import save_clip
from carescene.clips.rendered import MODALITY_FILES, SCENE_NAME, Card, label_name, main_label, save_card, save_labels
from carescene.errors import UserError
from carescene.files import atomic_folder
from carescene.rendering.camera import Camera
from carescene.rendering.draw import draw_buffer
from carescene.rendering.film_set import FilmSet
from carescene.rendering.gbuffer import NOTHING, PERSON_BASE, GBuffer
from carescene.rendering.keypoint_file import write_film_keypoints
from carescene.rendering.labels import LabelWriter, film_events
from carescene.rendering.lighting import to_srgb
from carescene.rendering.overlay import depth_picture, draw_labels, labelled, row_width, side_by_side
from carescene.rendering.painter import Painter
from carescene.rendering.room_view import RoomView
from carescene.rendering.video import DEPTH, GRAY, RGB, Coding, FrameWriter, depth_to_millimetres, h264, open_video
from carescene.scenes.scene_files import save_scene

MODALITIES: Final = tuple(MODALITY_FILES)
# Those that need light and clothes, and with them shadow rays.
_PAINTED: Final = ("rgb", "nir", "overlay", "preview")
# Lossless films of numbers; the others are lossy films for eyes and networks.
_CODINGS: Final[dict[str, Coding]] = {
    "depth": DEPTH,
    "silhouette": GRAY,
    "instances": GRAY,
    "parts": GRAY,
    "normals": RGB,
}
# Share of the time between two pictures during which the shutter is open: half, as film cameras have it.
_SHUTTER: Final = 0.5


@dataclass(frozen=True)
class FilmSettings:
    """How a film is made, whatever clip and camera.

    Attributes:
        modalities: what is written, out of `MODALITIES`.
        fps: pictures per second, 1 to 30; 15 is usual for ward cameras, and enough for the fastest fall.
        blur: moments averaged in one picture, for motion blur; 1 is none.
        crf: coarseness of lossy films, 0 to 51; 23 is x264's own choice.
    """

    modalities: tuple[str, ...] = ("rgb", "depth", "nir", "silhouette", "keypoints")
    fps: float | int = 15
    blur: int = 1
    crf: int = 23

    def __post_init__(self) -> None:
        unknown = [name for name in self.modalities if name not in MODALITIES]
        if unknown or not self.modalities:
            raise UserError(
                f"Expected modalities out of {', '.join(MODALITIES)}, but got '{', '.join(unknown)}'. "
                "Separate several by commas."
            )
        if not 1 <= self.fps <= 30:
            raise UserError(f"Expected 1 to 30 pictures per second, but got {self.fps}. 15 is usual.")
        if not 1 <= self.blur <= 16:
            raise UserError(f"Expected 1 to 16 moments for motion blur, but got {self.blur}. 4 is usual, 1 is none.")
        if not 0 <= self.crf <= 51:
            raise UserError(f"Expected a crf from 0 to 51, but got {self.crf}. 23 is usual; larger is coarser.")


def film_times(seconds: float, fps: float | int) -> Float[np.ndarray, "frame"]:
    """When the pictures of a film are taken, seconds from its beginning; at least one."""
    return np.arange(max(1, round(seconds * fps))) / fps


def film(
    stage: FilmSet,
    camera: Camera,
    settings: FilmSettings,
    folder: Path,
    *,
    seed: int = 0,
    asked: dict[str, Any] | None = None,
    progress: Callable[[], object] | None = None,
) -> Path:
    """Film a clip with one camera into an item's folder (see `carescene.clips.rendered`), and return the folder.

    Pictures go to disk one by one. The folder appears when all is written, and takes the place of one that is there.

    Args:
        stage: the clip in its room; give the same to all cameras of a clip.
        camera: its picture must be at least 16 x 16.
        folder: its name becomes the item's.
        seed: of the sensor's noise.
        asked: what the user asked for, kept in the card so that a rerun can tell whether it asks for the same.
        progress: called after every picture.

    Raises:
        UserError: for a picture that is too small, or a folder that cannot be written.
    """
    if min(camera.width, camera.height) < 16:
        raise UserError(
            f"Expected a picture of at least 16x16 pixels, but got {camera.width}x{camera.height}. "
            "Ask for a larger one."
        )
    clip, modalities = stage.clip, settings.modalities
    times = film_times(clip.seconds, settings.fps)
    view = RoomView.cast(stage.mesh, camera)
    painter = stage.painter(view) if any(name in modalities for name in _PAINTED) else None
    labels = LabelWriter(clip, times, camera, stage.models)
    with atomic_folder(folder) as part:
        with ExitStack() as open_files:
            writers = {
                name: open_files.enter_context(
                    open_video(part / file, settings.fps, _width(name, camera), camera.height, _coding(name, settings))
                )
                for name, file in MODALITY_FILES.items()
                if name in modalities and name != "keypoints"
            }
            for index, time_s in enumerate(times.tolist()):
                _film_one(stage, view, painter, settings, time_s, index, labels, writers)
                if progress is not None:
                    progress()
        save_labels(labels.labels, part)
        if "keypoints" in modalities:
            write_film_keypoints(part / MODALITY_FILES["keypoints"], folder.name, labels, camera)
        clip = dataclasses.replace(clip, cameras=[camera.to_dict()], scene=SCENE_NAME)
        save_clip(clip, part)
        save_scene(stage.scene, part / SCENE_NAME, meshes=stage.folder)
        save_card(_card(stage, camera, settings, labels, folder.name, seed, asked), part)
    return folder


def _coding(name: str, settings: FilmSettings) -> Coding:
    return _CODINGS[name] if name in _CODINGS else h264(crf=settings.crf)


def _width(name: str, camera: Camera) -> int:
    return row_width(3, camera.width) if name == "preview" else camera.width


def _depth_range(view: RoomView) -> tuple[float, float]:
    """Nearest and farthest depth of the empty room but for its extremes: one range for all pictures of a film."""
    low, high = np.percentile(view.buffer.depth[np.isfinite(view.buffer.depth)], [1, 99])
    return float(low) * 0.8, float(high)


def _film_one(
    stage: FilmSet,
    view: RoomView,
    painter: Painter | None,
    settings: FilmSettings,
    time_s: float,
    index: int,
    labels: LabelWriter,
    writers: dict[str, FrameWriter],
) -> None:
    people = stage.people.at(time_s)
    drawn = draw_buffer(view, people, shadows=painter is not None)
    labels.add(index, drawn.buffer, drawn.full_pixels, people)
    for name, writer in writers.items():
        if name not in _PAINTED:
            writer.write(numbers(name, drawn.buffer, view.camera))
    if painter is None:
        return
    moments = [(drawn, people)]
    for offset in _shutter_offsets(settings):
        then = stage.people.at(time_s + offset)
        moments.append((draw_buffer(view, then), then))
    if any(name in writers for name in ("rgb", "overlay", "preview")):
        picture = _bytes(np.mean([painter.rgb(*moment) for moment in moments], axis=0))
        marked = draw_labels(picture, labelled(labels.labels, stage.clip.persons, index), time_s)
        if "rgb" in writers:
            writers["rgb"].write(picture)
        if "overlay" in writers:
            writers["overlay"].write(marked)
        if "preview" in writers:
            colored = depth_picture(drawn.buffer.depth, *_depth_range(view))
            writers["preview"].write(side_by_side([picture, colored, marked], ["RGB", "depth", "labels"]))
    if "nir" in writers:
        gray = np.mean([painter.infrared(*moment) for moment in moments], axis=0)
        writers["nir"].write(np.repeat(_bytes(gray)[..., None], 3, axis=2))


def _shutter_offsets(settings: FilmSettings) -> list[float]:
    """Seconds from a picture's own moment to the others at which the open shutter sees."""
    steps = (np.arange(settings.blur) - (settings.blur - 1) / 2) / settings.blur
    middle = int(np.argmin(np.abs(steps)))
    return (np.delete(steps, middle) * _SHUTTER / settings.fps).tolist()


def numbers(name: str, buffer: GBuffer, camera: Camera) -> np.ndarray:
    """One picture of a lossless modality as it is stored; see `carescene.clips.rendered` for what the numbers mean."""
    person = buffer.instance >= PERSON_BASE
    if name == "depth":
        return depth_to_millimetres(buffer.depth)
    if name == "silhouette":
        return np.where(person, 255, 0).astype(np.uint8)
    if name == "instances":
        return np.where(person, buffer.instance - PERSON_BASE + 1, 0).astype(np.uint8)
    if name == "parts":
        return np.where(person, buffer.part, 0).astype(np.uint8)
    assert name == "normals", "every lossless modality is handled above"
    seen = np.round((buffer.normal @ camera.rotation.T + 1) / 2 * 255)
    return np.where((buffer.instance != NOTHING)[..., None], seen, 0).astype(np.uint8)


def _bytes(linear: Float[np.ndarray, "height width *channel"]) -> UInt8[np.ndarray, "height width *channel"]:
    return np.round(255 * to_srgb(linear)).astype(np.uint8)


def _card(
    stage: FilmSet,
    camera: Camera,
    settings: FilmSettings,
    labels: LabelWriter,
    name: str,
    seed: int,
    asked: dict[str, Any] | None,
) -> Card:
    clip, shown = stage.clip, labels.labels
    label = main_label(shown.frame_label, shown.visible_fraction > 0)
    frames = len(shown.times)
    return Card(
        id=name,
        clip=clip.id,
        seed=seed,
        version=__version__,
        scene={"id": stage.scene.id, "preset": stage.scene.preset, "seed": stage.scene.seed},
        camera=camera.to_dict(),
        fps=float(settings.fps),
        frames=frames,
        light=stage.light,
        sensor={"blur": settings.blur, "crf": settings.crf},
        modalities={key: MODALITY_FILES[key] for key in settings.modalities},
        persons=clip.persons,
        events=film_events(clip, frames / settings.fps),
        label=label_name(label),
        label_id=label,
        weight=clip.weight,
        source=clip.source,
        generator=clip.generator,
        licence=clip.source.licence if clip.source is not None else None,
        settings=asked or {},
    )
