"""Prepare data: import recordings (`mocap`), simulate falls (`simulated`), make controlled motions (`controlled`).

And put all of them into rooms, alone and in company (`scenes`).
"""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from carescene.clips.prepare import DATASETS, prepare_mocap
from carescene.errors import UserError

# Where `prepare mocap` usually writes, and simulated people look for what they imitate.
_MOCAP = "data/prepared/mocap"
_SOURCES = "data/prepared/mocap,data/prepared/simulated,data/prepared/controlled"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of `lightning prepare`."""
    parser.add_argument(
        "kind",
        choices=["mocap", "simulated", "controlled", "scenes"],
        help="mocap: import motion capture; simulated: simulate falls; controlled: what is neither walk nor fall; "
        "scenes: prepared clips placed in rooms, one to three people",
    )
    parser.add_argument(
        "--source",
        type=str,
        default=None,
        help="mocap: folder with BVH, DeepMimic, SAMP/CIRCLE, AMASS files or zips of them; "
        f"simulated, controlled: prepared motion capture (default {_MOCAP})",
    )
    parser.add_argument(
        "--out", type=str, required=True, help="folder for clips, splits and report; continued if it exists"
    )
    parser.add_argument("--workers", type=int, default=None, help="processes (default: one per core)")
    parser.add_argument(
        "--datasets", type=str, nargs="+", default=list(DATASETS), help=f"mocap: which of {', '.join(DATASETS)}"
    )
    parser.add_argument("--count", type=int, default=1000, help="all but mocap: clips in the end")
    parser.add_argument("--seed", type=int, default=1, help="all but mocap: another seed gives other clips")
    parser.add_argument("--causes", type=str, nargs="+", default=None, help="simulated: only these causes")
    parser.add_argument(
        "--sources",
        type=str,
        default=_SOURCES,
        help=f"scenes: prepared folders, separated by commas (default {_SOURCES})",
    )
    parser.add_argument("--two_share", type=float, default=0.35, help="scenes: share of clips with two people")
    parser.add_argument("--three_share", type=float, default=0.05, help="scenes: share of clips with three people")


def run(args: Namespace) -> str:
    """Prepare and say in one line what was written where."""
    return {"mocap": _mocap, "simulated": _simulated, "controlled": _controlled, "scenes": _scenes}[args.kind](args)


def _mocap(args: Namespace) -> str:
    if args.source is None:
        raise UserError("Expected --source, but got none. Name the folder of recordings.")
    out = Path(args.out)
    done = prepare_mocap(Path(args.source), out, args.datasets, args.workers)
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


def _counts(splits: dict[str, int]) -> str:
    return ", ".join(f"{count} {split}" for split, count in splits.items())
