"""Plans: places fit the room and what was asked for, and what the room cannot hold is refused with its line."""

import dataclasses
import math

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.scenes import Scene, SceneObject, default_object, generate_scene, ground_clearance
from carescene.scenes.footprint import footprint, inside_polygon, rectangle_distance
from carescene.situations import parse_situation
from carescene.situations.fall_places import TRAVEL_M
from carescene.situations.plan import plan_situation
from carescene.situations.rooms import check_rooms, room_for
from carescene.situations.things import direction, edge_spot, facing_of, lying_spot, on_side, seat_spot

FALL = """
seconds: 6
persons:
  - {role: patient, start: {near: bed, state: lying}}
  - {role: staff, enter: door}
events:
  - {label: fall, cause: weight_shift, direction: left, onset_s: 3.0}
scene: ward_single
"""


def square(*things, side: float = 6.0) -> Scene:
    corners = [(0.0, 0.0), (side, 0.0), (side, side), (0.0, side)]
    return Scene("square", corners, objects=list(things))


def bed(x: float = 3.0, y: float = 3.0, yaw: float = 0.0, name: str = "bed-1"):
    return default_object("bed", name, x=x, y=y, yaw=yaw)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_fall_beside_a_bed_while_somebody_comes_in(seed):
    scene = generate_scene("ward_single", seed)
    plan = plan_situation(parse_situation(FALL), scene, seed)
    patient, nurse = plan.persons
    thing = next(thing for thing in plan.scene.objects if thing.id == patient.start.thing)
    assert thing.kind == "bed"
    assert thing.params["rails"] == "none"
    start, edge, onset, rest = patient.points
    assert (start.at_s, edge.spot.pose, onset.at_s) == (0.0, "sitting", 3.0)
    assert rest.at_s > 3.5
    # Stands beside the bed, and lies to the left of where he faced.
    for point in (onset, rest):
        spot = np.array([[point.spot.x, point.spot.y]])
        assert rectangle_distance(spot, footprint(thing))[0] > 0.1
        assert inside_polygon(spot, scene.polygon)[0]
    moved = np.array([rest.spot.x - onset.spot.x, rest.spot.y - onset.spot.y])
    assert moved @ direction(onset.spot.facing + math.pi / 2) == pytest.approx(TRAVEL_M["left"])
    # The nurse walks on free floor, from the door, no faster than people walk.
    way = np.array([[p.spot.x, p.spot.y] for p in nurse.points])
    times = np.array([p.at_s for p in nurse.points])
    assert ground_clearance(plan.scene, way).min() > 0.1
    assert (np.linalg.norm(np.diff(way, axis=0), axis=1) / np.diff(times)).max() < 1.5


def test_the_same_seed_gives_the_same_plan():
    situation = parse_situation("persons: [{start: {state: walking}}]\nscene: day_room\n")
    points = [plan_situation(situation, square(), seed).persons[0].points for seed in (5, 5, 6)]
    assert points[0] == points[1]
    assert points[0] != points[2]


@pytest.mark.parametrize("yaw", [0.0, 1.0, math.pi / 2, 3.0])
def test_spots_on_a_bed(yaw):
    thing = bed(yaw=yaw)
    lies = lying_spot(thing)
    assert lies.facing == yaw
    assert rectangle_distance(np.array([[lies.x, lies.y]]), footprint(thing))[0] < -0.3
    for side, sign in (("left", -1.0), ("right", 1.0)):
        sits = edge_spot(thing, side)
        across = np.array([math.cos(yaw), math.sin(yaw)])
        assert direction(sits.facing) @ across == pytest.approx(sign)
        ahead = np.array([[sits.x, sits.y]]) + 0.5 * direction(sits.facing)
        assert rectangle_distance(ahead, footprint(thing))[0] > 0
        assert on_side(ahead, footprint(thing), side)[0]


def test_somebody_on_a_chair_looks_away_from_its_back():
    chair = default_object("chair", "chair-1", x=2.0, y=1.0, yaw=0.4)
    spot = seat_spot(chair)
    assert facing_of(direction(0.4)) == pytest.approx(spot.facing)
    assert np.hypot(spot.x - 2.0, spot.y - 1.0) < 0.25


def test_places_asked_for_are_on_the_side_asked_for():
    text = """
persons:
  - {start: {near: bed, state: lying}}
events:
  - {ward_event: fall_out_of_bed, onset_s: 2, place: {near: bed, side: SIDE, within_m: 0.8}}
scene: ward_single
"""
    room = square(bed())
    for side in ("left", "right"):
        plan = plan_situation(parse_situation(text.replace("SIDE", side)), room, 0)
        rest = plan.persons[0].rest
        spot = np.array([[rest.x, rest.y]])
        assert on_side(spot, footprint(room.objects[0]), side)[0]
        assert rectangle_distance(spot, footprint(room.objects[0]))[0] <= 0.8


def test_a_room_without_a_bed_is_refused():
    with pytest.raises(UserError, match=r"line 4: expected a bed in room 'square'.*but got a room with chair"):
        plan_situation(parse_situation(FALL), square(default_object("chair", "chair-1", x=3.0, y=3.0, yaw=0.0)), 0)


def test_two_people_and_one_chair_are_refused():
    text = """
persons:
  - {start: {near: chair, state: sitting}}
  - {start: {near: chair, state: sitting}}
scene: day_room
"""
    room = square(default_object("chair", "chair-1", x=3.0, y=3.0, yaw=0.0))
    with pytest.raises(UserError, match=r"line 4: expected a free place for person 1 on chair"):
        plan_situation(parse_situation(text), room, 0)
    two = dataclasses.replace(room, objects=[*room.objects, default_object("chair", "c-2", x=1.0, y=1.0, yaw=0.0)])
    assert len({one.start.thing for one in plan_situation(parse_situation(text), two, 0).persons}) == 2


def test_two_people_can_sit_on_one_bed_but_not_three():
    person = "  - {start: {near: bed, state: sitting}}\n"
    text = "persons:\n" + 2 * person + "scene: ward_single\n"
    sides = {round(one.start.facing, 3) for one in plan_situation(parse_situation(text), square(bed()), 0).persons}
    assert len(sides) == 2
    with pytest.raises(UserError, match="line 4"):
        plan_situation(parse_situation("persons:\n" + 3 * person + "scene: ward_single\n"), square(bed()), 0)


def test_a_room_too_full_to_walk_is_said_so():
    door = default_object("door", "door-1", x=1.0, y=0.05, yaw=0.0)
    # A partition from wall to wall between the door and the bed.
    wall = SceneObject("wall-1", "wall", (3.0, 1.6, 1.35), (5.9, 0.2, 2.7))
    room = square(door, wall, bed(y=4.0))
    with pytest.raises(UserError, match=r"line 5: .*too full to walk"):
        plan_situation(parse_situation(FALL), room, 0)


def test_rooms_of_a_preset_are_passed_over_until_one_fits(monkeypatch):
    text = "persons:\n  - {start: {near: wheelchair, state: sitting}}\nscene: day_room\n"
    situation = parse_situation(text)
    room = room_for(situation, 0, 0)
    assert room.of_kind("wheelchair")
    monkeypatch.setattr("carescene.situations.rooms._ROOMS_TRIED", 1)
    with pytest.raises(UserError, match="line 2"):
        check_rooms(parse_situation(text.replace("wheelchair", "toilet")))


def test_a_bathroom_has_no_bed(monkeypatch):
    monkeypatch.setattr("carescene.situations.rooms._ROOMS_TRIED", 1)
    with pytest.raises(UserError, match=r"x\.yaml, line 4: expected a bed in room 'bathroom"):
        check_rooms(parse_situation(FALL.replace("ward_single", "bathroom"), "x.yaml"))
