"""Several pictures in one frame: where the seams are, and which of the pictures to work on."""

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

# Recorders lay views out in halves, thirds and quarters; a door frame stands anywhere.
_FRACTIONS: Final = (1 / 2, 1 / 3, 2 / 3, 1 / 4, 3 / 4)
_FRACTION_SLACK: Final = 0.006
# Grey levels between one side of a seam and the other; lossy coding alone makes steps of about 8.
_STEP: Final = 15.0
# Share of a seam's length that must be a step: two views of one wall differ less where both are white, so that less
# is asked for where one side goes dead (black for the whole film) along the same line.
_SEAM_SHARE, _SEAM_SHARE_BESIDE_DEAD, _DEAD_BESIDE = 0.9, 0.65, 0.2
# Beside a seam, in this many columns beyond its smear, jumps are rarer than this share of the seam's: a room may be
# full of edges itself.
_BESIDE, _SMEAR, _RARER = 24, 4, 0.7
# A pixel is dead when no frame ever shows more than this; coded black reaches 16 and a little noise.
_DEAD_LEVEL: Final = 24
# A line is trimmed when so much of it is dead (a time stamp may be printed on the rest), if the margin is worth it.
_DEAD_LINE, _LEAST_MARGIN = 0.7, 0.03
# Distance of colours from grey, of 255, that a picture with colour passes in a twentieth of its pixels: white rooms do,
# depth and infrared do not.
_GREY: Final = 6.0


class View(NamedTuple):
    """One picture within the frame: its corner and size in pixels, and whether it has colour."""

    x: int
    y: int
    width: int
    height: int
    colour: bool = True


def find_views(pictures: UInt8[np.ndarray, "frame height width 3"]) -> list[View]:
    """The pictures that frames of one film are put together from, the one to work on first.

    A seam is a straight line across the whole frame, at a half, third or quarter of it, along which the film's median
    jumps nearly everywhere; or along most of it, when one side is black for good beside it. Black margins are trimmed.
    Pictures with colour come before grey ones (depth, infrared), and large ones before small ones. A film that is one
    picture gives one view.

    Args:
        pictures: at least one frame, spread over the film, so that moving people leave no edge of their own.
    """
    # Several times quicker than np.median, and of whole numbers.
    median = np.partition(pictures, len(pictures) // 2, axis=0)[len(pictures) // 2].astype(np.float32)
    dead = pictures.max(axis=(0, 3)) < _DEAD_LEVEL
    height, width = dead.shape
    across = _between(_seams(median, dead, _FRACTIONS), width)
    # A frame is cut into columns first. Columns are cut again in the middle alone (two by two): furniture has long
    # level edges, and what is black below a small view is trimmed anyway.
    fractions = _FRACTIONS if len(across) == 1 else _FRACTIONS[:1]
    views = [
        view
        for x0, x1 in across
        for y0, y1 in _between(_seams(median[:, x0:x1].swapaxes(0, 1), dead[:, x0:x1].T, fractions, 1.0), height)
        if (view := _trimmed(median, dead, x0, y0, x1, y1))
    ]
    return sorted(views, key=lambda view: (not view.colour, -view.width * view.height)) or [View(0, 0, width, height)]


def _between(cuts: list[int], end: int) -> list[tuple[int, int]]:
    edges = [0, *cuts, end]
    return list(pairwise(edges))


def _seams(
    median: Float[np.ndarray, "row column 3"],
    dead: Bool[np.ndarray, "row column"],
    fractions: tuple[float, ...],
    dead_beside: float = _DEAD_BESIDE,
) -> list[int]:
    """First columns right of each seam."""
    rows, width = dead.shape
    slack = max(2, round(_FRACTION_SLACK * width))
    # Coding smears a seam over a pixel on either side: column x stands for what lies between x - 2 and x + 1.
    jumps = np.zeros((rows, width), bool)
    jumps[:, 2:-1] = np.abs(median[:, 3:] - median[:, :-3]).max(-1) > _STEP
    counted = np.zeros((rows, width), bool)
    counted[:, 2:-1] = ~(dead[:, 3:] & dead[:, :-3])
    shares = (jumps & counted).sum(0) / np.maximum(counted.sum(0), 1)
    seams = []
    for fraction in fractions:
        exact = round(fraction * width)
        # The nearest to the exact place, because black rims of a view look like seams too.
        for x in sorted(range(max(3, exact - slack), min(width - 3, exact + slack) + 1), key=lambda x: abs(x - exact)):
            beside_dead = (dead[:, x - 2] != dead[:, x + 1]).sum() >= dead_beside * rows
            beside = np.r_[shares[max(0, x - _BESIDE) : x - _SMEAR], shares[x + _SMEAR + 1 : x + _BESIDE + 1]]
            least = _SEAM_SHARE_BESIDE_DEAD if beside_dead else _SEAM_SHARE
            if shares[x] >= least and np.median(beside) <= _RARER * shares[x]:
                seams.append(x)
                break
    return sorted(seams)


def _trimmed(median: np.ndarray, dead: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> View | None:
    """The part of a rectangle that is not black margin, or None where all of it is."""
    inside = dead[y0:y1, x0:x1]
    top, bottom = _alive(inside.mean(1))
    # Columns are judged within the rows that remain: a small view with a black field below it is alive there.
    left, right = _alive(inside[top:bottom].mean(0)) if bottom > top else (0, 0)
    if right == left:
        return None
    part = median[y0 + top : y0 + bottom, x0 + left : x0 + right]
    colour = float(np.percentile(np.abs(part - part.mean(-1, keepdims=True)).max(-1), 95)) > _GREY
    return View(x0 + left, y0 + top, right - left, bottom - top, colour)


def _alive(dead_share: Float[np.ndarray, "line"]) -> tuple[int, int]:
    """From where to where lines are kept: the longest run that is alive; a rim of a few pixels stays, so that halves
    stay halves."""
    size = len(dead_share)
    least = _LEAST_MARGIN * size
    edges = np.flatnonzero(np.diff(np.r_[False, dead_share < _DEAD_LINE, False].astype(np.int8)))
    runs = edges.reshape(-1, 2)
    if len(runs) == 0:
        return 0, 0
    first, last = (int(edge) for edge in runs[np.argmax(runs[:, 1] - runs[:, 0])])
    return (first if first > least else 0), (last if size - last > least else size)
