"""Somebody comes along a way and does something there: walks in, stops at the right distance, kneels, bends, reaches.

Distances: Hall (1966, "The Hidden Dimension") found 0.45 to 1.2 m between people who talk, and less than 0.45 m where
one touches the other; whoever kneels by a fallen person or bends over a bed works at arm's length.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from carescene.clips.clip import Event
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.encounters.actor import FPS, LONGEST_FRAMES, Actor, held
from carescene.encounters.gait import Gait, about_z
from carescene.encounters.walking import Body, walk_along
from carescene.errors import UserError

if TYPE_CHECKING:
    from carescene.simulation.cast import Cast

PERSONAL_M: Final = (0.45, 1.2)
TALK_M: Final = (0.75, 1.15)
# Postures of key frames look along world +y at yaw 0; headings here are angles from +x.
QUARTER: Final = np.pi / 2

Deeds = Callable[["Cast", Float[np.ndarray, "2"], float], list[Any]]


@dataclass(frozen=True)
class Visit:
    """A plan for one person's part.

    Attributes:
        spot: where the person stops, metres.
        heading: faced there, angle from +x.
        path: of the walk there, from its start to `spot`.
        deeds: key postures from standing there on; the first one must be standing at the spot.
        event: ward event of the deeds, with its OmniFall label.
        start: frame in which the person comes in or begins to walk.
        enters: whether the person comes in then; else they stand at the path's start from the first frame on.
        haste: times the gait's own speed.
        not_before: first frame in which the person may be there: a fall should be over.
    """

    spot: Float[np.ndarray, "2"]
    heading: float
    path: Float[np.ndarray, "point 2"]
    deeds: Deeds
    event: tuple[str, str] | None
    start: int
    enters: bool = True
    haste: float = 1.0
    not_before: int = 0


def make_cast(role: str, rng: np.random.Generator) -> "Cast":
    """A person with a body, drawn for a role."""
    from carescene.simulation.cast import cast_person

    return cast_person(rng, role)


def act(cast: "Cast", keys: Sequence[Any], surfaces: Sequence[Any], rng: np.random.Generator) -> Any:
    """A motion through key postures on the floor and these surfaces."""
    from carescene.simulation.keyframing import perform
    from carescene.simulation.surfaces import floor

    return perform(cast.anatomy, list(keys), [floor(), *surfaces], rng, cast.liveliness)


def standing_body(cast: "Cast", rotations: Float[np.ndarray, "24 3 3"], height: float, heading: float) -> Body:
    """How the person stands, for walks that end so."""
    stand = np.array(rotations, np.float64)
    stand[0] = about_z(np.array([-heading]))[0] @ stand[0]
    return Body(cast.anatomy.betas, cast.anatomy.rest, stand, float(height))


def perform_visit(visit: Visit, cast: "Cast", gait: Gait, rng: np.random.Generator) -> Actor:
    """The person's whole part: the walk and what comes after.

    Raises:
        UserError: if it does not end within 9.5 s of the clip.
    """
    motion = act(cast, visit.deeds(cast, visit.spot, visit.heading - QUARTER), [], rng)
    body = standing_body(cast, motion.rotations[0], motion.trans[0, 2], visit.heading)
    path = visit.path + (motion.trans[0, :2] - visit.path[-1]) * np.linspace(0, 1, len(visit.path))[:, None] ** 4
    walk = walk_along(
        path,
        gait,
        body,
        end_heading=visit.heading,
        from_standing=not visit.enters,
        haste=visit.haste,
        phase=float(rng.random()),
    )
    walking = np.where(walk.moving, OMNIFALL_ID["walk"], OMNIFALL_ID["standing"])
    rotations, trans, labels = [walk.rotations], [walk.trans], [walking]
    start = max(visit.start, visit.not_before - len(walk.trans))
    if not visit.enters and start > 0:
        still, place = held(walk.rotations[0], walk.trans[0], start, rng)
        # What fades in from the held pose must fade out before the walk: play it backwards.
        rotations.insert(0, still[::-1])
        trans.insert(0, place[::-1])
        labels.insert(0, np.full(start, OMNIFALL_ID["standing"]))
        start = 0
    first = start + sum(len(part) for part in trans)
    rotations.append(motion.rotations)
    trans.append(motion.trans)
    labels.append(np.array([OMNIFALL_ID[label] for label in motion.labels]))
    actor = Actor(
        replace(cast.info),
        cast.anatomy.betas.astype(np.float32),
        np.concatenate(rotations),
        np.concatenate(trans),
        np.concatenate(labels).astype(np.int8),
        start,
        _events(visit, first - len(walk.trans), first, first + len(motion.trans)),
    )
    if actor.end > LONGEST_FRAMES + 10:
        raise UserError(
            f"Expected the way and the deeds to end within 9.5 s, but got {actor.end / FPS:.1f} s. The way is too "
            "long. Take a smaller room or a shorter first clip."
        )
    return actor


def _events(visit: Visit, walk: int, deeds: int, end: int) -> tuple[Event, ...]:
    found = [Event(0, "walk", round(walk / FPS, 3), round(deeds / FPS, 3), ward_event="walk_free")]
    if visit.event is not None:
        ward_event, label = visit.event
        found.append(Event(0, label, round(deeds / FPS, 3), round(end / FPS, 3), ward_event=ward_event))
    return tuple(found)
