"""COCO key points: one JSON file of images, people's boxes and 17 points each, which pose networks train on.

Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and its data format page. Coordinates are ours: pixels,
with the middle of the first one at (0.5, 0.5).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from carescene.clips.rendered import COCO_KEYPOINTS
from carescene.errors import UserError
from carescene.files import write_atomically

PERSON_CATEGORY: Final = 1
_POINTS: Final = len(COCO_KEYPOINTS)

# Lines that viewers draw between points.
_LINKS: Final[tuple[tuple[str, str], ...]] = (
    ("left_ankle", "left_knee"),
    ("left_knee", "left_hip"),
    ("right_ankle", "right_knee"),
    ("right_knee", "right_hip"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("right_shoulder", "right_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_elbow", "right_wrist"),
    ("left_eye", "right_eye"),
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
    ("left_ear", "left_shoulder"),
    ("right_ear", "right_shoulder"),
)


@dataclass(frozen=True)
class CocoImage:
    """One picture: its file relative to the image folder, and its size. `extra` goes into the file as it is."""

    file_name: str
    width: int
    height: int
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CocoPerson:
    """One person in one picture.

    Attributes:
        image: index into the list of pictures.
        box: x, y, width, height in pixels.
        keypoints: x, y, v with v = 2 seen, 1 occluded, 0 outside (x = y = 0 then).
        area: square pixels that the person covers; the measure of size in COCO's scores.
        crowd: a group that is not told apart, in foreign files.
        extra: goes into the file as it is.
    """

    image: int
    box: Float[np.ndarray, "4"]
    keypoints: Float[np.ndarray, "17 3"]
    area: float
    crowd: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


def coco_person(
    image: int,
    corners: Float[np.ndarray, "4"],
    keypoints: Float[np.ndarray, "17 3"],
    area: float | None = None,
    extra: dict[str, Any] | None = None,
) -> CocoPerson:
    """A person from box corners x0, y0, x1, y1 (x1 and y1 past the last pixel).

    Without an exact area that of the box stands for it, which is larger and so more lenient in COCO's scores.
    """
    box = np.array([*corners[:2], *(corners[2:] - corners[:2])], dtype=np.float64)
    covered = float(box[2] * box[3]) if area is None else area
    return CocoPerson(image, box, keypoints.astype(np.float64), covered, extra=extra or {})


def write_coco(path: Path, images: Sequence[CocoImage], people: Sequence[CocoPerson], description: str = "") -> None:
    """Write the JSON file, complete or not at all. Ids count from 1: COCO's scores take 0 for "no match".

    Raises:
        UserError: two pictures have one name, a person is in none of them, or the folder cannot be written.
    """
    if len({image.file_name for image in images}) < len(images):
        raise UserError("Expected pictures of different names, but got one twice. Rename the items.")
    if any(not 0 <= person.image < len(images) for person in people):
        raise UserError(f"Expected people in pictures 0 to {len(images) - 1}, but got another picture.")
    document = {
        "info": {"description": description, "version": "1.0"},
        "licenses": [],
        "categories": [_category()],
        "images": [
            {"id": number, "file_name": image.file_name, "width": image.width, "height": image.height} | image.extra
            for number, image in enumerate(images, start=1)
        ],
        "annotations": [_annotation(person, number) for number, person in enumerate(people, start=1)],
    }
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    write_atomically(path, lambda file: file.write(f"{text}\n".encode()))


def read_coco(path: Path) -> tuple[list[CocoImage], list[CocoPerson]]:
    """Read pictures and people; annotations without key points are passed over.

    Raises:
        UserError: the file is missing, damaged, of another layout, or has other points than COCO's 17.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"Expected COCO key points at '{path}', but got: {error.strerror}. Check the path.") from error
    except ValueError as error:
        raise UserError(f"Expected '{path}' to be JSON, but got: {error}. It is damaged; copy it again.") from error
    try:
        place = {image["id"]: index for index, image in enumerate(document["images"])}
        known = ("id", "file_name", "width", "height")
        images = [
            CocoImage(image["file_name"], image["width"], image["height"], _without(image, known))
            for image in document["images"]
        ]
        people = [_person(entry, place[entry["image_id"]]) for entry in document["annotations"] if "keypoints" in entry]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"Expected images and annotations with {3 * _POINTS} keypoint numbers in '{path}', but got: {error}. "
            "It is not a COCO key point file of people, or was edited by hand."
        ) from error
    return images, people


def _category() -> dict[str, Any]:
    number = {name: index for index, name in enumerate(COCO_KEYPOINTS, start=1)}
    return {
        "id": PERSON_CATEGORY,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(COCO_KEYPOINTS),
        "skeleton": [[number[a], number[b]] for a, b in _LINKS],
    }


def _annotation(person: CocoPerson, number: int) -> dict[str, Any]:
    # A hundredth of a pixel is finer than any of this can be seen.
    keypoints = [round(float(value), 2) for value in person.keypoints[:, :2].reshape(-1)]
    seen = person.keypoints[:, 2].astype(int).tolist()
    flat = [value for k, v in enumerate(seen) for value in (keypoints[2 * k], keypoints[2 * k + 1], v)]
    return {
        "id": number,
        "image_id": person.image + 1,
        "category_id": PERSON_CATEGORY,
        "bbox": [round(float(value), 2) for value in person.box],
        "area": round(float(person.area), 2),
        "iscrowd": int(person.crowd),
        "num_keypoints": sum(v > 0 for v in seen),
        "keypoints": flat,
    } | person.extra


_ANNOTATION_FIELDS: Final = (
    "id", "image_id", "category_id", "bbox", "area", "iscrowd", "num_keypoints", "keypoints",
)  # fmt: skip


def _person(entry: dict[str, Any], image: int) -> CocoPerson:
    return CocoPerson(
        image=image,
        box=np.array(entry["bbox"], dtype=np.float64).reshape(4),
        keypoints=np.array(entry["keypoints"], dtype=np.float64).reshape(_POINTS, 3),
        area=float(entry["area"]),
        crowd=bool(entry.get("iscrowd", 0)),
        extra=_without(entry, _ANNOTATION_FIELDS),
    )


def _without(entry: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in names}
