"""A library of controlled motions: every event in turn, resumable, with splits and a report."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from carescene.clips.clip import Clip
from carescene.clips.files import load_clip, save_clip
from carescene.clips.prepare.splits import SPLITS, SplitItem, make_splits
from carescene.errors import UserError
from carescene.files import writable_folder, write_atomically
from carescene.jobs import run_jobs
from carescene.simulation.controlled import CONTROLLED_EVENTS, STAFF_ACTIONS, make_controlled, make_staff_action

# Events of which a round holds more than one: what a ward sees most, and what alarms are most often mixed up with.
_MORE: Final = {"bed_exit": 3, "bed_entry": 2, "in_bed_turning": 2, "in_bed_restless": 2, "rise_alone": 2, "chair_sit": 2}


@dataclass(frozen=True)
class ControlledLibrary:
    """What `produce_controlled` made: clips per split and how many draws were refused."""

    splits: dict[str, int]
    refused: int


def event_round() -> list[str]:
    """All events and staff actions, those that matter most several times, in the order in which they are made."""
    names = [*CONTROLLED_EVENTS, *STAFF_ACTIONS]
    later = [name for name, times in _MORE.items() for _ in range(times - 1)]
    return [*names, *later]


def produce_controlled(
    out: Path, *, count: int = 1000, seed: int = 1, workers: int | None = None, progress: bool = True
) -> ControlledLibrary:
    """Make `count` controlled clips in `out`; those that are there already are kept.

    Writes `clips/`, `splits/{train,val,test}.txt`, `report.md` and `report.json`.

    Raises:
        UserError: a count below 1, a negative seed, or a folder that cannot be written.
    """
    if count < 1 or seed < 0:
        raise UserError(
            f"Expected at least one clip and a seed of 0 or more, but got {count} clips and seed {seed}. Correct them."
        )
    writable_folder(out)
    folder = writable_folder(out / "clips")
    rounds = event_round()
    jobs = [(rounds[index % len(rounds)], seed * 100_000 + index) for index in range(count)]
    missing = [job for job in jobs if not (folder / f"{clip_id(*job)}.json").is_file()]
    failed: dict[str, str] = {}
    for job, outcome in run_jobs(
        _make, missing, str(folder), workers=workers, label="controlled", unit="clip", progress=progress
    ):
        if isinstance(outcome, UserError):
            failed[clip_id(*job)] = str(outcome)
    made = [clip_id(*job) for job in jobs if (folder / f"{clip_id(*job)}.json").is_file()]
    if not made:
        raise UserError(f"Expected some believable clips, but all {count} failed. Take another seed.")
    clips = [load_clip(folder / f"{name}.json") for name in made]
    splits = make_splits({clip.id: SplitItem(clip.id, clip.attributes["action"], clip.num_frames) for clip in clips})
    for split, names in splits.items():
        text = "".join(f"{name}\n" for name in names)
        write_atomically(out / "splits" / f"{split}.txt", lambda file, text=text: file.write(text.encode()))
    refused = _write_report(out, clips, failed)
    return ControlledLibrary({split: len(splits[split]) for split in SPLITS}, refused)


def clip_id(action: str, seed: int) -> str:
    """Name of the clip of an action under a seed."""
    return f"controlled-{action}-{seed:07d}"


def _make(job: tuple[str, int], folder: str) -> None:
    action, seed = job
    clip = make_controlled(action, seed) if action in CONTROLLED_EVENTS else make_staff_action(action, seed)
    save_clip(clip, Path(folder))


def _write_report(out: Path, clips: Sequence[Clip], failed: dict[str, str]) -> int:
    by_action: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_action[clip.attributes["action"]].append(clip)
    reasons = Counter(
        reason
        for clip in clips
        for draw in filter(None, clip.attributes.get("refused", "").split("; "))
        for reason in draw.split(" and ")
    )
    draws = sum(len(clip.attributes.get("refused", "").split("; ")) for clip in clips if "refused" in clip.attributes)
    rows = []
    for action, group in sorted(by_action.items()):
        mean = {key: float(np.mean([clip.quality[key] for clip in group])) for key in group[0].quality}
        again = sum(len(clip.attributes["refused"].split("; ")) for clip in group if "refused" in clip.attributes)
        rows.append(
            {"event": action, "clips": len(group), "refused": again, "minutes": sum(c.seconds for c in group) / 60} | mean
        )
    lines = [
        "# Controlled motions",
        "",
        f"{len(clips)} clips, {sum(clip.seconds for clip in clips) / 60:.1f} minutes. {draws} draws were refused and "
        f"drawn again ({', '.join(f'{name} {number}' for name, number in reasons.most_common()) or 'no reasons'}); "
        f"{len(failed)} seeds gave nothing.",
        "",
        "contact: worst miss of a held point, mm; limit: degrees beyond a joint's range; depth: skin in floor or",
        "furniture beyond what gives, cm; jump: fastest joint, cm per frame; skate: m/s of standing feet.",
        "",
        "| event | clips | refused | minutes | contact | limit | depth | jump | skate |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['event']} | {row['clips']} | {row['refused']} | {row['minutes']:.1f} | {1000 * row['contact']:.2f} | "
            f"{row['limit']:.1f} | {100 * row['depth']:.2f} | {100 * row['jump']:.1f} | {row['skate']:.4f} |"
        )
    lines += ["", *(f"- {name}: {why}" for name, why in sorted(failed.items()))]
    text = "\n".join(lines) + "\n"
    write_atomically(out / "report.md", lambda file: file.write(text.encode()))
    table = json.dumps({"events": rows, "refused": reasons, "failed": failed}, indent=1) + "\n"
    write_atomically(out / "report.json", lambda file: file.write(table.encode()))
    return draws
