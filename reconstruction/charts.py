"""Curves over time as SVG text for one self-contained page: no library, no script."""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.evaluation.plots import COLOURS

_WIDTH, _HEIGHT = 760, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 30, 34
# More points than pixels show nothing more; the highest of each group stays, so that no peak is lost.
_POINTS: Final = 700
_BAND: Final = "#f6d5cf"
# Widths of a letter and of the square before a name, and the height of a row of names.
_LETTER, _SQUARE, _ROW = 7.5, 24, 18


def curve_chart(
    title: str,
    series: Mapping[str, tuple[Float[np.ndarray, "point"], Float[np.ndarray, "point"]]],
    x_label: str,
    y_label: str,
    *,
    bands: Sequence[tuple[float, float]] = (),
    limit: float | None = None,
    log: bool = False,
) -> str:
    """Curves as an `<svg>` element, from y = 0 or on a scale of powers of ten; broken where a value is NaN.

    Args:
        title: heading.
        series: x and y by name, x increasing.
        x_label, y_label: with their units.
        bands: stretches of x that are shaded, such as frames not to be trusted.
        limit: a dashed line, such as the value beyond which a frame is doubted.
        log: whether y is drawn by its logarithm; values that are not positive are left out then.
    """
    thin = {name: _thinned(x, y, log) for name, (x, y) in series.items()}
    xs = np.concatenate([x for x, _ in thin.values()] or [np.zeros(0)])
    ys = np.concatenate([y[np.isfinite(y)] for _, y in thin.values()] or [np.zeros(0)])
    if not len(ys):
        return f"<p><b>{html.escape(title)}</b>: nothing to show.</p>"
    low_x, high_x = float(xs.min()), max(float(xs.max()), float(xs.min()) + 1e-9)
    low_y, high_y = (float(ys.min()), float(ys.max())) if log else (0.0, float(max(ys.max(), limit or 0.0)))
    if log:
        low_y, high_y = math.floor(math.log10(low_y)), math.ceil(math.log10(high_y) + 1e-9)
        high_y = max(high_y, low_y + 1)
    else:
        high_y = 1.08 * high_y if high_y > 0 else 1.0

    def across(x: float | int) -> float:
        return _LEFT + (x - low_x) / (high_x - low_x) * (_WIDTH - _LEFT - _RIGHT)

    def down(y: float | int) -> float:
        value = math.log10(y) if log else y
        return _HEIGHT - _BOTTOM - (value - low_y) / (high_y - low_y) * (_HEIGHT - _TOP - _BOTTOM)

    heading = f"{title}, {y_label}"
    names, height = _legend(list(thin), heading) if len(thin) > 1 else ([], _HEIGHT)
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{html.escape(title, quote=True)}">']
    for start, end in bands:
        left, right = across(max(start, low_x)), across(min(end, high_x))
        if right > left:
            wide, high = right - left, _HEIGHT - _TOP - _BOTTOM
            parts.append(f'<rect x="{left:.1f}" y="{_TOP}" width="{wide:.1f}" height="{high}" fill="{_BAND}"/>')
    ticks = [10.0**power for power in range(int(low_y), int(high_y) + 1)] if log else round_ticks(high_y)
    for tick in ticks:
        y = down(tick)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{tick:.0e}".replace("e+0", "e") if log else f"{tick:g}", "end"))
    for tick in round_ticks(high_x):
        if tick >= low_x:
            parts.append(_text(across(tick), _HEIGHT - _BOTTOM + 16, f"{tick:g}", "middle"))
    if limit is not None and not log:
        y = down(limit)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#c00" stroke-dasharray="5 4"/>')
    for number, (x, y) in enumerate(thin.values()):
        path = _path(x, y, across, down)
        parts.append(
            f'<path d="{path}" fill="none" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="1.6" '
            f'stroke-linejoin="round"{_dashes(number)}/>'
        )
    parts.append(f'<path d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}" fill="none" stroke="#222"/>')
    parts.append(_text(_LEFT, 14, heading, "start", bold=True))
    parts.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 4, x_label, "middle"))
    for number, (name, at, y) in enumerate(names):
        line = f'<path d="M{at:.1f} {y - 4}h16" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="3"'
        parts += [line + _dashes(number) + "/>", _text(at + 20, y, name, "start")]
    return "".join(parts) + "</svg>"


def _dashes(number: int) -> str:
    """A line's dashes where colours come round again."""
    again = number // len(COLOURS)
    return f' stroke-dasharray="{6 // again} 3"' if again else ""


def _legend(names: Sequence[str], heading: str) -> tuple[list[tuple[str, float, int]], int]:
    """Each name with its place, and the picture's height: beside the heading if there is room, else in rows below."""
    widths = [_LETTER * len(name) + _SQUARE + 10 for name in names]
    free = _WIDTH - _LEFT - _RIGHT
    if sum(widths) < free - _LETTER * len(heading):
        starts = _WIDTH - _RIGHT - np.cumsum(widths[::-1])[::-1]
        return [(name, float(start), 14) for name, start in zip(names, starts, strict=True)], _HEIGHT
    placed: list[tuple[str, float, int]] = []
    at, y = float(_LEFT), _HEIGHT + 12
    for name, width in zip(names, widths, strict=True):
        if at > _LEFT and at + width > _LEFT + free:
            at, y = float(_LEFT), y + _ROW
        placed.append((name, at, y))
        at += width
    return placed, y + 6


def round_ticks(top: float | int) -> list[float]:
    """Some five round numbers from 0 to `top`."""
    if not top > 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(top / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= top / 5)
    return [round(step * number, 10) for number in range(int(top / step + 1e-9) + 1)]


def _thinned(
    x: Float[np.ndarray, "point"], y: Float[np.ndarray, "point"], log: bool
) -> tuple[Float[np.ndarray, "fewer"], Float[np.ndarray, "fewer"]]:
    y = np.where(y > 0, y, np.nan) if log else y
    group = math.ceil(len(x) / _POINTS)
    if group <= 1:
        return np.asarray(x, np.float64), np.asarray(y, np.float64)
    parts = np.array_split(np.arange(len(x)), math.ceil(len(x) / group))
    tops = [part[np.argmax(np.nan_to_num(y[part], nan=-np.inf))] for part in parts]
    return np.asarray(x, np.float64)[tops], np.asarray(y, np.float64)[tops]


def _path(x: np.ndarray, y: np.ndarray, across: Callable[[float], float], down: Callable[[float], float]) -> str:
    steps, pen_down = [], False
    for place, value in zip(x.tolist(), y.tolist(), strict=True):
        if not math.isfinite(value):
            pen_down = False
            continue
        steps.append(f"{'L' if pen_down else 'M'}{across(place):.1f} {down(value):.1f}")
        pen_down = True
    return "".join(steps)


def _text(x: float | int, y: float | int, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{html.escape(text)}</text>'
