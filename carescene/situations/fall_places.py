"""Where a fall ends: on free floor, in the direction asked for."""

import math
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.scenes.scene import SceneObject
from carescene.scenes.walkable import ground_clearance
from carescene.situations.things import Room, Spot, direction, facing_of

# How far the pelvis travels from the onset to where it lies, metres: feet stay about where they are, so forwards it
# is nearly the length of the legs, backwards less since knees give way first.
TRAVEL_M: Final = {"forward": 0.65, "backward": 0.5, "left": 0.55, "right": 0.55, "down": 0.1}
# Turn of each direction against where the person faces, positive to the left.
TURN: Final = {"forward": 0.0, "left": math.pi / 2, "backward": math.pi, "right": -math.pi / 2, "down": 0.0}
# Who misses a seat comes down between where he stood and the seat.
_MISSED_M: Final = 0.15
# Half of the width of a body on the floor, and the length from pelvis to head.
_BODY_M: Final = 0.2
_HEAD_M: Final = 0.75


def fall_spot(room: Room, event: int, near: Spot, rng: np.random.Generator) -> Spot:
    """A free place to stand near somebody's seat, from where a fall may begin."""
    spots = room.floor(_BODY_M)
    if not len(spots):
        return near
    ahead = np.array([near.x, near.y]) + 0.5 * direction(near.facing or 0.0)
    x, y = spots[int(np.hypot(*(spots - ahead).T).argmin())]
    return Spot(float(x), float(y), None, near.facing)


def end_of_fall(
    room: Room, event: int, begin: Spot, carrier: SceneObject | None, rng: np.random.Generator
) -> Spot | None:
    """Where the pelvis comes to lie after the fall of an event that begins at a spot.

    With a place asked for: the free floor there that is nearest to where the fall begins. Without: in the direction
    asked for (or a free one), as far as people travel.

    Raises:
        UserError: names the line if there is no free floor at the place asked for.
    """
    request = room.situation.events[event]
    if request.place is not None:
        path = f"events[{event}].place"
        things = room.things(request.place.near, path)
        if begin.thing is not None or carrier is not None:
            own = [thing for thing in things if carrier is not None and thing.id == carrier.id]
            things = own or things
        within, side = float(request.place.within_m), request.place.side
        found = [room.floor(_BODY_M, thing, side, within) for thing in things]
        spots = np.concatenate(found)
        if not len(spots):
            room.refuse(
                path,
                f"free floor within {within:g} m of {request.place.near}" + (f" on its {side}" if side else ""),
                f"none in room '{room.scene.id}'",
                "ask for another place, another room or a larger within_m",
            )
        x, y = spots[int(_cost(room, spots, begin, request.direction).argmin())]
        return Spot(float(x), float(y))
    if request.ward_event == "fall_missed_seat" and request.direction is None:
        x, y = np.array([begin.x, begin.y]) - _MISSED_M * direction(begin.facing or 0.0)
        return Spot(float(x), float(y))
    if carrier is not None and begin.thing == carrier.id:
        return _off(room, begin, carrier)
    names = [request.direction] if request.direction is not None else list(TURN)
    ends = [_end(begin, name) for name in names]
    return ends[int(np.argmax([_room_for(room, begin, end) + 0.02 * rng.random() for end in ends]))]


def _cost(room: Room, spots: Float[np.ndarray, "spot 2"], begin: Spot, name: str | None) -> Float[np.ndarray, "spot"]:
    """Distance from where the direction asked for would lead, or from where the fall begins."""
    aim = _end(begin, name) if name is not None and begin.facing is not None else begin
    far = np.hypot(spots[:, 0] - aim.x, spots[:, 1] - aim.y)
    clear = ground_clearance(room.scene, spots)
    return far - 0.5 * np.minimum(clear, 0.5)


def _end(begin: Spot, name: str) -> Spot:
    facing = begin.facing or 0.0
    x, y = np.array([begin.x, begin.y]) + TRAVEL_M[name] * direction(facing + TURN[name])
    return Spot(float(x), float(y))


def _room_for(room: Room, begin: Spot, end: Spot) -> float:
    """Least clearance of the floor that the body lies on: from where it stood, past the pelvis to the head."""
    first, last = np.array([begin.x, begin.y]), np.array([end.x, end.y])
    way = last - first
    length = float(np.linalg.norm(way))
    head = last + (_HEAD_M * way / length if length > 0.2 else 0.0)
    points = first + np.linspace(0.3, 1.0, 6)[:, None] * (head - first)
    return float(np.minimum(ground_clearance(room.scene, points), 0.4).min())


def _off(room: Room, begin: Spot, carrier: SceneObject) -> Spot | None:
    """Beside what somebody slides or rolls off: in front of a seat, on the freer side of a bed."""
    ahead = begin.facing or 0.0
    turns = (ahead - math.pi / 2, ahead + math.pi / 2) if carrier.kind == "bed" and begin.z is not None else (ahead,)
    if carrier.kind == "bed":
        across = direction(carrier.yaw - math.pi / 2)
        inward = abs(float(direction(ahead) @ across))
        turns = (ahead,) if inward > 0.7 else turns
    half = carrier.size[0] / 2 if carrier.kind == "bed" else carrier.size[1] / 2
    spots = [np.array([begin.x, begin.y]) + (half + 0.3) * direction(turn) for turn in turns]
    clear = ground_clearance(room.scene, np.array(spots))
    best = int(clear.argmax())
    return Spot(float(spots[best][0]), float(spots[best][1]))


def faced(begin: Spot, end: Spot) -> float:
    """Facing angle from one spot to another."""
    return facing_of(np.array([end.x - begin.x, end.y - begin.y]))
