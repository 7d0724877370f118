"""The course of a long stream: what happens when, at the rates asked for, and how people come back to rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from carescene.situations.consistency import refuse_at, start_state
from carescene.situations.label_plan import LabelSpan
from carescene.situations.situation import Situation
from carescene.situations.vocabulary import EVENT_FACTS, STATE_LABEL

# The state that each last label leaves somebody in.
_STATE_AFTER: Final = {
    "lying": "lying",
    "sitting": "sitting",
    "standing": "standing",
    "walk": "walking",
    "other": "standing",
    "fallen": "fallen",
    "kneeling": "kneeling",
    "squatting": "standing",
    "crawl": "fallen",
}
# The way back to rest, one event at a time: (state, state of rest) -> event.
_BACK: Final = {
    ("fallen", None): "rise_alone",
    ("kneeling", None): "rise_alone",
    ("standing", "lying"): "bed_entry",
    ("walking", "lying"): "bed_entry",
    ("sitting", "lying"): "bed_entry",
    ("standing", "sitting"): "chair_sit",
    ("walking", "sitting"): "chair_sit",
    ("lying", "sitting"): "bed_exit",
    ("sitting", "standing"): "chair_rise",
    ("sitting", "walking"): "chair_rise",
    ("lying", "standing"): "bed_exit",
    ("lying", "walking"): "bed_exit",
}
# Seconds between two events: on the floor (28 minutes without an alarm in the study of filmed falls, cut short here so
# that a stream of ten minutes holds more than one fall), and otherwise.
_ON_FLOOR_S: Final = (20.0, 90.0)
_PAUSE_S: Final = (5.0, 20.0)
# Nothing begins in the first seconds, and two events keep apart.
_FIRST_S: Final = 6.0
_SETTLE_S: Final = 0.8


@dataclass(frozen=True)
class Step:
    """One event of a stream.

    Attributes:
        at_s: when it begins, seconds from the beginning of the stream.
        before, after: states of the person.
        until_s: when it is over at the latest.
        asked: whether the rates asked for it; the others lead back to rest.
        drawn_s: when it was drawn for; later if the person was not back at rest yet.
    """

    at_s: float | int
    ward_event: str
    before: str
    after: str
    until_s: float | int
    asked: bool
    drawn_s: float | int | None = None


def state_after(ward_event: str) -> str:
    """The state that an event leaves somebody in."""
    return _STATE_AFTER[EVENT_FACTS[ward_event].phases[-1][0]]


def rest_state(situation: Situation) -> str:
    """The state in which person 0 of a stream is while nothing happens; lying where nothing is said."""
    return start_state(situation, 0) or "lying"


def make_schedule(situation: Situation) -> list[Step]:
    """Events of person 0 over the whole stream: a Poisson process for each rate, and ways back to rest in between.

    Whoever is not back at rest when the next event is due has it as soon as that is so, so that very high rates are not
    reached; `asked` steps tell what really happens.

    Raises:
        UserError: one sentence with the line, for events that cannot start from rest or need somebody else.
    """
    stream = situation.stream
    assert stream is not None
    rest = rest_state(situation)
    rng = np.random.default_rng([situation.seed, 8])
    due: list[tuple[float, str]] = []
    for name, rate in stream.rates.items():
        _check(situation, name, rest)
        count = rng.poisson(float(rate) * float(stream.minutes) / 60)
        due += [(float(at), name) for at in rng.uniform(_FIRST_S, float(stream.minutes) * 60, count)]
    steps: list[Step] = []
    free, end = _FIRST_S, float(stream.minutes) * 60
    for drawn, name in sorted(due):
        at = max(drawn, free)
        if at > end - 8.0:
            break
        steps.append(_step(at, name, rest, True, drawn))
        while steps[-1].after != rest:
            state = steps[-1].after
            back = _BACK[(state, None if (state, None) in _BACK else rest)]
            pause = rng.uniform(*(_ON_FLOOR_S if state == "fallen" else _PAUSE_S))
            steps.append(_step(steps[-1].until_s + pause, back, state, False))
        free = steps[-1].until_s + float(rng.uniform(*_PAUSE_S))
    return [step for step in steps if step.until_s < end - 1.0]


def _step(at: float | int, name: str, before: str, asked: bool, drawn: float | int | None = None) -> Step:
    seconds = sum(seconds for _, seconds in EVENT_FACTS[name].phases)
    # Rest and other lasting states are asked for as events: they take some seconds.
    seconds = max(seconds, 4.0) + _SETTLE_S + 1.0
    return Step(round(at, 2), name, before, state_after(name), round(at + seconds, 2), asked, drawn)


def _check(situation: Situation, name: str, rest: str) -> None:
    facts = EVENT_FACTS[name]
    path = f"stream.rates.{name}"
    if facts.helper:
        refuse_at(situation, path, "events of one person in a stream", f"'{name}'", "ask for it in a clip of its own")
    if rest not in facts.starts:
        refuse_at(
            situation,
            path,
            f"an event that can start from '{rest}', the state at rest",
            f"'{name}', which starts from {', '.join(facts.starts)}",
            "change the start of person 0 or the event",
        )
    if (state_after(name), None) not in _BACK and state_after(name) != rest and (state_after(name), rest) not in _BACK:
        refuse_at(situation, path, f"an event with a way back to '{rest}'", f"'{name}'", "leave it out")


def stream_labels(situation: Situation, steps: Sequence[Step]) -> list[LabelSpan]:
    """The labels of a whole stream that are known: rest between the events, and the beginning and end of each."""
    assert situation.stream is not None
    end = float(situation.stream.minutes) * 60
    spans: list[LabelSpan] = []
    state, since = rest_state(situation), 0.0
    for step in steps:
        spans.append(LabelSpan(STATE_LABEL[state], since, step.at_s))
        facts = EVENT_FACTS[step.ward_event]
        first, last = facts.phases[0][0], facts.phases[-1][0]
        if len(facts.phases) > 1:
            spans.append(LabelSpan(first, step.at_s, step.at_s + 0.6))
            over = step.at_s + sum(seconds for _, seconds in facts.phases) + _SETTLE_S
            spans.append(LabelSpan(last, over, step.until_s))
        else:
            spans.append(LabelSpan(last, step.at_s, step.until_s))
        state, since = step.after, step.until_s
    return [*spans, LabelSpan(STATE_LABEL[state], since, end)]
