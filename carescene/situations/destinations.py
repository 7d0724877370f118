"""Where an event leads: onto a seat or a bed, or beside the one that somebody rises from."""

from typing import Final

import numpy as np

from carescene.scenes.scene import SceneObject
from carescene.scenes.walkable import ground_clearance
from carescene.situations.situation import EventRequest
from carescene.situations.things import Room, Spot, beside_spot, direction, edge_spot, lying_spot, seat_spot
from carescene.situations.vocabulary import facts_of

# Events of people who stand before a seat or a bed with their backs to it.
BACK_TO_SEAT: Final = ("chair_sit", "plop_sit", "fall_missed_seat", "toilet_transfer", "bed_entry", "lie_down_fast")
# From the pelvis of who sits to where it is when standing before the seat, and from the edge of a bed.
_AHEAD_M: Final = 0.38
_BEFORE_BED_M: Final = 0.20
_CLEAR_M: Final = 0.12
_SETTLE_S: Final = 0.8
# Into the time on the edge of a bed, on the way in or out.
_SITS_S: Final = 0.4


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


def destinations(
    event: EventRequest, start: Spot, carrier: SceneObject | None, target: tuple[SceneObject, str] | None, side: str,
    seconds: float | int,
) -> list[tuple[float, Spot]]:  # fmt: skip
    """Where the pelvis is after an event that is no fall, with the time; empty where the model may choose.

    Args:
        start: where the event begins.
        carrier: what carries the person then.
        target: what the person sits or lies down on.
        side: of a bed, on which the person gets up.
        seconds: length of the clip.
    """
    facts = facts_of(event.ward_event, event.label)
    if event.onset_s is None or facts.is_fall or len(facts.phases) == 1:
        return []
    length = sum(phase for _, phase in facts.phases)
    over = float(event.end_s) if event.end_s is not None else float(event.onset_s) + length + _SETTLE_S
    over = min(over, float(seconds) - 0.05)
    if over - float(event.onset_s) < 0.6 * length:
        return []
    last = facts.phases[-1][0]
    if target is not None:
        thing, edge = target
        seat = edge_spot(thing, edge) if thing.kind == "bed" else seat_spot(thing)
        if last == "standing":
            return [(float(event.onset_s) + facts.phases[0][1] + _SETTLE_S, seat), (over, start)]
        if last == "lying":
            return [(float(event.onset_s) + facts.phases[0][1] + _SITS_S, seat), (over, lying_spot(thing))]
        return [(over, seat)]
    if carrier is None or last != "standing":
        return []
    if carrier.kind != "bed":
        return [(over, before_spot(carrier, side))]
    edge = [(float(event.onset_s) + facts.phases[0][1] + _SITS_S, edge_spot(carrier, side))]
    return [*(edge if start.pose == "lying" else []), (over, beside_spot(carrier, side))]
