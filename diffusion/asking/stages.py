"""Nobody knows what is coming: what happens before an event is sampled first, without a word of it, and then given.

A model that hears of a fall at 3 s leans and dips long before, because it averages over when falls begin. So a clip is
sampled in stages: up to the last onset with the text and the labels of what is before, then the rest, which begins with
those frames as they are.

    stage 1   [ stands ................ ]                 "an old man stands"
    stage 2   [ given ..........][ fall, fallen ......]   "an old man loses his balance and falls"
"""

import dataclasses
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.situations.situation import EventRequest
from carescene.situations.vocabulary import facts_of
from carescene.situations.wording import text_for
from diffusion.asking.asked import Asked
from diffusion.asking.joining import fade
from diffusion.process import expand_levels

# The model has seen no clips shorter than a second.
_SHORTEST_S: Final = 1.2
# What differs at the seam fades in this time: longer would hold back a fall, shorter would jerk.
_FADES_S: Final = 0.35
# Where the pelvis is above the floor plan, among the features of motion.
_WAY: Final = slice(0, 2)
# How those who rest before they fall upright come to their feet.
_RISES: Final = {"lying": "bed_exit", "sitting": "chair_rise"}


def onset_frames(asked: Asked) -> tuple[int, ...]:
    """The frames in which events of a clip begin, in order; those in the first token do not count."""
    frames = {
        round(float(event.onset_s) * asked.fps)
        for event in asked.situation.events
        if event.onset_s is not None and asked.situation.people[event.person].motion is None
    }
    return tuple(sorted(frame for frame in frames if asked.patch <= frame < asked.frames))


def first_stage(asked: Asked) -> Asked | None:
    """What happens before the last onset, as a clip of its own; None where nothing begins.

    A little longer than that, so that nobody slows down for the end of the clip.
    """
    if not onset_frames(asked):
        return None
    cut = onset_frames(asked)[-1]
    patch = asked.patch
    frames = min(max(cut + patch, round(_SHORTEST_S * asked.fps)), asked.frames)
    tokens = -(-frames // patch)
    padded = tokens * patch
    event, event_given = _labels_before(asked, cut, tokens)
    known = asked.known._replace(motion=asked.known.motion[:, :, :padded], event=event)
    given = asked.given._replace(motion=asked.given.motion[:, :, :tokens], event=event_given)
    there = asked.there[:, :padded].clone()
    there[:, frames:] = False
    until = cut / asked.fps
    request = dataclasses.replace(
        asked.situation, text=None, events=_events_before(asked, cut), seconds=frames / asked.fps
    )
    return dataclasses.replace(
        asked,
        text=text_for(request, asked.infos),
        frames=frames,
        seed=int(np.random.SeedSequence([asked.seed, cut]).generate_state(1, np.uint32)[0]),
        situation=request,
        there=there,
        known=known,
        given=given,
        constraints=[each for each in asked.constraints if _frame(each, asked) <= cut],
        energies=[each for each in asked.energies if getattr(each, "start_s", 0.0) < until],
        rests=None if asked.rests is None else torch.where(asked.rests >= cut, padded, 0),
    )


def next_stage(asked: Asked, motion: Float[Tensor, "person frame 201"]) -> Asked:
    """The whole clip, with everything before the last onset as it was sampled.

    Args:
        motion: of the first stage, metres.
    """
    cut = onset_frames(asked)[-1]
    whole = cut // asked.patch
    known = asked.known.motion.clone()
    free = ~expand_levels(asked.given.motion[0], asked.patch)[:, :cut, None]
    known[0, :, :cut] = torch.where(free, motion[:, :cut].to(known), known[0, :, :cut])
    given = asked.given.motion.clone()
    given[0, :, :whole] |= asked.there.unflatten(-1, (-1, asked.patch)).any(-1)[:, :whole]
    return dataclasses.replace(
        asked,
        known=asked.known._replace(motion=known),
        given=asked.given._replace(motion=given),
        constraints=[each for each in asked.constraints if _frame(each, asked) >= cut],
        held=cut,
        # What rested until now is given; only those who rest beyond are held on.
        rests=None if asked.rests is None else torch.where(asked.rests > cut, asked.rests, 0),
    )


def hold_beginning(
    motion: Float[Tensor, "batch person frame 201"],
    known: Float[Tensor, "batch person frame 201"],
    there: Tensor,
    held: int,
    fps: float | int,
) -> Float[Tensor, "batch person frame 201"]:
    """Motion that begins as it is known and goes on from there at the speed it had.

    The whole way after the seam moves to where the person is; what differs in posture and height fades (see `joining`).
    """
    if held < 2:
        return motion
    past = known[:, :, :held].to(motion)
    begun = there[:, :, held - 2 : held].all(-1).to(motion.device)[..., None, None]
    miss = (2 * past[:, :, -1] - past[:, :, -2] - motion[:, :, held])[:, :, None]
    time = np.arange(motion.shape[2] - held) / float(fps) / _FADES_S
    left = torch.from_numpy(fade(time)).to(motion)[:, None].repeat(1, motion.shape[-1])
    left[:, _WAY] = 1.0
    rest = motion[:, :, held:] + torch.where(begun, left * miss, 0.0)
    return torch.cat((torch.where(there[:, :, :held, None].to(motion.device), past, motion[:, :, :held]), rest), dim=2)


def _labels_before(asked: Asked, cut: int, tokens: int) -> tuple[Tensor, Tensor]:
    """Labels of the first stage: from the onset on everybody goes on with what they did."""
    last = (cut - 1) // asked.patch
    event = asked.known.event[:, :, : tokens * asked.patch].clone()
    event[:, :, cut:] = event[:, :, cut - 1 : cut]
    given = asked.given.event[:, :, :tokens].clone()
    given[:, :, last:] = given[:, :, last : last + 1]
    return event, given


def _events_before(asked: Asked, cut: int) -> tuple[EventRequest, ...]:
    """What is said of the first stage: earlier events, and how people rise who will fall from their feet."""
    earlier, later = [], []
    for event in asked.situation.events:
        begins = None if event.onset_s is None else round(float(event.onset_s) * asked.fps)
        (later if begins is None or begins >= cut else earlier).append(event)
    busy = {event.person for event in earlier}
    for event in later:
        plan = asked.plan.persons[event.person]
        upright = any(
            span.label == "standing" and span.to_s * asked.fps >= cut - 1
            for span in plan.labels
            if span.from_s * asked.fps < cut
        )
        rises = facts_of(event.ward_event, event.label).is_fall and upright and plan.state in _RISES
        if rises and event.person not in busy and plan.state is not None:
            earlier.append(EventRequest(person=event.person, ward_event=_RISES[plan.state]))
        elif event.onset_s is None and event.person not in busy:
            earlier.append(event)
    return tuple(earlier)


def _frame(constraint: object, asked: Asked) -> int:
    return round(float(getattr(constraint, "time_s", getattr(constraint, "start_s", 0.0))) * asked.fps)
