"""The report of a preparation: what was imported, how faithful it is, and what was left out."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carescene.clips.prepare.calibrate import BodySetting
from carescene.clips.prepare.process import FPS, TakeRecord
from carescene.clips.taxonomy import OMNIFALL16
from carescene.files import write_atomically


def write_report(
    records: Sequence[TakeRecord],
    rejects: Sequence[tuple[str, str]],
    settings: Mapping[str, BodySetting],
    splits: Mapping[str, Sequence[str]],
    out: Path,
) -> None:
    """Write `report.json` and `report.md`."""
    content = summarise(records, rejects, settings, splits)
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(out / "report.json", lambda file: file.write(text.encode()))
    write_atomically(out / "report.md", lambda file: file.write(_markdown(content).encode()))


def summarise(
    records: Sequence[TakeRecord],
    rejects: Sequence[tuple[str, str]],
    settings: Mapping[str, BodySetting],
    splits: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Figures of a preparation as plain data."""
    by_dataset: dict[str, list[TakeRecord]] = defaultdict(list)
    for record in records:
        by_dataset[record.dataset].append(record)
    split_of = {clip: split for split, clips in splits.items() for clip in clips}
    classes: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(splits, 0))
    labels: dict[str, int] = defaultdict(int)
    for record in records:
        for clip, action in zip(record.clips, record.actions, strict=True):
            classes[action][split_of[clip]] += 1
        for label, count in record.label_frames.items():
            labels["unknown" if int(label) < 0 else OMNIFALL16[int(label)]] += count
    return {
        "datasets": {name: _dataset(members) for name, members in sorted(by_dataset.items())},
        "bodies": {
            key: {"scale": setting.retargeting.scale, "size": setting.retargeting.size, "floor_m": setting.floor}
            for key, setting in sorted(settings.items())
        },
        "splits": {split: len(clips) for split, clips in splits.items()},
        "classes": dict(sorted(classes.items())),
        "label_minutes": {name: count / FPS / 60 for name, count in sorted(labels.items())},
        "rejects": [{"take": take, "reason": reason} for take, reason in rejects],
    }


def _dataset(records: Sequence[TakeRecord]) -> dict[str, Any]:
    total: dict[str, float] = defaultdict(float)
    for record in records:
        for name, value in record.fidelity.items():
            total[name] += value
    stance = max(total["stance"], 1.0)
    return {
        "takes": len(records),
        "clips": sum(len(record.clips) for record in records),
        "minutes": sum(sum(record.frames) for record in records) / FPS / 60,
        "joint_error_cm": 100 * total["error_m"] / max(total["frames"], 1.0),
        "stance_speed_source_cm_s": 100 * total["source_slide"] / stance,
        "stance_speed_ours_cm_s": 100 * total["our_slide"] / stance,
        "stance_speed_ratio": total["our_slide"] / total["source_slide"] if total["source_slide"] > 0 else None,
        "takes_with_own_floor": sum(record.own_floor for record in records),
    }


def _markdown(content: Mapping[str, Any]) -> str:
    lines = [
        "# Prepared motion capture",
        "",
        "Joint error: mean distance of joints that mean the same point of the body, relative to the middle of the",
        "hips, after one uniform scale per recorded body. Stance speed: mean horizontal speed of ankles while the",
        "source's foot stands (source times leg-length ratio).",
        "",
        "| data set | takes | clips | minutes | joint error cm | stance cm/s source | ours | ratio | own floor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, data in content["datasets"].items():
        ratio = "-" if data["stance_speed_ratio"] is None else f"{data['stance_speed_ratio']:.3f}"
        lines.append(
            f"| {name} | {data['takes']} | {data['clips']} | {data['minutes']:.1f} | {data['joint_error_cm']:.2f} | "
            f"{data['stance_speed_source_cm_s']:.2f} | {data['stance_speed_ours_cm_s']:.2f} | {ratio} | "
            f"{data['takes_with_own_floor']} |"
        )
    splits = content["splits"]
    lines += ["", "| class | " + " | ".join(splits) + " |", "|---|" + "---|" * len(splits)]
    lines += [
        f"| {name} | " + " | ".join(str(counts[split]) for split in splits) + " |"
        for name, counts in content["classes"].items()
    ]
    lines += [f"| all | {' | '.join(str(count) for count in splits.values())} |"]
    lines += ["", "| frame label | minutes |", "|---|---|"]
    lines += [f"| {name} | {minutes:.1f} |" for name, minutes in content["label_minutes"].items()]
    lines += ["", f"## Left out: {len(content['rejects'])}", ""]
    lines += [f"- `{reject['take']}`: {reject['reason']}" for reject in content["rejects"]]
    return "\n".join(lines).rstrip() + "\n"
