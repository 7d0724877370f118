"""Key points from a file for one view of a video."""

from pathlib import Path

import numpy as np
from jaxtyping import Int

from reconstruction.footage import Footage
from reconstruction.formats.placing import VideoFrames, same_shape
from reconstruction.formats.reading import lay_over, read_annotations
from reconstruction.observations import Keypoints
from reconstruction.smooth_keypoints import repair_keypoints


def read_footage_keypoints(
    path: Path,
    footage: Footage,
    frames: Int[np.ndarray, "frame"],
    *,
    size: tuple[int, int] | None = None,
    format: str = "auto",
) -> Keypoints:
    """Read the key points of a video in the pixels of the view that is worked on.

    Annotation tools show the whole frame, so this is what a file is taken to mean unless its size has the view's
    shape and not the frame's. Points of detectors are repaired (`repair_keypoints`), points placed by hand stay.

    Args:
        path: a file of any format of `read_keypoints`.
        footage: the view of the video.
        frames: indices of the frames that are looked at.
        size: width and height of the annotated pictures, for files that do not say.
        format: one of FORMATS.

    Raises:
        UserError: the file is missing, damaged, of an unknown format, of another video, or holds nobody.
    """
    found = read_annotations(path, format)
    sizes = [(one.width, one.height) for one in found.frames if one.width and one.height]
    annotated = sizes[0] if sizes else size
    view = (footage.width, footage.height)
    own = annotated is not None and same_shape(annotated, view) and not same_shape(annotated, footage.full_size)
    width, height = view if own else footage.full_size
    video = VideoFrames(footage.times[frames], frames, width, height, len(footage.times), footage.path.stem)
    keypoints = footage.keypoints_in_view(lay_over(found, video, size, str(path)))
    return keypoints if found.by_hand else repair_keypoints(keypoints)
