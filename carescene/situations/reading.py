"""Situation files: YAML to a `Situation`, every refusal in one sentence that names the line."""

from pathlib import Path
from typing import Final

from carescene.clips.taxonomy import OMNIFALL16, WARD_EVENTS
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT_NAMES, MODEL_JOINTS
from carescene.scenes.generator import PRESETS
from carescene.situations.consistency import check_situation
from carescene.situations.lined_yaml import Lined, nearest, read_lined
from carescene.situations.reading_fields import choice, door, metres, number, or_default, shares, thing, whole
from carescene.situations.situation import (
    DEFAULT_SECONDS,
    SAMPLED,
    Constraints,
    EventRequest,
    GuidanceWeights,
    JointPoint,
    Keyframe,
    LookAt,
    PathPoint,
    PersonRequest,
    Place,
    Reach,
    SceneRequest,
    Situation,
    Start,
    StreamRequest,
)
from carescene.situations.vocabulary import AIDS, CAUSES, DIRECTIONS, ROLES, SIDES, STATES, ward_event_of

# The model's own length of clips; people who are described are adults; the model has places for four.
SECONDS: Final = (1.0, 10.0)
AGES: Final = (18, 110)
HEIGHTS: Final = (1.35, 2.10)
WEIGHTS: Final = (30, 200)
MOST_PERSONS: Final = 4
MOST_CLIPS: Final = 100_000
LONGEST_TEXT: Final = 1000
_MODEL_JOINTS: Final = JOINT_NAMES[:MODEL_JOINTS]
_ROOM_FILES: Final = (".json", ".yaml", ".yml")

_KEYS: Final = (
    "seconds",
    "text",
    "persons",
    "events",
    "constraints",
    "scene",
    "camera",
    "count",
    "seed",
    "guidance",
    "oversample",
    "priors",
    "stream",
)
_PERSON_KEYS: Final = (
    "role",
    "age_years",
    "sex",
    "height_m",
    "weight_kg",
    "aid",
    "start",
    "enter",
    "at_s",
    "motion",
    "take",
)
_EVENT_KEYS: Final = (
    "person",
    "label",
    "ward_event",
    "cause",
    "direction",
    "side",
    "onset_s",
    "end_s",
    "place",
)


def load_situation(path: Path) -> Situation:
    """Read and check a situation file; files that it names are looked for beside it.

    Raises:
        UserError: one sentence that names the file and the line: unknown keys and words (with the nearest right one),
            numbers out of range, and requests that contradict each other (see `check_situation`).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"Expected a situation file at '{path}', but there is none. Check its name.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Expected '{path}' to be a readable text file, but got: {error}. Check the file.") from error
    return parse_situation(text, path.name, path.parent)


def parse_situation(text: str, file: str = "situation.yaml", folder: Path | None = None) -> Situation:
    """A situation from the text of its file; see `load_situation`.

    Args:
        file: name for messages; its stem names the situation.
        folder: where the files that it names lie; None leaves their names as they are.
    """
    top = read_lined(text, file).only(_KEYS)
    reader = _Reader(top, folder)
    situation = Situation(
        name=Path(file).stem,
        seconds=reader.seconds,
        text=reader.text(),
        persons=reader.persons,
        events=tuple(reader.event(entry) for entry in reader.entries(top, "events")),
        constraints=reader.constraints(),
        scene=reader.scene(),
        camera=reader.camera(),
        count=whole(top, "count", 1, 1, MOST_CLIPS),
        seed=whole(top, "seed", 0, 0, 2**53),
        guidance=reader.guidance(),
        oversample=reader.oversample(),
        priors=reader.file(top.get("priors"), (".yaml", ".yml")),
        stream=reader.stream(),
        lines=top.lines,
    )
    return check_situation(situation, file)


class _Reader:
    """Reads the parts of one file; knows how long the clip is and who is in it."""

    def __init__(self, top: Lined, folder: Path | None) -> None:
        self._top, self._folder = top, folder
        entry = top.get("seconds")
        self.seconds = DEFAULT_SECONDS if entry is None else entry.number(*SECONDS, what="seconds")
        people = self.entries(top, "persons")
        if len(people) > MOST_PERSONS:
            people[MOST_PERSONS].refuse(f"at most {MOST_PERSONS} persons", "one more", "the model knows no more")
        self.persons = tuple(self._person(entry) for entry in people)

    def entries(self, of: Lined, key: str) -> list[Lined]:
        entry = of.get(key)
        return [] if entry is None else entry.items()

    def text(self) -> str | None:
        entry = self._top.get("text")
        if entry is None:
            return None
        text = entry.word(what="words that say what happens")
        if len(text) > LONGEST_TEXT:
            entry.refuse(f"at most {LONGEST_TEXT} characters", f"{len(text)}", "say it in a sentence or two")
        return text

    def _person(self, entry: Lined) -> PersonRequest:
        entry.only(_PERSON_KEYS)
        return PersonRequest(
            role=choice(entry, "role", ROLES) or "person",
            age_years=number(entry, "age_years", *AGES, what="an age in years"),
            sex=choice(entry, "sex", ("female", "male")),
            height_m=number(entry, "height_m", *HEIGHTS, what="metres"),
            weight_kg=number(entry, "weight_kg", *WEIGHTS, what="kilograms"),
            aid=choice(entry, "aid", AIDS),
            start=self._start(entry.get("start")),
            enter=door(entry.get("enter")),
            at_s=number(entry, "at_s", 0.0, self.seconds, what="seconds within the clip") or 0.0,
            motion=self.file(entry.get("motion"), (".json", ".npz")),
            take=whole(entry, "take", 0, 0, 9),
        )

    def _start(self, entry: Lined | None) -> Start | None:
        if entry is None:
            return None
        entry.only(("near", "side", "state"))
        return Start(thing(entry.get("near")), choice(entry, "side", SIDES), choice(entry, "state", STATES))

    def event(self, entry: Lined) -> EventRequest:
        entry.only(_EVENT_KEYS)
        label, cause = choice(entry, "label", OMNIFALL16), choice(entry, "cause", CAUSES)
        ward_event = choice(entry, "ward_event", tuple(WARD_EVENTS))
        if label is None and ward_event is None and cause is None:
            entry.refuse("an event with a label or a ward_event", "neither", "say what happens")
        return EventRequest(
            person=self._who(entry),
            label=label or ("fall" if ward_event is None else None),
            ward_event=ward_event or ward_event_of(label, cause),
            cause=cause,
            direction=choice(entry, "direction", DIRECTIONS),
            side=choice(entry, "side", SIDES),
            onset_s=self._time(entry, "onset_s"),
            end_s=self._time(entry, "end_s"),
            place=self._place(entry.get("place")),
        )

    def _place(self, entry: Lined | None) -> Place | None:
        if entry is None:
            return None
        entry.only(("near", "side", "within_m"))
        near = thing(entry.get("near"))
        if near is None:
            entry.refuse("a place near something", "no `near`", "name a kind of thing, such as near: bed")
        within = number(entry, "within_m", 0.1, 5.0, what="metres")
        return Place(near, choice(entry, "side", SIDES), 0.5 if within is None else within)

    def constraints(self) -> Constraints:
        entry = self._top.get("constraints")
        if entry is None:
            return Constraints()
        entry.only(("path", "keyframes", "joints", "look_at", "reach"))
        return Constraints(
            path=tuple(self._path_point(item) for item in self.entries(entry, "path")),
            keyframes=tuple(self._keyframe(item) for item in self.entries(entry, "keyframes")),
            joints=tuple(self._joint(item) for item in self.entries(entry, "joints")),
            look_at=tuple(self._look(item) for item in self.entries(entry, "look_at")),
            reach=tuple(self._reach(item) for item in self.entries(entry, "reach")),
        )

    def _path_point(self, entry: Lined) -> PathPoint:
        entry.only(("at_s", "x", "y", "person"))
        return PathPoint(self._needed(entry, "at_s"), metres(entry, "x"), metres(entry, "y"), self._who(entry))

    def _keyframe(self, entry: Lined) -> Keyframe:
        entry.only(("at_s", "clip", "clip_s", "take", "person"))
        clip = self.file(entry.get("clip"), (".json", ".npz"))
        if clip is None:
            entry.refuse("a keyframe out of a clip", "no `clip`", "name a clip file")
        moment = number(entry, "clip_s", 0.0, 36_000.0, what="seconds") or 0.0
        return Keyframe(self._needed(entry, "at_s"), clip, moment, whole(entry, "take", 0, 0, 9), self._who(entry))

    def _joint(self, entry: Lined) -> JointPoint:
        entry.only(("at_s", "joint", "x", "y", "z", "person"))
        joint = choice(entry, "joint", _MODEL_JOINTS)
        if joint is None:
            entry.refuse("the name of a joint", "none", "add joint: left_wrist or another")
        x, y, z = (number(entry, axis, -100.0, 100.0, what="metres") for axis in "xyz")
        if x is y is z is None:
            entry.refuse("at least one of x, y and z", "none", "say where the joint is to be")
        return JointPoint(self._needed(entry, "at_s"), joint, x, y, z, self._who(entry))

    def _look(self, entry: Lined) -> LookAt:
        entry.only(("at", "person", "from_s", "to_s"))
        at = entry.get("at")
        if at is None:
            entry.refuse("a thing or the number of a person to look at", "no `at`", "add at: door or at: 1")
        seen = at.whole(0, self._last_person) if isinstance(at.value, int) else thing(at)
        assert seen is not None
        return LookAt(seen, self._who(entry), self._time(entry, "from_s") or 0.0, self._time(entry, "to_s"))

    def _reach(self, entry: Lined) -> Reach:
        entry.only(("at_s", "object", "hand", "person"))
        name = thing(entry.get("object"))
        if name is None:
            entry.refuse("a thing to reach for", "no `object`", "name a kind of thing")
        hand = choice(entry, "hand", SIDES) or "right"
        return Reach(self._needed(entry, "at_s"), name, hand, self._who(entry))

    def scene(self) -> SceneRequest | None:
        entry = self._top.get("scene")
        if entry is None:
            return None
        if isinstance(entry.value, dict):
            entry.only(("preset", "seed", "file"))
            preset, file = choice(entry, "preset", PRESETS), self.file(entry.get("file"), _ROOM_FILES)
            if (preset is None) == (file is None):
                entry.refuse("a preset or a file", "both or neither", "name one of them")
            fixed = entry.get("seed")
            return SceneRequest(preset, file, None if fixed is None else fixed.whole(0, 2**53))
        word = entry.word()
        if word == "none":
            return None
        if word == SAMPLED:
            return SceneRequest(sampled=True)
        if word in PRESETS:
            return SceneRequest(preset=word)
        if word.lower().endswith(_ROOM_FILES):
            return SceneRequest(file=self.file(entry, _ROOM_FILES))
        return entry.refuse(
            f"a room out of {', '.join(PRESETS)}, a scene file (.json, .yaml), sample, or none",
            advice=nearest(word, (*PRESETS, SAMPLED, "none")) or "choose one of these",
        )

    def camera(self) -> str | None:
        entry = self._top.get("camera")
        if entry is None:
            return None
        # Imported here: rendering loads open3d, and most situations name no camera.
        from carescene.rendering.camera_presets import CAMERA_PRESETS

        word = entry.word()
        return word if word.endswith(".json") else entry.word(CAMERA_PRESETS)

    def guidance(self) -> GuidanceWeights:
        entry = self._top.get("guidance")
        if entry is None:
            return GuidanceWeights()
        if not isinstance(entry.value, dict):
            return GuidanceWeights(text=entry.number(0.0, 100.0, what="a weight"))
        names = ("text", "scene", "constraints", "energies")
        entry.only(names)
        return GuidanceWeights(*(number(entry, name, 0.0, 100.0, what="a weight") for name in names))

    def oversample(self) -> dict[str, dict[str, float]]:
        entry = self._top.get("oversample")
        if entry is None:
            return {}
        if not isinstance(entry.value, dict):
            entry.refuse("attributes with shares", advice="write such as cause: {collapse: 0.5, slip: 0.5}")
        return {name: shares(values) for name, values in entry.value.items()}

    def stream(self) -> StreamRequest | None:
        entry = self._top.get("stream")
        if entry is None:
            return None
        entry.only(("minutes", "rates", "window_s", "prefix_s", "chunk_s"))
        minutes = entry.get("minutes")
        if minutes is None:
            entry.refuse("the length of the stream", "no `minutes`", "add minutes: 10")
        rates, given = {}, entry.get("rates")
        if given is not None:
            for name, rate in given.only(tuple(WARD_EVENTS)).value.items():
                rates[name] = rate.number(0.0, 120.0, what="events per hour")
        plain = StreamRequest(minutes.number(0.1, 1440.0, what="minutes"), rates)
        return StreamRequest(
            plain.minutes,
            rates,
            or_default(number(entry, "window_s", 4.0, 10.0, what="seconds"), plain.window_s),
            or_default(number(entry, "prefix_s", 0.5, 4.0, what="seconds"), plain.prefix_s),
            or_default(number(entry, "chunk_s", 10.0, 600.0, what="seconds"), plain.chunk_s),
        )

    def file(self, entry: Lined | None, endings: tuple[str, ...]) -> str | None:
        """The path of a file that is named, looked for beside the situation."""
        if entry is None:
            return None
        name = entry.word(what="the name of a file")
        if not name.lower().endswith(endings):
            entry.refuse(f"a file named {' or '.join(endings)}")
        if self._folder is None:
            return name
        path = self._folder / name
        if not path.is_file():
            entry.refuse(f"a file beside the situation or at '{path}'", f"{name!r}, which is not there")
        return str(path)

    @property
    def _last_person(self) -> int:
        return max(len(self.persons), 1) - 1

    def _who(self, entry: Lined) -> int:
        given = entry.get("person")
        if given is None:
            return 0
        value = given.value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= self._last_person:
            people = max(len(self.persons), 1)
            given.refuse(f"a person from 0 to {self._last_person} (there {'is' if people == 1 else 'are'} {people})")
        return value

    def _time(self, entry: Lined, key: str) -> float | None:
        return number(entry, key, 0.0, self.seconds, what="seconds within the clip,")

    def _needed(self, entry: Lined, key: str) -> float:
        value = self._time(entry, key)
        if value is None:
            entry.refuse(f"a time `{key}`", "none", f"add {key} in seconds")
        return value
