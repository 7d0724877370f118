"""One picture per knob of a situation: a row of frames for each value, everything else (room, seed, person) the same.

    .venv/bin/python tools/knob_strips.py --out docs/images/knobs [--checkpoint FILE] [--only direction side ...]

Clips are made as `lightning generate SITUATION.yaml` makes them, retries included; nothing is chosen by hand.
"""

import argparse
import copy
import io
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from carescene.clips import Clip, load_clip
from carescene.errors import UserError
from carescene.evaluation.tracks import clip_joints
from carescene.files import write_atomically
from carescene.humans.body import Body, load_body
from carescene.rendering.camera_presets import place_camera
from carescene.rendering.film_set import FilmSet
from carescene.rendering.room_view import RoomView
from carescene.rendering.sensing import auto_gain, build_chip
from carescene.rendering.sensors import sensor_named
from carescene.scenes import Scene, scene_from_dict
from carescene.situations import parse_situation
from diffusion.asking.production import Producer, clip_name
from diffusion.asking.sampling import Settings
from diffusion.generator import MotionGenerator
from diffusion.sampler import SamplerConfig

_COLUMNS = 6
_DRAWN, _TILE = (300, 225), (150, 112)
_MOST_BYTES = 60_000
_OPEN_FLOOR = Scene("floor", [(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)])

_FALL: dict[str, Any] = {
    "seconds": 5,
    "persons": [{"role": "patient", "age_years": 80, "sex": "female", "start": {"state": "standing"}}],
    "events": [{"ward_event": "fall_weight_shift", "direction": "left", "onset_s": 1.5}],
    "scene": {"preset": "day_room", "seed": 4},
    "count": 1,
    "seed": 3,
}
_WALK: dict[str, Any] = {
    "seconds": 5,
    "persons": [{"role": "patient", "age_years": 75, "sex": "male", "start": {"state": "walking"}}],
    "scene": {"preset": "day_room", "seed": 4},
    "count": 1,
    "seed": 5,
}


@dataclass(frozen=True)
class Knob:
    """A setting and its values: `rows` are titles, and what changes in the situation, path by path."""

    base: dict[str, Any]
    rows: tuple[tuple[str, dict[str, Any]], ...]
    title: str
    remove: tuple[str, ...] = field(default=())


def _rows(path: str, values: dict[str, Any]) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple((name, {path: value}) for name, value in values.items())


def _falls(cause: str, start: str = "walking") -> dict[str, Any]:
    return {"events.0.ward_event": f"fall_{cause}", "persons.0.start.state": start}


KNOBS: dict[str, Knob] = {
    "direction": Knob(
        _FALL,
        _rows("events.0.direction", {name: name for name in ("forward", "backward", "left", "right", "down")}),
        "events.direction: where a fall goes",
    ),
    "side": Knob(
        _FALL,
        tuple((f"{side} side", {"events.0.side": side, "events.0.direction": side}) for side in ("left", "right")),
        "events.side: what comes to lie below",
    ),
    "onset": Knob(
        _FALL,
        _rows("events.0.onset_s", {f"{at:g} s": at for at in (0.8, 1.6, 2.4)}),
        "events.onset_s: when balance is lost",
    ),
    "cause": Knob(
        _FALL,
        tuple(
            (name.replace("_", " "), _falls(name))
            for name in ("trip", "slip", "weight_shift", "bump", "support_loss", "collapse")
        ),
        "events.ward_event: why somebody falls",
        remove=("events.0.direction",),
    ),
    "descent": Knob(
        _FALL,
        _rows("events.0.end_s", {f"{end - 1.5:g} s": end for end in (2.5, 3.3, 4.3)}),
        "events.end_s: from lost balance to rest",
    ),
    "near": Knob(
        {
            **_FALL,
            "scene": {"preset": "ward_single", "seed": 4},
            "events": [{"ward_event": "fall_weight_shift", "onset_s": 1.5}],
        },
        tuple(
            (name, {"events.0.place": {"near": name, "within_m": 0.8}, "persons.0.start": {"near": name,
             "state": "standing"}})
            for name in ("bed", "chair", "door")
        ),
        "events.place.near: beside which thing",
    ),
    "age": Knob(
        _WALK,
        _rows("persons.0.age_years", {f"{age} years": age for age in (8, 35, 65, 90)}),
        "persons.age_years: who it is",
    ),
    "guidance": Knob(
        {**_WALK, "text": "an old man walks slowly and turns left"},
        _rows("guidance.text", {f"{weight:g}": weight for weight in (1.0, 2.5, 5.0)}),
        "guidance.text: how hard the text pulls",
    ),
    "persons": Knob(
        {**_WALK, "text": "an old man walks, others are with him"},
        (
            ("1", {}),
            ("2", {"persons.1": {"role": "staff", "start": {"state": "walking"}}}),
            (
                "3",
                {
                    "persons.1": {"role": "staff", "start": {"state": "walking"}},
                    "persons.2": {"role": "visitor", "start": {"state": "standing"}},
                },
            ),
        ),
        "persons: how many",
    ),
    "text": Knob(
        {key: value for key, value in _WALK.items() if key != "persons"} | {"scene": "none"},
        _rows(
            "text",
            {
                words: words
                for words in (
                    "an old man walks slowly with small steps",
                    "a young woman runs forward",
                    "a person waves with the right hand",
                    "an old woman loses her balance and falls on her back",
                )
            },
        ),
        "text",
    ),
}  # fmt: skip


def changed(base: dict[str, Any], changes: dict[str, Any], remove: tuple[str, ...] = ()) -> dict[str, Any]:
    """The situation with some of its entries changed: "events.0.onset_s" names one; lists grow by one if need be."""
    made = copy.deepcopy(base)
    for path, value in (*changes.items(), *((path, None) for path in remove)):
        *way, last = path.split(".")
        place: Any = made
        for name in way:
            place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
        if isinstance(place, list):
            place[int(last) :] = [value]
        elif path in remove:
            place.pop(last, None)
        else:
            place[last] = value
    return made


def make(generator: MotionGenerator, body: Body, asked: dict[str, Any], name: str) -> Clip:
    """The one clip of a situation, by the command's own way."""
    situation = parse_situation(yaml.safe_dump(asked), f"{name}.yaml")
    weights = situation.guidance
    sampler = SamplerConfig() if weights.text is None else SamplerConfig(guidance=weights.text)
    with tempfile.TemporaryDirectory() as folder:
        Producer(generator, body, Settings(sampler), tries=4).run(situation, Path(folder))
        return load_clip(Path(folder) / f"{clip_name(situation, 0)}.json")


def frames_of_clip(clip: Clip, body: Body, count: int) -> list[np.ndarray]:
    """Evenly spread pictures of a clip in its room, from a corner of the ceiling."""
    scene = scene_from_dict(clip.scene) if isinstance(clip.scene, dict) else _OPEN_FLOOR
    stage = FilmSet.of(clip, scene, body, seed=1)
    points = clip_joints(clip)[clip.valid].reshape(-1, 3)
    camera = place_camera("wall", scene, seed=1, width=_DRAWN[0], height=_DRAWN[1], people=points)
    view = RoomView.cast(stage.mesh, camera)
    painter, sensor = stage.painter(view), sensor_named("clean")
    pictures = [painter.rgb(*stage.draw(view, time, shadows=True)) for time in _times(clip, count)]
    gain, chip = auto_gain(pictures[0], sensor.color), build_chip(sensor, camera, seed=0)
    return [chip.color(picture, index, gain=gain) for index, picture in enumerate(pictures)]


def _times(clip: Clip, count: int) -> list[float]:
    return np.linspace(0.1, clip.seconds - 0.1, count).tolist()


def strip(knob: Knob, rows: list[tuple[str, Clip, list[np.ndarray]]]) -> Image.Image:
    """All rows of a knob as one picture with the knob's name, its values and the times."""
    (across, down), line, side = _TILE, 16, 86
    sheet = Image.new("RGB", (side + (across + 3) * _COLUMNS, line * 2 + (down + 3) * len(rows)), (250, 249, 247))
    pen, font, bold = ImageDraw.Draw(sheet), ImageFont.load_default(11), ImageFont.load_default(13)
    pen.text((4, 1), knob.title, fill=(32, 34, 38), font=bold)
    for column, time in enumerate(_times(rows[0][1], _COLUMNS)):
        pen.text((side + (across + 3) * column + 4, line + 1), f"{time:.1f} s", fill=(110, 112, 118), font=font)
    for number, (name, _, frames) in enumerate(rows):
        top = 2 * line + (down + 3) * number
        for place, words in enumerate(_wrapped(name, 14)):
            pen.text((4, top + 6 + 13 * place), words, fill=(32, 34, 38), font=font)
        for column, frame in enumerate(frames):
            tile = Image.fromarray(frame).resize(_TILE, Image.Resampling.LANCZOS)
            sheet.paste(tile, (side + (across + 3) * column, top))
    return sheet


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def write_small(path: Path, picture: Image.Image) -> None:
    """Write a JPEG of at most 60 kB: the best quality that fits."""
    for quality in range(85, 20, -5):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _MOST_BYTES:
            break
    write_atomically(path, lambda file: file.write(buffer.getvalue()))


def main() -> None:
    """Write one strip for each knob that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--only", nargs="*", choices=sorted(KNOBS), default=sorted(KNOBS))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator, body = MotionGenerator.load(arguments.checkpoint), load_body()
    for name in tqdm(arguments.only, unit="knob"):
        knob, rows = KNOBS[name], []
        for title, changes in knob.rows:
            try:
                clip = make(generator, body, changed(knob.base, changes, knob.remove), name)
            except UserError as error:
                # One value that this room cannot hold must not cost the other knobs their pictures.
                sys.stderr.write(f"{name} {title}: {error}\n")
                continue
            rows.append((title, clip, frames_of_clip(clip, body, _COLUMNS)))
        if rows:
            write_small(arguments.out / f"{name}.jpg", strip(knob, rows))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
