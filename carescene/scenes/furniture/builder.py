"""What every kind of furniture must say about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from carescene.scenes.solids import Solid

Size = tuple[float, float, float]
Parameters = TypeVar("Parameters")


def on_floor(parameters: object) -> float:
    """The lower side of the box stands on the floor."""
    return 0.0


@dataclass(frozen=True)
class Builder(Generic[Parameters]):
    """How to make one kind of thing.

    Attributes:
        parameters: a class of declared fields, see `carescene.scenes.furniture.parameters`.
        size: natural width, depth and height of the box in metres.
        solids: the pieces for a box of any allowed size. They are given in the object's frame moved down to the
            floor of its box, so that z counts from there.
        smallest, largest: sizes between which the pieces still make sense, metres.
        bottom: height of the box's lower side above the floor, metres.
        least: smallest size that the parameters leave room for, where they decide it, given the size of the box.
    """

    parameters: type[Parameters]
    size: Callable[[Parameters], Size]
    solids: Callable[[Size, Parameters], list[Solid]]
    smallest: Size
    largest: Size
    bottom: Callable[[Parameters], float] = on_floor
    least: Callable[[Size, Parameters], Size] | None = None
