"""Where everybody is in the first frame."""

import math
from typing import Final

import numpy as np

from carescene.scenes.footprint import Footprint, footprint, rectangle_distance
from carescene.situations.situation import EventRequest
from carescene.situations.things import Room, Spot, edge_spot, facing_of, lying_spot, seat_spot
from carescene.situations.vocabulary import facts_of

# Free floor around somebody who stands, and around somebody on the floor.
_STANDING_M = 0.25
_ON_FLOOR_M = 0.40
_SMALLEST_M = 0.15
ARMS_REACH_M: Final = 0.65
_APART_M = 0.8
# Who works at a bed faces it, the pelvis about so far from its edge (medians of the controlled clips: 0.3 and 0.4 m).
_AT_BED: Final = ("staff_bend_over_bed", "make_bed")
_TO_BED_M: Final = 0.42
_SEATS = ("chair", "recliner", "wheelchair", "toilet")


class Seating:
    """Which places of a room's things are taken already."""

    def __init__(self, room: Room, rng: np.random.Generator) -> None:
        self._room, self._rng = room, rng
        self._taken: dict[str, int] = {}
        self.stands: list[Spot] = []

    def pick(self, count: int) -> int:
        """A random index."""
        return int(self._rng.integers(count))

    def seat(self, person: int, names: tuple[str, ...], state: str, side: str | None, path: str) -> Spot:
        """A free place to lie or sit on one of these things.

        Raises:
            UserError: names the line and who is there already.
        """
        room = self._room
        found = [thing for name in names for thing in room.scene.objects if name in (thing.kind, thing.id)]
        if not found:
            room.things(names[0], path)
        order = [found[at] for at in self._rng.permutation(len(found))]
        for thing in order:
            for place in self._sides(thing.kind, thing.id, state, side):
                if place in self._taken or (state == "lying" and self._anybody(thing.id)):
                    continue
                self._taken[place] = person
                if state == "lying":
                    return lying_spot(thing)
                return edge_spot(thing, place.rsplit(" ", 1)[1]) if thing.kind == "bed" else seat_spot(thing)
        taken = sorted({other for place, other in self._taken.items() if place.split(" ")[0] in {t.id for t in found}})
        return room.refuse(
            path,
            f"a free place for person {person} on {names[0]} in room '{room.scene.id}'",
            f"{len(found)} taken by person {', '.join(map(str, taken))}",
            "give them different things or choose a room with more",
        )

    def _sides(self, kind: str, name: str, state: str, side: str | None) -> list[str]:
        if kind != "bed":
            return [name]
        if state == "lying":
            return [f"{name} lying"]
        if side is not None:
            return [f"{name} {side}"]
        bed = next(thing for thing in self._room.scene.objects if thing.id == name)
        free = {each: len(self._room.floor(0.2, bed, each)) for each in ("left", "right")}
        return [f"{name} {each}" for each in sorted(free, key=lambda each: -free[each])]

    def _anybody(self, name: str) -> bool:
        return any(place.split(" ")[0] == name for place in self._taken)


def start_spot(
    room: Room,
    seating: Seating,
    person: int,
    state: str | None,
    event: EventRequest | None,
    beside: Spot | None = None,
    away_m: float | int = ARMS_REACH_M,
) -> Spot:
    """The place of somebody who is in the room from the start.

    Args:
        beside: where the person is whom this one helps.
        away_m: from there; arm's reach.

    Raises:
        UserError: names the line: no such thing, a taken seat, or no free floor.
    """
    request = room.situation.people[person]
    start, path = request.start, f"persons[{person}].start.near"
    near = start.near if start is not None else None
    side = start.side if start is not None else None
    facts = None if event is None else facts_of(event.ward_event, event.label)
    if state in ("lying", "sitting"):
        needs = facts.needs if facts is not None else ()
        usual = ("bed",) if state == "lying" else _SEATS[:3]
        # What the first event needs, as far as it carries people in this state.
        names = (near,) if near is not None else tuple(name for name in needs if state == "sitting" or name == "bed")
        where = path if near is not None else f"events[{room.situation.events.index(event)}]" if event else path
        if near is None and not names and state == "sitting":
            # A chair if there is one, else the edge of a bed.
            names = tuple(name for name in (*usual, "bed") if room.scene.of_kind(name)) or usual
        return seating.seat(person, names or usual, state, side, where)
    at_bed = event is not None and event.ward_event in _AT_BED
    if at_bed and near is None:
        near = "bed"
    radius = _ON_FLOOR_M if state in ("fallen", "kneeling") else _STANDING_M
    things = room.things(near, path) if near is not None else [None]
    for size in (radius, _SMALLEST_M):
        spots = np.concatenate([room.floor(size, thing, side) for thing in things])
        gap = _APART_M if beside is None else away_m - 0.1
        apart = [np.hypot(spots[:, 0] - other.x, spots[:, 1] - other.y) > gap for other in seating.stands]
        spots = spots[np.logical_and.reduce(apart)] if apart else spots
        if len(spots):
            break
    else:
        where = f"beside {near}" if near is not None else "anywhere"
        room.refuse(
            path,
            f"free floor {where} in room '{room.scene.id}' for person {person}",
            "a room too full to stand or walk there",
            "choose another seed, another room, or take something out",
        )
    if beside is not None and radius != _ON_FLOOR_M:
        away = np.hypot(*(spots - [beside.x, beside.y]).T)
        # Near enough to hold, far enough not to be in each other.
        spots = spots[[int(np.abs(away - away_m).argmin())]]
    if at_bed:
        beds = [footprint(thing) for thing in things if thing is not None]
        gaps = np.min([rectangle_distance(spots, bed) for bed in beds], axis=0)
        spots = spots[gaps <= max(_TO_BED_M, float(gaps.min()))]
    x, y = (float(value) for value in spots[seating.pick(len(spots))])
    if at_bed:
        middle = _nearest_edge([footprint(thing) for thing in things if thing is not None], x, y)
    elif beside is not None:
        near, middle = None, np.array([beside.x, beside.y])
    else:
        middle = spots.mean(axis=0) if near is None else np.array(room.scene.polygon).mean(axis=0)
    spot = Spot(x, y, None, facing_of(middle - [x, y]) if np.linalg.norm(middle - [x, y]) > 0.1 else 0.0)
    seating.stands.append(spot)
    return spot


def _nearest_edge(beds: list[Footprint], x: float, y: float) -> np.ndarray:
    """The point of the nearest bed that is nearest to a place."""
    found = []
    for bed in beds:
        own = (np.array([x, y]) - [bed.x, bed.y]) @ bed.axes.T
        half = np.array([bed.half_x, bed.half_y])
        found.append(np.array(bed.world(*(float(value) for value in np.clip(own, -half, half)))))
    return min(found, key=lambda point: math.hypot(point[0] - x, point[1] - y))
