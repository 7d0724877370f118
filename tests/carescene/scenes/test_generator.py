"""Generated rooms: the same by seed, furnished without overlap, and walkable."""

from collections.abc import Iterator
from itertools import combinations

import jaxtyping
import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.scenes import PRESETS, Scene, SceneGeometry, generate_scene, scene_to_dict
from carescene.scenes.check import validate_scene
from carescene.scenes.footprint import footprint, overlap, wall_distance
from carescene.scenes.generator import generate_with_attempts
from carescene.scenes.layout import DOORWAY_M, swing_of
from carescene.scenes.materials import MATERIALS
from carescene.scenes.scene import area
from carescene.scenes.walkable import bedside_spots, door_spot, free_path, walkable_grid

BEDS = {"ward_single": 1, "ward_two_bed": 2, "ward_four_bed": 4, "bathroom": 0, "day_room": 0}
SEEDS = range(2)


@pytest.fixture(scope="module")
def rooms() -> list[Scene]:
    return [generate_scene(preset, seed) for preset in PRESETS for seed in SEEDS]


def test_the_same_seed_gives_the_same_room() -> None:
    for preset in ("bathroom", "day_room"):
        assert scene_to_dict(generate_scene(preset, 3)) == scene_to_dict(generate_scene(preset, 3))


def test_seeds_and_presets_differ() -> None:
    rooms = [generate_scene(preset, seed) for preset in ("bathroom", "corridor") for seed in range(3)]
    assert len({tuple(map(tuple, room.polygon)) for room in rooms}) == len(rooms)
    assert len({room.style["curtain"] for room in rooms}) == len(rooms)


def test_rooms_pass_the_check_of_scene_files(rooms: list[Scene]) -> None:
    for room in rooms:
        validate_scene(room)


def test_boxes_do_not_overlap(rooms: list[Scene]) -> None:
    # Stricter than the check of files: here only an overbed table may share room, with its bed.
    for room in rooms:
        for first, second in combinations(room.objects, 2):
            if {first.kind, second.kind} != {"bed", "overbed_table"}:
                assert not overlap(footprint(first, -0.005), footprint(second, -0.005)), (room.id, first.id, second.id)


def test_doors_can_swing(rooms: list[Scene]) -> None:
    for room in rooms:
        for door in room.of_kind("door"):
            # Doors in a corridor's sides open into the rooms beside it.
            ground = swing_of(door, DOORWAY_M if room.preset == "corridor" else None)
            for thing in room.objects:
                if thing is not door and thing.kind != "door" and thing.center[2] - thing.size[2] / 2 < 1.9:
                    assert not overlap(ground, footprint(thing)), (room.id, door.id, thing.id)


def test_rooms_hold_what_belongs_to_them(rooms: list[Scene]) -> None:
    for room in rooms:
        count = {thing.kind: len(room.of_kind(thing.kind)) for thing in room.objects}
        assert count["door"] >= 1
        if room.preset in BEDS:
            assert count.get("bed", 0) == BEDS[room.preset]
        if str(room.preset).startswith("ward"):
            assert count["cabinet"] >= count["bed"] and count["basin"] == 1 and count["window"] == 1
            assert count["overbed_table"] >= count["bed"] - 1
            assert count["bed"] == 1 or count["curtain"] >= count["bed"] // 2
        if room.preset == "bathroom":
            assert count["toilet"] == count["basin"] == 1 and count["handrail"] >= 2 and count["curtain"] == 1
        if room.preset == "corridor":
            assert count["handrail"] >= 2 and count["door"] >= 3
        if room.preset == "day_room":
            assert count["table"] >= 1 and count["chair"] >= 2


def test_beds_stand_with_their_heads_to_a_wall(rooms: list[Scene]) -> None:
    for room in rooms:
        if room.preset != "corridor":
            for bed in room.of_kind("bed"):
                part = footprint(bed)
                head = np.array([part.world(side * 0.4, -part.half_y) for side in (-1, 0, 1)])
                assert (wall_distance(head, room.polygon) < 0.1).all()


def test_colours_are_of_known_materials_and_rooms_are_of_usual_size(rooms: list[Scene]) -> None:
    for room in rooms:
        assert room.style and set(room.style) <= set(MATERIALS)
        assert all(0 <= value <= 0.9 for color in room.style.values() for value in color)
        assert 4 < area(room.polygon) < 90 and 2.4 < room.height < 3.1


def test_every_bed_can_be_walked_to(rooms: list[Scene]) -> None:
    check_beds(next(room for room in rooms if room.preset == "ward_two_bed"))


@pytest.mark.slow
def test_beds_of_more_rooms_can_be_walked_to(rooms: list[Scene]) -> None:
    for room in rooms:
        if room.preset in ("ward_single", "ward_four_bed"):
            check_beds(room)


def test_some_rooms_are_not_rectangles(rooms: list[Scene]) -> None:
    assert {len(room.polygon) for room in rooms} == {4, 6}


def test_attempts_are_few() -> None:
    assert np.mean([generate_with_attempts("bathroom", seed)[1] for seed in range(5)]) < 5


@pytest.mark.parametrize(
    ("preset", "seed", "word"), [("ward", 0, "ward_single"), ("bathroom", -1, "seed of 0 or more")]
)
def test_bad_requests_are_refused(preset: str, seed: int, word: str) -> None:
    with pytest.raises(UserError, match=word):
        generate_scene(preset, seed)


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_many_rooms_are_found_and_valid(preset: str, unchecked_types: None) -> None:
    for seed in range(100, 140):
        validate_scene(generate_scene(preset, seed))


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Without the checks of array shapes, which take ten times as long as the rooms themselves."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


def check_beds(room: Scene) -> None:
    """Walk from the first door to each long side of each bed; measure the way with the exact distance to all solids."""
    geometry, grid = SceneGeometry.of([room], dtype=torch.float64), walkable_grid(room)
    start = door_spot(room.of_kind("door")[0])
    for bed in room.of_kind("bed"):
        sides = [side for side in bedside_spots(room, bed, grid).values() if side]
        ways = [way for side in sides if (way := free_path(room, start, side[len(side) // 2])) is not None]
        assert ways, (room.id, bed.id)
        between = np.concatenate([ways[0], (ways[0][:-1] + ways[0][1:]) / 2])
        for height in (0.2, 0.5, 0.9, 1.5):
            # From 20 cm above the floor, whatever is nearer than 15 cm is not the floor.
            points = torch.from_numpy(np.column_stack([between, np.full(len(between), height)]))[None]
            assert geometry.signed_distance(points).min() >= 0.15 - 1e-6, (room.id, bed.id, height)
