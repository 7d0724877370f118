"""Parts that many things share: bent tubes, rings, castors, screws of daily life on a table top."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from carescene.scenes.solids import Point, Solid, box, cylinder, rod, turn_to


def tube(points: Sequence[Point], diameter: float | int, material: str, *, closed: bool = False) -> list[Solid]:
    """A tube bent at every point, metres; `closed` joins its ends."""
    ends = [*points, points[0]] if closed else list(points)
    return [rod(start, end, diameter, material) for start, end in pairwise(ends)]


def ring(
    center: Point,
    radius: float,
    diameter: float | int,
    material: str,
    *,
    axis: Point = (0.0, 0.0, 1.0),
    count: int = 16,
) -> list[Solid]:
    """A ring of straight bars about `axis`, metres: its corners lie at `radius`."""
    turn = turn_to(axis)
    angles = np.arange(count) * 2 * np.pi / count
    flat = np.stack([np.cos(angles), np.sin(angles), np.zeros(count)], axis=-1) * radius
    return tube([as_point(point) for point in flat @ turn.T + np.array(center)], diameter, material, closed=True)


def spokes(
    center: Point, radius: float, diameter: float | int, material: str, *, axis: Point, count: int
) -> list[Solid]:
    """Bars from the hub to the rim of a wheel, metres; two opposite ones are one bar, so `count` is halved."""
    turn = turn_to(axis)
    angles = np.arange(count // 2) * 2 * np.pi / count + 0.2
    flat = np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], axis=-1) * radius @ turn.T
    middle = np.array(center)
    return [rod(as_point(middle - way), as_point(middle + way), diameter, material) for way in flat]


def castor(x: float | int, y: float | int, diameter: float | int, *, width: float = 0.03) -> list[Solid]:
    """A small wheel that stands on the floor and rolls along y, with its fork; metres."""
    radius = diameter / 2
    return [
        cylinder((x, y, radius), diameter, width, "rubber", axis=(1, 0, 0), radius=min(0.3 * radius, 0.3 * width)),
        box((x, y, radius * 1.35), (width + 0.012, radius * 0.9, radius * 1.5), "grey_plastic", radius=0.2 * radius),
    ]


def daily_items(x: float | int, y: float | int, top: float | int, count: int) -> list[Solid]:
    """A carafe, a cup and a box of tissues around (x, y) on a table top, metres: at most 0.28 x 0.20 and 0.22 high."""
    carafe = [
        cylinder((x - 0.08, y, top + 0.095), 0.10, 0.19, "fluid_bag", radius=0.02),
        cylinder((x - 0.08, y, top + 0.20), 0.075, 0.025, "accent_plastic", radius=0.006),
    ]
    cup = [cylinder((x + 0.03, y + 0.05, top + 0.05), 0.075, 0.10, "white_plastic", radius=0.008)]
    tissues = [
        box((x + 0.08, y - 0.05, top + 0.045), (0.12, 0.10, 0.09), "accent_plastic", radius=0.004),
        box((x + 0.08, y - 0.05, top + 0.10), (0.05, 0.012, 0.04), "paper", radius=0.005),
    ]
    return [solid for group in (carafe, cup, tissues)[:count] for solid in group]


# What `daily_items` needs above a table top, metres.
ITEMS_HEIGHT = 0.22


def as_point(vector: Float[np.ndarray, "3"]) -> Point:
    """The vector as the tuple that the makers of solids take."""
    return float(vector[0]), float(vector[1]), float(vector[2])


def tilted(angle: float) -> Float[np.ndarray, "3 3"]:
    """Turn about x by `angle` radians: positive leans a thing's upper end back (towards -y)."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
