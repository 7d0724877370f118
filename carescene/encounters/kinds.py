"""The kinds of encounters: who joins somebody in a room, where they stop, what they do there, and how it is told."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from carescene.clips.clip import Event
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.encounters.actor import FPS, LONGEST_FRAMES, Actor, can_wait
from carescene.encounters.deeds import bend_and_reach, kneel_and_reach, look_on, take_hands
from carescene.encounters.gait import Gait, about_z
from carescene.encounters.places import bed_side
from carescene.encounters.staff import QUARTER, TALK_M, Visit, act, make_cast, perform_visit, standing_body
from carescene.encounters.stage import Stage, heading_to
from carescene.encounters.walking import distances_along, walk_along
from carescene.encounters.ways import Ways
from carescene.encounters.words import them, who
from carescene.errors import UserError
from carescene.scenes.fitting_furniture import carrier_of
from carescene.scenes.footprint import footprint
from carescene.scenes.free_places import turned
from carescene.scenes.furniture import default_object, seat_surface
from carescene.scenes.rearranging import apart
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.walkable import ground_clearance

if TYPE_CHECKING:
    pass

# Whoever kneels by somebody or reaches for them is within an arm's length of the nearest part of them.
_KNEEL_M: Final = (0.22, 0.45)
# Hands this near to somebody's feet, seen from above, can be taken without falling over.
_HANDS_M: Final = 0.85
_BEDSIDE_M: Final = 0.10
# Staff hurry to somebody who has fallen: about 1.5 times their usual pace, still walking.
_HURRY: Final = 1.45
# Seconds until somebody in the room has seen what happened and moves off.
_REACTION_S: Final = (0.5, 1.6)
_SPINE: Final = (0, 3, 6, 9)


@dataclasses.dataclass(frozen=True)
class Encounter:
    """Who joins, the room as it then is, and clauses that go on after what the first person does.

    `sits`: those who join rest on furniture, so that their contact must be fitted.
    """

    actors: list[Actor]
    scene: Scene
    clauses: list[str]
    sits: bool = False


Maker = Callable[[Stage, Gait, np.random.Generator], Encounter]


def kneel_beside(stage: Stage, gait: Gait, rng: np.random.Generator, *, hurry: bool = False) -> Encounter:
    """Somebody comes to a person on the floor, kneels and lays a hand on them (staff respond to a fall).

    With `hurry`, they are in the room already, see the fall and set off some tenths of a second after it.
    """
    body = np.nanmedian(stage.at_end(), axis=0)
    target = body[[6, 9, 16, 17]].mean(axis=0)
    cast = make_cast("staff", rng)
    rest = _rest_frame(stage)
    last = _frames_from(stage, rest)
    start, first = _start(stage, rng, hurry, body[:, :2], last)
    ways = stage.ways(start, last)
    # The knee comes down 28 cm behind the place where the person stopped.
    spot = _first_spot(stage, body, target, (_KNEEL_M[0], _KNEEL_M[1]), ways, rng)
    hold = float(rng.uniform(0.3, 0.8) if hurry else rng.uniform(1.0, 2.5))
    deeds = kneel_and_reach(target + np.array([0, 0, 0.06]), hold)
    visit = _visit(stage, ways, spot, target[:2], deeds, ("staff_kneel", "kneel_down"), first, hurry, rng, rest)
    actor = perform_visit(visit, cast, gait, rng)
    helper, name = who(cast.info, rng), them(stage.clip.persons[0])
    after = round(first / FPS - rest / FPS, 1)
    if hurry:
        clauses = [
            f"{helper} in the room hurries over and kneels beside {name}",
            f"{helper} sees it, hurries to {name} and kneels down",
            f"{after:g} seconds later {helper} hurries over and kneels by {name}",
        ]
    else:
        came = _came(visit)
        clauses = [f"{helper} {came} and kneels beside {name}", f"{helper} {came}, goes down on one knee by {name}"]
    return Encounter([actor], stage.scene, clauses)


def stand_by(stage: Stage, gait: Gait, rng: np.random.Generator, *, role: str = "staff") -> Encounter:
    """Somebody comes and stops before a person, to talk: 0.75 to 1.15 m away and face to face where there is room."""
    body = np.nanmedian(stage.at_end(), axis=0)
    target = body[15]
    cast = make_cast(role, rng)
    frames = _frames_from(stage, _rest_frame(stage))
    start, first = _start(stage, rng, False, body[:, :2], frames)
    ways = stage.ways(start, frames)
    low, high = TALK_M if stage.state() != "fallen" else (0.5, 0.9)
    spot = _first_spot(stage, body, target, (low - 0.15, high - 0.15), ways, rng, before=_front(stage))
    down = 22.0 if target[2] < 1.0 else 10.0 if target[2] < 1.35 else 3.0
    deeds = look_on(down, float(rng.uniform(1.0, 2.5)))
    visit = _visit(stage, ways, spot, target[:2], deeds, None, first, False, rng, _rest_frame(stage))
    actor = perform_visit(visit, cast, gait, rng)
    helper, name = who(cast.info, rng), them(stage.clip.persons[0])
    came = _came(visit)
    clauses = [f"{helper} {came} and stops in front of {name}", f"{helper} {came} and stands beside {name}"]
    return Encounter([actor], stage.scene, clauses if _is_before(stage, spot) else clauses[1:])


def bend_over(stage: Stage, gait: Gait, rng: np.random.Generator) -> Encounter:
    """Somebody comes to the side of the bed and bends over the person in it, a hand on their arm or chest."""
    bed = _bed_under(stage)
    body = np.nanmedian(stage.at_end(), axis=0)
    target = body[[9, 16, 17]].mean(axis=0)
    cast = make_cast("staff", rng)
    frames = _frames_from(stage, 0)
    start, first = _start(stage, rng, False, body[:, :2], np.zeros_like(frames))
    ways = Ways.of(stage.scene, start)
    if ways is None:
        raise _refused("the door", "no free floor there")
    part, options = footprint(bed), []
    along = float(((target[:2] - [part.x, part.y]) @ part.axes.T)[1])
    for sign in (-1.0, 1.0):
        off = part.half_x + _BEDSIDE_M + cast.anatomy.belly
        spot = np.array(part.world(sign * off, min(along + float(rng.uniform(0.0, 0.25)), part.half_y - 0.3)))
        if np.isfinite(ways.length(spot)):
            options.append((ways.length(spot), spot))
    if not options:
        raise _refused(f"a side of '{bed.id}'", "none that can be reached")
    spot = min(options, key=lambda each: each[0])[1]
    side = bed_side(bed, spot)
    facing = np.array(part.world(0.0, float(((spot - [part.x, part.y]) @ part.axes.T)[1])))
    near = target + 0.12 * np.append((spot - target[:2]) / np.linalg.norm(spot - target[:2]), 0.0)
    bend = float(rng.uniform(30, 48))
    deeds = bend_and_reach(near + np.array([0, 0, 0.12]), float(rng.uniform(0.8, 1.8)), bend)
    visit = _visit(stage, ways, spot, facing, deeds, ("staff_bend_over_bed", "other"), first, False, rng, 0)
    actor = perform_visit(visit, cast, gait, rng)
    helper, name, came = who(cast.info, rng), them(stage.clip.persons[0]), _came(visit)
    clauses = [
        f"{helper} {came} and bends over {name} from the {side} side of the bed",
        f"{helper} {came}, steps up to the {side} side of the bed and bends over {name}",
    ]
    return Encounter([actor], stage.scene, clauses)


def walk_past(stage: Stage, gait: Gait, rng: np.random.Generator) -> Encounter:
    """Somebody comes in and walks past, at least 60 cm from the others, to another part of the room."""
    role = "visitor" if rng.random() < 0.2 else "staff"
    cast = make_cast(role, rng)
    start = stage.entrance
    if start is None:
        raise _refused("a door", "none")
    # Whoever has just come in must have left the door.
    near = np.nan_to_num(np.linalg.norm(stage.joints[..., :2] - np.array(start), axis=-1), nan=np.inf)
    busy = np.flatnonzero((near.min(axis=2) < 1.0).any(axis=0))
    soonest = int(busy[-1]) + 1 if len(busy) and stage.clip.num_persons > 1 else 0
    frames = _frames_from(stage, min(soonest, stage.clip.num_frames - 1))
    ways = stage.ways(start, frames, keep_m=0.6)
    if ways is None:
        raise _refused("a free way from the door", "somebody in it")
    cells = ways.grid.points()[np.isfinite(ways.cost) & (ways.cost > 2.0)]
    if not len(cells):
        raise _refused("a way of 2 m past the people", "none")
    spot = cells[int(rng.integers(len(cells)))]
    path = ways.to(spot)
    if path is None:
        raise _refused("a way of 2 m past the people", "none")
    step = path[-1] - path[-min(10, len(path))]
    heading = math.atan2(step[1], step[0])
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    need = round(FPS * (length / gait.speed + 1.5))
    first = soonest + int(rng.integers(0, max(stage.clip.num_frames - need - soonest, 1)))
    visit = Visit(spot, heading, path, look_on(0.0, 0.6), None, first)
    actor = perform_visit(visit, cast, gait, rng)
    helper = who(cast.info, rng)
    clauses = [f"{helper} walks in from the door and past {them(stage.clip.persons[0])}", f"{helper} walks past"]
    return Encounter([actor], stage.scene, clauses)


def give_hands(stage: Stage, gait: Gait, rng: np.random.Generator) -> Encounter:
    """Staff stand before somebody who is helped up or let down and hold both their hands all the time."""
    del gait
    joints = stage.joints[0]
    frames = np.flatnonzero(stage.clip.valid[0])
    hands = joints[frames][:, [22, 23]]
    # Where the person stands: the highest the pelvis gets.
    upright = frames[int(np.argmax(joints[frames, 0, 2]))]
    hips = joints[upright, 1, :2] - joints[upright, 2, :2]
    ahead = np.array([hips[1], -hips[0]]) / max(float(np.linalg.norm(hips)), 1e-6)
    feet = joints[upright, [7, 8], :2].mean(axis=0)
    cast = make_cast("staff", rng)
    spot = feet + ahead * float(rng.uniform(0.74, 0.84))
    if ground_clearance(stage.scene, spot[None])[0] < 0.22:
        raise _refused("free floor before the person for a helper", "none")
    # Hands are held while they are within reach; before that the helper stands and waits.
    near = np.linalg.norm(hands[..., :2] - spot, axis=-1).max(axis=1) < _HANDS_M
    first = int(np.argmax(near)) if near.any() else len(frames)
    moments = np.arange(first, len(frames), round(0.55 * FPS))
    if len(moments) < 3:
        raise _refused("hands within reach of a helper", "none")
    # The helper's left hand takes the other's right.
    deeds = take_hands(hands[moments, 1], hands[moments, 0], moments / FPS)
    heading = heading_to(spot, feet)
    motion = act(cast, deeds(cast, spot, heading - QUARTER), [], rng)
    labels = np.array([OMNIFALL_ID[label] for label in motion.labels], np.int8)
    actor = Actor(cast.info, cast.anatomy.betas.astype(np.float32), motion.rotations, motion.trans, labels)
    helper, name = who(cast.info, rng), them(stage.clip.persons[0])
    clauses = [f"{helper} stands in front of {name} and holds both hands", f"{helper} helps {name} with both hands"]
    return Encounter([actor], stage.scene, clauses)


def walk_beside(stage: Stage, gait: Gait, rng: np.random.Generator) -> Encounter:
    """Staff walk at somebody's side, 60 to 75 cm away (Hall's personal distance, close phase)."""
    frames = np.flatnonzero(stage.clip.valid[0])
    pelvis = stage.joints[0][frames, 0, :2]
    middle = np.stack([gaussian_filter1d(pelvis[:, axis], 8.0, mode="nearest") for axis in (0, 1)], axis=1)
    step = np.gradient(middle, axis=0)
    speed = np.linalg.norm(step, axis=1) * FPS
    if np.percentile(speed, 10) < 0.35:
        raise _refused("somebody who walks on all the time", "stops or steps on the spot")
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1) / np.linalg.norm(step, axis=1, keepdims=True)
    off = float(rng.uniform(0.60, 0.75))
    for sign in rng.permutation([1.0, -1.0]):
        path = middle + sign * off * normal
        if ground_clearance(stage.scene, path[::4]).min() < 0.25:
            continue
        cast = make_cast("staff", rng)
        motion = act(cast, look_on(0.0, 0.3)(cast, path[-1], 0.0), [], rng)
        body = standing_body(cast, motion.rotations[0], motion.trans[0, 2], QUARTER)
        walk = walk_along(path, gait, body, stop=False, along=distances_along(path), phase=float(rng.random()))
        labels = np.full(len(walk.trans), OMNIFALL_ID["walk"], np.int8)
        events = (Event(0, "walk", 0.0, round(len(labels) / FPS, 3), ward_event="walk_assisted"),)
        actor = Actor(
            cast.info, cast.anatomy.betas.astype(np.float32), walk.rotations, walk.trans, labels, int(frames[0]), events
        )
        helper, side = who(cast.info, rng), "left" if sign > 0 else "right"
        name = them(stage.clip.persons[0])
        clauses = [f"{helper} walks beside {name}, on the {side}", f"{helper} walks along at the {side} side"]
        return Encounter([actor], stage.scene, clauses)
    raise _refused("room to walk beside the person", "furniture or walls on both sides")


def visitor_sits(stage: Stage, gait: Gait, rng: np.random.Generator) -> Encounter:
    """A visitor sits on a chair beside the bed and looks at the person in it."""
    del gait
    from carescene.simulation.controlled_seats import SeatPlan
    from carescene.simulation.keyframing import Key
    from carescene.simulation.surfaces import surfaces_of

    bed, cast = _bed_under(stage), make_cast("visitor", rng)
    body = np.nanmedian(stage.at_end(), axis=0)
    part = footprint(bed)
    along = float(((body[15, :2] - [part.x, part.y]) @ part.axes.T)[1])
    height = round(float(rng.uniform(0.42, 0.47)), 3)
    chair = default_object("chair", _free_name(stage.scene), x=0.0, y=0.0, seat_height_m=height, arms=False)
    x, y, _ = chair.center
    # The plan's front edge lies above its origin.
    edge = float(seat_surface(chair).front[1])
    chair = dataclasses.replace(chair, center=(0.0, -edge, chair.center[2]))
    plan = SeatPlan(cast, rng, chair)
    seconds = stage.clip.seconds if not can_wait(stage.clip) else max(stage.clip.seconds, 5.0)
    sitting = plan.sitting(lean=float(rng.uniform(4, 16)))
    keys = [
        Key(sitting, 0, "sitting", hold=seconds * 0.5),
        Key(plan.sitting(lean=float(rng.uniform(10, 24))), 1.2, "sitting", hold=seconds * 0.5),
    ]
    del x, y
    for sign in rng.permutation([1.0, -1.0]):
        for shift in (0.25, 0.5, 0.75, 0.0):
            # Far enough for the knees, near enough to talk.
            place = np.array(part.world(sign * (part.half_x + 0.42), min(along + shift, part.half_y - 0.3)))
            heading = heading_to(place, body[15, :2])
            yaw = heading - QUARTER
            center = place + turned(np.array(chair.center[:2]), yaw)
            there = dataclasses.replace(
                chair, center=(float(center[0]), float(center[1]), chair.center[2]), yaw=float(yaw)
            )
            furnished = dataclasses.replace(stage.scene, objects=[*stage.scene.objects, there])
            if not apart(furnished, 1):
                continue
            motion = act(cast, keys, surfaces_of([chair])[1:], rng)
            trans = np.concatenate([turned(motion.trans[:, :2], yaw) + place, motion.trans[:, 2:]], axis=1)
            rotations = motion.rotations.copy()
            rotations[:, 0] = about_z(np.array([yaw]))[0] @ rotations[:, 0]
            labels = np.full(len(trans), OMNIFALL_ID["sitting"], np.int8)
            events = (Event(0, "sitting", 0.0, round(len(trans) / FPS, 3), ward_event="seated_chair"),)
            actor = Actor(cast.info, cast.anatomy.betas.astype(np.float32), rotations, trans, labels, 0, events)
            visitor, side = who(cast.info, rng), bed_side(bed, place)
            clauses = [f"{visitor} sits on a chair on the {side} side of the bed", f"{visitor} sits beside the bed"]
            return Encounter([actor], furnished, clauses, sits=True)
    raise _refused(f"room for a chair beside '{bed.id}'", "none on either side")


def _free_name(scene: Scene) -> str:
    names = {thing.id for thing in scene.objects}
    return next(name for name in (f"chair-{number}" for number in range(1, 1000)) if name not in names)


def _rest_frame(stage: Stage) -> int:
    """Frame in which whoever falls has come to rest; 0 for who lay there from the start."""
    falls = [event.end_s for event in stage.clip.events if event.label == "fall" and event.person == 0]
    return min(round(max(falls, default=0.0) * stage.clip.fps), stage.clip.num_frames - 1)


def _frames_from(stage: Stage, first: int) -> np.ndarray:
    frames = np.zeros(stage.clip.num_frames, bool)
    frames[first:] = True
    return frames


def _start(
    stage: Stage, rng: np.random.Generator, inside: bool, body: Float[np.ndarray, "joint 2"], frames: np.ndarray
) -> tuple[tuple[float, float], int]:
    """Where somebody starts, and in which frame: at the door, or at a free place 1.3 to 3.2 m from the person."""
    if not inside:
        if stage.entrance is None:
            raise _refused("a door", "none")
        return stage.entrance, 0
    whole = stage.joints[0][np.isfinite(stage.joints[0]).all(axis=(1, 2))][..., :2].reshape(-1, 2)
    ways = Ways.of(stage.scene, stage.entrance or stage.scene.polygon[0], whole, keep_m=0.5)
    if ways is None:
        raise _refused("free floor for somebody to stand", "none")
    cells = ways.grid.points()[np.isfinite(ways.cost)]
    far = np.linalg.norm(cells[:, None] - body[None, ::3], axis=-1).min(axis=1)
    cells = cells[(far > 1.3) & (far < 3.2)]
    if not len(cells):
        raise _refused("free floor 1.3 to 3.2 m from the person", "none")
    spot = cells[int(rng.integers(len(cells)))]
    react = round(float(rng.uniform(*_REACTION_S)) * FPS)
    falls = [event.start_s for event in stage.clip.events if event.label == "fall" and event.person == 0]
    impact = float(stage.clip.attributes.get("impact_s", falls[0] + 0.8 if falls else 0.0))
    del frames
    return (float(spot[0]), float(spot[1])), round(impact * FPS) + react


def _first_spot(
    stage: Stage,
    body: Float[np.ndarray, "24 3"],
    target: Float[np.ndarray, "3"],
    distance: tuple[float, float],
    ways: Ways | None,
    rng: np.random.Generator,
    before: float | None = None,
) -> Float[np.ndarray, "2"]:
    """The place to stop with the shortest way, if given preferably within 75 degrees of where the person looks."""
    if ways is None:
        raise _refused("a free way to the person", "none")
    spots = stage.spots_around(target[:2], body[:, :2], distance, ways, rng)
    if before is not None:
        ahead = [s for s in spots if abs(math.remainder(heading_to(target[:2], s) - before, 2 * math.pi)) < 1.3]
        spots = ahead or spots
    if not spots:
        raise _refused("a free place beside the person", "none that can be reached")
    return spots[0]


def _visit(
    stage: Stage,
    ways: Ways | None,
    spot: Float[np.ndarray, "2"],
    target: Float[np.ndarray, "2"],
    deeds,
    event: tuple[str, str] | None,
    first: int,
    hurry: bool,
    rng: np.random.Generator,
    not_before: int,
) -> Visit:
    """The visit, begun so that it ends in time: whoever comes too late is met on the way or comes in earlier."""
    path = ways.to(spot) if ways is not None else None
    if path is None:
        raise _refused("a way to the person", "none")
    haste = _HURRY if hurry else float(rng.uniform(0.9, 1.15))
    speed = 1.15 * haste
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    walk_s = float(steps.sum()) / speed + 1.6
    deeds_s = 3.6 if event is not None else 2.5
    most = LONGEST_FRAMES / FPS
    if not can_wait(stage.clip):
        most = stage.clip.seconds
    if hurry:
        spare = most - first / FPS - walk_s - 2.6
        if spare < 0.0:
            raise _refused("time to hurry there", f"{-spare:.1f} s too little")
        return Visit(spot, heading_to(spot, target), path, deeds, event, first, False, haste, not_before)
    # Not there before the person is at rest, and done before the clip must end.
    earliest = max(not_before / FPS - walk_s + 0.3, 0.0)
    latest = most - walk_s - deeds_s
    if latest < earliest:
        # Seen from when the person is on the way already.
        cut = (earliest - latest) * speed
        along = np.concatenate([[0.0], np.cumsum(steps)])
        if cut > along[-1] - 0.8:
            raise _refused("time to come and act", f"{earliest - latest:.1f} s too little")
        path = path[along >= cut]
        latest = earliest
    begin = round(FPS * float(rng.uniform(earliest, min(latest, earliest + 1.5))))
    return Visit(spot, heading_to(spot, target), path, deeds, event, begin, True, haste, not_before)


def _came(visit: Visit) -> str:
    return "walks in from the door" if visit.enters else "walks up"


def _front(stage: Stage) -> float | None:
    """Where the person looks at the end, angle from +x; None for who lies."""
    if stage.state() in ("lying", "fallen"):
        return None
    body = np.nanmedian(stage.at_end(), axis=0)
    left = body[16, :2] - body[17, :2]
    return math.atan2(-left[0], left[1])


def _is_before(stage: Stage, spot: Float[np.ndarray, "2"]) -> bool:
    front = _front(stage)
    head = np.nanmedian(stage.at_end(), axis=0)[15, :2]
    return front is not None and abs(math.remainder(heading_to(head, spot) - front, 2 * math.pi)) < 0.8


def _bed_under(stage: Stage) -> SceneObject:
    pelvis = stage.at_end()[:, 0]
    bed = carrier_of(stage.scene, pelvis)
    if bed is None or bed.kind != "bed":
        raise _refused("the person to be in bed", f"them on {bed.kind if bed else 'no furniture'}")
    return bed


def _refused(expected: str, got: str) -> UserError:
    return UserError(f"Expected {expected} for this encounter, but got {got}. Take another room, place or clip.")


def hurry_to(stage: Stage, gait: Gait, rng: np.random.Generator) -> Encounter:
    """Staff in the room react to a fall: hurry over and kneel."""
    return kneel_beside(stage, gait, rng, hurry=True)


def visit_standing(stage: Stage, gait: Gait, rng: np.random.Generator) -> Encounter:
    """A visitor comes and stands by the person."""
    return stand_by(stage, gait, rng, role="visitor")


# By what the first person does at the end of their clip: kinds with how often they are tried.
KINDS: Final[Mapping[str, tuple[tuple[str, Maker, float], ...]]] = MappingProxyType(
    {
        "fallen": (("kneel_beside", kneel_beside, 0.5), ("hurry_to", hurry_to, 0.35), ("stand_by", stand_by, 0.15)),
        "lying": (("bend_over", bend_over, 0.5), ("visitor_sits", visitor_sits, 0.25), ("walk_past", walk_past, 0.25)),
        "sitting": (
            ("stand_by", stand_by, 0.5),
            ("visit_standing", visit_standing, 0.2),
            ("walk_past", walk_past, 0.3),
        ),
        "standing": (
            ("stand_by", stand_by, 0.5),
            ("visit_standing", visit_standing, 0.2),
            ("walk_past", walk_past, 0.3),
        ),
        "walk": (("walk_beside", walk_beside, 0.7), ("walk_past", walk_past, 0.3)),
        "helped": (("give_hands", give_hands, 1.0),),
    }
)
