"""OpenPose: a folder with one JSON file per frame, `NAME_000000000012_keypoints.json`.

https://github.com/CMU-Perceptual-Computing-Lab/openpose, "Output format". No sizes, no people over time; a point of
0, 0, 0 is missing.
"""

from pathlib import Path
from typing import Any, Final

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
    triples,
)
from reconstruction.formats.names import openpose_columns

_SUFFIX: Final = "_keypoints.json"


def openpose_files(folder: Path) -> list[Path]:
    """OpenPose's files in a folder, by name."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def is_openpose(document: Any) -> bool:
    """Whether a JSON document is one frame of OpenPose's."""
    return isinstance(document, dict) and isinstance(document.get("people"), list) and "version" in document


def read_openpose(files: list[Path]) -> Annotations:
    """Read one file per frame; the number at the end of the name is the frame's.

    Raises:
        UserError: a file cannot be read, or has another body model than BODY_25 or COCO.
        KeyError, TypeError, ValueError, IndexError: another layout.
    """
    people: list[FoundPerson] = []
    for index, path in enumerate(files):
        people += openpose_people(parse_json(load_text(path), path), index, path)
    frames = tuple(AnnotatedFrame(name=path.name.removesuffix(_SUFFIX)) for path in files)
    return Annotations(frames, people, "openpose", unsure_tracks=True)


def openpose_people(document: Any, frame: int, path: Path) -> list[FoundPerson]:
    """Everybody in one frame."""
    found = []
    for person in document["people"]:
        rows = triples(person["pose_keypoints_2d"])
        if not rows.any():
            continue
        columns = openpose_columns(len(rows), str(path))
        # It writes zeros for what it does not see.
        confidence = np.where((rows[:, :2] == 0).all(-1), 0.0, np.clip(rows[:, 2], 0.0, 1.0))
        track = track_name(person.get("person_id"))
        found.append(found_person(frame, rows[:, :2] + PIXEL_CENTRE, confidence, columns, track))
    return found
