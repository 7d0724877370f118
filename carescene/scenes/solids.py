"""Solids: the rounded boxes and rounded cylinders that all furniture is built of.

One list of solids gives both the mesh that is drawn and the exact signed distance that people must respect, so the two
cannot disagree. A box whose rounding equals its smaller half extents is a capsule or a ball.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

Shape = Literal["box", "cylinder"]
Point = tuple[float | int, float | int, float | int]


@dataclass(frozen=True)
class Solid:
    """One convex piece.

    Attributes:
        shape: a cylinder's axis is its own z, and its first two half extents are both its radius.
        center: metres, in the frame of the object or of the world.
        half: half extents along the solid's own axes, metres, rounding included.
        material: name out of `carescene.scenes.materials.MATERIALS`.
        rotation: columns are the solid's own axes.
        radius: of the rounded edges, metres; not larger than the smallest half extent.
    """

    shape: Shape
    center: Float[np.ndarray, "3"]
    half: Float[np.ndarray, "3"]
    material: str
    rotation: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    radius: float = 0.0


def box(
    center: Point,
    size: Point,
    material: str,
    *,
    radius: float | int = 0.0,
    rotation: Float[np.ndarray, "3 3"] | None = None,
) -> Solid:
    """A box by its middle and its full size in metres; rounding is cut to what fits."""
    half = np.asarray(size, dtype=np.float64) / 2
    turn = np.eye(3) if rotation is None else rotation
    return Solid("box", np.asarray(center, np.float64), half, material, turn, float(min(radius, half.min())))


def cylinder(
    center: Point,
    diameter: float | int,
    length: float | int,
    material: str,
    *,
    axis: Point = (0.0, 0.0, 1.0),
    radius: float = 0.0,
) -> Solid:
    """A cylinder by its middle, its diameter and its length along `axis`, in metres; edges rounded by `radius`."""
    half = np.array([diameter / 2, diameter / 2, length / 2])
    return Solid(
        "cylinder", np.asarray(center, np.float64), half, material, turn_to(axis), float(min(radius, half.min()))
    )


def rod(start: Point, end: Point, diameter: float | int, material: str) -> Solid:
    """A round bar with half-ball ends whose axis runs between two points, in metres (a capsule)."""
    first, last = np.asarray(start, np.float64), np.asarray(end, np.float64)
    along = last - first
    length = float(np.linalg.norm(along))
    turn = turn_to(tuple(along)) if length > 0 else np.eye(3)
    half = np.array([diameter / 2, diameter / 2, diameter / 2 + length / 2])
    return Solid("box", (first + last) / 2, half, material, turn, diameter / 2)


def turn_to(axis: Point) -> Float[np.ndarray, "3 3"]:
    """A rotation whose third column is `axis` (need not have unit length)."""
    third = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    helper = np.array([1.0, 0.0, 0.0]) if abs(third[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    first = helper - (helper @ third) * third
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(third, first), third], axis=1)
