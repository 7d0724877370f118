"""What the ward recogniser learns from and is asked about: one person's joints, what carries them, and who is near."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.clips.clip import Clip, Event
from carescene.clips.taxonomy import UNKNOWN_LABEL, WARD_EVENTS
from carescene.evaluation.situation_checks import STATES
from carescene.evaluation.tracks import Track, tracks_of
from carescene.humans.skeleton import MIRROR, MODEL_JOINTS
from carescene.humans.skin_points import SkinPoints

# on bed, on seat, somebody else is there, their place in the own heading (forward, left), their pelvis' height,
# and how near the nearest joints are.
NUM_CONTEXT: Final = 7
_FAR_M: Final = 3.0  # further away, somebody else takes no part
DIRECTIONS: Final = ("forward", "backward", "left", "right", "down")
NO_EVENT: Final = "none"

# Actions of recorded clips that are ward events by another name. Gestures, runs and the like are `none`.
ACTION_EVENTS: Final[dict[str, str]] = {
    "sit_down": "chair_sit",
    "stand_up": "chair_rise",
    "sitting": "seated_chair",
    "lying": "in_bed_still",
    "reach": "turn_reach",
}


@dataclass(frozen=True)
class WardSample:
    """One person of one clip.

    Attributes:
        joints: metres in the world, 22 joints.
        context: see `NUM_CONTEXT`.
        frame_label: OmniFall-16 ids, -1 where not known.
        event: name of the ward event; `none` for recorded clips of anything else.
        onset: frame at which the event begins, -1 if it is not known or at the very start.
        direction: of a fall, index into `DIRECTIONS`; -1 if not known.
        name: id of the clip and number of the person.
    """

    joints: Float[Tensor, "frame 22 3"]
    context: Float[Tensor, "frame 7"]
    frame_label: Int[Tensor, "frame"]
    event: str
    onset: int
    direction: int
    name: str


def samples_of(clip: Clip, skin: SkinPoints | None = None) -> list[WardSample]:
    """One sample for each person of whom the clip says what happens; people without an event are left out.

    The event of a person is the one that the clip is named after (its action), else the first that is no mere state,
    else the first; for clips without events, it is the recorded action.

    Raises:
        UserError: a damaged scene, or nobody there for four frames.
    """
    tracks = tracks_of(clip, skin)
    samples = []
    for track in tracks:
        event, told = _event_of(clip, track.person)
        if event is None:
            continue
        samples.append(sample_of(clip, track, tracks, event, told))
    return samples


def sample_of(
    clip: Clip, track: Track, tracks: list[Track], event: str = NO_EVENT, told: Event | None = None
) -> WardSample:
    """The sample of one track among all tracks of a clip; `told` is the event that the clip names, if any."""
    onset = -1 if told is None else round((told.start_s - track.start_s) * track.fps)
    known = told is not None and told.direction in DIRECTIONS
    labels = clip.frame_label[track.person][clip.valid[track.person]]
    return WardSample(
        joints=torch.from_numpy(track.joints[:, :MODEL_JOINTS]).float(),
        context=context_of(track, [other for other in tracks if other.person != track.person]),
        frame_label=torch.from_numpy(labels.astype(np.int64)),
        event=event,
        # An event that runs from the first frame has no onset to be found.
        onset=onset if 3 <= onset < track.frames else -1,
        direction=DIRECTIONS.index(str(told.direction)) if told is not None and known else -1,
        name=f"{clip.id}#{track.person}",
    )


def context_of(track: Track, others: list[Track]) -> Float[Tensor, "frame 7"]:
    """What is around a person in every frame, see `NUM_CONTEXT`; lengths over 3 m, zeros where nobody is near."""
    context = np.zeros((track.frames, NUM_CONTEXT))
    context[:, 0], context[:, 1] = track.on_bed, track.on_seat
    nearest = np.full(track.frames, _FAR_M)
    pelvis, left = track.joint("pelvis"), np.stack([-track.facing[:, 1], track.facing[:, 0]], axis=1)
    for other in others:
        rows = np.arange(track.frames) + round((track.start_s - other.start_s) * track.fps)
        there = np.flatnonzero((rows >= 0) & (rows < other.frames))
        if not len(there):
            continue
        away = other.joint("pelvis")[rows[there]] - pelvis[there]
        distance = np.linalg.norm(away[:, :2], axis=-1)
        closer = there[distance < nearest[there]]
        chosen = distance < nearest[there]
        nearest[closer] = distance[chosen]
        away, theirs = away[chosen], other.joints[rows[closer]]
        gaps = np.linalg.norm(track.joints[closer][:, :, None] - theirs[:, None], axis=-1).min(axis=(1, 2))
        context[closer, 2] = 1.0
        context[closer, 3] = (away[:, :2] * track.facing[closer]).sum(-1) / _FAR_M
        context[closer, 4] = (away[:, :2] * left[closer]).sum(-1) / _FAR_M
        context[closer, 5] = theirs[:, 0, 2]
        context[closer, 6] = np.exp(-gaps / 0.3)
    return torch.from_numpy(context).float()


def mirrored(sample: WardSample) -> WardSample:
    """The sample seen in a mirror: left and right change places, in the direction of a fall as well."""
    order = [joint for joint in MIRROR if joint < MODEL_JOINTS]
    swap = {DIRECTIONS.index("left"): DIRECTIONS.index("right"), DIRECTIONS.index("right"): DIRECTIONS.index("left")}
    return WardSample(
        joints=sample.joints[:, order] * torch.tensor((-1.0, 1.0, 1.0)),
        context=sample.context * torch.tensor((1.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0)),
        frame_label=sample.frame_label,
        event=sample.event,
        onset=sample.onset,
        direction=swap.get(sample.direction, sample.direction),
        name=sample.name,
    )


def cut(sample: WardSample, first: int, last: int) -> WardSample:
    """The frames from `first` to before `last` of a sample."""
    onset = sample.onset - first
    return WardSample(
        joints=sample.joints[first:last],
        context=sample.context[first:last],
        frame_label=sample.frame_label[first:last],
        event=sample.event,
        onset=onset if sample.onset >= 0 and 0 <= onset < last - first else -1,
        direction=sample.direction,
        name=sample.name,
    )


def _event_of(clip: Clip, person: int) -> tuple[str | None, Event | None]:
    told = [event for event in clip.events if event.person == person and event.ward_event in WARD_EVENTS]
    if told:
        named = [event for event in told if event.ward_event == clip.attributes.get("action")]
        acts = [event for event in told if event.ward_event not in STATES]
        chosen = (named or acts or told)[0]
        return chosen.ward_event, chosen
    if clip.num_persons > 1:
        return None, None
    action = clip.attributes.get("action", "")
    if action in WARD_EVENTS:
        return action, None
    if action.startswith("walk"):
        return "walk_free", None
    known = bool(action) or bool((clip.frame_label != UNKNOWN_LABEL).any())
    return (ACTION_EVENTS.get(action, NO_EVENT), None) if known else (None, None)
