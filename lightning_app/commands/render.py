"""Film clips in rooms, with labels: `lightning render CLIPS --scene S --camera C --modalities M --out DIR`."""

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jsonargparse import ArgumentParser, Namespace

from carescene import UserError

if TYPE_CHECKING:
    # Imported where they are used: `--help` and mistakes in the options must not wait for torch and open3d.
    from carescene.rendering.camera import Camera
    from carescene.rendering.production import Production
    from carescene.scenes import Scene

_SCENE_FILES: Final = (".json", ".yaml", ".yml", ".glb", ".gltf", ".ply", ".obj", ".stl")
# More reasons than this are a wall of text; the first tell what is wrong.
_REASONS_TOLD: Final = 10
# A sheet of more is too large to look at.
_SHEET_ITEMS: Final = 12


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of `lightning render`."""
    parser.add_argument("clips", type=str, help="folder of clips, or one clip (.json or .npz)")
    parser.add_argument(
        "--scene",
        type=str,
        default="clip",
        help="ward_single, ward_two_bed, ward_four_bed, bathroom, corridor or day_room (a new room for every clip), a "
        "scene or mesh file (the same room for all), or clip (the room that each clip has already)",
    )
    parser.add_argument(
        "--camera",
        type=str,
        default="ceiling_corner",
        help="ceiling_corner, wall, over_bed or overhead, or a JSON file of K, distortion, R and eye; several views: "
        "separate by commas",
    )
    parser.add_argument(
        "--modalities",
        type=str,
        default="rgb,depth,nir,silhouette,keypoints",
        help="out of rgb, nir, depth, silhouette, instances, parts, normals, keypoints, overlay (labels drawn "
        "into rgb), preview (rgb, depth and overlay side by side); separated by commas",
    )
    parser.add_argument("--out", type=str, required=True, help="folder to write to; continued if it exists")
    parser.add_argument("--fps", type=float, default=15.0, help="pictures per second, 1 to 30")
    parser.add_argument("--size", type=str, default="320x240", help="width x height in pixels")
    parser.add_argument("--light", type=str, default="day", help="day, dim, night, or sample (one per clip)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, clips and options: the same films")
    parser.add_argument("--views", type=int, default=1, help="cameras per preset and clip")
    parser.add_argument(
        "--sensor", type=str, default="clean", help="clean, cctv, cheap_ip, depth_tof or depth_structured"
    )
    parser.add_argument(
        "--blur", type=int | None, default=None, help="moments averaged in each picture (default: the sensor's)"
    )
    parser.add_argument(
        "--crf", type=int | None, default=None, help="coarseness of mp4, 0 to 51 (default: the sensor's)"
    )
    parser.add_argument("--workers", type=int | None, default=None, help="processes (default: one per core)")
    parser.add_argument("--shard", type=str | None, default=None, help="I/N: this machine's share of the clips")
    parser.add_argument(
        "--overwrite", type=bool, default=False, help="make items anew that were made with other settings"
    )
    parser.add_argument("--body", type=str | None, default=None, help="SMPL body file (default: the bundled free body)")


def run(args: Namespace) -> str:
    """Film what is not there yet, and say in one line what was written where.

    Raises:
        UserError: for bad options, before anything is written; and at the end if a clip could not be filmed, after all
            others were.
    """
    width, height = parse_size(args.size)
    if args.views < 1:
        raise UserError(f"Expected --views of at least 1, but got {args.views}. 1 is one camera per preset.")
    if args.seed < 0:
        raise UserError(f"Expected --seed to be 0 or a positive number, but got {args.seed}. Any will do.")
    source = Path(args.clips)
    header = source.with_suffix(".json") if source.suffix in (".json", ".npz") else Path(f"{source}.json")
    if not source.is_dir() and not header.is_file():
        raise UserError(f"Expected a clip or a folder of clips at '{source}', but there is none. Check the path.")
    from carescene.clips import list_clips
    from carescene.files import writable_folder
    from carescene.jobs import shard, worker_count

    workers = worker_count(args.workers)
    clips = list_clips(source) if source.is_dir() else [header]
    clips = clips if args.shard is None else shard(clips, args.shard)
    production = _production(args, width, height)
    writable_folder(production.out)
    return _render(clips, production, workers)


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from such as 320x240; raises UserError for anything else or below 16 or above 4096."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (16 <= width <= 4096 and 16 <= height <= 4096):
        raise UserError(
            f"Expected --size as WIDTHxHEIGHT of 16 to 4096 pixels each, such as 320x240, but got '{text}'."
        )
    return width, height


def _production(args: Namespace, width: int, height: int) -> "Production":
    from carescene.humans.body import load_body
    from carescene.rendering.film import FilmSettings
    from carescene.rendering.lights import LIGHTS
    from carescene.rendering.production import SAMPLED, Production
    from carescene.rendering.sensors import sensor_named

    chosen = {name: getattr(args, name) for name in ("blur", "crf") if getattr(args, name) is not None}
    sensor = dataclasses.replace(sensor_named(args.sensor), **chosen)
    settings = FilmSettings(tuple(dict.fromkeys(_words(args.modalities))), args.fps, sensor)
    if args.light not in (*LIGHTS, SAMPLED):
        raise UserError(f"Expected --light out of {', '.join(LIGHTS)}, {SAMPLED}, but got '{args.light}'.")
    room = _room(args.scene)
    body = None if args.body is None else Path(args.body)
    # Now rather than in every worker.
    load_body(body)
    return Production(
        out=Path(args.out),
        scene=args.scene if room is None else room.id,
        cameras=_cameras(args.camera, width, height),
        settings=settings,
        room=room,
        room_folder=None if room is None else Path(args.scene).parent,
        width=width,
        height=height,
        light=args.light,
        seed=args.seed,
        views=args.views,
        body=body,
        overwrite=args.overwrite,
    )


def _room(scene: str) -> "Scene | None":
    """The room of a file; None for a preset or the clips' own."""
    from carescene.rendering.production import OWN_SCENE
    from carescene.scenes import PRESETS, load_scene

    if scene == OWN_SCENE or scene in PRESETS:
        return None
    if Path(scene).suffix.lower() not in _SCENE_FILES:
        raise UserError(
            f"Expected --scene to be {OWN_SCENE}, a preset ({', '.join(PRESETS)}) or a scene file, but got '{scene}'. "
            f"Scene files end in {', '.join(_SCENE_FILES)}."
        )
    return load_scene(Path(scene))


def _cameras(text: str, width: int, height: int) -> "tuple[str | Camera, ...]":
    from carescene.rendering.camera_presets import CAMERA_PRESETS

    cameras: list[str | Camera] = []
    for word in _words(text):
        if word in CAMERA_PRESETS:
            cameras.append(word)
        elif Path(word).suffix.lower() == ".json":
            cameras.append(_camera_file(Path(word), width, height))
        else:
            raise UserError(
                f"Expected --camera to be presets ({', '.join(CAMERA_PRESETS)}) or a JSON file, but got '{word}'."
            )
    names = [camera if isinstance(camera, str) else camera.name for camera in cameras]
    if not names or len(set(names)) < len(names):
        raise UserError(
            f"Expected --camera to name different cameras, but got '{text}'. Several of one preset: use --views."
        )
    return tuple(cameras)


def _camera_file(path: Path, width: int, height: int) -> "Camera":
    """A camera named after its file; its picture's size is the file's own, or else what was asked for."""
    from carescene.rendering.camera import camera_from_dict

    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"Expected a camera file at '{path}', but got: {error.strerror}. Check the path.") from error
    except ValueError as error:
        raise UserError(
            f"Expected '{path}' to be JSON, but got: {error}. Write it as the `camera` of a card."
        ) from error
    if not isinstance(values, dict):
        raise UserError(f"Expected one camera in '{path}', but got a {type(values).__name__}. One file per camera.")
    return camera_from_dict({"width": width, "height": height} | values | {"name": path.stem})


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _render(clips: list[Path], production: "Production", workers: int) -> str:
    from carescene.jobs import run_jobs
    from carescene.rendering.production import items_of, left_to_do, produce

    todo: list[Path] = []
    failures: list[tuple[str, UserError]] = []
    made = kept = 0
    for path in clips:
        try:
            left = len(left_to_do(path, production))
        except UserError as error:
            failures.append((path.stem, error))
            continue
        kept += len(items_of(path, production)) - left
        todo += [path] if left else []
    workers = min(workers, max(len(todo), 1))
    production = dataclasses.replace(production, show_pictures=workers == 1)
    for path, outcome in run_jobs(produce, todo, production, workers=workers, label="render", unit="clip"):
        if isinstance(outcome, UserError):
            failures.append((path.stem, outcome))
        else:
            made += len(outcome)
    summary = f"{made} item{'s' * (made != 1)} rendered to {production.out}"
    summary += f", {kept} were there already" if kept else ""
    summary += _sheet(clips, production)
    if failures:
        raise UserError(_told(failures, len(clips), summary))
    return summary


def _sheet(clips: list[Path], production: "Production") -> str:
    """Write the sheet of the first previews, if there are any, and say so."""
    from carescene.clips.rendered import CARD_NAME
    from carescene.rendering.preview_sheet import write_preview_sheet
    from carescene.rendering.production import items_of

    if "preview" not in production.settings.modalities:
        return ""
    items = [item.folder for path in clips for item in items_of(path, production)]
    shown = [folder for folder in items if (folder / CARD_NAME).is_file()][:_SHEET_ITEMS]
    if not shown:
        return ""
    write_preview_sheet(production.out / "contact_sheet.png", shown)
    return ", with contact_sheet.png"


def _told(failures: list[tuple[str, UserError]], clips: int, summary: str) -> str:
    reasons = "".join(f"\n  {name}: {error}" for name, error in failures[:_REASONS_TOLD])
    more = f"\n  and {len(failures) - _REASONS_TOLD} more" if len(failures) > _REASONS_TOLD else ""
    return f"Expected all {clips} clips to be filmed, but {len(failures)} failed; {summary}.{reasons}{more}"
