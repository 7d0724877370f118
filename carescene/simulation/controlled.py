"""Controlled motions of the ward: what is neither a walk nor a fall, made from key postures and inverse kinematics."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.simulation import (
    controlled_beds,
    controlled_fallen,
    controlled_floor,
    controlled_kneeling,
    controlled_seats,
    controlled_staff,
)
from carescene.simulation.cast import Cast, cast_person
from carescene.simulation.controlled_quality import review
from carescene.simulation.controlled_script import Script, make_clip
from carescene.simulation.surfaces import surfaces_of

Sampler = Callable[[Cast, np.random.Generator], Script]


class Controlled(NamedTuple):
    """How one ward event is made: who does it, and the sampler of its script."""

    roles: tuple[str, ...]
    sample: Sampler


_ATTEMPTS: Final = 6
_PATIENT, _STAFF, _ANYBODY = ("patient",), ("staff",), ("patient", "patient", "visitor")

CONTROLLED_EVENTS: Final[Mapping[str, Controlled]] = MappingProxyType(
    {
        "bed_exit": Controlled(_PATIENT, controlled_beds.bed_exit),
        "bed_exit_assisted": Controlled(_PATIENT, controlled_beds.bed_exit_assisted),
        "bed_entry": Controlled(_PATIENT, controlled_beds.bed_entry),
        "lie_down_fast": Controlled(_PATIENT, controlled_beds.lie_down_fast),
        "in_bed_still": Controlled(_PATIENT, controlled_beds.in_bed_still),
        "in_bed_turning": Controlled(_PATIENT, controlled_beds.in_bed_turning),
        "in_bed_restless": Controlled(_PATIENT, controlled_beds.in_bed_restless),
        "seated_bed_edge": Controlled(_PATIENT, controlled_beds.seated_bed_edge),
        "sit_up_in_bed": Controlled(_PATIENT, controlled_beds.sit_up_in_bed),
        "rail_climb": Controlled(_PATIENT, controlled_beds.rail_climb),
        "seated_chair": Controlled(_ANYBODY, controlled_seats.seated_chair),
        "seated_wheelchair": Controlled(_PATIENT, controlled_seats.seated_wheelchair),
        "chair_rise": Controlled(_ANYBODY, controlled_seats.chair_rise),
        "chair_sit": Controlled(_ANYBODY, controlled_seats.chair_sit),
        "plop_sit": Controlled(_ANYBODY, controlled_seats.plop_sit),
        "toilet_transfer": Controlled(_PATIENT, controlled_seats.toilet_transfer),
        "kneel_task": Controlled(("staff", "visitor"), controlled_kneeling.kneel_task),
        "pick_up_floor": Controlled(("patient", "staff", "visitor"), controlled_floor.pick_up_floor),
        "tie_shoes": Controlled(_ANYBODY, controlled_floor.tie_shoes),
        "floor_exercise": Controlled(_ANYBODY, controlled_floor.floor_exercise),
        "object_drop": Controlled(_ANYBODY, controlled_floor.object_drop),
        "fallen_still": Controlled(_PATIENT, controlled_fallen.fallen_still),
        "fallen_moving": Controlled(_PATIENT, controlled_fallen.fallen_moving),
        "crawl_seek_help": Controlled(_PATIENT, controlled_fallen.crawl_seek_help),
        "rise_alone": Controlled(_PATIENT, controlled_fallen.rise_alone),
        "lowered_by_staff": Controlled(_PATIENT, controlled_fallen.lowered_by_staff),
        "raised_by_staff": Controlled(_PATIENT, controlled_fallen.raised_by_staff),
        "staff_kneel": Controlled(_STAFF, controlled_kneeling.staff_kneel),
        "turn_reach": Controlled(("patient", "patient", "staff", "visitor"), controlled_staff.turn_reach),
        "make_bed": Controlled(_STAFF, controlled_staff.make_bed),
        "staff_bend_over_bed": Controlled(_STAFF, controlled_staff.staff_bend_over_bed),
    }
)


# What staff do for others; no ward event of its own, so that the event of the clip stays open.
STAFF_ACTIONS: Final[Mapping[str, Controlled]] = MappingProxyType(
    {
        "help_up": Controlled(_STAFF, controlled_staff.help_up),
        "hand_over": Controlled(_STAFF, controlled_staff.hand_over),
        "bend_and_talk": Controlled(_STAFF, controlled_staff.bend_and_talk),
        "kneel_by_fallen": Controlled(_STAFF, controlled_staff.kneel_by_fallen),
    }
)


def make_controlled(ward_event: str, seed: int, *, role: str | None = None) -> Clip:
    """One controlled motion as a labelled clip of 3 to 9.5 s at 20 fps in a bare room with the furniture it touches.

    Body, age, furniture, side, pace and details are drawn under the seed; the same seed gives the same clip.

    Args:
        ward_event: one of `CONTROLLED_EVENTS`.
        role: of the person; drawn from those who usually do it when None.

    Raises:
        UserError: an event that is not made this way, or a negative seed.
    """
    if ward_event not in CONTROLLED_EVENTS:
        raise UserError(
            f"Expected one of {', '.join(CONTROLLED_EVENTS)}, but got '{ward_event}'. Walks come from motion capture "
            "and falls from physics. Choose a controlled event."
        )
    _check_seed(seed)
    return _accepted(CONTROLLED_EVENTS[ward_event], ward_event, ward_event, seed, role)


def make_staff_action(action: str, seed: int) -> Clip:
    """One action of staff that needs somebody else as well (`STAFF_ACTIONS`): the staff member's half, as a clip.

    The other person is at the script's front: lying on the floor 0.3 m ahead of the feet for `kneel_by_fallen`,
    sitting or standing about 0.6 m ahead for the others. Otherwise as `make_controlled`.

    Raises:
        UserError: an unknown action or a negative seed.
    """
    if action not in STAFF_ACTIONS:
        raise UserError(
            f"Expected one of {', '.join(STAFF_ACTIONS)}, but got '{action}'. It is no action that needs two people. "
            "For ward events use `make_controlled`."
        )
    _check_seed(seed)
    return _accepted(STAFF_ACTIONS[action], action, None, seed, None)


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise UserError(f"Expected a seed of 0 or more, but got {seed}. Seeds count clips; use a whole number.")


def _accepted(event: Controlled, action: str, ward_event: str | None, seed: int, role: str | None) -> Clip:
    """The first draw under the seed that passes the review; its refused forerunners are named in the attributes."""
    refused: list[str] = []
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, attempt, *action.encode()])
        cast = cast_person(rng, role or str(rng.choice(event.roles)))
        script = event.sample(cast, rng)
        clip, motion = make_clip(script, cast, ward_event, action, seed, rng)
        clip.quality, reasons = review(
            cast.anatomy, motion, surfaces_of(script.things), fast=action in ("plop_sit", "lie_down_fast")
        )
        if not reasons:
            if refused:
                clip.attributes["refused"] = "; ".join(refused)
            return clip
        refused.append(" and ".join(reasons))
    raise UserError(
        f"Expected a believable '{action}' under seed {seed}, but all {_ATTEMPTS} draws were refused for "
        f"{', '.join(refused)}. Some bodies and beds do not go together. Take another seed."
    )
