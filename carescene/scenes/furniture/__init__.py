"""Furniture: parametric things built of rounded boxes and cylinders, one file per family."""

from carescene.scenes.furniture.bed import BedSurface, bed_surface
from carescene.scenes.furniture.catalogue import (
    PlacedSolid,
    check_object,
    default_object,
    object_solids,
    placed,
    scene_solids,
)
from carescene.scenes.furniture.seats import SeatSurface, seat_surface

__all__ = [
    "BedSurface",
    "PlacedSolid",
    "SeatSurface",
    "bed_surface",
    "check_object",
    "default_object",
    "object_solids",
    "placed",
    "scene_solids",
    "seat_surface",
]
