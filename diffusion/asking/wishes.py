"""What is asked of a clip: places, heights and facings as exact constraints, looks, reaches and rest as energies."""

import math
from pathlib import Path
from typing import Final

import numpy as np
import torch

from carescene.clips import load_clip
from carescene.humans.skeleton import JOINT
from carescene.situations.consistency import refuse_at
from carescene.situations.situation import Situation
from carescene.situations.things import Room, Spot
from carescene.situations.vocabulary import facts_of
from diffusion.asking.asked import Asked
from diffusion.asking.lying import side_targets
from diffusion.steering import Constraint, JointTarget, Keyframe, LieLow, PelvisHeight, RootPoint
from diffusion.steering import LookAt as LookEnergy
from diffusion.steering import Reach as ReachEnergy

_NECK_FROM_PELVIS_M: Final = 0.47
# After a fall is over by its labels, nobody holds anything up any more.
_RESTS_S: Final = 0.5


def constrain(asked: Asked, played: set[int]) -> None:
    """Places, heights and facings of the plan, and what the situation itself asks for, as exact constraints."""
    last = (asked.frames - 1) / asked.fps
    for person, plan in enumerate(asked.plan.persons):
        if person in played:
            continue
        taken: set[int] = set()
        for point in plan.points:
            at = min(point.at_s, last)
            number = round(at * asked.fps)
            if number in taken:
                continue
            taken.add(number)
            x, y = asked.frame.into(point.spot.x, point.spot.y)
            asked.constraints.append(RootPoint(person, at, x, y))
            if point.spot.z is not None:
                asked.constraints.append(PelvisHeight(person, at, point.spot.z))
            if point.spot.pose is not None:
                _face(asked, person, at, point.spot, point.spot.pose)
        if plan.start is not None and plan.start.pose is None:
            _face(asked, person, plan.since_s, plan.start, plan.state)
        onset = _onset(asked.situation, person)
        begin = next((p for p in plan.points if onset is not None and abs(p.at_s - onset) < 1e-6 and p.at_s > 0), None)
        if begin is not None and begin.spot.pose is None and plan.state != "walking":
            _face(asked, person, begin.at_s, begin.spot, "standing")
        for event in asked.situation.events:
            if event.person == person:
                asked.constraints += side_targets(event, plan, asked.rest_joints[person], asked.frames / asked.fps)
    _own_constraints(asked)


def _own_constraints(asked: Asked) -> None:
    """Those written in the situation; kept for the report as they were asked."""
    wishes, last = asked.situation.constraints, (asked.frames - 1) / asked.fps

    def note(person: int, kind: str, at: float | int, value: list, joint: str | None = None) -> None:
        asked.requested.append({"person": person, "kind": kind, "joint": joint, "time_s": at, "value": value})

    for point in wishes.path:
        at = min(float(point.at_s), last)
        _drop(asked, point.person, at)
        asked.constraints.append(RootPoint(point.person, at, *asked.frame.into(float(point.x), float(point.y))))
        note(point.person, "pelvis_xy", at, [float(point.x), float(point.y)])
    for target in wishes.joints:
        at = min(float(target.at_s), last)
        axes = [None if value is None else float(value) for value in (target.x, target.y, target.z)]
        _joint_constraint(asked, target.person, at, target.joint, axes)
        note(target.person, "joint", at, axes, target.joint)
    for key in wishes.keyframes:
        at = min(float(key.at_s), last)
        clip = load_clip(Path(key.clip))
        number = min(round(float(key.clip_s) * clip.fps), clip.num_frames - 1)
        take = min(key.take, clip.num_persons - 1)
        poses, trans = asked.frame.moved_into(
            torch.from_numpy(clip.poses[take, number : number + 1]).double(),
            torch.from_numpy(clip.trans[take, number : number + 1]).double(),
        )
        _drop(asked, key.person, at)
        asked.constraints.append(Keyframe(key.person, at, poses[0].numpy(), trans[0].numpy()))
        note(key.person, "pelvis", at, [float(value) for value in clip.trans[take, number]])


def _joint_constraint(asked: Asked, person: int, at: float | int, joint: str, axes: list[float | None]) -> None:
    x, y, z = axes
    if (x is None) != (y is None):
        # One axis of the room is a mixture of two in the model's world, unless the two are parallel.
        turned = math.remainder(asked.frame.angle, math.pi / 2)
        if abs(turned) > 1e-6:
            refuse_at(
                asked.situation,
                "constraints.joints",
                "x and y of a joint together",
                "one of them, for somebody who starts at an angle to the room",
                "give both or neither",
            )
    if x is not None and y is not None:
        x, y = asked.frame.into(x, y)
    if joint == "pelvis" and x is not None and y is not None:
        _drop(asked, person, at)
    asked.constraints.append(JointTarget(person, at, joint, x, y, z))


def _drop(asked: Asked, person: int, at: float | int) -> None:
    """The user's own wish replaces what the plan has for the same frame."""
    number = round(at * asked.fps)

    def same(each: Constraint) -> bool:
        return (
            isinstance(each, RootPoint | PelvisHeight | JointTarget)
            and each.person == person
            and round(float(each.time_s) * asked.fps) == number
        )

    asked.constraints = [each for each in asked.constraints if not same(each)]


def _face(asked: Asked, person: int, at: float | int, spot: Spot, state: str | None) -> None:
    """Turn somebody at a time: by the neck of who lies, by the hips of everybody else."""
    if spot.facing is None or state in (None, "fallen"):
        return
    x, y = asked.frame.into(spot.x, spot.y)
    angle = spot.facing - asked.frame.angle
    ahead = np.array([-math.sin(angle), math.cos(angle)])
    rest = asked.rest_joints[person]
    if state == "lying":
        neck = float((rest[JOINT["neck"]] - rest[JOINT["pelvis"]]).norm()) or _NECK_FROM_PELVIS_M
        place = np.array([x, y]) - neck * ahead
        asked.constraints.append(JointTarget(person, at, "neck", float(place[0]), float(place[1])))
        return
    # Rest joints are y up and face +z, left is +x.
    hip = rest[JOINT["left_hip"]] - rest[JOINT["pelvis"]]
    left = np.array([-ahead[1], ahead[0]])
    place = np.array([x, y]) + float(hip[0]) * left + float(hip[2]) * ahead
    asked.constraints.append(JointTarget(person, at, "left_hip", float(place[0]), float(place[1])))


def _onset(situation: Situation, person: int) -> float | None:
    times = [event.onset_s for event in situation.events if event.person == person and event.onset_s is not None]
    return float(min(times)) if times else None


def wish(asked: Asked) -> None:
    """What is met as well as possible: looks, reaches, and rest on the floor after a fall."""
    situation = asked.situation
    for event in situation.events:
        facts = facts_of(event.ward_event, event.label)
        lies = next((span for span in asked.plan.persons[event.person].labels if span.label == "fallen"), None)
        # Who slides down may well sit on the floor.
        if not facts.is_fall or facts.cause == "slide" or event.onset_s is None or lies is None:
            continue
        begin, end = float(lies.from_s) + _RESTS_S, float(lies.to_s)
        if begin < end - 0.2:
            asked.energies.append(LieLow(person=event.person, start_s=begin, end_s=end))
    wishes = situation.constraints
    for at, look in enumerate(wishes.look_at):
        end = None if look.to_s is None else float(look.to_s)
        if isinstance(look.at, int):
            energy = LookEnergy(person=look.person, start_s=float(look.from_s), end_s=end, other=look.at)
        else:
            point = _point(asked, look.at, f"constraints.look_at[{at}].at", look.person, float(look.from_s))
            energy = LookEnergy(person=look.person, start_s=float(look.from_s), end_s=end, at=point)
        asked.energies.append(energy)
    for at, reach in enumerate(wishes.reach):
        point = _point(asked, reach.object, f"constraints.reach[{at}].object", reach.person, float(reach.at_s))
        when = float(reach.at_s)
        asked.energies.append(
            ReachEnergy(person=reach.person, start_s=when, end_s=when + 0.1, joint=f"{reach.hand}_wrist", at=point)
        )


def _point(asked: Asked, name: str, path: str, person: int, at_s: float | int) -> tuple[float, float, float]:
    """The middle of a thing's top, in the model's world; of several things the nearest to where somebody is then."""
    if asked.scene is None:
        refuse_at(asked.situation, path, "a room", "no scene", "add scene: ward_single")
    things = Room(asked.scene, asked.situation).things(name, path)
    points = asked.plan.persons[person].points
    here = min(points, key=lambda p: abs(p.at_s - at_s)).spot if points else Spot(asked.frame.x, asked.frame.y)
    thing = min(things, key=lambda t: math.hypot(t.center[0] - here.x, t.center[1] - here.y))
    x, y = asked.frame.into(thing.center[0], thing.center[1])
    return x, y, thing.center[2]
