"""Laying annotations over a video: frames by number and name, sizes, and what belongs to another video."""

import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.formats.annotations import AnnotatedFrame, Annotations
from reconstruction.formats.placing import VideoFrames, check_inside, frame_slots, pixel_scales


def video(count=10, step=1, name="", width=640, height=480, total=None):
    frames = np.arange(0, count, step)
    return VideoFrames(frames / 20.0, frames, width, height, count if total is None else total, name)


def named(*names, **fields):
    return Annotations(tuple(AnnotatedFrame(name=name) for name in names), [], "coco", **fields)


def numbered(*numbers, **fields):
    return Annotations(tuple(AnnotatedFrame(number) for number in numbers), [], "coco", **fields)


def slots(found, of=None):
    return frame_slots(found, of or video(), "a.json").tolist()


def test_numbers_in_names():
    assert slots(named("frame_000003.PNG", "frame_000007.PNG")) == [3, 7]
    assert slots(named("2024/ward7/img12/000004.jpg", "2024/ward7/img12/000009.jpg")) == [4, 9]
    # From 1 to the number of frames, as ffmpeg writes them, or at least without a gap.
    assert slots(named(*(f"out{n}.png" for n in range(1, 11)))) == list(range(10))
    assert slots(named("f_1.png", "f_10.png")) == [0, 9]
    # Names without numbers are the frames in their order, if they are all of them.
    assert slots(named("a.png", "b.png", "c.png"), video(3)) == [0, 1, 2]
    with pytest.raises(UserError, match=r"number of the video's frame.*'a.png', 'b.png'"):
        slots(named("a.png", "b.png"), video(3))


def test_frames_between_those_looked_at():
    """Every third frame is looked at: the nearest picture of each counts, the others are skipped."""
    assert slots(numbered(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), video(10, 3)) == [0, -1, -1, 1, -1, -1, 2, -1, -1, 3]
    assert slots(numbered(1, 5), video(10, 3)) == [0, 2]
    assert slots(numbered(4, 5), video(10, 5)) == [-1, 1]


def test_several_videos_in_one_file():
    both = named("hall_0.jpg", "ward_0.jpg", "hall_1.jpg", "ward_1.jpg")
    assert slots(both, video(2, name="ward")) == [-1, 0, -1, 1]
    with pytest.raises(UserError, match=r"'hall', 'ward'.*Keep those of 'bath'"):
        slots(both, video(2, name="bath"))


def test_another_video_by_its_frames():
    with pytest.raises(UserError, match="frame 40"):
        slots(numbered(0, 40))
    with pytest.raises(UserError, match="25 frames"):
        slots(numbered(0, 1, total=25))
    assert slots(numbered(0, 1, total=11)) == [0, 1]
    with pytest.raises(UserError, match=r"20 pictures numbered one by one.*cut the video"):
        slots(numbered(*range(20)), video(40))
    assert slots(named(*(f"frame_{n:06d}.PNG" for n in range(20))), video(40)) == list(range(20))
    # A detector that lists people only may have seen nobody later.
    assert slots(numbered(*range(20), complete=False), video(40)) == list(range(20))
    assert slots(numbered(*range(5, 25)), video(40)) == list(range(5, 25))


def test_scales():
    frames = (AnnotatedFrame(0, "", 320, 240), AnnotatedFrame(1, "", 1280, 961))
    scales = pixel_scales(Annotations(frames, [], "coco"), video(), None, "a")
    np.testing.assert_allclose(scales, [[2.0, 2.0], [0.5, 480 / 961]])
    np.testing.assert_array_equal(pixel_scales(numbered(0), video(), (1280, 960), "a"), [[0.5, 0.5]])
    np.testing.assert_array_equal(pixel_scales(numbered(0), video(), None, "a"), [[1.0, 1.0]])
    np.testing.assert_array_equal(pixel_scales(numbered(0, relative=True), video(), None, "a"), [[640.0, 480.0]])
    with pytest.raises(UserError, match=r"pictures of 1280x720.*another cut"):
        pixel_scales(numbered(0), video(), (1280, 720), "a")
    with pytest.raises(UserError, match="the file itself says 320x240"):
        pixel_scales(Annotations(frames, [], "coco"), video(), (640, 480), "a")


def test_points_outside():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (30, 26, 2)) * [640, 480]
    assert check_inside(points, video(), False, "a").all()
    points[0, :3] = [[-5.0, 10.0], [-40.0, 10.0], [np.nan, np.nan]]
    assert check_inside(points, video(), False, "a")[0, :4].tolist() == [True, False, False, True]
    with pytest.raises(UserError, match=r"lie outside.*another size"):
        check_inside(points * 3, video(), True, "a")
    with pytest.raises(UserError, match=r"none goes beyond 3[12].*made smaller"):
        check_inside(points / 2, video(), False, "a")
    assert check_inside(points / 2, video(), True, "a")[1:].all()
