"""From one video of a static camera to people and their room in metres: `lightning reconstruct VIDEO --out DIR`.

Writes the people with error bars (clips/NAME.npz and .json, 20 frames per second), the room (scene.json), the camera
(camera.json), the key points (keypoints.json, COCO, to be corrected and given back with --keypoints), a film
(overlay.mp4: input, bodies over it, view from above), a report (report.html, report.json) and what of it can be trained
on (training/). After a kill the same command goes on where it was.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jsonargparse import ArgumentParser, Namespace

from carescene import UserError

if TYPE_CHECKING:
    # Imported where they are used: `--help` and mistakes in the options must not wait for torch and mediapipe.
    from reconstruction.calibration_priors import GivenCamera, KnownDistance
    from reconstruction.request import Outcome

_DISTANCE: Final = "x1,y1,x2,y2,metres"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of `lightning reconstruct`."""
    parser.add_argument("video", type=str, help="video of a static camera, any rate, size and rotation")
    parser.add_argument("--out", type=str, required=True, help="folder to write to; continued if it exists")
    parser.add_argument(
        "--keypoints",
        type=str | None,
        default=None,
        help="2D key points: COCO, OpenPose, CVAT, MMPose/ViTPose, AlphaPose, Label Studio or MediaPipe file or folder "
        "(default: found with MediaPipe)",
    )
    parser.add_argument(
        "--keypoints_size",
        type=str | None,
        default=None,
        help="WIDTHxHEIGHT of annotated pictures, if not in the file",
    )
    parser.add_argument(
        "--view", type=str, default="auto", help="auto, whole, a number, or x,y,width,height: if a frame holds several"
    )
    parser.add_argument("--rate", type=float, default=30.0, help="pictures per second to look at, at most")
    parser.add_argument(
        "--camera",
        type=str | None,
        default=None,
        help="JSON of K, width, height and, if known, distortion, R, eye",
    )
    parser.add_argument(
        "--known_distance", type=str | None, default=None,
        help=f"{_DISTANCE}: two points of the floor in pixels of the view and how far apart they are",
    )  # fmt: skip
    parser.add_argument("--camera_height", type=float | None, default=None, help="metres of the lens above the floor")
    parser.add_argument("--prohmr", type=str | None, default=None, help="ProHMR's checkpoint (default: our own lifter)")
    parser.add_argument(
        "--depth",
        type=str | None,
        default=None,
        help="Depth Anything model (hub name or folder), 16-bit depth video or folder of 16-bit PNG files, or "
        "'recorded' for a depth picture beside the colours (default: no depth)",
    )
    parser.add_argument("--smpl", type=str | None, default=None, help="SMPL file or folder, drawn in place of our body")
    parser.add_argument(
        "--furniture",
        type=str | None,
        default=None,
        help="JSON or YAML of outlines in the picture (kind, pixels, height)",
    )
    parser.add_argument("--face-blur", action="store_true", help="hide faces in the film")
    parser.add_argument("--no-pixels", action="store_true", help="write nothing that shows a pixel of the video")


def run(args: Namespace) -> str:
    """Reconstruct, and say in one line what was written where.

    Raises:
        UserError: for bad options or files, before any work; else what the video lacks.
    """
    if not 0 < args.rate <= 240:
        raise UserError(f"Expected --rate between 0 and 240 pictures per second, but got {args.rate}. 30 is plenty.")
    size = None if args.keypoints_size is None else _size(args.keypoints_size)
    distance = None if args.known_distance is None else _distance(args.known_distance)
    from reconstruction.pipeline import reconstruct
    from reconstruction.request import Request
    from reconstruction.room_drawn import read_furniture

    return _told(
        reconstruct(
            Request(
                video=Path(args.video),
                out=Path(args.out),
                keypoints=_path(args.keypoints),
                keypoints_size=size,
                view=args.view,
                rate=float(args.rate),
                given=_given(args.camera, distance, args.camera_height),
                prohmr=_path(args.prohmr),
                depth=args.depth,
                body=_path(args.smpl),
                furniture=() if args.furniture is None else tuple(read_furniture(Path(args.furniture))),
                face_blur=args.face_blur,
                no_pixels=args.no_pixels,
                settings={name: value for name, value in args.as_dict().items() if value is not None},
            )
        )
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if match is None:
        raise UserError(f"Expected --keypoints_size as WIDTHxHEIGHT in pixels, such as 1920x1080, but got '{text}'.")
    return int(match[1]), int(match[2])


def _distance(text: str) -> "KnownDistance":
    import numpy as np

    from reconstruction.calibration_priors import KnownDistance

    try:
        x1, y1, x2, y2, metres = (float(word) for word in text.split(","))
    except ValueError as error:
        raise UserError(
            f"Expected --known_distance as {_DISTANCE}, such as 120,400,510,380,2.5, but got '{text}'."
        ) from error
    return KnownDistance(np.array([[x1, y1], [x2, y2]]), metres)


def _given(camera: str | None, distance: "KnownDistance | None", height: float | None) -> "GivenCamera":
    """What the options say; a camera file without a place (R and eye) gives the lens alone."""
    from reconstruction.calibration_priors import GivenCamera, lens_camera, read_camera

    if camera is None:
        return GivenCamera(distance=distance, height=height)
    values = _lens_of(Path(camera))
    if values is None:
        return GivenCamera(camera=read_camera(Path(camera)), distance=distance, height=height)
    import numpy as np

    matrix, bends = np.array(values["K"], np.float64), np.array(values.get("distortion", [0.0]), np.float64)
    lens = lens_camera(matrix, bends, int(values["width"]), int(values["height"]))
    return GivenCamera(lens=lens, distance=distance, height=height)


def _lens_of(path: Path) -> "dict[str, Any] | None":
    """What a camera file says, if it is intrinsics alone; None for anything else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Told by the reader of whole cameras.
        return None
    alone = isinstance(values, dict) and {"K", "width", "height"} <= set(values) and not {"R", "eye"} & set(values)
    return values if alone else None


def _told(outcome: "Outcome") -> str:
    lines = []
    for part in outcome.parts:
        clip = part.clip
        people = f"{clip.num_persons} {'person' if clip.num_persons == 1 else 'people'}"
        trusted = part.quality.trusted.sum() / max(clip.valid.sum(), 1)
        lines.append(
            f"{people}, {clip.seconds:.1f} s, {100 * trusted:.0f} % of frames to be trusted: clips/{clip.id}.npz, "
            f"scene.json, camera.json, keypoints.json, overlay.mp4 and report.html in {part.folder}. {part.scale}"
        )
    return " ".join([*lines, *(f"Not reconstructed: {failure}" for failure in outcome.failures)])
