"""Things that are one box: a partition wall, and anything that has no kind of its own."""

from dataclasses import dataclass

from carescene.scenes.furniture.builder import Builder, Size
from carescene.scenes.solids import box


@dataclass(frozen=True)
class NoParameters:
    """These kinds are described by their box alone."""


WALL = Builder(
    parameters=NoParameters,
    size=lambda values: (2.0, 0.10, 2.7),
    solids=lambda size, values: [box((0, 0, size[2] / 2), size, "wall")],
    smallest=(0.05, 0.03, 0.3),
    largest=(50.0, 50.0, 10.0),
)

OTHER = Builder(
    parameters=NoParameters,
    size=lambda values: (0.4, 0.4, 0.5),
    solids=lambda size, values: [box((0, 0, size[2] / 2), size, "grey_plastic", radius=0.01)],
    smallest=(0.01, 0.01, 0.01),
    largest=(20.0, 20.0, 10.0),
)
