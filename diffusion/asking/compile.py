"""From a situation in a room to what the sampler takes: tokens that are known, constraints, and wishes."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.clips import Clip, load_clip
from carescene.humans.body import Body
from carescene.scenes.scene import Scene
from carescene.situations.bystanders import with_bystanders
from carescene.situations.casting import cast_people
from carescene.situations.consistency import refuse_at
from carescene.situations.plan import Plan, plan_situation
from carescene.situations.situation import Situation
from carescene.situations.wording import text_for
from diffusion.asking.asked import Asked
from diffusion.asking.frame import Frame, frame_of_motion
from diffusion.asking.known_tokens import fill_labels, give_motion, give_room
from diffusion.asking.stillness import resting_frames
from diffusion.asking.wishes import constrain, wish
from diffusion.objects import DEFAULT_SLOTS
from diffusion.process import expand_levels
from diffusion.representation import encode_motion
from diffusion.world import ROLES, Given, World, nothing_known


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
    things = slots if plan.scene is not None or sample_room else 0
    known, given = nothing_known(1, len(people), padded, things, patch=patch)
    known = known._replace(shape=betas[None])
    given = given._replace(shape=torch.ones_like(given.shape))
    there = torch.zeros(len(people), padded, dtype=torch.bool)
    for person, one in enumerate(plan.persons):
        there[person, round(one.since_s * fps) : frames] = True
        fill_labels(known, given, person, one, fps, patch, frames)
    for person, clip in played.items():
        _play(known, given, person, clip, situation.people[person].take, frame, rest[person], frames, fps)
    object_mask = torch.full((things,), sample_room)
    if plan.scene is not None:
        known, given, object_mask = give_room(known, given, plan.scene, frame, _paths(plan))
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
    asked.rests = _resting(asked)
    constrain(asked, set(played))
    wish(asked)
    return asked


def _resting(asked: Asked) -> Int[Tensor, "person"]:
    """First frames in which each person rests: until something happens, or all of them."""
    frames = slice(0, asked.frames)
    labelled, moved = (
        expand_levels(mask[0], asked.patch)[:, frames] for mask in (asked.given.event, asked.given.motion)
    )
    counts = resting_frames(asked.known.event[0][:, frames], labelled, moved)
    return torch.where(torch.tensor([plan.still for plan in asked.plan.persons]), asked.frames, counts)


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


def _play(
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
    patch = known.motion.shape[2] // given.motion.shape[2]
    # A last token that the clip's end cuts is padding behind it.
    tokens = len(at) // patch if len(at) < frames else given.motion.shape[2]
    give_motion(known, given, person, encode_motion(poses, trans, label, rest.double()).float(), tokens)


def _frame(situation: Situation, plan: Plan, played: dict[int, Clip]) -> Frame:
    if 0 in played:
        take = situation.people[0].take
        return frame_of_motion(played[0].poses[take, 0], played[0].trans[take, 0])
    start = plan.persons[0].start
    return Frame() if start is None else Frame(start.x, start.y, start.facing or 0.0)


def _paths(plan: Plan) -> Float[np.ndarray, "point 2"]:
    points = [[point.spot.x, point.spot.y] for person in plan.persons for point in person.points]
    return np.array(points) if points else np.zeros((0, 2))
