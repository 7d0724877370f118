"""Rooms as vectors: layout, frames, mirror images, order, scales."""

import math

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.scenes import PRESETS, Scene, default_object, generate_scene
from carescene.scenes.footprint import footprint, rectangle_distance
from diffusion.objects import encode_scene, mirror_objects, move_objects, object_distance, object_scale
from diffusion.world import CENTER, KIND, OBJECT_FEATURES, OBJECT_KINDS, PRESENT, SIZE, SUPPORT, YAW

SQUARE = [(0.0, 0.0), (4.0, 0.0), (4.0, 6.0), (0.0, 6.0)]


def kinds(objects: torch.Tensor) -> list[str]:
    return [OBJECT_KINDS[int(vector[KIND].argmax())] for vector in objects if vector[PRESENT] > 0]


def corners(objects: torch.Tensor) -> torch.Tensor:
    """Corners of all boxes on the floor, `(object, 4, 2)`."""
    signs = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    local = signs * objects[:, None, SIZE][..., :2] / 2
    cos, sin = objects[:, None, YAW.start], objects[:, None, YAW.start + 1]
    x = cos * local[..., 0] - sin * local[..., 1]
    y = sin * local[..., 0] + cos * local[..., 1]
    return torch.stack((x, y), -1) + objects[:, None, CENTER][..., :2]


def test_every_number_is_where_the_layout_says() -> None:
    bed = default_object("bed", "bed-1", x=2.0, y=1.5, yaw=0.4, mattress_height_m=0.6)
    objects = encode_scene(Scene("r", SQUARE, 2.6, [bed]), slots=4)
    assert objects.shape == (4, OBJECT_FEATURES)
    assert kinds(objects) == ["room", "bed"]
    room, thing = objects[0], objects[1]
    torch.testing.assert_close(room[CENTER], torch.tensor([2.0, 3.0, 1.3]))
    torch.testing.assert_close(room[SIZE], torch.tensor([4.0, 6.0, 2.6]))
    torch.testing.assert_close(thing[CENTER], torch.tensor(bed.center))
    torch.testing.assert_close(thing[SIZE], torch.tensor(bed.size))
    torch.testing.assert_close(thing[YAW], torch.tensor([math.cos(0.4), math.sin(0.4)]))
    assert float(thing[SUPPORT]) == pytest.approx(0.6)
    assert float(thing[KIND].sum()) == 1
    assert objects[2:, PRESENT].eq(-1).all()
    assert objects[2:, 1:].eq(0).all()


@pytest.mark.parametrize(
    ("kind", "height"), [("chair", 0.46), ("recliner", 0.48), ("wheelchair", 0.5), ("toilet", 0.46)]
)
def test_seats_say_how_high_they_are(kind: str, height: float) -> None:
    thing = default_object(kind, "seat", x=2, y=3)
    assert float(encode_scene(Scene("r", SQUARE, 2.6, [thing]))[1, SUPPORT]) == pytest.approx(height)


def test_what_nobody_sits_on_has_no_support() -> None:
    thing = default_object("cabinet", "cabinet", x=2, y=3)
    assert float(encode_scene(Scene("r", SQUARE, 2.6, [thing]))[1, SUPPORT]) == 0


def test_a_frame_turned_with_the_room_sees_the_same_room() -> None:
    angle, origin = 0.7, np.array([1.0, 2.0])
    direct = encode_scene(generate_scene("ward_single", 0), angle, origin, slots=30)
    moved = move_objects(
        encode_scene(generate_scene("ward_single", 0), slots=30), torch.tensor(angle), torch.tensor([1.0, 2.0])
    )
    present = direct[:, 0] > 0
    order = torch.cdist(direct[present], moved[moved[:, 0] > 0], compute_mode="donot_use_mm_for_euclid_dist").min(1)
    assert float(order.values.max()) < 1e-4


def test_moving_there_and_back_changes_nothing() -> None:
    objects = encode_scene(generate_scene("ward_two_bed", 1), slots=24)
    angle, origin = torch.tensor(2.3), torch.tensor([3.0, -1.0])
    there = move_objects(objects, angle, origin)
    # The inverse frame, seen from the first one.
    back_origin = -torch.stack(
        (torch.cos(angle) * origin[0] + torch.sin(angle) * origin[1],
         torch.cos(angle) * origin[1] - torch.sin(angle) * origin[0])
    )  # fmt: skip
    torch.testing.assert_close(move_objects(there, -angle, back_origin), objects, atol=1e-5, rtol=1e-5)


def test_batches_move_each_by_its_own_frame() -> None:
    objects = torch.stack([encode_scene(generate_scene("bathroom", seed), slots=12) for seed in range(3)])
    angle, origin = torch.tensor([0.1, -2.0, 3.0]), torch.randn(3, 2)
    together = move_objects(objects, angle, origin)
    for at in range(3):
        torch.testing.assert_close(together[at], move_objects(objects[at], angle[at], origin[at]))


@pytest.mark.parametrize("angle", [0.3, 1.0, 1.6, -2.9])
def test_rooms_keep_their_ground_when_width_and_depth_change_places(angle: float) -> None:
    objects = encode_scene(Scene("r", SQUARE, 2.6, []), angle, slots=2)
    yaw = float(torch.atan2(objects[0, YAW.start + 1], objects[0, YAW.start]))
    assert abs(yaw) <= math.pi / 4 + 1e-3
    cos, sin = math.cos(angle), math.sin(angle)
    expected = torch.tensor([[cos * x + sin * y, cos * y - sin * x] for x, y in SQUARE])
    assert float(torch.cdist(corners(objects[:1])[0], expected).min(1).values.max()) < 1e-5


def test_mirror_images_of_boxes() -> None:
    objects = encode_scene(generate_scene("day_room", 2), 0.4, (1.0, 1.0), slots=24)
    mirrored = mirror_objects(objects)
    present = objects[:, 0] > 0
    flipped = corners(objects[present]) * torch.tensor([-1.0, 1.0])
    distance = torch.cdist(flipped, corners(mirrored[present])).min(-1).values
    assert float(distance.max()) < 1e-5
    torch.testing.assert_close(mirror_objects(mirrored), objects, atol=1e-6, rtol=0)
    assert torch.equal(mirrored[~present], objects[~present])


def test_a_mirrored_front_still_looks_away_from_the_back() -> None:
    chair = default_object("chair", "c", x=1, y=2, yaw=0.5)
    vector = mirror_objects(encode_scene(Scene("r", SQUARE, 2.6, [chair])))[1]
    # The front of a thing is its own +y.
    front = torch.stack((-vector[YAW.start + 1], vector[YAW.start]))
    torch.testing.assert_close(front, torch.tensor([math.sin(0.5), math.cos(0.5)]))


def test_l_shaped_rooms_are_a_rectangle_and_what_fills_its_corner() -> None:
    polygon = [(1.0, 0.0), (5.0, 0.0), (5.0, 6.0), (0.0, 6.0), (0.0, 2.0), (1.0, 2.0)]
    objects = encode_scene(Scene("r", polygon, 2.5, []), slots=4)
    assert kinds(objects) == ["room", "wall"]
    torch.testing.assert_close(objects[0, SIZE], torch.tensor([5.0, 6.0, 2.5]))
    torch.testing.assert_close(objects[1, SIZE], torch.tensor([1.0, 2.0, 2.5]))
    torch.testing.assert_close(objects[1, CENTER], torch.tensor([0.5, 1.0, 1.25]))


def test_a_cross_has_four_filled_corners() -> None:
    polygon = [
        (1.0, 0.0), (3.0, 0.0), (3.0, 1.0), (4.0, 1.0), (4.0, 3.0), (3.0, 3.0), (3.0, 4.0), (1.0, 4.0), (1.0, 3.0),
        (0.0, 3.0), (0.0, 1.0), (1.0, 1.0),
    ]  # fmt: skip
    objects = encode_scene(Scene("r", polygon, 2.5, []), slots=8)
    assert kinds(objects) == ["room", "wall", "wall", "wall", "wall"]
    assert float(objects[1:5, SIZE][:, :2].prod(1).sum()) == pytest.approx(4.0)


def test_slanted_rooms_are_taken_by_their_rectangle() -> None:
    polygon = [(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (2.0, 4.0), (0.0, 4.0)]
    objects = encode_scene(Scene("r", polygon, 2.5, []), slots=4)
    assert kinds(objects) == ["room"]
    torch.testing.assert_close(objects[0, SIZE], torch.tensor([4.0, 4.0, 2.5]))


def test_doors_and_beds_stay_when_slots_are_few_then_what_is_near() -> None:
    scene = generate_scene("ward_four_bed", 3)
    objects = encode_scene(scene, slots=10, paths=np.array([[1.0, 1.0]]))
    counted = kinds(objects)
    assert counted[0] == "room"
    assert counted.count("bed") == 4
    assert counted.count("door") == len(scene.of_kind("door"))
    rest = [thing for thing in scene.objects if thing.kind not in ("door", "bed") and thing.center[2] < 0.6]
    near = min(rest, key=lambda thing: float(rectangle_distance(np.array([[1.0, 1.0]]), footprint(thing))[0]))
    assert any(torch.allclose(vector[CENTER], torch.tensor(near.center)) for vector in objects)


def test_distance_is_that_of_footprints() -> None:
    scene = generate_scene("day_room", 0)
    points = np.random.default_rng(0).uniform(0, 5, (7, 2))
    objects = encode_scene(scene, slots=60).numpy()
    objects = objects[objects[:, 0] > 0][1:]
    objects = objects[objects[:, SIZE][:, 2] < scene.height]  # without filled corners
    got = object_distance(objects.astype(float), points)
    for vector, distance in zip(objects, got, strict=True):
        thing = min(scene.objects, key=lambda each: math.dist(each.center, vector[CENTER]))
        expected = max(float(rectangle_distance(points, footprint(thing)).min()), 0.0)
        assert distance == pytest.approx(expected, abs=1e-4)


def test_scales_give_about_unit_variance() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        scene = generate_scene(PRESETS[number % len(PRESETS)], number)
        low, high = np.min(scene.polygon, axis=0), np.max(scene.polygon, axis=0)
        at = rng.uniform(low + 0.5, high - 0.5)
        objects = encode_scene(scene, float(rng.uniform(-3, 3)), at, paths=at[None])
        rows.append(objects[objects[:, 0] > 0])
    scaled = torch.cat(rows) / object_scale()
    size = scaled.pow(2).mean(0).sqrt()
    for part in (slice(CENTER.start, CENTER.start + 2), slice(CENTER.start + 2, CENTER.stop), SIZE, YAW):
        assert 0.6 < float(size[part].pow(2).mean().sqrt()) < 1.6
    supports = scaled[:, SUPPORT][scaled[:, SUPPORT] > 0]
    assert float(supports.max()) < 4


def test_refuses_too_few_slots() -> None:
    with pytest.raises(UserError, match="at least 2 object slots"):
        encode_scene(Scene("r", SQUARE, 2.6, []), slots=1)


def test_refuses_a_kind_that_the_model_does_not_know() -> None:
    thing = default_object("chair", "c", x=1, y=1)
    thing.kind = "sofa"
    with pytest.raises(UserError, match="kind of object 'c' to be one of bed, "):
        encode_scene(Scene("r", SQUARE, 2.6, [thing]))
