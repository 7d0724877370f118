"""Make clips: of a situation file (`lightning generate SITUATION.yaml --out DIR`), or of one person from `--text`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jsonargparse import ArgumentParser, Namespace
from tqdm import tqdm

from carescene import UserError
from carescene.files import writable_folder

if TYPE_CHECKING:
    # Imported where they are used: `--help` and mistakes in the options must not wait for torch and open3d.
    from torch import Tensor

    from carescene.clips import Clip, PersonInfo
    from carescene.humans.body import Body
    from diffusion.generator import MotionGenerator
    from diffusion.sampler import SamplerConfig

# The text encoder reads 256 tokens; longer than this it cannot be, and a pasted document should fail at once.
MAX_CHARACTERS: Final = 1000
SAMPLERS: Final = ("dpmpp", "ddim", "ddpm")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("situation", type=str | None, nargs="?", default=None, help="situation file (.yaml), or --text")
    parser.add_argument("--text", type=str | None, default=None, help='what one person does: "a man walks and sits"')
    parser.add_argument(
        "--seconds", type=float | None, default=None, help="length, 1 to 10 seconds, to the nearest frame (default: 5)"
    )
    parser.add_argument("--num", type=int | None, default=None, help="number of clips of a text (default: 1)")
    parser.add_argument(
        "--count", type=int | None, default=None, help="number of clips of a situation (default: as it says)"
    )
    parser.add_argument(
        "--seed",
        type=int | None,
        default=None,
        help="seed of the first clip; the same seed, the same clips (default: 0, or as the situation says)",
    )
    parser.add_argument(
        "--tries", type=int, default=4, help="attempts at a clip of a situation until all that was asked for is in it"
    )
    parser.add_argument(
        "--energies",
        type=float | None,
        default=None,
        help="how hard to keep clear of furniture, walls and others; 0 is off and faster (default: 1)",
    )
    parser.add_argument(
        "--stream_minutes", type=float | None, default=None, help="make a stream of this length of a situation"
    )
    parser.add_argument("--out", type=str, required=True, help="folder to write to, made when missing")
    parser.add_argument("--checkpoint", type=str | None, default=None, help=".safetensors model (default: the bundled)")
    parser.add_argument("--sampler", type=str, default="dpmpp", help="dpmpp, ddim or ddpm")
    parser.add_argument("--steps", type=int | None, default=None, help="sampling steps (default: 20)")
    parser.add_argument("--guidance", type=float | None, default=None, help="text guidance; 1 is none (default: 2.5)")
    parser.add_argument("--cleanup", type=bool, default=True, help="hold standing feet in place and smooth jitter")
    parser.add_argument("--age", type=float | None, default=None, help="age in years (default: as the text says)")
    parser.add_argument("--height", type=float | None, default=None, help="height in metres")
    parser.add_argument("--weight", type=float | None, default=None, help="weight in kilograms")
    parser.add_argument("--sex", type=str | None, default=None, help="female or male (default: as the text says)")
    parser.add_argument("--body", type=str | None, default=None, help="SMPL body file (default: the bundled free body)")
    parser.add_argument(
        "--render",
        type=bool | None,
        default=None,
        help="write plain videos and the contact sheet (default: of a text, not of a situation)",
    )
    parser.add_argument("--size", type=int, default=384, help="width and height of the videos in pixels")
    parser.add_argument(
        "--batch", type=int, default=1, help="clips sampled at once; above 1 is faster and may change the last digits"
    )


def run(args: Namespace) -> str:
    """Generate, write, and return the line that says what was written where.

    Raises:
        UserError: for bad options or text, a missing checkpoint, or a folder that cannot be written; all of these
            before anything is written.
    """
    _check_common(args)
    if args.situation is not None:
        from lightning_app.commands._situation import run_situation

        return run_situation(args)
    text = check_text(args.text)
    args = _with_defaults(args)
    _check_options(args)
    sampler = _sampler(args)
    frames = _frames(args.seconds)
    person, body, betas = _person_and_body(args, text)
    generator = load_generator(args.checkpoint, sampler)
    # Encoding now finds a text of too many tokens before anything is written; the features are cached.
    generator.encoder.encode([text])
    out = writable_folder(Path(args.out))
    with tqdm(total=args.num * sampler.steps, desc="sampling", unit="step", dynamic_ncols=True) as bar:
        clips = generator.generate(
            [text] * args.num,
            [frames] * args.num,
            [args.seed + index for index in range(args.num)],
            sampler=sampler,
            batch_size=args.batch,
            cleanup=args.cleanup,
            person=person,
            betas=betas,
            rest_joints=body.rest_joints(betas),
            progress=bar.update,
        )
    _write_clips(clips, body, out)
    files = [f"{len(clips)} clip{'s' * (len(clips) > 1)} (npz + json)"]
    if args.render:
        write_pictures(clips, body, out, args.size)
        files.append(f"{len(clips)} video{'s' * (len(clips) > 1)} (mp4) and contact_sheet.png")
    return f"wrote {' and '.join(files)} to {out}"


def check_text(text: str | None) -> str:
    """The text with its white space made uniform; raises UserError when it is missing, empty or absurdly long."""
    if text is None:
        raise UserError(
            "Expected a situation file or --text, but got neither. Write `lightning generate SITUATION.yaml --out DIR` "
            'or --text "an old man walks slowly".'
        )
    cleaned = " ".join(text.split())
    if not cleaned:
        raise UserError(
            f"Expected --text to say what the person does, but got {text!r}. "
            'Write something like --text "an old man walks slowly and turns left".'
        )
    if len(cleaned) > MAX_CHARACTERS:
        raise UserError(
            f"Expected --text of at most {MAX_CHARACTERS} characters, but got {len(cleaned)}. "
            "Describe one motion in a sentence or two."
        )
    return cleaned


def _check_common(args: Namespace) -> None:
    if args.sampler not in SAMPLERS:
        raise UserError(
            f"Expected --sampler to be one of {', '.join(SAMPLERS)}, but got '{args.sampler}'. Leave it out."
        )
    if args.batch < 1:
        raise UserError(f"Expected --batch of at least 1, but got {args.batch}. 1 samples clip after clip.")
    if args.seed is not None and not 0 <= args.seed <= 2**62:
        raise UserError(f"Expected --seed to be 0 or a positive number, but got {args.seed}. Any will do.")
    if not 32 <= args.size <= 2048:
        raise UserError(f"Expected --size of 32 to 2048 pixels, but got {args.size}. 384 is usual.")


def _with_defaults(args: Namespace) -> Namespace:
    """What a text alone leaves open."""
    for name in ("count", "stream_minutes", "energies"):
        if getattr(args, name) is not None:
            raise UserError(f"Expected --{name} only with a situation file, but got it with --text. Leave it out.")
    defaults = {"seconds": 5.0, "num": 1, "seed": 0, "render": True}
    chosen = args.clone()
    for name, value in defaults.items():
        if getattr(chosen, name) is None:
            chosen[name] = value
    return chosen


def _check_options(args: Namespace) -> None:
    if args.num < 1:
        raise UserError(f"Expected --num of at least 1, but got {args.num}. Say how many clips you want.")
    if args.sex not in (None, "female", "male"):
        raise UserError(f"Expected --sex female or male, but got '{args.sex}'. Leave it out if it does not matter.")
    for name in ("age", "height", "weight"):
        value = getattr(args, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UserError(f"Expected --{name} to be a positive number, but got {value}. Leave it out if unsure.")


def _sampler(args: Namespace) -> "SamplerConfig":
    from diffusion.sampler import SamplerConfig

    given = {name: getattr(args, name) for name in ("steps", "guidance") if getattr(args, name) is not None}
    return SamplerConfig(name=args.sampler, **given)


def _frames(seconds: float) -> int:
    from diffusion.generator import frames_of

    return frames_of(seconds)


def load_generator(checkpoint: str | None, sampler: "SamplerConfig") -> "MotionGenerator":
    """The generator of a checkpoint, or the bundled one; refuses more steps than its chain has."""
    from diffusion.generator import MotionGenerator
    from diffusion.sampler import timesteps

    generator = MotionGenerator.load(None if checkpoint is None else Path(checkpoint))
    timesteps(generator.model.process.steps, sampler.steps, sampler.spacing)
    return generator


def _person_and_body(args: Namespace, text: str) -> tuple["PersonInfo", "Body", "Tensor"]:
    """Who it is, the body model, and its shape: from the options, else from the text, else the reference body."""
    import torch

    from carescene.clips import PersonInfo
    from carescene.humans.anthropometry import body_from
    from carescene.humans.body import load_body
    from carescene.humans.person_text import person_in_text

    hint = person_in_text(text)
    age = args.age if args.age is not None else hint.age_years
    sex = args.sex or hint.sex
    if args.body is not None and (args.height is not None or args.weight is not None):
        raise UserError(
            "Expected --height and --weight only with the bundled body, but got them together with --body. The shape "
            "spaces of other bodies are not known here; leave them out, and the file's mean shape is used."
        )
    body = load_body(None if args.body is None else Path(args.body))
    betas = torch.zeros(10)
    if args.body is None and not (age is args.height is args.weight is sex is None):
        betas = body_from(age_years=age, height_m=args.height, weight_kg=args.weight, sex=sex)
    return PersonInfo(age_years=age, height_m=args.height, sex=sex or "unknown"), body, betas


def _write_clips(clips: list["Clip"], body: "Body", out: Path) -> None:
    from carescene.clips import save_clip
    from carescene.evaluation.quality import measure_quality

    for clip in clips:
        clip.quality = measure_quality(clip, body)
        save_clip(clip, out)


def write_pictures(clips: list["Clip"], body: "Body", out: Path, size: int) -> None:
    """A plain video of each clip, and `contact_sheet.png`."""
    from carescene.rendering import Strip, render_clip, write_contact_sheet, write_video

    strips = []
    with tqdm(total=sum(clip.num_frames for clip in clips), desc="rendering", unit="frame", dynamic_ncols=True) as bar:
        for clip in clips:
            pictures = render_clip(clip, body=body, width=size, height=size, on_frame=bar.update)
            write_video(out / f"{clip.id}.mp4", pictures, clip.fps)
            seed = clip.generator.seed if clip.generator else 0
            strips.append(Strip(pictures, clip.fps, f"{clip.text[0]}   (seed {seed})"))
    write_contact_sheet(out / "contact_sheet.png", strips)
