"""Import foreign recordings as clips: `lightning prepare mocap --source DIR --out DIR`."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from carescene.clips.prepare import DATASETS, prepare_mocap


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of `lightning prepare`."""
    parser.add_argument("kind", choices=["mocap"], help="what is imported: motion capture")
    parser.add_argument(
        "--source", type=str, required=True, help="folder with BVH, DeepMimic, SAMP/CIRCLE, AMASS files or zips of them"
    )
    parser.add_argument(
        "--out", type=str, required=True, help="folder for clips, splits and report; continued if it exists"
    )
    parser.add_argument("--workers", type=int, default=None, help="processes (default: one per core)")
    parser.add_argument(
        "--datasets", type=str, nargs="+", default=list(DATASETS), help=f"which of {', '.join(DATASETS)} to import"
    )


def run(args: Namespace) -> str:
    """Import and say in one line what was written where."""
    out = Path(args.out)
    done = prepare_mocap(Path(args.source), out, args.datasets, args.workers)
    splits = ", ".join(f"{count} {split}" for split, count in done.splits.items())
    left_out = f"; {len(done.rejects)} left out, see {out / 'report.md'}" if done.rejects else ""
    return f"{done.clips} clips ({splits}; {done.minutes:.1f} min) in {out}{left_out}"
