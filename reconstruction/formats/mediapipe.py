"""MediaPipe's pose landmarks: there is no file of its own, so this is the JSON that people dump from its results.

    {"format": "mediapipe", "width": 1280, "height": 720,
     "frames": [{"frame": 0, "poses": [{"track_id": 1, "landmarks": [{"x", "y", "z", "visibility"}, ... 33]}]}]}

x and y are parts of the picture's width and height. A frame may also hold `pose_landmarks` as its results do: 33
points, or a list of those. A point may be a list [x, y, z, visibility].
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from carescene.errors import UserError
from reconstruction.formats.annotations import (
    AnnotatedFrame,
    Annotations,
    FoundPerson,
    found_person,
    track_name,
    whole_number,
)
from reconstruction.formats.names import MEDIAPIPE_POINTS, landmark_columns, mediapipe_columns

_NUMBER_FIELDS: Final = ("frame", "frame_index", "frame_idx", "frame_id", "frame_number")
_POSE_FIELDS: Final = ("poses", "pose_landmarks", "landmarks")


def is_mediapipe(document: Any) -> bool:
    """Whether a JSON document looks like a dump of MediaPipe's results."""
    frames = document.get("frames") if isinstance(document, dict) else document
    if not isinstance(frames, list) or not frames:
        return isinstance(document, dict) and document.get("format") == "mediapipe"
    return isinstance(frames[0], dict) and any(field in frames[0] for field in _POSE_FIELDS)


def read_mediapipe(document: Any, path: Path) -> Annotations:
    """Read landmarks frame by frame; visibility (times presence, where given) is the confidence.

    Raises:
        UserError: not 33 points, or unknown names of points.
        KeyError, TypeError, ValueError, IndexError: another layout.
    """
    top = document if isinstance(document, dict) else {}
    about = top | top.get("metadata", {})
    width, height = (whole_number(about.get(field, about.get(f"image_{field}"))) for field in ("width", "height"))
    entries = top["frames"] if top else document
    frames, people = [], []
    for index, entry in enumerate(entries):
        number = next((entry[field] for field in _NUMBER_FIELDS if entry.get(field) is not None), index)
        frames.append(AnnotatedFrame(int(number), "", width, height))
        people += [_person(points, track, index, path) for points, track in _poses(entry)]
    return Annotations(tuple(frames), people, "mediapipe", relative=True)


def _poses(entry: dict[str, Any]) -> list[tuple[list[Any], str | None]]:
    """Points and track of everybody in a frame."""
    content = next((entry[field] for field in _POSE_FIELDS if entry.get(field)), [])
    if isinstance(content, dict):
        content = content.get("landmark") or content["landmarks"]
    if not content:
        return []
    if isinstance(content[0], dict) and "x" not in content[0]:
        return [
            (one.get("landmarks") or one["pose_landmarks"], track_name(one.get("track_id"), one.get("id")))
            for one in content
        ]
    # A point is an object, or a list of numbers: a list of those is a person, a list of people is one deeper.
    several = isinstance(content[0], list) and isinstance(content[0][0], list | dict)
    return [(one, None) for one in (content if several else [content])]


def _person(points: list[Any], track: str | None, frame: int, path: Path) -> FoundPerson:
    named = all(isinstance(point, dict) and point.get("name") for point in points)
    if not named and len(points) != MEDIAPIPE_POINTS:
        raise UserError(
            f"Expected {MEDIAPIPE_POINTS} landmarks per person in '{path}', but got {len(points)}. "
            "Give each a name, or write all of MediaPipe's."
        )
    columns = landmark_columns([point["name"] for point in points], str(path)) if named else mediapipe_columns()
    rows = np.array([_point(point) for point in points], np.float64)
    return found_person(frame, rows[:, :2], np.clip(rows[:, 2], 0.0, 1.0), columns, track)


def _point(point: Any) -> tuple[float, float, float]:
    if isinstance(point, dict):
        trust = 1.0 if point.get("visibility") is None else float(point["visibility"])
        presence = point.get("presence")
        return float(point["x"]), float(point["y"]), trust * (1.0 if presence is None else float(presence))
    return float(point[0]), float(point[1]), float(point[3]) if len(point) > 3 else 1.0
