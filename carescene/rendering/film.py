"""Filming a clip in a room: every film asked for, the labels, and last the card, streamed picture by picture."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from carescene import __version__
from carescene.clips.files import save_clip
from carescene.clips.rendered import MODALITY_FILES, SCENE_NAME, Card, label_name, main_label, save_card, save_labels
from carescene.errors import UserError
from carescene.files import atomic_folder
from carescene.rendering.camera import Camera
from carescene.rendering.draw import Drawn
from carescene.rendering.film_set import FilmSet
from carescene.rendering.gbuffer import NOTHING, PERSON_BASE, GBuffer
from carescene.rendering.keypoint_file import write_film_keypoints
from carescene.rendering.labels import LabelWriter, film_events
from carescene.rendering.overlay import depth_picture, draw_labels, labelled, row_width, side_by_side
from carescene.rendering.painter import Painter
from carescene.rendering.people import PeopleFrame
from carescene.rendering.sensing import auto_gain, average, build_chip, moments
from carescene.rendering.sensors import SENSORS, Sensor
from carescene.rendering.video import DEPTH, GRAY, RGB, Coding, FrameWriter, h264, open_video
from carescene.scenes.scene_files import save_scene

MODALITIES: Final = tuple(MODALITY_FILES)
# Those made from the colour picture; with infrared, those that need light, clothes and shadow rays.
_COLORED: Final = ("rgb", "overlay", "preview")
_PAINTED: Final = (*_COLORED, "nir")
# Masks and normals do not pass through a sensor.
_EXACT: Final = ("silhouette", "instances", "parts", "normals")
# Lossless films of numbers; the others are lossy films for eyes and networks.
_CODINGS: Final[dict[str, Coding]] = {"depth": DEPTH, "normals": RGB} | dict.fromkeys(_EXACT[:3], GRAY)


@dataclass(frozen=True)
class FilmSettings:
    """How a film is made, whatever clip and camera.

    Attributes:
        modalities: what is written, out of `MODALITIES`.
        fps: pictures per second, 1 to 30; 15 is usual for ward cameras, and enough for the fastest fall.
        sensor: noise, gain, blur and compression of the camera; without it pictures are exact.
    """

    modalities: tuple[str, ...] = ("rgb", "depth", "nir", "silhouette", "keypoints")
    fps: float | int = 15
    sensor: Sensor = field(default_factory=Sensor)

    def __post_init__(self) -> None:
        unknown = [name for name in self.modalities if name not in MODALITIES]
        if unknown or not self.modalities:
            raise UserError(
                f"Expected modalities out of {', '.join(MODALITIES)}, but got '{', '.join(unknown)}'. "
                "Separate several by commas."
            )
        if not 1 <= self.fps <= 30:
            raise UserError(f"Expected 1 to 30 pictures per second, but got {self.fps}. 15 is usual.")


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
    clip = stage.clip
    times = film_times(clip.seconds, settings.fps)
    labels = LabelWriter(clip, times, camera, stage.models)
    shoot = _Shoot(stage, camera, settings, labels, seed)
    with atomic_folder(folder) as part:
        with ExitStack() as open_files:
            writers = {name: open_files.enter_context(shoot.open(name, part)) for name in shoot.films}
            for index, time_s in enumerate(times.tolist()):
                for name, picture in shoot.pictures(index, time_s).items():
                    writers[name].write(picture)
                if progress is not None:
                    progress()
        save_labels(labels.labels, part)
        if "keypoints" in settings.modalities:
            write_film_keypoints(part / MODALITY_FILES["keypoints"], folder.name, labels, camera)
        save_clip(dataclasses.replace(clip, cameras=[camera.to_dict()], scene=SCENE_NAME), part)
        save_scene(stage.scene, part / SCENE_NAME, meshes=stage.folder)
        save_card(_card(stage, camera, settings, labels, folder.name, seed, asked), part)
    return folder


class _Shoot:
    """One camera at work: everything that is made once for a film, and its pictures one by one."""

    def __init__(self, stage: FilmSet, camera: Camera, settings: FilmSettings, labels: LabelWriter, seed: int) -> None:
        self._stage, self._settings, self._labels = stage, settings, labels
        self.films = [name for name in settings.modalities if name != "keypoints"]
        self._view = stage.view(camera)
        painted = any(name in _PAINTED for name in self.films)
        self._painter = stage.painter(self._view) if painted else None
        self._chip = build_chip(settings.sensor, camera, seed=seed)
        # Automatic gain, taken from the first picture and kept.
        self._gains: dict[str, float] = {}

    def open(self, name: str, folder: Path) -> AbstractContextManager[FrameWriter]:
        """A writer of one modality's film."""
        camera = self._view.camera
        width = row_width(3, camera.width) if name == "preview" else camera.width
        coding = _CODINGS[name] if name in _CODINGS else h264(crf=self._settings.sensor.crf)
        return open_video(folder / MODALITY_FILES[name], self._settings.fps, width, camera.height, coding)

    def pictures(self, index: int, time_s: float) -> dict[str, np.ndarray]:
        """Picture `index` in every modality; its labels go to the label writer."""
        # With motion blur the moments of the exposure are painted instead, and this one is for exact numbers alone.
        shadows = self._painter is not None and not self._blurred
        drawn, people = self._stage.draw(self._view, time_s, shadows=shadows)
        buffer, films = drawn.buffer, self.films
        self._labels.add(index, buffer, drawn.full_pixels, people)
        made: dict[str, np.ndarray] = {
            name: numbers(name, buffer, self._view.camera) for name in films if name in _EXACT
        }
        if "depth" in films or "preview" in films:
            made["depth"] = self._chip.depth(buffer.depth, buffer.normal, index)
        if self._painter is not None:
            made |= self._painted(self._painter, index, time_s, drawn, people, made)
        return {name: made[name] for name in films}

    def _painted(
        self,
        painter: Painter,
        index: int,
        time_s: float,
        drawn: Drawn,
        people: PeopleFrame,
        made: dict[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        exposed = [(drawn, people)]
        if self._blurred:
            times = moments(time_s, self._settings.fps, self._settings.sensor).tolist()
            exposed = [self._stage.draw(self._view, time, shadows=True) for time in times]
        if "nir" in self.films:
            light = average([painter.infrared(*moment) for moment in exposed])
            gain = self._gains.setdefault("nir", auto_gain(light, self._settings.sensor.infrared))
            made["nir"] = np.repeat(self._chip.infrared(light, index, gain=gain)[..., None], 3, axis=2)
        if any(name in self.films for name in _COLORED):
            light = average([painter.rgb(*moment) for moment in exposed])
            gain = self._gains.setdefault("rgb", auto_gain(light, self._settings.sensor.color))
            made["rgb"] = self._chip.color(light, index, gain=gain)
        if "overlay" in self.films or "preview" in self.films:
            words = labelled(self._labels.labels, self._stage.clip.persons, index)
            made["overlay"] = draw_labels(made["rgb"], words, time_s)
        if "preview" in self.films:
            colors = depth_picture(made["depth"] / 1000, *self._depth_range)
            made["preview"] = side_by_side([made["rgb"], colors, made["overlay"]], ["RGB", "depth", "labels"])
        return made

    @property
    def _blurred(self) -> bool:
        return self._settings.sensor.blur > 1

    @cached_property
    def _depth_range(self) -> tuple[float, float]:
        """Nearest and farthest depth of the empty room but for its extremes: one range for all pictures of a film."""
        depth = self._view.buffer.depth
        low, high = np.percentile(depth[np.isfinite(depth)], [1, 99])
        # People may come nearer than the room.
        return 0.8 * float(low), float(high)


def numbers(name: str, buffer: GBuffer, camera: Camera) -> np.ndarray:
    """One picture of an exact modality as it is stored; see `carescene.clips.rendered` for what the numbers mean."""
    person = buffer.instance >= PERSON_BASE
    if name == "silhouette":
        return np.where(person, 255, 0).astype(np.uint8)
    if name == "instances":
        return np.where(person, buffer.instance - PERSON_BASE + 1, 0).astype(np.uint8)
    if name == "parts":
        return np.where(person, buffer.part, 0).astype(np.uint8)
    assert name == "normals", "every exact modality is handled above"
    seen = np.round((buffer.normal @ camera.rotation.T + 1) / 2 * 255)
    return np.where((buffer.instance != NOTHING)[..., None], seen, 0).astype(np.uint8)


def _sensor_name(sensor: Sensor) -> str:
    """The preset that a sensor is, whatever its blur and coarseness; "own" for others."""
    for name, preset in SENSORS.items():
        if dataclasses.replace(preset, blur=sensor.blur, crf=sensor.crf) == sensor:
            return name
    return "own"


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
        sensor={"name": _sensor_name(settings.sensor)} | settings.sensor.to_dict(),
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
