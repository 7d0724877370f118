"""Ways over the floor between the furniture, with times."""

from collections.abc import Sequence
from typing import Final, NoReturn

import numpy as np
from jaxtyping import Float

from carescene.scenes.walkable import DISC_RADIUS_M, door_spot, free_path, ground_clearance
from carescene.situations.things import Room, Spot, facing_of

# Usual walking speeds, m/s: staff in a hurry; patients as measured in hospital (Peel et al. 2013: 0.46 to 0.58).
PACES: Final = {"staff": 1.1, "visitor": 1.0, "person": 1.0, "patient": 0.6}
# A disc that keeps shoulders out of furniture where there is room, and the smallest that gets through.
_WIDE_M: Final = 0.28
# Points closer together than this would dictate the gait.
_STEP_M: Final = 0.6
# How near a helper comes: beside somebody, not into them.
_BESIDE_M: Final = 0.75
# Between two people of whom one holds the other's arm while they walk, as in composed pairs.
_AT_SIDE_M: Final = 0.58
# Further away than this, they have not come to that person at all.
_REACHED_M: Final = 1.6


def enter_route(room: Room, person: int, towards: Spot | None) -> list[tuple[float, Spot]]:
    """The way of somebody who comes in: from the door to about 0.75 m from another person, or into the room.

    Returns:
        (seconds since the entry, spot), first the door.

    Raises:
        UserError: if furniture is in the way.
    """
    request = room.situation.people[person]
    assert request.enter is not None
    path = f"persons[{person}].enter"
    door = room.door(request.enter, path)
    here = door_spot(door)
    goal = _free_near(room, (towards.x, towards.y) if towards is not None else None, here)
    if goal is None:
        _no_way(room, path, door.id, "the middle of the room")
    way = _way(room, here, goal)
    if way is None:
        _no_way(room, path, door.id, "the others")
    return timed(way, PACES.get(request.role, 1.0), facing=door.yaw)


def walk_route(
    room: Room,
    person: int,
    start: Spot,
    until_s: float | int,
    rng: np.random.Generator,
    goal_of: int | None = None,
    towards: Spot | None = None,
) -> list[tuple[float, Spot]]:
    """The way of somebody who walks from a place for so many seconds, without the start itself.

    Args:
        goal_of: index of the event that happens at the end of the way; its place is the goal if it has one.
        towards: somebody to walk to.

    Raises:
        UserError: if furniture is in the way to the place asked for.
    """
    situation = room.situation
    pace = PACES.get(situation.people[person].role, 1.0)
    event = situation.events[goal_of] if goal_of is not None else None
    if event is not None and event.place is not None:
        path = f"events[{goal_of}].place"
        spots = np.concatenate(
            [
                room.floor(DISC_RADIUS_M, thing, event.place.side, float(event.place.within_m))
                for thing in room.things(event.place.near, path)
            ]
        )
        if not len(spots):
            _no_way(room, path, "the door", event.place.near)
        goal = spots[np.argmin(np.abs(np.hypot(*(spots - [start.x, start.y]).T) - pace * until_s))]
        way = _way(room, (start.x, start.y), (float(goal[0]), float(goal[1])))
        if way is None:
            _no_way(room, path, "the start", event.place.near)
        route = timed(way, max(_length(way) / max(until_s, 0.5), 1e-3))
        return [(min(at, until_s), spot) for at, spot in route[1:]]
    if towards is not None:
        beside = _free_near(room, (towards.x, towards.y), (start.x, start.y))
        way = None if beside is None else _way(room, (start.x, start.y), beside)
        if way is not None:
            route = timed(way, max(_length(way) / max(until_s, 0.5), 1e-3))
            return [(min(at, until_s), spot) for at, spot in route[1:]]
    spots = room.floor(_WIDE_M)
    if not len(spots):
        spots = room.floor(DISC_RADIUS_M)
    far = np.hypot(*(spots - [start.x, start.y]).T)
    want = pace * until_s
    fitting = spots[(far > 0.6 * want) & (far <= want)]
    goals = fitting if len(fitting) else spots[far >= min(want, far.max()) - 0.3]
    goal = goals[rng.integers(len(goals))]
    way = _way(room, (start.x, start.y), (float(goal[0]), float(goal[1])))
    if way is None:
        return []
    # As fast as usual, or slower where the room ends.
    route = timed(way, min(pace, _length(way) / max(until_s, 0.5)))
    return [(at, spot) for at, spot in route[1:] if at <= until_s + 1e-6]


def route_beside(room: Room, points: Sequence[tuple[float, Spot]]) -> list[tuple[float, Spot]]:
    """The way of somebody who walks at another one's side, on the side with more floor; with the same times.

    Args:
        points: (seconds, spot) of the person in the middle; at least two.
    """
    way = np.array([[spot.x, spot.y] for _, spot in points], dtype=float)
    ahead = np.gradient(way, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)
    across = _AT_SIDE_M * np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    best = max((way + across, way - across), key=lambda side: float(ground_clearance(room.scene, side).min()))
    facings = [facing_of(step) for step in ahead]
    return [
        (at, Spot(float(x), float(y), None, facing))
        for (at, _), (x, y), facing in zip(points, best, facings, strict=True)
    ]


def timed(
    way: Float[np.ndarray, "point 2"], pace: float | int, facing: float | int | None = None
) -> list[tuple[float, Spot]]:
    """Points about 0.6 m apart along a way with the times at which somebody of this pace (m/s) is there."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
    total = float(lengths[-1])
    count = max(round(total / _STEP_M), 1)
    marks = np.linspace(0.0, total, count + 1)
    points = np.stack([np.interp(marks, lengths, way[:, axis]) for axis in (0, 1)], axis=1)
    found = []
    for at, (mark, point) in enumerate(zip(marks, points, strict=True)):
        ahead = points[min(at + 1, count)] - points[max(min(at, count - 1), 0)]
        turned = facing_of(ahead) if np.linalg.norm(ahead) > 1e-6 else facing
        found.append((float(mark) / pace, Spot(float(point[0]), float(point[1]), None, turned)))
    return found


def _way(room: Room, start: tuple[float, float], goal: tuple[float, float]) -> Float[np.ndarray, "point 2"] | None:
    for radius in (_WIDE_M, 0.2, DISC_RADIUS_M):
        way = free_path(room.scene, start, goal, radius)
        if way is not None:
            return _smoothed(np.concatenate([[start], way, [goal]]))
    return None


def _smoothed(way: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "point 2"]:
    """Corners of a way over a grid rounded off: people do not turn on the spot by 45 degrees."""
    for _ in range(20):
        if len(way) > 2:
            way = np.concatenate([way[:1], (way[:-2] + 2 * way[1:-1] + way[2:]) / 4, way[-1:]])
    return way


def _length(way: Float[np.ndarray, "point 2"]) -> float:
    return float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum())


def _free_near(room: Room, point: tuple[float, float] | None, door: tuple[float, float]) -> tuple[float, float] | None:
    """A place to stand at a helper's distance from a point, nearest to the door; without a point, further in."""
    for radius in (_WIDE_M, DISC_RADIUS_M):
        spots = room.floor(radius)
        if not len(spots):
            continue
        from_door = np.hypot(*(spots - np.array(door)).T)
        if point is None:
            score = np.abs(from_door - 2.5)
        else:
            away = np.hypot(*(spots - np.array(point)).T)
            score = from_door + 10 * np.maximum(_BESIDE_M - away, 0) + 4 * np.maximum(away - _BESIDE_M, 0)
            score[away > _REACHED_M] = np.inf
            if not np.isfinite(score).any():
                continue
        x, y = spots[int(score.argmin())]
        return float(x), float(y)
    return None


def _no_way(room: Room, path: str, start: str, goal: str) -> NoReturn:
    room.refuse(
        path,
        f"a way 30 cm wide from {start} to {goal} in room '{room.scene.id}'",
        "a room too full to walk there",
        "choose another seed or room, or take something out",
    )
