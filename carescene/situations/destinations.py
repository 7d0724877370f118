"""Where an event leads: onto a seat or a bed, or beside the one that somebody rises from."""

import dataclasses
import math
from typing import Final

import numpy as np

from carescene.scenes.scene import SceneObject
from carescene.scenes.walkable import ground_clearance
from carescene.situations.fall_places import TURN
from carescene.situations.label_plan import event_spans
from carescene.situations.situation import EventRequest
from carescene.situations.things import Room, Spot, beside_spot, direction, edge_spot, lying_spot, seat_spot, wrapped
from carescene.situations.vocabulary import facts_of

# Events of people who stand before a seat or a bed with their backs to it.
BACK_TO_SEAT: Final = ("chair_sit", "plop_sit", "fall_missed_seat", "toilet_transfer", "bed_entry", "lie_down_fast")
# From the pelvis of who sits to where it is when standing before the seat, and from the edge of a bed.
_AHEAD_M: Final = 0.38
_BEFORE_BED_M: Final = 0.20
_CLEAR_M: Final = 0.12
# Somebody who sways and recovers: (seconds after the onset, metres off), medians of the simulated near falls, and how
# often people sway which way.
_SWAY: Final = ((0.3, 0.07), (0.6, 0.16), (1.15, 0.0))
_SWAY_WAYS: Final = {"forward": 0.4, "backward": 0.24, "left": 0.18, "right": 0.18}
# Somebody who turns to reach for something: by how much the hips turn, when, and until when they stay so (medians of
# the controlled clips).
_TURNS: Final = 0.75
_TURNED_S: Final = (1.3, 2.0)
# Into the state that an event ends in.
_SETTLE_S: Final = 0.2


def seat_target(
    room: Room, event: EventRequest, near: str | None, side: str | None, rng: np.random.Generator
) -> tuple[SceneObject, str] | None:
    """The thing that somebody who stands is about to sit or lie down on, and its side; one with free floor before it.

    None if no such thing has room before it.
    """
    needs = facts_of(event.ward_event, event.label).needs
    names = [near] if near is not None else list(needs)
    things = [
        thing for thing in room.scene.objects if (thing.kind in names or thing.id in names) and thing.kind in needs
    ]
    for at in rng.permutation(len(things)):
        thing = things[at]
        sides = [side] if side is not None else ["left", "right"]
        for each in sides if thing.kind == "bed" else ["front"]:
            spot = before_spot(thing, each)
            if ground_clearance(room.scene, np.array([[spot.x, spot.y]]), skip=(thing.id,))[0] >= _CLEAR_M:
                return thing, each
    return None


def before_spot(thing: SceneObject, side: str) -> Spot:
    """Where somebody stands with the back to a seat, or to a side of a bed."""
    if thing.kind == "bed":
        return beside_spot(thing, side, _BEFORE_BED_M)
    seat = seat_spot(thing)
    x, y = np.array([seat.x, seat.y]) + _AHEAD_M * direction(seat.facing or 0.0)
    return Spot(float(x), float(y), None, seat.facing)


def sway(event: EventRequest, start: Spot, seconds: float | int, rng: np.random.Generator) -> list[tuple[float, Spot]]:
    """Where the pelvis of somebody who sways on the spot goes, and that it comes back, with the times.

    Args:
        start: where the person stands.
        seconds: length of the clip.
        rng: draws a direction where none is asked for.
    """
    onset = float(event.onset_s or 0.0)
    way = (
        event.direction if event.direction in _SWAY_WAYS else rng.choice(list(_SWAY_WAYS), p=list(_SWAY_WAYS.values()))
    )
    ahead = direction((start.facing or 0.0) + TURN[str(way)])
    found = []
    for at, off in _SWAY:
        if onset + at <= float(seconds) - 0.05:
            there = dataclasses.replace(start, x=start.x + off * float(ahead[0]), y=start.y + off * float(ahead[1]))
            found.append((onset + at, there))
    return found


def turn(event: EventRequest, start: Spot, seconds: float | int, rng: np.random.Generator) -> list[tuple[float, Spot]]:
    """How somebody who turns to reach for something stands then, with the times; to the left or right as drawn.

    Args:
        start: where the person stands.
        seconds: length of the clip.
    """
    begin, way = float(event.onset_s or 0.0), float(rng.choice([-1.0, 1.0]))
    there = dataclasses.replace(start, facing=wrapped((start.facing or 0.0) + way * _TURNS), pose="standing")
    return [(begin + at, there) for at in _TURNED_S if begin + at <= float(seconds) - 0.05]


def destinations(
    event: EventRequest,
    start: Spot,
    state: str | None,
    carrier: SceneObject | None,
    target: tuple[SceneObject, str] | None,
    side: str,
    seconds: float | int,
) -> list[tuple[float, Spot]]:
    """Where the pelvis is after an event that is no fall, with the time; empty where the model may choose.

    Args:
        start: where the event begins.
        state: of the person there.
        carrier: what carries the person then.
        target: what the person sits or lies down on.
        side: of a bed, on which the person gets up.
        seconds: length of the clip.
    """
    facts = facts_of(event.ward_event, event.label)
    if event.onset_s is None or facts.is_fall or len(facts.phases_from(state)) == 1:
        return []
    spans = event_spans(event, state, float(seconds))
    last, over = spans[-1].label, float(spans[-1].from_s) + _SETTLE_S
    if over > float(seconds) - 0.05:
        # The clip ends before the event does.
        over = math.inf
    # On the way in or out people sit at the edge for a while.
    sits = next((span for span in spans[:-1] if span.label == "sitting"), None)
    down = next((span for span in spans[:-1] if span.label == "sit_down"), None)
    at_edge = float(sits.from_s + sits.to_s) / 2 if sits else float(down.to_s) if down else math.inf
    found: list[tuple[float, Spot]] = []
    if target is not None:
        thing, edge = target
        seat = edge_spot(thing, edge) if thing.kind == "bed" else seat_spot(thing)
        if last == "standing":
            found = [(at_edge, seat), (over, start)]
        elif last == "lying":
            found = [(at_edge, seat), (over, lying_spot(thing))]
        else:
            found = [(over, seat)]
    elif carrier is not None and last == "lying" and start.pose == "sitting" and carrier.kind == "bed":
        found = [(over, lying_spot(carrier))]
    elif carrier is not None and last == "standing" and carrier.kind != "bed":
        found = [(over, before_spot(carrier, side))]
    elif carrier is not None and last == "standing":
        edge_at = [(at_edge, edge_spot(carrier, side))] if start.pose == "lying" else []
        found = [*edge_at, (over, beside_spot(carrier, side))]
    return [(at, spot) for at, spot in found if at <= float(seconds) - 0.05]
