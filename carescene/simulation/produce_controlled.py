"""A library of controlled motions: every event in turn, resumable, with splits and a report."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from carescene.clips.clip import Clip
from carescene.clips.files import load_clip, save_clip
from carescene.clips.prepare.splits import SPLITS, SplitItem, make_splits
from carescene.errors import UserError
from carescene.files import writable_folder, write_atomically
from carescene.jobs import run_jobs
from carescene.simulation.anatomy import measure_body
from carescene.simulation.controlled import CONTROLLED_EVENTS, STAFF_ACTIONS, make_controlled, make_staff_action
from carescene.simulation.controlled_script import LONGEST_S
from carescene.simulation.controlled_walking import WALKING, make_walking
from carescene.simulation.keyframing import FPS
from carescene.simulation.real_walks import continue_into_walk, find_walks, walk_on

# Events of which a round holds more than one: what a ward sees most, and what alarms are most often mixed up with.
_MORE: Final = {
    "bed_exit": 3,
    "bed_entry": 2,
    "in_bed_turning": 2,
    "in_bed_restless": 2,
    "rise_alone": 2,
    "chair_sit": 2,
}

_WALK_AWAY: Final = ("chair_rise", "raised_by_staff", "rise_alone", "bed_exit", "pick_up_floor")
_SPLITS_EVERY: Final = 50
_MEASURES: Final = ("contact", "limit", "depth", "jump", "skate", "jerk", "penetration")


@dataclass(frozen=True)
class ControlledLibrary:
    """What `produce_controlled` made: clips per split and how many draws were refused."""

    splits: dict[str, int]
    refused: int


def event_round(*, walking: bool = True) -> list[str]:
    """All events and staff actions, those that matter most several times, in the order in which they are made."""
    later = [name for name, times in _MORE.items() for _ in range(times - 1)]
    return [*CONTROLLED_EVENTS, *STAFF_ACTIONS, *later, *(WALKING if walking else ())]


def produce_controlled(
    out: Path,
    *,
    count: int = 1000,
    seed: int = 1,
    walks: Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> ControlledLibrary:
    """Make `count` controlled clips in `out`; those that are there already are kept.

    Writes `clips/`, `splits/{train,val,test}.txt` (anew after every 50 clips), `report.md` and `report.json`.

    Args:
        walks: a prepared folder of motion capture, for walks with an aid or a helper and for walking away after
            getting up; without one these are left out.

    Raises:
        UserError: a count below 1, a negative seed, a folder that cannot be written, or `walks` without walks.
    """
    if count < 1 or seed < 0:
        raise UserError(
            f"Expected at least one clip and a seed of 0 or more, but got {count} clips and seed {seed}. Correct them."
        )
    writable_folder(out)
    folder = writable_folder(out / "clips")
    if walks is not None:
        find_walks(walks, old=True)
    rounds = event_round(walking=walks is not None)
    jobs = [(rounds[index % len(rounds)], seed * 100_000 + index) for index in range(count)]
    # Clips of other seeds that lie there already belong to the library as well.
    items = {path.stem: _item(load_clip(path)) for path in sorted(folder.glob("controlled-*.json"))}
    missing = [job for job in jobs if clip_id(*job) not in items]
    failed: dict[str, str] = {}
    made = run_jobs(
        _make, missing, (str(folder), walks), workers=workers, label="controlled", unit="clip", progress=progress
    )
    for number, (job, outcome) in enumerate(made):
        if isinstance(outcome, UserError):
            failed[clip_id(*job)] = str(outcome)
        else:
            items[clip_id(*job)] = outcome
        if number % _SPLITS_EVERY == _SPLITS_EVERY - 1:
            _write_splits(out, items)
    if not items:
        raise UserError(f"Expected some believable clips, but all {count} failed. Take another seed.")
    splits = _write_splits(out, items)
    refused = _write_report(out, [load_clip(folder / f"{name}.json") for name in sorted(items)], failed)
    return ControlledLibrary({split: len(splits[split]) for split in SPLITS}, refused)


def clip_id(action: str, seed: int) -> str:
    """Name of the clip of an action under a seed."""
    return f"controlled-{action}-{seed:07d}"


def _make(job: tuple[str, int], shared: tuple[str, Path | None]) -> SplitItem:
    (action, seed), (folder, walks) = job, shared
    if action in WALKING:
        assert walks is not None
        clip = make_walking(action, seed, walks)
    elif action in STAFF_ACTIONS:
        clip = make_staff_action(action, seed)
    else:
        clip = make_controlled(action, seed)
        if walks is not None:
            clip = _maybe_walking_away(clip, seed, walks)
    save_clip(clip, Path(folder))
    return _item(clip)


def _maybe_walking_away(clip: Clip, seed: int, walks: Path) -> Clip:
    """Half of those who have just got up walk away, if there is time for three steps."""
    rng = np.random.default_rng([seed, 7])
    room = round(LONGEST_S * FPS) - clip.num_frames
    if clip.attributes["action"] not in _WALK_AWAY or room < 2 * FPS or rng.random() < 0.5:
        return clip
    old = (clip.persons[0].age_years or 40.0) >= 65
    paths = find_walks(walks, old=old)
    anatomy = measure_body(clip.betas[0].astype(np.float64))
    walk = walk_on(anatomy, paths[int(rng.integers(len(paths)))])
    longer = continue_into_walk(clip, anatomy, walk.first(room))
    return replace(longer, id=clip.id)


def _item(clip: Clip) -> SplitItem:
    return SplitItem(clip.id, clip.attributes["action"], clip.num_frames)


def _write_splits(out: Path, items: dict[str, SplitItem]) -> dict[str, list[str]]:
    splits = make_splits(items)
    for split, names in splits.items():
        text = "".join(f"{name}\n" for name in names)
        write_atomically(out / "splits" / f"{split}.txt", lambda file, text=text: file.write(text.encode()))
    return splits


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
        mean = {key: float(np.mean([clip.quality.get(key, 0.0) for clip in group])) for key in _MEASURES}
        again = sum(len(clip.attributes["refused"].split("; ")) for clip in group if "refused" in clip.attributes)
        rows.append(
            {"event": action, "clips": len(group), "refused": again, "minutes": sum(c.seconds for c in group) / 60}
            | mean
        )
    lines = [
        "# Controlled motions",
        "",
        f"{len(clips)} clips, {sum(clip.seconds for clip in clips) / 60:.1f} minutes. {draws} draws were refused and "
        f"drawn again ({', '.join(f'{name} {number}' for name, number in reasons.most_common()) or 'no reasons'}); "
        f"{len(failed)} seeds gave nothing.",
        "",
        "contact: worst miss of a held point, mm; limit: degrees beyond a joint's range; depth: skin in floor or",
        "furniture beyond what gives, cm; jump: fastest joint, cm per frame; skate: m/s of planted feet and hands.",
        "",
        "| event | clips | refused | minutes | contact | limit | depth | jump | skate |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['event']} | {row['clips']} | {row['refused']} | {row['minutes']:.1f} | "
            f"{1000 * row['contact']:.2f} | {row['limit']:.1f} | {100 * row['depth']:.2f} | "
            f"{100 * row['jump']:.1f} | {row['skate']:.4f} |"
        )
    lines += ["", *(f"- {name}: {why}" for name, why in sorted(failed.items()))]
    text = "\n".join(lines) + "\n"
    write_atomically(out / "report.md", lambda file: file.write(text.encode()))
    table = json.dumps({"events": rows, "refused": reasons, "failed": failed}, indent=1) + "\n"
    write_atomically(out / "report.json", lambda file: file.write(table.encode()))
    return draws
