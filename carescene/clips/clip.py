"""Clip: people moving for some seconds, with everything known about them."""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int8

from carescene.clips.taxonomy import OMNIFALL16, UNKNOWN_LABEL, WARD_EVENTS
from carescene.errors import UserError
from carescene.humans.skeleton import NUM_JOINTS

SCHEMA_VERSION: Final = 1

_SEXES: Final = ("female", "male", "unknown")


@dataclass
class PersonInfo:
    """What is known about one person: `role` (patient, staff, visitor ...), body facts and the walking aid in use."""

    role: str = "person"
    age_years: float | None = None
    height_m: float | None = None
    sex: str = "unknown"
    aid: str | None = None


@dataclass
class Event:
    """Something that happens to one person between two times, in seconds from the clip's first frame."""

    person: int
    label: str
    start_s: float
    end_s: float
    ward_event: str | None = None
    cause: str | None = None
    direction: str | None = None


@dataclass
class Source:
    """Where a recorded clip comes from and what its licence allows."""

    dataset: str
    licence: str
    original_id: str


@dataclass
class Generator:
    """How a generated clip was made; the same values on the same kind of machine make it again."""

    version: str
    model_hash: str
    seed: int
    sampler: str
    steps: int
    guidance: float


@dataclass
class Weight:
    """Importance weight of a steered clip: `w = p / q`, true rate over sampling rate."""

    p: float
    q: float
    w: float


@dataclass
class Clip:
    """People moving for some seconds in one world (metres, seconds, z up, floor at z = 0).

    Attributes:
        id: file stem of the clip, unique in its folder.
        fps: frames per second.
        poses: axis-angle rotations of the SMPL joints, `(person, frame, 24, 3)`.
        trans: pelvis joint in the world, `(person, frame, 3)`; not SMPL's `transl`, which leaves out the rest pelvis.
        betas: body shape, `(person, 10)`.
        frame_label: OmniFall-16 id of every frame, -1 where unknown, `(person, frame)`.
        valid: frames in which the person exists, `(person, frame)`.
        text: captions.
        persons: one `PersonInfo` per person.
        attributes: free key-value labels of the whole clip, such as the `action` and `style` a data set names.
        pose_std, trans_std: standard deviations of reconstructed clips, `(person, frame, 24)` and `(person, frame, 3)`.
    """

    id: str
    fps: float
    poses: Float[np.ndarray, "person frame 24 3"]
    trans: Float[np.ndarray, "person frame 3"]
    betas: Float[np.ndarray, "person 10"]
    frame_label: Int8[np.ndarray, "person frame"]
    valid: Bool[np.ndarray, "person frame"]
    text: list[str] = field(default_factory=list)
    persons: list[PersonInfo] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    scene: dict[str, Any] | str | None = None
    cameras: list[dict[str, Any]] = field(default_factory=list)
    source: Source | None = None
    generator: Generator | None = None
    weight: Weight | None = None
    quality: dict[str, float] = field(default_factory=dict)
    pose_std: Float[np.ndarray, "person frame 24"] | None = None
    trans_std: Float[np.ndarray, "person frame 3"] | None = None

    @property
    def num_persons(self) -> int:
        """Number of persons."""
        return self.poses.shape[0]

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.poses.shape[1]

    @property
    def seconds(self) -> float:
        """Duration in seconds: frames over frames per second."""
        return self.num_frames / self.fps


def validate_clip(clip: Clip) -> Clip:
    """Return the clip if everything in it fits together, else raise.

    Raises:
        UserError: naming the clip, the field, what was expected and what came.
    """
    persons, frames = _check_arrays(clip)
    _require(
        math.isfinite(clip.fps) and clip.fps > 0, clip, "fps", "a positive number", clip.fps, "set the recording's rate"
    )
    _require(
        len(clip.persons) in (0, persons),
        clip,
        "persons",
        f"one entry for each of {persons} persons (or none)",
        f"{len(clip.persons)} entries",
        "add the missing entries",
    )
    for person in clip.persons:
        _require(person.sex in _SEXES, clip, "persons.sex", f"one of {_SEXES}", person.sex, "use 'unknown' if unsure")
    for event in clip.events:
        _check_event(clip, event, persons, frames / clip.fps)
    return clip


def _check_arrays(clip: Clip) -> tuple[int, int]:
    _require(
        clip.poses.ndim == 4 and clip.poses.shape[2:] == (NUM_JOINTS, 3),
        clip,
        "poses",
        "shape (person, frame, 24, 3)",
        clip.poses.shape,
        "axis-angle of all 24 SMPL joints is needed, also for one person",
    )
    persons, frames = clip.poses.shape[:2]
    _require(persons > 0 and frames > 0, clip, "poses", "at least one person and one frame", clip.poses.shape, "")
    expected: dict[str, tuple[int, ...]] = {
        "trans": (persons, frames, 3),
        "betas": (persons, 10),
        "frame_label": (persons, frames),
        "valid": (persons, frames),
        "pose_std": (persons, frames, NUM_JOINTS),
        "trans_std": (persons, frames, 3),
    }
    for name, shape in expected.items():
        array = getattr(clip, name)
        if array is None:
            continue
        _require(
            array.shape == shape, clip, name, f"shape {shape}", array.shape, "its persons and frames must match poses"
        )
    for name in ("poses", "trans", "betas"):
        bad = ~np.isfinite(getattr(clip, name))
        if name != "betas":
            bad = bad & clip.valid.reshape(persons, frames, *([1] * (bad.ndim - 2)))
        if bad.any():
            frame = f", first at frame {int(np.argwhere(bad)[0][1])}" if name != "betas" else ""
            _require(
                False,
                clip,
                name,
                "finite numbers",
                f"{int(bad.sum())} NaN or infinite values{frame}",
                "repair them or mark those frames as not valid",
            )
    labels = clip.frame_label
    _require(
        bool(((labels >= UNKNOWN_LABEL) & (labels < len(OMNIFALL16))).all()),
        clip,
        "frame_label",
        "OmniFall-16 ids 0 to 15, or -1 for unknown",
        f"values from {labels.min()} to {labels.max()}",
        "map other label lists first",
    )
    return persons, frames


def _check_event(clip: Clip, event: Event, persons: int, seconds: float) -> None:
    _require(
        0 <= event.person < persons, clip, "events.person", f"0 to {persons - 1}", event.person, "count persons from 0"
    )
    _require(event.label in OMNIFALL16, clip, "events.label", "an OmniFall-16 name", event.label, "see the taxonomy")
    _require(
        event.ward_event is None or event.ward_event in WARD_EVENTS,
        clip,
        "events.ward_event",
        "a known ward event or nothing",
        event.ward_event,
        "see the taxonomy",
    )
    # Half a millisecond of slack: times are rounded when written as text.
    _require(
        0 <= event.start_s <= event.end_s <= seconds + 5e-4,
        clip,
        "events",
        f"0 <= start_s <= end_s <= {seconds:.3f}",
        f"{event.start_s} to {event.end_s}",
        "times are in seconds from the first frame",
    )


def _require(condition: bool, clip: Clip, name: str, expected: str, got: object, advice: str) -> None:
    if not condition:
        tail = f" {advice[0].upper()}{advice[1:]}." if advice else ""
        raise UserError(f"Clip '{clip.id}': expected `{name}` to be {expected}, but got {got}.{tail}")
