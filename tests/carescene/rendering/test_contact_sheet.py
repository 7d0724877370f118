"""Contact sheets: which frames are shown, where, and what happens without any."""

import numpy as np
import pytest
from PIL import Image

from carescene import UserError
from carescene.rendering.contact_sheet import Strip, contact_sheet, spread, write_contact_sheet


def brightening(frames: int, height: int = 60, width: int = 80) -> np.ndarray:
    levels = np.linspace(0, 255, frames).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (frames, height, width, 3)).copy()


def test_spread_holds_both_ends():
    assert spread(100, 5).tolist() == [0, 25, 50, 74, 99]
    assert spread(3, 8).tolist() == [0, 1, 2]
    assert spread(1, 8).tolist() == [0]


def test_rows_show_time_from_left_to_right():
    sheet = np.asarray(contact_sheet([Strip(brightening(50), 20.0, "one")], columns=4, tile_width=80))
    row = sheet[-40]
    centres = [4 + column * 84 + 60 for column in range(4)]
    assert row[centres, 0].tolist() == pytest.approx([0, 83, 172, 255], abs=2)
    assert sheet.shape[1] == 4 + 4 * 84


def test_one_row_per_strip_and_room_for_long_captions():
    short = contact_sheet([Strip(brightening(9), 20.0, "short")])
    long = contact_sheet([Strip(brightening(9), 20.0, "a person " * 60)])
    both = contact_sheet([Strip(brightening(9), 20.0, "short"), Strip(brightening(9), 20.0, "short")])
    assert long.height > short.height
    assert both.height > 1.8 * short.height


def test_file_is_a_png(tmp_path):
    write_contact_sheet(tmp_path / "new" / "sheet.png", [Strip(brightening(9), 20.0, "nine levels of grey")])
    with Image.open(tmp_path / "new" / "sheet.png") as picture:
        assert picture.format == "PNG"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.png"]


def test_nothing_to_show_is_refused():
    with pytest.raises(UserError, match="at least one clip"):
        contact_sheet([])
    with pytest.raises(UserError, match="at least one clip"):
        contact_sheet([Strip(np.zeros((0, 8, 8, 3), np.uint8), 20.0, "none")])
