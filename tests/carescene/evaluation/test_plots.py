"""Charts put their ink where the numbers are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carescene import UserError
from carescene.evaluation.plots import COLOURS, bar_chart, confusion_chart, histogram, line_chart


def ink(path: Path, colour: str) -> np.ndarray:
    """Which pixels have this colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    with Image.open(path) as image:
        return (np.asarray(image) == wanted).all(-1)


def bar_heights(path: Path, colour: str) -> list[int]:
    """Heights in pixels of the bars of one colour, from left to right; the legend's square is left out."""
    columns = ink(path, colour)[120:].sum(0)
    edges = np.flatnonzero(np.diff((columns > 0).astype(int), prepend=0, append=0))
    return [int(columns[a:b].max()) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def test_bars_are_as_high_as_their_values(tmp_path: Path):
    path = tmp_path / "bars.png"
    bar_chart(path, "title", {"real": [1.0, 4.0], "made": [2.0, 3.0]}, ["a", "b"], "m", [None, 3.5])
    first, second = bar_heights(path, COLOURS[0])
    assert second == pytest.approx(4 * first, rel=0.03)
    assert bar_heights(path, COLOURS[1]) == pytest.approx([2 * first, 3 * first], rel=0.03)
    assert ink(path, "#c00000").any()


def test_values_that_are_missing_leave_a_gap(tmp_path: Path):
    path = tmp_path / "bars.png"
    bar_chart(path, "title", {"real": [1.0, float("nan"), 1.0]}, ["a", "b", "c"], "m")
    assert len(bar_heights(path, COLOURS[0])) == 2


def test_many_long_labels_are_slanted(tmp_path: Path):
    path = tmp_path / "bars.png"
    bar_chart(path, "title", {"real": [1.0] * 20}, [f"a long class name {i}" for i in range(20)], "m")
    with Image.open(path) as image:
        assert image.height > 800


def test_a_rising_line_rises(tmp_path: Path):
    path = tmp_path / "line.png"
    line_chart(path, "title", {"a": [(5, 1.0), (50, 2.0), (500, 3.0)]}, "steps", "m", log_x=True)
    plot = ink(path, COLOURS[0])[120:]
    columns = np.flatnonzero(plot.any(0))
    tops = [plot[:, column].argmax() for column in (columns[0], columns[len(columns) // 2], columns[-1])]
    assert tops[0] > tops[1] > tops[2]


def test_distributions_peak_where_their_values_are(tmp_path: Path):
    path = tmp_path / "histogram.png"
    histogram(path, "title", {"near": [1.0] * 50, "far": [9.0] * 50 + [float("inf")]}, "cm")
    near, far = (ink(path, colour)[120:] for colour in COLOURS[:2])
    assert near.any(0).nonzero()[0][near.argmax(0)[near.any(0)].argmin()] < 400
    assert far.any(0).nonzero()[0][far.argmax(0)[far.any(0)].argmin()] > 900


def test_a_perfect_confusion_matrix_is_dark_on_its_diagonal(tmp_path: Path):
    path = tmp_path / "confusion.png"
    confusion_chart(path, "title", ["a", "b", "c"], [[9, 0, 0], [0, 5, 0], [0, 0, 2]])
    dark = ink(path, "#0072b2")
    rows, columns = np.nonzero(dark)
    assert len(rows) > 3 * 40 * 40
    assert np.corrcoef(rows, columns)[0, 1] > 0.85


def test_charts_that_cannot_be_drawn_are_refused(tmp_path: Path):
    path = tmp_path / "no.png"
    with pytest.raises(UserError, match="2 values"):
        bar_chart(path, "title", {"a": [1.0]}, ["x", "y"], "m")
    with pytest.raises(UserError, match="points"):
        line_chart(path, "title", {"a": []}, "x", "y")
    with pytest.raises(UserError, match="values"):
        histogram(path, "title", {"a": [float("inf")]}, "cm")
    with pytest.raises(UserError, match="2 x 2"):
        confusion_chart(path, "title", ["a", "b"], [[1, 2]])
    assert not path.exists()
