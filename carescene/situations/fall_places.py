"""Where a fall ends: on free floor, in the direction asked for."""

import dataclasses
import math
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.scenes.scene import SceneObject
from carescene.scenes.walkable import ground_clearance
from carescene.situations.things import Room, Spot, direction, wrapped

# How far the pelvis travels from the onset to where it lies, metres: medians of the simulated falls.
TRAVEL_M: Final = {"forward": 1.05, "backward": 0.5, "left": 1.05, "right": 1.05, "down": 0.35}
# Turn of each direction against where the person faces, positive to the left.
TURN: Final = {"forward": 0.0, "left": math.pi / 2, "backward": math.pi, "right": -math.pi / 2, "down": 0.0}
# Half of the width of a body on the floor.
_BODY_M: Final = 0.2
# From the pelvis of who lies to the shoulders.
_HEAD_M: Final = 0.4
_SOMEWHERE_M: Final = 0.6
# Turns to try, radians, the smallest first.
_TURNS: Final = (0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.2, -2.2, math.pi)


def fall_spot(room: Room, near: Spot) -> Spot:
    """A free place to stand near somebody's seat, from where a fall may begin."""
    spots = room.floor(_BODY_M)
    if not len(spots):
        return near
    ahead = np.array([near.x, near.y]) + 0.5 * direction(near.facing or 0.0)
    x, y = spots[int(np.hypot(*(spots - ahead).T).argmin())]
    return Spot(float(x), float(y), None, near.facing)


def end_of_fall(room: Room, event: int, begin: Spot, carrier: SceneObject | None) -> Spot | None:
    """Where the pelvis comes to lie after the fall of an event that begins at a spot.

    With a place asked for: the free floor there that is nearest to where the fall begins. Without: in the direction
    asked for, as far as people travel. None where neither is asked for.

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
    if carrier is not None and begin.thing == carrier.id:
        return _off(room, begin, carrier)
    return None if request.direction is None else _end(begin, request.direction)


def _cost(room: Room, spots: Float[np.ndarray, "spot 2"], begin: Spot, name: str | None) -> Float[np.ndarray, "spot"]:
    """Distance from where the direction asked for would lead, or from where the fall begins."""
    known = name is not None and begin.facing is not None
    aim = _end(begin, name) if known and name is not None else begin
    far = np.hypot(spots[:, 0] - aim.x, spots[:, 1] - aim.y)
    if not known and begin.thing is None:
        # Nobody falls without going anywhere.
        far = np.abs(far - _SOMEWHERE_M)
    clear = ground_clearance(room.scene, spots)
    return far - 0.5 * np.minimum(clear, 0.5)


def turned_for(room: Room, begin: Spot, name: str) -> Spot:
    """Where a fall begins, turned as little as gives free floor in the direction of the fall."""
    best, most = begin, -math.inf
    for turn in _TURNS:
        there = dataclasses.replace(begin, facing=wrapped((begin.facing or 0.0) + turn))
        end = _end(there, name)
        ahead = np.array([end.x - begin.x, end.y - begin.y])
        head = np.array([end.x, end.y]) + _HEAD_M * ahead / max(float(np.linalg.norm(ahead)), 0.3)
        line = np.array([begin.x, begin.y]) + np.linspace(0.4, 1.0, 5)[:, None] * (head - [begin.x, begin.y])
        clear = float(ground_clearance(room.scene, line).min())
        if clear >= _BODY_M:
            return there
        if clear > most:
            best, most = there, clear
    return best


def _end(begin: Spot, name: str) -> Spot:
    facing = begin.facing or 0.0
    x, y = np.array([begin.x, begin.y]) + TRAVEL_M[name] * direction(facing + TURN[name])
    return Spot(float(x), float(y))


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
