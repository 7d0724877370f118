"""Write clips or rendered films in a format that others read: `lightning export CLIPS --format F --out DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from carescene import UserError

if TYPE_CHECKING:
    # Imported where they are used: `--help` must not wait for torch.
    from carescene.export import Exported


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of `lightning export`."""
    parser.add_argument(
        "clips",
        type=str,
        help="folder of clips, or of items written by `lightning render`; humanml3d: prepared folders, comma-separated",
    )
    parser.add_argument(
        "--format",
        type=str,
        required=True,
        help="motion: amass, bvh, gltf, humanml3d; films: kinetics, omnifall, coco, mmaction, webdataset",
    )
    parser.add_argument(
        "--out", type=str, required=True, help="folder to write to, made when missing; continued if not"
    )
    parser.add_argument(
        "--split",
        type=str,
        default="0.8,0.1,0.1",
        help="shares of train, val and test; views of one clip and cuts of one recording stay on one side",
    )
    parser.add_argument("--modality", type=str, default="rgb", help="which film becomes the video: rgb or nir")
    parser.add_argument("--rate", type=float, default=2.0, help="coco: pictures per second taken out of films")
    parser.add_argument("--shard-size", type=float, default=1e9, help="webdataset: largest shard in bytes")
    parser.add_argument("--people", type=str, default="main", help="omnifall: segments of the main person, or of all")
    parser.add_argument("--body", type=str | None, default=None, help="SMPL body file (default: the bundled free body)")
    parser.add_argument("--workers", type=int | None, default=None, help="processes (default: one per core)")


def run(args: Namespace) -> str:
    """Export, and say in one line what was written where."""
    from carescene.export import ExportSettings, export, export_humanml3d

    out = Path(args.out)
    settings = ExportSettings(
        out=out,
        split=parse_split(args.split),
        modality=args.modality,
        rate=args.rate,
        shard_bytes=int(args.shard_size),
        people=args.people,
        body=None if args.body is None else Path(args.body),
        workers=args.workers,
    )
    if args.format == "humanml3d":
        done = export_humanml3d([Path(name) for name in args.clips.split(",") if name], settings)
    else:
        done = export(Path(args.clips), args.format, settings)
    return summary(done, args.format, out)


def parse_split(text: str) -> tuple[float, float, float]:
    """Three shares separated by commas; raises UserError for anything else."""
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != 3:
        raise UserError(f"Expected --split to be three numbers such as 0.8,0.1,0.1, but got '{text}'.")
    return shares[0], shares[1], shares[2]


def summary(done: "Exported", kind: str, out: Path) -> str:
    """The line that says what was written where, and one line for each film or clip that was not."""
    text = f"{kind}: {done.written} {done.what}{'s' * (done.written != 1)} written to {out}"
    if done.kept:
        text += f", {done.kept} were there already"
    text = "; ".join((text, *done.notes))
    failed = [f"left out {name}: {reason}" for name, reason in done.failures]
    return "\n".join((text, *failed))
