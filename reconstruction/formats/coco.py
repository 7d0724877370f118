"""COCO key points: files of images and annotations (COCO-WholeBody, Halpe, CVAT's and ours), and lists of results.

https://cocodataset.org/#format-data and #format-results; CVAT writes `attributes.track_id` for people in tracks.
"""

from pathlib import Path
from typing import Any

import numpy as np

from carescene.errors import UserError
from reconstruction.formats.annotations import (
    PIXEL_CENTRE,
    VISIBILITY_CONFIDENCE,
    AnnotatedFrame,
    Annotations,
    FoundPerson,
    found_person,
    track_name,
    triples,
    whole_number,
)
from reconstruction.formats.names import coco_columns, landmark_columns
from reconstruction.observations import LANDMARK

_FEET_FIRST = LANDMARK["left_big_toe"]


def is_coco(document: Any) -> bool:
    """Whether a JSON document looks like COCO's."""
    if isinstance(document, dict):
        return "images" in document and "annotations" in document
    return is_list_of(document, "image_id") and isinstance(document[0]["image_id"], int)


def is_list_of(document: Any, *fields: str) -> bool:
    """Whether a JSON document is a list of objects that have these fields."""
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and all(field in first for field in fields)


def read_coco_keypoints(document: Any, path: Path) -> Annotations:
    """Read a file of images and annotations, or a list of results.

    Points are matched by the names in the category; a file without names has COCO's order. Annotations without key
    points and crowds are passed over. `v` of 0, 1, 2 becomes a confidence of 0, 0.5, 1.

    Raises:
        UserError: unknown names of points, or a number of points that needs names.
        KeyError, TypeError, ValueError, IndexError: another layout.
    """
    if isinstance(document, list):
        return _read_results(document, path)
    place = {image["id"]: index for index, image in enumerate(document["images"])}
    frames = tuple(
        AnnotatedFrame(
            whole_number(image.get("frame")),
            str(image["file_name"]),
            whole_number(image.get("width")),
            whole_number(image.get("height")),
        )
        for image in document["images"]
    )
    names = {entry["id"]: entry.get("keypoints") for entry in document.get("categories", [])}
    columns: dict[Any, np.ndarray] = {}
    entries = [
        entry for entry in document["annotations"] if any(entry.get("keypoints", ())) and not entry.get("iscrowd")
    ]
    values = {id(entry): triples(entry["keypoints"]) for entry in entries}
    # COCO's own annotators name pixels by whole numbers; files with fractions count from the corner, as ours do.
    whole = all((rows[:, :2] == np.round(rows[:, :2])).all() for rows in values.values())
    people: list[FoundPerson] = []
    for entry in entries:
        category = entry.get("category_id")
        if category not in columns:
            columns[category] = _columns(names.get(category), len(values[id(entry)]), path)
        people.append(_person(entry, values[id(entry)], columns[category], place[entry["image_id"]], whole))
    by_hand = not any("keypoint_scores" in entry or "score" in entry for entry in entries)
    source = str(document.get("info", {}).get("source") or "coco")
    # Ours says which frame of the video each picture is, and may show a part of it.
    return Annotations(frames, people, source, by_hand, complete=any(frame.number is None for frame in frames))


def _columns(names: list[str] | None, count: int, path: Path) -> np.ndarray:
    if not names:
        return coco_columns(count, str(path))
    if len(names) != count:
        raise UserError(
            f"Expected {len(names)} points per person in '{path}', as its category names, but got {count}. "
            "It is damaged; export it again."
        )
    return landmark_columns(names, str(path))


def _person(entry: dict[str, Any], rows: np.ndarray, columns: np.ndarray, frame: int, whole: bool) -> FoundPerson:
    confidence, sigma = _confidence(rows[:, 2]), None
    if "keypoint_scores" in entry:
        # Ours: v says what an annotator changed, the score how sure the detector was of what is left.
        confidence = np.where(confidence > 0, np.array(entry["keypoint_scores"], np.float64), 0.0)
    if "keypoint_sigmas" in entry:
        sigma = np.array(entry["keypoint_sigmas"], np.float64)
    points = rows[:, :2]
    if entry.get("foot_kpts"):
        feet = triples(entry["foot_kpts"])
        points = np.concatenate([points, feet[:, :2]])
        confidence = np.concatenate([confidence, _confidence(feet[:, 2])])
        columns = np.concatenate([columns, _FEET_FIRST + np.arange(len(feet))])
    area = entry.get("area")
    marks = entry.get("attributes") or {}
    return found_person(
        frame,
        points + PIXEL_CENTRE if whole else points,
        confidence,
        columns,
        track_name(marks.get("track_id"), entry.get("track_id"), entry.get("instance_id"), entry.get("person")),
        float(area) if area else None,
        sigma,
    )


def _confidence(flags: np.ndarray) -> np.ndarray:
    """Confidence from v of 0, 1, 2, or from scores that stand in its place."""
    if np.isin(flags, (0, 1, 2)).all():
        return VISIBILITY_CONFIDENCE[flags.astype(np.int64)]
    return np.clip(flags, 0.0, 1.0)


def _read_results(document: list[Any], path: Path) -> Annotations:
    """A flat list of results: numbers of images stand for frames, from 1 on unless there is a 0."""
    numbers = sorted({int(entry["image_id"]) for entry in document})
    first = min(1, numbers[0])
    place = {number: index for index, number in enumerate(numbers)}
    people = []
    for entry in document:
        rows = triples(entry["keypoints"])
        people.append(
            found_person(
                place[int(entry["image_id"])],
                rows[:, :2] + PIXEL_CENTRE,
                np.clip(rows[:, 2], 0.0, 1.0),
                coco_columns(len(rows), str(path)),
                track_name(entry.get("track_id")),
                float(entry["area"]) if entry.get("area") else None,
            )
        )
    frames = tuple(AnnotatedFrame(number - first) for number in numbers)
    return Annotations(frames, people, "coco", complete=False)
