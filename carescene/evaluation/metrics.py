"""The measures of `carescene.evaluation.physics` as torchmetrics, for training loops and several processes."""

from collections.abc import Callable
from typing import ClassVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric

from carescene.evaluation import physics
from carescene.evaluation.physics import Total


class _MeanOfTotals(Metric):
    """A mean kept as sum and count, so that processes can add their states (thin base of the classes below)."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("sum", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def _add(self, total: Total) -> None:
        self.sum = cast(Tensor, self.sum) + total.sum
        self.count = cast(Tensor, self.count) + total.count

    def compute(self) -> Float[Tensor, ""]:
        """The mean over everything seen since the last reset."""
        return Total(cast(Tensor, self.sum), cast(Tensor, self.count)).mean().float()


class _JointMetric(_MeanOfTotals):
    _total: ClassVar[Callable[..., Total]]

    def __init__(self, fps: float = 20.0) -> None:
        super().__init__()
        self.fps = fps

    def update(
        self, joints: Float[Tensor, "*batch frame joint 3"], valid: Bool[Tensor, "*batch frame"] | None = None
    ) -> None:
        """Add clips: joints in metres in the z-up world, and which frames are real (all when None)."""
        self._add(type(self)._total(joints, self.fps, valid))


class _PointMetric(_MeanOfTotals):
    _total: ClassVar[Callable[..., Total]]

    def update(
        self, points: Float[Tensor, "*batch frame point 3"], valid: Bool[Tensor, "*batch frame"] | None = None
    ) -> None:
        """Add clips: mesh vertices in metres in the z-up world, and which frames are real (all when None)."""
        self._add(type(self)._total(points, valid))


class FootSkating(_JointMetric):
    """Mean speed of standing feet in m/s; see `carescene.evaluation.physics.foot_skating`.

    Example:
        >>> metric = FootSkating(fps=20.0)
        >>> joints = torch.zeros(2, 20, 22, 3)
        >>> joints[..., 0] = 0.005 * torch.arange(20.0)[:, None]  # 5 mm a frame
        >>> metric.update(joints)
        >>> round(metric.compute().item(), 3)
        0.1
    """

    _total = staticmethod(physics.foot_skating_total)


class SlidingFraction(_JointMetric):
    """Fraction of stance intervals that slide; see `carescene.evaluation.physics.sliding_fraction`.

    Example:
        >>> metric = SlidingFraction(fps=20.0)
        >>> metric.update(torch.zeros(20, 22, 3))
        >>> metric.compute().item()
        0.0
    """

    _total = staticmethod(physics.sliding_total)


class SupportSpeed(_JointMetric):
    """Mean speed of the slowest low foot point in m/s; see `carescene.evaluation.physics.support_speed`.

    Example:
        >>> metric = SupportSpeed(fps=20.0)
        >>> metric.update(torch.zeros(20, 22, 3))
        >>> metric.compute().item()
        0.0
    """

    _total = staticmethod(physics.support_speed_total)


class Jerk(_JointMetric):
    """Mean length of the third derivative in m/s3; see `carescene.evaluation.physics.jerk`.

    Example:
        >>> metric = Jerk(fps=20.0)
        >>> metric.update(torch.arange(40.0)[:, None, None].expand(40, 22, 3) * 0.01)  # steady motion has no jerk
        >>> round(metric.compute().item(), 3)
        0.0
    """

    _total = staticmethod(physics.jerk_total)


class FloorPenetration(_PointMetric):
    """Mean depth of the lowest point below the floor in metres; see `carescene.evaluation.physics.floor_penetration`.

    Example:
        >>> metric = FloorPenetration()
        >>> metric.update(torch.full((10, 100, 3), -0.02))
        >>> round(metric.compute().item(), 3)
        0.02
    """

    _total = staticmethod(physics.penetration_total)


class FloatingFraction(_PointMetric):
    """Fraction of frames without anything near the floor; see `carescene.evaluation.physics.floating_fraction`.

    Example:
        >>> metric = FloatingFraction()
        >>> metric.update(torch.full((10, 100, 3), 0.3))
        >>> metric.compute().item()
        1.0
    """

    _total = staticmethod(physics.floating_total)
