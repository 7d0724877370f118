"""The empty room: people outvoted, those who lie still taken out by their key points, lights and shadows let pass."""

from pathlib import Path

import made_videos as made
import numpy as np
import pytest

from reconstruction.footage import Footage, open_footage
from reconstruction.observations import Keypoints
from reconstruction.plate import Plate, background_plate

ROOM = made.textured_room()


def filmed(pictures: list[np.ndarray], folder: Path) -> Footage:
    return open_footage(made.write_film(folder / "film.mp4", pictures), "whole")


def test_somebody_who_walks_through_is_not_in_the_plate(tmp_path: Path) -> None:
    plate = background_plate(filmed([made.with_box(ROOM, 6 * step, 40, 20, 60) for step in range(22)], tmp_path))
    np.testing.assert_allclose(plate.picture.astype(float), ROOM, atol=25)
    assert plate.seen[70, 70] == pytest.approx(1 - 5 / 22, abs=0.15) and plate.seen[5, 5] == 1


def test_a_light_that_changes_does_not_change_the_plate(tmp_path: Path) -> None:
    half = (ROOM * 0.7).astype(np.uint8)
    plate = background_plate(filmed([ROOM] * 11 + [half] * 10, tmp_path))
    np.testing.assert_allclose(plate.picture.astype(float), ROOM, atol=25)
    assert not plate.foreground(half).any() and not plate.foreground(ROOM).any()


def test_somebody_who_lies_still_goes_out_by_their_key_points(tmp_path: Path) -> None:
    # Away for the first third only: the plain median shows the box.
    pictures = [ROOM] * 7 + [made.with_box(ROOM, 60, 70, 60, 24)] * 14
    footage = filmed(pictures, tmp_path)
    assert background_plate(footage).picture[75:90, 65:115].mean() > 230
    pixels = np.full((1, 21, 26, 2), np.nan)
    pixels[0, 7:, :4] = [[62, 72], [118, 72], [118, 92], [62, 92]]
    confidence = np.isfinite(pixels).all(-1).astype(float)
    people = Keypoints(footage.times, np.arange(21), 160, 120, pixels, confidence, confidence, ("a",), "hand")
    plate = background_plate(footage, people)
    np.testing.assert_allclose(plate.picture.astype(float), ROOM, atol=25)
    assert plate.seen[80, 90] == pytest.approx(1 / 3, abs=0.05)


def test_somebody_who_never_moves_is_said_to_hide_the_room(tmp_path: Path) -> None:
    footage = filmed([made.with_box(ROOM, 60, 70, 60, 24)] * 5, tmp_path)
    pixels = np.full((1, 5, 26, 2), np.nan)
    pixels[0, :, :4] = [[62, 72], [118, 72], [118, 92], [62, 92]]
    confidence = np.isfinite(pixels).all(-1).astype(float)
    people = Keypoints(footage.times, np.arange(5), 160, 120, pixels, confidence, confidence, ("a",), "hand")
    plate = background_plate(footage, people)
    assert plate.seen[80, 90] == 0 and plate.picture[80, 90].mean() > 230


def test_only_the_frames_of_a_stretch_count(tmp_path: Path) -> None:
    other = made.textured_room(seed=1)
    footage = filmed([ROOM] * 8 + [other] * 12, tmp_path)
    plate = background_plate(footage, frames=np.arange(8))
    np.testing.assert_allclose(plate.picture.astype(float), ROOM, atol=25)


def plain(level: int = 150) -> Plate:
    picture = np.full((120, 160, 3), level, np.uint8)
    return Plate(picture, np.full((120, 160), 2.0), np.ones((120, 160)))


def test_what_stands_in_the_room_is_foreground_and_its_shadow_is_not() -> None:
    picture = plain().picture.copy()
    picture[20:80, 30:60] = (40, 60, 140)
    picture[80:100, 30:110] = 110  # three quarters as bright, no tint
    mask = plain().foreground(picture)
    assert mask.shape == (120, 160) and mask[30:70, 35:55].all()
    assert not mask[84:98, 65:105].any() and not mask[:15].any()


def test_pictures_of_any_size_are_compared() -> None:
    picture = np.full((480, 640, 3), 150, np.uint8)
    picture[80:320, 120:240] = 20
    assert plain().foreground(picture)[30:70, 35:55].all()
    large = Plate(np.full((960, 1280, 3), 150, np.uint8), np.full((960, 1280), 2.0), np.ones((960, 1280)))
    assert large.foreground(picture).shape == (270, 360)
