"""People come out of beds and of what their hands are in, smoothly, and nothing else of them moves much."""

import numpy as np
import torch

from carescene.clips import Clip
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import load_skin_points
from carescene.scenes import Scene, contact_report, default_object
from diffusion.representation import encode_motion
from diffusion.steering import Constraint, FinishConfig, Finished, JointTarget, RootPoint, compile_constraints, finish

FRAMES = 60
ROOM = [(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)]
BED = default_object("bed", "bed", x=0.0, y=0.0, pillow=False, rails="none", mattress_height_m=0.5)
WARD = Scene("ward", ROOM, 2.6, [BED])


def lying(sunk: float, *, dips: bool = False) -> torch.Tensor:
    """Features of somebody on the back in the bed, breathing; `dips` swings the left arm through the mattress."""
    time = torch.arange(FRAMES).double() / 20
    poses = torch.zeros(1, FRAMES, 24, 3).double()
    poses[..., 0, :] = torch.tensor([0.0, 0.0, torch.pi])
    poses[..., 16, 2], poses[..., 17, 2] = -1.2, 1.2
    poses[..., 9, 0] = 0.03 * torch.sin(2 * torch.pi * 0.3 * time)
    skin = load_skin_points().of_person(poses[0].numpy(), np.zeros((FRAMES, 3)), np.zeros(10))
    trans = torch.zeros(1, FRAMES, 3).double()
    trans[..., 2] = 0.5 - sunk - float(skin[0, :, 2].min())
    if dips:
        poses[..., 16, 1] = 0.5 * torch.sin(torch.pi * time / 3) ** 2
    return encode_motion(poses, trans, torch.full((1, FRAMES), -1))[..., :201]


def finished(motion: torch.Tensor, *asked: Constraint, scene: Scene | None = WARD, **settings) -> Finished:
    clip = compile_constraints(asked, persons=1, frames=FRAMES)
    return finish(motion, clip, scene=scene, config=FinishConfig(**settings))


def depth_of(found: Finished, scene: Scene = WARD):
    clip = Clip(
        id="clip",
        fps=20.0,
        poses=found.poses.numpy().astype(np.float32),
        trans=found.trans.numpy().astype(np.float32),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, FRAMES), -1, np.int8),
        valid=np.ones((1, FRAMES), dtype=bool),
    )
    return contact_report(clip, scene)


def jerk(found: Finished) -> float:
    # The pelvis is turned by half a turn, whose sign is chance.
    return float(torch.diff(found.poses[:, :, 1:], n=3, dim=1).norm(dim=-1).mean()) * 20**3


def test_who_has_sunk_through_the_mattress_lies_on_it_without_trembling() -> None:
    motion = lying(0.25)
    before, after = finished(motion, contact_rounds=0), finished(motion)
    report = depth_of(after)
    assert depth_of(before).share_deep == 1.0
    assert report.share_deep == 0.0 and report.mean_m < 0.01
    assert float(after.trans[..., 2].min() - before.trans[..., 2].max()) > 0.2
    assert jerk(after) < 20.0, "somebody who hardly moves: rad/s3"


def test_an_arm_leaves_the_mattress_without_the_trunk() -> None:
    motion = lying(0.004, dips=True)
    before, after = finished(motion, contact_rounds=0), finished(motion)
    assert depth_of(before).max_m > 0.04
    assert depth_of(after).share_deep == 0.0
    assert float((after.trans - before.trans).norm(dim=-1).max()) < 0.02
    moved = (after.poses - before.poses).norm(dim=-1)[0]
    assert float(moved[:, JOINT["left_shoulder"]].max()) > 5 * float(moved[:, JOINT["right_shoulder"]].max())


def test_what_was_asked_for_holds_and_given_frames_stay() -> None:
    motion = lying(0.1)
    asked = RootPoint(0, 1.5, 0.05, 0.02), JointTarget(0, 2.0, "right_wrist", z=0.75)
    found = finished(motion, *asked)
    assert found.worst[1] < 1e-5
    given = torch.zeros(1, FRAMES, dtype=torch.bool)
    given[:, 30:] = True
    clip = compile_constraints([], persons=1, frames=FRAMES)
    kept = finish(motion, clip, scene=WARD, given=given)
    assert torch.equal(kept.motion[:, 30:], motion[:, 30:])


def test_whoever_touches_nothing_stays_as_they_are() -> None:
    motion = lying(-0.3)
    assert torch.equal(finished(motion).trans, finished(motion, contact_rounds=0).trans)
