"""What a file of key points says, whatever its format, before it is laid over a video."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from carescene.errors import UserError
from reconstruction.formats.names import IGNORED
from reconstruction.observations import LANDMARKS

# A point that somebody marked where it cannot be seen is a guess: detectors give about half to such points.
VISIBILITY_CONFIDENCE: Final[Float[np.ndarray, "3"]] = np.array([0.0, 0.5, 1.0])
VISIBILITY_CONFIDENCE.setflags(write=False)

# Formats that name middles of pixels by whole numbers differ from ours by half a pixel.
PIXEL_CENTRE: Final = 0.5


@dataclass(frozen=True)
class AnnotatedFrame:
    """One picture of an annotation file.

    Attributes:
        number: of the video's frame, from 0; None if only the name tells it.
        name: of the picture's file.
        width, height: size that its pixels belong to, None where the file does not say.
    """

    number: int | None = None
    name: str = ""
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class FoundPerson:
    """One person in one picture.

    Attributes:
        frame: index into the annotation's frames.
        points: pixels of that picture, pixel (0, 0) covering [0, 1) x [0, 1); NaN for missing ones.
        confidence: 0 for missing up to 1.
        track: what the file calls this person over time, None if it does not say.
        area: square pixels that the person covers, None if the file does not say.
        sigma: standard deviation of each point in pixels, where the file gives it.
    """

    frame: int
    points: Float[np.ndarray, "landmark 2"]
    confidence: Float[np.ndarray, "landmark"]
    track: str | None = None
    area: float | None = None
    sigma: Float[np.ndarray, "landmark"] | None = None


@dataclass(frozen=True)
class Annotations:
    """Everything in a file of key points.

    Attributes:
        frames: pictures in the file's order; those of nobody count as well where the format lists them.
        people: everybody found, in any order.
        source: name of the format or of the detector.
        by_hand: whether a person placed the points.
        complete: whether the format lists every picture it knows, also those of nobody.
        total: frames of the annotated video as the file itself says.
        relative: points are parts of the picture's width and height, 0 to 1, not pixels.
        unsure_tracks: a track twice in one picture means that the numbers are no tracks, not that the file is wrong.
    """

    frames: tuple[AnnotatedFrame, ...]
    people: list[FoundPerson]
    source: str
    by_hand: bool = False
    complete: bool = True
    total: int | None = None
    relative: bool = False
    unsure_tracks: bool = False


def found_person(
    frame: int,
    points: Float[np.ndarray, "point 2"],
    confidence: Float[np.ndarray, "point"],
    columns: Int[np.ndarray, "point"],
    track: str | None = None,
    area: float | None = None,
    sigma: Float[np.ndarray, "point"] | None = None,
) -> FoundPerson:
    """A person from the points of a file and the landmark that each of them is."""
    used = (columns != IGNORED) & (confidence > 0) & np.isfinite(points).all(-1)
    dense = np.full((len(LANDMARKS), 2), np.nan)
    trust, spread = np.zeros(len(LANDMARKS)), np.full(len(LANDMARKS), np.nan)
    dense[columns[used]] = points[used]
    trust[columns[used]] = np.minimum(confidence[used], 1.0)
    if sigma is not None:
        spread[columns[used]] = sigma[used]
    return FoundPerson(frame, dense, trust, track, area, None if sigma is None else spread)


def triples(values: Any) -> Float[np.ndarray, "point 3"]:
    """A flat list x, y, c, x, y, c, ... as rows; raises ValueError for another length."""
    return np.array(values, np.float64).reshape(-1, 3)


def whole_number(value: Any) -> int | None:
    """A number of pixels or frames as it may stand in JSON; raises TypeError or ValueError for anything else."""
    return None if value is None else int(value)


def track_name(*candidates: Any) -> str | None:
    """The first that names a person over time; None, -1, "" and 0 length lists are what formats write for "unknown"."""
    for value in candidates:
        if isinstance(value, list):
            value = value[0] if value else None
        if value is None or value == "" or value == -1:
            continue
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return None


def load_text(path: Path) -> str:
    """Text of a file, or of the only JSON or XML file in a zip, as annotation tools export them.

    Raises:
        UserError: it cannot be read, is not text, or the zip holds none or several.
    """
    try:
        if not zipfile.is_zipfile(path):
            return path.read_text(encoding="utf-8-sig")
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith((".json", ".xml"))]
            if len(names) != 1:
                raise UserError(
                    f"Expected one JSON or XML file in '{path}', but got {len(names)}. Unpack it and "
                    "name the one that is meant."
                )
            return archive.read(names[0]).decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"Expected key points at '{path}', but got: {error.strerror}. Check the path.") from error
    except (UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"Expected JSON or XML text in '{path}', but got: {error}. It is damaged or something else; see "
            "docs/keypoints.md for what can be read."
        ) from error


def parse_json(text: str, path: Path) -> Any:
    """JSON of a file.

    Raises:
        UserError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(
            f"Expected '{path}' to be JSON, but got: {error}. It is damaged or cut short; export it again."
        ) from error
