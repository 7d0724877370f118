"""A situation before it is simulated: who, in which motion, what goes wrong and when."""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from carescene.scenes.scene import Parameter
from carescene.simulation.events import Perturbation, Vector
from carescene.simulation.situations.people import Person, Reaction

Direction = Literal["forward", "backward", "left", "right", "down"]
Side = Literal["left", "right"]
Activity = Literal["walking", "turning", "standing", "reaching", "sitting_down", "sitting", "lying"]
Posture = Literal["walking", "standing", "sitting", "lying"]

# Horizontal unit vectors in the frame of the person at the onset: +y is ahead, +x to the person's right.
HEADINGS: Final[dict[str, tuple[float, float]]] = {
    "forward": (0.0, 1.0),
    "backward": (0.0, -1.0),
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "down": (0.0, 0.0),
}


@dataclass(frozen=True)
class Drift:
    """Where the imitated body is carried from some moment on, smoothly and to stay: a lean, a slide or a roll.

    Attributes:
        start_s, seconds: when and how long, on the clip's clock.
        lean: turn of the whole body about its feet, radians, towards `towards`.
        shift: horizontal way in metres, towards `towards`.
        roll: turn about the body's own long axis, radians, towards `towards`.
        lift: upwards, metres.
        towards: horizontal unit vector in the frame of the person at the onset.
    """

    start_s: float
    seconds: float
    towards: tuple[float, float]
    lean: float = 0.0
    shift: float = 0.0
    roll: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True)
class Imitation:
    """What the person does until the onset.

    Attributes:
        reference: id of the recorded clip.
        mirrored: whether left and right of the recording change places.
        at_s: moment of the recording that becomes the onset.
        stretch: the recording is played this many times slower.
        hold: the body stays in the pose of that moment, swaying a little, instead of playing the recording.
        drifts: how the imitated body loses its place.
        fade_s: after the onset the recording slows down to a stop with this time constant; None: it goes on.
    """

    reference: str
    mirrored: bool
    at_s: float
    stretch: float = 1.0
    hold: bool = False
    drifts: tuple[Drift, ...] = ()
    fade_s: float | None = None


@dataclass(frozen=True)
class Furniture:
    """A piece of furniture, placed in the frame of the person at the onset.

    That frame has its origin on the floor under the pelvis, +y where the person faces, +x to the person's right; for
    somebody who lies, +y points to the feet. `yaw` and `params` are those of `carescene.scenes.SceneObject`; `x` and
    `y` are where the middle of its box stands. `holds`: the body rests on it, so its height is fitted to the pose.
    """

    kind: str
    x: float
    y: float
    yaw: float
    params: dict[str, Parameter] = field(default_factory=dict)
    holds: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that is drawn of a situation before it is simulated; times in seconds of the clip.

    Attributes:
        family: name in the catalogue, such as "trip".
        ward_event, cause: labels of the fall or near fall.
        split: of the reference, and so of the clip.
        person, reaction: who, and how they answer.
        imitation: what they do until the onset.
        activity, posture: at the onset, in words.
        onset_s: first moment of lost balance.
        loss_s: from the onset until nothing holds the balance any more.
        seconds: length of the clip.
        direction: where the body is meant to go; where it went is measured afterwards.
        events: what the simulation is told; forces in the frame of the person at the onset.
        furniture: things the body can touch.
        recovers: whether this is a near fall.
        side: of the body (foot, leg, hand, bed side) that is concerned, if one is.
    """

    family: str
    ward_event: str
    cause: str
    split: str
    person: Person
    reaction: Reaction
    imitation: Imitation
    activity: Activity
    posture: Posture
    onset_s: float
    loss_s: float
    seconds: float
    direction: Direction
    events: tuple[Perturbation, ...]
    furniture: tuple[Furniture, ...] = ()
    recovers: bool = False
    side: Side | None = None


def recorded_moments(
    imitation: Imitation, onset_s: float | int, at: Float[np.ndarray, "frame"]
) -> Float[np.ndarray, "frame"]:
    """Seconds of the recording that are imitated at times of the clip; negative before the recording starts."""
    if imitation.hold:
        return np.full_like(at, imitation.at_s)
    since = at - onset_s
    if imitation.fade_s is not None:
        since = np.where(
            since > 0, imitation.fade_s * (1.0 - np.exp(-np.maximum(since, 0.0) / imitation.fade_s)), since
        )
    return imitation.at_s + since / imitation.stretch


def heading(rng: np.random.Generator, direction: Direction, spread: float | int = 0.25) -> tuple[float, float]:
    """A horizontal unit vector near a direction, turned by a Gaussian angle of `spread` radians; (0, 0) for down."""
    x, y = HEADINGS[direction]
    angle = rng.normal(0.0, spread)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return x * cos - y * sin, x * sin + y * cos


def force(towards: tuple[float, float], newtons: float | int, upwards: float | int = 0.0) -> Vector:
    """A force vector along a horizontal unit vector, in newtons."""
    return float(newtons * towards[0]), float(newtons * towards[1]), float(upwards)


def impulse_force(person: Person, change: float | int, seconds: float | int) -> float:
    """Peak newtons of a half-sine push that changes the speed of a body by `change` m/s within `seconds`.

    The mean of half a sine is 2 / pi of its peak.
    """
    return float(person.weight_kg * change / seconds * np.pi / 2)


def pick_direction(rng: np.random.Generator, shares: dict[Direction, float]) -> Direction:
    """Draw a direction by its share."""
    names = sorted(shares)
    weights = np.array([shares[name] for name in names])
    return names[rng.choice(len(names), p=weights / weights.sum())]
