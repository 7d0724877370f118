"""Preparing a whole folder of recordings, in parallel and so that it can be stopped and continued."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from carescene.clips.prepare.calibrate import BodyFunctions, BodySetting, calibrate
from carescene.clips.prepare.process import FPS, PREPARE_VERSION, TakeRecord
from carescene.clips.prepare.report import write_report
from carescene.clips.prepare.settings_file import load_setting, save_setting, settings_path
from carescene.clips.prepare.splits import SPLITS, SplitItem, make_splits
from carescene.clips.prepare.takes import DATASETS, Take, find_takes, read_take
from carescene.clips.prepare.workers import prepare_takes
from carescene.errors import UserError
from carescene.files import writable_folder, write_atomically
from carescene.humans.body import load_body
from carescene.humans.floor import Soles, find_soles
from carescene.humans.source_motion import SourceMotion
from carescene.jobs import worker_count

# Takes of one recorded body that its constants are fitted on; more change nothing.
_CALIBRATION_TAKES = 40


@dataclass(frozen=True)
class Prepared:
    """What `prepare_mocap` made."""

    clips: int
    minutes: float
    rejects: list[tuple[str, str]]
    splits: dict[str, int]


def prepare_mocap(
    source: Path, out: Path, datasets: Sequence[str] = DATASETS, workers: int | None = None, progress: bool = True
) -> Prepared:
    """Import every recording below `source` as clips at 20 fps into `out`.

    Writes `clips/`, `splits/{train,val,test}.txt`, `report.md`, `report.json` and `manifest.json`. Recordings that are
    there already from the same source are passed over; damaged ones are collected in the report. Splits and report
    speak of the recordings of this call; clips of other data sets that lie in `out` are left alone.

    Args:
        source: folder with BVH files, DeepMimic texts, SAMP/CIRCLE or AMASS npz files, or zip archives of them.
        out: folder to write.
        datasets: which of `DATASETS` to import.
        workers: processes; None for one per core.
        progress: whether to show a progress bar on stderr.

    Raises:
        UserError: no recordings, an unknown data set name, or a folder that cannot be written.
    """
    _check_datasets(datasets)
    takes, rejects = find_takes(source)
    takes = [take for take in takes if take.dataset in datasets]
    if not takes:
        raise UserError(
            f"Expected recordings ({', '.join(datasets)}) below '{source}', but found none. Check the folder: BVH, "
            "DeepMimic texts, SAMP/CIRCLE or AMASS npz, or zip archives of them."
        )
    writable_folder(out)
    settings, unfit = _calibrate_all(takes, out, progress)
    rejects += [(take.id, unfit[body_key(take)]) for take in takes if body_key(take) in unfit]
    records: list[TakeRecord] = []
    jobs = [(take, body_key(take)) for take in takes if body_key(take) in settings]
    for take, outcome in prepare_takes(jobs, settings, out, worker_count(workers), progress):
        if isinstance(outcome, str):
            rejects.append((take.id, outcome))
        else:
            records.append(outcome)
    if not records:
        raise UserError(f"Expected usable recordings below '{source}', but all {len(takes)} failed: {rejects[0][1]}")
    records.sort(key=lambda record: record.take)
    splits = _write_splits(records, out)
    write_report(records, sorted(rejects), settings, splits, out)
    _write_manifest(records, sorted(rejects), out)
    frames = sum(sum(record.frames) for record in records)
    counts = {split: len(splits[split]) for split in SPLITS}
    return Prepared(sum(counts.values()), frames / FPS / 60, sorted(rejects), counts)


def body_key(take: Take) -> str:
    """Takes with the same key show the same recorded body (AMASS and loose BVH files: those of one folder)."""
    if take.dataset in ("amass", "bvh"):
        return f"{take.dataset}/{take.path.parent}"
    return take.dataset


def _check_datasets(datasets: Sequence[str]) -> None:
    unknown = [name for name in datasets if name not in DATASETS]
    if unknown or not datasets:
        raise UserError(
            f"Expected data sets out of {', '.join(DATASETS)}, but got {', '.join(unknown) or 'none'}. "
            "Leave the option out to import all."
        )


def _body_functions() -> BodyFunctions:
    body = load_body()
    weights = body.lbs_weights.double().numpy()

    def rest_joints(betas: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return body.rest_joints(torch.from_numpy(betas).float()).double().numpy()

    def soles(betas: np.ndarray) -> Soles:
        with torch.no_grad():
            vertices = body.rest_vertices(torch.from_numpy(betas).float()).double().numpy()
        return find_soles(vertices, weights, rest_joints(betas))

    return BodyFunctions(rest_joints, soles)


def _calibrate_all(takes: Sequence[Take], out: Path, progress: bool) -> tuple[dict[str, BodySetting], dict[str, str]]:
    """Constants of every recorded body, and reasons for those that have none."""
    by_body: dict[str, list[Take]] = defaultdict(list)
    for take in takes:
        by_body[body_key(take)].append(take)
    body = _body_functions()
    # Another body model needs other constants.
    model = hashlib.blake2b(np.round(body.rest_joints(np.full(10, 0.5)), 5).tobytes(), digest_size=6).hexdigest()
    version = f"{PREPARE_VERSION} {model}"
    settings: dict[str, BodySetting] = {}
    unfit: dict[str, str] = {}
    for key in tqdm(sorted(by_body), desc="calibrate", unit="body", disable=not progress):
        path = settings_path(out, key)
        known = load_setting(path, version)
        if known is not None:
            settings[key] = known
            continue
        try:
            settings[key] = calibrate(_sample_motions(by_body[key]), FPS, body)
            save_setting(settings[key], path, version)
        except UserError as error:
            unfit[key] = str(error)
    return settings, unfit


def _sample_motions(takes: Sequence[Take]) -> list[SourceMotion]:
    """Readable takes of one body, drawn by a hash of their names.

    Raises:
        UserError: none of the takes can be read, or all are shorter than half a second.
    """
    motions: list[SourceMotion] = []
    reason = UserError("Expected a take of at least half a second, but got none. Leave the folder out.")
    for take in sorted(takes, key=lambda take: hashlib.blake2b(take.id.encode()).digest()):
        try:
            motion, _ = read_take(take)
        except UserError as error:
            reason = error
            continue
        if motion.times[-1] >= 0.5:
            motions.append(motion)
        if len(motions) == _CALIBRATION_TAKES:
            break
    if not motions:
        raise reason
    return motions


def _write_splits(records: Sequence[TakeRecord], out: Path) -> dict[str, list[str]]:
    items = {
        clip: SplitItem(record.group, action, frames)
        for record in records
        for clip, action, frames in zip(record.clips, record.actions, record.frames, strict=True)
    }
    splits = make_splits(items)
    for split, clips in splits.items():
        text = "".join(f"{clip}\n" for clip in clips)
        write_atomically(out / "splits" / f"{split}.txt", lambda file, text=text: file.write(text.encode()))
    return splits


def _write_manifest(records: Sequence[TakeRecord], rejects: Sequence[tuple[str, str]], out: Path) -> None:
    manifest = {
        "version": PREPARE_VERSION,
        "fps": FPS,
        "clips": sum(len(record.clips) for record in records),
        "takes": {record.take: record.fingerprint for record in records},
        "rejects": [list(reject) for reject in rejects],
    }
    digest = hashlib.blake2b(json.dumps(manifest["takes"], sort_keys=True).encode(), digest_size=16).hexdigest()
    text = json.dumps({"data_hash": digest} | manifest, indent=1) + "\n"
    write_atomically(out / "manifest.json", lambda file: file.write(text.encode()))
