"""From a situation and a room to who is where when: places in metres, labels in seconds, nothing sampled yet."""

import dataclasses
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from carescene.scenes.scene import Scene, SceneObject
from carescene.situations.consistency import start_state
from carescene.situations.destinations import BACK_TO_SEAT, before_spot, destinations, seat_target, sway, turn
from carescene.situations.fall_places import end_of_fall, fall_spot, turned_for
from carescene.situations.label_plan import LabelSpan, label_spans
from carescene.situations.preparing import prepared_room
from carescene.situations.routes import enter_route, route_beside, walk_route
from carescene.situations.situation import EventRequest, Situation
from carescene.situations.start_places import ARMS_REACH_M, Seating, start_spot
from carescene.situations.things import Room, Spot, beside_spot, edge_spot, facing_of
from carescene.situations.vocabulary import facts_of

# Who stands by while something happens to others is held to the place this often, seconds.
_STANDS_BY_S: Final = 1.5
# How long somebody needs from lying in bed to standing beside it, at least.
_RISING_S: Final = 2.0
# Who rests is held to the place this often, seconds.
_STILL_S: Final = 0.5
# Who gets up from lying to fall sits on the edge of the bed at this share of the time before the onset.
_AT_EDGE: Final = 0.6
# From the pelvis of who lies on the floor to that of somebody about to kneel beside, as in composed pairs.
_TO_FALLEN_M: Final = 1.0
# What lasts without any movement.
_STILL: Final = ("in_bed_still", "fallen_still")
# What lasts, but not in one place.
_MOVES: Final = ("in_bed_turning", "in_bed_restless", "wheelchair_move")


@dataclass(frozen=True)
class Waypoint:
    """The pelvis of a person is at this spot at this time; `asked` if the situation itself says so."""

    at_s: float | int
    spot: Spot
    asked: bool = False


@dataclass
class PersonPlan:
    """What is fixed about one person.

    Attributes:
        state: in the first frame, or None if the model may choose.
        start: where, or None.
        points: where the pelvis is when, in order of time, the start included.
        labels: frame labels that are known.
        since_s: when the person comes into the room.
        rest: where the person lies after a fall, if a place was asked for.
        still: whether the person rests from beginning to end without moving, as who lies still in bed.
    """

    state: str | None
    start: Spot | None
    points: list[Waypoint] = field(default_factory=list)
    labels: list[LabelSpan] = field(default_factory=list)
    since_s: float | int = 0.0
    rest: Spot | None = None
    still: bool = False


@dataclass
class Plan:
    """A situation in one room: the room as it is then (rails down, chairs as they are), and a plan for each person."""

    scene: Scene | None
    persons: list[PersonPlan]


def plan_situation(situation: Situation, scene: Scene | None, seed: int) -> Plan:
    """Choose places, ways and times for everybody; the same seed gives the same plan.

    Args:
        scene: the room; None if the situation has none.
        seed: chooses among the places that fit.

    Raises:
        UserError: one sentence that names the line: no such thing in the room, two people on one seat, no free floor
            beside it, or furniture in the way of somebody who has to walk.
    """
    people = range(len(situation.people))
    if scene is None:
        unplaced = [PersonPlan(start_state(situation, person), None) for person in people]
        for person, plan in enumerate(unplaced):
            plan.labels = label_spans(situation, person, plan.state)
        return Plan(None, unplaced)
    rng = np.random.default_rng([seed, 4])
    room = Room(scene, situation)
    seating = Seating(room, rng)
    # People on beds and seats first: others then find their places around them.
    order = sorted(
        people,
        key=lambda person: (start_state(situation, person) not in ("lying", "sitting"), _helps(situation, person)),
    )
    plans: dict[int, PersonPlan] = {}
    for person in order:
        if situation.people[person].enter is None:
            plans[person] = _inside(room, seating, plans, person, rng)
    for person in people:
        if situation.people[person].enter is not None:
            plans[person] = _entering(room, plans, person)
    everybody = [plans[person] for person in people]
    for person, plan in enumerate(everybody):
        plan.labels = label_spans(situation, person, plan.state)
        mine = [event for event in situation.events if event.person == person]
        plan.still = len(mine) == 1 and mine[0].ward_event in _STILL and not mine[0].onset_s
    return Plan(prepared_room(situation, scene, everybody), everybody)


def _helps(situation: Situation, person: int) -> bool:
    """Whether somebody's place depends on that of another person."""
    mine = [event.ward_event for event in situation.events if event.person == person]
    others = [facts_of(event.ward_event, event.label) for event in situation.events if event.person != person]
    return "staff_kneel" in mine or (not mine and any(facts.helper for facts in others))


def _helped(situation: Situation, person: int, plans: dict[int, PersonPlan]) -> tuple[Spot, float] | None:
    """Where the person is whom somebody helps from the start, and how far from there the helper is, metres."""
    for event in situation.events:
        facts = facts_of(event.ward_event, event.label)
        if event.person == person and event.ward_event == "staff_kneel":
            low = [plan for plan in plans.values() if plan.state in ("fallen", "kneeling", "sitting")]
            if low and low[0].start is not None:
                return low[0].start, _TO_FALLEN_M
        if event.person != person and event.person in plans and facts.helper:
            points = plans[event.person].points
            # Who is lowered is held from the start; who is helped out of bed is met beside it.
            leads = not facts.is_fall and points and points[-1].spot.thing is None
            spot = points[-1].spot if leads else plans[event.person].start
            return None if spot is None else (spot, ARMS_REACH_M)
    return None


def _walks_with(situation: Situation, person: int, plans: dict[int, PersonPlan]) -> PersonPlan | None:
    """The plan of the person at whose side somebody walks."""
    for event in situation.events:
        led = plans.get(event.person)
        if event.ward_event == "walk_assisted" and event.person != person and led is not None:
            return led if led.state == "walking" and len(led.points) > 1 else None
    return None


def _inside(
    room: Room, seating: Seating, plans: dict[int, PersonPlan], person: int, rng: np.random.Generator
) -> PersonPlan:
    situation = room.situation
    state = start_state(situation, person)
    request = situation.people[person]
    event = next((event for event in situation.events if event.person == person), None)
    if request.motion is not None:
        return PersonPlan(None, None)
    led = _walks_with(situation, person, plans) if state == "walking" and event is None else None
    if led is not None:
        route = route_beside(room, [(point.at_s, point.spot) for point in led.points])
        points = [Waypoint(at, there) for at, there in route]
        return PersonPlan(state, points[0].spot, points)
    target = None
    if event is not None and event.ward_event in BACK_TO_SEAT and state == "standing":
        near, side = (request.start.near, request.start.side) if request.start is not None else (None, None)
        target = seat_target(room, event, near, side, rng)
    if target is None:
        beside, away = _helped(situation, person, plans) or (None, ARMS_REACH_M)
        spot = start_spot(room, seating, person, state, event, beside=beside, away_m=away)
    else:
        spot = before_spot(*target)
    plan = PersonPlan(state, spot)
    if spot is None:
        return plan
    plan.points.append(Waypoint(0.0, spot))
    facts = None if event is None else facts_of(event.ward_event, event.label)
    walks = state == "walking"
    if event is not None and facts is not None and facts.is_fall and event.onset_s is not None:
        _plan_fall(room, plan, person, event, event.onset_s, rng)
    elif walks:
        until = situation.seconds if event is None or event.onset_s is None else event.onset_s
        towards = _helped(situation, person, plans) if event is not None else None
        route = walk_route(room, person, spot, until, rng, towards=towards[0] if towards else None)
        plan.points += [Waypoint(at, there) for at, there in route]
    elif state is not None and event is None and spot.thing is None and situation.events:
        _stand_by(room, plan, person)
    elif state is not None:
        _stay_and_go(room, plan, person, event, target, rng)
    if walks and len(plan.points) > 1:
        first, second = plan.points[0].spot, plan.points[1].spot
        ahead = np.array([second.x - first.x, second.y - first.y])
        if np.linalg.norm(ahead) > 0.05:
            plan.start = dataclasses.replace(spot, facing=facing_of(ahead))
            plan.points[0] = Waypoint(0.0, plan.start)
    return plan


def _plan_fall(
    room: Room, plan: PersonPlan, person: int, event: EventRequest, onset: float | int, rng: np.random.Generator
) -> None:
    """Where the fall begins and ends, and the way there."""
    start, situation = plan.start, room.situation
    assert start is not None
    at = situation.events.index(event)
    cause = event.cause or facts_of(event.ward_event, event.label).cause
    rises = plan.state in ("lying", "sitting") and onset >= _RISING_S and cause not in ("slide", "roll")
    carrier = next((thing for thing in room.scene.objects if thing.id == start.thing), None)
    if plan.state == "walking":
        route = walk_route(room, person, start, onset, rng, goal_of=at)
        plan.points += [Waypoint(when, there) for when, there in route]
        begin = plan.points[-1].spot
    elif rises and carrier is not None:
        wanted = event.place.side if event.place is not None else None
        side = wanted or start_side(room, person, carrier.id)
        begin = beside_spot(carrier, side) if carrier.kind == "bed" else fall_spot(room, start)
        if event.direction is not None:
            begin = turned_for(room, begin, event.direction)
        if carrier.kind == "bed" and start.pose == "lying":
            # Over the edge of the bed on that side, not through the bed.
            plan.points.append(Waypoint(_AT_EDGE * onset, edge_spot(carrier, side)))
        plan.points.append(Waypoint(onset, begin))
    else:
        if event.direction is not None and start.thing is None:
            plan.start = start = turned_for(room, start, event.direction)
            plan.points[0] = Waypoint(0.0, start)
        begin = start
        # Sitting down before missing the seat is part of it, and the pelvis goes back with it.
        lead = sum(seconds for _, seconds in facts_of(event.ward_event, event.label).lead)
        plan.points += _still_until(start, max(onset - lead, 0.0))
    end = end_of_fall(room, at, begin, carrier)
    if end is not None:
        usual = facts_of(event.ward_event, event.label).phases[0][1]
        when = min(float(event.end_s) if event.end_s is not None else onset + usual, situation.seconds - 0.05)
        plan.points.append(Waypoint(when, end, asked=event.place is not None))
        plan.rest = end if event.place is not None else None


def _stay_and_go(
    room: Room,
    plan: PersonPlan,
    person: int,
    event: EventRequest | None,
    target: tuple[SceneObject, str] | None,
    rng: np.random.Generator,
) -> None:
    """Who lies, sits or stands stays there until the onset, and then is where the event leads."""
    start, seconds = plan.start, float(room.situation.seconds)
    assert start is not None
    if event is not None and event.ward_event == "turn_reach" and start.facing is not None:
        plan.points += _still_until(start, float(event.onset_s or 0.0))
        plan.points += [Waypoint(at, spot) for at, spot in turn(event, start, seconds, rng)]
        return
    if event is None or event.onset_s is None:
        named = None if event is None else event.ward_event
        lasts = event is None or len(facts_of(event.ward_event, event.label).phases_from(plan.state)) == 1
        if start.thing is not None and lasts and named not in _MOVES:
            plan.points += _still_until(start, seconds - 0.05)
        return
    plan.points += _still_until(start, float(event.onset_s))
    carrier = next((thing for thing in room.scene.objects if thing.id == start.thing), None)
    side = start_side(room, person, carrier.id) if carrier is not None and carrier.kind == "bed" else "front"
    if event.ward_event == "sway_recover" and start.pose is None:
        plan.points += [Waypoint(at, spot) for at, spot in sway(event, start, seconds, rng)]
        return
    leads = destinations(event, start, plan.state, carrier, target, side, seconds)
    plan.points += [Waypoint(at, spot) for at, spot in leads]
    if leads and leads[-1][1].pose is not None:
        # Who has come to rest on a thing stays on it.
        at, spot = leads[-1]
        plan.points += [Waypoint(float(later), spot) for later in np.arange(at + _STILL_S, seconds - 0.05, _STILL_S)]


def _stand_by(room: Room, plan: PersonPlan, person: int) -> None:
    """Who only stands by, or lies on the floor, stays about there, unless a path is asked for."""
    start, situation = plan.start, room.situation
    if start is not None and all(point.person != person for point in situation.constraints.path):
        times = np.arange(_STANDS_BY_S, float(situation.seconds) - 0.05, _STANDS_BY_S)
        plan.points += [Waypoint(float(at), start) for at in times]


def _still_until(start: Spot, onset: float | int) -> list[Waypoint]:
    """At the same spot until a time; who lies or sits all the time, who stands at its end."""
    times = list(np.arange(_STILL_S, float(onset) - _STILL_S / 2, _STILL_S)) if start.pose is not None else []
    return [Waypoint(float(at), start) for at in [*times, float(onset)] if at > 0]


def start_side(room: Room, person: int, bed_id: str) -> str:
    """The side of a bed that somebody gets up from: as asked, else the one with more free floor."""
    request = room.situation.people[person]
    if request.start is not None and request.start.side is not None:
        return request.start.side
    bed = next(thing for thing in room.scene.objects if thing.id == bed_id)
    counts = {side: len(room.floor(0.2, bed, side)) for side in ("left", "right")}
    return max(counts, key=lambda side: counts[side])


def _entering(room: Room, plans: dict[int, PersonPlan], person: int) -> PersonPlan:
    request = room.situation.people[person]
    others = [plan for other, plan in plans.items() if other != person and plan.points]
    route = enter_route(room, person, others[0].points[-1].spot if others else None)
    points = [Waypoint(request.at_s + at, spot) for at, spot in route]
    points = [point for point in points if point.at_s <= room.situation.seconds - 0.05] or points[:1]
    return PersonPlan("walking", points[0].spot, points, since_s=float(request.at_s))
