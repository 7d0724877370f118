"""AlphaPose's results: a list of people, or one object per picture in its "cmu" and "open" variants.

https://github.com/MVIG-SJTU/AlphaPose, docs/output.md. `idx` is a track only when it was told to track.
"""

from pathlib import Path
from typing import Any

import numpy as np

from reconstruction.formats.annotations import (
    PIXEL_CENTRE,
    AnnotatedFrame,
    Annotations,
    FoundPerson,
    found_person,
    track_name,
    triples,
)
from reconstruction.formats.coco import is_list_of
from reconstruction.formats.names import coco_columns, openpose_columns


def is_alphapose(document: Any) -> bool:
    """Whether a JSON document looks like AlphaPose's."""
    if isinstance(document, dict):
        pictures = list(document.values())
        return bool(pictures) and all(
            isinstance(one, dict) and ("bodies" in one or "people" in one) for one in pictures
        )
    return is_list_of(document, "image_id", "keypoints") and isinstance(document[0]["image_id"], str)


def read_alphapose(document: Any, path: Path) -> Annotations:
    """Read people picture by picture; `image_id` of "12.jpg" is the video's frame 12.

    Raises:
        UserError: a number of points that is not of COCO, Halpe or whole bodies.
        KeyError, TypeError, ValueError, IndexError: another layout.
    """
    if isinstance(document, dict):
        return _read_variants(document, path)
    names = list(dict.fromkeys(str(entry["image_id"]) for entry in document))
    place = {name: index for index, name in enumerate(names)}
    people: list[FoundPerson] = []
    for entry in document:
        rows = triples(entry["keypoints"])
        columns = coco_columns(len(rows), str(path))
        people.append(_person(rows, columns, place[str(entry["image_id"])], entry.get("idx")))
    return Annotations(_frames(names), people, "alphapose", complete=False, unsure_tracks=True)


def _read_variants(document: dict[str, Any], path: Path) -> Annotations:
    people: list[FoundPerson] = []
    for index, picture in enumerate(document.values()):
        for entry in picture.get("bodies", picture.get("people", [])):
            rows = triples(entry.get("joints", entry.get("pose_keypoints_2d")))
            people.append(_person(rows, openpose_columns(len(rows), str(path)), index, entry.get("idx")))
    return Annotations(_frames(list(document)), people, "alphapose", complete=False, unsure_tracks=True)


def _frames(names: list[str]) -> tuple[AnnotatedFrame, ...]:
    """Pictures of a video are called 0.jpg, 1.jpg, ...; those of a folder keep their own names."""
    stems = [Path(name).stem for name in names]
    numbers = [int(stem) if stem.isdigit() and stem == str(int(stem)) else None for stem in stems]
    return tuple(AnnotatedFrame(number, name) for number, name in zip(numbers, names, strict=True))


def _person(rows: np.ndarray, columns: np.ndarray, frame: int, idx: Any) -> FoundPerson:
    confidence = np.where((rows[:, :2] == 0).all(-1), 0.0, np.clip(rows[:, 2], 0.0, 1.0))
    return found_person(frame, rows[:, :2] + PIXEL_CENTRE, confidence, columns, track_name(idx))
