"""Files of key points for one view of a video: of the whole frame, of the view, and of neither."""

import json
from pathlib import Path

import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.footage import Footage
from reconstruction.formats import read_footage_keypoints, write_keypoints
from reconstruction.observations import LANDMARK
from reconstruction.views import View


def right_half(frames: int = 6) -> Footage:
    """A frame of 640 x 240 whose right half shows the colours."""
    times = np.arange(frames) / 10.0
    view, depth = View(320, 0, 320, 240), View(0, 0, 320, 240, False)
    return Footage(Path("ward.mp4"), times, (640, 240), view, (depth,), 0, np.array([0]), np.arange(frames))


def annotated(path: Path, x: float, width: int | None, height: int | None, frames: int = 6) -> Path:
    size = {} if width is None else {"width": width, "height": height}
    content = {
        "images": [{"id": f, "file_name": f"frame_{f:06d}.PNG", "frame": f, **size} for f in range(frames)],
        "annotations": [
            {"id": f, "image_id": f, "category_id": 1, "keypoints": [x + f, 60.5, 2, x + f, 40.5, 2]}
            for f in range(frames)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "head_top"]}],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("x", "width", "height", "size", "factor"),
    [
        (400.25, 640, 240, None, 1.0),  # the whole frame
        (800.25, 1280, 480, None, 0.5),  # the whole frame, larger
        (80.25, 320, 240, None, 1.0),  # the view alone
        (160.25, 640, 480, None, 0.5),  # the view alone, larger
        (400.25, None, None, None, 1.0),  # of no size: the whole frame
        (160.25, None, None, (640, 480), 0.5),  # of the size that the user gives
    ],
)
def test_where_the_points_come_to_lie(tmp_path, x, width, height, size, factor):
    frames = np.array([0, 2, 4])
    found = read_footage_keypoints(annotated(tmp_path / "a.json", x, width, height), right_half(), frames, size=size)
    assert (found.width, found.height) == (320, 240)
    np.testing.assert_allclose(found.times, frames / 10.0)
    shift = 320.0 if (width or 640) / (height or 240) > 2 and size is None else 0.0
    np.testing.assert_allclose(found.pixels[0, :, LANDMARK["nose"], 0], (x + frames) * factor - shift)
    np.testing.assert_allclose(found.pixels[0, :, LANDMARK["nose"], 1], 60.5 * factor)


def test_another_shape(tmp_path):
    with pytest.raises(UserError, match=r"640x240.*pictures of 480x640"):
        read_footage_keypoints(annotated(tmp_path / "a.json", 100.25, 480, 640), right_half(), np.arange(6))


def test_there_and_back(tmp_path):
    """What `prepare keypoints` writes for the whole frame, the same view reads again."""
    footage = right_half()
    first = read_footage_keypoints(annotated(tmp_path / "a.json", 80.25, 320, 240), footage, np.arange(6))
    write_keypoints(tmp_path / "b.json", footage.keypoints_in_frame(first), "ward")
    again = read_footage_keypoints(tmp_path / "b.json", footage, np.arange(6))
    np.testing.assert_array_equal(again.pixels, first.pixels)
    np.testing.assert_allclose(again.sigma[again.seen], first.sigma[again.seen], atol=0.0006)
