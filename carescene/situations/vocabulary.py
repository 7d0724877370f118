"""What each ward event takes: how it can start, what it needs, how it runs, and how it is said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from carescene.clips.taxonomy import WARD_EVENTS

STATES: Final = ("lying", "sitting", "standing", "walking", "kneeling", "fallen")
SIDES: Final = ("left", "right")
DIRECTIONS: Final = ("forward", "backward", "left", "right", "down")
CAUSES: Final = (
    "weight_shift",
    "trip",
    "slip",
    "bump",
    "support_loss",
    "collapse",
    "missed_seat",
    "slide",
    "roll",
)
ROLES: Final = ("patient", "staff", "visitor", "person")
AIDS: Final = ("none", "cane", "walker", "rollator", "iv_pole", "wheelchair")

# The frame label of each state before anything happens.
STATE_LABEL: Final[dict[str, str]] = {
    "lying": "lying",
    "sitting": "sitting",
    "standing": "standing",
    "walking": "walk",
    "kneeling": "kneeling",
    "fallen": "fallen",
}

Phases = tuple[tuple[str, float], ...]

BEDS: Final = ("bed",)
SEATS: Final = ("chair", "recliner", "wheelchair")
_UPRIGHT: Final = ("standing", "walking")


@dataclass(frozen=True)
class EventFacts:
    """What is known of one ward event.

    Attributes:
        starts: states a person may be in before; the first is taken where none is said.
        needs: kinds of things of which one must be there.
        phases: frame labels with their usual seconds from the onset on; the last one lasts to the end.
        otherwise: phases of people who start in another state: from the edge of a bed nobody sits up first.
        lead: labels that lead to the onset, with their seconds; sitting down before missing the seat.
        before: label of the state before the event, where it is not that of the state itself.
        says: the event in words of the captions that the model learned from, after "an old man"; of falls only what
            goes wrong. {his}, {him} and {way} (of a near fall) are filled in.
        cause: what it goes back to, for falls.
        helper: whether somebody else takes part.
        near_fall: whether it is a fall that does not come about.
        longest_s: of a fall, from the onset until nine of ten people lie still.
    """

    starts: tuple[str, ...]
    phases: Phases
    says: str
    needs: tuple[str, ...] = ()
    cause: str | None = None
    helper: bool = False
    near_fall: bool = False
    longest_s: float | int = 2.6
    otherwise: Mapping[str, Phases] = field(default_factory=lambda: MappingProxyType({}))
    lead: Phases = ()
    before: str | None = None

    @property
    def is_fall(self) -> bool:
        """Whether somebody ends on the floor."""
        return any(label == "fall" for label, _ in self.phases)

    def phases_from(self, state: str | None) -> Phases:
        """Frame labels and seconds for somebody who starts in a state."""
        return self.phases if state is None else self.otherwise.get(state, self.phases)


def _fall(
    starts: tuple[str, ...],
    says: str,
    cause: str,
    needs: tuple[str, ...] = (),
    seconds: float | int = 1.6,
    longest: float | int = 2.4,
    lead: Phases = (),
) -> EventFacts:
    phases = (("fall", float(seconds)), ("fallen", 1.0))
    return EventFacts(starts, phases, says, needs, cause, longest_s=longest, lead=lead)


_OUT_OF_BED: Final = (("stand_up", 4.0), ("sitting", 0.9), ("stand_up", 2.8), ("standing", 0.7))
_FROM_EDGE: Final = MappingProxyType({"sitting": (("stand_up", 2.8), ("standing", 0.7))})
_INTO_BED: Final = (("sit_down", 2.1), ("sitting", 1.0), ("lie_down", 3.8), ("lying", 1.0))
_KNEEL_FROM_KNEELING: Final = MappingProxyType({"kneeling": (("kneeling", 1.0),)})

# Labels and seconds are medians of the clips that the model learns from (`data/prepared`, by ward event): old people,
# who take twice the time of young ones. Those of falls, from the onset to rest, are medians and ninth deciles.
EVENT_FACTS: Final[dict[str, EventFacts]] = {
    "in_bed_still": EventFacts(("lying",), (("lying", 1.0),), "lies still in bed", BEDS),
    "in_bed_turning": EventFacts(("lying",), (("lying", 1.0),), "turns over in bed", BEDS),
    "in_bed_restless": EventFacts(("lying",), (("lying", 1.0),), "tosses and turns in bed", BEDS),
    "seated_bed_edge": EventFacts(("sitting",), (("sitting", 1.0),), "sits at the bedside and looks around", BEDS),
    "seated_chair": EventFacts(("sitting",), (("sitting", 1.0),), "sits in a chair", ("chair", "recliner")),
    "seated_wheelchair": EventFacts(("sitting",), (("sitting", 1.0),), "sits in a wheelchair", ("wheelchair",)),
    "sit_up_in_bed": EventFacts(("lying",), (("stand_up", 1.9), ("sitting", 1.0)), "sits up in bed", BEDS),
    "bed_entry": EventFacts(
        (*_UPRIGHT, "sitting"),
        _INTO_BED,
        "sits down on the edge of the bed, brings up the legs and lies down",
        BEDS,
        otherwise=MappingProxyType({"sitting": _INTO_BED[2:]}),
    ),
    "bed_exit": EventFacts(
        ("lying", "sitting"),
        _OUT_OF_BED,
        "sits up on the edge of the bed and stands up",
        BEDS,
        otherwise=_FROM_EDGE,
    ),
    "bed_exit_assisted": EventFacts(
        ("lying", "sitting"), _OUT_OF_BED, "is helped out of bed", BEDS, helper=True, otherwise=_FROM_EDGE
    ),
    "rail_climb": EventFacts(
        ("lying", "sitting"), (("stand_up", 2.0), ("other", 4.0)), "climbs over the bed rail", BEDS
    ),
    "chair_rise": EventFacts(
        ("sitting",), (("stand_up", 2.4), ("standing", 1.0)), "stands up from a chair", (*SEATS, "toilet")
    ),
    "chair_sit": EventFacts(
        _UPRIGHT, (("sit_down", 2.4), ("sitting", 1.0)), "sits down on a chair", ("chair", "recliner", "wheelchair")
    ),
    "toilet_transfer": EventFacts(
        _UPRIGHT,
        (("sit_down", 2.1), ("sitting", 1.5), ("stand_up", 2.1), ("standing", 0.5)),
        "sits down on the toilet and gets up again",
        ("toilet",),
    ),
    "walk_free": EventFacts(("walking", "standing"), (("walk", 1.0),), "walks"),
    "walk_aid": EventFacts(("walking", "standing"), (("other", 1.0),), "walks with a walking frame"),
    "walk_assisted": EventFacts(
        ("walking", "standing"), (("walk", 1.0),), "walks with the help of a nurse", helper=True
    ),
    "wheelchair_move": EventFacts(("sitting",), (("other", 1.0),), "moves in a wheelchair", ("wheelchair",)),
    "turn_reach": EventFacts(("standing",), (("standing", 1.0),), "reaches for something"),
    "plop_sit": EventFacts(
        _UPRIGHT, (("sit_down", 1.1), ("sitting", 1.0)), "plops down into a chair", ("chair", "recliner", "bed")
    ),
    "lie_down_fast": EventFacts(
        ("sitting", *_UPRIGHT),
        (("lie_down", 1.6), ("lying", 1.0)),
        "lies down on the bed very fast",
        BEDS,
        otherwise=MappingProxyType(dict.fromkeys(_UPRIGHT, (("sit_down", 1.6), ("lie_down", 1.6), ("lying", 1.0)))),
    ),
    "pick_up_floor": EventFacts(
        _UPRIGHT,
        (("squat_down", 1.1), ("squatting", 0.7), ("stand_up", 1.1), ("standing", 0.6)),
        "squats down, takes a thing from the floor and gets up again",
    ),
    "tie_shoes": EventFacts(
        ("standing", "sitting"),
        (("squat_down", 4.0), ("stand_up", 1.6), ("standing", 0.5)),
        "ties {his} shoe",
        otherwise=MappingProxyType({"sitting": (("sitting", 1.0),)}),
    ),
    "kneel_task": EventFacts(
        _UPRIGHT, (("kneel_down", 1.8), ("kneeling", 1.0)), "kneels down and works near the floor"
    ),
    "floor_exercise": EventFacts(
        ("fallen",), (("other", 5.0), ("lying", 1.0)), "lies on the floor and does exercises", before="lying"
    ),
    "staff_bend_over_bed": EventFacts(
        _UPRIGHT, (("other", 3.6), ("standing", 0.5)), "bends over the bed and straightens up", BEDS
    ),
    "staff_kneel": EventFacts(
        (*_UPRIGHT, "kneeling"),
        (("kneel_down", 1.6), ("kneeling", 1.0)),
        "kneels down on one knee beside somebody",
        otherwise=_KNEEL_FROM_KNEELING,
    ),
    "make_bed": EventFacts(_UPRIGHT, (("other", 1.0),), "makes the bed", BEDS),
    "object_drop": EventFacts((*_UPRIGHT, "sitting"), (("standing", 1.0),), "drops something"),
    "stumble_recover": EventFacts(
        ("walking",),
        (("other", 1.2), ("walk", 0.5)),
        "stumbles, then recovers",
        cause="trip",
        near_fall=True,
    ),
    "sway_recover": EventFacts(
        _UPRIGHT,
        (("other", 1.6), ("standing", 0.5)),
        "loses {his} balance for a moment{way}, then recovers",
        cause="weight_shift",
        near_fall=True,
    ),
    "grab_recover": EventFacts(
        ("walking", "standing"),
        (("other", 2.6), ("standing", 0.5)),
        "loses {his} balance{way}, then holds on to the table",
        cause="weight_shift",
        near_fall=True,
    ),
    "fall_weight_shift": _fall((*_UPRIGHT, "sitting", "lying"), "loses {his} balance", "weight_shift", (), 2.2, 3.1),
    "fall_trip": _fall(("walking", "standing", "lying", "sitting"), "trips", "trip", (), 1.4, 1.9),
    "fall_slip": _fall(("walking", "standing", "lying", "sitting"), "slips", "slip", (), 1.4, 1.9),
    "fall_bump": _fall(("walking", "standing"), "is pushed", "bump", (), 1.6, 2.3),
    "fall_support_loss": _fall(
        (*_UPRIGHT, "sitting", "lying"), "loses the support of one leg", "support_loss", (), 1.9, 2.4
    ),
    "fall_collapse": _fall((*_UPRIGHT, "sitting", "lying"), "faints", "collapse", (), 1.6, 2.0),
    "fall_missed_seat": _fall(
        _UPRIGHT,
        "sits down, misses the seat",
        "missed_seat",
        ("chair", "recliner", "wheelchair", "bed"),
        1.3,
        2.0,
        (("sit_down", 1.4),),
    ),
    "fall_out_of_bed": _fall(("lying",), "rolls out of bed", "roll", BEDS, 2.1, 2.7),
    "slide_from_wheelchair": _fall(("sitting",), "slides out of the wheelchair", "slide", ("wheelchair",), 4.3, 5.4),
    "slide_from_bed_edge": _fall(("sitting", "lying"), "slides off the edge of the bed", "slide", BEDS, 3.2, 4.8),
    "lowered_by_staff": EventFacts(
        (*_UPRIGHT, "sitting"),
        (("fall", 3.5), ("fallen", 1.0)),
        "gets weak knees and is lowered to the floor by a member of staff",
        cause="collapse",
        helper=True,
        longest_s=4.5,
    ),
    "fallen_still": EventFacts(("fallen",), (("fallen", 1.0),), "lies still on the floor"),
    "fallen_moving": EventFacts(("fallen",), (("fallen", 1.0),), "lies on the floor and moves"),
    "crawl_seek_help": EventFacts(("fallen", "kneeling"), (("crawl", 1.0),), "crawls to seek help"),
    "rise_alone": EventFacts(
        ("fallen", "kneeling"),
        (("stand_up", 5.6), ("standing", 0.5)),
        "gets up from the floor alone",
        otherwise=MappingProxyType({"kneeling": (("stand_up", 2.4), ("standing", 0.5))}),
    ),
    "raised_by_staff": EventFacts(
        ("fallen",), (("stand_up", 4.5), ("standing", 0.6)), "is helped up from the floor by a nurse", helper=True
    ),
}
assert set(EVENT_FACTS) == set(WARD_EVENTS)

_FALL_OF_CAUSE: Final[dict[str, str]] = {
    facts.cause: name
    for name, facts in EVENT_FACTS.items()
    if name.startswith("fall_") and facts.cause is not None and name != "fall_out_of_bed"
} | {"roll": "fall_out_of_bed", "slide": "slide_from_bed_edge"}

# A fall of which nothing more is said, and movements asked for by their frame label alone.
_PLAIN_FALL: Final = EventFacts(STATES[:5], (("fall", 1.6), ("fallen", 1.0)), "")
_LABEL_SAYS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "walk": ("walks", ("walking", "standing")),
    "fallen": ("lies on the floor", ("fallen",)),
    "sit_down": ("sits down", _UPRIGHT),
    "sitting": ("sits", ("sitting",)),
    "lie_down": ("lies down", (*_UPRIGHT, "sitting")),
    "lying": ("lies down", ("lying",)),
    "stand_up": ("stands up", ("sitting", "lying", "fallen", "kneeling")),
    "standing": ("stands", _UPRIGHT),
    "other": ("moves", STATES),
    "kneel_down": ("kneels down", _UPRIGHT),
    "kneeling": ("kneels", ("kneeling",)),
    "squat_down": ("squats down", _UPRIGHT),
    "squatting": ("squats", _UPRIGHT),
    "crawl": ("crawls", ("fallen", "kneeling")),
    "jump": ("jumps", _UPRIGHT),
}
# What a movement ends in; states last.
_ENDS_IN: Final[dict[str, str]] = {
    "sit_down": "sitting",
    "lie_down": "lying",
    "stand_up": "standing",
    "kneel_down": "kneeling",
    "squat_down": "squatting",
}


def ward_event_of(label: str | None, cause: str | None) -> str | None:
    """The ward event that a label and a cause name together; None where they leave it open."""
    return _FALL_OF_CAUSE.get(cause) if label in (None, "fall") and cause is not None else None


def facts_of(ward_event: str | None, label: str | None) -> EventFacts:
    """What is known of an event that is named by its ward event, or else by its frame label."""
    if ward_event is not None:
        return EVENT_FACTS[ward_event]
    if label == "fall" or label is None:
        return _PLAIN_FALL
    says, starts = _LABEL_SAYS[label]
    end = _ENDS_IN.get(label)
    phases = ((label, 1.5), (end, 0.5)) if end else ((label, 1.0),)
    return EventFacts(starts, phases, says)
