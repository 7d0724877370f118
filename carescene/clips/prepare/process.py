"""One recording to clips."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.clips.clip import Clip, PersonInfo, Source
from carescene.clips.files import save_clip
from carescene.clips.prepare.calibrate import BodySetting
from carescene.clips.prepare.describe import describe_take
from carescene.clips.prepare.fidelity import Fidelity, measure_fidelity
from carescene.clips.prepare.splits import take_group
from carescene.clips.prepare.takes import LICENCES, Take, extend_cycle, read_take, source_hash
from carescene.clips.prepare.windows import SHORTEST_S
from carescene.clips.resample import resample_motion
from carescene.errors import UserError
from carescene.files import write_atomically
from carescene.humans.floor import estimate_floor, stance_heights
from carescene.humans.retarget import RetargetedMotion, retarget, settle_feet
from carescene.humans.source_motion import SourceMotion

FPS: Final = 20.0

# Raised whenever the same recording would give other clips, so that old ones are made again.
PREPARE_VERSION: Final = 3

# Cycles of one or two steps are repeated to this length; shorter ones cannot be told from a single step.
_CYCLE_S: Final = 4.0
_SHORT_CYCLE_S: Final = 2.0
_CYCLING_WORDS: Final = ("walk", "run", "jog", "crawl")


@dataclass(frozen=True)
class TakeRecord:
    """What became of one recording; written beside the clips, so that a second run knows what is done."""

    take: str
    dataset: str
    original_id: str
    fingerprint: str
    group: str
    clips: list[str]
    actions: list[str]
    frames: list[int]
    label_frames: dict[str, int]
    own_floor: bool
    fidelity: dict[str, float] = field(default_factory=dict)


def fingerprint(take: Take, setting: BodySetting) -> str:
    """Changes when the recording, the constants it is carried over with, or this code's version change."""
    fitted = setting.retargeting
    digest = hashlib.blake2b(f"{PREPARE_VERSION} {source_hash(take)} {setting.floor:.6f}".encode(), digest_size=12)
    for array in (fitted.betas, np.array([fitted.scale]), *fitted.alignments.values()):
        digest.update(np.round(array, 5).tobytes())
    return digest.hexdigest()


def record_path(out: Path, take: Take) -> Path:
    """Where the record of a take lies."""
    return out / "takes" / f"{take.id}.json"


def load_record(out: Path, take: Take, expected: str) -> TakeRecord | None:
    """The record of a take that is already prepared from the same source, or None."""
    try:
        record = TakeRecord(**json.loads(record_path(out, take).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    complete = all((out / "clips" / f"{clip}{end}").exists() for clip in record.clips for end in (".json", ".npz"))
    return record if record.fingerprint == expected and complete else None


def prepare_take(take: Take, setting: BodySetting, out: Path) -> TakeRecord:
    """Read, retarget, put on the floor, cut, caption, label and save one recording.

    The record is written last: a take whose record exists is complete.

    Raises:
        UserError: the recording is damaged, too short, or has an unknown skeleton or name.
    """
    expected = fingerprint(take, setting)
    known = load_record(out, take, expected)
    if known is not None:
        return known
    _remove_old(out, take)
    motion, cyclic = read_take(take)
    motion = _loop(motion, cyclic, take)
    if motion.times[-1] < SHORTEST_S - 0.5 / FPS:
        raise UserError(
            f"Expected at least {SHORTEST_S:.0f} s in {take.original_id}, but got {motion.times[-1]:.2f} s. "
            "So short a take shows no action; it is left out."
        )
    motion = resample_motion(motion, FPS)
    ours = retarget(motion, setting.retargeting)
    heights = stance_heights(ours.joints, ours.world, setting.soles, FPS)
    floor, own = estimate_floor(heights, FPS, setting.floor)
    ours = settle_feet(motion, ours, setting.retargeting, setting.soles, floor)
    fidelity = measure_fidelity(motion, ours, setting.retargeting, FPS)
    ours = _lower(ours, floor)
    clips = _clips(take, ours, setting.retargeting.betas)
    for clip in clips:
        save_clip(clip, out / "clips")
    record = TakeRecord(
        take=take.id,
        dataset=take.dataset,
        original_id=take.original_id,
        fingerprint=expected,
        group=take_group(take.dataset, take.original_id),
        clips=[clip.id for clip in clips],
        actions=[clip.attributes["class"] for clip in clips],
        frames=[clip.num_frames for clip in clips],
        label_frames=_count_labels(clips),
        own_floor=own,
        fidelity=_plain(fidelity),
    )
    text = json.dumps(dataclasses.asdict(record), indent=1) + "\n"
    write_atomically(record_path(out, take), lambda file: file.write(text.encode()))
    return record


def _loop(motion: SourceMotion, cyclic: bool, take: Take) -> SourceMotion:
    short = motion.times[-1] < _SHORT_CYCLE_S
    if cyclic and short and any(word in take.original_id for word in _CYCLING_WORDS):
        return extend_cycle(motion, _CYCLE_S)
    return motion


def _lower(motion: RetargetedMotion, floor: float) -> RetargetedMotion:
    down = np.array([0.0, 0.0, floor])
    return dataclasses.replace(motion, trans=motion.trans - down, joints=motion.joints - down)


def _clips(take: Take, motion: RetargetedMotion, betas: Float[np.ndarray, "10"]) -> list[Clip]:
    windows = describe_take(take, torch.from_numpy(motion.joints), FPS)
    clips = []
    for number, window in enumerate(windows):
        part = slice(window.start, window.end)
        clips.append(
            Clip(
                id=take.id if len(windows) == 1 else f"{take.id}_{number:02d}",
                fps=FPS,
                poses=motion.poses[None, part].astype(np.float32),
                trans=motion.trans[None, part].astype(np.float32),
                betas=betas[None].astype(np.float32),
                frame_label=window.labels[None],
                valid=np.ones((1, window.end - window.start), dtype=bool),
                text=window.captions,
                persons=[PersonInfo()],
                attributes=window.attributes,
                source=Source(take.dataset, LICENCES[take.dataset], take.original_id),
            )
        )
    return clips


def _remove_old(out: Path, take: Take) -> None:
    """Take away clips of an earlier version of this take, which may have been cut into more windows."""
    record = record_path(out, take)
    try:
        clips = json.loads(record.read_text(encoding="utf-8"))["clips"]
    except (OSError, ValueError, KeyError):
        return
    # First the record, so that an interrupted removal is not taken for a complete take.
    record.unlink()
    for clip in clips:
        for end in (".json", ".npz"):
            (out / "clips" / f"{clip}{end}").unlink(missing_ok=True)


def _count_labels(clips: list[Clip]) -> dict[str, int]:
    labels, counts = np.unique(np.concatenate([clip.frame_label[0] for clip in clips]), return_counts=True)
    return {str(int(label)): int(count) for label, count in zip(labels, counts, strict=True)}


def _plain(fidelity: Fidelity) -> dict[str, Any]:
    return dataclasses.asdict(fidelity)
