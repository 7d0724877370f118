"""What can be asked of a motion exactly: places, heights, poses, speeds and event times, one small record each.

All positions are in the model's world: metres, z up, floor at z = 0, person 0 at x = y = 0 and facing +y in the first
frame. Times are in seconds from the first frame and count for the nearest frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carescene.clips.taxonomy import OMNIFALL16
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT_NAMES, MODEL_JOINTS, NUM_JOINTS

# Nobody is asked to be further away than the longest corridor, below the floor, or above a high ceiling.
FURTHEST_M, LOWEST_M, HIGHEST_M = 30.0, -0.3, 4.0
# Faster than any sprinter (12.4 m/s).
FASTEST_MPS = 12.0


@dataclass(frozen=True)
class RootPoint:
    """The pelvis of a person is above (x, y) at a time."""

    person: int
    time_s: float | int
    x: float | int
    y: float | int

    def __str__(self) -> str:
        return f"root point ({self.x:g}, {self.y:g}) of person {self.person} at {self.time_s:g} s"


@dataclass(frozen=True)
class RootPath:
    """The pelvis of a person follows points (x, y) evenly spread from one time to another, one for every frame.

    Points between frames are interpolated along the line through them; two points make a straight line at even speed.
    """

    person: int
    start_s: float | int
    end_s: float | int
    points: Sequence[tuple[float, float]]

    def __str__(self) -> str:
        return f"root path of person {self.person} from {self.start_s:g} to {self.end_s:g} s"


@dataclass(frozen=True)
class PelvisHeight:
    """The pelvis of a person is this high above the floor at a time."""

    person: int
    time_s: float | int
    z: float | int

    def __str__(self) -> str:
        return f"pelvis height {self.z:g} m of person {self.person} at {self.time_s:g} s"


@dataclass(frozen=True)
class JointTarget:
    """A joint (a name of SMPL's first 22) is at (x, y, z) at a time; None leaves that coordinate free."""

    person: int
    time_s: float | int
    joint: str
    x: float | int | None = None
    y: float | int | None = None
    z: float | int | None = None

    def __str__(self) -> str:
        at = ", ".join("free" if v is None else f"{v:g}" for v in (self.x, self.y, self.z))
        return f"target ({at}) of {self.joint} of person {self.person} at {self.time_s:g} s"


@dataclass(frozen=True)
class JointMeeting:
    """A joint of one person is at a joint of another person plus an offset (metres, world axes) at a time."""

    person: int
    time_s: float | int
    joint: str
    other: int
    other_joint: str
    offset: tuple[float | int, float | int, float | int] = (0.0, 0.0, 0.0)

    def __str__(self) -> str:
        return (
            f"meeting of {self.joint} of person {self.person} with {self.other_joint} of person {self.other} "
            f"at {self.time_s:g} s"
        )


@dataclass(frozen=True)
class RootVelocity:
    """The pelvis of a person moves at (vx, vy) m/s from one time to another; (0, 0) stands still."""

    person: int
    start_s: float | int
    end_s: float | int
    vx: float | int = 0.0
    vy: float | int = 0.0

    def __str__(self) -> str:
        return (
            f"velocity ({self.vx:g}, {self.vy:g}) m/s of person {self.person} from {self.start_s:g} to {self.end_s:g} s"
        )


@dataclass(frozen=True, eq=False)
class Keyframe:
    """The whole pose of a person at a time.

    Attributes:
        poses: axis-angle rotations of the 24 joints `(24, 3)`, radians, the pelvis' in the world.
        trans: the pelvis in the world `(3,)`, metres.
    """

    person: int
    time_s: float | int
    poses: np.ndarray
    trans: np.ndarray

    def __str__(self) -> str:
        return f"keyframe of person {self.person} at {self.time_s:g} s"


@dataclass(frozen=True)
class EventSpan:
    """A person's event label (OmniFall-16) begins at a time and lasts, at least for `hold_s`, or until `end_s`.

    Before `start_s` the label is absent, unless it starts with the clip. With `end_s` it fills the whole span and is
    absent after; without, what comes after `hold_s` is left to the model. `before` names the label right before.
    """

    person: int
    label: str
    start_s: float | int
    end_s: float | int | None = None
    before: str | None = None
    hold_s: float | int = 0.3

    def __str__(self) -> str:
        return f"event '{self.label}' of person {self.person} from {self.start_s:g} s"


Constraint = RootPoint | RootPath | PelvisHeight | JointTarget | JointMeeting | RootVelocity | Keyframe | EventSpan


def check_constraint(
    asked: Constraint,
    *,
    persons: int,
    seconds: float | int,
    floor_plan: Sequence[tuple[float | int, float | int]] | None = None,
) -> None:
    """Refuse a constraint that cannot be met, whatever the motion.

    Args:
        seconds: length of the clip.
        floor_plan: corners of the room in the model's world; places outside are refused when given.

    Raises:
        UserError: naming the constraint, what was expected and what came.
    """
    _need(0 <= asked.person < persons, asked, f"a person of 0..{persons - 1}", str(asked.person))
    for name in ("time_s", "start_s", "end_s"):
        time = getattr(asked, name, None)
        if time is not None:
            inside = math.isfinite(time) and 0 <= time <= seconds + 1e-6
            _need(inside, asked, f"{name} within the clip's 0..{seconds:g} s", f"{time:g}")
    if isinstance(asked, (RootPath, RootVelocity, EventSpan)) and asked.end_s is not None:
        _need(asked.start_s < asked.end_s, asked, "an end after its start", f"{asked.start_s:g}..{asked.end_s:g} s")
    match asked:
        case RootPoint():
            _check_place(asked, asked.x, asked.y, floor_plan)
        case RootPath():
            _need(len(asked.points) >= 2, asked, "at least two points", str(len(asked.points)))
            for x, y in asked.points:
                _check_place(asked, x, y, floor_plan)
        case PelvisHeight():
            _check_height(asked, asked.z)
        case JointTarget():
            _check_joint(asked, asked.joint)
            _need(any(v is not None for v in (asked.x, asked.y, asked.z)), asked, "a coordinate", "none")
            if asked.x is not None and asked.y is not None:
                _check_place(asked, asked.x, asked.y, floor_plan)
            for value in (asked.x, asked.y):
                if value is not None:
                    _need(abs(value) <= FURTHEST_M, asked, f"coordinates within {FURTHEST_M:g} m", f"{value:g}")
            if asked.z is not None:
                _check_height(asked, asked.z)
        case JointMeeting():
            _need(0 <= asked.other < persons, asked, f"a person of 0..{persons - 1}", str(asked.other))
            _need(asked.other != asked.person, asked, "two different persons", f"person {asked.person} twice")
            _check_joint(asked, asked.joint)
            _check_joint(asked, asked.other_joint)
            _need(bool(np.isfinite(asked.offset).all()), asked, "a finite offset", str(asked.offset))
        case RootVelocity():
            speed = math.hypot(asked.vx, asked.vy)
            _need(speed <= FASTEST_MPS, asked, f"at most {FASTEST_MPS:g} m/s", f"{speed:g} m/s")
        case Keyframe():
            shapes = (np.shape(asked.poses), np.shape(asked.trans))
            _need(shapes == ((NUM_JOINTS, 3), (3,)), asked, "poses (24, 3) and trans (3,)", str(shapes))
            finite = bool(np.isfinite(asked.poses).all() and np.isfinite(asked.trans).all())
            _need(finite, asked, "finite numbers", "NaN or infinity")
            _check_place(asked, float(asked.trans[0]), float(asked.trans[1]), floor_plan)
            _check_height(asked, float(asked.trans[2]))
        case EventSpan():
            for label in (asked.label, asked.before):
                if label is not None:
                    _need(label in OMNIFALL16, asked, f"a label of {', '.join(OMNIFALL16)}", repr(label))
            _need(asked.before != asked.label, asked, "another label before the event", repr(asked.before))
            _need(asked.hold_s >= 0, asked, "hold_s of 0 or more", f"{asked.hold_s:g}")


def _need(fine: bool, asked: Constraint, expected: str, got: str) -> None:
    if not fine:
        raise UserError(f"Expected {expected}, but got {got}, in the {asked}. Correct it or leave it out.")


def _check_joint(asked: Constraint, joint: str) -> None:
    known = JOINT_NAMES[:MODEL_JOINTS]
    _need(joint in known, asked, f"a joint of {', '.join(known)}", repr(joint))


def _check_height(asked: Constraint, z: float | int) -> None:
    _need(LOWEST_M <= z <= HIGHEST_M, asked, f"a height within {LOWEST_M:g}..{HIGHEST_M:g} m", f"{z:g}")


def _check_place(
    asked: Constraint,
    x: float | int,
    y: float | int,
    floor_plan: Sequence[tuple[float | int, float | int]] | None,
) -> None:
    near = math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) <= FURTHEST_M
    _need(near, asked, f"coordinates within {FURTHEST_M:g} m of the start", f"({x:g}, {y:g})")
    if floor_plan is not None:
        _need(_inside(floor_plan, x, y), asked, "a place inside the room", f"({x:g}, {y:g})")


def _inside(corners: Sequence[tuple[float | int, float | int]], x: float | int, y: float | int) -> bool:
    """Whether a point lies inside a polygon, by the crossings of a ray along x (Shimrat 1962)."""
    crossings = 0
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            crossings += 1
    return crossings % 2 == 1
