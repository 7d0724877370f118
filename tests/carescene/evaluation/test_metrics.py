"""The torchmetrics classes say what the functions say, in parts, in batches and across processes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torchmetrics import Metric

from carescene.evaluation import metrics, physics

JOINT_METRICS = [
    (metrics.FootSkating, physics.foot_skating),
    (metrics.SlidingFraction, physics.sliding_fraction),
    (metrics.SupportSpeed, physics.support_speed),
    (metrics.Jerk, physics.jerk),
]
POINT_METRICS = [
    (metrics.FloorPenetration, physics.floor_penetration),
    (metrics.FloatingFraction, physics.floating_fraction),
]


def walkers(number: int = 6, frames: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips whose feet wander near the floor, of different lengths."""
    joints = torch.randn(number, frames, 22, 3).cumsum(1) * 0.01
    joints[..., 2] = joints[..., 2].abs() * 0.3
    valid = torch.arange(frames) < torch.randint(8, frames + 1, (number, 1))
    return joints, valid


@pytest.mark.parametrize(("metric_class", "function"), JOINT_METRICS)
def test_joint_metric_equals_function(metric_class: type[Metric], function: Callable[..., torch.Tensor]):
    joints, valid = walkers()
    metric: Any = metric_class(fps=20.0)
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        metric.update(joints[part], valid[part])
    expected = function(joints, 20.0, valid)
    assert expected > 0
    torch.testing.assert_close(metric.compute(), expected)


@pytest.mark.parametrize(("metric_class", "function"), POINT_METRICS)
def test_point_metric_equals_function(metric_class: type[Metric], function: Callable[..., torch.Tensor]):
    points, valid = walkers()
    points = points + torch.tensor([0.0, 0.0, 1.0]) * torch.linspace(-0.1, 0.1, 6)[:, None, None, None]
    metric: Any = metric_class()
    metric.update(points[:2], valid[:2])
    metric.update(points[2:], valid[2:])
    expected = function(points, valid)
    assert expected > 0
    torch.testing.assert_close(metric.compute(), expected)


@pytest.mark.parametrize("metric_class", [entry[0] for entry in JOINT_METRICS + POINT_METRICS])
def test_synchronised_halves_equal_the_whole(metric_class: type[Metric]):
    """Two processes with half of the clips each reach the value of one process with all of them."""
    clips, valid = walkers()
    whole: Any = metric_class()
    whole.update(clips, valid)
    other: Any = metric_class()
    other.update(clips[4:], valid[4:])
    names = iter(other._reductions)
    half: Any = metric_class()
    half.update(clips[:4], valid[:4])

    def gather(state: torch.Tensor, group: Any = None) -> list[torch.Tensor]:
        return [state, getattr(other, next(names))]

    half.sync(dist_sync_fn=gather, distributed_available=lambda: True)
    # The state itself is compared: `compute` would synchronise again.
    torch.testing.assert_close(half.sum, whole.sum)
    assert half.count == whole.count
    half.unsync()
    assert half.count < whole.count


def test_reset_forgets():
    metric = metrics.FloorPenetration()
    metric.update(torch.full((5, 10, 3), -0.1))
    metric.reset()
    metric.update(torch.full((5, 10, 3), -0.02))
    assert metric.compute().item() == pytest.approx(0.02)


def test_nothing_seen_is_zero():
    metric = metrics.FootSkating()
    metric.update(torch.full((2, 10, 22, 3), 2.0))  # far above the floor: no stance
    assert metric.compute() == 0
