"""Compiled situations through the model, and its worlds back to clips in their rooms."""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene import __version__
from carescene.clips import Clip, Generator, load_clip
from carescene.scenes import SceneGeometry, scene_to_dict
from carescene.situations.clauses import own_texts
from diffusion.asking.asked import Asked
from diffusion.asking.requests import requested_of
from diffusion.asking.settling import settled, touched_room
from diffusion.asking.stages import first_stage, hold_beginning, next_stage, onset_frames
from diffusion.asking.stillness import hold_still, resting_frames
from diffusion.chain import Steer
from diffusion.generator import MotionGenerator
from diffusion.guided import OwnText
from diffusion.process import expand_levels
from diffusion.representation import decode_motion
from diffusion.sampler import SamplerConfig
from diffusion.steering import (
    ClipConstraints,
    Energy,
    KeepApart,
    StayClear,
    StayInside,
    Steering,
    compile_constraints,
    finish,
)
from diffusion.world import Given, World

# Share of the sampling steps that the time before an onset gets.
_STEPS_BEFORE: Final = 0.6

# Who rested gets from the place of rest to where the movement is in this time.
_GETS_GOING_S: Final = 0.35


@dataclass(frozen=True)
class Settings:
    """How to sample a situation.

    Attributes:
        sampler: rule, steps and guidance weights.
        energies: weight of keeping clear of furniture, walls and other people; 0 leaves that to the model.
        cleanup: smooth jitter, hold standing feet in place, and meet all constraints on the finished bodies.
    """

    sampler: SamplerConfig
    energies: float | int = 1.0
    cleanup: bool = True


def sample_asked(
    generator: MotionGenerator,
    batch: Sequence[Asked],
    settings: Settings,
    progress: Callable[[int, int], object] | None = None,
) -> World:
    """Sample clips together: all with the same `batch_key`.

    Clips in which something begins are sampled in stages (see `stages`).

    Args:
        progress: called with (steps done, steps in all) of the last stage.

    Raises:
        UserError: for constraints that contradict each other, or weights that make numbers explode.
    """
    begun = [stage for asked in batch if (stage := first_stage(asked)) is not None]
    if begun:
        past = sample_asked(generator, begun, before_settings(settings)).motion
        batch = [next_stage(asked, motion) for asked, motion in zip(batch, past, strict=True)]
    return _sample(generator, batch, settings, progress)


def before_settings(settings: Settings) -> Settings:
    """How what is before an onset is sampled: in fewer steps, because people at rest or on their way take fewer."""
    steps = max(math.ceil(_STEPS_BEFORE * settings.sampler.steps), 1)
    return dataclasses.replace(settings, sampler=dataclasses.replace(settings.sampler, steps=steps))


def _sample(
    generator: MotionGenerator,
    batch: Sequence[Asked],
    settings: Settings,
    progress: Callable[[int, int], object] | None,
) -> World:
    first = batch[0]
    there = torch.stack([asked.there for asked in batch])
    known = World(*(torch.cat(parts) for parts in zip(*(asked.known for asked in batch), strict=True)))
    given = Given(*(torch.cat(parts) for parts in zip(*(asked.given for asked in batch), strict=True)))
    text = generator.encoder.encode([asked.text for asked in batch])
    return generator.model.sample_world(
        text.tokens,
        text.mask,
        [asked.frames for asked in batch],
        [asked.seed for asked in batch],
        settings.sampler,
        persons=[asked.persons for asked in batch],
        roles=torch.tensor([asked.roles for asked in batch]),
        frame_mask=there,
        known=known,
        given=given,
        objects=first.known.objects.shape[1],
        object_mask=torch.stack([asked.object_mask for asked in batch]),
        own_text=_own_text(generator, batch),
        steer=_steer(batch, settings, known, there, float(generator.fps)),
        progress=progress,
    )


def _own_text(generator: MotionGenerator, batch: Sequence[Asked]) -> OwnText | None:
    """What each person does in words of its own; None for people alone."""
    if batch[0].persons == 1:
        return None
    texts = [text for asked in batch for text in own_texts(asked.situation, asked.infos)]
    encoded = generator.encoder.encode(texts)
    shape = (len(batch), batch[0].persons)
    return OwnText(encoded.tokens.unflatten(0, shape), encoded.mask.unflatten(0, shape))


def batch_key(asked: Asked) -> tuple:
    """Clips with the same key can be sampled together."""
    return (
        asked.frames,
        asked.persons,
        asked.known.objects.shape[1],
        onset_frames(asked),
        tuple(map(repr, asked.energies)),
    )


def compiled_of(asked: Asked) -> ClipConstraints:
    """The constraints of one clip as equations.

    Raises:
        UserError: for constraints that contradict each other.
    """
    return compile_constraints(
        asked.constraints,
        persons=asked.persons,
        frames=asked.frames,
        fps=asked.fps,
        rest_joints=asked.rest_joints,
        # Somebody who is given starts where the motion does, and who comes later starts nowhere.
        canonical=not bool(asked.given.motion[0, 0].any()) and bool(asked.there[0, 0]),
    )


def _given_frames(asked: Asked) -> Bool[Tensor, "person frame"]:
    given = expand_levels(asked.given.motion[0], asked.patch).clone()
    given[:, : asked.held] |= asked.there[:, : asked.held]
    return given


def _steer(batch: Sequence[Asked], settings: Settings, known: World, there: Tensor, fps: float) -> Steer:
    """Rest until the onset and an earlier stage first, then the constraints, which have the last word."""
    steering = _steering(batch, settings, there)
    counts, held = torch.stack([_resting(asked) for asked in batch]), batch[0].held

    def steer(world: World, progress: float) -> World:
        motion = hold_beginning(hold_still(world.motion, counts, fps), known.motion, there, held, fps)
        return steering(world._replace(motion=motion), progress)

    return steer


def _resting(asked: Asked) -> Int[Tensor, " person"]:
    if asked.rests is not None:
        return asked.rests
    frames = slice(0, asked.frames)
    labelled = expand_levels(asked.given.event[0], asked.patch)[:, frames]
    return resting_frames(asked.known.event[0][:, frames], labelled, _given_frames(asked)[:, frames])


def _steering(batch: Sequence[Asked], settings: Settings, there: Tensor) -> Steering:
    energies: list[Energy] = list(batch[0].energies)
    weight = settings.energies
    if weight > 0 and batch[0].persons > 1:
        energies.append(KeepApart(weight=weight))
    scenes = [asked.frame.scene_into(asked.scene) for asked in batch if asked.scene is not None]
    if weight > 0 and len(scenes) == len(batch):
        geometry = SceneGeometry.of(scenes)
        energies += [StayClear(weight=weight, geometry=geometry), StayInside(weight=weight, geometry=geometry)]
    given = torch.stack([_given_frames(asked) for asked in batch])
    return Steering([compiled_of(asked) for asked in batch], energies, given=given, there=there)


def to_clip(
    asked: Asked,
    motion: Float[Tensor, "person frame 201"],
    event: Float[Tensor, "person frame 16"],
    name: str,
    generator: MotionGenerator,
    settings: Settings,
) -> Clip:
    """One clip in its room, finished; people who come later are not there before."""
    frames, people, sampler = asked.frames, asked.persons, settings.sampler
    requested = requested_of(asked)
    poses = np.zeros((people, frames, 24, 3), np.float32)
    trans = np.zeros((people, frames, 3), np.float32)
    labels = np.full((people, frames), -1, np.int8)
    valid = asked.there[:, :frames].numpy()
    if settings.cleanup:
        done = finish(
            motion,
            compiled_of(settled(asked)),
            betas=asked.known.shape[0],
            scene=touched_room(asked),
            there=asked.there[:, :frames],
            given=_given_frames(asked)[:, :frames],
        )
        motion = done.motion
        if not requested["constraints"]:
            # Finishing holds feet and clears skin frame by frame, which shakes people who lie; what the user fixed at
            # a time is kept to the tenth of a millimetre instead.
            motion = hold_still(motion[None], _resting(asked)[None], asked.fps, fades_s=_GETS_GOING_S)[0]
    for person in range(people):
        since = int(np.argmax(valid[person]))
        channel = event[person, since:frames].double().cpu()
        features = torch.cat((motion[person, since:frames].double().cpu(), channel), dim=-1)
        posed, moved, label = decode_motion(features, asked.rest_joints[person].double())
        posed, moved = asked.frame.moved_out(posed, moved)
        poses[person, since:], trans[person, since:] = posed.float().numpy(), moved.float().numpy()
        labels[person, since:] = label.numpy()
    clip = Clip(
        id=name,
        fps=asked.fps,
        poses=poses,
        trans=trans,
        betas=asked.known.shape[0].numpy().astype(np.float32),
        frame_label=labels,
        valid=valid.copy(),
        text=[asked.text],
        persons=list(asked.infos),
        scene=None if asked.scene is None else scene_to_dict(asked.scene),
        attributes={"situation": asked.situation.name, "requested": json.dumps(requested)},
        generator=Generator(
            version=__version__,
            model_hash=generator.model_hash,
            seed=asked.seed,
            sampler=sampler.name,
            steps=sampler.steps,
            guidance=sampler.guidance,
        ),
    )
    _keep_played(asked, clip)
    return clip


def _keep_played(asked: Asked, clip: Clip) -> None:
    """People who are played from a clip are exactly as they are there, as far as they were given."""
    for person, request in enumerate(asked.situation.people):
        if request.motion is None:
            continue
        source = load_clip(Path(request.motion))
        count = min(int(asked.given.motion[0, person].sum()) * asked.patch, asked.frames)
        at = np.round(np.arange(count) / asked.fps * source.fps).astype(int)
        at = at[at < source.num_frames]
        clip.poses[person, : len(at)] = source.poses[request.take, at]
        clip.trans[person, : len(at)] = source.trans[request.take, at]
