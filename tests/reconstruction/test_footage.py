"""Videos as they come: sizes, rotations, rates, views, jumps, and what is no video."""

from dataclasses import replace
from pathlib import Path

import made_videos as made
import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.footage import open_footage
from reconstruction.observations import Keypoints
from reconstruction.views import View, find_views

ROOM = made.textured_room()


def numbered(count: int) -> list[np.ndarray]:
    """Pictures that say which they are by the brightness of their upper left corner."""
    return [made.with_box(ROOM, 0, 0, 40, 40, 50 + 10 * number) for number in range(count)]


def number_of(picture: np.ndarray) -> int:
    return round((float(picture[5:35, 5:35].mean()) - 50) / 10)


def test_size_times_and_pictures(tmp_path: Path) -> None:
    footage = open_footage(made.write_film(tmp_path / "a.mp4", numbered(12)))
    assert (footage.width, footage.height, footage.rotation) == (160, 120, 0)
    np.testing.assert_allclose(footage.times, np.arange(12) / 10, atol=1e-6)
    assert footage.duration == pytest.approx(1.2)
    came = list(footage.pictures())
    assert [index for index, _ in came] == list(range(12)) == [number_of(picture) for _, picture in came]
    np.testing.assert_allclose(came[3][1].astype(float), numbered(12)[3], atol=40)


@pytest.mark.parametrize("gop", [3, 250])
def test_single_frames_are_found_by_jumping(gop: int, tmp_path: Path) -> None:
    footage = open_footage(made.write_film(tmp_path / "a.mp4", numbered(20), gop=gop))
    assert len(footage.keyframes) == (7 if gop == 3 else 1)
    came = list(footage.pictures([1, 2, 9, 19]))
    assert [index for index, _ in came] == [1, 2, 9, 19] == [number_of(picture) for _, picture in came]


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 400, 440, 480, 520, 2000]
    footage = open_footage(made.write_film(tmp_path / "a.mp4", numbered(8), stamps_ms=stamps))
    np.testing.assert_allclose(footage.times, np.array(stamps) / 1000, atol=1e-4)
    assert footage.fps == pytest.approx(25)


@pytest.mark.parametrize(("fps", "rate", "taken"), [(10, 30, 1), (30, 30, 1), (30, 20, 2), (60, 30, 2), (50, 30, 2)])
def test_every_nth_frame_is_analysed(fps: int, rate: int, taken: int, tmp_path: Path) -> None:
    footage = open_footage(made.write_film(tmp_path / "a.mp4", numbered(12), fps=fps))
    np.testing.assert_array_equal(footage.analysed(rate), np.arange(0, 12, taken))


def test_one_picture_a_second_is_taken_whole(tmp_path: Path) -> None:
    footage = open_footage(made.write_film(tmp_path / "a.mp4", numbered(4), fps=1))
    assert footage.fps == pytest.approx(1.0) and len(footage.analysed()) == 4


def test_a_video_turned_by_its_metadata_stands_upright(tmp_path: Path) -> None:
    # Stored lying: what players show upright has the stored left edge on top (a quarter clockwise).
    stored = made.with_box(ROOM, 0, 0, 40, 120, 250)
    path = made.write_film(tmp_path / "a.mp4", [stored] * 4)
    assert open_footage(path).rotation == 0
    footage = open_footage(made.turned_by_metadata(path), "whole")
    assert (footage.width, footage.height) == (120, 160) and footage.rotation == 270
    picture = next(footage.pictures())[1]
    assert picture.shape == (160, 120, 3)
    np.testing.assert_allclose(picture.astype(float), np.rot90(stored, -1), atol=60)
    assert picture[:36].mean() > 230 > picture[60:].mean()


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    footage = open_footage(made.write_film(tmp_path / "a.mp4", [made.textured_room(3840, 2160)] * 2))
    assert (footage.width, footage.height) == (3840, 2160)
    assert next(footage.pictures())[1].shape == (720, 1280, 3)
    assert next(footage.pictures(longest=320))[1].shape == (180, 320, 3)


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.concatenate([left, right], axis=1)


def test_colour_beside_depth_is_chosen(tmp_path: Path) -> None:
    depth = np.repeat(made.textured_room(160, 120, 1)[..., :1], 3, axis=-1) // 4
    footage = open_footage(made.write_film(tmp_path / "a.mp4", [beside(depth, ROOM)] * 3))
    assert footage.view == View(160, 0, 160, 120, True) and footage.full_size == (320, 120)
    assert footage.others == (View(0, 0, 160, 120, False),)
    np.testing.assert_allclose(next(footage.pictures())[1].astype(float), ROOM, atol=40)
    other = footage.see(footage.others[0])
    assert other.view.x == 0 and other.others == (footage.view,)


def test_a_large_view_beside_a_small_one_with_black_below(tmp_path: Path) -> None:
    large, small = made.textured_room(200, 150, 2), made.textured_room(100, 75, 3)
    frame = np.zeros((168, 300, 3), np.uint8)
    frame[:150, :200], frame[:75, 200:] = large, small
    # A time stamp in the black.
    frame[158:166, 220:290] = 120
    views = find_views(np.stack([frame] * 3))
    np.testing.assert_allclose([view[:4] for view in views], [(0, 0, 200, 150), (200, 0, 100, 75)], atol=2)


def test_one_picture_is_one_view_even_with_a_door() -> None:
    room = ROOM.copy()
    # A door's edge from the top down to the skirting, away from halves and thirds, and one in the middle, but short.
    room[:100, 64:67], room[40:100, 79:82] = 30, 255
    assert find_views(np.stack([room] * 3)) == [View(0, 0, 160, 120, True)]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("whole", (0, 0, 320, 120)),
        ("0", (160, 0, 160, 120)),
        ("1", (0, 0, 160, 120)),
        ("10,20,64,32", (10, 20, 64, 32)),
    ],
)
def test_a_view_may_be_chosen(view: str, expected: tuple[int, ...], tmp_path: Path) -> None:
    depth = np.repeat(made.textured_room(160, 120, 1)[..., :1], 3, axis=-1) // 4
    path = made.write_film(tmp_path / "a.mp4", [beside(depth, ROOM)] * 3)
    assert tuple(open_footage(path, view).view)[:4] == expected


@pytest.mark.parametrize("view", ["2", "left", "1,2,3", "0,0,400,10", "0,0,1000,1000", "-1,0,50,50"])
def test_views_that_are_not_there(view: str, tmp_path: Path) -> None:
    path = made.write_film(tmp_path / "a.mp4", [ROOM] * 3)
    with pytest.raises(UserError, match="view"):
        open_footage(path, view)


def test_what_is_no_video(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a film at all" * 100)
    with pytest.raises(UserError, match="no video"):
        open_footage(text)
    for nothing in (tmp_path / "nowhere.mp4", tmp_path):
        with pytest.raises(UserError, match="none at"):
            open_footage(nothing)
    with pytest.raises(UserError, match="no pictures"):
        open_footage(made.write_sound(tmp_path / "sound.mp4"))
    with pytest.raises(UserError, match="1 picture"):
        open_footage(made.write_film(tmp_path / "one.mp4", [ROOM]))


def test_a_damaged_middle_leaves_the_beginning(tmp_path: Path) -> None:
    path = made.write_film(tmp_path / "a.mp4", numbered(20), gop=2)
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 8
    middle = begin + (content.index(b"moov") - begin) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    came = [index for index, _ in open_footage(path, "whole").pictures()]
    assert came[:8] == list(range(8)) and came == sorted(came)


def keypoints(width: int, height: int, point: tuple[float, float]) -> Keypoints:
    pixels = np.full((1, 2, 26, 2), np.nan)
    pixels[:, :, 0] = point
    confidence = np.isfinite(pixels).all(-1).astype(float)
    return Keypoints(np.array([0.0, 0.1]), np.arange(2), width, height, pixels, confidence, confidence * 3, ("a",), "x")


def test_key_points_move_between_frame_and_view(tmp_path: Path) -> None:
    path = made.write_film(tmp_path / "a.mp4", [beside(ROOM, ROOM)] * 3)
    footage = open_footage(path, "160,20,160,100")
    # Annotated at twice the size.
    seen = footage.keypoints_in_view(keypoints(640, 240, (400.0, 100.0)))
    assert (seen.width, seen.height) == (160, 100)
    np.testing.assert_allclose(seen.pixels[0, 0, 0], [40.0, 30.0])
    np.testing.assert_allclose(seen.sigma[0, 0, 0], 1.5)
    back = footage.keypoints_in_frame(seen)
    np.testing.assert_allclose(back.pixels[0, 0, 0], [200.0, 50.0])
    assert (back.width, back.height) == (320, 120)
    # In the other half of the frame: not in this view.
    gone = footage.keypoints_in_view(keypoints(320, 120, (40.0, 50.0)))
    assert not gone.present.any() and np.isnan(gone.pixels).all()


def test_key_points_of_another_video_are_refused(tmp_path: Path) -> None:
    footage = open_footage(made.write_film(tmp_path / "a.mp4", [ROOM] * 3))
    with pytest.raises(UserError, match="another video"):
        footage.keypoints_in_view(keypoints(120, 160, (10.0, 10.0)))
    same = footage.keypoints_in_view(keypoints(1600, 1200, (100.0, 100.0)))
    np.testing.assert_allclose(same.pixels[0, 0, 0], [10.0, 10.0])


def test_a_shake_is_taken_out(tmp_path: Path) -> None:
    footage = open_footage(made.write_film(tmp_path / "a.mp4", [ROOM, np.roll(ROOM, 8, axis=1)]))
    back = np.array([[[1.0, 0.0, 8 / 160], [0.0, 1.0, 0.0]]])
    steady = replace(footage, steadying=(np.array([1]), back))
    picture = list(steady.pictures())[1][1]
    np.testing.assert_allclose(picture[:, 10:-10].astype(float), ROOM[:, 10:-10], atol=40)


def test_the_recordings_at_hand_show_their_main_view(shared_data: Path) -> None:
    fall = open_footage(shared_data / "video/urfd/fall-01-cam0.mp4")
    assert fall.view == View(320, 0, 320, 240, True) and fall.others[0] == View(0, 0, 320, 240, False)
    lab = open_footage(shared_data / "video/assist_iot/adl/11_sitting_laying_down_slowly.mp4")
    np.testing.assert_allclose(lab.view[:4], (285, 0, 569, 427), atol=1)
    home = open_footage(shared_data / "video/gmdcsa24/subject_1/fall/13.mp4")
    assert tuple(home.view)[:4] == (0, 0, 640, 480) and home.others == ()
