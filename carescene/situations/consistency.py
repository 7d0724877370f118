"""What cannot be, whatever the room: found before anything is sampled."""

from itertools import pairwise
from typing import NoReturn

from carescene.errors import UserError
from carescene.scenes.scene import KINDS
from carescene.situations.lined_yaml import refusal
from carescene.situations.situation import EventRequest, PersonRequest, Situation
from carescene.situations.vocabulary import BEDS, EventFacts, facts_of

# Somebody who lies or sits is on a thing that carries people.
_CARRIES = {"lying": ("bed", "recliner"), "sitting": ("bed", "chair", "recliner", "wheelchair", "toilet")}
# What a hand and a person need between two points of a path: the fastest dash recorded is 3.6 m/s.
_FASTEST_M_S = 4.0


def check_situation(situation: Situation, file: str | None = None) -> Situation:
    """The situation itself, if nothing in it contradicts anything else in it.

    Checked: onset before end and inside the clip; states that an event cannot start from; causes and directions of
    what is no fall; two people on one seat or lying in one bed by name; two falls of one person; furniture without a
    room; entering and starting elsewhere at once; a helper where one is needed; paths faster than people; streams with
    events in the clip.

    Args:
        file: name for messages; None takes the situation's.

    Raises:
        UserError: one sentence that names the line, as far as the situation knows its lines.
    """
    check = _Check(situation, file or f"{situation.name}.yaml")
    check.persons()
    check.events()
    check.seats()
    check.room()
    check.paths()
    check.stream()
    return situation


def refuse_at(
    situation: Situation, path: str, expected: str, got: str, advice: str, file: str | None = None
) -> NoReturn:
    """Raise a UserError that names the line of a part of the situation, or of the nearest part that has one."""
    here = path
    while here and here not in situation.lines:
        cut = max(here.rfind("."), here.rfind("["))
        here = here[:cut] if cut > 0 else ""
    line = situation.lines.get(here)
    raise UserError(refusal(file or f"{situation.name}.yaml", line, expected, got, advice))


def kind_of(name: str) -> str:
    """The kind in `bed` or `bed-1`."""
    return name if name in KINDS else name.rsplit("-", 1)[0]


def start_state(situation: Situation, person: int) -> str | None:
    """The state somebody starts in: as asked, else what the first event needs, else None."""
    start = situation.people[person].start
    if start is not None and start.state is not None:
        return start.state
    if situation.people[person].enter is not None:
        return "walking"
    for event in _ordered(situation, person):
        starts = facts_of(event.ward_event, event.label).starts
        near = start.near if start is not None else None
        carrying = [state for state in starts if near is not None and kind_of(near) in _CARRIES.get(state, ())]
        return (carrying or list(starts))[0]
    return None


class _Check:
    def __init__(self, situation: Situation, file: str) -> None:
        self._situation, self._file = situation, file

    def refuse(self, path: str, expected: str, got: str, advice: str) -> NoReturn:
        refuse_at(self._situation, path, expected, got, advice, self._file)

    def persons(self) -> None:
        for at, person in enumerate(self._situation.persons):
            path = f"persons[{at}]"
            if person.enter is None and person.at_s > 0:
                self.refuse(f"{path}.at_s", "`at_s` only with `enter`", f"{person.at_s:g} s alone", "add enter: door")
            if person.enter is not None:
                if person.start is not None:
                    self.refuse(
                        f"{path}.start", "`enter` or `start`", "both", "a person who comes in starts at the door"
                    )
                if person.at_s > self._situation.seconds - 1:
                    self.refuse(
                        f"{path}.at_s",
                        f"an entry at least 1 s before the end ({self._situation.seconds:g} s)",
                        f"{person.at_s:g} s",
                        "enter earlier or lengthen the clip",
                    )
                if at == 0 and person.at_s > 0 and len(self._situation.persons) == 1:
                    self.refuse(f"{path}.at_s", "somebody in the room at the start", "nobody", "leave out at_s")
            self._carried(person, path)
            if person.motion is not None and (person.enter or person.start):
                self.refuse(f"{path}.motion", "a given motion alone", "also a start", "the motion has its own start")

    def _carried(self, person: PersonRequest, path: str) -> None:
        start = person.start
        if start is None or start.near is None:
            if start is not None and start.side is not None:
                self.refuse(f"{path}.start.side", "a side of something", "no `near`", "add near: bed")
            return
        carriers = _CARRIES.get(start.state or "")
        if carriers is not None and kind_of(start.near) not in carriers:
            self.refuse(
                f"{path}.start.near",
                f"something to be {start.state} on ({', '.join(carriers)})",
                f"'{start.near}'",
                "choose another thing or state",
            )

    def events(self) -> None:
        situation = self._situation
        for at, event in enumerate(situation.events):
            path = f"events[{at}]"
            facts = facts_of(event.ward_event, event.label)
            self._labels(event, facts, path)
            if event.onset_s is not None:
                self._times(event, facts, path)
            elif event.end_s is not None:
                self.refuse(f"{path}.end_s", "`end_s` together with `onset_s`", "it alone", "add onset_s")
            if facts.helper and len(situation.people) < 2:
                self.refuse(
                    f"{path}.ward_event",
                    f"somebody who helps with '{event.ward_event}'",
                    "one person",
                    "add - {role: staff, enter: door} to persons",
                )
        for person in range(len(situation.people)):
            self._sequence(person)

    def _labels(self, event: EventRequest, facts: EventFacts, path: str) -> None:
        labels = [label for label, _ in facts.phases]
        named = event.ward_event or event.label
        if event.ward_event is not None and event.label is not None and event.label not in (*labels, facts.starts[0]):
            self.refuse(
                f"{path}.label", f"one of {', '.join(dict.fromkeys(labels))}, which '{named}' runs through",
                f"'{event.label}'", "leave one of the two out",
            )  # fmt: skip
        if not facts.is_fall and not facts.near_fall:
            for name in ("cause", "direction"):
                if getattr(event, name) is not None:
                    self.refuse(f"{path}.{name}", f"a {name} only of falls", f"one of '{named}'", "leave it out")
        elif facts.cause is not None and event.cause not in (None, facts.cause):
            self.refuse(
                f"{path}.cause", f"the cause {facts.cause} of '{named}'", f"'{event.cause}'", "leave one of the two out"
            )
        if event.side is not None and event.direction in ("left", "right") and event.side != event.direction:
            self.refuse(
                f"{path}.side",
                f"somebody who falls to the {event.direction} to lie on that side",
                f"'{event.side}'",
                "leave one of the two out",
            )

    def _times(self, event: EventRequest, facts: EventFacts, path: str) -> None:
        seconds, onset = self._situation.seconds, event.onset_s
        assert onset is not None
        if event.end_s is not None and event.end_s <= onset:
            self.refuse(f"{path}.end_s", f"an end after the onset ({onset:g} s)", f"{event.end_s:g} s", "swap them")
        if onset > seconds - 0.5:
            self.refuse(
                f"{path}.onset_s",
                f"an onset at least 0.5 s before the clip's end ({seconds:g} s)",
                f"{onset:g} s",
                "move it or lengthen the clip",
            )
        person = self._situation.people[event.person]
        if person.enter is not None and onset < person.at_s:
            self.refuse(
                f"{path}.onset_s", f"an onset after person {event.person} came in ({person.at_s:g} s)",
                f"{onset:g} s", "move one of the two",
            )  # fmt: skip

    def _sequence(self, person: int) -> None:
        events = _ordered(self._situation, person)
        if not events:
            return
        state = start_state(self._situation, person)
        first = facts_of(events[0].ward_event, events[0].label)
        if state is not None and state not in first.starts and events[0].onset_s in (None, 0.0):
            self._contradiction(events[0], state, first)
        # With time before the onset somebody may sit down or get up first, but nobody rises from the floor unasked.
        if state == "fallen" and state not in first.starts:
            self._contradiction(events[0], state, first)
        if state in ("standing", "walking", "kneeling") and "lying" in first.starts and len(first.starts) == 1:
            self._contradiction(events[0], state, first)
        for before, after in pairwise(events):
            facts, ends = facts_of(after.ward_event, after.label), facts_of(before.ward_event, before.label)
            if ends.is_fall and "fallen" not in facts.starts:
                path = self._path_of(after)
                self.refuse(
                    path,
                    f"something somebody on the floor can do after '{before.ward_event or before.label}'",
                    f"'{after.ward_event or after.label}'",
                    "choose fallen_moving, crawl_seek_help, rise_alone or raised_by_staff",
                )

    def _contradiction(self, event: EventRequest, state: str, facts: EventFacts) -> NoReturn:
        self.refuse(
            self._path_of(event),
            f"a start out of {', '.join(facts.starts)} for '{event.ward_event or event.label}'",
            f"'{state}'",
            "change the start or the event",
        )

    def _path_of(self, event: EventRequest) -> str:
        at = next(index for index, other in enumerate(self._situation.events) if other is event)
        path = f"events[{at}]"
        return f"{path}.ward_event" if f"{path}.ward_event" in self._situation.lines else path

    def seats(self) -> None:
        """Things named by id carry one person who lies, or one per seat."""
        taken: dict[str, int] = {}
        for at, person in enumerate(self._situation.people):
            start = person.start
            if start is None or start.near is None or kind_of(start.near) == start.near:
                continue
            state = start_state(self._situation, at)
            if state not in _CARRIES:
                continue
            name = start.near if state == "lying" or kind_of(start.near) != "bed" else f"{start.near} {start.side}"
            if name in taken:
                self.refuse(
                    f"persons[{at}].start.near",
                    f"one person on '{start.near}'",
                    f"person {taken[name]} there as well",
                    "give them different things",
                )
            taken[name] = at

    def room(self) -> None:
        situation = self._situation
        if situation.scene is not None:
            return
        needs = "a room, since this needs one"
        advice = "add scene: ward_single, or scene: sample"
        for at, person in enumerate(situation.persons):
            if person.start is not None and person.start.near is not None:
                self.refuse(f"persons[{at}].start.near", needs, f"'{person.start.near}' and no scene", advice)
            if person.enter is not None:
                self.refuse(f"persons[{at}].enter", needs, "a door and no scene", advice)
        for at, event in enumerate(situation.events):
            if event.place is not None:
                self.refuse(f"events[{at}].place", needs, f"'{event.place.near}' and no scene", advice)
            facts = facts_of(event.ward_event, event.label)
            if facts.needs and facts.needs == BEDS:
                self.refuse(f"events[{at}].ward_event", needs, f"'{event.ward_event}' and no scene", advice)
        for at, reach in enumerate(situation.constraints.reach):
            self.refuse(f"constraints.reach[{at}]", needs, f"'{reach.object}' and no scene", advice)

    def paths(self) -> None:
        for person in range(len(self._situation.people)):
            numbered = [(at, p) for at, p in enumerate(self._situation.constraints.path) if p.person == person]
            numbered.sort(key=lambda pair: pair[1].at_s)
            for (_, first), (at, second) in pairwise(numbered):
                far = ((second.x - first.x) ** 2 + (second.y - first.y) ** 2) ** 0.5
                if far > _FASTEST_M_S * (second.at_s - first.at_s):
                    self.refuse(
                        f"constraints.path[{at}]",
                        f"at most {_FASTEST_M_S:g} m/s between two path points",
                        f"{far:.1f} m in {second.at_s - first.at_s:g} s",
                        "give more time",
                    )
        for at, look in enumerate(self._situation.constraints.look_at):
            if look.to_s is not None and look.to_s <= look.from_s:
                self.refuse(
                    f"constraints.look_at[{at}].to_s", f"a time after {look.from_s:g} s", f"{look.to_s:g} s", "swap"
                )
            if look.at == look.person:
                self.refuse(f"constraints.look_at[{at}].at", "somebody else", "the person itself", "name another")

    def stream(self) -> None:
        situation = self._situation
        if situation.stream is None:
            return
        if situation.events:
            self.refuse("events", "events of a stream as `rates`", "a list of events", "move them to stream.rates")
        if situation.oversample:
            self.refuse("oversample", "rates of a stream", "`oversample`", "state what is oversampled in stream.rates")
        if situation.scene is None:
            self.refuse("stream", "a room for a stream", "no scene", "add scene: ward_single")
        if situation.stream.prefix_s > situation.stream.window_s / 2:
            self.refuse(
                "stream.prefix_s", "at most half a window to be known", f"{situation.stream.prefix_s:g} s",
                "shorten prefix_s or lengthen window_s",
            )  # fmt: skip


def _ordered(situation: Situation, person: int) -> list[EventRequest]:
    """Events of a person by their onset; those without one keep their order."""
    mine = [event for event in situation.events if event.person == person]
    timed = all(event.onset_s is not None for event in mine)
    return sorted(mine, key=lambda event: event.onset_s or 0.0) if timed else mine
