"""Wishes that are not linear, as energies: one number per clip, a sum of squares that is 0 when all is well.

All are differentiable in joints and rotations of `Bodies`, batched over clips, and limited to a person and a span of
time where that makes sense. `weight` is the length of the step: 1 goes as far as the slope says, see `guidance`.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.errors import UserError
from carescene.evaluation.physics import CONTACT_JOINTS, REST_HEIGHTS
from carescene.humans.rotations import matrix_to_rotvec
from carescene.humans.skeleton import JOINT, JOINT_NAMES, MODEL_JOINTS, PARENTS
from carescene.scenes import SceneGeometry
from diffusion.steering.bodies import Bodies, body_balls

Point = tuple[float, float, float]


@runtime_checkable
class Energy(Protocol):
    """A wish: `weight` and one number per clip."""

    @property
    def weight(self) -> float | int: ...

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """The energy of each clip, 0 or more."""
        ...


@dataclass(frozen=True)
class _Weighted:
    weight: float | int = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise UserError(
                f"Expected a weight of 0 or more for {type(self).__name__}, but got {self.weight}. 1 is usual."
            )


@dataclass(frozen=True)
class _Timed(_Weighted):
    """A wish for one person in a span of time; to the clip's end without `end_s`."""

    person: int = 0
    start_s: float | int = 0.0
    end_s: float | int | None = None

    def frames(self, bodies: Bodies) -> Bool[Tensor, "batch frame"]:
        """Frames that count; refuses a person that there is not."""
        if not 0 <= self.person < bodies.there.shape[1]:
            raise UserError(
                f"Expected {type(self).__name__} for a person of 0..{bodies.there.shape[1] - 1}, but got {self.person}."
                " Persons count from 0."
            )
        time = torch.arange(bodies.there.shape[2], device=bodies.there.device) / bodies.fps
        end = math.inf if self.end_s is None else self.end_s
        # Half a frame of slack: the span counts for the nearest frames.
        inside = (time > self.start_s - 0.5 / bodies.fps) & (time < end + 0.5 / bodies.fps)
        return bodies.there[:, self.person] & inside


@dataclass(frozen=True)
class StayClear(_Weighted):
    """Nobody inside furniture, walls or the floor.

    The sum of squares of how deep balls along the bones reach below surfaces, less `allowed_m`, because mattresses,
    cushions and flesh give way.
    """

    geometry: SceneGeometry | None = None
    allowed_m: float | int = 0.02

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over balls and frames (m^2)."""
        if self.geometry is None:
            raise UserError("Expected the room's geometry for StayClear, but got none. Pass SceneGeometry.of(scenes).")
        centers, radii = body_balls(bodies.joints)
        size = radii * bodies.scale[..., None, None]
        distance = self.geometry.signed_distance(centers.flatten(1, 3)).unflatten(1, centers.shape[1:4])
        depth = (size - self.allowed_m - distance).clamp(min=0)
        return (depth.square() * bodies.there[..., None]).sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class StayInside(_Weighted):
    """Everybody inside the walls, `margin_m` away from them with every joint."""

    geometry: SceneGeometry | None = None
    margin_m: float | int = 0.1

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over joints and frames (m^2)."""
        if self.geometry is None:
            raise UserError("Expected the room's geometry for StayInside, but got none. Pass SceneGeometry.of(scenes).")
        walls = self.geometry.shell_distance(bodies.joints.flatten(1, 3))[..., 0].unflatten(1, bodies.joints.shape[1:4])
        depth = (self.margin_m - walls).clamp(min=0)
        return (depth.square() * bodies.there[..., None]).sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class KeepApart(_Weighted):
    """Nobody inside another person: squares of how deep their balls overlap, less `allowed_m` of soft flesh."""

    allowed_m: float | int = 0.01

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over pairs of balls and frames (m^2)."""
        centers, radii = body_balls(bodies.joints)
        size = radii * bodies.scale[..., None]
        total = bodies.joints.new_zeros(len(bodies.joints))
        for first in range(centers.shape[1]):
            for second in range(first + 1, centers.shape[1]):
                both = bodies.there[:, first] & bodies.there[:, second]
                gap = centers[:, first, :, :, None] - centers[:, second, :, None, :]
                # An offset far below a millimetre keeps the slope finite where two centres coincide.
                distance = (gap.square().sum(-1) + 1e-10).sqrt()
                reach = size[:, first, :, None] + size[:, second, None, :] - self.allowed_m
                depth = (reach[:, None] - distance).clamp(min=0)
                total = total + (depth.square() * both[..., None, None]).sum(dim=(1, 2, 3))
        return total


@dataclass(frozen=True)
class PlantFeet(_Weighted):
    """Standing feet do not move, and no foot is below the floor.

    A foot stands between two frames where it is low and slow in both, as `carescene.evaluation.physics` measures
    skating; how much it counts falls smoothly to 0 at `height_m` above its resting place and at `speed` (m/s).
    """

    height_m: float | int = 0.05
    speed: float | int = 0.7

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over contact points and intervals of squared steps and depths (m^2)."""
        feet = bodies.joints[..., list(CONTACT_JOINTS), :]
        rest = feet.new_tensor(REST_HEIGHTS) * bodies.scale[..., None, None]
        step = feet[:, :, 1:, :, :2] - feet[:, :, :-1, :, :2]
        lift = feet[..., 2] - rest
        with torch.no_grad():
            high = torch.maximum(lift[:, :, 1:], lift[:, :, :-1]).clamp(min=0)
            slow = 1 - (step.norm(dim=-1) * bodies.fps / self.speed).square()
            stands = (1 - high / self.height_m).clamp(min=0) * slow.clamp(min=0)
        both = (bodies.there[:, :, 1:] & bodies.there[:, :, :-1])[..., None]
        skate = (stands * both * step.square().sum(-1)).sum(dim=(1, 2, 3))
        below = (lift.clamp(max=0).square() * bodies.there[..., None]).sum(dim=(1, 2, 3))
        return skate + below


@dataclass(frozen=True)
class LookAt(_Timed):
    """A person's face points to a place, or to the head of another person."""

    at: Point | None = None
    other: int | None = None

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over frames of 1 - cos of the angle between face and target."""
        if (self.at is None) == (self.other is None):
            raise UserError(
                "Expected either a place or another person to look at. Give LookAt one of `at` and `other`."
            )
        counts = self.frames(bodies)
        own = bodies.rotations[:, self.person]
        chain, joint = [], JOINT["head"]
        while joint >= 0:
            chain.append(joint)
            joint = PARENTS[joint]
        world = own[:, :, chain[-1]]
        for joint in reversed(chain[:-1]):
            world = world @ own[:, :, joint]
        head = bodies.joints[..., JOINT["head"], :]
        target = head[:, self.other] if self.other is not None else head.new_tensor(self.at)
        line = target - head[:, self.person]
        # The face of the rest pose looks along its own +z.
        cosine = (world[..., :, 2] * line).sum(-1) / (line.square().sum(-1) + 1e-10).sqrt()
        return ((1 - cosine) * counts).sum(-1)


@dataclass(frozen=True)
class Reach(_Timed):
    """A joint comes within `within_m` of a place, or of a joint of another person."""

    joint: str = "right_wrist"
    at: Point | None = None
    other: int | None = None
    other_joint: str = "pelvis"
    within_m: float | int = 0.05

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over frames of the squared distance beyond `within_m` (m^2)."""
        if (self.at is None) == (self.other is None):
            raise UserError("Expected either a place or another person to reach. Give Reach one of `at` and `other`.")
        counts = self.frames(bodies)
        own = bodies.joints[:, self.person, :, _joint(self.joint)]
        other = bodies.joints[:, self.other, :, _joint(self.other_joint)] if self.other is not None else None
        gap = own - (own.new_tensor(self.at) if other is None else other)
        distance = (gap.square().sum(-1) + 1e-10).sqrt()
        return ((distance - self.within_m).clamp(min=0).square() * counts).sum(-1)


@dataclass(frozen=True)
class HeightRange(_Timed):
    """A joint stays between two heights: a head above 1.2 m is upright, one below 0.4 m lies on the floor."""

    joint: str = "head"
    lowest_m: float | int = 0.0
    highest_m: float | int = 4.0

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over frames of squared heights outside the range (m^2)."""
        counts = self.frames(bodies)
        z = bodies.joints[:, self.person, :, _joint(self.joint), 2]
        off = (self.lowest_m - z).clamp(min=0) + (z - self.highest_m).clamp(min=0)
        return (off.square() * counts).sum(-1)


# How high joints of the reference body may be while it rests on the floor, metres: a head on an arm, a hand on the
# body, a bent knee; 95 of 100 simulated people who lie still are below.
_RESTING: Final[dict[str, float]] = {"head": 0.42, "elbow": 0.36, "wrist": 0.32, "knee": 0.42, "ankle": 0.3}


@dataclass(frozen=True)
class LieLow(_Timed):
    """Somebody rests on the floor: nothing is held up in the air, neither head nor hands nor feet."""

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over joints and frames of squared heights above those of rest (m^2)."""
        counts = self.frames(bodies)
        joints = [index for index in range(MODEL_JOINTS) if _plain(JOINT_NAMES[index]) in _RESTING]
        z = bodies.joints[:, self.person][:, :, joints, 2]
        highest = z.new_tensor([_RESTING[_plain(JOINT_NAMES[index])] for index in joints])
        off = (z - highest * bodies.scale[:, self.person, None, None]).clamp(min=0)
        return (off.square().sum(-1) * counts).sum(-1)


@dataclass(frozen=True)
class KeepDistance(_Timed):
    """The pelvis stays between two horizontal distances from a place or from another person's pelvis."""

    at: tuple[float, float] | None = None
    other: int | None = None
    nearest_m: float | int = 0.0
    furthest_m: float | int = 30.0

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over frames of squared distances outside the range (m^2)."""
        if (self.at is None) == (self.other is None):
            raise UserError("Expected either a place or another person. Give KeepDistance one of `at` and `other`.")
        counts = self.frames(bodies)
        own = bodies.joints[:, self.person, :, 0, :2]
        target = bodies.joints[:, self.other, :, 0, :2] if self.other is not None else own.new_tensor(self.at)
        distance = ((own - target).square().sum(-1) + 1e-10).sqrt()
        off = (self.nearest_m - distance).clamp(min=0) + (distance - self.furthest_m).clamp(min=0)
        return (off.square() * counts).sum(-1)


# Lowest and highest axis-angle coordinates of left joints (radians): those that 99.8 % of recorded frames keep, of 500
# clips of prepared motion capture, and 0.1 more. Right joints mirror them: y and z change sign.
_LIMITS: Final[dict[str, tuple[Point, Point]]] = {
    "knee": ((-0.05, -0.2, -0.2), (2.65, 0.2, 0.2)),
    "elbow": ((-1.2, -2.55, -1.9), (1.0, 0.1, 1.5)),
    "ankle": ((-0.9, -0.7, -0.6), (0.8, 0.75, 0.6)),
    "wrist": ((-0.5, -0.5, -0.4), (1.0, 1.05, 1.3)),
    "hip": ((-1.9, -0.5, -0.6), (0.6, 0.95, 0.7)),
    "neck": ((-0.45, -0.55, -0.45), (0.7, 0.55, 0.45)),
    "head": ((-0.5, -0.65, -0.5), (0.65, 0.65, 0.5)),
    "spine1": ((-0.15, -0.2, -0.2), (0.55, 0.2, 0.2)),
    "spine2": ((-0.15, -0.2, -0.2), (0.55, 0.2, 0.2)),
    "spine3": ((-0.3, -0.4, -0.45), (0.55, 0.4, 0.45)),
}


@dataclass(frozen=True)
class JointLimits(_Weighted):
    """No knee, elbow, neck or back turns further than recorded people turn them."""

    def __call__(self, bodies: Bodies) -> Float[Tensor, "batch"]:
        """Sum over joints and frames of squared angles beyond the limits (rad^2)."""
        joints = [index for index in range(MODEL_JOINTS) if _plain(JOINT_NAMES[index]) in _LIMITS]
        turns = matrix_to_rotvec(bodies.rotations[..., joints, :, :])
        low, high = (turns.new_tensor([_limit(JOINT_NAMES[index], end) for index in joints]) for end in ("low", "high"))
        off = (low - turns).clamp(min=0) + (turns - high).clamp(min=0)
        return (off.square().sum(dim=(-1, -2)) * bodies.there).sum(dim=(1, 2))


def _plain(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def _limit(name: str, end: Literal["low", "high"]) -> Point:
    low, high = _LIMITS[_plain(name)]
    if name.startswith("right_"):
        low, high = (low[0], -high[1], -high[2]), (high[0], -low[1], -low[2])
    return low if end == "low" else high


def _joint(name: str) -> int:
    if name not in JOINT_NAMES[:MODEL_JOINTS]:
        raise UserError(f"Expected a joint of {', '.join(JOINT_NAMES[:MODEL_JOINTS])}, but got {name!r}. Correct it.")
    return JOINT[name]
