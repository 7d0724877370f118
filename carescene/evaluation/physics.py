"""Physical plausibility of motion as pure functions: foot skating, jerk, floor penetration and floating.

Every measure exists as a mean over what it counts, and as the pair (sum, count) behind it, so that clips of different
lengths can be pooled, and so that several processes can add their parts before they divide.
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.errors import UserError
from carescene.humans.skeleton import JOINT

# The points that carry a standing person: both ankles and both balls of the feet.
CONTACT_JOINTS: Final[tuple[int, ...]] = (
    JOINT["left_ankle"],
    JOINT["right_ankle"],
    JOINT["left_foot"],
    JOINT["right_foot"],
)

# Heights of those joints over the sole of the bundled body (betas 0) when it stands flat on the floor, in metres.
REST_HEIGHTS: Final[tuple[float, ...]] = (0.078, 0.078, 0.028, 0.028)

# A point belongs to a stance only within this height above its resting place: the width of the noise of motion
# capture plus the first part of the heel's lift. A foot that is still in the air, or in bed, is no stance.
STANCE_HEIGHT: Final = 0.04

# And only below this speed: a swinging foot passes the floor at 1 to 4 m/s, a sliding one hardly exceeds 0.5 m/s.
STANCE_SPEED: Final = 0.5

# A stance point faster than this visibly slides (7.5 mm from frame to frame at 20 fps).
SLIDE_SPEED: Final = 0.15

# A lowest point above this is called floating: above the noise of the floor estimate.
FLOAT_HEIGHT: Final = 0.05


class Total(NamedTuple):
    """What was added up, and over how many items: `mean` divides them (0 where nothing was counted)."""

    sum: Tensor
    count: Tensor

    def mean(self) -> Tensor:
        """The mean; 0 where nothing was counted, because no stance means no skating."""
        return self.sum / self.count.clamp(min=1)


class StanceIntervals(NamedTuple):
    """Intervals between neighbouring frames: which contact points stand, which are low, and how fast they move."""

    stance: Bool[Tensor, "*batch interval 4"]
    low: Bool[Tensor, "*batch interval 4"]
    speed: Float[Tensor, "*batch interval 4"]


def stance_intervals(
    joints: Float[Tensor, "*batch frame joint 3"],
    fps: float,
    valid: Bool[Tensor, "*batch frame"] | None = None,
    rest_heights: tuple[float, ...] = REST_HEIGHTS,
    stance_height: float = STANCE_HEIGHT,
    stance_speed: float = STANCE_SPEED,
) -> StanceIntervals:
    """Intervals in which an ankle or the ball of a foot stands: it is low AND slow, both in metres and seconds.

    Neither test suffices alone. Speed alone takes the feet of a lying or sitting person, or the top of a kick, for a
    stance; height alone takes the swing of a shuffling foot for a slide.

    Args:
        joints: positions in the z-up world with the floor at z = 0; at least the 12 first SMPL joints.
        fps: frames per second.
        valid: real frames; an interval counts only between two of them. All frames when None.
        rest_heights: heights of the four `CONTACT_JOINTS` when the foot is flat on the floor.
        stance_height: largest height above those, at both ends of the interval.
        stance_speed: largest horizontal speed.

    Raises:
        UserError: fewer than 12 joints, or fewer than two frames.
    """
    frames, number = joints.shape[-3], joints.shape[-2]
    if number <= max(CONTACT_JOINTS) or frames < 2:
        raise UserError(
            f"Expected at least 2 frames of at least {max(CONTACT_JOINTS) + 1} SMPL joints, but got {frames} frames of "
            f"{number} joints. Stances are intervals of the feet. Pass whole clips in SMPL's joint order."
        )
    points = joints[..., list(CONTACT_JOINTS), :]
    speed = (points[..., 1:, :, :2] - points[..., :-1, :, :2]).norm(dim=-1) * fps
    low_frame = points[..., 2] < points.new_tensor(rest_heights) + stance_height
    low = low_frame[..., 1:, :] & low_frame[..., :-1, :]
    if valid is not None:
        low = low & (valid[..., 1:] & valid[..., :-1])[..., None]
    return StanceIntervals(stance=low & (speed < stance_speed), low=low, speed=speed)


def _total(values: Float[Tensor, "*shape"], chosen: Bool[Tensor, "*shape"]) -> Total:
    # In double precision, so that the order of addition (one process or eight) does not show.
    return Total(values.double().where(chosen, 0.0).sum(), chosen.sum())


def foot_skating_total(
    joints: Float[Tensor, "*batch frame joint 3"], fps: float, valid: Bool[Tensor, "*batch frame"] | None = None
) -> Total:
    """Sum of the horizontal speeds (m/s) of standing feet and the number of stance intervals; see `foot_skating`."""
    intervals = stance_intervals(joints, fps, valid)
    return _total(intervals.speed, intervals.stance)


def foot_skating(
    joints: Float[Tensor, "*batch frame joint 3"], fps: float, valid: Bool[Tensor, "*batch frame"] | None = None
) -> Float[Tensor, ""]:
    """Mean horizontal speed in m/s of the feet while they stand (see `stance_intervals`); 0 without any stance.

    Example:
        >>> joints = torch.zeros(1, 20, 22, 3)
        >>> joints[..., 0] = torch.linspace(0, 1.9, 20)[None, :, None] * 0.1  # everything glides at 0.2 m/s
        >>> round(foot_skating(joints, fps=20.0).item(), 3)
        0.2
    """
    return foot_skating_total(joints, fps, valid).mean().to(joints.dtype)


def sliding_total(
    joints: Float[Tensor, "*batch frame joint 3"], fps: float, valid: Bool[Tensor, "*batch frame"] | None = None
) -> Total:
    """Number of stance intervals faster than `SLIDE_SPEED` and number of stance intervals; see `sliding_fraction`."""
    intervals = stance_intervals(joints, fps, valid)
    return _total((intervals.speed > SLIDE_SPEED).float(), intervals.stance)


def sliding_fraction(
    joints: Float[Tensor, "*batch frame joint 3"], fps: float, valid: Bool[Tensor, "*batch frame"] | None = None
) -> Float[Tensor, ""]:
    """Fraction of stance intervals whose foot moves faster than `SLIDE_SPEED`, 0.15 m/s."""
    return sliding_total(joints, fps, valid).mean().to(joints.dtype)


def support_speed_total(
    joints: Float[Tensor, "*batch frame joint 3"], fps: float, valid: Bool[Tensor, "*batch frame"] | None = None
) -> Total:
    """Sum of the speeds of the slowest low contact point and number of intervals with one; see `support_speed`."""
    intervals = stance_intervals(joints, fps, valid)
    slowest = intervals.speed.masked_fill(~intervals.low, torch.inf).amin(-1)
    supported = intervals.low.any(-1)
    return _total(slowest.where(supported, 0.0), supported)


def support_speed(
    joints: Float[Tensor, "*batch frame joint 3"], fps: float, valid: Bool[Tensor, "*batch frame"] | None = None
) -> Float[Tensor, ""]:
    """Mean speed in m/s of the slowest contact point near the floor: gliding at any speed shows, swing does not.

    `foot_skating` cannot see a person who glides faster than `STANCE_SPEED`; this measure has no upper cut.
    """
    return support_speed_total(joints, fps, valid).mean().to(joints.dtype)


def jerk_total(
    joints: Float[Tensor, "*batch frame joint 3"], fps: float, valid: Bool[Tensor, "*batch frame"] | None = None
) -> Total:
    """Sum over joints and frames of the length of the third time derivative, and their number; see `jerk`."""
    # In double precision: a third difference times fps cubed magnifies rounding of coordinates 64,000 times at 20 fps.
    third = torch.diff(joints.double(), n=3, dim=-3).norm(dim=-1) * fps**3
    chosen = torch.ones_like(third, dtype=torch.bool)
    if valid is not None:
        window = valid[..., :-3] & valid[..., 1:-2] & valid[..., 2:-1] & valid[..., 3:]
        chosen = window[..., None].expand_as(third)
    return _total(third, chosen)


def jerk(
    joints: Float[Tensor, "*batch frame joint 3"], fps: float, valid: Bool[Tensor, "*batch frame"] | None = None
) -> Float[Tensor, ""]:
    """Mean over joints and frames of |d3x/dt3| in m/s3, by third differences (exact for cubic motion).

    Clips shorter than four frames have none and count nothing.

    Example:
        >>> t = torch.arange(30, dtype=torch.float64) / 20.0
        >>> joints = torch.zeros(30, 22, 3, dtype=torch.float64)
        >>> joints[:, :, 1] = (2.0 * t**3)[:, None]  # its third derivative is 12
        >>> round(jerk(joints, fps=20.0).item(), 6)
        12.0
    """
    return jerk_total(joints, fps, valid).mean().to(joints.dtype)


def penetration_depth(points: Float[Tensor, "*batch frame point 3"]) -> Float[Tensor, "*batch frame"]:
    """Depth in metres of the lowest point (mesh vertices, or points on the sole) under the floor; 0 when above."""
    return (-points[..., 2].amin(-1)).clamp(min=0)


def floating_height(points: Float[Tensor, "*batch frame point 3"]) -> Float[Tensor, "*batch frame"]:
    """Height in metres of the lowest point over the floor; 0 when it touches or penetrates."""
    return points[..., 2].amin(-1).clamp(min=0)


def penetration_total(
    points: Float[Tensor, "*batch frame point 3"], valid: Bool[Tensor, "*batch frame"] | None = None
) -> Total:
    """Sum of the depths under the floor over frames, and number of frames; see `floor_penetration`."""
    depth = penetration_depth(points)
    return _total(depth, torch.ones_like(depth, dtype=torch.bool) if valid is None else valid)


def floor_penetration(
    points: Float[Tensor, "*batch frame point 3"], valid: Bool[Tensor, "*batch frame"] | None = None
) -> Float[Tensor, ""]:
    """Mean over frames of the depth in metres of the lowest point below z = 0.

    Args:
        points: vertices of the posed mesh (or points on its soles) in the z-up world.
        valid: real frames; all when None.
    """
    return penetration_total(points, valid).mean().to(points.dtype)


def floating_total(
    points: Float[Tensor, "*batch frame point 3"], valid: Bool[Tensor, "*batch frame"] | None = None
) -> Total:
    """Number of frames whose lowest point is above `FLOAT_HEIGHT`, and number of frames; see `floating_fraction`."""
    height = floating_height(points)
    chosen = torch.ones_like(height, dtype=torch.bool) if valid is None else valid
    return _total((height > FLOAT_HEIGHT).float(), chosen)


def floating_fraction(
    points: Float[Tensor, "*batch frame point 3"], valid: Bool[Tensor, "*batch frame"] | None = None
) -> Float[Tensor, ""]:
    """Fraction of frames in which nothing is within 5 cm of the floor (running and jumping have some by right)."""
    return floating_total(points, valid).mean().to(points.dtype)
