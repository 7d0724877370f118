"""Rooms to put people into: generated once, used for many clips."""

import functools
from typing import Final

import numpy as np

from carescene.scenes.generator import PRESETS, generate_scene
from carescene.scenes.scene import Scene

# Where most of what happens on a ward happens; who needs a bed gets a ward in any case.
_WEIGHTS: Final = {
    "ward_single": 0.30,
    "ward_two_bed": 0.30,
    "ward_four_bed": 0.14,
    "bathroom": 0.06,
    "corridor": 0.10,
    "day_room": 0.10,
}
ROOMS_EACH: Final = 60


def draw_room(rng: np.random.Generator, presets: tuple[str, ...] = PRESETS, rooms: int = ROOMS_EACH) -> Scene:
    """One of the first rooms of a preset; presets by how much happens in them."""
    weight = np.array([_WEIGHTS[preset] for preset in presets])
    preset = presets[int(rng.choice(len(presets), p=weight / weight.sum()))]
    return _room(preset, int(rng.integers(rooms)))


@functools.lru_cache(maxsize=400)
def _room(preset: str, seed: int) -> Scene:
    return generate_scene(preset, seed)
