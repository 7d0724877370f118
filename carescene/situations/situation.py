"""What somebody asks for: who, where, what happens, when and how. Everything may be left to the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

Number = float | int

SAMPLED: Final = "sample"
DEFAULT_SECONDS: Final = 6.0


@dataclass(frozen=True)
class Start:
    """How somebody is in the first frame.

    Attributes:
        near: a kind of thing (bed, chair, door ...) or the id of one; somebody who lies or sits is on it.
        side: of that thing, seen from the thing itself: its own left (-x) or right (+x).
        state: lying, sitting, standing, walking, kneeling or fallen (lying on the floor).
    """

    near: str | None = None
    side: str | None = None
    state: str | None = None


@dataclass(frozen=True)
class PersonRequest:
    """One person: what is not said is left to the text, and then to the model.

    Attributes:
        role: patient, staff, visitor or person.
        aid: walking aid: cane, walker, rollator, iv_pole, wheelchair, none.
        enter: the person comes in through a door: `door`, or the id of one.
        at_s: when the person comes in, seconds; before that the person is not in the room.
        motion: clip file whose person `take` is played as it is, so that others react to it.
    """

    role: str = "person"
    age_years: Number | None = None
    sex: str | None = None
    height_m: Number | None = None
    weight_kg: Number | None = None
    aid: str | None = None
    start: Start | None = None
    enter: str | None = None
    at_s: Number = 0.0
    motion: str | None = None
    take: int = 0


@dataclass(frozen=True)
class Place:
    """Where an event happens: on or beside a thing, on one of its sides, at most `within_m` metres from it."""

    near: str
    side: str | None = None
    within_m: Number = 0.5


@dataclass(frozen=True)
class EventRequest:
    """Something that must happen to one person.

    Attributes:
        label: OmniFall-16 name; ward_event: name of the ward's own list. One of the two is enough.
        cause: of a fall or near fall.
        direction: of a fall, relative to where the person faces at the onset.
        side: of the body that comes to lie below after a fall.
        onset_s: first moment of lost balance, or of the movement, seconds.
        end_s: when it is over; for a fall, when the body rests.
    """

    person: int = 0
    label: str | None = None
    ward_event: str | None = None
    cause: str | None = None
    direction: str | None = None
    side: str | None = None
    onset_s: Number | None = None
    end_s: Number | None = None
    place: Place | None = None


@dataclass(frozen=True)
class PathPoint:
    """The pelvis of a person is above this point of the room's floor at this time (metres, seconds)."""

    at_s: Number
    x: Number
    y: Number
    person: int = 0


@dataclass(frozen=True)
class Keyframe:
    """The whole body is at this time as in one moment of a clip file, at the place it has there."""

    at_s: Number
    clip: str
    clip_s: Number = 0.0
    take: int = 0
    person: int = 0


@dataclass(frozen=True)
class JointPoint:
    """One joint is at this point of the room at this time (metres); coordinates left out are free."""

    at_s: Number
    joint: str
    x: Number | None = None
    y: Number | None = None
    z: Number | None = None
    person: int = 0


@dataclass(frozen=True)
class LookAt:
    """The head faces a thing (kind or id) or another person between two times."""

    at: str | int
    person: int = 0
    from_s: Number = 0.0
    to_s: Number | None = None


@dataclass(frozen=True)
class Reach:
    """A hand touches a thing (kind or id) at this time."""

    at_s: Number
    object: str
    hand: str = "right"
    person: int = 0


@dataclass(frozen=True)
class Constraints:
    """Exact wishes (path, keyframes, joints) and those that are met as well as possible (look_at, reach)."""

    path: tuple[PathPoint, ...] = ()
    keyframes: tuple[Keyframe, ...] = ()
    joints: tuple[JointPoint, ...] = ()
    look_at: tuple[LookAt, ...] = ()
    reach: tuple[Reach, ...] = ()


@dataclass(frozen=True)
class SceneRequest:
    """Which room: a preset (a new one for every clip, or always that of `seed`), a file, or one that is sampled."""

    preset: str | None = None
    file: str | None = None
    seed: int | None = None
    sampled: bool = False


@dataclass(frozen=True)
class GuidanceWeights:
    """How hard the sampler is pushed; None keeps the default.

    Attributes:
        text, scene, constraints: classifier-free guidance towards each; 1 is none.
        energies: of keeping clear of furniture, walls and other people; 0 is none, 1 is usual.
    """

    text: Number | None = None
    scene: Number | None = None
    constraints: Number | None = None
    energies: Number | None = None


@dataclass(frozen=True)
class StreamRequest:
    """A long recording: quiet time with events at rates per hour.

    Attributes:
        minutes: length.
        rates: ward event -> events per hour (Poisson).
        window_s: what is sampled at once; prefix_s: how much of it is known from before.
        chunk_s: length of one clip file.
    """

    minutes: Number
    rates: Mapping[str, Number] = field(default_factory=lambda: MappingProxyType({}))
    window_s: Number = 10.0
    prefix_s: Number = 2.0
    chunk_s: Number = 60.0


@dataclass(frozen=True)
class Situation:
    """A request for clips.

    Attributes:
        name: stem of the file, used in names of clips.
        lines: where each part stands in the file: "persons[0].start.near" -> line, counted from 1.
        oversample: attribute -> value -> share among the clips made (see `carescene.situations.priors`).
    """

    name: str = "situation"
    seconds: Number = DEFAULT_SECONDS
    text: str | None = None
    persons: tuple[PersonRequest, ...] = ()
    events: tuple[EventRequest, ...] = ()
    constraints: Constraints = Constraints()
    scene: SceneRequest | None = None
    camera: str | None = None
    count: int = 1
    seed: int = 0
    guidance: GuidanceWeights = GuidanceWeights()
    oversample: Mapping[str, Mapping[str, Number]] = field(default_factory=lambda: MappingProxyType({}))
    priors: str | None = None
    stream: StreamRequest | None = None
    lines: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}), compare=False, repr=False)

    @property
    def people(self) -> tuple[PersonRequest, ...]:
        """The persons; one of whom nothing is known if none is named."""
        return self.persons or (PersonRequest(),)
