"""What all situations have in common: the draft of who and when, and how a balance is lost for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from carescene.clips.prepare.splits import SPLITS
from carescene.clips.taxonomy import WARD_EVENTS
from carescene.simulation.events import Assistance, Perturbation, Protect, Settle, Stiffness
from carescene.simulation.situations.people import Person, Reaction, draw_person, draw_reaction
from carescene.simulation.situations.plan import Activity, Imitation, Plan
from carescene.simulation.situations.references import Recording, Reference, ReferenceLibrary

# Of all clips; each imitates a recording of its own split.
SPLIT_SHARES: Final[dict[str, float]] = {"train": 0.84, "val": 0.06, "test": 0.10}
SHORTEST_S: Final = 4.0
LONGEST_S: Final = 9.5
# From the loss of balance for good to the impact, for planning the length of a clip.
_DESCENT_S: Final = 0.8


@dataclass(frozen=True)
class Draft:
    """Who falls, and what they imitate: the first things drawn of every situation."""

    split: str
    person: Person
    reaction: Reaction
    reference: Reference
    recording: Recording
    mirrored: bool

    def imitate(self, at_s: float | int, stretch: float | int = 1.0, **more: Any) -> Imitation:
        """The imitation of this recording whose onset is at a moment of it; `more` are fields of `Imitation`."""
        return Imitation(self.reference.id, self.mirrored, float(at_s), float(stretch), **more)

    def plan(
        self,
        rng: np.random.Generator,
        family: str,
        *,
        onset_s: float,
        loss_s: float,
        events: Sequence[Perturbation],
        seconds: float | None = None,
        cause: str | None = None,
        **more: Any,
    ) -> Plan:
        """The plan of this person's situation; the ward event is that of the family.

        Args:
            rng: source of chance.
            family: its name in the catalogue.
            onset_s, loss_s: see `Plan`.
            events: in any order.
            seconds: length of the clip; drawn as that of a fall when left out.
            cause: the family's name when left out.
            more: other fields of `Plan`.
        """
        return Plan(
            family=family,
            ward_event=f"fall_{family}" if f"fall_{family}" in WARD_EVENTS else family,
            cause=cause or family,
            split=self.split,
            person=self.person,
            reaction=self.reaction,
            onset_s=onset_s,
            loss_s=loss_s,
            seconds=draw_length(rng, onset_s, loss_s) if seconds is None else seconds,
            events=ordered(events),
            **more,
        )


def draft(
    rng: np.random.Generator,
    library: ReferenceLibrary,
    activity: Activity,
    *,
    brace: float | int = 0.8,
    step: float | int = 0.7,
    grasp: float | int = 0.1,
) -> Draft:
    """Draw split, person, reaction and a recording of this activity.

    Raises:
        UserError: the library has no such recording.
    """
    split = draw_split(rng)
    person = draw_person(rng)
    reaction = draw_reaction(rng, person, brace=brace, step=step, grasp=grasp)
    reference = library.pick(rng, activity, split, person.age_years)
    mirrored = bool(rng.random() < 0.5)
    return Draft(split, person, reaction, reference, library.recording(reference.id, mirrored), mirrored)


def draw_split(rng: np.random.Generator) -> str:
    """Draw train, val or test by their shares."""
    return SPLITS[rng.choice(len(SPLITS), p=[SPLIT_SHARES[split] for split in SPLITS])]


def draw_loss(rng: np.random.Generator, person: Person, typical_s: float | int) -> float:
    """Draw how long the balance is lost before the descent, in seconds.

    In filmed falls of frail people this phase is long (Vlaeyen et al. 2013, BMC Geriatrics 13:103); from the imbalance
    to the impact of the pelvis residents took 1.27 s (standard deviation 0.65), and 0.58 s of these were the descent
    (Choi et al. 2015). So it lasts up to twice as long in the frail, with a long tail.
    """
    return float(np.clip(rng.gamma(3.0, typical_s * (0.7 + 0.7 * person.frailty) / 3.0), 0.08, 2.5))


def draw_stretch(rng: np.random.Generator, draft: Draft) -> float:
    """Draw how many times slower the recording is played: frail people move slowly, young actors do not."""
    return float(1.0 + rng.uniform(0.0, 0.45) * draft.person.frailty)


def draw_length(rng: np.random.Generator, onset_s: float | int, loss_s: float | int) -> float:
    """Draw the length of a clip with a fall, in whole frames of 20 per second: some seconds on the floor follow."""
    seconds = onset_s + loss_s + _DESCENT_S + rng.uniform(1.8, 4.2)
    return round(float(np.clip(seconds, SHORTEST_S, LONGEST_S)) * 20.0) / 20.0


def falling(
    rng: np.random.Generator,
    reaction: Reaction,
    onset_s: float | int,
    loss_s: float | int,
    *,
    held: float | int = 0.35,
    legs: float | int = 0.35,
) -> list[Perturbation]:
    """Balance fails partly at the onset and wholly when the loss is over; then arms, legs, the landing and the rest.

    Args:
        rng: source of chance.
        reaction: of the person.
        onset_s, loss_s: see `Plan`.
        held: share of the help of balance that is left between onset and descent.
        legs: share of the legs' strength that is left in the descent.
    """
    end = onset_s + loss_s
    braced = []
    if reaction.arms > 0:
        # Who braces tenses up as well: most heads are kept off the floor, though fewer in the frail.
        tension = 1.5 + 2.0 * reaction.head
        braced = [
            Stiffness(end - 0.1 * loss_s, 0.15, tension, ("neck",)),
            Stiffness(end - 0.1 * loss_s, 0.15, 1.2 + 2.2 * reaction.arms, ("arms",)),
            Stiffness(end - 0.1 * loss_s, 0.15, 1.0 + 0.8 * reaction.arms, ("trunk",)),
        ]
    return [
        *braced,
        Assistance(onset_s, min(0.15, loss_s), held),
        Assistance(end, 0.12, 0.0),
        Stiffness(end, 0.35, legs * rng.uniform(0.6, 1.4), ("legs",)),
        Protect(
            onset_s + 0.3 * loss_s, reaction.arms, reaction.head, 0.6 * reaction.arms, reaction.legs, reaction.step
        ),
        Settle(
            end,
            surface="floor",
            delay_s=float(rng.uniform(0.5, 1.0)),
            duration_s=float(rng.uniform(0.8, 1.6)),
            share=float(rng.uniform(0.03, 0.10)),
            movement=reaction.movement,
        ),
    ]


def ordered(events: Sequence[Perturbation]) -> tuple[Perturbation, ...]:
    """Events in the order in which they start."""
    return tuple(sorted(events, key=lambda event: event.not_before_s if isinstance(event, Settle) else event.time_s))
