"""`lightning generate SITUATION.yaml`: clips of a situation, or a long stream."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jsonargparse import Namespace
from tqdm import tqdm

from carescene import UserError
from carescene.files import writable_folder

if TYPE_CHECKING:
    from carescene.situations import Situation
    from diffusion.asking.sampling import Settings
    from diffusion.generator import MotionGenerator

# Options that describe one person in words; a situation says these itself.
_TEXT_ONLY: Final = ("text", "seconds", "num", "age", "height", "weight", "sex")


def run_situation(args: Namespace) -> str:
    """Make the clips of a situation file, and return the line that says what was written where.

    Raises:
        UserError: for bad options, a situation that cannot be, or one that its room cannot hold; before anything is
            written.
    """
    for name in _TEXT_ONLY:
        if getattr(args, name) is not None:
            raise UserError(
                f"Expected --{name} only without a situation file, but got both. Write it into '{args.situation}'."
            )
    from carescene.situations import load_situation
    from carescene.situations.drawing import check_oversampling
    from carescene.situations.rooms import check_rooms

    situation = _overridden(load_situation(Path(args.situation)), args)
    check_rooms(check_oversampling(situation))
    if args.tries < 1:
        raise UserError(f"Expected --tries of at least 1, but got {args.tries}. 4 is usual.")
    from lightning_app.commands.generate import load_generator

    settings = _settings(situation, args)
    generator = load_generator(args.checkpoint, settings.sampler)
    out = writable_folder(Path(args.out))
    if situation.stream is not None:
        return _stream(situation, generator, settings, args, out)
    return _clips(situation, generator, settings, args, out)


def _overridden(situation: "Situation", args: Namespace) -> "Situation":
    changes = {name: getattr(args, name) for name in ("count", "seed") if getattr(args, name) is not None}
    if changes.get("count", 1) < 1:
        raise UserError(f"Expected --count of at least 1, but got {args.count}. Say how many clips you want.")
    if args.stream_minutes is not None:
        from carescene.situations import StreamRequest, check_situation

        if not 0.1 <= args.stream_minutes <= 1440:
            raise UserError(f"Expected --stream_minutes of 0.1 to 1440, but got {args.stream_minutes}.")
        stream = situation.stream or StreamRequest(args.stream_minutes)
        changes["stream"] = dataclasses.replace(stream, minutes=args.stream_minutes)
        return check_situation(dataclasses.replace(situation, **changes), Path(args.situation).name)
    return dataclasses.replace(situation, **changes)


def _settings(situation: "Situation", args: Namespace) -> "Settings":
    from diffusion.asking.sampling import Settings
    from diffusion.sampler import SamplerConfig

    weights = situation.guidance
    chosen = {
        "guidance": args.guidance if args.guidance is not None else weights.text,
        "scene_guidance": weights.scene,
        "constraint_guidance": weights.constraints,
        "steps": args.steps,
    }
    sampler = SamplerConfig(name=args.sampler, **{name: value for name, value in chosen.items() if value is not None})
    energies = args.energies if args.energies is not None else weights.energies
    return Settings(sampler, 1.0 if energies is None else energies, args.cleanup)


def _clips(
    situation: "Situation", generator: "MotionGenerator", settings: "Settings", args: Namespace, out: Path
) -> str:
    from carescene.humans.body import load_body
    from diffusion.asking.production import REPORT, Producer, is_there

    body = load_body(None if args.body is None else Path(args.body))
    producer = Producer(generator, body, settings, tries=args.tries, batch=args.batch)
    kept = sum(is_there(out, situation, index) for index in range(situation.count))
    steps = (situation.count - kept) * settings.sampler.steps
    with tqdm(total=steps, desc="sampling", unit="step", dynamic_ncols=True) as bar:

        def more(steps: int) -> None:
            bar.total += steps

        report = producer.run(situation, out, on_step=bar.update, on_more=more)
    made = situation.count - kept
    summary = f"wrote {made} clip{'s' * (made != 1)} (npz + json) and {REPORT} to {out}"
    summary += f", {kept} were there already" if kept else ""
    summary += (
        f"; {report['hits']} of {report['clips']} show all that was asked for "
        f"({report['hit_rate_first_try']:.0%} at the first try, {report['rejection_rate']:.0%} of "
        f"{report['attempts']} attempts thrown away)"
    )
    if args.render:
        from carescene.clips import load_clip
        from diffusion.asking.production import clip_name
        from lightning_app.commands.generate import write_pictures

        clips = [load_clip(out / clip_name(situation, index)) for index in range(situation.count)]
        write_pictures(clips, body, out, args.size)
        summary += "; with plain videos and contact_sheet.png"
    return summary


def _stream(
    situation: "Situation", generator: "MotionGenerator", settings: "Settings", args: Namespace, out: Path
) -> str:
    from carescene.humans.body import load_body
    from diffusion.asking.stream import STREAM, make_stream, stream_seconds

    if args.render:
        raise UserError("Expected no --render with a stream, but got it. Film its chunks with `lightning render`.")
    assert situation.stream is not None
    with tqdm(total=stream_seconds(situation), desc="stream", unit="s", dynamic_ncols=True) as bar:
        body = load_body(None if args.body is None else Path(args.body))
        report = make_stream(generator, situation, out, settings, body=body, tries=args.tries, on_seconds=bar.update)
    return (
        f"wrote {report['minutes']:g} minutes in {report['chunks']} chunks (npz + json) and {STREAM} to {out}; "
        f"{report['events_found']} of {report['events']} events are seen"
    )
