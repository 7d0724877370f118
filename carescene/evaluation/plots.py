"""Small charts as PNG files, drawn with Pillow: bars, lines, a histogram and a confusion matrix.

A plotting library would be the largest dependency of the project for four pictures a month; these need to be read, not
to be beautiful.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from carescene.errors import UserError
from carescene.files import write_atomically

# Blue, orange, green and purple of the Okabe-Ito palette, told apart by colour-blind readers as well.
COLOURS: Final[tuple[str, ...]] = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
# Whole numbers are welcome wherever fractions are (the type checker in tests tells the two apart).
Number = int | float

_INK: Final = "#222222"
_GRID: Final = "#dddddd"
_SCALE: Final = 2  # drawn for screens with two pixels to the point


class _Sheet:
    """A white page with a title and a plot area between `left`, `top`, `right` and `bottom` (in points)."""

    def __init__(self, width: int, height: int, title: str, margins: tuple[int, int, int, int]) -> None:
        self.left, self.top = margins[0], margins[1]
        self.right, self.bottom = width - margins[2], height - margins[3]
        self.image = Image.new("RGB", (width * _SCALE, height * _SCALE), "white")
        self.pen = ImageDraw.Draw(self.image)
        self.text(width / 2, 14, title, size=14)

    def text(self, x: Number, y: Number, text: str, size: int = 11, anchor: str = "mm", colour: str = _INK) -> None:
        font = ImageFont.load_default(size * _SCALE)
        self.pen.text((x * _SCALE, y * _SCALE), text, fill=colour, font=font, anchor=anchor)

    def line(self, points: Sequence[tuple[Number, Number]], colour: str = _INK, width: Number = 1) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self.pen.line(scaled, fill=colour, width=round(width * _SCALE), joint="curve")

    def box(self, x0: Number, y0: Number, x1: Number, y1: Number, colour: str) -> None:
        self.pen.rectangle((x0 * _SCALE, min(y0, y1) * _SCALE, x1 * _SCALE, max(y0, y1) * _SCALE), fill=colour)

    def dot(self, x: Number, y: Number, colour: str) -> None:
        self.pen.ellipse([(x - 3) * _SCALE, (y - 3) * _SCALE, (x + 3) * _SCALE, (y + 3) * _SCALE], fill=colour)

    def height_of(self, value: Number, top_value: Number) -> float:
        return self.bottom - (self.bottom - self.top) * min(value / top_value, 1.0)

    def value_axis(self, top_value: Number, label: str) -> None:
        for tick in _ticks(top_value):
            y = self.height_of(tick, top_value)
            self.line([(self.left, y), (self.right, y)], _GRID)
            self.text(self.left - 6, y, f"{tick:g}", anchor="rm")
        self.line([(self.left, self.bottom), (self.right, self.bottom)])
        self.text(self.left, self.top - 12, label, anchor="lm")

    def legend(self, names: Sequence[str]) -> None:
        x: Number = self.right
        for number, name in reversed(list(enumerate(names))):
            self.text(x, self.top - 12, name, anchor="rm")
            x -= 7 * len(name) + 8
            self.box(x - 8, self.top - 16, x, self.top - 8, COLOURS[number % len(COLOURS)])
            x -= 22

    def save(self, path: Path) -> None:
        write_atomically(path, lambda file: self.image.save(file, format="PNG", optimize=True))


def _ticks(top_value: Number) -> list[float]:
    """Some five round numbers from 0 to `top_value`."""
    raw = top_value / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [round(step * i, 10) for i in range(int(top_value / step + 1e-9) + 1)]


def _top(values: Sequence[Number], limit: Number | None = None) -> float:
    known = [value for value in (*values, limit or 0.0) if math.isfinite(value)]
    return max(1e-9, *known) * 1.1 if known else 1.0


def bar_chart(
    path: Path,
    title: str,
    series: Mapping[str, Sequence[Number]],
    labels: Sequence[str],
    value_label: str,
    limits: Sequence[Number | None] | None = None,
) -> None:
    """Draw groups of bars: one group per label, one bar per series in it, and a red mark at each group's limit.

    Args:
        path: PNG to write.
        title: heading.
        series: name of each series and its values, one for each label.
        labels: names of the groups.
        value_label: what the values are, with their unit.
        limits: a value per label that bars should stay under, or None.

    Raises:
        UserError: lengths that do not fit, or a folder that cannot be written.
    """
    if any(len(values) != len(labels) for values in series.values()) or not labels:
        raise UserError(f"Expected {len(labels)} values in each series of the chart '{title}'. Pass one per label.")
    limits = list(limits) if limits is not None else [None] * len(labels)
    slanted = max(len(label) for label in labels) * 7 * len(labels) > 800
    sheet = _Sheet(900, 460 if slanted else 380, title, (60, 56, 20, 130 if slanted else 44))
    values = [value for one in series.values() for value in one]
    top = _top([*values, *(limit for limit in limits if limit is not None)])
    sheet.value_axis(top, value_label)
    sheet.legend(list(series))
    group = (sheet.right - sheet.left) / len(labels)
    bar = 0.8 * group / len(series)
    for index, label in enumerate(labels):
        start = sheet.left + group * (index + 0.1)
        for number, one in enumerate(series.values()):
            if math.isfinite(one[index]):
                x = start + bar * number
                y = sheet.height_of(one[index], top)
                sheet.box(x, y, x + bar - 1, sheet.bottom, COLOURS[number % len(COLOURS)])
        limit = limits[index]
        if limit is not None:
            y = sheet.height_of(limit, top)
            sheet.line([(start - 3, y), (start + 0.8 * group + 3, y)], "#c00000", 1.5)
        _group_label(sheet, start + 0.4 * group, label, slanted)
    sheet.save(path)


def _group_label(sheet: _Sheet, x: Number, label: str, slanted: bool) -> None:
    if not slanted:
        sheet.text(x, sheet.bottom + 14, label)
        return
    font = ImageFont.load_default(10 * _SCALE)
    length = int(font.getlength(label)) + 4
    strip = Image.new("L", (length, 14 * _SCALE), 0)
    ImageDraw.Draw(strip).text((0, 0), label, fill=255, font=font)
    turned = strip.rotate(60, expand=True)
    place = (int(x * _SCALE) - turned.width + 6 * _SCALE, (sheet.bottom + 4) * _SCALE)
    sheet.image.paste(_INK, place, turned)


def line_chart(
    path: Path,
    title: str,
    series: Mapping[str, Sequence[tuple[Number, Number]]],
    x_label: str,
    value_label: str,
    log_x: bool = False,
) -> None:
    """Draw curves through points `(x, y)`, y from zero; `log_x` spaces x by ratios.

    Raises:
        UserError: no points, or a folder that cannot be written.
    """
    points = [point for curve in series.values() for point in curve]
    if not points:
        raise UserError(f"Expected points in the chart '{title}', but got none.")
    sheet = _Sheet(700, 400, title, (60, 56, 24, 56))
    top = _top([y for _, y in points])
    sheet.value_axis(top, value_label)
    sheet.legend(list(series))
    scale = math.log10 if log_x else float
    low, high = min(scale(x) for x, _ in points), max(scale(x) for x, _ in points)
    width = sheet.right - sheet.left - 20

    def across(x: Number) -> float:
        return sheet.left + 10 + width * (scale(x) - low) / max(high - low, 1e-9)

    for x in sorted({x for x, _ in points}):
        sheet.text(across(x), sheet.bottom + 14, f"{x:g}")
    sheet.text((sheet.left + sheet.right) / 2, sheet.bottom + 36, x_label)
    for number, curve in enumerate(series.values()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [(across(x), sheet.height_of(y, top)) for x, y in sorted(curve)]
        if len(placed) > 1:
            sheet.line(placed, colour, 2)
        for x, y in placed:
            sheet.dot(x, y, colour)
    sheet.save(path)


def histogram(path: Path, title: str, series: Mapping[str, Sequence[Number]], value_label: str, bins: int = 30) -> None:
    """Draw the distribution of each series over common bins as a curve of shares.

    Raises:
        UserError: no finite values, or a folder that cannot be written.
    """
    finite = {name: [value for value in values if math.isfinite(value)] for name, values in series.items()}
    everything = [value for values in finite.values() for value in values]
    if not everything:
        raise UserError(f"Expected values in the chart '{title}', but got none.")
    # The last percent may be far away; it is counted in the last bin.
    high = max(sorted(everything)[int(0.99 * (len(everything) - 1))], 1e-9)
    curves: dict[str, list[tuple[Number, Number]]] = {}
    for name, values in finite.items():
        counts = [0] * bins
        for value in values:
            counts[min(int(value / high * bins), bins - 1)] += 1
        curves[name] = [((i + 0.5) * high / bins, count / max(len(values), 1)) for i, count in enumerate(counts)]
    sheet = _Sheet(700, 400, title, (60, 56, 24, 56))
    top = _top([y for curve in curves.values() for _, y in curve])
    sheet.value_axis(top, "share")
    sheet.legend(list(curves))
    for tick in _ticks(high):
        x = sheet.left + (sheet.right - sheet.left) * tick / high
        sheet.text(x, sheet.bottom + 14, f"{tick:g}")
    sheet.text((sheet.left + sheet.right) / 2, sheet.bottom + 36, value_label)
    for number, curve in enumerate(curves.values()):
        points = [(sheet.left + (sheet.right - sheet.left) * x / high, sheet.height_of(y, top)) for x, y in curve]
        sheet.line(points, COLOURS[number % len(COLOURS)], 2)
    sheet.save(path)


def confusion_chart(path: Path, title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
    """Draw a confusion matrix: a row for each true class, a column for each recognised one, shaded by the row's share.

    Raises:
        UserError: a matrix that does not fit the classes, or a folder that cannot be written.
    """
    if len(counts) != len(classes) or any(len(row) != len(classes) for row in counts):
        raise UserError(f"Expected a {len(classes)} x {len(classes)} matrix in the chart '{title}'. Pass one.")
    cell, margin = 26, 8 * max(len(name) for name in classes)
    size = cell * len(classes)
    sheet = _Sheet(max(size + margin + 40, 480), size + margin + 60, title, (margin + 20, 40, 20, margin + 20))
    for row, name in enumerate(classes):
        total = max(sum(counts[row]), 1)
        y = sheet.top + cell * row
        sheet.text(sheet.left - 6, y + cell / 2, name, anchor="rm")
        for column, count in enumerate(counts[row]):
            x = sheet.left + cell * column
            share = count / total
            shade = tuple(round(255 + (end - 255) * share) for end in (0, 114, 178))
            sheet.box(x, y, x + cell - 1, y + cell - 1, f"rgb{shade}")
            if count:
                sheet.text(x + cell / 2, y + cell / 2, str(count), 10, colour="white" if share > 0.5 else _INK)
    sheet.bottom = sheet.top + size
    for column, name in enumerate(classes):
        _group_label(sheet, sheet.left + cell * (column + 0.5), name, slanted=True)
    sheet.save(path)
