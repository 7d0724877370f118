"""Cameras that stand, pan, shake or are cut."""

from pathlib import Path

import cv2
import made_videos as made
import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.footage import Footage, open_footage
from reconstruction.motion_check import check_camera, steadied
from reconstruction.picture_motion import picture_motion

WIDE = made.textured_room(420, 240)
ROOM = WIDE[:, :320]


def motion(across: float, down: float, turn: float) -> np.ndarray:
    return np.add(cv2.getRotationMatrix2D((160, 120), turn, 1.0), [[0, 0, across], [0, 0, down]])


def moved(across: float, down: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """The room as a camera sees it that has moved: everything goes this many pixels right and down."""
    matrix = motion(across, down, turn)
    return cv2.warpAffine(ROOM, matrix, (320, 240), borderMode=cv2.BORDER_REFLECT)


def filmed(pictures: list[np.ndarray], folder: Path) -> Footage:
    return open_footage(made.write_film(folder / "film.mp4", pictures), "whole")


def grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize(("across", "down", "turn"), [(0, 0, 0), (2.4, -1.3, 0), (0.5, 0.5, 0.8)])
def test_motion_of_a_picture_is_measured(across: float, down: float, turn: float) -> None:
    measured = picture_motion(grey(ROOM), grey(moved(across, down, turn)))
    assert measured.alike > 0.9 and measured.matrix is not None
    expected = motion(across, down, turn)
    np.testing.assert_allclose(measured.matrix @ [160, 120, 1], expected @ [160, 120, 1], atol=0.15)
    np.testing.assert_allclose(measured.matrix[:, :2], expected[:, :2], atol=2e-3)


def test_people_and_lights_are_no_motion_of_the_camera() -> None:
    darker = (made.with_box(ROOM, 100, 40, 90, 180, 20) * 0.6).astype(np.uint8)
    measured = picture_motion(grey(ROOM), grey(darker))
    assert measured.matrix is not None and measured.moved < 0.002


def test_blank_pictures_say_nothing() -> None:
    blank = np.full((240, 320), 120, np.uint8)
    measured = picture_motion(blank, blank)
    assert np.isnan(measured.alike) and measured.matrix is None


def test_a_camera_that_stands_is_one_stretch(tmp_path: Path) -> None:
    pictures = [made.with_box(ROOM, 8 * step, 40, 60, 180) for step in range(25)]
    motion = check_camera(filmed(pictures, tmp_path))
    assert motion.segments == ((0, 25),) and motion.cuts == () and motion.moving == () and not motion.shaky


def test_a_blank_wall_is_taken_for_still(tmp_path: Path) -> None:
    blank = np.full((240, 320, 3), 120, np.uint8)
    pictures = [made.with_box(blank, 8 * step, 40, 60, 180) for step in range(25)]
    assert check_camera(filmed(pictures, tmp_path)).segments == ((0, 25),)


def test_a_cut_parts_two_stretches(tmp_path: Path) -> None:
    other = made.textured_room(320, 240, 5)
    motion = check_camera(filmed([ROOM] * 16 + [other] * 14, tmp_path))
    assert motion.segments == ((0, 16), (16, 30)) and motion.cuts == (1.6,)


def test_somebody_who_walks_by_the_lens_is_no_cut(tmp_path: Path) -> None:
    coat = made.textured_room(320, 240, 7)
    motion = check_camera(filmed([ROOM] * 12 + [coat] * 4 + [ROOM] * 14, tmp_path))
    assert motion.segments == ((0, 30),) and motion.cuts == ()


def test_a_panning_camera_is_refused_with_the_time(tmp_path: Path) -> None:
    pictures = [WIDE[:, 4 * step : 4 * step + 320] for step in range(25)]
    with pytest.raises(UserError, match=r"stands still, but .* moves from 0\.1 s to 2\.4 s"):
        check_camera(filmed(pictures, tmp_path))


def test_what_was_filmed_before_a_pan_is_kept(tmp_path: Path) -> None:
    pictures = [ROOM] * 15 + [WIDE[:, 5 * step : 5 * step + 320] for step in range(20)]
    motion = check_camera(filmed(pictures, tmp_path))
    assert len(motion.segments) == 1 and len(motion.moving) == 1
    first, last = motion.segments[0]
    assert first == 0 and 13 <= last <= 17


def test_a_small_shake_is_measured_and_taken_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ways = np.cumsum(rng.normal(0, 0.5, (30, 2)), axis=0)
    ways *= 2.5 / np.abs(ways).max()
    footage = filmed([moved(*way) for way in ways], tmp_path)
    motion = check_camera(footage)
    assert motion.shaky and motion.segments == ((0, 30),)
    steady = [grey(picture) for _, picture in steadied(footage, motion.segments).pictures()]
    left = [picture_motion(steady[0], picture).moved for picture in steady[1:]]
    before = [picture_motion(grey(moved(*ways[0])), grey(moved(*way))).moved for way in ways[1:]]
    assert max(left) < 0.002 < 0.005 < max(before)
