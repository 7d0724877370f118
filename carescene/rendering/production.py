"""From a clip file to rendered items: its room, its place in it, its light, its cameras, all drawn from one seed."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from carescene import __version__
from carescene.clips.clip import Clip
from carescene.clips.files import load_clip
from carescene.clips.rendered import CARD_NAME, item_name, load_card
from carescene.errors import UserError
from carescene.humans.body import Body, load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import Camera
from carescene.rendering.camera_presets import check_camera, place_camera
from carescene.rendering.film import FilmSettings, film, film_times
from carescene.rendering.film_set import FilmSet
from carescene.rendering.lights import LIGHTS
from carescene.rendering.people import PosedPeople
from carescene.scenes.generator import generate_scene
from carescene.scenes.placement import place_clip
from carescene.scenes.scene import Scene
from carescene.scenes.scene_files import load_scene, scene_from_dict, scene_to_dict

OWN_SCENE: Final = "clip"
SAMPLED: Final = "sample"

# Shares of sampled light: half of a day is day; dim evenings and nights share the rest.
_LIGHT_SHARES: Final = (0.5, 0.25, 0.25)
# Rooms tried for a clip that fits nowhere in the first.
_ROOMS: Final = 6
# Moments of a clip, and joints, that a preset camera is placed to see.
_MOMENTS: Final = 8
_WATCHED: Final = tuple(
    JOINT[name] for name in ("head", "pelvis", "left_wrist", "right_wrist", "left_knee", "right_knee")
)


@dataclass(frozen=True)
class Production:
    """What was asked for, the same for all clips.

    Attributes:
        out: folder of items.
        scene: preset of the rooms, `OWN_SCENE` for each clip's own, or the name of `room`.
        room: one room for all clips, with `room_folder`, to which its meshes are relative.
        cameras: presets, or cameras themselves.
        settings: of every film.
        width, height: of pictures of preset cameras.
        light: one of `LIGHTS`, or `SAMPLED` for one per clip.
        seed: from which, with the clip's id, all chance is drawn.
        views: cameras per preset.
        body: SMPL file, None for the bundled body.
        overwrite: whether items made with other settings are made anew.
        show_pictures: whether to show a progress bar of every film.
    """

    out: Path
    scene: str
    cameras: tuple[str | Camera, ...]
    settings: FilmSettings
    room: Scene | None = None
    room_folder: Path | None = None
    width: int = 320
    height: int = 240
    light: str = "day"
    seed: int = 0
    views: int = 1
    body: Path | None = None
    overwrite: bool = False
    show_pictures: bool = False


@dataclass(frozen=True)
class Item:
    """One item to be made: its folder, its camera, and the number of the view."""

    folder: Path
    camera: str | Camera
    view: int


def items_of(clip_path: Path, production: Production) -> list[Item]:
    """The items that a clip becomes: one per camera and view."""
    items = []
    for camera in production.cameras:
        fixed = isinstance(camera, Camera)
        name = camera.name if isinstance(camera, Camera) else camera
        for view in range(1 if fixed else production.views):
            items.append(Item(production.out / item_name(clip_path.stem, name, view), camera, view))
    return items


def left_to_do(clip_path: Path, production: Production) -> list[Item]:
    """The items of a clip that are not there yet.

    Raises:
        UserError: if one is there that was made with other settings, unless it may be overwritten.
    """
    items = []
    for item in items_of(clip_path, production):
        if not (item.folder / CARD_NAME).is_file():
            items.append(item)
            continue
        differing = _differing(item, asked_for(clip_path, item, production))
        if differing and not production.overwrite:
            raise UserError(
                f"Expected '{item.folder.name}' to be absent or made with the same settings, but it is there with "
                f"other {', '.join(differing)}. Choose another --out, or make it anew with --overwrite true."
            )
        if differing:
            items.append(item)
    return items


def produce(clip_path: Path, production: Production) -> list[str]:
    """Make the items of one clip that are not there yet, and return their names.

    Raises:
        UserError: if the clip is damaged, fits into no room, a camera is not in the room, or writing fails.
    """
    items = left_to_do(clip_path, production)
    clip = load_clip(clip_path)
    body = _body(production.body)
    seed = seed_of(production.seed, clip.id)
    clip, room, folder = stage_clip(clip, clip_path.parent, production, seed)
    light = sample_light(seed) if production.light == SAMPLED else production.light
    stage = FilmSet.of(clip, room, body, light=light, seed=seed, folder=folder)
    for item in items:
        view_seed = seed_of(production.seed, clip.id, item.folder.name)
        camera = _camera(item, stage, production, view_seed)
        asked = asked_for(clip_path, item, production)
        with _picture_bar(item, clip, production) as progress:
            film(stage, camera, production.settings, item.folder, seed=view_seed, asked=asked, progress=progress)
    return [item.folder.name for item in items]


@contextmanager
def _picture_bar(item: Item, clip: Clip, production: Production) -> Iterator[Callable[[], object] | None]:
    # Not even a hidden bar where none is shown: its lock would be left over when a worker process is ended.
    if not production.show_pictures:
        yield None
        return
    count = len(film_times(clip.seconds, production.settings.fps))
    with tqdm(total=count, desc=item.folder.name, unit="picture", leave=False, dynamic_ncols=True) as bar:
        yield bar.update


def stage_clip(clip: Clip, clip_folder: Path, production: Production, seed: int) -> tuple[Clip, Scene, Path | None]:
    """The clip in its room, the room, and the folder of the room's meshes.

    A clip's own room is taken as it is, with the people where they are. Into a given room the clip is placed; of a
    preset, rooms are made until one has a place for it.

    Raises:
        UserError: if the clip has no room of its own, or fits into none.
    """
    if production.scene == OWN_SCENE:
        return clip, *own_scene(clip, clip_folder)
    if production.room is not None:
        folder = production.room_folder
        return *place_clip(clip, production.room, seed=seed, folder=folder), folder
    reason = UserError("")
    for attempt in range(_ROOMS):
        room = generate_scene(production.scene, seed_of(seed, attempt))
        try:
            return *place_clip(clip, room, seed=seed), None
        except UserError as error:
            reason = error
    raise UserError(f"{reason} {_ROOMS} rooms of this kind were tried.") from reason


def own_scene(clip: Clip, clip_folder: Path) -> tuple[Scene, Path]:
    """The room that a clip names or holds.

    Raises:
        UserError: if it has none, or the room is not valid.
    """
    if clip.scene is None:
        raise UserError(
            f"Clip '{clip.id}': expected a room of its own, but it has none. "
            "Name one with --scene, such as ward_single."
        )
    if isinstance(clip.scene, str):
        path = clip_folder / clip.scene
        return load_scene(path), path.parent
    return scene_from_dict(clip.scene, f"the scene of clip '{clip.id}'", clip_folder), clip_folder


def seed_of(*parts: object) -> int:
    """A seed from 0 to 2^31 - 1 out of numbers and names, the same on every machine and in every process."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def sample_light(seed: int) -> str:
    """One of `LIGHTS` by chance: half of the clips by day, the others in dim light or at night."""
    return str(np.random.default_rng([seed, 11]).choice(LIGHTS, p=_LIGHT_SHARES))


def asked_for(clip_path: Path, item: Item, production: Production) -> dict[str, Any]:
    """Everything that decides what an item shows, as it is kept in its card."""
    camera = item.camera if isinstance(item.camera, str) else item.camera.to_dict()
    room = production.scene if production.room is None else scene_to_dict(production.room)
    settings = dataclasses.asdict(production.settings)
    npz = clip_path.with_suffix(".npz")
    # The npz' size stands for its content: reading a million of them would take longer than the check is worth.
    clip = hashlib.blake2b(clip_path.read_bytes() + str(npz.stat().st_size).encode(), digest_size=8).hexdigest()
    asked = {
        "version": __version__,
        "clip": clip,
        "scene": room,
        "camera": camera,
        "size": [production.width, production.height],
        "light": production.light,
        "seed": production.seed,
        "body": None if production.body is None else production.body.name,
        **settings,
        "modalities": sorted(production.settings.modalities),
    }
    return json.loads(json.dumps(asked))


def watched_points(people: PosedPeople, moments: int) -> Float[np.ndarray, "point 3"]:
    """Joints of everybody who is there, at so many moments spread over the clip."""
    frames = np.unique(np.linspace(0, people.valid.shape[1] - 1, moments).round().astype(int))
    joints = people.joints[:, frames][:, :, list(_WATCHED)]
    return joints[people.valid[:, frames]].reshape(-1, 3)


def _camera(item: Item, stage: FilmSet, production: Production, seed: int) -> Camera:
    if isinstance(item.camera, Camera):
        return check_camera(item.camera, stage.scene, folder=stage.folder)
    return place_camera(
        item.camera,
        stage.scene,
        seed=seed,
        width=production.width,
        height=production.height,
        people=watched_points(stage.people, _MOMENTS),
        folder=stage.folder,
        sight=stage.sight,
    )


def _differing(item: Item, asked: dict[str, Any]) -> list[str]:
    """Names of settings in which an item's card differs from what is asked for."""
    try:
        made = load_card(item.folder).settings
    except UserError:
        return ["schema"]
    return [name for name in asked if made.get(name) != asked[name]]


@lru_cache(maxsize=1)
def _body(path: Path | None) -> Body:
    return load_body(path)
