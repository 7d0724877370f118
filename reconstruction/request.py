"""What is asked of a reconstruction, and what became of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from carescene.clips.clip import Clip
from reconstruction.calibration_priors import GivenCamera
from reconstruction.quality import Quality
from reconstruction.room_drawn import DrawnThing

# Of clips: the rate of everything that is trained on.
CLIP_FPS: Final = 20.0


@dataclass(frozen=True)
class Request:
    """What to reconstruct, from what, and where to write.

    Attributes:
        video: the file.
        out: folder for everything that is written.
        keypoints: a file or folder of key points; found by the detector if None.
        keypoints_size: of annotated pictures, for files that do not say.
        view: which picture of the frame, as `reconstruction.footage.open_footage` takes it.
        rate: pictures a second to look at, at most.
        given: what is known of the camera.
        prohmr: ProHMR's checkpoint; the lifter makes the labels if None.
        depth: a Depth Anything model (name or folder), or a recorded depth stream; no depth if None.
        body: an SMPL file, drawn in the film in place of the bundled body.
        furniture: drawn by the user.
        face_blur: hide faces in the film.
        no_pixels: write nothing that shows a pixel of the video.
        show_progress: whether there is a bar.
        settings: what was asked for, for the report.
    """

    video: Path
    out: Path
    keypoints: Path | None = None
    keypoints_size: tuple[int, int] | None = None
    view: str = "auto"
    rate: float | int = 30.0
    given: GivenCamera = field(default_factory=GivenCamera)
    prohmr: Path | None = None
    depth: str | None = None
    body: Path | None = None
    furniture: tuple[DrawnThing, ...] = ()
    face_blur: bool = False
    no_pixels: bool = False
    show_progress: bool = True
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """What became of one stretch of video without a cut.

    Attributes:
        folder: where it was written.
        clip: at 20 frames per second.
        quality: its measures.
        scale: which prior fixed the scale.
        seconds: of computing, by stage; those that an earlier run had done are not among them.
    """

    folder: Path
    clip: Clip
    quality: Quality
    scale: str
    seconds: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """All parts that were reconstructed, and why others were not."""

    parts: tuple[Part, ...]
    failures: tuple[str, ...] = ()
