"""Label Studio's JSON export: tasks with regions in percent of the picture.

https://labelstud.io/guide/task_format and /tags/keypointlabels. A person is a region that points have as their parent
or are related to; without any, a picture's points are one person.
"""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from carescene.errors import UserError
from reconstruction.formats.annotations import AnnotatedFrame, Annotations, FoundPerson, found_person, whole_number
from reconstruction.formats.coco import is_list_of
from reconstruction.formats.names import landmark_columns

_HIDDEN: Final = ("occlu", "hidden", "invisible")


def is_label_studio(document: Any) -> bool:
    """Whether a JSON document looks like Label Studio's export."""
    return is_list_of(document, "data") and ("annotations" in document[0] or "completions" in document[0])


def read_label_studio(document: Any, path: Path) -> Annotations:
    """Read one person per parent region; a picture's number stands at the end of its file's name.

    A label that tells people apart ("resident 1", "nurse") names them over time; a per-point choice such as
    "occluded" makes a confidence of 0.5.

    Raises:
        UserError: unknown names of points, a turned picture, or points of several people that are not grouped.
        KeyError, TypeError, ValueError, IndexError: another layout.
    """
    frames, grouped = [], []
    for task in document:
        chosen = [one for one in task.get("annotations", task.get("completions")) if not one.get("was_cancelled")]
        results = next((one for one in chosen if one.get("ground_truth")), chosen[-1])["result"] if chosen else []
        sizes = [(one["original_width"], one["original_height"]) for one in results if "original_width" in one]
        width, height = sizes[0] if sizes else (None, None)
        frames.append(AnnotatedFrame(None, _picture(task), whole_number(width), whole_number(height)))
        grouped.append(_groups(results, frames[-1].name, path))
    # One label for everybody tells nobody apart, and neither does one that two have in one picture.
    labels = [[label for label, _ in people if label] for people in grouped]
    different = {label for picture in labels for label in picture}
    telling = len(different) > 1 and all(len(set(picture)) == len(picture) for picture in labels)
    people = [
        _person(points, label if telling else None, index, path)
        for index, one in enumerate(grouped)
        for label, points in one
    ]
    return Annotations(tuple(frames), people, "label_studio", by_hand=True, relative=True)


def _picture(task: dict[str, Any]) -> str:
    data = task["data"]
    value = data.get("image") or data.get("img") or next((one for one in data.values() if isinstance(one, str)), "")
    # Local storage writes /data/local-files/?d=folder/frame_12.png.
    return re.split(r"[/\\=]", str(value).split("&")[0])[-1]


def _groups(results: list[dict[str, Any]], picture: str, path: Path) -> list[tuple[str | None, list[dict[str, Any]]]]:
    """Label and points of every person in a picture."""
    points = [one for one in results if one.get("type") == "keypointlabels"]
    if any(one.get("image_rotation") for one in points):
        raise UserError(
            f"Expected upright pictures in '{path}', but got '{picture}' turned in Label Studio. Turn the picture "
            "itself and mark it again."
        )
    hidden = {one.get("id") for one in results if one.get("type") == "choices" and _says_hidden(one)}
    parents = {one["id"]: one["parentID"] for one in points if one.get("parentID")}
    regions = {one["id"]: one for one in results if one.get("type") not in ("keypointlabels", "relation", "choices")}
    for link in (one for one in results if one.get("type") == "relation"):
        ends = (link["from_id"], link["to_id"])
        for point, region in (ends, ends[::-1]):
            if region in regions:
                parents.setdefault(point, region)
    people: dict[str | None, list[dict[str, Any]]] = {}
    for one in points:
        people.setdefault(parents.get(one["id"]), []).append(one["value"] | {"hidden": one["id"] in hidden})
    for members in people.values():
        names = [_name(point) for point in members]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UserError(
                f"Expected the points of each person in a group of their own in '{path}', but got '{twice}' twice in "
                f"'{picture}'. Draw a rectangle around each person and make the points its children."
            )
    return [(_label(regions.get(parent)), members) for parent, members in people.items()]


def _says_hidden(choice: dict[str, Any]) -> bool:
    return any(word in str(text).lower() for text in choice["value"]["choices"] for word in _HIDDEN)


def _name(point: dict[str, Any]) -> str:
    return str(point["keypointlabels"][0])


def _label(region: dict[str, Any] | None) -> str | None:
    if region is None:
        return None
    value = region["value"].get(region["type"]) or region["value"].get("labels")
    return str(value[0]) if value else None


def _person(points: list[dict[str, Any]], track: str | None, frame: int, path: Path) -> FoundPerson:
    columns = landmark_columns([_name(point) for point in points], str(path))
    places = np.array([(float(point["x"]), float(point["y"])) for point in points]) / 100.0
    confidence = np.array([0.5 if point["hidden"] else 1.0 for point in points])
    return found_person(frame, places, confidence, columns, track)
