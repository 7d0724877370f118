"""A sheet of 24 rendered frames over rooms, bodies, cameras, lights and sensors, to be looked at by people.

    .venv/bin/python tools/sheet_of_frames.py --out docs/images/rooms.jpg [--seed 5]

Nothing is chosen by hand: every frame is the middle of the film that this table and the seed ask for.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from carescene.clips import Clip, PersonInfo, save_clip
from carescene.clips.rendered import load_item
from carescene.errors import UserError
from carescene.files import atomic_path
from carescene.humans.anthropometry import body_from
from carescene.humans.body import load_body
from carescene.rendering import read_depth_video, read_video
from carescene.rendering.film import FilmSettings
from carescene.rendering.overlay import depth_picture
from carescene.rendering.production import Production, produce
from carescene.rendering.sensors import sensor_named
from diffusion.generator import MotionGenerator, frames_of

_COLUMNS = 6
# Drawn larger than shown, as a browser would shrink it.
_DRAWN, _TILE = (480, 360), (320, 240)
_SECONDS, _RATE = 1.0, 12
# Between two people who are filmed together, metres.
_APART = 1.1


@dataclass(frozen=True)
class Actor:
    """One person: what is asked of the model, and who it is."""

    text: str
    role: str
    age_years: float
    sex: str


@dataclass(frozen=True)
class Shot:
    """One frame of the sheet."""

    scene: str
    camera: str
    light: str
    sensor: str
    modality: str
    actors: tuple[Actor, ...]


def _old(text: str, sex: str = "female", age: float = 84.0) -> Actor:
    return Actor(f"an old {'woman' if sex == 'female' else 'man'} {text}", "patient", age, sex)


def _staff(text: str, sex: str = "female", age: float = 34.0) -> Actor:
    return Actor(f"a person {text}", "staff", age, sex)


_WALK, _STAND, _TURN = "walks forward slowly", "stands and waves with the right hand", "walks and turns left"
_LIE, _SIT = "is lying on the bed", "is sitting on the chair"

SHOTS = (
    Shot("ward_single", "ceiling_corner", "day", "clean", "rgb", (_old(_LIE),)),
    Shot("ward_two_bed", "ceiling_corner", "day", "cctv", "rgb", (_old(_WALK, "male"), _staff("walks forward"))),
    Shot("ward_four_bed", "ceiling_corner", "day", "clean", "rgb", (_staff(_TURN),)),
    Shot("bathroom", "ceiling_corner", "day", "clean", "rgb", (_old(_STAND),)),
    Shot("corridor", "ceiling_corner", "day", "cctv", "rgb", (_old(_WALK, "male", 78.0),)),
    Shot("day_room", "ceiling_corner", "day", "clean", "rgb", (_old(_SIT, "male"),)),
    Shot("ward_single", "over_bed", "day", "clean", "rgb", (_old(_LIE, "male"),)),
    Shot(
        "ward_two_bed", "wall", "day", "clean", "rgb", (Actor("a man waves with both hands", "visitor", 45.0, "male"),)
    ),
    Shot("ward_four_bed", "wall", "dim", "clean", "rgb", (_old(_WALK), _staff(_WALK, "male", 50.0))),
    Shot("ward_single", "overhead", "day", "clean", "rgb", (_old(_TURN),)),
    Shot("corridor", "wall", "dim", "cheap_ip", "rgb", (_staff("runs forward"),)),
    Shot("day_room", "wall", "day", "cctv", "rgb", (_old(_TURN), Actor("a woman stands", "visitor", 52.0, "female"))),
    Shot("ward_single", "ceiling_corner", "night", "cctv", "rgb", (_old(_WALK, "male"),)),
    Shot("ward_single", "ceiling_corner", "night", "cctv", "nir", (_old(_LIE),)),
    Shot("ward_two_bed", "ceiling_corner", "night", "clean", "nir", (_staff(_STAND),)),
    Shot("bathroom", "wall", "dim", "clean", "rgb", (_old(_SIT),)),
    Shot("corridor", "ceiling_corner", "night", "cheap_ip", "nir", (_old(_WALK, "male", 90.0),)),
    Shot("ward_four_bed", "ceiling_corner", "dim", "cctv", "rgb", (_old(_SIT, "male"),)),
    Shot("ward_single", "ceiling_corner", "day", "depth_tof", "depth", (_old(_WALK),)),
    Shot("ward_two_bed", "overhead", "day", "depth_structured", "depth", (_old(_LIE, "male"),)),
    Shot("day_room", "wall", "day", "clean", "depth", (_old(_TURN),)),
    Shot("ward_two_bed", "ceiling_corner", "day", "clean", "overlay", (_old(_WALK), _staff(_WALK))),
    Shot("ward_single", "over_bed", "dim", "clean", "overlay", (_old(_LIE),)),
    Shot("day_room", "overhead", "day", "clean", "overlay", (_old(_SIT, "male"), _staff(_WALK))),
)


def act(generator: MotionGenerator, actors: tuple[Actor, ...], name: str, seed: int) -> Clip:
    """What the model makes of the actors, side by side."""
    body = load_body()
    clips = []
    for number, actor in enumerate(actors):
        sex = "male" if actor.sex == "male" else "female"
        betas = body_from(age_years=actor.age_years, sex=sex)
        person = PersonInfo(role=actor.role, age_years=actor.age_years, sex=actor.sex)
        with torch.no_grad():
            rest = body.rest_joints(betas)
        clips += generator.generate(
            [actor.text],
            [frames_of(_SECONDS)],
            seeds=[seed + number],
            person=person,
            betas=betas,
            rest_joints=rest,
        )
    for number, clip in enumerate(clips):
        clip.trans[..., :2] -= clip.trans[..., :2].mean(axis=1, keepdims=True)
        clip.trans[..., 0] += _APART * number
    return Clip(
        id=name,
        fps=clips[0].fps,
        poses=np.concatenate([clip.poses for clip in clips]),
        trans=np.concatenate([clip.trans for clip in clips]),
        betas=np.concatenate([clip.betas for clip in clips]),
        frame_label=np.concatenate([clip.frame_label for clip in clips]),
        valid=np.concatenate([clip.valid for clip in clips]),
        text=[" and ".join(actor.text for actor in actors)],
        persons=[person for clip in clips for person in clip.persons],
    )


def shoot(shot: Shot, clip: Clip, folder: Path, seed: int) -> np.ndarray:
    """The middle frame of one film, sRGB."""
    save_clip(clip, folder / "clips")
    production = Production(
        out=folder / "films",
        scene=shot.scene,
        cameras=(shot.camera,),
        settings=FilmSettings((shot.modality,), _RATE, sensor_named(shot.sensor)),
        width=_DRAWN[0],
        height=_DRAWN[1],
        light=shot.light,
        seed=seed,
    )
    (name,) = produce(folder / "clips" / f"{clip.id}.json", production)
    path = load_item(folder / "films" / name).file(shot.modality)
    if shot.modality == "depth":
        frames = read_depth_video(path).frames
        metres = frames[len(frames) // 2] / 1000
        return depth_picture(metres, 0.9 * metres[metres > 0].min(), float(metres.max()))
    frames = read_video(path).frames
    return frames[len(frames) // 2]


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of frames, from 0")
    arguments = parser.parse_args()
    generator = MotionGenerator.load()
    tiles: list[tuple[str, np.ndarray]] = []
    with tempfile.TemporaryDirectory() as folder:
        numbers = arguments.only or range(len(SHOTS))
        for number in tqdm(numbers, unit="frame"):
            shot, seed = SHOTS[number], arguments.seed + 100 * number
            clip = act(generator, shot.actors, f"shot-{number}", seed)
            frame = shoot(shot, clip, Path(folder), seed)
            title = f"{shot.scene}, {shot.camera}, {shot.light}, {shot.sensor} {shot.modality}"
            tiles.append((title, frame))
    sheet = _grid(tiles)
    with atomic_path(arguments.out) as temporary:
        sheet.save(temporary, quality=88)


def _grid(tiles: list[tuple[str, np.ndarray]]) -> Image.Image:
    """All frames in rows of `_COLUMNS`, each with its title below."""
    (across, down), line = _TILE, 16
    rows = -(-len(tiles) // _COLUMNS)
    sheet = Image.new("RGB", ((across + 4) * min(_COLUMNS, len(tiles)), (down + line + 4) * rows), (250, 249, 247))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, (title, frame) in enumerate(tiles):
        left, top = (across + 4) * (index % _COLUMNS), (down + line + 4) * (index // _COLUMNS)
        sheet.paste(Image.fromarray(frame).resize(_TILE, Image.Resampling.LANCZOS), (left, top))
        draw.text((left + 3, top + down + 1), title, fill=(60, 62, 66), font=font)
    return sheet


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
