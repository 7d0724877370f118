"""Building HumanML3D's official folder from AMASS, HumanAct12, the published index and the published texts.

Steps as published (Guo et al. 2022): joints of SMPL-H, 20 fps, the head of some data sets cut off, the index' frames
cut out, every clip once more as its mirror image, one skeleton for all, floor, origin and first heading, 263 numbers,
Mean and Std over all clips.
"""

import csv
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from carescene.clips.dropped import DropReport, OnBad
from carescene.clips.formats.humanml3d import (
    SPLITS,
    TaggedCaption,
    decode_vectors,
    encode_joints,
    on_published_skeleton,
    read_ids,
    stand_like_published,
    write_lists,
    write_statistics,
    write_vectors,
)
from carescene.clips.prepare.humanml3d_files import (
    HUMANACT12,
    RecordingFinder,
    dataset_of,
    manifest,
)
from carescene.clips.prepare.humanml3d_joints import (
    Cut,
    Rules,
    cut_joints,
    humanact12_joints,
    mirrored_joints,
    open_recording,
)
from carescene.clips.prepare.humanml3d_texts import load_texts, mirrored_caption, slower
from carescene.errors import UserError
from carescene.files import writable_folder, write_atomically
from carescene.jobs import run_jobs

MANIFEST_NAME: Final = "manifest.json"
_VERSION: Final = 1


@dataclass(frozen=True)
class BuiltHumanML3D:
    """What `prepare_humanml3d` made: clips of each split, mirror images included, and what was left out."""

    splits: dict[str, int]
    report: DropReport


@dataclass(frozen=True)
class _Row:
    """One line of the index: path of the recording in it, frames, and the name of the clip."""

    path: str
    cut: Cut
    name: str


@dataclass(frozen=True)
class _Clip:
    """One clip to build, with its captions and those of its mirror image."""

    name: str
    cut: Cut
    captions: list[TaggedCaption]
    mirrored: list[TaggedCaption]


@dataclass(frozen=True)
class _Job:
    """All clips of one recording; `place` is an npz, an npy, or a zip and a name in it."""

    dataset: str
    place: Path | tuple[Path, str]
    clips: list[_Clip]


@dataclass(frozen=True)
class _Shared:
    out: Path
    bodies: Path | None
    rules: Rules


def prepare_humanml3d(
    source: Path,
    out: Path,
    *,
    rules: Rules = "published",
    free_body: bool = False,
    on_bad: OnBad = "refuse",
    workers: int | None = None,
    progress: bool = True,
) -> BuiltHumanML3D:
    """Build an official folder; `manifest.json` in it says of every file that is needed where to get it.

    The manifest is written first, also when files are missing. Clips that are there already are passed over, so that
    the command can be stopped and started again.

    Args:
        source: folder with `index.csv`, the lists, `texts.zip` (or `texts`), `amass/<data set>`, `humanact12.zip` (or
            `humanact12`) and `smplh/{male,female}/model.npz`.
        out: folder to write.
        rules: `published` repeats what the published set does, so that its numbers compare; `corrected` resamples by
            time and turns headings the right way where they pass 180 degrees.
        free_body: use the free body's joints instead of SMPL-H's: no licence to ask for, but joints are off by some
            centimetres before they go on the one skeleton.
        on_bad: `refuse` stops when a recording, a text or a body is missing or damaged; `skip` builds the rest.
        workers: processes; None for one per core.
        progress: whether to show a progress bar on stderr.

    Raises:
        UserError: what is missing, with the place of the manifest; another build in the folder; no room.
    """
    writable_folder(out)
    rows = _read_index(source)
    report = DropReport("clips of HumanML3D", on_bad)
    finder = RecordingFinder(source)
    found = {path: finder.find(path) for path in dict.fromkeys(row.path for row in rows)}
    missing = Counter(dataset_of(row.path) for row in rows if found[row.path] is None)
    files = manifest(source, (row.path for row in rows), missing, smplh=not free_body)
    _write_json(out / MANIFEST_NAME, {"version": _VERSION, "rules": rules, "free_body": free_body, "files": files})
    # Without these nothing can be built; without some recordings the rest can.
    lost = [file for file in files if file["state"] == "missing" and "clips" not in file]
    if lost or (missing and on_bad == "refuse"):
        raise UserError(_what_is_missing(source, out, lost, missing))
    _check_settings(out, {"version": _VERSION, "rules": rules, "free_body": free_body})
    jobs = _jobs(source, rows, found, report)
    shared = _Shared(out, None if free_body else source, rules)
    built: set[str] = set()
    for job, outcome in run_jobs(
        _build, jobs, shared, workers=workers, label="building", unit="take", progress=progress
    ):
        if isinstance(outcome, UserError):
            for clip in job.clips:
                report.damaged(clip.name, "recording damaged", outcome)
            continue
        built |= outcome[0]
        for name, reason in outcome[1].items():
            report.damaged(name, "cannot be cut out", UserError(reason))
    lists = {split: [name for name in read_ids(source, split) if name in built] for split in SPLITS}
    report.keep(sum(len(ids) for ids in lists.values()))
    report.write(out / "report.json")
    if not built:
        raise UserError(f"Expected clips to build in '{source}', but got none: {report.summary()}.")
    write_lists(out, lists)
    write_statistics(out, sorted(built))
    return BuiltHumanML3D({split: len(ids) for split, ids in lists.items()}, report)


def clip_vectors(joints: np.ndarray, rules: Rules) -> np.ndarray:
    """The 263 numbers of a clip's joints of any body, metres, y up, in any place."""
    placed = stand_like_published(on_published_skeleton(joints))
    return encode_joints(placed, as_published=rules == "published")


def _read_index(source: Path) -> list[_Row]:
    path = source / "index.csv"
    wanted = {"source_path", "start_frame", "end_frame", "new_name"}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise UserError(
            f"Expected HumanML3D's index at '{path}', but it does not exist. It is in the repository "
            "https://github.com/EricGuo5513/HumanML3D; docs/humanml3d.md lists the other files."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Expected to read '{path}', but got: {error}. Download it again.") from error
    if not rows or not wanted <= set(rows[0]):
        raise UserError(f"Expected the columns {', '.join(sorted(wanted))} in '{path}', but got another file.")
    parsed: list[_Row] = []
    for number, row in enumerate(rows, start=2):
        try:
            cut = Cut(int(row["start_frame"]), int(row["end_frame"]))
            parsed.append(_Row(row["source_path"], cut, Path(row["new_name"]).stem))
        except (TypeError, ValueError) as error:
            raise UserError(
                f"Expected frame numbers in '{path}', line {number}, but got none. Copy it again."
            ) from error
    return parsed


def _jobs(
    source: Path,
    rows: list[_Row],
    found: dict[str, Path | tuple[Path, str] | None],
    report: DropReport,
) -> list[_Job]:
    texts = load_texts(source, [name for row in rows for name in (row.name, f"M{row.name}")])
    by_path: dict[str, list[_Clip]] = defaultdict(list)
    for row in rows:
        name, path, captions = row.name, row.path, texts.get(row.name)
        if found[path] is None:
            report.damaged(
                name, f"{dataset_of(path)} missing", UserError(f"Expected the recording {path}, but it is not there.")
            )
            continue
        if captions is None:
            captions = UserError(f"Expected captions in texts/{name}.txt, but there is no such file.")
        if isinstance(captions, UserError):
            report.damaged(name, "text missing or damaged", captions)
            continue
        mirrored = texts.get(f"M{name}")
        # The published texts hold the mirrored captions; where they do not, they are made.
        twin = mirrored if isinstance(mirrored, list) else [mirrored_caption(caption) for caption in captions]
        by_path[path].append(_Clip(name, row.cut, captions, twin))
    return [_Job(dataset_of(path), place, by_path[path]) for path, place in found.items() if place and path in by_path]


def _build(job: _Job, shared: _Shared) -> tuple[set[str], dict[str, str]]:
    """Build all clips of a recording; names of what is there afterwards, and why others are not."""
    built: set[str] = set()
    failed: dict[str, str] = {}
    todo = []
    for clip in job.clips:
        names = {clip.name, f"M{clip.name}"}
        # The text is written last: where it is, the clip is complete.
        if all((shared.out / "texts" / f"{name}.txt").is_file() for name in names):
            built |= names
        else:
            todo.append(clip)
    if not todo:
        return built, failed
    act = job.dataset == HUMANACT12
    recording = None
    if not act:
        assert isinstance(job.place, Path)
        recording = open_recording(job.place, job.dataset, shared.bodies)
    scale = recording.time_scale if recording is not None and shared.rules == "corrected" else 1.0
    for clip in todo:
        try:
            joints = (
                humanact12_joints(job.place) if recording is None else cut_joints(recording, clip.cut, shared.rules)
            )
            _save(shared, clip.name, joints, [slower(caption, scale) for caption in clip.captions])
            twin = [slower(caption, scale) for caption in clip.mirrored]
            _save(shared, f"M{clip.name}", mirrored_joints(joints), twin)
        except UserError as error:
            failed[clip.name] = str(error)
        else:
            built |= {clip.name, f"M{clip.name}"}
    return built, failed


def _save(shared: _Shared, name: str, joints: np.ndarray, captions: list[TaggedCaption]) -> None:
    vectors = clip_vectors(joints, shared.rules)
    # The published joints are those that the vectors decode to.
    decoded = decode_vectors(torch.from_numpy(vectors)).numpy()
    write_vectors(shared.out, name, vectors, decoded, captions)


def _check_settings(out: Path, settings: dict[str, object]) -> None:
    path = out / "settings.json"
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise UserError(f"Expected '{out}' to be empty or of these options, but it holds another build. Change --out.")
    _write_json(path, settings)


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def _what_is_missing(source: Path, out: Path, lost: list[dict[str, str]], missing: Counter[str]) -> str:
    parts = [file["path"] for file in lost]
    parts += [f"recordings of {count} clips from {dataset}" for dataset, count in missing.most_common()]
    tail = " To build what is there, choose --on_bad skip." if not lost else ""
    return (
        f"Expected all files of HumanML3D in '{source}', but these are missing: {', '.join(parts)}. "
        f"{out / MANIFEST_NAME} says for each of them where to get it and under what licence.{tail}"
    )
