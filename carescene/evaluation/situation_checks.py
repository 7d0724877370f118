"""One yes-or-no test per ward event, made of geometry alone, for judging whether a clip shows what was asked for.

A test sees joints, furniture and the other people, never labels, captions or the generator. The causes of falls (trip,
slip, weight shift ...) share one test: what tells them apart is in the feet and often out of sight. The trained
recogniser (`ward_recogniser`) is asked about those.
"""

import dataclasses
from collections.abc import Callable
from typing import Final

from carescene.clips.clip import Clip
from carescene.clips.taxonomy import WARD_EVENTS
from carescene.errors import UserError
from carescene.evaluation import checks_falls as falls
from carescene.evaluation import checks_move as moves
from carescene.evaluation import checks_rest as rest
from carescene.evaluation.carriers import Carriers
from carescene.evaluation.seen import Finding, Seen
from carescene.evaluation.tracks import tracks_of
from carescene.humans.skin_points import SkinPoints

Check = Callable[[Seen], Finding]

CHECKS: Final[dict[str, Check]] = {
    "in_bed_still": rest.in_bed_still,
    "in_bed_turning": rest.in_bed_turning,
    "in_bed_restless": rest.in_bed_restless,
    "seated_bed_edge": rest.seated_bed_edge,
    "seated_chair": rest.seated_chair,
    "seated_wheelchair": rest.seated_wheelchair,
    "sit_up_in_bed": rest.sit_up_in_bed,
    "bed_entry": rest.bed_entry,
    "bed_exit": rest.bed_exit,
    "bed_exit_assisted": rest.bed_exit_assisted,
    "rail_climb": rest.rail_climb,
    "chair_rise": rest.chair_rise,
    "chair_sit": rest.chair_sit,
    "toilet_transfer": rest.toilet_transfer,
    "walk_free": moves.walk_free,
    "walk_aid": moves.walk_aid,
    "walk_assisted": moves.walk_assisted,
    "wheelchair_move": rest.wheelchair_move,
    "turn_reach": moves.turn_reach,
    "plop_sit": rest.plop_sit,
    "lie_down_fast": rest.lie_down_fast,
    "pick_up_floor": moves.pick_up_floor,
    "tie_shoes": moves.tie_shoes,
    "kneel_task": moves.kneel_task,
    "floor_exercise": moves.floor_exercise,
    "staff_bend_over_bed": moves.staff_bend_over_bed,
    "staff_kneel": moves.staff_kneel,
    "make_bed": moves.make_bed,
    "stumble_recover": falls.near_fall,
    "sway_recover": falls.near_fall,
    "grab_recover": falls.near_fall,
    "fall_weight_shift": falls.fall_anyhow,
    "fall_trip": falls.fall_from_feet,
    "fall_slip": falls.fall_from_feet,
    "fall_bump": falls.fall_from_feet,
    "fall_support_loss": falls.fall_anyhow,
    "fall_collapse": falls.fall_anyhow,
    "fall_missed_seat": falls.fall_missed_seat,
    "fall_out_of_bed": falls.fall_out_of_bed,
    "slide_from_wheelchair": falls.slide_from_wheelchair,
    "slide_from_bed_edge": falls.slide_from_bed_edge,
    "lowered_by_staff": falls.lowered_by_staff,
    "fallen_still": falls.fallen_still,
    "fallen_moving": falls.fallen_moving,
    "crawl_seek_help": falls.crawl_seek_help,
    "rise_alone": falls.rise_alone,
    "raised_by_staff": falls.raised_by_staff,
}

# States that last: they are judged between the times that are asked for, the rest in the whole clip.
STATES: Final = frozenset(
    {
        "in_bed_still", "in_bed_turning", "in_bed_restless", "seated_bed_edge", "seated_chair", "seated_wheelchair",
        "walk_free", "walk_aid", "walk_assisted", "wheelchair_move", "turn_reach", "floor_exercise", "fallen_still",
        "fallen_moving", "crawl_seek_help",
    }
)  # fmt: skip
_SHORTEST_STATE_S: Final = 0.4

# What geometry cannot see: a thing that drops is no part of a clip.
UNSEEN: Final = frozenset(WARD_EVENTS) - frozenset(CHECKS)


def check_event(
    clip: Clip,
    ward_event: str,
    person: int = 0,
    skin: SkinPoints | None = None,
    span_s: tuple[float | None, float | None] = (None, None),
) -> Finding:
    """Whether one person of a clip does what a ward event names.

    Args:
        clip: metres, z up, floor at z = 0; its scene, if it has one, says where beds and seats are.
        ward_event: of `CHECKS`.
        person: index in the clip.
        skin: of another body than the bundled one.
        span_s: when the event begins and ends, seconds, as far as it is known; only states (`STATES`) are looked for in
            this time, everything else anywhere in the clip.

    Raises:
        UserError: an event without a test, or a person who is not in the clip.
    """
    if ward_event not in CHECKS:
        raise UserError(
            f"Expected an event that geometry can see, but got '{ward_event}'. "
            f"Known are: {', '.join(CHECKS)}. Judge others by eye or by the recogniser."
        )
    return check_seen(seen_in(clip, person, skin), ward_event, span_s)


def check_seen(seen: Seen, ward_event: str, span_s: tuple[float | None, float | None] = (None, None)) -> Finding:
    """The same for somebody who has been looked at already (`seen_in`), for many events of one clip."""
    if ward_event in STATES and span_s != (None, None):
        track = seen.track
        start = track.start_s if span_s[0] is None else span_s[0]
        end = track.seconds(track.frames) if span_s[1] is None else span_s[1]
        if end - start >= _SHORTEST_STATE_S:
            seen = dataclasses.replace(seen, track=track.between(start, end))
    return CHECKS[ward_event](seen)


def seen_in(clip: Clip, person: int = 0, skin: SkinPoints | None = None) -> Seen:
    """One person of a clip as the tests see it: the track, the other people, the room.

    Raises:
        UserError: a person who is not there for at least four frames.
    """
    tracks = tracks_of(clip, skin)
    mine = [track for track in tracks if track.person == person]
    if not mine:
        raise UserError(
            f"Clip '{clip.id}': expected person {person} to be there for at least 4 frames, but that is not so. "
            f"The clip has {clip.num_persons} person(s), counted from 0. Choose another one."
        )
    room = Carriers.of(clip.scene if isinstance(clip.scene, dict) else None)
    return Seen(mine[0], tuple(track for track in tracks if track.person != person), room)
