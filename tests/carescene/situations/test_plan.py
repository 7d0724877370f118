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


def planned(text: str, room: Scene, seed: int = 0):
    return plan_situation(parse_situation(text), room, seed).persons


def test_a_helper_walks_at_the_side_of_who_walks():
    text = """
persons: [{role: patient, start: {state: walking}}, {role: staff, start: {state: walking}}]
events: [{person: 0, ward_event: walk_assisted}]
scene: day_room
"""
    patient, nurse = planned(text, square())
    assert [point.at_s for point in patient.points] == [point.at_s for point in nurse.points]
    away = [
        math.hypot(mine.spot.x - hers.spot.x, mine.spot.y - hers.spot.y)
        for mine, hers in zip(patient.points, nurse.points, strict=True)
    ]
    assert away == pytest.approx([0.58] * len(away), abs=1e-6)
    way = np.array([[point.spot.x, point.spot.y] for point in nurse.points])
    assert inside_polygon(way, square().polygon).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_who_kneels_by_the_fallen_begins_a_step_away(order):
    people = ["{role: staff, start: {state: standing}}", "{role: patient, start: {state: fallen}}"]
    text = f"""
persons: [{people[order[0]]}, {people[order[1]]}]
events: [{{person: {order[0]}, ward_event: staff_kneel, onset_s: 2}}]
scene: day_room
"""
    persons = planned(text, square())
    start, other = persons[0].start, persons[1].start
    assert math.hypot(start.x - other.x, start.y - other.y) == pytest.approx(1.0, abs=0.15)


def test_who_has_lain_down_stays_in_bed_and_lies_where_beds_are_lain_in():
    text = """
seconds: 7
persons: [{role: patient, start: {near: bed, state: sitting}}]
events: [{person: 0, ward_event: lie_down_fast, onset_s: 2}]
scene: ward_single
"""
    (one,) = planned(text, square(bed()))
    lying = [point for point in one.points if point.spot.pose == "lying"]
    assert lying[0].at_s == pytest.approx(2.0 + 1.6 + 0.2)
    assert all(point.spot == lying_spot(bed()) for point in lying)
    assert max(np.diff([point.at_s for point in lying])) <= 0.5 + 1e-9
    assert 6.5 < lying[-1].at_s <= 6.95


def test_who_stands_by_stays_and_a_path_that_is_asked_for_is_free():
    text = """
persons: [{role: patient, start: {near: bed, state: lying}}, {role: staff, start: {near: bed, state: standing}}]
events: [{person: 0, ward_event: bed_exit_assisted, onset_s: 1}]
scene: ward_single
"""
    _, nurse = planned(text, square(bed()))
    assert len(nurse.points) > 2
    assert {(point.spot.x, point.spot.y) for point in nurse.points} == {(nurse.start.x, nurse.start.y)}
    _, free = planned(text + "constraints: {path: [{person: 1, at_s: 4, x: 1, y: 1}]}\n", square(bed()))
    assert [point.at_s for point in free.points] == [0.0]


def test_whoever_misses_a_seat_is_free_while_sitting_down():
    text = """
persons: [{role: patient, start: {state: standing}}]
events: [{person: 0, ward_event: fall_missed_seat, onset_s: 3}]
scene: day_room
"""
    (one,) = planned(text, square(default_object("chair", "chair-1", x=3.0, y=3.0, yaw=0.0)))
    held = [point.at_s for point in one.points if (point.spot.x, point.spot.y) == (one.start.x, one.start.y)]
    assert held == pytest.approx([0.0, 1.6])


@pytest.mark.parametrize(("event", "still"), [("in_bed_still", True), ("in_bed_turning", False)])
def test_only_who_is_to_lie_still_is_kept_from_moving(event, still):
    text = f"persons: [{{role: patient}}]\nevents: [{{ward_event: {event}}}]\nscene: ward_single\n"
    assert planned(text, square(bed()))[0].still is still


@pytest.mark.parametrize("way", ["forward", "left", None])
def test_who_sways_comes_back(way):
    asked = "" if way is None else f", direction: {way}"
    text = f"""
persons: [{{role: patient, start: {{state: standing}}}}]
events: [{{ward_event: sway_recover, onset_s: 2{asked}}}]
scene: day_room
"""
    (one,) = planned(text, square())
    begin, _, away, back = one.points[-4:]
    assert (begin.at_s, away.at_s, back.at_s) == pytest.approx((2.0, 2.6, 3.15))
    assert back.spot == begin.spot
    moved = np.array([away.spot.x - begin.spot.x, away.spot.y - begin.spot.y])
    assert np.linalg.norm(moved) == pytest.approx(0.16)
    if way is not None:
        turn = {"forward": 0.0, "left": math.pi / 2}[way]
        assert moved / 0.16 == pytest.approx(direction(begin.spot.facing + turn))


def test_who_reaches_for_something_turns_on_the_spot():
    text = "persons: [{role: patient, start: {state: standing}}]\nevents: [{ward_event: turn_reach}]\nscene: day_room\n"
    (one,) = planned(text, square())
    turned = [point.spot for point in one.points if point.spot.pose == "standing"]
    assert len(turned) == 2
    assert {(spot.x, spot.y) for spot in turned} == {(one.start.x, one.start.y)}
    assert abs(math.remainder(turned[0].facing - one.start.facing, 2 * math.pi)) == pytest.approx(0.75)
    assert turned[0].facing == turned[1].facing


@pytest.mark.parametrize("seed", range(3))
def test_who_works_at_a_bed_stands_close_and_faces_it(seed):
    text = "persons: [{role: staff}]\nevents: [{ward_event: staff_bend_over_bed, onset_s: 1}]\nscene: ward_single\n"
    (one,) = planned(text, square(bed()), seed)
    here = np.array([[one.start.x, one.start.y]])
    away = rectangle_distance(here, footprint(bed()))[0]
    assert 0.1 < away < 0.45
    # A step of that length in the direction faced leads to the edge.
    assert rectangle_distance(here + away * direction(one.start.facing), footprint(bed()))[0] == pytest.approx(
        0, abs=1e-6
    )
