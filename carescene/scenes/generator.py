"""Rooms by preset and seed: furnished by trial, kept when people can walk in them."""

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from carescene.errors import UserError
from carescene.scenes.layout import Layout, NoRoomError
from carescene.scenes.layout_other import bathroom, corridor, day_room
from carescene.scenes.layout_style import random_style
from carescene.scenes.layout_ward import ward_four_bed, ward_single, ward_two_bed
from carescene.scenes.scene import Scene
from carescene.scenes.walkable import bedside_spots, door_spot, reachable, walkable_grid

_LAYOUTS: Final[Mapping[str, Callable[[np.random.Generator], Layout]]] = MappingProxyType(
    {
        "ward_single": ward_single,
        "ward_two_bed": ward_two_bed,
        "ward_four_bed": ward_four_bed,
        "bathroom": bathroom,
        "corridor": corridor,
        "day_room": day_room,
    }
)
PRESETS: Final = tuple(_LAYOUTS)

# The worst of some thousand rooms took 23; every attempt is a new throw.
_ATTEMPTS: Final = 300
# Of all ground where a person fits, this much must be reached from the door: the rest is behind furniture.
_REACHED: Final = 0.85


def generate_scene(preset: str, seed: int) -> Scene:
    """A furnished room; the same preset and seed always give the same room.

    Nothing overlaps, doors can swing open, a disc of 30 cm reaches each bed's side from the door, and people can walk
    to most of the free floor.

    Args:
        preset: one of `PRESETS`.
        seed: 0 or more.

    Raises:
        UserError: if the preset is unknown or the seed is negative.
    """
    scene, _ = generate_with_attempts(preset, seed)
    return scene


def generate_with_attempts(preset: str, seed: int) -> tuple[Scene, int]:
    """As `generate_scene`, with the number of rooms that were tried."""
    if preset not in _LAYOUTS:
        raise UserError(
            f"Expected a scene preset out of {', '.join(PRESETS)}, but got '{preset}'. It may be misspelt. Choose one, "
            "or give a scene file."
        )
    if seed < 0:
        raise UserError(f"Expected a seed of 0 or more for a scene, but got {seed}. Choose another number.")
    # The name is part of the seed, so that two presets do not share their random choices.
    rng = np.random.default_rng((seed, zlib.crc32(preset.encode())))
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            room = _LAYOUTS[preset](rng)
        except NoRoomError:
            continue
        scene = Scene(
            id=f"{preset}-{seed}",
            polygon=room.polygon,
            height=room.height,
            objects=room.objects,
            style=random_style(rng),
            preset=preset,
            seed=seed,
        )
        if people_can_walk(scene):
            return scene, attempt
    raise AssertionError(f"no {preset} found for seed {seed} in {_ATTEMPTS} attempts")


def people_can_walk(scene: Scene) -> bool:
    """Whether a disc of 30 cm gets from the first door to every other door, every bed's side and most free floor."""
    grid = walkable_grid(scene)
    doors = scene.of_kind("door")
    if not doors:
        return False
    reached = reachable(grid, door_spot(doors[0]))
    if reached.sum() < _REACHED * grid.free.sum() or not reached.any():
        return False
    if not all(reached[grid.cell_of(door_spot(door))] for door in doors):
        return False
    for bed in scene.of_kind("bed"):
        spots = bedside_spots(scene, bed, grid)
        # One free spot is a gap between two things; a helper needs half of the mattress's side.
        if not any(sum(reached[grid.cell_of(spot)] for spot in side) >= 8 for side in spots.values()):
            return False
    return True
