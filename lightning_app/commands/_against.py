"""`lightning evaluate distribution --against`: its options, and the way from them to the table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from carescene import UserError


def add_against(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--against",
        type=Literal["prepared", "humanml3d"] | None,
        default=None,
        help="hold generated motion against real: prepared folders, or HumanML3D's official folder; the rest is for it",
    )
    parser.add_argument("--data", type=str | None, default=None, help="that folder; prepared ones joined by commas")
    parser.add_argument(
        "--evaluator",
        type=str | None,
        default=None,
        help="folder with the official T2M evaluator's files (default: the encoder that ships with carescene)",
    )
    parser.add_argument("--split", type=str, default="test", help="choose models on val, report test once")
    parser.add_argument("--on_bad", type=Literal["refuse", "skip"], default="refuse", help="damaged HumanML3D clips")
    parser.add_argument("--replications", type=int, default=20, help="times that everything is drawn and made anew")
    parser.add_argument("--captions", type=int, default=100, help="captions of multimodality; 0 leaves it out")
    parser.add_argument("--repeats", type=int, default=30, help="clips of each of those captions")
    parser.add_argument("--real_only", type=bool, default=False, help="measure real against real, generate nothing")


def evaluate_against_real(options: Namespace, make_job: Callable[[], Any]) -> str:
    """Measure, write the report, and return the table.

    Args:
        options: of `lightning evaluate distribution`.
        make_job: gives what makes clips with these options.

    Raises:
        UserError: missing or contradicting options, damaged data, missing files of an evaluator.
    """
    # Imported here: `lightning evaluate --help` must not wait for torch.
    from carescene.evaluation.official_files import load_t2m
    from carescene.evaluation.text_motion import load_text_motion
    from diffusion.text import load_text_encoder
    from lightning_app.evaluation.against import evaluate_against, pairs_used, report_against
    from lightning_app.evaluation.real_sets import HumanML3DSet, Judge, PreparedSet
    from lightning_app.evaluation.samples import sample_set

    if options.dir or options.situation or not (options.data and options.out):
        raise UserError(
            "Expected --data and --out with --against, and neither --dir nor --situation, but got others. Name the "
            "folder of real motion and the folder for the report."
        )
    folder = Path(options.evaluator) if options.evaluator else None
    judge = Judge(load_t2m(folder) if folder else load_text_motion(load_text_encoder().encode))
    if options.against == "humanml3d":
        real = HumanML3DSet(Path(options.data), options.split, options.on_bad, options.num, options.seed)
    elif folder is None:
        folders = [Path(name) for name in options.data.split(",") if name]
        real = PreparedSet(folders, options.split, options.num, options.seed)
    else:
        raise UserError(
            "Expected no --evaluator with --against prepared, but got the T2M evaluator's, which reads HumanML3D's "
            "numbers. Export the folder with `lightning export --format humanml3d` and take --against humanml3d."
        )
    job = None if options.real_only else make_job()

    def make(name: str, prompts: Any) -> list[Any]:
        assert job is not None
        return sample_set(job.folder / name, prompts, job.maker, job.settings, options.batch)

    captions, repeats = options.captions, options.repeats
    rows = evaluate_against(
        real, judge, None if job is None else make, options.replications, options.seed, captions, repeats
    )
    count = len(real.draw(options.seed, 0))
    settings = {
        "against": real.name,
        "evaluator": judge.name,
        "split": options.split,
        "N": count,
        "left out": real.left_out,
        "R-precision batch": judge.batch,
        "replications": options.replications,
        "seed": options.seed,
        "pairs": pairs_used(count, repeats),
    }
    if job is not None:
        names = ("checkpoint", "sampler", "steps", "guidance", "cleanup")
        settings |= {name: job.settings[name] for name in names}
        settings["multimodality"] = f"{min(captions, count)} captions x {repeats} clips"
    return report_against(Path(options.out), options.against, rows, settings)
