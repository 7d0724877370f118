from collections.abc import Callable

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.humans.reference import reference_rest_joints
from diffusion.representation import features_to_joints, joint_consistency
from diffusion.steering import (
    ClipConstraints,
    Constraint,
    EventSpan,
    JointMeeting,
    JointTarget,
    Keyframe,
    Metric,
    PelvisHeight,
    Problem,
    RootPath,
    RootPoint,
    RootVelocity,
    compile_constraints,
)
from diffusion.steering.kernels import path_kernel

FRAMES = 48
Swaying = Callable[..., torch.Tensor]


def _compile(*asked: Constraint, persons: int = 1, **more) -> ClipConstraints:
    return compile_constraints(asked, persons=persons, frames=FRAMES, canonical=False, **more)


def _mixed(motion: torch.Tensor) -> ClipConstraints:
    return _compile(
        RootPath(0, 0.2, 0.8, [(0.0, 0.0), (0.4, 0.3)]),
        RootVelocity(1, 1.0, 1.5),
        PelvisHeight(0, 1.2, 0.7),
        JointTarget(1, 0.5, "left_wrist", 0.3, None, 1.1),
        JointMeeting(0, 1.8, "right_wrist", 1, "left_shoulder", (0.0, 0.0, 0.1)),
        Keyframe(1, 2.2, 0.1 * np.ones((24, 3)), motion[0, 1, 44, :3].numpy()),
        persons=2,
    )


@pytest.mark.parametrize("progress", [0.0, 0.6, 1.0])
def test_all_constraints_are_met_together(swaying: Swaying, progress: float) -> None:
    problem = Problem([_mixed(swaying(persons=2))])
    found = problem.project(swaying(persons=2), progress)
    assert float(problem.residual(found).abs().max()) < 1e-9
    assert torch.equal(found[0, 1, 44], problem.clips[0].pose_features[0])
    joints = features_to_joints(found)
    assert torch.allclose(joints[0, 0, 36, 21] - joints[0, 1, 36, 16], torch.tensor([0.0, 0.0, 0.1]).double())


def test_a_motion_that_fulfils_everything_stays(swaying: Swaying) -> None:
    problem = Problem([_mixed(swaying(persons=2))])
    once = problem.project(swaying(persons=2))
    assert torch.allclose(problem.project(once), once, atol=1e-9)


def test_a_path_point_moves_the_path_by_its_kernel_in_closed_form(swaying: Swaying) -> None:
    motion, metric = swaying(), Metric()
    frame, wanted = 30, torch.tensor([0.7, -0.4]).double()
    found = Problem([_compile(RootPoint(0, frame / 20, *wanted.tolist()))], metric=metric).project(motion, 0.0)
    kernel = path_kernel(FRAMES, 20.0, length_s=metric.path_s, speed=metric.path_speed, start=metric.path_start)
    change = kernel[:, frame, None] / kernel[frame, frame] * (wanted - motion[0, 0, frame, :2])
    assert torch.allclose(found[0, 0, :, :2], motion[0, 0, :, :2] + change, atol=1e-9)
    # Joints are stored relative to the pelvis: nothing else changes.
    assert torch.allclose(found[..., 2:], motion[..., 2:], atol=1e-9)


def test_a_lower_pelvis_lowers_the_body_and_does_not_tear_it(swaying: Swaying) -> None:
    motion = swaying()
    found = Problem([_compile(PelvisHeight(0, 1.0, 0.6))]).project(motion)
    change = (found - motion)[0, 0, 20]
    assert torch.allclose(change[137::3], torch.full((22,), -0.3).double(), atol=1e-3)
    assert float(joint_consistency(found.float()).max()) < 1e-3


def test_a_wrist_takes_the_arm_along(swaying: Swaying) -> None:
    motion = swaying()
    wrist = features_to_joints(motion)[0, 0, 20, 21] + torch.tensor([0.04, 0.0, -0.03])
    found = Problem([_compile(JointTarget(0, 1.0, "right_wrist", *wrist.tolist()))]).project(motion)
    # A Euclidean projection would leave the rotations, and tear the wrist off by 5 cm.
    assert float(joint_consistency(found.float()).max()) < 0.01
    assert float((found - motion)[..., 3:135].abs().max()) > 0.01


def test_a_smaller_body_meets_its_target_at_its_own_size(swaying: Swaying) -> None:
    clip = _compile(
        JointTarget(0, 1.0, "head", z=1.2), PelvisHeight(0, 1.0, 0.75), rest_joints=[reference_rest_joints() * 0.8]
    )
    found = Problem([clip]).project(swaying())
    joints = features_to_joints(found)[0, 0, 20]
    assert joints[15, 2].item() / 1.25 == pytest.approx(1.2, abs=1e-6)
    assert found[0, 0, 20, 2].item() / 1.25 == pytest.approx(0.75, abs=1e-6)


def test_given_frames_do_not_move(swaying: Swaying) -> None:
    fixed = torch.zeros(1, 1, FRAMES, dtype=torch.bool)
    fixed[..., :12] = True
    problem = Problem([_compile(RootPoint(0, 1.5, 2.0, 2.0))], fixed=fixed)
    motion = swaying()
    found = problem.project(motion)
    assert torch.equal(found[0, 0, :12], motion[0, 0, :12])
    assert float(problem.residual(found).abs().max()) < 1e-9
    with pytest.raises(UserError, match="on a frame that is given"):
        Problem([_compile(RootPoint(0, 0.25, 2.0, 2.0))], fixed=fixed)


def test_clips_of_a_batch_do_not_see_each_other(swaying: Swaying) -> None:
    clips = [
        _compile(RootPoint(0, 1.0, 1.0, 0.0)),
        _compile(),
        _compile(JointTarget(0, 0.5, "head", z=1.2), RootPoint(1, 0.3, 2.0, 1.0), persons=2),
    ]
    motion = swaying(3, 2)
    together = Problem(clips, persons=2, frames=FRAMES).project(motion)
    for index, clip in enumerate(clips):
        alone = Problem([clip], persons=2, frames=FRAMES).project(motion[index : index + 1])
        assert torch.allclose(together[index], alone[0], atol=1e-10)
    assert torch.equal(together[1], motion[1])


def test_event_numbers_are_put_in() -> None:
    problem = Problem([_compile(EventSpan(0, "fall", 1.0))])
    event = torch.rand(1, 1, FRAMES, 16)
    found = problem.project_events(event)
    assert found[0, 0, 20:26, 1].eq(1).all() and found[0, 0, :20, 1].eq(0).all()
    assert found[0, 0, 20:26].sum().item() == 6 and torch.equal(found[0, 0, 26:], event[0, 0, 26:])


def test_bad_metrics_and_empty_batches_are_refused() -> None:
    with pytest.raises(UserError, match=r"metric.turn above 0"):
        Metric(turn=0.0)
    with pytest.raises(UserError, match="at least one clip"):
        Problem([])
