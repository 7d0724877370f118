"""CVAT's own XML, version 1.1: pictures one by one, or people as tracks through a video.

https://docs.cvat.ai/docs/other/xml_format. What its exports are known to do is survived: skeletons written in frames
where their track is off, points lost around switched-off frames, tasks without any shape.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from carescene.errors import UserError
from reconstruction.formats.annotations import AnnotatedFrame, Annotations, FoundPerson, found_person
from reconstruction.formats.names import coco_columns, landmark_called, landmark_columns

# Attributes that annotators give a person so that they are known again.
_TRACK_ATTRIBUTES: Final = ("track_id", "person_id", "person", "identity", "id")


def is_cvat(text: str) -> bool:
    """Whether a text begins like CVAT's XML."""
    head = text[:2000].lstrip()
    return head.startswith("<") and "<annotations" in head


def read_cvat(text: str, path: Path) -> Annotations:
    """Read skeletons and loose points, of pictures or of tracks; between key frames points move in straight lines.

    Outside points are missing, occluded ones have a confidence of 0.5. A person is a skeleton's track, its `track_id`
    attribute or its group.

    Raises:
        UserError: no XML, several tasks in one file, unknown names of points, or points that nobody grouped.
        KeyError, TypeError, ValueError, IndexError: another layout.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UserError(
            f"Expected '{path}' to be XML, but got: {error}. It is damaged or cut short; export it again."
        ) from error
    tasks = root.findall("./meta//task")
    if len(tasks) > 1:
        raise UserError(
            f"Expected one task in '{path}', but got {len(tasks)}: a whole project was exported. Export the task of "
            "this video alone."
        )
    images = root.findall("image")
    if images:
        return _read_images(images, path)
    return _read_tracks(root, path)


# Pictures


@dataclass
class _Marks:
    """Points of one person in one picture, as they are collected."""

    names: list[str] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    trust: list[float] = field(default_factory=list)
    track: str | None = None

    def add(self, element: ElementTree.Element) -> None:
        places = _places(element)
        if len(places) == 1 and element.get("outside", "0") != "1":
            self.names.append(element.get("label", ""))
            self.points.append(places[0])
            self.trust.append(_trust(element))

    def person(self, frame: int, path: Path) -> FoundPerson:
        columns = landmark_columns(self.names, str(path))
        return found_person(frame, np.array(self.points), np.array(self.trust), columns, self.track)


def _read_images(images: list[ElementTree.Element], path: Path) -> Annotations:
    frames, people = [], []
    for index, image in enumerate(images):
        frames.append(AnnotatedFrame(None, image.get("name", ""), _whole(image, "width"), _whole(image, "height")))
        people += _people_of(image, index, path)
    return Annotations(tuple(frames), people, "cvat", by_hand=True)


def _people_of(image: ElementTree.Element, frame: int, path: Path) -> list[FoundPerson]:
    people = []
    for skeleton in image.findall("skeleton"):
        marks = _Marks(track=_track(skeleton))
        for element in skeleton.findall("points"):
            marks.add(element)
        if marks.names and skeleton.get("outside", "0") != "1":
            people.append(marks.person(frame, path))
    groups: dict[str | None, _Marks] = {}
    for element in image.findall("points"):
        places = _places(element)
        if len(places) > 1:
            # One shape of many points carries no names, so their order is all there is.
            columns = coco_columns(len(places), str(path))
            trust = np.full(len(places), _trust(element))
            people.append(found_person(frame, np.array(places), trust, columns, _track(element)))
            continue
        marks = groups.setdefault(_track(element), _Marks(track=_track(element)))
        if element.get("label", "") in marks.names:
            raise UserError(
                f"Expected the points of each person in a group of their own in '{path}', but got "
                f"'{element.get('label')}' twice in '{image.get('name')}'. Group them in CVAT, or use skeletons."
            )
        marks.add(element)
    return people + [marks.person(frame, path) for marks in groups.values() if marks.names]


# Tracks


@dataclass(frozen=True)
class _Knot:
    """One point in one frame: where, and how far it can be trusted (0 for outside)."""

    place: tuple[float, float]
    trust: float


# Per person, per name of a point: what is known in which frame.
_Person = dict[str, dict[int, _Knot]]


def _read_tracks(root: ElementTree.Element, path: Path) -> Annotations:
    size = root.find("./meta//original_size")
    width, height = (int(_text(size, name)) if size is not None else None for name in ("width", "height"))
    total = _total(root)
    tracks: dict[str, _Person] = {}
    for number, track in enumerate(root.findall("track")):
        _collect(track, track.get("id", str(number)), tracks)
    tracks = {name: {label: knots for label, knots in person.items() if knots} for name, person in tracks.items()}
    last = max((frame for person in tracks.values() for knots in person.values() for frame in knots), default=-1)
    frames = tuple(AnnotatedFrame(number, "", width, height) for number in range(max(total or 0, last + 1)))
    people = [
        found
        for name, person in tracks.items()
        if person
        for found in _track_people(name, person, landmark_columns(list(person), str(path)))
    ]
    return Annotations(frames, people, "cvat", by_hand=True, complete=total is not None, total=total)


def _total(root: ElementTree.Element) -> int | None:
    """Frames of the video: those of the task, between which it may have left some out."""
    task = root.find("./meta//task")
    if task is None:
        task = root.find("./meta/job")
    if task is None or task.find("size") is None:
        return None
    start, step = task.findtext("start_frame") or "0", task.findtext("frame_filter") or ""
    spacing = int(step.rpartition("step=")[2]) if "step=" in step else 1
    # A job or a task of a part begins and ends where it says; then the file does not know the whole video.
    stop = task.findtext("stop_frame")
    count = int(_text(task, "size"))
    whole = int(start) == 0 and (stop is None or spacing > 1 or int(stop) == count - 1) and task.tag == "task"
    return count if whole and spacing == 1 else None


def _collect(track: ElementTree.Element, name: str, tracks: dict[str, _Person]) -> None:
    """Add a track's points to the people; a track may be a skeleton, one point, or hold one track per point."""
    skeletons = track.findall("skeleton")
    nested = track.findall("track")
    if skeletons:
        person = tracks.setdefault(_attribute(skeletons[0]) or name, {})
        for skeleton in skeletons:
            frame, off = int(skeleton.attrib["frame"]), skeleton.get("outside", "0") == "1"
            for element in skeleton.findall("points"):
                _add_knot(person, element.get("label", ""), frame, element, off)
            if off:
                # Points that are left out of a frame in which the track is off are off as well.
                for knots in person.values():
                    knots.setdefault(frame, _Knot((np.nan, np.nan), 0.0))
    elif nested:
        person = tracks.setdefault(_attribute(track) or name, {})
        for part in nested:
            for element in part.findall("points"):
                _add_knot(person, part.get("label", ""), int(element.attrib["frame"]), element, False)
    elif track.find("points") is not None and landmark_called(track.get("label", "")) is not None:
        points = track.findall("points")
        person = tracks.setdefault(_attribute(points[0]) or track.get("group_id") or "1", {})
        if track.get("label", "") in person:
            raise UserError(
                f"Expected the point tracks of each person in a group of their own, but got '{track.get('label')}' "
                "twice. Group them in CVAT, or use skeletons."
            )
        for element in points:
            _add_knot(person, track.get("label", ""), int(element.attrib["frame"]), element, False)


def _add_knot(person: _Person, label: str, frame: int, element: ElementTree.Element, off: bool) -> None:
    places = _places(element)
    knots = person.setdefault(label, {})
    if off or element.get("outside", "0") == "1":
        knots[frame] = _Knot(places[0] if places else (np.nan, np.nan), 0.0)
    elif len(places) == 1:
        knots[frame] = _Knot(places[0], _trust(element))


def _track_people(name: str, person: _Person, columns: np.ndarray) -> Iterator[FoundPerson]:
    """The person in every frame from the first known one to the last, points filled in between."""
    first = min(min(knots) for knots in person.values())
    count = max(max(knots) for knots in person.values()) + 1 - first
    places = np.full((len(person), count, 2), np.nan)
    trust = np.zeros((len(person), count))
    for row, knots in enumerate(person.values()):
        known = sorted(knots)
        for frame, after in zip(known, [*known[1:], known[-1] + 1], strict=True):
            here, there = knots[frame], knots.get(after, knots[frame])
            if here.trust == 0:
                continue
            # Towards a frame in which it is off without a place, a point stays where it was.
            end = there.place if np.isfinite(there.place).all() else here.place
            share = np.linspace(0.0, 1.0, after - frame, endpoint=False)[:, None]
            places[row, frame - first : after - first] = np.array(here.place) * (1 - share) + np.array(end) * share
            trust[row, frame - first : after - first] = here.trust
    for step in np.flatnonzero(trust.any(0)).tolist():
        yield found_person(first + step, places[:, step], trust[:, step], columns, name)


# Parts of elements


def _places(element: ElementTree.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in element.get("points", "").split(";") if pair.strip()]
    return [(float(x), float(y)) for x, y in pairs]


def _trust(element: ElementTree.Element) -> float:
    return 0.5 if element.get("occluded", "0") == "1" else 1.0


def _track(element: ElementTree.Element) -> str | None:
    group = element.get("group_id")
    return _attribute(element) or (f"group {group}" if group and group != "0" else None)


def _attribute(element: ElementTree.Element) -> str | None:
    values = {one.get("name", "").lower(): (one.text or "").strip() for one in element.findall("attribute")}
    return next((values[name] for name in _TRACK_ATTRIBUTES if values.get(name)), None)


def _whole(element: ElementTree.Element, name: str) -> int | None:
    return int(element.attrib[name]) if name in element.attrib else None


def _text(element: ElementTree.Element, name: str) -> str:
    value = element.findtext(name)
    if value is None:
        raise KeyError(name)
    return value
