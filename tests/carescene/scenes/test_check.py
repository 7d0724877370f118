"""Every way in which a scene can be wrong is refused by name; generated rooms are not."""

import math
from collections.abc import Callable

import pytest

from carescene.errors import UserError
from carescene.scenes import PRESETS, Scene, SceneObject, default_object, generate_scene, validate_scene
from carescene.scenes.check import may_overlap, overlap_depth

ROOM = [(0.0, 0.0), (5.0, 0.0), (5.0, 4.0), (0.0, 4.0)]
L_SHAPE = [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (2.0, 2.0), (2.0, 5.0), (0.0, 5.0)]


def _scene(*things: SceneObject, **changes) -> Scene:
    return Scene(**({"id": "s", "polygon": list(ROOM), "objects": list(things)} | changes))


def _box(name: str, x: float, y: float, size=(1.0, 1.0, 1.0), yaw: float = 0.0, **more) -> SceneObject:
    return default_object("other", name, x=x, y=y, yaw=yaw, size=size, **more)


@pytest.mark.parametrize("preset", PRESETS)
def test_generated_rooms_pass(preset: str) -> None:
    scene = generate_scene(preset, 11)
    assert validate_scene(scene) is scene


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        ([(0.0, 0.0), (1.0, 0.0)], "at least 3 corners, but got 2"),
        ([(0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (0.0, 4.0)], "not to cross, but got walls 0 and 2"),
        ([(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (2.0, 0.0), (0.0, 3.0)], "not to cross, but got walls 0 and"),
        ([(0.0, 0.0), (4.0, 0.0), (2.0, 0.0), (2.0, 3.0)], "not to cross, but got walls 0 and 1"),
        ([(0.0, 0.0), (4.0, 3.0), (4.0, 0.0), (0.0, 0.0)], "wall 3 to be at least 1 cm long"),
        (ROOM[::-1], "counter-clockwise seen from above, but got clockwise"),
        ([(0.0, 0.0), (math.nan, 0.0), (1.0, 1.0)], "its bounds to be finite"),
        ([(0.0, 0.0), (0.5, 0.0), (0.5, 0.5)], "its floor to be from 1 to 1000 square metres, but got 0.125"),
        ([(0.0, 0.0), (4000.0, 0.0), (4000.0, 3000.0)], "its floor to be from 1 to 1000 square metres"),
    ],
)
def test_bad_floor_plans(polygon: list, message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate_scene(_scene(polygon=polygon))


def test_corners_on_a_straight_wall_are_fine() -> None:
    validate_scene(_scene(polygon=[(0.0, 0.0), (2.0, 0.0), (5.0, 0.0), (5.0, 4.0), (0.0, 4.0), (0.0, 2.0)]))


@pytest.mark.parametrize("height", [1.0, 12.0, 2700.0])
def test_bad_height(height: float) -> None:
    with pytest.raises(UserError, match=r"its height to be from 1.8 to 10 m"):
        validate_scene(_scene(height=height))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: setattr(t, "size", (1.0, 0.0, 1.0)), "depth of object 'a'.*0.01 to"),
        (lambda t: setattr(t, "size", (1.0, -1.0, 1.0)), "depth of object 'a'"),
        (lambda t: setattr(t, "size", (1.0, math.inf, 1.0)), "object 'a' to be finite"),
        (lambda t: setattr(t, "size", (450.0, 1.0, 1.0)), "width of object 'a'"),
        (lambda t: setattr(t, "yaw", math.nan), "object 'a' to be finite"),
        (lambda t: setattr(t, "kind", "sofa"), "kind of object 'a' to be one of.*but got 'sofa'"),
        (lambda t: t.params.update(colour="red"), "parameters of object 'a'.*but got 'colour'"),
        (lambda t: setattr(t, "center", (2.0, 2.0, 0.2)), "between floor and ceiling.*from -0.30 to 0.70"),
        (lambda t: setattr(t, "center", (2.0, 2.0, 2.5)), r"between floor and ceiling \(0 to 2.70 m\)"),
        (lambda t: setattr(t, "center", (4.8, 2.0, 0.5)), "inside the room, but got it up to 30 cm"),
        (lambda t: setattr(t, "center", (20.0, 2.0, 0.5)), "inside the room"),
    ],
)
def test_bad_objects(spoil: Callable, message: str) -> None:
    thing = _box("a", 2, 2)
    spoil(thing)
    with pytest.raises(UserError, match=message) as caught:
        validate_scene(_scene(thing))
    assert "Scene 's'" in str(caught.value)


def test_inner_corner_of_a_room_counts_as_wall() -> None:
    # All four corners of the box are inside the L, but the L's inner corner is inside the box.
    across = _box("across", 1.9, 1.9, yaw=math.pi / 4, size=(0.5, 2.0, 1.0))
    with pytest.raises(UserError, match=r"'across' .other. to be inside the room"):
        validate_scene(_scene(across, polygon=L_SHAPE))
    validate_scene(_scene(_box("beside", 1.4, 3.0), polygon=L_SHAPE))


def test_names_are_unique() -> None:
    with pytest.raises(UserError, match="ids of objects to be unique, but got a more than once"):
        validate_scene(_scene(_box("a", 1, 1), _box("a", 3, 3)))


def test_overlap_names_both_and_the_centimetres() -> None:
    with pytest.raises(UserError, match="'a' and 'b' overlap by 20 cm"):
        validate_scene(_scene(_box("a", 1, 1), _box("b", 1.8, 1.3)))
    validate_scene(_scene(_box("a", 1, 1), _box("b", 2.0, 1.3)))
    validate_scene(_scene(_box("a", 1, 1), _box("b", 1, 1, size=(0.5, 0.5, 0.5), bottom=1.0)))


def test_overlap_depth_by_hand() -> None:
    square = _box("a", 0, 0)
    corner = _box("b", 1.2, 0, yaw=math.pi / 4)
    assert overlap_depth(square, corner) == pytest.approx(0.5 + math.sqrt(0.5) - 1.2)
    assert overlap_depth(square, _box("c", 1.5, 0)) == pytest.approx(-0.5)
    # Diagonally apart: no side of either box's own axes sees the gap of the other's corner as an overlap.
    assert overlap_depth(square, _box("d", 1.1, 1.1, yaw=math.pi / 4)) < 0


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        ("overbed_table", "bed", True),
        ("bed", "overbed_table", True),
        ("curtain", "bed", True),
        ("chair", "table", True),
        ("chair", "bed", False),
        ("bed", "bed", False),
        ("door", "cabinet", False),
    ],
)
def test_which_pairs_may_overlap(first: str, second: str, allowed: bool) -> None:
    things = [default_object(kind, f"{kind}-{place}", x=2.5, y=2) for place, kind in enumerate((first, second))]
    assert may_overlap(*things) == allowed


def test_door_stands_on_a_wall_and_looks_into_the_room() -> None:
    door = default_object("door", "d", x=2.0, y=0.0)
    x, depth = 2.0, door.size[1]
    door.center = (x, depth / 2, door.center[2])
    validate_scene(_scene(door))
    for center, yaw in [
        ((x, 1.0), 0.0),
        ((x, depth / 2), math.pi),
        ((x, depth / 2 + 0.1), 0.0),
        ((4.9, depth / 2), 0.0),
    ]:
        wrong = SceneObject("d", "door", (*center, door.center[2]), door.size, yaw)
        with pytest.raises(UserError, match=r"object 'd' .door. to be (with its whole back on|inside)"):
            validate_scene(_scene(wrong))


def test_style() -> None:
    validate_scene(_scene(style={"wall": (0.5, 0.6, 0.7)}))
    with pytest.raises(UserError, match="names in its style"):
        validate_scene(_scene(style={"velvet": (0.5, 0.6, 0.7)}))
    with pytest.raises(UserError, match="red, green, blue from 0 to 1"):
        validate_scene(_scene(style={"wall": (255.0, 0.0, 0.0)}))


def test_boxes_of_a_scanned_room_may_overlap(tmp_path) -> None:
    scene = _scene(_box("a", 1, 1), _box("b", 1.5, 1), mesh="room.glb")
    validate_scene(scene)
    with pytest.raises(UserError, match=r"mesh 'room.glb' to be a file.*no such file"):
        validate_scene(scene, folder=tmp_path)
