"""Furniture of every kind: inside its box, standing on the floor, doing what its parameters say, refusing the rest."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.scenes import (
    KINDS,
    MATERIALS,
    Scene,
    SceneObject,
    Solid,
    bed_surface,
    check_object,
    default_object,
    object_solids,
    object_to_world,
    scene_solids,
    seat_surface,
)
from carescene.scenes.furniture.catalogue import BUILDERS


def reach(solid: Solid) -> np.ndarray:
    """Half extents of a solid's bounding box along the axes of the frame it is given in."""
    inner, turn = solid.half - solid.radius, np.abs(solid.rotation)
    if solid.shape == "box":
        return turn @ inner + solid.radius
    axis = solid.rotation[:, 2]
    return np.abs(axis) * inner[2] + inner[0] * np.sqrt(np.maximum(1 - axis**2, 0)) + solid.radius


def extent(things: list[Solid]) -> tuple[np.ndarray, np.ndarray]:
    low = np.min([solid.center - reach(solid) for solid in things], axis=0)
    return low, np.max([solid.center + reach(solid) for solid in things], axis=0)


def variants(kind: str) -> list[dict[str, float | int | str | bool]]:
    """Combinations of lowest, default and highest numbers with all words and switches: all, or about forty."""
    options: dict[str, list] = {}
    for field in dataclasses.fields(BUILDERS[kind].parameters):
        rules = field.metadata
        if "words" in rules:
            options[field.name] = list(rules["words"])
        elif "low" in rules:
            options[field.name] = sorted({rules["low"], field.default, rules["high"]})
        else:
            options[field.name] = [False, True]
    every = [dict(zip(options, chosen, strict=True)) for chosen in itertools.product(*options.values())]
    # An odd stride through the many ways of a bed still meets every value of every parameter.
    return every[:: len(every) // 40 | 1]


def test_every_kind_can_be_built() -> None:
    assert set(BUILDERS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_stay_in_the_box_for_all_parameters(kind: str) -> None:
    for params in variants(kind):
        thing = default_object(kind, "it", x=0, y=0, **params)
        solids = object_solids(thing)
        low, high = extent(solids)
        half = np.array(thing.size) / 2
        assert (low >= -half - 0.01).all() and (high <= half + 0.01).all(), (params, low + half, high - half)
        assert {solid.material for solid in solids} <= set(MATERIALS)
        assert all(0 <= solid.radius <= solid.half.min() + 1e-12 for solid in solids)


@pytest.mark.parametrize("kind", KINDS)
def test_smallest_and_largest_boxes_are_kept_too(kind: str) -> None:
    builder = BUILDERS[kind]
    values = builder.parameters()
    for size in (builder.smallest, builder.largest):
        least = builder.least(size, values) if builder.least else (0.0, 0.0, 0.0)
        whole = tuple(max(pair) for pair in zip(size, least, strict=True))
        thing = SceneObject("it", kind, (0.0, 0.0, 0.0), whole)
        low, high = extent(object_solids(thing))
        half = np.array(whole) / 2
        assert (low >= -half - 0.01).all() and (high <= half + 0.01).all(), (whole, low + half, high - half)


@pytest.mark.parametrize("kind", KINDS)
def test_box_is_filled_along_every_axis(kind: str) -> None:
    thing = default_object(kind, "it", x=0, y=0)
    low, high = extent(object_solids(thing))
    # Room for a person to pass must not be lost to empty boxes: at most 5 cm at each side.
    empty = np.array(thing.size) - (high - low)
    # Nothing else should stand under a basin, so its box goes down to the floor.
    assert (empty[:2] < 0.10).all() and (empty[2] < 0.10 or kind == "basin")


@pytest.mark.parametrize("kind", KINDS)
def test_things_stand_on_the_floor_or_hang_below_the_ceiling(kind: str) -> None:
    thing = default_object(kind, "it", x=1.0, y=2.0, yaw=0.7)
    assert thing.center[:2] == (1.0, 2.0)
    bottom = thing.center[2] - thing.size[2] / 2
    assert 0 <= bottom < 2 and bottom + thing.size[2] <= 2.7 + 1e-9
    if kind not in ("curtain", "window", "handrail"):
        assert bottom == 0


def test_bed_height_and_head_angle_move_the_mattress() -> None:
    for height, angle in itertools.product((0.3, 0.55, 0.8), (0, 30, 60)):
        bed = default_object("bed", "b", x=0, y=0, mattress_height_m=height, head_angle_deg=angle, pillow=False)
        sheets = [solid for solid in object_solids(bed) if solid.material == "sheet"]
        high = extent(sheets)[1]
        floor = -bed.size[2] / 2
        flat = max((solid for solid in sheets if np.allclose(solid.rotation, np.eye(3))), key=lambda s: s.center[1])
        assert flat.center[2] + flat.half[2] == pytest.approx(height + floor)
        # The raised end: backrest's length and the mattress's thickness, turned about the hinge.
        expected = height - 0.14 + 0.8 * math.sin(math.radians(angle)) + 0.14 * math.cos(math.radians(angle))
        assert high[2] - floor == pytest.approx(max(expected, height), abs=0.03)


@pytest.mark.parametrize("angle", [0, 25, 60])
def test_bed_surface_lies_on_the_mattress(angle: int) -> None:
    bed = default_object("bed", "b", x=0, y=0, head_angle_deg=angle)
    surface = bed_surface(bed)
    sheets = [solid for solid in object_solids(bed) if solid.material == "sheet"]
    for from_foot in np.linspace(0.05, surface.length - 0.05, 12):
        point, normal = surface.at(float(from_foot))
        local = [np.abs((point - solid.center) @ solid.rotation) - solid.half for solid in sheets]
        assert min(over.max() for over in local) == pytest.approx(0, abs=1e-9)
        assert np.linalg.norm(normal) == pytest.approx(1)
        raised = [np.abs((point + 0.02 * normal - solid.center) @ solid.rotation) - solid.half for solid in sheets]
        assert min(over.max() for over in raised) == pytest.approx(0.02, abs=1e-9)
    np.testing.assert_allclose(surface.at(surface.length)[0], surface.head, atol=1e-9)
    np.testing.assert_allclose(surface.at(0)[0], surface.foot)


def test_rails_are_where_they_are_said_to_be() -> None:
    def tubes(rails: str, side: float, from_y: float) -> int:
        bed = default_object("bed", "b", x=0, y=0, rails=rails)
        top = -bed.size[2] / 2 + 0.5
        return sum(
            solid.material == "metal"
            and solid.center[0] * side > 0.45
            and solid.center[2] + reach(solid)[2] > top + 0.2
            for solid in object_solids(bed)
            if (solid.center[1] > from_y) == (from_y > 0) or from_y < 0 > solid.center[1]
        )

    for side in (-1, 1):
        assert tubes("none", side, -0.1) == tubes("none", side, 0.1) == 0
        assert tubes("half", side, -0.1) >= 3 and tubes("half", side, 0.1) == 0
        assert tubes("full", side, -0.1) >= 3 and tubes("full", side, 0.1) >= 3
    assert bed_surface(default_object("bed", "b", x=0, y=0, rails="none")).rail_height == 0
    assert bed_surface(default_object("bed", "b", x=0, y=0)).rail_height == pytest.approx(0.5 + 0.23)


@pytest.mark.parametrize(
    ("kind", "params", "side"),
    [
        ("chair", {}, "front"),
        ("chair", {"seat_height_m": 0.40}, "front"),
        ("recliner", {}, "front"),
        ("recliner", {"recline_deg": 40}, "front"),
        ("wheelchair", {}, "front"),
        ("toilet", {}, "front"),
        ("bed", {"rails": "none"}, "left"),
        ("bed", {"rails": "none"}, "right"),
    ],
)
def test_seat_surface_has_the_seat_under_it_and_air_above(kind: str, params: dict, side: str) -> None:
    thing = default_object(kind, "it", x=0, y=0, **params)
    seat = seat_surface(thing, side)
    assert seat.front[2] + thing.size[2] / 2 == pytest.approx(seat.height)
    # A third of the seat behind its front edge: on a toilet, that is over the hole, so look at the ring at the side.
    across = np.cross(seat.facing, [0, 0, 1]) * (0.15 if kind == "toilet" else 0)
    point = seat.front - seat.facing * seat.depth * (0.5 if kind == "toilet" else 0.33) + across
    over = [np.abs((point - solid.center) @ solid.rotation) - solid.half for solid in object_solids(thing)]
    assert min(gap.max() for gap in over) == pytest.approx(0, abs=0.012)
    above = point + np.array([0, 0, 0.1])
    over = [np.abs((above - solid.center) @ solid.rotation) - solid.half for solid in object_solids(thing)]
    assert min(gap.max() for gap in over) > 0.04


def test_curtain_covers_what_is_drawn() -> None:
    for drawn in (0.0, 0.4, 1.0):
        curtain = default_object("curtain", "c", x=0, y=0, drawn=drawn)
        cloth = [solid for solid in object_solids(curtain) if solid.material == "curtain"]
        low, high = extent(cloth)
        share = (high[0] - low[0]) / curtain.size[0]
        assert share == pytest.approx(0.125 + 0.875 * drawn, abs=0.02)
        assert low[0] == pytest.approx(-curtain.size[0] / 2, abs=0.01)
        # From 0.3 m above the floor to the rail, without a gap between folds.
        assert low[2] == pytest.approx(-curtain.size[2] / 2, abs=0.01)
        assert high[2] + curtain.center[2] == pytest.approx(2.25, abs=0.05)
        for x in np.linspace(low[0] + 0.03, high[0] - 0.03, 40):
            assert any(abs(solid.center[0] - x) < reach(solid)[0] for solid in cloth)
    gathered = default_object("curtain", "c", x=0, y=0, drawn=0.2, gathered="right")
    cloth = [solid for solid in object_solids(gathered) if solid.material == "curtain"]
    assert extent(cloth)[1][0] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("hinge", ["left", "right"])
def test_door_leaf_swings_into_the_room(hinge: str) -> None:
    side = -1 if hinge == "left" else 1
    for angle in (0, 45, 90):
        door = default_object("door", "d", x=0, y=0, open_deg=angle, hinge=hinge)
        leaf = next(solid for solid in object_solids(door) if solid.material == "door")
        width = door.size[0] - 0.12
        hinged = leaf.center[:2] + side * leaf.rotation[:2, 0] * leaf.half[0]
        free = leaf.center[:2] - side * leaf.rotation[:2, 0] * leaf.half[0]
        assert abs(hinged[0] - side * width / 2) < 0.06
        swing = free - hinged
        np.testing.assert_allclose(
            swing / np.linalg.norm(swing),
            [-side * math.cos(math.radians(angle)), math.sin(math.radians(angle))],
            atol=1e-9,
        )
    narrow = default_object("door", "d", x=0, y=0, open_deg=90, size=(0.9, None, None))
    assert narrow.size[1] == pytest.approx(0.075 + 0.78 + 0.005)


def test_world_solids_are_turned_and_moved() -> None:
    chair = default_object("chair", "c", x=2, y=1, yaw=1.1)
    bed = default_object("bed", "b", x=-1, y=0.5, yaw=-0.4)
    own, placed = object_solids(bed), scene_solids(Scene("s", [], objects=[chair, bed]))
    assert [item.index for item in placed] == [0] * len(object_solids(chair)) + [1] * len(own)
    for before, (after, _) in zip(own, placed[-len(own) :], strict=True):
        # A point on the solid's own x axis lands where the object's frame takes it.
        tip = before.center + before.rotation[:, 0] * before.half[0]
        expected = object_to_world(bed, tuple(tip.tolist()))
        np.testing.assert_allclose(after.center + after.rotation[:, 0] * after.half[0], expected, atol=1e-12)


def test_things_with_meshes_have_no_solids() -> None:
    own = SceneObject("c", "chair", (0.0, 0.0, 0.4), (0.5, 0.5, 0.8), mesh="chair.glb")
    assert object_solids(own) == []
    chair = default_object("chair", "c", x=0, y=0)
    assert scene_solids(Scene("s", [], objects=[chair], mesh="room.glb")) == []


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("bed", {"head_angle_deg": 75}, ("head_angle_deg", "b-1", "60", "75")),
        ("bed", {"mattress_height_m": 55}, ("mattress_height_m", "0.8", "55")),
        ("bed", {"mattress_height_m": True}, ("mattress_height_m", "number")),
        ("bed", {"rails": "some"}, ("rails", "half, none, full", "some")),
        ("bed", {"colour": "red"}, ("colour", "mattress_height_m", "rails")),
        ("bed", {"pillow": "yes"}, ("pillow", "true or false")),
        ("cabinet", {"items": 1.5}, ("items", "whole number", "1.5")),
        ("wall", {"open_deg": 3}, ("open_deg", "none")),
        ("curtain", {"drawn": float("nan")}, ("drawn", "nan")),
        ("sofa", {}, ("sofa", "recliner")),
    ],
)
def test_bad_parameters_are_refused_by_name(kind: str, params: dict, words: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as refused:
        default_object(kind, "b-1", x=0, y=0, **params)
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    ("thing", "word"),
    [
        (SceneObject("b", "bed", (0.0, 0.0, 0.2), (1.0, 2.1, 0.4)), "height"),
        (SceneObject("b", "bed", (0.0, 0.0, 0.5), (3.0, 2.1, 1.0)), "width"),
        (SceneObject("d", "door", (0.0, 0.0, 1.0), (1.0, 0.2, 2.1), params={"open_deg": 80}), "depth"),
        (SceneObject("r", "recliner", (0.0, 0.0, 0.5), (0.7, 0.9, 1.2), params={"recline_deg": 45}), "depth"),
        (SceneObject("c", "chair", (0.0, 0.0, 0.5), (0.5, float("nan"), 0.9)), "depth"),
    ],
)
def test_boxes_that_cannot_hold_the_thing_are_refused(thing: SceneObject, word: str) -> None:
    with pytest.raises(UserError, match=word):
        check_object(thing)


def test_nobody_sits_on_a_wardrobe_or_on_a_bed_without_a_side() -> None:
    with pytest.raises(UserError, match="cabinet"):
        seat_surface(default_object("cabinet", "c", x=0, y=0))
    with pytest.raises(UserError, match="left or right"):
        seat_surface(default_object("bed", "b", x=0, y=0))
    with pytest.raises(UserError, match="front"):
        seat_surface(default_object("chair", "c", x=0, y=0), "left")
