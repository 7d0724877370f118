"""Vectors back to rooms: round trips, repairs one by one, and noise of all sizes."""

from collections import Counter

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.scenes import PRESETS, Scene, SceneObject, bed_surface, default_object, generate_scene, seat_surface
from carescene.scenes.check import overlap_depth
from carescene.scenes.scene import area
from diffusion.objects import encode_scene, object_scale
from diffusion.rooms import decode_scene, decode_with_changes, plain_scene, room_faults
from diffusion.world import CENTER, KIND, PRESENT, SIZE

SQUARE = [(0.0, 0.0), (5.0, 0.0), (5.0, 6.0), (0.0, 6.0)]


def ward(*things: SceneObject, door: bool = True) -> Scene:
    doors = [default_object("door", "door-1", x=2.5, y=0.0675)] if door else []
    return Scene("ward", SQUARE, 2.7, [*doors, *things])


@pytest.mark.parametrize("preset", PRESETS)
def test_generated_rooms_come_back(preset: str) -> None:
    for seed in range(2):
        scene = generate_scene(preset, seed)
        angle, origin = 2.0 * seed - 1.7, np.array([1.0, 0.5 * seed])
        objects = encode_scene(scene, angle, origin, slots=48)
        back, changes = decode_with_changes(objects)
        assert not changes
        assert room_faults(back) == []
        assert Counter(thing.kind for thing in back.objects) == Counter(thing.kind for thing in scene.objects)
        assert len(back.polygon) == len(scene.polygon)
        assert area(back.polygon) == pytest.approx(area(scene.polygon), abs=1e-3)
        again = encode_scene(back, slots=48)
        present = objects[:, 0] > 0
        distance = torch.cdist(objects[present], again[present], compute_mode="donot_use_mm_for_euclid_dist")
        assert float(distance.min(1).values.max()) < 1e-3, "every vector has its counterpart"


def test_beds_and_seats_keep_their_heights_and_angles() -> None:
    bed = default_object("bed", "bed-1", x=1.0, y=3.0, yaw=-1.5707963, mattress_height_m=0.72, head_angle_deg=45.0)
    chair = default_object("chair", "chair-1", x=3.5, y=4.0, yaw=2.0, seat_height_m=0.41)
    back = decode_scene(encode_scene(ward(bed, chair)))
    (got_bed,), (got_chair,) = back.of_kind("bed"), back.of_kind("chair")
    assert bed_surface(got_bed).height == pytest.approx(0.72, abs=1e-3)
    assert np.degrees(bed_surface(got_bed).head_angle) == pytest.approx(45, abs=1)
    assert seat_surface(got_chair).height == pytest.approx(0.41, abs=1e-3)


def changed(scene: Scene, number: int, part: slice, values: list[float]) -> torch.Tensor:
    """Vectors of a room with some numbers of one thing changed."""
    objects = encode_scene(scene)
    objects[number, part] = torch.tensor(values)
    return objects


def test_overlaps_are_pushed_apart_by_little() -> None:
    chair = default_object("chair", "chair-1", x=2.0, y=3.0)
    table = default_object("cabinet", "cabinet-1", x=2.0, y=3.4)
    scene = decode_scene(encode_scene(ward(chair, table)))
    (chair,), (table,) = scene.of_kind("chair"), scene.of_kind("cabinet")
    assert overlap_depth(chair, table) <= 0.01
    moved = np.hypot(table.center[0] - 2.0, table.center[1] - 3.4) + np.hypot(
        chair.center[0] - 2.0, chair.center[1] - 3.0
    )
    assert moved < 0.25, "10 cm of overlap in depth"
    assert room_faults(scene) == []


def test_things_in_walls_come_inside() -> None:
    bed = default_object("bed", "bed-1", x=2.5, y=5.5, yaw=np.pi + 0.1)
    scene, changes = decode_with_changes(encode_scene(ward(bed)))
    assert room_faults(scene) == []
    assert scene.of_kind("bed")[0].center[1] == pytest.approx(6.0 - 2.15 / 2, abs=0.1)
    assert any("bed-1: moved by" in change for change in changes)
    assert any("bed-1: turned to the walls" in change for change in changes)


def test_doors_and_windows_go_to_the_nearest_wall() -> None:
    window = default_object("window", "window-1", x=4.6, y=3.0, yaw=1.3)
    door = default_object("door", "door-1", x=2.2, y=0.4, yaw=0.2)
    scene = decode_scene(encode_scene(ward(window, door, door=False)))
    assert room_faults(scene) == []
    (window,), (door,) = scene.of_kind("window"), scene.of_kind("door")
    assert window.center[0] == pytest.approx(5.0 - window.size[1] / 2, abs=1e-6)
    assert window.center[1] == pytest.approx(3.0, abs=0.11)
    assert door.center[:2] == pytest.approx((2.2, door.size[1] / 2), abs=0.11)


def test_a_missing_door_is_added_where_nothing_stands() -> None:
    bed = default_object("bed", "bed-1", x=1.2, y=4.0)
    scene, changes = decode_with_changes(encode_scene(ward(bed, door=False)))
    assert len(scene.of_kind("door")) == 1
    assert len(scene.of_kind("bed")) == 1
    assert room_faults(scene) == []
    assert "door-1: added, since the room had none" in changes


def test_a_missing_room_is_made_around_its_things() -> None:
    objects = encode_scene(ward(default_object("bed", "bed-1", x=1.2, y=4.0)))
    objects[0, PRESENT] = -1
    scene, changes = decode_with_changes(objects)
    assert room_faults(scene) == []
    assert len(scene.of_kind("bed")) == 1
    assert any("made around the things" in change for change in changes)
    assert room_faults(plain_scene(objects)), "unrepaired it is no room"


def test_sizes_come_into_the_catalogue() -> None:
    chair = default_object("chair", "chair-1", x=2.0, y=3.0)
    scene, changes = decode_with_changes(changed(ward(chair), 2, SIZE, [0.2, 3.0, -1.0]))
    assert scene.of_kind("chair")[0].size == pytest.approx((0.42, 0.80, 0.75))
    assert scene.of_kind("chair")[0].center[2] == pytest.approx(0.375)
    assert any(change.startswith("chair-1: size") for change in changes)


def test_rooms_get_a_size_that_can_be_furnished() -> None:
    scene, _ = decode_with_changes(changed(ward(), 0, SIZE, [0.5, -2.0, 9.0]))
    assert area(scene.polygon) == pytest.approx(4.0)
    assert scene.height == pytest.approx(3.6)
    assert room_faults(scene) == []


def test_rooms_grow_to_hold_people() -> None:
    path = np.array([[2.0, 3.0], [2.0, 8.0]])
    scene = decode_scene(encode_scene(ward()), paths=path)
    assert max(y for _, y in scene.polygon) == pytest.approx(8.45, abs=1e-5)
    assert min(y for _, y in scene.polygon) == pytest.approx(0.0, abs=1e-5)
    assert room_faults(scene) == []


def test_what_is_pinned_stays_and_others_give_way() -> None:
    bed = default_object("bed", "bed-1", x=2.5, y=4.5)
    chair = default_object("chair", "chair-1", x=2.5, y=3.3)
    objects = encode_scene(ward(bed, chair))
    free = decode_scene(objects)
    assert free.of_kind("bed")[0].center[:2] == pytest.approx((2.5, 4.5), abs=1e-5)
    kinds = objects[:, KIND].argmax(1)
    slot = int((kinds == kinds[2]).nonzero()[0]) if objects[2, CENTER][1] < 4 else 3
    pinned = decode_scene(objects, pinned=[slot])
    assert pinned.of_kind("chair")[0].center[:2] == pytest.approx((2.5, 3.3), abs=1e-5)
    assert pinned.of_kind("bed")[0].center[1] > 4.5
    assert room_faults(pinned) == []


def test_a_blocked_way_is_cleared_by_leaving_out_the_lesser_things() -> None:
    cabinets = [
        default_object("cabinet", f"cabinet-{at}", x=0.7 + 1.2 * at, y=3.0, size=(1.2, 0.58, 1.85)) for at in range(4)
    ]
    bed = default_object("bed", "bed-1", x=2.5, y=4.8)
    scene, changes = decode_with_changes(encode_scene(ward(bed, *cabinets)))
    assert room_faults(scene) == []
    assert len(scene.of_kind("bed")) == 1
    assert 1 <= len(scene.of_kind("cabinet")) < 4
    assert any("in people's way" in change for change in changes)


@pytest.mark.parametrize("spread", [0.03, 0.3])
def test_noisy_rooms_become_valid_and_keep_most_things(spread: float) -> None:
    kept, wanted = 0, 0
    for seed in range(4):
        objects = encode_scene(generate_scene(PRESETS[seed % len(PRESETS)], 50 + seed), 0.7 * seed, (1.0, 1.0))
        objects = objects + spread * torch.randn_like(objects) * object_scale()
        scene = decode_scene(objects)
        assert room_faults(scene) == []
        kept += len(scene.objects)
        wanted += int((objects[1:, 0] > 0).sum())
    assert kept > 0.8 * wanted


def test_pure_noise_becomes_a_room() -> None:
    for _ in range(5):
        assert room_faults(decode_scene(torch.randn(12, 28) * object_scale())) == []


def test_nothing_at_all_becomes_an_empty_room_with_a_door() -> None:
    objects = torch.zeros(5, 28)
    objects[:, PRESENT] = -1
    scene = decode_scene(objects)
    assert [thing.kind for thing in scene.objects] == ["door"]
    assert room_faults(scene) == []


def test_unrepaired_rooms_are_as_sampled() -> None:
    scene = generate_scene("ward_single", 4)
    objects = encode_scene(scene, slots=30)
    assert room_faults(plain_scene(objects)) == []
    objects[3, CENTER.start] += 2.0
    before, after = plain_scene(encode_scene(scene, slots=30)), plain_scene(objects)
    assert sum(a.center != b.center for a, b in zip(before.objects, after.objects, strict=True)) == 1
    assert room_faults(after)


def test_refuses_numbers_that_are_not_finite() -> None:
    objects = encode_scene(ward())
    objects[1, 20] = float("nan")
    with pytest.raises(UserError, match="finite object vectors for room 'ward 7'"):
        decode_scene(objects, "ward 7")
