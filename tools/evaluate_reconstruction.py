"""Measure reconstruction against truth: our own clips seen by ward cameras, Captury takes, videos, recorded depth.

    .venv/bin/python tools/evaluate_reconstruction.py synthetic --out runs/recovered/synthetic [--count 20]
    .venv/bin/python tools/evaluate_reconstruction.py captury ../shared/data/mocap/captury --out runs/recovered/captury
    .venv/bin/python tools/evaluate_reconstruction.py videos ../shared/data/video --out runs/recovered/videos
    .venv/bin/python tools/evaluate_reconstruction.py depth ../shared/data/video/urfd --out runs/recovered/depth

Results of single clips, cameras and videos are kept in OUT, so that a killed run goes on; the table is written to
OUT/table.md and printed. --part K/N does every N-th item only, so that N of these can run side by side.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from carescene.clips.formats.captury import read_captury
from carescene.errors import UserError
from carescene.files import write_atomically
from reconstruction.calibration_priors import GivenCamera, KnownDistance
from reconstruction.captury_takes import captury_views
from reconstruction.people import PeopleStages, recover_people
from reconstruction.scores import score_captury, score_clip
from reconstruction.seen_clips import draw_clips, see_clip
from reconstruction.work_files import WorkFolder

FOLDERS = ("mocap", "simulated_2", "controlled", "scenes")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv")


def main() -> None:
    """Run one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["synthetic", "captury", "videos", "depth"])
    parser.add_argument("source", type=Path, nargs="?", help="folder of takes or videos")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("data/prepared"), help="synthetic: prepared folders")
    parser.add_argument("--count", type=int, default=20, help="synthetic: clips")
    parser.add_argument("--seed", type=int, default=0, help="synthetic: of clips, cameras and noise")
    parser.add_argument("--split", choices=["train", "val", "test"], default="test", help="synthetic: clips of it")
    parser.add_argument("--distance", choices=["known", "unknown"], default="known", help="synthetic: on the floor")
    parser.add_argument("--lens", choices=["known", "unknown"], default="unknown", help="synthetic: focal length, k1")
    parser.add_argument("--frames", type=int, default=0, help="captury: only so many frames from the start, 0 for all")
    parser.add_argument("--part", type=str, default="1/1", help="K/N: every N-th item only, from the K-th on")
    arguments = parser.parse_args()
    tables = {"synthetic": synthetic, "captury": captury, "videos": videos, "depth": depth}
    if arguments.table != "synthetic" and arguments.source is None:
        raise UserError(f"Expected the folder of recordings after '{arguments.table}', but got none. Name it.")
    rows = tables[arguments.table](arguments)
    text = markdown(rows)
    write_atomically(arguments.out / "table.md", lambda file: file.write(text.encode()))
    sys.stdout.write(text)


def synthetic(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Clips with exact truth, seen with a detector's errors by a camera that nobody knows."""
    clips = draw_clips([arguments.data / name for name in FOLDERS], arguments.count, arguments.seed, arguments.split)

    def one(index: int) -> dict[str, Any]:
        clip = clips[index]
        seen = see_clip(clip, arguments.seed)
        known = KnownDistance(seen.known_pixels, seen.known_metres) if arguments.distance == "known" else None
        lens = seen.camera if arguments.lens == "known" else None
        work = WorkFolder(arguments.out / "work" / f"{index:02d}")
        recovered = recover_people(
            seen.keypoints, PeopleStages(given=GivenCamera(lens=lens, distance=known)), work=work
        )
        return {"clip": clip.id} | score_clip(seen, recovered.solution, recovered.calibration.camera)

    return each(arguments, [f"{index:02d}_{clip.id}" for index, clip in enumerate(clips)], one)


def captury(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Key points of one camera in, the joints of all cameras out."""
    takes = [read_captury(path) for path in sorted(arguments.source.glob("*.zip"))]
    views = [view for take in takes for view in captury_views(take, arguments.frames or None)]

    def one(index: int) -> dict[str, Any]:
        view = views[index]
        work = WorkFolder(arguments.out / "work" / view.name)
        recovered = recover_people(view.keypoints, work=work)
        return {"view": view.name} | score_captury(view, recovered.solution, recovered.calibration.camera)

    return each(arguments, [view.name for view in views], one)


def videos(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Every video of a folder, unattended, with the measures of its report."""
    paths = [path for path in sorted(arguments.source.rglob("*")) if path.suffix.lower() in VIDEOS]
    names = ["_".join(path.relative_to(arguments.source).with_suffix("").parts) for path in paths]

    def one(index: int) -> dict[str, Any]:
        return {"video": names[index]} | run_video(paths[index], arguments.out / names[index])

    return each(arguments, names, one)


def run_video(path: Path, out: Path, **further: Any) -> dict[str, Any]:
    """Reconstruct one video and tell its measures; a refusal is told as such."""
    from reconstruction.pipeline import reconstruct
    from reconstruction.request import Request

    start = time.perf_counter()
    try:
        outcome = reconstruct(Request(video=path, out=out, **further))
    except UserError as error:
        return {"refused": str(error)}
    row: dict[str, Any] = {}
    for part in outcome.parts:
        means = part.quality.means
        row = {
            "people": part.clip.num_persons,
            "seconds": part.clip.seconds,
            "reprojection %": 100 * means["reprojection"],
            "skate cm/s": 100 * means["skate"],
            "penetration cm": 100 * means["penetration_m"],
            "doubted %": 100 * means["share_doubted"],
            "camera height m": float(part.clip.cameras[0]["height_m"]),
            "tilt deg": float(part.clip.cameras[0]["tilt_deg"]),
            "x real time": (time.perf_counter() - start) / part.clip.seconds,
            **{f"s {name}": value for name, value in part.seconds.items()},
        }
    return row


def depth(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The same videos with their recorded depth and without: scale and floor of both."""
    paths = [path for path in sorted(arguments.source.rglob("*")) if path.suffix.lower() in VIDEOS]

    def one(index: int) -> dict[str, Any]:
        path = paths[index]
        without = run_video(path, arguments.out / "without" / path.stem)
        recorded = run_video(path, arguments.out / "with" / path.stem, depth="recorded")
        row: dict[str, Any] = {"video": path.stem}
        for name in ("camera height m", "tilt deg", "reprojection %"):
            row |= {f"{name} without": without.get(name), f"{name} with": recorded.get(name)}
        if "refused" in recorded or "refused" in without:
            return row | {"refused": recorded.get("refused", without.get("refused"))}
        row["height ratio"] = recorded["camera height m"] / without["camera height m"]
        return row

    return each(arguments, [path.stem for path in paths], one)


def each(
    arguments: argparse.Namespace, names: Sequence[str], one: Callable[[int], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of all items that are kept in OUT/rows, after making those of this part that are not."""
    number, parts = (int(text) for text in arguments.part.split("/"))
    folder = arguments.out / "rows"
    for index in range(number - 1, len(names), parts):
        file = folder / f"{names[index]}.json"
        if file.is_file():
            continue
        started = time.process_time()
        row = one(index) | {"cpu s": time.process_time() - started}
        write_atomically(file, lambda stream, row=row: stream.write(json.dumps(row).encode()))
        sys.stderr.write(f"{index + 1}/{len(names)} {markdown([row])}\n")
    kept = [folder / f"{name}.json" for name in names]
    return [json.loads(file.read_text()) for file in kept if file.is_file()]


def markdown(rows: list[dict[str, Any]]) -> str:
    """A table of all rows, with the mean of every number below."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    means: dict[str, Any] = {}
    for name in columns:
        numbers = [row[name] for row in rows if isinstance(row.get(name), (int, float)) and np.isfinite(row[name])]
        means[name] = float(np.mean(numbers)) if numbers else ""
    means[columns[0]] = f"mean of {len(rows)}"
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(name, "")) for name in columns] for row in [*rows, means]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
