"""What films cost: seconds and bytes per 5-s clip as `lightning render` makes them, and what a million would take.

Run it on a quiet machine: `python tools/cost_of_clips.py --clips data/prepared/mocap/clips`. It films the same
clips once per set of modalities, each time in one process, and counts that process' core seconds without its start. The
table it prints stands in docs/benchmarks.md.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from carescene.clips import list_clips, load_clip

_MILLION: Final = 1_000_000
# Clips of this length, in seconds; figures are scaled to exactly 5 s by the number of pictures.
_SHORTEST, _LONGEST, _SECONDS = 4.5, 5.5, 5.0
_RATE: Final = 15
# Name of the row, cameras, modalities.
_SETS: Final = (
    ("depth, key points", "ceiling_corner", "depth,keypoints"),
    ("RGB, key points", "ceiling_corner", "rgb,keypoints"),
    ("RGB, depth, NIR, silhouette, key points", "ceiling_corner", "rgb,depth,nir,silhouette,keypoints"),
    ("the same from two cameras, per film", "ceiling_corner,wall", "rgb,depth,nir,silhouette,keypoints"),
)


@dataclass(frozen=True)
class Cost:
    """Per 5-s film: core seconds and bytes."""

    core_seconds: float
    size: float


def choose_clips(folder: Path, count: int, out: Path) -> None:
    """Copy `count` clips of about 5 s, spread evenly over the folder, so that no kind of motion dominates."""
    paths = list_clips(folder)
    chosen: list[Path] = []
    for path in (paths[index * 7919 % len(paths)] for index in range(len(paths))):
        clip = load_clip(path)
        # Whoever lies or sits needs a bed or chair that fits: not every room has one.
        if _SHORTEST <= clip.seconds <= _LONGEST and clip.trans[..., 2].min() > 0.7:
            chosen.append(path)
        if len(chosen) == count:
            break
    out.mkdir(parents=True)
    for path in chosen:
        for file in (path, path.with_suffix(".npz")):
            shutil.copy(file, out)


def render(clips: Path, camera: str, modalities: str, out: Path) -> float:
    """Film a folder and return the core seconds of the process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "lightning_app", "render", str(clips), "--scene", "ward_two_bed"]
    command += [
        "--camera",
        camera,
        "--modalities",
        modalities,
        "--fps",
        str(_RATE),
        "--workers",
        "1",
        "--out",
        str(out),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(clips: Path, camera: str, modalities: str, start: float) -> Cost:
    """Cost of one film of one set, without the start of the process."""
    with tempfile.TemporaryDirectory() as folder:
        spent = render(clips, camera, modalities, Path(folder)) - start
        cards = list(Path(folder).glob("*/card.json"))
        pictures = sum(json.loads(card.read_text())["frames"] for card in cards)
        size = sum(file.stat().st_size for card in cards for file in card.parent.iterdir())
    per_film = _SECONDS * _RATE / pictures
    return Cost(spent * per_film, size * per_film)


def start_of_process(folder: Path) -> float:
    """Core seconds that a process spends on its libraries and the body before its first film."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "import open3d, torch, smplx, av; from carescene.humans.body import load_body; load_body()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips")
    parser.add_argument("--count", type=int, default=6, help="how many to film")
    args = parser.parse_args()
    lines = [
        "| what is written | core seconds per 5-s film | kB per film | core-hours per million | TB per million |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        choose_clips(args.clips, args.count, clips)
        motion = sum(file.stat().st_size for file in clips.iterdir()) / args.count
        start = start_of_process(Path(folder))
        for name, camera, modalities in _SETS:
            cost = measure(clips, camera, modalities, start)
            hours = cost.core_seconds * _MILLION / 3600
            lines.append(
                f"| {name} | {cost.core_seconds:.1f} | {cost.size / 1e3:.0f} | {hours:,.0f} | "
                f"{cost.size * _MILLION / 1e12:.2f} |"
            )
    lines.append(f"| the clip alone (film it when needed) | | {motion / 1e3:.0f} | | {motion * _MILLION / 1e12:.2f} |")
    lines.append(f"\nStart of the process, once for all films: {start:.1f} core seconds.")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
