"""OmniFall's csv of labelled segments: `path,label,start,end,subject,cam,dataset`.

Schneider et al. 2025, "OmniFall: A Unified Staged-to-Wild Benchmark for Human Fall Detection". Times are seconds;
labels 0 to 15; -1 stands for an unknown subject or camera. `path` has no ending: its tools append their own. Splits are
lists of such paths under the heading `path`, one file per split. OF-Syn adds columns, which are kept.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int8

from carescene.clips.taxonomy import OMNIFALL16, UNKNOWN_LABEL
from carescene.errors import UserError
from carescene.files import write_atomically

COLUMNS: Final[tuple[str, ...]] = ("path", "label", "start", "end", "subject", "cam", "dataset")
_NEEDED: Final = COLUMNS[:4]


@dataclass(frozen=True)
class LabelledSegment:
    """One row: from `start` to `end` (seconds, `end` excluded) the subject in this video does what `label` says."""

    path: str
    label: int
    start: float
    end: float
    subject: int = -1
    cam: int = -1
    dataset: str = ""
    extra: dict[str, str] = field(default_factory=dict)


def label_segments(
    frame_label: Int8[np.ndarray, "frame"],
    fps: float,
    path: str,
    *,
    subject: int = -1,
    cam: int = -1,
    dataset: str = "",
) -> list[LabelledSegment]:
    """Runs of equal labels as segments; frames of unknown label (-1) belong to none.

    A picture is shown until the next one, so frame k covers the seconds from k / fps to (k + 1) / fps.
    """
    starts = np.flatnonzero(np.diff(frame_label, prepend=np.int8(-2)))
    ends = np.append(starts[1:], len(frame_label))
    return [
        LabelledSegment(path, int(frame_label[start]), start / fps, end / fps, subject, cam, dataset)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if frame_label[start] != UNKNOWN_LABEL
    ]


def frame_labels_of(
    segments: Iterable[LabelledSegment], times: Float[np.ndarray, "frame"], fps: float
) -> Int8[np.ndarray, "frame"]:
    """Label of every frame of one video and subject: that of the segment which holds the frame's middle, else -1.

    Where segments overlap, the later one wins.

    Args:
        segments: of one video.
        times: seconds at which frames begin.
        fps: frames per second.
    """
    labels = np.full(len(times), UNKNOWN_LABEL, np.int8)
    middles = times + 0.5 / fps
    for segment in segments:
        labels[(middles >= segment.start) & (middles < segment.end)] = segment.label
    return labels


def write_omnifall(path: Path, segments: Sequence[LabelledSegment]) -> None:
    """Write the csv, complete or not at all; times have six decimals, as many as frames need.

    Raises:
        UserError: if the folder cannot be written.
    """
    extra = list(dict.fromkeys(name for segment in segments for name in segment.extra))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *extra))
    for row in segments:
        times = (round(row.start, 6), round(row.end, 6))
        more = (row.extra.get(name, "") for name in extra)
        writer.writerow((row.path, row.label, *times, row.subject, row.cam, row.dataset, *more))
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def read_omnifall(path: Path) -> list[LabelledSegment]:
    """Read the csv; columns may come in any order, and further ones are kept in `extra`.

    Raises:
        UserError: the file is missing or damaged, lacks a column, or a row makes no sense; the line is named.
    """
    rows = _read_rows(path)
    heading = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in _NEEDED if name not in heading]
    if missing:
        raise UserError(
            f"Expected the columns {', '.join(COLUMNS)} in '{path}', but got no {', '.join(missing)}. "
            "The first line must name the columns."
        )
    return [
        _segment(dict(zip(heading, row, strict=False)), path, number) for number, row in enumerate(rows[1:], 2) if row
    ]


def write_split_list(path: Path, videos: Sequence[str]) -> None:
    """Write one split: the heading `path` and one video per line.

    Raises:
        UserError: if the folder cannot be written.
    """
    text = "".join(f"{line}\n" for line in ("path", *videos))
    write_atomically(path, lambda file: file.write(text.encode()))


def read_split_list(path: Path) -> list[str]:
    """Videos of one split, with or without the heading `path`.

    Raises:
        UserError: the file is missing or not text.
    """
    names = [row[0].strip() for row in _read_rows(path) if row and row[0].strip()]
    return names[1:] if names[:1] == ["path"] else names


def _read_rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"Expected a csv at '{path}', but it cannot be read: {error}. Check the path.") from error


def _segment(row: dict[str, str], path: Path, number: int) -> LabelledSegment:
    try:
        segment = LabelledSegment(
            path=row["path"],
            label=int(row["label"]),
            start=float(row["start"]),
            end=float(row["end"]),
            subject=int(row.get("subject") or -1),
            cam=int(row.get("cam") or -1),
            dataset=row.get("dataset") or "",
            extra={name: value for name, value in row.items() if name not in COLUMNS},
        )
    except (KeyError, ValueError) as error:
        raise UserError(
            f"Expected whole numbers for label, subject and cam, and seconds for start and end in line {number} of "
            f"'{path}', but got {','.join(row.values())[:80]!r} ({error}). Correct the line."
        ) from error
    if not UNKNOWN_LABEL <= segment.label < len(OMNIFALL16):
        raise UserError(
            f"Expected a label from 0 to {len(OMNIFALL16) - 1} in line {number} of '{path}', but got {segment.label}. "
            "Map other label lists first."
        )
    if not (math.isfinite(segment.end) and 0 <= segment.start <= segment.end):
        raise UserError(
            f"Expected 0 <= start <= end in line {number} of '{path}', but got {segment.start} and {segment.end}. "
            "Times are seconds from the video's beginning."
        )
    return segment
