"""Measure generated clips against real ones: steering, physics, diversity, steps."""

from contextlib import ExitStack
from functools import cached_property, partial
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Literal

from jsonargparse import ArgumentParser, Namespace

from carescene import UserError
from lightning_app.commands._against import add_against, evaluate_against_real

# Draws of a situation that are judged: enough for 0.1 % of most shares.
_DRAWS: Final = 4096

# All measures share one set of samples per folder, so the first one pays for it.
_MEASURES: Final[dict[str, str]] = {
    "steering": "recognise the asked actions in generated clips",
    "physics": "foot skating, jerk, floor penetration and floating, generated beside real",
    "diversity": "variety for one caption, and distance to the nearest training clip",
    "steps": "quality and seconds per clip against the number of sampling steps",
    "situations": "clips made by `lightning generate SITUATION.yaml`: is it there what was asked for, and how exactly",
    "distribution": "weighted clips, or draws, of an oversampled situation: do their weights bring back the priors",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the measures and their options."""
    measures = parser.add_subcommands(required=True, dest="measure")
    for name, text in _MEASURES.items():
        measure = ArgumentParser(description=text, exit_on_error=False)
        if name in ("situations", "distribution"):
            _add_situations(measure) if name == "situations" else _add_distribution(measure)
            measures.add_subcommand(name, measure, help=text)
            continue
        _add_common(measure)
        if name in ("steering", "steps"):
            measure.add_argument(
                "--recogniser",
                type=str | None,
                default=None,
                help="recogniser file; trained and written when missing (default: in --out)",
            )
            measure.add_argument(
                "--recogniser_epochs",
                type=int,
                default=15,
                help="training passes of the recogniser; 15 are enough for 3,000 clips",
            )
        if name == "steering":
            measure.add_argument(
                "--by", type=str, default="class", help="what to recognise: class (of action), action, style, age, pace"
            )
        if name == "diversity":
            measure.add_argument("--groups", type=int, default=12, help="labels to compare")
            measure.add_argument("--group_size", type=int, default=8, help="real and generated clips per label")
            measure.add_argument(
                "--train_sample", type=int, default=300, help="training clips whose own nearest neighbour is looked up"
            )
        if name == "steps":
            measure.add_argument(
                "--step_counts", type=list[int], default=[5, 10, 20, 50, 1000], help="numbers of steps to compare"
            )
            measure.set_defaults(num=24)  # 1000 steps for every clip of a split would take hours
        measures.add_subcommand(name, measure, help=text)


def _add_situations(parser: ArgumentParser) -> None:
    parser.add_argument("--dir", type=str, required=True, help="folder of generated clips, searched with its folders")
    parser.add_argument(
        "--data",
        type=str,
        required=True,
        help="prepared folders, joined by commas: their train and val splits train the recogniser, --split is held out",
    )
    parser.add_argument("--out", type=str, required=True, help="folder for the report")
    parser.add_argument("--split", type=str, default="test", help="split of held-out clips that are judged as well")
    parser.add_argument(
        "--unconstrained",
        type=str | None,
        default=None,
        help="folder of clips of the same situations and seeds without constraints, for the ratio of skating",
    )
    parser.add_argument(
        "--recogniser",
        type=str | None,
        default=None,
        help="ward recogniser file; trained and written when missing (default: in --out)",
    )
    parser.add_argument("--recogniser_epochs", type=int, default=12, help="training passes of the recogniser")
    parser.add_argument("--held_out", type=int, default=60, help="held-out clips of each event that are judged")
    parser.add_argument(
        "--contacts", type=int, default=120, help="held-out clips whose contacts are measured, which takes longest"
    )
    parser.add_argument("--every", type=int, default=2, help="contacts are measured in every so many frames")
    parser.add_argument("--threads", type=int | None, default=None, help="CPU threads (default: all)")


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument("--data", type=str, required=True, help="folder made by `lightning prepare`")
    parser.add_argument("--out", type=str, required=True, help="folder for the reports")
    parser.add_argument(
        "--split", type=str, default="test", help="split of real clips; choose models on val, report test once"
    )
    parser.add_argument(
        "--num", type=int | None, default=None, help="clips to generate (default: one for each real clip)"
    )
    _add_sampling(parser)
    parser.add_argument("--threads", type=int | None, default=None, help="CPU threads (default: all)")


def _add_sampling(parser: ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=str | None, default=None, help="model file (default: the bundled one)")
    parser.add_argument(
        "--samples",
        type=str | None,
        default=None,
        help="folder of the generated clips, shared by all measures (default: OUT/samples)",
    )
    parser.add_argument("--seed", type=int, default=0, help="chooses captions and noise")
    parser.add_argument(
        "--sampler",
        type=Literal["dpmpp", "ddim", "ddpm"] | None,
        default=None,
        help="dpmpp, ddim or ddpm (default: as generate)",
    )
    parser.add_argument("--steps", type=int | None, default=None, help="sampling steps (default: as generate)")
    parser.add_argument("--guidance", type=float | None, default=None, help="text guidance (default: as generate)")
    parser.add_argument("--cleanup", type=bool, default=True, help="foot clean-up after sampling, as generate does it")
    parser.add_argument("--batch", type=int, default=32, help="clips generated at once")


def _add_distribution(parser: ArgumentParser) -> None:
    parser.add_argument("--dir", type=str | None, default=None, help="folder of clips with weights")
    parser.add_argument(
        "--situation",
        type=str | None,
        default=None,
        help="situation file whose draws are judged before any clip is made, in place of --dir",
    )
    parser.add_argument(
        "--num", type=int | None, default=None, help="draws of --situation (4096), or clips with --against (all)"
    )
    parser.add_argument("--priors", type=str | None, default=None, help="priors file (default: the published ones)")
    parser.add_argument("--out", type=str | None, default=None, help="folder for the report (default: DIR/evaluation)")
    parser.add_argument("--threads", type=int | None, default=None, help="CPU threads (default: all)")
    add_against(parser)
    _add_sampling(parser)


def run(args: Namespace) -> str:
    """Measure, write the reports, and return the line that sums them up.

    Raises:
        UserError: missing data or checkpoint, sample folders of other settings, unwritable folders.
    """
    # Imported here: `lightning evaluate --help` must not wait for torch.
    from lightning_app.evaluation.prepared import use_threads

    options = args[args.measure]
    for name in ("batch", "num", "held_out", "contacts", "every", "recogniser_epochs"):
        if options.get(name) is not None and options[name] < 1:
            raise UserError(f"Expected --{name} to be 1 or more, but got {options[name]}.")
    use_threads(options.threads)
    measures = {"steering": _steering, "physics": _physics, "diversity": _diversity, "steps": _steps}
    return (measures | {"situations": _situations, "distribution": _distribution})[args.measure](options)


def _steering(options: Namespace) -> str:
    from lightning_app.evaluation.steering import report_steering

    job = _Job(options)
    real = job.real()
    model = job.recogniser(options.by)
    return report_steering(job.out, model, real, job.samples(real), {**job.settings, "by": options.by})


def _physics(options: Namespace) -> str:
    from carescene.humans.body import load_body
    from lightning_app.evaluation.physics import report_physics

    job = _Job(options)
    real = job.real()
    return report_physics(job.out, load_body(), real, job.samples(real), job.settings)


def _diversity(options: Namespace) -> str:
    from lightning_app.evaluation.diversity import neighbour_table, plan_groups, report_diversity, spread_table
    from lightning_app.evaluation.prepared import load_split
    from lightning_app.evaluation.samples import sample_set

    job = _Job(options)
    test, train = job.real(), load_split(job.data, "train")
    real, prompts = plan_groups(train, options.groups, options.group_size, options.seed)
    settings = {**job.settings, "groups": options.groups, "group_size": options.group_size}
    # Beside the shared samples: their folder has a plan of its own.
    folder = job.folder.with_name(job.folder.name + "_groups")
    grouped = sample_set(folder, prompts, job.maker, settings, options.batch)
    spreads = spread_table(real, grouped)
    generated = job.samples(test)
    neighbours = neighbour_table(train, test, generated, options.train_sample, options.seed)
    return report_diversity(job.out, spreads, neighbours, train, generated, settings)


def _steps(options: Namespace) -> str:
    from carescene.evaluation.scores import pool
    from carescene.humans.body import load_body
    from lightning_app.evaluation.physics import score_with_bar
    from lightning_app.evaluation.samples import plan_prompts, sample_set
    from lightning_app.evaluation.steering import judge, labelled
    from lightning_app.evaluation.steps import quality_row, report_steps, time_table

    if not options.step_counts or min(options.step_counts) < 1:
        raise UserError(f"Expected --step_counts to be positive numbers, but got {options.step_counts}.")
    job = _Job(options)
    real, model, body = job.real(), job.recogniser(), load_body()
    prompts = plan_prompts(real, options.num, options.seed)
    default = job.settings["steps"]
    counts = sorted({*options.step_counts, default})
    times = time_table(job.maker, counts)
    rows = {}
    for steps in counts:
        folder = job.folder.with_name(f"{job.folder.name}_{steps}_steps")
        settings = {**job.settings, "steps": steps}
        clips = sample_set(folder, prompts, partial(job.maker, steps), settings, options.batch)
        rows[steps] = quality_row(model, clips, score_with_bar(clips, body, f"{steps} steps")) | times[steps]
    # The clips whose captions were used, so that the last row has the same mixture as the others.
    asked = {prompt.id.rsplit("-", 1)[0] for prompt in prompts}
    real = [clip for clip in real if clip.id in asked]
    quality = {"recognised": judge(model, labelled(real))["accuracy"], **pool(score_with_bar(real, body, "real"))}
    return report_steps(job.out, rows, quality, default, job.settings)


def _situations(options: Namespace) -> str:
    from carescene.evaluation.ward_recogniser import WardConfig
    from lightning_app.evaluation.situation_scores import score_clip, score_events
    from lightning_app.evaluation.situations import generated_clips, held_out_clips, report_situations, score_set
    from lightning_app.evaluation.ward_judge import get_ward_recogniser

    out, folders = Path(options.out), [Path(name) for name in options.data.split(",") if name]
    if not folders:
        raise UserError("Expected --data to name prepared folders, joined by commas, but got none.")
    clips = generated_clips(Path(options.dir))
    free = generated_clips(Path(options.unconstrained)) if options.unconstrained else []
    path = Path(options.recogniser) if options.recogniser else out / "ward_recogniser.safetensors"
    config = WardConfig(epochs=options.recogniser_epochs)
    model = get_ward_recogniser(folders, path, config, any_data=options.recogniser is not None)
    digest = sha256(path.read_bytes()).hexdigest()[:16]
    settings = {
        "dir": Path(options.dir).name,
        "data": ", ".join(folder.name for folder in folders),
        "split": options.split,
        "encoder": f"ward recogniser, last hidden layer, {model.config.embedding} numbers, {digest}",
        "every": options.every,
    }
    known = [score for clip in held_out_clips(folders, "val", options.held_out) for score in score_events(clip, model)]
    real = held_out_clips(folders, options.split, options.held_out)
    held_out = score_set(real, model, "held out", options.every, options.contacts)
    generated = score_set(clips, model, "generated", options.every)
    unconstrained = [score_clip(clip, options.every) for clip in free]
    return report_situations(out, model, held_out, generated, known, unconstrained, settings)


def _distribution(options: Namespace) -> str:
    from carescene.files import writable_folder
    from carescene.situations import load_situation
    from carescene.situations.priors import load_priors
    from lightning_app.evaluation.distribution import draws_of, recognised, report_distribution, weighted_clips

    if options.against is not None:
        return evaluate_against_real(options, partial(_Job, options))
    if (options.dir is None) == (options.situation is None) or not (options.dir or options.out):
        raise UserError(
            "Expected --dir with clips, --situation with --out, or --against with --data and --out, but got none or "
            "several. Name what is to be judged."
        )
    situation = load_situation(Path(options.situation)) if options.situation else None
    stated = options.priors or (situation.priors if situation else None)
    priors = load_priors(Path(stated) if stated else None)
    if situation is not None:
        drawn, seconds = draws_of(situation, options.num or _DRAWS), float(situation.seconds)
    else:
        clips = weighted_clips(Path(options.dir))
        drawn, seconds = recognised(clips, priors), clips[0].seconds
    out = writable_folder(Path(options.out) if options.out else Path(options.dir) / "evaluation")
    return report_distribution(out, drawn, priors, seconds)


class _Job:
    """What all measures do with their common options: read real clips, load the model, generate."""

    def __init__(self, options: Namespace) -> None:
        from diffusion.sampler import SamplerConfig

        default = SamplerConfig()
        self._options = options
        self.data, self.out = Path(options.data), Path(options.out)
        self.folder = Path(options.samples) if options.samples else self.out / "samples"
        self._checkpoint = Path(options.checkpoint) if options.checkpoint else None
        self.settings: dict[str, Any] = {
            "checkpoint": self._fingerprint(),
            "split": options.split,
            "num": options.num,
            "seed": options.seed,
            "sampler": options.sampler or default.name,
            "steps": default.steps if options.steps is None else options.steps,
            "guidance": default.guidance if options.guidance is None else options.guidance,
            "cleanup": options.cleanup,
        }
        self._sampler(self.settings["steps"])  # refuses impossible settings before anything slow begins

    def real(self) -> list[Any]:
        """Real clips of the split."""
        from lightning_app.evaluation.prepared import load_split

        return load_split(self.data, self._options.split)

    def samples(self, real: list[Any]) -> list[Any]:
        """Generated clips from captions of the real ones, made where they are missing."""
        from lightning_app.evaluation.samples import plan_prompts, sample_set

        prompts = plan_prompts(real, self._options.num, self._options.seed)
        return sample_set(self.folder, prompts, self.maker, self.settings, self._options.batch)

    def maker(self, steps: int | None = None) -> Any:
        """Makes clips as `lightning generate` does, with this run's settings."""
        generator, sampler = self._generator, self._sampler(self.settings["steps"] if steps is None else steps)
        cleanup = self._options.cleanup

        def make(captions: list[str], frames: list[int], seeds: list[int]) -> list[Any]:
            return generator.generate(
                captions, frames, seeds, sampler=sampler, cleanup=cleanup, batch_size=len(captions)
            )

        return make

    def recogniser(self, by: str = "class") -> Any:
        """The recogniser of an attribute of the data, trained when its file is missing."""
        from carescene.evaluation import RecogniserConfig
        from lightning_app.evaluation.steering import get_recogniser

        path = Path(self._options.recogniser) if self._options.recogniser else self.out / f"recogniser_{by}.safetensors"
        return get_recogniser(self.data, path, RecogniserConfig(epochs=self._options.recogniser_epochs), by)

    @cached_property
    def _generator(self) -> Any:
        from diffusion.generator import MotionGenerator

        return MotionGenerator.load(self._checkpoint)

    def _sampler(self, steps: int) -> Any:
        from diffusion.sampler import SamplerConfig

        return SamplerConfig(self.settings["sampler"], steps=steps, guidance=self.settings["guidance"])

    def _fingerprint(self) -> str:
        """Name and hash of the model file, so that samples of another model are noticed."""
        from diffusion.generator import BUNDLED

        with ExitStack() as stack:
            path = self._checkpoint or stack.enter_context(as_file(files("carescene") / "assets" / BUNDLED))
            if not path.is_file():
                raise UserError(
                    f"Expected a model file at '{path}', but there is none. Check --checkpoint, or train a model with "
                    "`lightning fit`."
                )
            return f"{path.name}:{sha256(path.read_bytes()).hexdigest()[:16]}"
