"""Key points from a file of any known format, told by its content, laid over a video."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from carescene.errors import UserError
from reconstruction.formats.alphapose import is_alphapose, read_alphapose
from reconstruction.formats.annotations import Annotations, load_text, parse_json
from reconstruction.formats.coco import is_coco, read_coco_keypoints
from reconstruction.formats.cvat import is_cvat, read_cvat
from reconstruction.formats.label_studio import is_label_studio, read_label_studio
from reconstruction.formats.mediapipe import is_mediapipe, read_mediapipe
from reconstruction.formats.mmpose import is_mmpose, read_mmpose, read_mmpose_pictures
from reconstruction.formats.openpose import is_openpose, openpose_files, read_openpose
from reconstruction.formats.placing import VideoFrames, check_inside, frame_slots, pixel_scales
from reconstruction.identity import link_people, stack_people
from reconstruction.observations import Keypoints
from reconstruction.sigma import click_sigma, detector_sigma

_DOCUMENTS: Final[dict[str, tuple[Callable[[Any], bool], Callable[[Any, Path], Annotations]]]] = {
    "coco": (is_coco, read_coco_keypoints),
    "label_studio": (is_label_studio, read_label_studio),
    "mmpose": (is_mmpose, read_mmpose),
    "mediapipe": (is_mediapipe, read_mediapipe),
    "alphapose": (is_alphapose, read_alphapose),
}
FORMATS: Final[tuple[str, ...]] = ("auto", "cvat", "openpose", *_DOCUMENTS)


def read_keypoints(
    path: Path,
    times: Float[np.ndarray, "frame"],
    frames: Int[np.ndarray, "frame"],
    width: int,
    height: int,
    *,
    total: int | None = None,
    size: tuple[int, int] | None = None,
    format: str = "auto",
    name: str = "",
) -> Keypoints:
    """Read 2D key points of a video, whoever made them, into its pixels and frames.

    People are told apart by the file's tracks, where it has any, else linked by `link_people`. Standard deviations
    are those of clicks for annotation tools, those of a detector otherwise, or the file's own.

    Args:
        path: a file, a zip of one, or a folder (OpenPose, or MMPose's one file per picture).
        times: seconds of the frames that are looked at.
        frames: index of each in the video file.
        width, height: of the upright picture.
        total: frames in the video file; None takes the last one looked at for its end.
        size: width and height of the annotated pictures, for formats that do not say; None for the video's.
        format: one of FORMATS.
        name: of the video without ending, to choose among pictures of several.

    Raises:
        UserError: the file is missing, damaged, of an unknown format, of another video, or holds nobody.
    """
    step = int(np.median(np.diff(frames))) if len(frames) > 1 else 1
    last = int(frames[-1]) + step if total is None else total
    video = VideoFrames(times, frames, width, height, last, name)
    return lay_over(read_annotations(path, format), video, size, str(path))


def read_annotations(path: Path, format: str = "auto") -> Annotations:
    """What a file of key points says, in its own frames and pixels.

    Raises:
        UserError: the file is missing, damaged, or of an unknown format.
    """
    if format not in FORMATS:
        raise UserError(f"Expected a format among {', '.join(FORMATS)}, but got '{format}'. Use auto.")
    try:
        return _read_folder(path, format) if path.is_dir() else _read_file(path, format)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"Expected '{path}' to hold key points in one of the layouts of docs/keypoints.md, but got: {what}. "
            "It is damaged or was edited by hand; export it again."
        ) from error


def _read_folder(path: Path, format: str) -> Annotations:
    openpose = openpose_files(path)
    if openpose and format in ("auto", "openpose"):
        return read_openpose(openpose)
    files = sorted(one for one in path.iterdir() if one.suffix.lower() in (".json", ".xml"))
    if len(files) == 1:
        return _read_file(files[0], format)
    if files and format in ("auto", "mmpose") and is_mmpose(parse_json(load_text(files[0]), files[0])):
        return read_mmpose_pictures(files)
    raise UserError(
        f"Expected files of OpenPose (*_keypoints.json) or MMPose in the folder '{path}', but got {len(files)} other "
        "JSON or XML files. Name the one file that holds the key points."
    )


def _read_file(path: Path, format: str) -> Annotations:
    text = load_text(path)
    if format == "cvat" or (format == "auto" and is_cvat(text)):
        return read_cvat(text, path)
    document = parse_json(text, path)
    if format == "openpose" or (format == "auto" and is_openpose(document)):
        return read_openpose([path])
    for name, (recognises, reads) in _DOCUMENTS.items():
        if format == name or (format == "auto" and recognises(document)):
            return reads(document, path)
    raise UserError(
        f"Expected key points of a known format ({', '.join(FORMATS[1:])}) in '{path}', but its content is none of "
        "these. See docs/keypoints.md."
    )


def lay_over(found: Annotations, video: VideoFrames, size: tuple[int, int] | None, where: str) -> Keypoints:
    """Annotations in the frames and pixels of a video.

    Args:
        found: what a file says.
        video: the frames that are looked at.
        size: width and height of the annotated pictures, for files that do not say.
        where: file to name in messages.

    Raises:
        UserError: nobody is in them, a person is twice in one picture, or they are of another video.
    """
    if not found.people:
        raise UserError(
            f"Expected people in '{where}', but got none in {len(found.frames)} pictures. Annotate somebody, or leave "
            "out the file to have people detected."
        )
    slots = frame_slots(found, video, where)
    scales = pixel_scales(found, video, size, where)
    sized = size is not None or found.relative or all(frame.width for frame in found.frames)
    points = np.array([person.points * scales[person.frame] for person in found.people])
    inside = check_inside(points, video, sized, where)
    by_frame: list[list[int]] = [[] for _ in video.frames]
    for index, person in enumerate(found.people):
        if slots[person.frame] >= 0 and inside[index].any():
            by_frame[slots[person.frame]].append(index)
    if not any(by_frame):
        raise UserError(
            f"Expected people in the frames that are looked at, but '{where}' has them in none of these. Annotate "
            "more frames."
        )
    pixels = [np.where(inside[group][..., None], points[group], np.nan) for group in by_frame]
    trust = np.array([person.confidence for person in found.people]) * inside
    confidence = [trust[group] for group in by_frame]
    shrink = scales.prod(-1) if not found.relative else np.ones(len(scales))
    areas = np.array([(person.area or np.nan) * shrink[person.frame] for person in found.people])
    tracks = [[found.people[index].track for index in group] for group in by_frame]
    identities = link_people(
        pixels, confidence, video.times,
        [np.nan_to_num(areas[group]) for group in by_frame],
        _usable_tracks(tracks, found, video, where),
    )  # fmt: skip
    keypoints = stack_people(
        pixels, confidence, identities, times=video.times, frames=video.frames, width=video.width, height=video.height,
        source=found.source, known=tracks,
    )  # fmt: skip
    return replace(keypoints, sigma=_sigma(found, keypoints, by_frame, identities, areas, scales))


def _usable_tracks(
    tracks: list[list[str | None]], found: Annotations, video: VideoFrames, where: str
) -> list[list[str | None]] | None:
    """The tracks, or None where the file has none that can be trusted.

    Raises:
        UserError: two people have one track in one picture.
    """
    for frame, names in zip(video.frames.tolist(), tracks, strict=True):
        known = [name for name in names if name is not None]
        if len(set(known)) < len(known):
            if found.unsure_tracks:
                return None
            twice = next(name for name in known if known.count(name) > 1)
            raise UserError(
                f"Expected each person once per picture in '{where}', but got '{twice}' twice in frame {frame}. "
                "Give one of them another track."
            )
    return tracks if any(name is not None for names in tracks for name in names) else None


def _sigma(
    found: Annotations,
    keypoints: Keypoints,
    by_frame: list[list[int]],
    identities: list[np.ndarray],
    areas: Float[np.ndarray, "found"],
    scales: Float[np.ndarray, "picture 2"],
) -> Float[np.ndarray, "person frame landmark"]:
    dense = np.full(keypoints.confidence.shape[:2], np.nan)
    given = np.full(keypoints.confidence.shape, np.nan)
    for frame, (group, who) in enumerate(zip(by_frame, identities, strict=True)):
        dense[who, frame] = areas[group]
        for index, identity in zip(group, who.tolist(), strict=True):
            person = found.people[index]
            if person.sigma is not None:
                given[identity, frame] = person.sigma * np.sqrt(scales[person.frame].prod())
    spread = (
        click_sigma(keypoints.pixels, keypoints.confidence)
        if found.by_hand
        else detector_sigma(keypoints.pixels, keypoints.confidence, dense)
    )
    return np.where(np.isfinite(given) & (given > 0), given, spread)
