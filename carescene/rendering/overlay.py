"""Labels drawn into pictures for people to look at: skeletons, boxes, words, and pictures side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from carescene.clips.clip import PersonInfo
from carescene.clips.rendered import COCO_KEYPOINTS, FilmLabels, label_name
from carescene.errors import UserError

Color = tuple[int, int, int]

# One colour per person, told apart on skin, linen and floors, also by most colour-blind people (Okabe and Ito 2008,
# "Color universal design").
PERSON_COLORS: Final[tuple[Color, ...]] = ((0, 158, 255), (230, 159, 0), (0, 190, 120), (240, 110, 170), (240, 228, 66))
_ALARM: Final[Color] = (213, 50, 30)
_INK: Final[Color] = (255, 255, 255)
_PAPER: Final[Color] = (16, 18, 22)
# White pixels between pictures side by side; even, because video stores colour for 2 x 2 pixels.
_GAP: Final = 4
_ALARMING: Final = ("fall", "fallen")

_LINKS: Final = tuple(
    (COCO_KEYPOINTS.index(first), COCO_KEYPOINTS.index(second))
    for first, second in (
        ("nose", "left_eye"),
        ("nose", "right_eye"),
        ("left_eye", "left_ear"),
        ("right_eye", "right_ear"),
        ("left_shoulder", "right_shoulder"),
        ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"),
        ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"),
        ("left_shoulder", "left_hip"),
        ("right_shoulder", "right_hip"),
        ("left_hip", "right_hip"),
        ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
        ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"),
    )
)

# Near to far: light yellow, orange, magenta, dark violet. Brightness falls all the way, so it reads in grey as well.
_DEPTH_ANCHORS: Final = np.array(
    [[252, 240, 178], [253, 180, 98], [240, 105, 92], [183, 55, 121], [104, 25, 125], [38, 16, 84], [12, 8, 40]], float
)


@dataclass(frozen=True)
class Labelled:
    """What is written into one picture about one person, in the picture's pixels.

    Attributes:
        name: who it is, such as the role.
        label: OmniFall-16 name of this moment.
        box: x0, y0, x1, y1, NaN where the person is not seen.
        keypoints: COCO-17 as x, y, v.
    """

    name: str
    label: str
    box: Float[np.ndarray, "4"]
    keypoints: Float[np.ndarray, "17 3"]


def labelled(labels: FilmLabels, persons: Sequence[PersonInfo], frame: int) -> list[Labelled | None]:
    """What to write into picture `frame` of a film, one entry per person: None for those who are not there."""
    named = [person.role for person in persons] or ["person"] * len(labels.valid)
    return [
        Labelled(
            named[person] if named.count(named[person]) == 1 else f"{named[person]} {person + 1}",
            label_name(int(labels.frame_label[person, frame])),
            labels.box[person, frame],
            labels.keypoints[person, frame],
        )
        if labels.valid[person, frame]
        else None
        for person in range(len(labels.valid))
    ]


def draw_labels(
    picture: UInt8[np.ndarray, "height width 3"], people: Sequence[Labelled | None], time_s: float | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with skeletons, boxes and, at the foot, a line with the label of everybody and the time.

    Seen key points are filled, occluded ones are rings; lines to an occluded point are thin. A fall and what follows
    it are written on red.
    """
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    unit = max(1, round(min(image.size) / 240))
    for index, person in enumerate(people):
        if person is not None:
            _draw_person(pen, person, PERSON_COLORS[index % len(PERSON_COLORS)], unit)
    _write_foot(image, pen, people, time_s)
    return np.asarray(image)


def depth_picture(
    depth: Float[np.ndarray, "height width"], nearest: float | int, farthest: float | int
) -> UInt8[np.ndarray, "height width 3"]:
    """Depth in metres as colours from light (nearest) to dark (farthest), black where there is no reading.

    Raises:
        UserError: if the range is empty.
    """
    if not 0 <= nearest < farthest:
        raise UserError(f"Expected a range of depths with nearest < farthest, but got {nearest} to {farthest} m.")
    known = np.isfinite(depth) & (depth > 0)
    share = np.clip((np.where(known, depth, farthest) - nearest) / (farthest - nearest), 0, 1)
    places = np.linspace(0, 1, len(_DEPTH_ANCHORS))
    colors = np.stack([np.interp(share, places, _DEPTH_ANCHORS[:, channel]) for channel in range(3)], axis=-1)
    return np.where(known[..., None], np.round(colors), 0).astype(np.uint8)


def row_width(count: int, width: int) -> int:
    """Width in pixels of so many pictures side by side."""
    return count * width + (count - 1) * _GAP


def side_by_side(
    pictures: Sequence[UInt8[np.ndarray, "height width 3"]], captions: Sequence[str]
) -> UInt8[np.ndarray, "height total 3"]:
    """Pictures of one size in a row, each with its caption in the upper left corner."""
    assert len({picture.shape for picture in pictures}) == 1 and len(pictures) == len(captions), "one size, one caption"
    font = _font(pictures[0].shape[0])
    tiles: list[np.ndarray] = []
    for picture, caption in zip(pictures, captions, strict=True):
        image = Image.fromarray(picture)
        if caption:
            _write(ImageDraw.Draw(image), (0, 0), caption, font, _PAPER)
        tiles += [np.asarray(image), np.full((picture.shape[0], _GAP, 3), 255, np.uint8)]
    return np.concatenate(tiles[:-1], axis=1)


def _draw_person(pen: ImageDraw.ImageDraw, person: Labelled, color: Color, unit: int) -> None:
    if np.isfinite(person.box).all():
        left, top, right, bottom = (float(value) for value in person.box)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=color, width=unit)
    points = person.keypoints
    for first, second in _LINKS:
        if points[first, 2] > 0 and points[second, 2] > 0:
            seen = points[first, 2] == points[second, 2] == 2
            pen.line(
                [tuple(points[first, :2]), tuple(points[second, :2])], fill=color, width=2 * unit if seen else unit
            )
    for x, y, seen in points.tolist():
        if seen > 0:
            size = float(unit)
            corners = (x - size, y - size, x + size, y + size)
            pen.ellipse(corners, fill=_INK if seen == 2 else None, outline=_INK if seen == 2 else color)


def _write_foot(
    image: Image.Image, pen: ImageDraw.ImageDraw, people: Sequence[Labelled | None], time_s: float | None
) -> None:
    """Labels from the left, wrapped to further lines above where they do not fit; the time at the right."""
    font = _font(image.height)
    clock = "" if time_s is None else f"{time_s:.2f} s"
    lines: list[list[tuple[str, Color, bool]]] = [[]]
    room = used = image.width - _width(pen, clock, font)
    for index, person in enumerate(people):
        if person is None:
            continue
        alarm = person.label in _ALARMING
        entry = f"{person.name}: {person.label.replace('_', ' ')}", PERSON_COLORS[index % len(PERSON_COLORS)], alarm
        width = _width(pen, entry[0], font) + font.size
        if lines[-1] and width > used:
            lines.append([])
            used = room
        used -= width
        lines[-1].append(entry)
    high = _height(font)
    for row, line in enumerate(reversed(lines)):
        top = image.height - (row + 1) * high
        pen.rectangle((0, top, image.width, top + high), fill=_PAPER)
        left = 0.0
        for text, color, alarm in line:
            swatch = font.size * 0.5
            pen.rectangle((left + swatch / 2, top + high / 4, left + 1.5 * swatch, top + 3 * high / 4), fill=color)
            left = _write(pen, (left + 2 * swatch, top), text, font, _ALARM if alarm else _PAPER)
    if clock:
        _write(pen, (image.width - _width(pen, clock, font), image.height - high), clock, font, _PAPER)


def _write(
    pen: ImageDraw.ImageDraw,
    corner: tuple[float | int, float | int],
    text: str,
    font: ImageFont.FreeTypeFont,
    paper: Color,
) -> float:
    """Text on a plain ground; returns where it ends."""
    left, top = corner
    end = left + _width(pen, text, font)
    pen.rectangle((left, top, end - 1, top + _height(font) - 1), fill=paper)
    pen.text((left + font.size / 4, top + font.size / 8), text, fill=_INK, font=font)
    return end


def _width(pen: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont) -> float:
    return pen.textlength(text, font=font) + font.size / 2 if text else 0.0


def _height(font: ImageFont.FreeTypeFont) -> int:
    return round(1.4 * font.size)


@lru_cache(maxsize=16)
def _font(height: int) -> ImageFont.FreeTypeFont:
    # 12 pixels are the least at which this font reads well; larger pictures are usually looked at from further away.
    font = ImageFont.load_default(max(12, height // 20))
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built with FreeType on every platform it ships for"
    return font
