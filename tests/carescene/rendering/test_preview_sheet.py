"""Sheets of previews: pictures taken apart again, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.rendering.overlay import side_by_side
from carescene.rendering.preview_sheet import unrolled, write_preview_sheet


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_unrolling_takes_a_row_apart(count: int) -> None:
    rng = np.random.default_rng(0)
    tiles = [rng.integers(0, 255, (12, 16, 3)).astype(np.uint8) for _ in range(count)]
    np.testing.assert_array_equal(unrolled(side_by_side(tiles, [""] * count), 16), np.concatenate(tiles))


def test_a_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one"):
        write_preview_sheet(tmp_path / "sheet.png", [])
    assert not list(tmp_path.iterdir())
