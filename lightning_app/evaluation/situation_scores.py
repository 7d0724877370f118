"""What is measured of one clip of a situation: each event that was asked for, and the clip's contacts and exactness."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from carescene import UserError
from carescene.clips import Clip
from carescene.clips.taxonomy import WARD_EVENTS
from carescene.evaluation import physics
from carescene.evaluation.carriers import Carriers, distance_to_box
from carescene.evaluation.constraints import constraint_errors
from carescene.evaluation.onset import Fall, find_bed_exit, find_fall, free_fall_error
from carescene.evaluation.people_contact import people_contact
from carescene.evaluation.seen import Seen
from carescene.evaluation.situation_checks import CHECKS, check_seen
from carescene.evaluation.tracks import Track, clip_joints, tracks_of
from carescene.evaluation.ward_recogniser import WardRecogniser
from carescene.evaluation.ward_samples import WardSample, sample_of
from carescene.scenes import Scene, contact_report, scene_from_dict, validate_scene
from carescene.scenes.placement_own import bare_room
from carescene.situations.vocabulary import ward_event_of

# Within this of the place that was asked for counts as there, metres.
PLACE_M: Final = 0.5
BED_EXITS: Final = ("bed_exit", "bed_exit_assisted")
FALLS: Final = frozenset(name for name, labels in WARD_EVENTS.items() if "fall" in labels)
# Events at the very start of a clip have no onset to be found.
_EARLIEST_ONSET_S: Final = 0.15
# A floor without walls and furniture, for clips that carry no room.
_OPEN_FLOOR: Final = Scene("floor", [(-500.0, -500.0), (500.0, -500.0), (500.0, 500.0), (-500.0, 500.0)], 100.0)


@dataclass(frozen=True)
class EventScore:
    """One event that was asked for, and what geometry and recogniser found; None where it was not asked or found.

    Times are in seconds of the clip, `place_error_m` is the distance from the asked place; `attempt` counts from 1.
    """

    clip: str
    person: int
    event: str
    attempt: int
    geometry: bool | None
    why: str
    recognised_as: str
    is_known: bool
    asked_onset_s: float | None
    geometry_onset_s: float | None
    recogniser_onset_s: float | None
    asked_direction: str | None
    geometry_direction: str | None
    recogniser_direction: str | None
    asked_side: str | None
    side: str | None
    place_error_m: float | None
    sample: WardSample

    @property
    def recognised(self) -> bool:
        """Whether the recogniser names this very event; False for events it has not learned."""
        return self.recognised_as == self.event

    @property
    def shown(self) -> bool:
        """Whether geometry or the recogniser sees the event."""
        return bool(self.geometry) or self.recognised


@dataclass(frozen=True)
class ClipScore:
    """Contacts of one clip in metres and shares of frames, standing feet, exactness, the room, and seconds it took."""

    clip: str
    scene_mean_m: float
    scene_deep: float
    floating: float
    people_mean_m: float | None
    people_deep: float | None
    skate: tuple[float, float]
    constraints_m: tuple[float, ...]
    free_fall: float
    room_fault: str | None
    room_sampled: bool
    seconds: float | None


def requested_of(clip: Clip) -> dict[str, Any]:
    """What a clip was asked to show: its attribute `requested`, or, for recorded and simulated clips, its own events.

    Raises:
        UserError: a damaged attribute.
    """
    text = clip.attributes.get("requested")
    if text is None:
        events = [
            {
                "person": event.person,
                "ward_event": event.ward_event,
                "onset_s": event.start_s,
                "end_s": event.end_s,
                "direction": event.direction,
                # Simulated falls say what lies below in the end.
                "side": clip.attributes.get("lies_on"),
            }
            for event in clip.events
            if event.ward_event is not None
        ]
        action = clip.attributes.get("action")
        if not events and action in WARD_EVENTS:
            events = [{"person": 0, "ward_event": action}]
        return {"events": events}
    try:
        asked = json.loads(text)
        events = [dict(event) for event in asked.get("events", [])]
    except (json.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"Clip '{clip.id}': expected its attribute `requested` to say what was asked for, but got: {error}. "
            "Generate the clip again."
        ) from error
    return asked | {"events": events}


def score_events(clip: Clip, model: WardRecogniser | None) -> list[EventScore]:
    """One score for each ward event that the clip was asked for."""
    asked = requested_of(clip)
    tracks = tracks_of(clip)
    room = Carriers.of(clip.scene if isinstance(clip.scene, dict) else None)
    scores = []
    for event in asked["events"]:
        # A fall may be asked for by its label and cause.
        name = event.get("ward_event") or ward_event_of(event.get("label"), event.get("cause"))
        person = int(event.get("person", 0))
        mine = [track for track in tracks if track.person == person]
        if name is None or not mine:
            continue
        seen = Seen(mine[0], tuple(track for track in tracks if track.person != person), room)
        scores.append(
            _score_event(clip, seen, tracks, event | {"ward_event": name}, int(asked.get("attempt", 1)), model)
        )
    return scores


def _score_event(
    clip: Clip,
    seen: Seen,
    tracks: Sequence[Track],
    event: dict[str, Any],
    attempt: int,
    model: WardRecogniser | None,
) -> EventScore:
    name, track = str(event["ward_event"]), seen.track
    span = event.get("onset_s"), event.get("end_s")
    finding = check_seen(seen, name, span) if name in CHECKS else None
    sample = sample_of(clip, track, list(tracks), name)
    said = model.judge([sample])[0] if model is not None else None
    fall = find_fall(track, 0.0) if name in FALLS else None
    onset, onset_by_geometry = event.get("onset_s"), None
    if name in BED_EXITS:
        found = find_bed_exit(track)
        onset_by_geometry = found[0] if found is not None else None
    elif fall is not None:
        onset_by_geometry = fall.onset_s
    judged = name in FALLS or name in BED_EXITS
    late = onset is not None and float(onset) > track.start_s + _EARLIEST_ONSET_S
    return EventScore(
        clip=clip.id,
        person=track.person,
        event=name,
        attempt=attempt,
        geometry=finding.ok if finding is not None else None,
        why=finding.why if finding is not None else "geometry cannot see this",
        recognised_as=said.event if said is not None else "",
        is_known=model is not None and name in model.events,
        asked_onset_s=float(onset) if onset is not None and late and judged else None,
        geometry_onset_s=onset_by_geometry,
        recogniser_onset_s=track.start_s + said.onset_s if said is not None else None,
        asked_direction=event.get("direction") if name in FALLS else None,
        geometry_direction=fall.direction if fall is not None else None,
        recogniser_direction=said.direction if said is not None else None,
        asked_side=event.get("side") if name in FALLS and event.get("side") in ("left", "right") else None,
        side=fall.side if fall is not None else None,
        place_error_m=_place_error(event.get("place"), fall, seen),
        sample=sample,
    )


def _place_error(asked: Any, fall: Fall | None, seen: Seen) -> float | None:
    """Distance from the asked place, which is a point of the floor or the surroundings of a thing (then 0 within)."""
    if asked is None:
        return None
    if fall is None:
        return float("inf")
    if isinstance(asked, dict):
        scene, near = seen.room.scene, str(asked.get("near"))
        things = [thing for thing in scene.objects if near in (thing.id, thing.kind)] if scene is not None else []
        at = np.array([[*fall.place, 0.0]])
        return min((float(distance_to_box(thing, at)[0]) for thing in things), default=float("inf"))
    rest = round((fall.rest_s - seen.track.start_s) * seen.track.fps)
    places = (fall.place, seen.track.joint("pelvis")[rest, :2])
    return min(float(np.linalg.norm(place - np.asarray(asked[:2], np.float64))) for place in places)


def score_clip(clip: Clip, every: int = 2) -> ClipScore:
    """Contacts, exactness, standing feet and the room of one clip; every so many frames for contacts."""
    asked = requested_of(clip)
    joints = clip_joints(clip)
    tracks = tracks_of(clip)
    contact = contact_report(clip, touched_room(clip), every=every)
    people = people_contact(clip, every=every) if clip.num_persons > 1 else None
    skate = physics.foot_skating_total(torch.from_numpy(joints).float(), clip.fps, torch.from_numpy(clip.valid))
    falls = [(track, find_fall(track)) for track in tracks]
    return ClipScore(
        clip=clip.id,
        scene_mean_m=contact.mean_m,
        scene_deep=contact.share_deep,
        floating=contact.share_floating,
        people_mean_m=people.mean_m if people is not None else None,
        people_deep=people.share_deep if people is not None else None,
        skate=(float(skate.sum), float(skate.count)),
        constraints_m=tuple(constraint_errors(clip, joints, asked.get("constraints", []))),
        free_fall=max((free_fall_error(track, fall) for track, fall in falls if fall is not None), default=0.0),
        room_fault=_room_fault(clip),
        room_sampled=asked.get("room") == "sampled",
        seconds=float(asked["seconds"]) if asked.get("seconds") is not None else None,
    )


def touched_room(clip: Clip) -> Scene:
    """The room in which a clip's contacts are measured, an open floor if it carries none.

    Clips that were not generated may carry a bare room: things on a square of floor, whose sides are no walls.
    """
    if not isinstance(clip.scene, dict):
        return _OPEN_FLOOR
    scene = scene_from_dict(clip.scene)
    if "requested" in clip.attributes or bare_room(clip) is None:
        return scene
    return dataclasses.replace(scene, polygon=_OPEN_FLOOR.polygon)


def _room_fault(clip: Clip) -> str | None:
    """What the checks of the scene generator say against the clip's room; None for a valid room or none."""
    if not isinstance(clip.scene, dict):
        return None
    try:
        validate_scene(scene_from_dict(clip.scene))
    except UserError as error:
        return str(error)
    return None
