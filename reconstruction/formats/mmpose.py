"""MMPose 1.x and what is built on it (RTMPose, ViTPose): `--save-predictions` of its demos and of its inferencer.

https://mmpose.readthedocs.io, "Inference with existing models". `{"meta_info": ..., "instance_info": [{"frame_id",
"instances"}]}`, that list alone, or the list of people of one picture.
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
    load_text,
    parse_json,
    track_name,
)
from reconstruction.formats.coco import is_list_of
from reconstruction.formats.names import coco_columns, landmark_columns
from reconstruction.oks import BOX_SHARE


def is_mmpose(document: Any) -> bool:
    """Whether a JSON document looks like MMPose's predictions of a video or of one picture."""
    if isinstance(document, dict):
        return isinstance(document.get("instance_info"), list)
    return is_list_of(document, "instances") or is_list_of(document, "keypoints", "keypoint_scores")


def read_mmpose(document: Any, path: Path) -> Annotations:
    """Read the predictions of a video; names of points come from `meta_info` where it is there.

    The demos count frames from 1, the inferencer from 0; both list all frames, so the first number tells.

    Raises:
        UserError: unknown names of points, or a number of points that needs names.
        KeyError, TypeError, ValueError, IndexError: another layout.
    """
    names, entries = None, document
    if isinstance(document, dict):
        named = document.get("meta_info", {}).get("keypoint_id2name")
        names = [named[key] for key in sorted(named, key=int)] if named else None
        entries = document["instance_info"]
    if entries and "instances" not in entries[0]:
        entries = [{"frame_id": 0, "instances": entries}]
    numbers = [int(entry["frame_id"]) for entry in entries]
    first = 1 if numbers and min(numbers) == 1 else 0
    people: list[FoundPerson] = []
    for index, entry in enumerate(entries):
        people += [_person(instance, index, names, path) for instance in entry["instances"]]
    frames = tuple(AnnotatedFrame(number - first) for number in numbers)
    return Annotations(frames, people, "mmpose", unsure_tracks=True)


def read_mmpose_pictures(files: list[Path]) -> Annotations:
    """Read a folder with one file per picture, as the inferencer writes for a folder of pictures."""
    people: list[FoundPerson] = []
    for index, path in enumerate(files):
        document = parse_json(load_text(path), path)
        people += [_person(instance, index, None, path) for instance in document]
    frames = tuple(AnnotatedFrame(name=path.stem) for path in files)
    return Annotations(frames, people, "mmpose", unsure_tracks=True)


def _person(instance: dict[str, Any], frame: int, names: list[str] | None, path: Path) -> FoundPerson:
    points = np.array(instance["keypoints"], np.float64)[:, :2]
    scores = np.clip(np.array(instance["keypoint_scores"], np.float64).reshape(len(points)), 0.0, 1.0)
    columns = coco_columns(len(points), str(path)) if names is None else landmark_columns(names, str(path))
    area = None
    if instance.get("bbox") is not None:
        x0, y0, x1, y1 = np.array(instance["bbox"], np.float64).reshape(-1)[:4]
        area = float(BOX_SHARE * (x1 - x0) * (y1 - y0)) or None
    track = track_name(instance.get("track_id"), instance.get("instance_id"))
    return found_person(frame, points + PIXEL_CENTRE, scores, columns, track, area)
