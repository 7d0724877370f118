"""People who join a clip: made of recorded walks and key postures, then merged with whoever is there."""

import dataclasses
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip, Event, PersonInfo
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.humans.skeleton import JOINT, NUM_JOINTS

FPS: Final = 20.0
LONGEST_FRAMES: Final = 190
_STILL: Final = tuple(OMNIFALL_ID[name] for name in ("standing", "sitting", "lying", "fallen", "kneeling"))
# Breathing of people at rest: 12 to 18 a minute, some millimetres at the chest.
_BREATH_HZ: Final = (0.2, 0.3)
_BREATH_RAD: Final = np.radians(0.7)
_UNREST_RAD: Final = np.radians(2.0)


@dataclasses.dataclass(frozen=True)
class Actor:
    """One person from some frame of a clip on: local rotations, pelvis (metres), labels, and what happens when."""

    info: PersonInfo
    betas: Float[np.ndarray, "10"]
    rotations: Float[np.ndarray, "frame 24 3 3"]
    trans: Float[np.ndarray, "frame 3"]
    labels: np.ndarray
    start: int = 0
    events: tuple[Event, ...] = ()

    @property
    def end(self) -> int:
        """First frame of the clip after what the person does."""
        return self.start + len(self.trans)


def held(
    rotations: Float[np.ndarray, "24 3 3"], trans: Float[np.ndarray, "3"], frames: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "frame 24 3 3"], Float[np.ndarray, "frame 3"]]:
    """A pose kept by somebody who breathes and whose head is never quite still; begins exactly with it."""
    time = np.arange(frames) / FPS
    turns = np.zeros((frames, NUM_JOINTS, 3))
    rise = np.minimum(time / 0.8, 1.0)
    breath = np.sin(2 * np.pi * rng.uniform(*_BREATH_HZ) * time + 0.0) * _BREATH_RAD
    turns[:, JOINT["spine2"], 0] = -breath
    turns[:, JOINT["neck"], 0] = breath
    noise = gaussian_filter1d(rng.normal(size=(frames + 40, 3)), 12.0, axis=0)[20 : frames + 20]
    turns[:, JOINT["head"]] = _UNREST_RAD * 3 * noise * rise[:, None]
    extra = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(frames, NUM_JOINTS, 3, 3)
    return rotations[None] @ extra, np.repeat(trans[None], frames, axis=0)


def can_wait(clip: Clip, person: int = 0) -> bool:
    """Whether somebody is at rest at the end of a clip, so that the clip can be made longer."""
    frames = np.flatnonzero(clip.valid[person])
    if frames[-1] != clip.num_frames - 1 or int(clip.frame_label[person, frames[-1]]) not in _STILL:
        return False
    last = clip.trans[person, frames[-5:]]
    return bool(np.linalg.norm(np.diff(last, axis=0), axis=1).max() * clip.fps < 0.15)


def lengthened(clip: Clip, frames: int, rng: np.random.Generator) -> Clip:
    """The clip with everybody's last pose kept until it has this many frames; events that last to the end go on."""
    more = frames - clip.num_frames
    if more <= 0:
        return clip
    poses = np.zeros((clip.num_persons, more, NUM_JOINTS, 3), np.float32)
    trans = np.zeros((clip.num_persons, more, 3), np.float32)
    for person in range(clip.num_persons):
        local = Rotation.from_rotvec(clip.poses[person, -1].astype(np.float64)).as_matrix()
        rotations, trans[person] = held(local, clip.trans[person, -1].astype(np.float64), more, rng)
        vectors = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec()
        poses[person] = vectors.reshape(more, NUM_JOINTS, 3)
    end = clip.num_frames / clip.fps
    events = [
        dataclasses.replace(event, end_s=round(frames / clip.fps, 3)) if event.end_s > end - 0.1 else event
        for event in clip.events
    ]
    return dataclasses.replace(
        clip,
        poses=np.concatenate([clip.poses, poses], axis=1),
        trans=np.concatenate([clip.trans, trans], axis=1),
        frame_label=np.concatenate([clip.frame_label, np.repeat(clip.frame_label[:, -1:], more, axis=1)], axis=1),
        valid=np.concatenate([clip.valid, np.repeat(clip.valid[:, -1:], more, axis=1)], axis=1),
        events=events,
    )


def joined(clip: Clip, actors: list[Actor], rng: np.random.Generator) -> Clip:
    """The clip with further people; its own and theirs are kept in their last pose until all are done.

    People exist from their own first frame on. The clip is at most 9.5 s long.
    """
    frames = min(max([clip.num_frames, *(actor.end for actor in actors)]), LONGEST_FRAMES)
    clip = _cut(lengthened(clip, frames, rng), frames)
    count = clip.num_persons + len(actors)
    poses = np.zeros((count, frames, NUM_JOINTS, 3), np.float32)
    trans, betas = np.zeros((count, frames, 3), np.float32), np.zeros((count, 10), np.float32)
    labels, valid = np.full((count, frames), -1, np.int8), np.zeros((count, frames), bool)
    first = clip.num_persons
    poses[:first], trans[:first], betas[:first] = clip.poses, clip.trans, clip.betas
    labels[:first], valid[:first] = clip.frame_label, clip.valid
    events = list(clip.events)
    for person, actor in enumerate(actors, start=first):
        whole = _kept_to(actor, frames, rng)
        span = slice(whole.start, frames)
        vectors = Rotation.from_matrix(whole.rotations.reshape(-1, 3, 3)).as_rotvec()
        poses[person, span] = vectors.reshape(-1, NUM_JOINTS, 3)
        trans[person, span], betas[person] = whole.trans, whole.betas
        # Frames before somebody comes hold that first pose: no reader should meet numbers that mean nothing.
        poses[person, : whole.start], trans[person, : whole.start] = poses[person, whole.start], whole.trans[0]
        labels[person, span], valid[person, span] = whole.labels, True
        events += [
            dataclasses.replace(e, person=person, end_s=min(e.end_s, frames / FPS))
            for e in whole.events
            if e.start_s < frames / FPS
        ]
    persons = [*clip.persons, *(actor.info for actor in actors)]
    return dataclasses.replace(
        clip, poses=poses, trans=trans, betas=betas, frame_label=labels, valid=valid, events=events, persons=persons
    )


def _kept_to(actor: Actor, frames: int, rng: np.random.Generator) -> Actor:
    have = frames - actor.start
    if len(actor.trans) >= have:
        return dataclasses.replace(
            actor, rotations=actor.rotations[:have], trans=actor.trans[:have], labels=actor.labels[:have]
        )
    rotations, trans = held(actor.rotations[-1], actor.trans[-1], have - len(actor.trans), rng)
    return dataclasses.replace(
        actor,
        rotations=np.concatenate([actor.rotations, rotations]),
        trans=np.concatenate([actor.trans, trans]),
        labels=np.concatenate([actor.labels, np.repeat(actor.labels[-1:], len(trans))]),
    )


def _cut(clip: Clip, frames: int) -> Clip:
    if clip.num_frames <= frames:
        return clip
    events = [
        dataclasses.replace(event, end_s=min(event.end_s, frames / clip.fps))
        for event in clip.events
        if event.start_s < frames / clip.fps
    ]
    return dataclasses.replace(
        clip,
        poses=clip.poses[:, :frames],
        trans=clip.trans[:, :frames],
        frame_label=clip.frame_label[:, :frames],
        valid=clip.valid[:, :frames],
        events=events,
        pose_std=None,
        trans_std=None,
    )
