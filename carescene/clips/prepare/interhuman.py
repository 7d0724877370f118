"""InterHuman's official folder to a prepared one: clips of two people at 20 frames per second, splits as published."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from carescene.clips.clip import Clip
from carescene.clips.dropped import DropReport, OnBad
from carescene.clips.files import save_clip
from carescene.clips.formats.interhuman import PAIR_FPS
from carescene.clips.formats.interhuman_clip import CLIP_FPS, pair_to_clip
from carescene.clips.formats.interhuman_files import PAIR_SPLITS, PairEntry, list_pairs, read_pair
from carescene.errors import UserError
from carescene.files import writable_folder, write_atomically
from carescene.jobs import run_jobs

# Part of each clip's fingerprint: raise it when the conversion changes.
_VERSION: Final = 1
# The model's captions and time embedding are made for 10 s; the published loader cuts there as well.
_LONGEST_S: Final = 10.0


@dataclass(frozen=True)
class PreparedPairs:
    """What `prepare_interhuman` made: clips of each split, and what was left out."""

    splits: dict[str, int]
    report: DropReport


@dataclass(frozen=True)
class _Converted:
    """What became of one recording: the clips, or why there are none (a problem, or a rule of the protocol)."""

    clips: list[str]
    damaged: dict[str, dict[str, str]]
    by_rule: list[str]


def prepare_interhuman(
    source: Path,
    out: Path,
    *,
    on_bad: OnBad = "refuse",
    source_fps: float | int = PAIR_FPS,
    workers: int | None = None,
    progress: bool = True,
) -> PreparedPairs:
    """Write `clips/`, `splits/{train,val,test}.txt` and `dropped.json` into `out`.

    Recordings longer than 10 s become equal parts of at most 10 s with the same captions. What has been converted from
    the same files is passed over, so that the command can be stopped and goes on.

    Args:
        source: the official folder, see `carescene.clips.formats.interhuman_files`.
        out: folder to write.
        on_bad: refuse at the first damaged recording, or skip it and say so in `dropped.json`.
        source_fps: rate of the motion files.
        workers: processes; None for one per core.
        progress: whether to show a progress bar on stderr.

    Raises:
        UserError: not InterHuman's folder, a damaged recording (unless skipped), nothing usable, no room to write.
    """
    report = DropReport("recordings of InterHuman", on_bad)
    entries = list_pairs(source, report)
    if not entries:
        raise UserError(f"Expected clips in the split lists of '{source}', but they are empty. Unpack them again.")
    writable_folder(out)
    found: dict[str, list[str]] = {}
    jobs = run_jobs(
        _convert,
        entries,
        (out, float(source_fps), on_bad),
        workers=workers,
        label="converting pairs",
        unit="clip",
        progress=progress,
    )
    for entry, outcome in jobs:
        if isinstance(outcome, UserError):
            raise outcome
        found[entry.name] = outcome.clips
        _count(report, entry.name, outcome)
    for split in PAIR_SPLITS:
        names = [name for entry in entries if entry.split == split for name in found[entry.name]]
        text = "".join(f"{name}\n" for name in names)
        write_atomically(out / "splits" / f"{split}.txt", lambda file, text=text: file.write(text.encode()))
    report.write(out / "dropped.json")
    if not any(found.values()):
        raise UserError(f"Expected usable clips in '{source}', but all were left out: {report.summary()}.")
    counts = {split: sum(len(found[e.name]) for e in entries if e.split == split) for split in PAIR_SPLITS}
    return PreparedPairs(counts, report)


def _count(report: DropReport, name: str, outcome: _Converted) -> None:
    if outcome.clips:
        report.keep()
    for problem, reasons in outcome.damaged.items():
        report.damaged(name, problem, UserError(reasons[name]))
    for rule in outcome.by_rule:
        report.leave_out(name, rule)


def _convert(entry: PairEntry, shared: tuple[Path, float, OnBad]) -> _Converted:
    out, source_fps, on_bad = shared
    record = out / "takes" / f"{entry.name}.json"
    fingerprint = _fingerprint(entry, source_fps)
    known = _known(record, fingerprint)
    if known is not None:
        return _Converted(known, {}, [])
    report = DropReport("recordings", on_bad)
    recording = read_pair(entry, report, source_fps)
    clips: list[Clip] = []
    if recording is not None:
        try:
            clips = _parts(pair_to_clip(recording))
        except UserError as error:
            report.damaged(entry.name, "rotations that do not fit the joints", error)
    if not clips:
        plain = report.as_dict()
        return _Converted([], plain["damaged"], list(plain["by_rule"]))  # type: ignore[arg-type]
    for clip in clips:
        save_clip(clip, out / "clips")
    names = [clip.id for clip in clips]
    text = json.dumps({"fingerprint": fingerprint, "clips": names}) + "\n"
    write_atomically(record, lambda file: file.write(text.encode()))
    return _Converted(names, {}, [])


def _parts(clip: Clip) -> list[Clip]:
    count = math.ceil((clip.num_frames - 1) / (_LONGEST_S * CLIP_FPS))
    if count <= 1:
        return [clip]
    edges = [round(clip.num_frames * part / count) for part in range(count + 1)]
    return [_part(clip, number, edges) for number in range(count)]


def _part(clip: Clip, number: int, edges: Sequence[int]) -> Clip:
    span = slice(edges[number], edges[number + 1])
    return replace(
        clip,
        id=f"{clip.id}_{number:02d}",
        poses=clip.poses[:, span],
        trans=clip.trans[:, span],
        frame_label=clip.frame_label[:, span],
        valid=clip.valid[:, span],
    )


def _fingerprint(entry: PairEntry, source_fps: float) -> str:
    # By sizes and times: reading ten gigabytes to learn that nothing changed would take longer than converting.
    lines = [str(_VERSION), str(source_fps)]
    for path in (entry.person1, entry.person2, entry.annotation):
        stat = path.stat() if path.is_file() else None
        lines.append(f"{stat.st_size} {stat.st_mtime_ns}" if stat else "none")
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _known(record: Path, fingerprint: str) -> list[str] | None:
    if not record.is_file():
        return None
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return list(content["clips"]) if content["fingerprint"] == fingerprint else None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"Expected a record of conversion in '{record}', but got: {error}. Delete the file.") from error
