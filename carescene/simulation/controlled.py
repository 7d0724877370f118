"""Controlled motions of the ward: what is neither a walk nor a fall, made from key postures and inverse kinematics."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.simulation import controlled_beds, controlled_seats, controlled_staff
from carescene.simulation.cast import Cast, cast_person
from carescene.simulation.controlled_script import Script, make_clip

Sampler = Callable[[Cast, np.random.Generator], Script]


class Controlled(NamedTuple):
    """How one ward event is made: who does it, and the sampler of its script."""

    roles: tuple[str, ...]
    sample: Sampler


_PATIENT, _STAFF, _ANYBODY = ("patient",), ("staff",), ("patient", "patient", "visitor")

CONTROLLED_EVENTS: Final[Mapping[str, Controlled]] = MappingProxyType(
    {
        "bed_exit": Controlled(_PATIENT, controlled_beds.bed_exit),
        "seated_chair": Controlled(_ANYBODY, controlled_seats.seated_chair),
        "seated_wheelchair": Controlled(_PATIENT, controlled_seats.seated_wheelchair),
        "chair_rise": Controlled(_ANYBODY, controlled_seats.chair_rise),
        "chair_sit": Controlled(_ANYBODY, controlled_seats.chair_sit),
        "plop_sit": Controlled(_ANYBODY, controlled_seats.plop_sit),
        "toilet_transfer": Controlled(_PATIENT, controlled_seats.toilet_transfer),
        "kneel_task": Controlled(("staff", "visitor"), controlled_staff.kneel_task),
        "staff_bend_over_bed": Controlled(_STAFF, controlled_staff.staff_bend_over_bed),
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
    if seed < 0:
        raise UserError(f"Expected a seed of 0 or more, but got {seed}. Seeds count clips; use a whole number.")
    event = CONTROLLED_EVENTS[ward_event]
    rng = np.random.default_rng([seed, *ward_event.encode()])
    cast = cast_person(rng, role or str(rng.choice(event.roles)))
    clip, _ = make_clip(event.sample(cast, rng), cast, ward_event, ward_event, seed, rng)
    return clip
