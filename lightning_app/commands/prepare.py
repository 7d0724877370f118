"""Prepare data: import recordings (`mocap`), simulate falls (`simulated`), make controlled motions (`controlled`).

And put all of them into rooms, alone and in company (`scenes`); build HumanML3D from AMASS (`humanml3d`);
convert InterHuman (`interhuman`); write prepared clips as a few large files (`shards`); find the people in a video
(`keypoints`).
"""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from carescene.clips.prepare import DATASETS, prepare_mocap
from carescene.errors import UserError
from lightning_app.commands._keypoints import prepare_keypoints

# Where `prepare mocap` usually writes, and simulated people look for what they imitate.
_MOCAP = "data/prepared/mocap"
_SOURCES = "data/prepared/mocap,data/prepared/simulated,data/prepared/controlled"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of `lightning prepare`."""
    parser.add_argument(
        "kind",
        choices=["mocap", "simulated", "controlled", "scenes", "humanml3d", "interhuman", "shards", "keypoints"],
        help="mocap: import motion capture; simulated: simulate falls; controlled: what is neither walk nor fall; "
        "scenes: prepared clips placed in rooms, one to three people; humanml3d: the official folder from AMASS, index "
        "and texts, with a list of the files to fetch; interhuman: the pairs of the official folder; shards: prepared "
        "folders as WebDataset shards for training; keypoints: the people in a video of a fixed camera, as a COCO file",
    )
    parser.add_argument("video", nargs="?", type=str, default=None, help="keypoints: the video")
    parser.add_argument(
        "--source",
        type=str,
        default=None,
        help="mocap: folder with BVH, DeepMimic, SAMP/CIRCLE, AMASS files or zips of them; "
        f"simulated, controlled: prepared motion capture (default {_MOCAP}); "
        "humanml3d: folder with index.csv, lists, texts.zip, amass, humanact12.zip and smplh, see docs/humanml3d.md; "
        "interhuman: folder with annots, motions_processed and split; shards: prepared folders, separated by commas",
    )
    parser.add_argument(
        "--out",
        type=str,
        default=None,
        help="folder for clips, splits and report; continued if it exists. keypoints: the file to write (default "
        "VIDEO's name with .keypoints.json); a run that was killed goes on",
    )
    parser.add_argument("--workers", type=int, default=None, help="processes (default: one per core)")
    parser.add_argument(
        "--datasets", type=str, nargs="+", default=list(DATASETS), help=f"mocap: which of {', '.join(DATASETS)}"
    )
    parser.add_argument("--count", type=int, default=1000, help="simulated, controlled, scenes: clips in the end")
    parser.add_argument(
        "--seed", type=int, default=1, help="simulated, controlled, scenes: another seed gives other clips"
    )
    parser.add_argument("--causes", type=str, nargs="+", default=None, help="simulated: only these causes")
    parser.add_argument(
        "--sources",
        type=str,
        default=_SOURCES,
        help=f"scenes: prepared folders, separated by commas (default {_SOURCES})",
    )
    parser.add_argument("--two_share", type=float, default=0.35, help="scenes: share of clips with two people")
    parser.add_argument("--three_share", type=float, default=0.05, help="scenes: share of clips with three people")
    parser.add_argument(
        "--rules",
        type=Literal["published", "corrected"],
        default="published",
        help="humanml3d: as the published set was made, or with true frame rates and turns",
    )
    parser.add_argument(
        "--free_body", type=bool, default=False, help="humanml3d: without SMPL-H, joints off by centimetres"
    )
    parser.add_argument(
        "--on_bad",
        type=Literal["refuse", "skip"],
        default="refuse",
        help="humanml3d, interhuman, shards: stop at files that are missing or damaged, or make the rest and report",
    )
    parser.add_argument("--source_fps", type=float, default=30.0, help="interhuman: rate of the motion files, 30 or 60")
    parser.add_argument("--clips_per_shard", type=int, default=256, help="shards: clips in each tar file")
    parser.add_argument(
        "--text_encoder", type=str, default="minilm", help="shards: whose token features are stored with the clips"
    )
    parser.add_argument("--mirror", type=bool, default=True, help="shards: store mirrored captions for training too")

    parser.add_argument(
        "--detector",
        type=Literal["mediapipe", "vitpose"],
        default="mediapipe",
        help="keypoints: mediapipe brings its weights; vitpose runs models that you have, see --pose_model",
    )
    parser.add_argument(
        "--pose_model",
        type=str,
        default="usyd-community/vitpose-base-simple",
        help="keypoints with vitpose: folder of a ViTPose model, or its name in the hub's cache",
    )
    parser.add_argument(
        "--person_model",
        type=str,
        default="PekingU/rtdetr_r50vd_coco_o365",
        help="keypoints with vitpose: folder of a model that finds people, or its name in the hub's cache",
    )
    parser.add_argument(
        "--view",
        type=str,
        default="auto",
        help="keypoints: which picture of a frame with several: auto (the largest with colour), whole, a number, or "
        "x,y,width,height",
    )
    parser.add_argument("--rate", type=float, default=30.0, help="keypoints: pictures a second to look at, at most")


def run(args: Namespace) -> str:
    """Prepare and say in one line what was written where."""
    kinds = {
        "mocap": _mocap,
        "simulated": _simulated,
        "controlled": _controlled,
        "scenes": _scenes,
        "humanml3d": _humanml3d,
        "interhuman": _interhuman,
        "shards": _shards,
        "keypoints": prepare_keypoints,
    }
    if args.kind != "keypoints" and (args.out is None or args.video is not None):
        raise UserError(
            f"Expected --out FOLDER and no further words for 'prepare {args.kind}', but got "
            f"{'no --out' if args.out is None else repr(args.video)}. Name the folder to write to with --out."
        )
    return kinds[args.kind](args)


def _source(args: Namespace, advice: str) -> str:
    """What --source says, for kinds that cannot do without."""
    if args.source is None:
        raise UserError(f"Expected --source, but got none. {advice}")
    return args.source


def _mocap(args: Namespace) -> str:
    source = _source(args, "Name the folder of recordings.")
    out = Path(args.out)
    done = prepare_mocap(Path(source), out, args.datasets, args.workers)
    left_out = f"; {len(done.rejects)} left out, see {out / 'report.md'}" if done.rejects else ""
    return f"{done.clips} clips ({_counts(done.splits)}; {done.minutes:.1f} min) in {out}{left_out}"


def _simulated(args: Namespace) -> str:
    # Physics is imported by those alone who simulate.
    from carescene.simulation.produce import produce_falls
    from carescene.simulation.situations import FAMILIES

    out = Path(args.out)
    done = produce_falls(
        Path(args.source or _MOCAP),
        out,
        count=args.count,
        seed=args.seed,
        families=tuple(FAMILIES) if args.causes is None else args.causes,
        workers=args.workers,
    )
    clips = f"{sum(done.splits.values())} clips ({_counts(done.splits)}) in {out}"
    return f"{clips}; {done.refused_share:.0%} of the attempts were refused, see {out / 'report.md'}"


def _controlled(args: Namespace) -> str:
    from carescene.simulation.produce_controlled import produce_controlled

    out = Path(args.out)
    walks = Path(args.source or _MOCAP)
    done = produce_controlled(
        out,
        count=args.count,
        seed=args.seed,
        # The usual place may be missing; a place that was named may not.
        walks=walks if args.source or walks.is_dir() else None,
        workers=args.workers,
    )
    clips = f"{sum(done.splits.values())} clips ({_counts(done.splits)}) in {out}"
    return f"{clips}; {done.refused} draws were refused, see {out / 'report.md'}"


def _scenes(args: Namespace) -> str:
    from carescene.encounters.produce import produce_scenes

    out = Path(args.out)
    done = produce_scenes(
        [Path(name) for name in args.sources.split(",") if name],
        out,
        count=args.count,
        seed=args.seed,
        two_share=args.two_share,
        three_share=args.three_share,
        workers=args.workers,
    )
    people = ", ".join(f"{count} of {persons}" for persons, count in sorted(done.persons.items()))
    clips = f"{sum(done.splits.values())} clips ({_counts(done.splits)}; people: {people}) in {out}"
    return f"{clips}; {sum(done.refusals.values())} attempts were refused, see {out / 'report.md'}"


def _humanml3d(args: Namespace) -> str:
    from carescene.clips.prepare.humanml3d import prepare_humanml3d

    source = _source(args, "Name the folder described in docs/humanml3d.md.")
    out = Path(args.out)
    done = prepare_humanml3d(
        Path(source),
        out,
        rules=args.rules,
        free_body=args.free_body,
        on_bad=args.on_bad,
        workers=args.workers,
    )
    clips = f"{sum(done.splits.values())} clips ({_counts(done.splits)}) in {out}"
    return f"{clips}; {done.report.summary()}, see {out / 'report.json'}"


def _interhuman(args: Namespace) -> str:
    from carescene.clips.prepare.interhuman import prepare_interhuman

    source = _source(args, "Name the folder with annots, motions_processed and split.")
    out = Path(args.out)
    done = prepare_interhuman(Path(source), out, on_bad=args.on_bad, source_fps=args.source_fps, workers=args.workers)
    clips = f"{sum(done.splits.values())} clips ({_counts(done.splits)}) in {out}"
    return f"{clips}; {done.report.summary()}, see {out / 'dropped.json'}"


def _shards(args: Namespace) -> str:
    from datamodules.shard_writing import prepare_shards

    source = _source(args, "Name prepared folders, separated by commas.")
    out = Path(args.out)
    done = prepare_shards(
        [Path(name) for name in source.split(",") if name],
        out,
        clips_per_shard=args.clips_per_shard,
        text_encoder=args.text_encoder,
        mirror=args.mirror,
        seed=args.seed,
        on_bad=args.on_bad,
        workers=args.workers,
    )
    files = f"{sum(done.shards.values())} shards, {done.size / 1e6:.0f} MB"
    clips = f"{sum(done.clips.values())} clips ({_counts(done.clips)}) in {out}: {files}"
    where = f", see {out / 'dropped.json'}" if done.report.left_out else ""
    return f"{clips}; {done.report.left_out} left out{where}"


def _counts(splits: dict[str, int]) -> str:
    return ", ".join(f"{count} {split}" for split, count in splits.items())
