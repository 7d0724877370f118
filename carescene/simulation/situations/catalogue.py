"""All families of situations by name, and how many of each are made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from carescene.errors import UserError
from carescene.simulation.situations.in_bed import draw_fall_out_of_bed
from carescene.simulation.situations.plan import Plan
from carescene.simulation.situations.recovering import draw_grab_recover, draw_stumble_recover, draw_sway_recover
from carescene.simulation.situations.references import ReferenceLibrary
from carescene.simulation.situations.seated import (
    draw_missed_seat,
    draw_slide_from_bed_edge,
    draw_slide_from_wheelchair,
)
from carescene.simulation.situations.standing import draw_bump, draw_collapse, draw_support_loss, draw_weight_shift
from carescene.simulation.situations.walking import draw_slip, draw_trip


@dataclass(frozen=True)
class Family:
    """How situations of one cause are drawn, and their share of a library in which rare causes are not rare."""

    draw: Callable[[np.random.Generator, ReferenceLibrary], Plan]
    share: float


# Made more evenly than they happen: a model needs enough of each. Published shares stand in `distributions`, and the
# ratio of both is the weight of a clip.
FAMILIES: Final[dict[str, Family]] = {
    "weight_shift": Family(draw_weight_shift, 0.16),
    "trip": Family(draw_trip, 0.11),
    "slip": Family(draw_slip, 0.08),
    "bump": Family(draw_bump, 0.09),
    "support_loss": Family(draw_support_loss, 0.08),
    "collapse": Family(draw_collapse, 0.09),
    "missed_seat": Family(draw_missed_seat, 0.07),
    "slide_from_wheelchair": Family(draw_slide_from_wheelchair, 0.05),
    "slide_from_bed_edge": Family(draw_slide_from_bed_edge, 0.05),
    "fall_out_of_bed": Family(draw_fall_out_of_bed, 0.07),
    "stumble_recover": Family(draw_stumble_recover, 0.05),
    "sway_recover": Family(draw_sway_recover, 0.05),
    "grab_recover": Family(draw_grab_recover, 0.05),
}


@dataclass(frozen=True)
class Ticket:
    """One clip to be made: its family and its number within it under a seed."""

    family: str
    number: int
    seed: int

    @property
    def id(self) -> str:
        """Name of the clip, the same whatever else is made."""
        return f"simulated_{self.family}_{self.seed}_{self.number:05d}"

    def chance(self, attempt: int) -> np.random.Generator:
        """Source of chance of one attempt at this clip."""
        family = int.from_bytes(self.family.encode(), "big") % 2**64
        return np.random.default_rng(np.random.SeedSequence((self.seed, family, self.number, attempt)))


def tickets(count: int, seed: int, families: Sequence[str] = tuple(FAMILIES)) -> list[Ticket]:
    """The first `count` clips of a seed; a longer list begins with the shorter one.

    Each next clip goes to the family that lies farthest behind its share.

    Raises:
        UserError: a count or seed below their least, or unknown families.
    """
    if count < 1:
        raise UserError(f"Expected at least 1 clip, but got {count}. Ask for as many as you need.")
    if seed < 0:
        raise UserError(f"Expected a seed from 0 on, but got {seed}. Take any whole number.")
    unknown = [name for name in families if name not in FAMILIES]
    if unknown or not families:
        raise UserError(
            f"Expected causes out of {', '.join(FAMILIES)}, but got {', '.join(unknown) or 'none'}. "
            "Leave the option out for all."
        )
    names = [name for name in FAMILIES if name in families]
    total = sum(FAMILIES[name].share for name in names)
    made = dict.fromkeys(names, 0)
    result = []
    for number in range(1, count + 1):
        name = max(names, key=lambda name: FAMILIES[name].share / total * number - made[name])
        result.append(Ticket(name, made[name], seed))
        made[name] += 1
    return result
