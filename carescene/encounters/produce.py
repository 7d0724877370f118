"""A prepared folder of clips in rooms, one to three people each: `lightning prepare scenes`.

Clip number n depends on the seed, on n and on the sources alone, so a run that was stopped goes on where it was, and
more workers change nothing.
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from carescene.clips.clip import Clip, Source
from carescene.clips.files import load_clip, save_clip
from carescene.clips.prepare.splits import SPLITS, TEST_SHARE, VALIDATION_SHARE
from carescene.encounters.alone import is_touching, place_alone
from carescene.encounters.company import add_company
from carescene.encounters.gait import Gait, find_gait
from carescene.encounters.sources import SourceClip, Sources, read_sources
from carescene.errors import UserError
from carescene.files import writable_folder, write_atomically
from carescene.jobs import run_jobs
from carescene.scenes.furnishing import furnish_clip

# After this many rooms or sources, a number is given up and counted as refused.
_TRIES: Final = 4
_WRITE_EVERY: Final = 50
# Nobody does these alone.
_ASSISTED: Final = ("raised_by_staff", "bed_exit_assisted", "walk_assisted")
_GAITS: Final = 24
# Nobody at work walks like a child, a giant or a zombie.
_GAIT_STYLES: Final = ("normal", "active", "masculine", "feminine", "youthful")
VERSION: Final = "scenes-1"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all workers share."""

    folders: tuple[Path, ...]
    out: Path
    seed: int
    two_share: float
    three_share: float
    rooms: int


@dataclasses.dataclass(frozen=True)
class Made:
    """Clips there are, by split, and why attempts were refused."""

    splits: dict[str, int]
    persons: dict[int, int]
    refusals: dict[str, int]


def produce_scenes(
    sources: Sequence[Path],
    out: Path,
    *,
    count: int,
    seed: int = 1,
    two_share: float = 0.35,
    three_share: float = 0.05,
    rooms: int = 60,
    workers: int | None = None,
    progress: bool = True,
) -> Made:
    """Write `count` clips in rooms into `out`: `clips/`, `splits/`, `report.md`, `report.json`.

    Args:
        sources: prepared folders. A scene is made of clips of one split only and belongs to it.
        out: folder to write; continued if it exists.
        count: of clips, those there already included.
        seed: 0 or more.
        two_share, three_share: of the clips with two and three people.
        rooms: of each preset.
        workers: processes; None for one per core.
        progress: whether to show a progress bar.

    Raises:
        UserError: shares that are not, no usable sources, or a folder that cannot be written.
    """
    _check(count, seed, two_share, three_share, rooms)
    read_sources(sources)
    writable_folder(out)
    plan = Plan(tuple(sources), out, seed, float(two_share), float(three_share), rooms)
    made = [n for n in range(count) if (out / "clips" / f"{clip_id(seed, n)}.json").is_file()]
    todo = sorted(set(range(count)) - set(made))
    refusals: Counter[str] = Counter(_old_refusals(out))
    for done, (number, outcome) in enumerate(
        run_jobs(make_scene, todo, plan, workers=workers, label="scenes", unit="clip", progress=progress), start=1
    ):
        if isinstance(outcome, UserError):
            raise outcome
        refusals.update(outcome)
        del number
        if done % _WRITE_EVERY == 0:
            _finish(out, refusals)
    return _finish(out, refusals)


def make_scene(number: int, plan: Plan) -> list[str]:
    """Make clip `number` and write it; the reasons of attempts that were refused."""
    rng = np.random.default_rng((plan.seed, number, 3))
    sources = _sources_of(plan.folders)
    split = str(rng.choice(SPLITS, p=[1 - VALIDATION_SHARE - TEST_SHARE, VALIDATION_SHARE, TEST_SHARE]))
    persons = 1 + int(rng.random() < plan.two_share + plan.three_share)
    persons += int(persons == 2 and rng.random() < plan.three_share / max(plan.two_share + plan.three_share, 1e-9))
    reasons: list[str] = []
    for _ in range(_TRIES):
        try:
            clip = _attempt(sources, split, persons, plan, rng)
        except UserError as error:
            reasons.append(reason_of(str(error)))
            continue
        quality = clip.quality | is_touching(clip, None)
        clip = dataclasses.replace(clip, id=clip_id(plan.seed, number), quality=quality)
        clip.attributes["split"] = split
        save_clip(clip, plan.out / "clips")
        return reasons
    return [*reasons, "given up"]


def clip_id(seed: int, number: int) -> str:
    """Name of a scene's clip."""
    return f"scene_{seed}_{number:06d}"


def reason_of(message: str) -> str:
    """A refusal without names and numbers, so that like ones count together."""
    text = re.sub(r"'[^']*'", "X", message)
    text = re.sub(r"\d+(\.\d+)?", "n", text)
    return re.sub(r"\s+", " ", text.split(". ")[0])[:160]


def _attempt(sources: Sources, split: str, persons: int, plan: Plan, rng: np.random.Generator) -> Clip:
    source = sources.draw(split, rng)
    if source is None:
        raise UserError(f"Expected clips of split {split}, but got none. Prepare more recordings.")
    if source.action in _ASSISTED:
        persons = max(persons, 2)
    clip = _furnished(source, plan.out)
    placed = place_alone(source, clip, rng, plan.rooms)
    made, kinds = placed.clip, ["alone"]
    if persons > 1:
        company = add_company(source, placed, gaits_of(sources, split), persons - 1, rng)
        made, kinds = company.clip, company.kinds
    made.source = Source("scenes", _licence(clip), f"{clip.id} seed {plan.seed}")
    made.attributes.update(action=source.action, place=placed.where, sources=clip.id, encounter="+".join(kinds))
    made.attributes["class"] = source.action
    return made


def gaits_of(sources: Sources, split: str) -> list[Gait]:
    """Gaits of a split's walks in the styles of people at work; found once per process."""
    known = _gaits.get((id(sources), split))
    if known is not None:
        return known
    walks = [clip for clip in sources.of(split, "walk") if clip.style in _GAIT_STYLES]
    found: list[Gait] = []
    # A fixed order, so that every worker has the same gaits.
    for number in np.random.default_rng(7).permutation(len(walks)):
        try:
            found.append(find_gait(walks[int(number)].load()))
        except UserError:
            continue
        if len(found) == _GAITS:
            break
    if not found:
        raise UserError(f"Expected walks in split {split} of the sources, but found none. Add prepared motion capture.")
    _gaits[(id(sources), split)] = found
    return found


def _furnished(source: SourceClip, out: Path) -> Clip:
    """The source with the bed or chair it rests on: fitted once, then kept beside the clips, as is a refusal."""
    kept = out / "furnished" / f"{source.path.stem}.json"
    if kept.is_file():
        return load_clip(kept)
    refused = kept.with_suffix(".refused")
    if refused.is_file():
        raise UserError(refused.read_text(encoding="utf-8"))
    try:
        furnished = furnish_clip(source.load())
    except UserError as error:
        message = str(error)
        write_atomically(refused, lambda file: file.write(message.encode()))
        raise
    save_clip(furnished, kept.parent)
    return furnished


def _licence(*clips: Clip) -> str:
    names = sorted({clip.source.licence for clip in clips if clip.source is not None})
    return "; ".join(names) or "unknown"


_gaits: dict[tuple[int, str], list[Gait]] = {}
_read: dict[tuple[Path, ...], Sources] = {}


def _sources_of(folders: tuple[Path, ...]) -> Sources:
    if folders not in _read:
        _read[folders] = read_sources(folders)
    return _read[folders]


def _check(count: int, seed: int, two: float, three: float, rooms: int) -> None:
    if not (0 <= two <= 1 and 0 <= three <= 1 and two + three <= 1):
        raise UserError(
            f"Expected shares of two and three people from 0 to 1 that sum to at most 1, but got {two:g} and {three:g}."
        )
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("rooms", rooms, 1)):
        if value < least:
            raise UserError(f"Expected --{name} of {least} or more, but got {value}.")


def _old_refusals(out: Path) -> dict[str, int]:
    path = out / "report.json"
    return json.loads(path.read_text(encoding="utf-8"))["refusals"] if path.is_file() else {}


def _finish(out: Path, refusals: Counter[str]) -> Made:
    """Splits and report of all clips in the folder."""
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    persons: Counter[int] = Counter()
    actions: dict[str, Counter[str]] = {}
    for path in sorted((out / "clips").glob("scene_*.json")):
        header = json.loads(path.read_text(encoding="utf-8"))
        attributes, split = header["attributes"], header["attributes"]["split"]
        splits[split].append(path.stem)
        persons[len(header["persons"])] += 1
        for key in ("encounter", "action"):
            actions.setdefault(key, Counter())[f"{attributes.get(key, '')}"] += 1
    for split, names in splits.items():
        text = "".join(f"{name}\n" for name in names)
        write_atomically(out / "splits" / f"{split}.txt", lambda file, text=text: file.write(text.encode()))
    made = Made({split: len(names) for split, names in splits.items()}, dict(persons), dict(refusals))
    _write_report(out, made, actions)
    return made


def _write_report(out: Path, made: Made, counts: dict[str, Counter[str]]) -> None:
    total = sum(made.splits.values())
    lines = ["# Clips in rooms", "", f"{total} clips: {made.splits}; persons: {made.persons}.", ""]
    for key, counter in counts.items():
        lines += [f"| {key} | clips |", "|---|---|", *(f"| {k} | {n} |" for k, n in counter.most_common()), ""]
    refused = sum(made.refusals.values())
    lines += [f"Refused attempts: {refused}.", "", "| reason | attempts |", "|---|---|"]
    lines += [f"| {reason} | {n} |" for reason, n in Counter(made.refusals).most_common()]
    text = "\n".join(lines) + "\n"
    write_atomically(out / "report.md", lambda file: file.write(text.encode()))
    data = json.dumps({"version": VERSION, **dataclasses.asdict(made)}, indent=1)
    write_atomically(out / "report.json", lambda file: file.write(data.encode()))
