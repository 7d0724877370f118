"""From a situation in a room to what the sampler takes: tokens that are known, constraints, and wishes."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.clips import OMNIFALL_ID, Clip, PersonInfo, load_clip
from carescene.humans.body import Body
from carescene.humans.skeleton import JOINT
from carescene.scenes.scene import Scene
from carescene.situations.bystanders import with_bystanders
from carescene.situations.casting import cast_people
from carescene.situations.consistency import refuse_at
from carescene.situations.plan import PersonPlan, Plan, plan_situation
from carescene.situations.situation import Situation
from carescene.situations.things import Room, Spot
from carescene.situations.vocabulary import facts_of
from carescene.situations.wording import text_for
from diffusion.asking.frame import Frame, frame_of_motion
from diffusion.asking.lying import side_targets
from diffusion.objects import DEFAULT_SLOTS, encode_scene
from diffusion.representation import EVENT_CLASSES, MOTION_FEATURES, encode_motion
from diffusion.steering import Constraint, Energy, HeightRange, JointTarget, Keyframe, PelvisHeight, RootPoint
from diffusion.steering import LookAt as LookEnergy
from diffusion.steering import Reach as ReachEnergy
from diffusion.world import BETAS, OBJECT_FEATURES, PRESENT, ROLES, Given, World

# From a pelvis that is asked for to where somebody who lies on the floor may be higher: heads rest on arms.
_HEAD_ON_FLOOR_M: Final = 0.45
_NECK_FROM_PELVIS_M: Final = 0.47


@dataclass
class Asked:
    """One clip, ready to be sampled; all places in the model's world.

    Attributes:
        frame: where the model's world lies in the room.
        scene: the room, in its own coordinates; None without a room, or if the room itself is sampled.
        known, given: values and which tokens they are, for one clip `(1, ...)`.
        there: frames in which each person is in the room.
        object_mask: slots of things that take part.
        infos, rest_joints: of each person.
        plan: places and times in the room's coordinates.
        held: first frames whose motion is known, whole tokens or not, because an earlier stage made them.
        rests: first frames in which each person rests, where labels alone do not tell.
    """

    text: str
    frames: int
    fps: float | int
    seed: int
    situation: Situation
    plan: Plan
    scene: Scene | None
    frame: Frame
    roles: list[int]
    there: Bool[Tensor, "person frame"]
    known: World
    given: Given
    object_mask: Bool[Tensor, "object"]
    constraints: list[Constraint]
    energies: list[Energy]
    infos: list[PersonInfo]
    rest_joints: list[Float[Tensor, "24 3"]]
    requested: list[dict] = field(default_factory=list)
    held: int = 0
    rests: Int[Tensor, "person"] | None = None

    @property
    def persons(self) -> int:
        """Number of people."""
        return len(self.infos)

    @property
    def patch(self) -> int:
        """Frames of one token."""
        return self.known.motion.shape[2] // self.given.motion.shape[2]


def compile_situation(
    situation: Situation,
    scene: Scene | None,
    seed: int,
    *,
    body: Body,
    fps: float | int = 20.0,
    patch: int = 4,
    sample_room: bool = False,
    slots: int = DEFAULT_SLOTS,
) -> Asked:
    """Everything the sampler needs for one clip of a situation; the same seed gives the same.

    Args:
        scene: the room in its own coordinates, or None.
        seed: chooses places, people and noise.
        body: the body model of the clip.
        patch: frames of one token.
        sample_room: leave the room to the model (then `scene` is None).
        slots: for things of the room.

    Raises:
        UserError: one sentence with the line, for what cannot be in this room.
    """
    plan = with_bystanders(situation, plan_situation(situation, scene, seed))
    people = cast_people(situation, seed)
    betas = torch.from_numpy(np.stack([shape for _, shape in people]))
    played = _played(situation)
    for person, clip in played.items():
        betas[person] = torch.from_numpy(clip.betas[situation.people[person].take])
    rest = list(body.rest_joints(betas))
    frames = round(float(situation.seconds) * fps)
    padded = -(-frames // patch) * patch
    frame = _frame(situation, plan, played)
    known, given = nothing_known(len(people), padded, patch, slots if plan.scene is not None or sample_room else 0)
    known = known._replace(shape=betas[None])
    given = given._replace(shape=torch.ones_like(given.shape))
    there = torch.zeros(len(people), padded, dtype=torch.bool)
    for person, one in enumerate(plan.persons):
        there[person, round(one.since_s * fps) : frames] = True
        fill_labels(known, given, person, one, fps, patch, frames)
    for person, clip in played.items():
        _put_motion(known, given, person, clip, situation.people[person].take, frame, rest[person], frames, fps)
    object_mask = torch.zeros(known.objects.shape[1], dtype=torch.bool)
    if plan.scene is not None:
        objects = encode_scene(plan.scene, frame.angle, (frame.x, frame.y), slots, _paths(plan))
        known = known._replace(objects=objects[None])
        present = objects[:, PRESENT.start] > 0
        object_mask = present.clone()
        given = given._replace(objects=present[None])
    elif sample_room:
        object_mask[:] = True
    asked = Asked(
        text=situation.text or text_for(situation, [info for info, _ in people]),
        frames=frames,
        fps=fps,
        seed=seed,
        situation=situation,
        plan=plan,
        scene=plan.scene,
        frame=frame,
        roles=[ROLES.index(info.role) if info.role in ROLES else 0 for info, _ in people],
        there=there,
        known=known,
        given=given,
        object_mask=object_mask,
        constraints=[],
        energies=[],
        infos=[info for info, _ in people],
        rest_joints=rest,
    )
    constrain(asked, set(played))
    _wish(asked)
    return asked


# --------------------------------------------------------------------------------------------------- known tokens


def nothing_known(persons: int, frames: int, patch: int, slots: int) -> tuple[World, Given]:
    """Values and flags of one clip in which no token is given; `frames` are whole patches."""
    tokens = frames // patch
    known = World(
        torch.zeros(1, persons, frames, MOTION_FEATURES),
        torch.zeros(1, persons, frames, EVENT_CLASSES),
        torch.zeros(1, persons, BETAS),
        torch.zeros(1, slots, OBJECT_FEATURES),
    )
    given = Given(
        torch.zeros(1, persons, tokens, dtype=torch.bool),
        torch.zeros(1, persons, tokens, dtype=torch.bool),
        torch.zeros(1, persons, dtype=torch.bool),
        torch.zeros(1, slots, dtype=torch.bool),
    )
    return known, given


def fill_labels(
    known: World, given: Given, person: int, plan: PersonPlan, fps: float | int, patch: int, frames: int
) -> None:
    """Fill the event channel where labels are known; a token is given if all of its frames are."""
    filled = torch.zeros(known.event.shape[2], dtype=torch.bool)
    for span in plan.labels:
        first, last = round(span.from_s * fps), min(round(span.to_s * fps), frames)
        known.event[0, person, first:last] = 0.0
        known.event[0, person, first:last, OMNIFALL_ID[span.label]] = 1.0
        filled[first:last] = True
    # What is past the end, or before somebody comes, does not hold a token back.
    start = round(plan.since_s * fps)
    filled[frames:] = True
    any_known = filled.clone()
    any_known[frames:] = False
    filled[:start] = True
    given.event[0, person] = filled.unflatten(0, (-1, patch)).all(-1) & any_known.unflatten(0, (-1, patch)).any(-1)


def _played(situation: Situation) -> dict[int, Clip]:
    clips = {}
    for number, person in enumerate(situation.people):
        if person.motion is None:
            continue
        clip = load_clip(Path(person.motion))
        if person.take >= clip.num_persons:
            refuse_at(
                situation,
                f"persons[{number}].take",
                f"a person of 0 to {clip.num_persons - 1} in clip '{clip.id}'",
                f"{person.take}",
                "choose another",
            )
        clips[number] = clip
    return clips


def _put_motion(
    known: World,
    given: Given,
    person: int,
    clip: Clip,
    take: int,
    frame: Frame,
    rest: Float[Tensor, "24 3"],
    frames: int,
    fps: float | int,
) -> None:
    """Give the motion of somebody who is played from a clip, as far as it lasts; whole tokens only."""
    at = np.round(np.arange(frames) / fps * clip.fps).astype(int)
    at = at[at < clip.num_frames]
    at = at[: int(np.argmin(clip.valid[take, at])) or len(at)] if not clip.valid[take, at].all() else at
    poses, trans = (torch.from_numpy(values[take, at]).double() for values in (clip.poses, clip.trans))
    poses, trans = frame.moved_into(poses, trans)
    label = torch.from_numpy(clip.frame_label[take, at].astype(np.int64))
    features = encode_motion(poses, trans, label, rest.double()).float()
    count = len(at)
    known.motion[0, person, :count] = features[:, :MOTION_FEATURES]
    patch = known.motion.shape[2] // given.motion.shape[2]
    # A last token that the clip's end cuts is padding behind it.
    whole = count // patch if count < frames else given.motion.shape[2]
    given.motion[0, person, :whole] = True
    if bool((label >= 0).all()):
        known.event[0, person, :count] = features[:, MOTION_FEATURES:]
        given.event[0, person, :whole] = True


def _frame(situation: Situation, plan: Plan, played: dict[int, Clip]) -> Frame:
    if 0 in played:
        take = situation.people[0].take
        return frame_of_motion(played[0].poses[take, 0], played[0].trans[take, 0])
    start = plan.persons[0].start
    return Frame() if start is None else Frame(start.x, start.y, start.facing or 0.0)


def _paths(plan: Plan) -> Float[np.ndarray, "point 2"]:
    points = [[point.spot.x, point.spot.y] for person in plan.persons for point in person.points]
    return np.array(points) if points else np.zeros((0, 2))


# ---------------------------------------------------------------------------------------------------- constraints


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


# --------------------------------------------------------------------------------------------------------- wishes


def _wish(asked: Asked) -> None:
    """What is met as well as possible: looks, reaches, and heads on the floor after a fall."""
    situation, seconds = asked.situation, asked.frames / asked.fps
    for event in situation.events:
        falls = facts_of(event.ward_event, event.label).is_fall
        if falls and event.onset_s is not None:
            longest = float(facts_of(event.ward_event, event.label).longest_s)
            rest = float(event.end_s) if event.end_s is not None else float(event.onset_s) + longest
            if rest < seconds - 0.2:
                asked.energies.append(
                    HeightRange(person=event.person, joint="head", start_s=rest, highest_m=_HEAD_ON_FLOOR_M)
                )
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
