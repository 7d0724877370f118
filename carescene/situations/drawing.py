"""Drawing what a situation leaves to chance: each clip gets values by the shares asked for, and its honest weight."""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from carescene.situations.consistency import check_situation, refuse_at
from carescene.situations.lined_yaml import nearest
from carescene.situations.priors import NOTHING, OTHER, Priors, load_priors
from carescene.situations.situation import EventRequest, PersonRequest, Situation, Start
from carescene.situations.vocabulary import CAUSES, DIRECTIONS, EVENT_FACTS, facts_of, ward_event_of

_BAND: Final = re.compile(r"(\d{2,3})-(\d{2,3})")


@dataclass(frozen=True)
class Draw:
    """The values drawn for one clip, with their probabilities in the world (p) and here (q); w = p / q."""

    values: Mapping[str, str]
    p: float | int
    q: float | int

    @property
    def w(self) -> float:
        """Importance weight."""
        return self.p / self.q


def drawn_situation(situation: Situation, index: int) -> tuple[Draw | None, Situation]:
    """The situation of one clip, with everything drawn that `oversample` lists; itself if it lists nothing.

    Values of different attributes are independent. The draws of a situation are a scrambled Sobol sequence (Owen 1998),
    so that few clips already have the shares asked for; draw `index` is the same however many clips there are.
    """
    if not situation.oversample:
        return None, situation
    priors = load_priors(None if situation.priors is None else Path(situation.priors))
    names = list(situation.oversample)
    point = _points(situation.seed, len(names), max(situation.count, index + 1))[index]
    values, p, q, own = {}, 1.0, 1.0, situation
    for name, at in zip(names, point, strict=True):
        shares = situation.oversample[name]
        value, share = _pick(shares, float(at))
        values[name] = value
        p *= priors.of(name, situation.seconds).shares[value]
        q *= share
        own = _APPLY[name](own, value, _fraction(float(at), shares))
    return Draw(values, p, q), dataclasses.replace(own, oversample={})


def check_oversampling(situation: Situation) -> Situation:
    """The situation itself, if all that it oversamples can be drawn and weighted.

    Every combination of values is applied once, so that none is impossible later.

    Raises:
        UserError: one sentence with the line: attributes or values without a prior, or that contradict the situation.
    """
    if not situation.oversample:
        return situation
    priors = load_priors(None if situation.priors is None else Path(situation.priors))
    for name, shares in situation.oversample.items():
        _check_attribute(situation, name, shares, priors)
    if "event" in situation.oversample and "cause" in situation.oversample:
        refuse_at(situation, "oversample.cause", "either event or cause", "both", "events of falls have their causes")
    for name, shares in situation.oversample.items():
        for value in shares:
            check_situation(dataclasses.replace(_APPLY[name](situation, value, 0.5), oversample={}))
    return situation


def _check_attribute(situation: Situation, name: str, shares: Mapping[str, float | int], priors: Priors) -> None:
    path = f"oversample.{name}"
    if name not in _APPLY:
        refuse_at(
            situation, path, f"an attribute out of {', '.join(_APPLY)}", f"'{name}'",
            nearest(name, tuple(_APPLY)) or "choose one of these",
        )  # fmt: skip
    if name != "event" and name not in priors.attributes:
        refuse_at(situation, path, f"an attribute with a prior in {priors.file}", f"'{name}'", "add its shares there")
    prior = priors.of(name, situation.seconds)
    for value in shares:
        if prior.shares.get(value, 0.0) <= 0 or value == OTHER:
            known = [each for each in prior.shares if each != OTHER]
            refuse_at(
                situation, f"{path}.{value}", f"a value with a prior ({', '.join(known)})", f"'{value}'",
                nearest(value, known) or f"add it to {priors.file}",
            )  # fmt: skip
    falls = [event for event in situation.events if facts_of(event.ward_event, event.label).is_fall]
    if name in ("cause", "direction") and not falls and "event" not in situation.oversample:
        refuse_at(situation, path, f"a fall whose {name} is drawn", "no fall among the events", "add - {label: fall}")
    if name == "cause" and any(event.cause for event in falls):
        refuse_at(situation, path, "a fall without a cause of its own", f"'{falls[0].cause}'", "leave one of them out")
    if name == "direction" and any(event.direction for event in falls):
        got = f"'{falls[0].direction}'"
        refuse_at(situation, path, "a fall without a direction of its own", got, "leave one of them out")


def _pick(shares: Mapping[str, float | int], at: float | int) -> tuple[str, float]:
    """The value whose stretch of the unit interval holds a point, and its share."""
    total, reached = sum(shares.values()), 0.0
    for value, share in shares.items():
        reached += share / total
        if at < reached and share > 0:
            return value, share / total
    value = [name for name, share in shares.items() if share > 0][-1]
    return value, shares[value] / total


def _fraction(at: float | int, shares: Mapping[str, float | int]) -> float:
    """Where in its stretch a point lies, 0 to 1: another random number, free of charge."""
    total, reached = sum(shares.values()), 0.0
    for share in shares.values():
        if share > 0 and at < reached + share / total:
            return (at - reached) / (share / total)
        reached += share / total
    return 0.5


@functools.lru_cache(maxsize=8)
def _points(seed: int, dimensions: int, count: int) -> Float[np.ndarray, "draw dimension"]:
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng([seed, 6]))
    return sequence.random_base2(max(math.ceil(math.log2(max(count, 1))), 1))


# ------------------------------------------------------------------------------- what a value changes in a situation


def _with_first(situation: Situation, change: Callable[[EventRequest], EventRequest | None]) -> Situation:
    """The situation with its first fall, or else its first event, changed; None takes it out."""
    events = list(situation.events)
    falls = [at for at, event in enumerate(events) if facts_of(event.ward_event, event.label).is_fall]
    at = falls[0] if falls else 0
    changed = change(events[at] if events else EventRequest(label="fall"))
    events[at : at + 1] = [] if changed is None else [changed]
    return dataclasses.replace(situation, events=tuple(events))


def _event(situation: Situation, value: str, fraction: float | int) -> Situation:
    if value == NOTHING:
        return _with_first(situation, lambda event: None)
    named = value if value in EVENT_FACTS else None
    label = None if named is not None else value
    facts = facts_of(named, label)

    def change(event: EventRequest) -> EventRequest:
        kept = dataclasses.replace(event, ward_event=named, label=label or facts.phases[0][0], cause=None)
        return kept if facts.is_fall else dataclasses.replace(kept, direction=None, side=None, place=None)

    return _with_first(situation, change)


def _cause(situation: Situation, value: str, fraction: float | int) -> Situation:
    assert value in CAUSES
    return _with_first(
        situation, lambda e: dataclasses.replace(e, label="fall", cause=value, ward_event=ward_event_of("fall", value))
    )


def _direction(situation: Situation, value: str, fraction: float | int) -> Situation:
    assert value in DIRECTIONS
    fall = any(facts_of(event.ward_event, event.label).is_fall for event in situation.events)
    if not fall:
        return situation
    return _with_first(situation, lambda event: dataclasses.replace(event, direction=value))


def _person(situation: Situation, **changes: object) -> Situation:
    people = list(situation.people)
    people[0] = dataclasses.replace(people[0], **changes)
    return dataclasses.replace(situation, persons=tuple(people))


def _sex(situation: Situation, value: str, fraction: float | int) -> Situation:
    return _person(situation, sex=value)


def _age_band(situation: Situation, value: str, fraction: float | int) -> Situation:
    match = _BAND.fullmatch(value)
    if match is None:
        refuse_at(
            situation, f"oversample.age_band.{value}", "a band of ages such as 75-84", f"'{value}'", "write it so"
        )
    low, high = int(match[1]), int(match[2])
    return _person(situation, age_years=math.floor(low + fraction * (high - low + 1)))


def _company(situation: Situation, value: str, fraction: float | int) -> Situation:
    if value == "alone":
        events = tuple(event for event in situation.events if event.person == 0)
        return dataclasses.replace(situation, persons=situation.people[:1], events=events)
    if any(person.role == "staff" for person in situation.people[1:]):
        return situation
    # Staff comes in some time during the first half.
    entry = PersonRequest(role="staff", enter="door", at_s=round(fraction * float(situation.seconds) / 2, 1))
    beside = PersonRequest(role="staff", start=Start(state="standing"))
    return dataclasses.replace(situation, persons=(*situation.people, entry if situation.scene is not None else beside))


def _time_of_day(situation: Situation, value: str, fraction: float | int) -> Situation:
    return situation  # tells the camera how light it is; nobody moves differently


def _activity(situation: Situation, value: str, fraction: float | int) -> Situation:
    state = {"walking": "walking", "standing": "standing", "sitting_down": "standing"}[value]
    start = situation.people[0].start
    own = _person(situation, start=dataclasses.replace(start or Start(), state=state))
    if value != "sitting_down":
        return own
    return _with_first(
        own, lambda e: dataclasses.replace(e, label="fall", ward_event="fall_missed_seat", cause="missed_seat")
    )


_APPLY: Final[Mapping[str, Callable[[Situation, str, float], Situation]]] = {
    "event": _event,
    "cause": _cause,
    "direction": _direction,
    "sex": _sex,
    "age_band": _age_band,
    "company": _company,
    "time_of_day": _time_of_day,
    "activity": _activity,
}
ATTRIBUTES: Final = tuple(_APPLY)
