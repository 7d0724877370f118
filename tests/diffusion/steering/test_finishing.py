import numpy as np
import pytest
import torch

from carescene.clips import Clip
from carescene.evaluation import foot_skating
from carescene.evaluation.people_contact import people_contact
from carescene.humans.body import load_body
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.scenes import Scene, contact_report, default_object
from diffusion.representation import EVENT_CLASSES, decode_motion, encode_motion
from diffusion.steering import (
    ClipConstraints,
    Constraint,
    FinishConfig,
    Finished,
    JointMeeting,
    JointTarget,
    Keyframe,
    PelvisHeight,
    RootPath,
    RootPoint,
    compile_constraints,
    finish,
)
from diffusion.steering.work import below_pins, smooth_envelope

FRAMES = 60
ROOM = [(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)]


def _walk(persons: int = 1, apart: float = 1.0) -> torch.Tensor:
    """A stiff walk along +y with sliding feet, and the tremor of a network."""
    time = torch.arange(FRAMES).double() / 20
    poses = torch.zeros(persons, FRAMES, 24, 3).double()
    poses[..., 0, :] = torch.tensor([0.0, torch.pi / 2**0.5, torch.pi / 2**0.5])
    swing = 0.35 * torch.sin(2 * torch.pi * time)
    poses[..., 1, 0], poses[..., 2, 0] = swing, -swing
    poses[..., 4, 0], poses[..., 5, 0] = 0.3 + swing.clamp(max=0).abs(), 0.3 + swing.clamp(min=0)
    poses[..., 16, 2], poses[..., 17, 2] = -1.2, 1.2
    trans = torch.zeros(persons, FRAMES, 3).double()
    trans[..., 1] = 0.8 * time
    trans[..., 0] = apart * torch.arange(persons).double()[:, None]
    trans[..., 2] = 0.9
    make = torch.Generator().manual_seed(0)
    poses[..., 1:22, :] += 0.01 * torch.randn(persons, FRAMES, 21, 3, generator=make).double()
    return encode_motion(poses, trans, torch.full((persons, FRAMES), -1))[..., :201]


def _compile(*asked: Constraint, persons: int = 1, **more) -> ClipConstraints:
    return compile_constraints(asked, persons=persons, frames=FRAMES, **more)


def _decoded(found: Finished, clip: ClipConstraints) -> torch.Tensor:
    """Joints of the clip as a generator decodes it, in single precision."""
    people = []
    for features, rest in zip(found.motion, clip.rest_joints, strict=True):
        whole = torch.cat((features, torch.zeros(FRAMES, EVENT_CLASSES).double()), dim=-1)
        poses, trans, _ = decode_motion(whole, rest)
        body = load_body().rest_joints(torch.zeros(10)) if rest is None else rest
        people.append(forward_kinematics(rotvec_to_matrix(poses.float()), trans.float(), body.float())[0])
    return torch.stack(people)


def _clip(found: Finished, betas: torch.Tensor | None = None) -> Clip:
    count = len(found.poses)
    shapes = np.zeros((count, 10), np.float32) if betas is None else betas.numpy()
    return Clip(
        id="clip",
        fps=20.0,
        poses=found.poses.numpy().astype(np.float32),
        trans=found.trans.numpy().astype(np.float32),
        betas=shapes,
        frame_label=np.full((count, FRAMES), -1, np.int8),
        valid=np.ones((count, FRAMES), dtype=bool),
    )


def test_everything_asked_for_holds_to_a_tenth_of_a_millimetre_on_bodies_of_any_size() -> None:
    betas = torch.zeros(2, 10)
    betas[0, 0] = -1.5
    rest = list(load_body().rest_joints(betas))
    clip = _compile(
        RootPath(0, 0.5, 1.0, [(0.05, 0.45), (0.1, 0.85)]),
        PelvisHeight(0, 2.0, 0.8),
        JointTarget(0, 1.5, "right_wrist", z=1.1),
        RootPoint(1, 1.0, 1.1, 0.8),
        JointMeeting(1, 2.5, "left_wrist", 0, "right_elbow", (0.0, 0.0, 0.1)),
        persons=2,
        rest_joints=rest,
    )
    found = finish(_walk(2, apart=0.9), clip, betas=betas)
    joints = _decoded(found, clip).double()
    missing = clip.rows.value - clip.rows.apply(joints[..., :22, :])
    assert float(missing.abs().max()) < 1e-4
    assert found.worst[1] < 1e-5
    assert torch.allclose(found.off_m, torch.zeros(1).double(), atol=1e-5)


def test_keyframes_hold_in_every_joint() -> None:
    other = finish(_walk(), _compile())
    key = Keyframe(0, 1.5, other.poses[0, 20].numpy(), other.trans[0, 20].numpy() + np.array([0.1, 0.3, 0.0]))
    clip = _compile(key)
    found = finish(_walk(), clip)
    wanted = forward_kinematics(
        rotvec_to_matrix(torch.tensor(key.poses)),
        torch.tensor(key.trans),
        load_body().rest_joints(torch.zeros(10)).double(),
    )[0]
    assert float((_decoded(found, clip)[0, 30] - wanted).norm(dim=-1).max()) < 1e-4


def test_feet_stand_whatever_the_path() -> None:
    path = RootPath(0, 0.0, 2.95, [(0.0, 0.0), (0.3, 1.2), (0.1, 2.2)])
    clip = _compile(path)
    raw = finish(_walk(), clip, config=FinishConfig(hold=False, cutoff_hz=None))
    held = finish(_walk(), clip)
    before, after = (float(foot_skating(_decoded(each, clip), 20.0)) for each in (raw, held))
    assert after < 0.4 * before


def test_a_target_out_of_reach_is_reported_and_the_body_stays_sane() -> None:
    clip = _compile(JointTarget(0, 1.5, "right_wrist", 0.0, 0.9, 3.8), PelvisHeight(0, 1.5, 0.9))
    found = finish(_walk(), clip)
    assert found.worst[1] > 0.5 and "right_wrist" in found.worst[0]
    assert bool(torch.isfinite(found.poses).all()) and float(found.trans.abs().max()) < 5


def test_people_leave_each_other() -> None:
    clip = _compile(persons=2)
    close = _walk(2, apart=0.4)
    deep = people_contact(_clip(finish(close, clip, config=FinishConfig(contact_rounds=0))))
    free = people_contact(_clip(finish(close, clip)))
    assert deep.mean_m > 0.01
    assert free.mean_m < 0.7 * deep.mean_m


def test_people_leave_furniture() -> None:
    # The walk brushes along the side of a bed.
    bed = default_object("bed", "bed", x=0.62, y=1.2)
    room = Scene("room", ROOM, 2.6, [bed])
    clip = _compile()
    deep = contact_report(_clip(finish(_walk(), clip)), room)
    free = contact_report(_clip(finish(_walk(), clip, scene=room)), room)
    assert deep.mean_m > 0.02
    assert free.mean_m < 0.5 * deep.mean_m


def test_given_frames_stay_and_frames_without_a_person_do_no_harm() -> None:
    given = torch.zeros(1, FRAMES, dtype=torch.bool)
    given[:, :20] = True
    there = torch.ones(1, FRAMES, dtype=torch.bool)
    there[:, 50:] = False
    motion = _walk()
    motion[:, 50:] = 0
    found = finish(motion, _compile(RootPoint(0, 2.0, 0.3, 1.6)), given=given, there=there)
    assert torch.equal(found.motion[:, :20], motion[:, :20])
    assert bool(torch.isfinite(found.poses).all())
    assert torch.allclose(found.trans[0, 40, :2], torch.tensor([0.3, 1.6]).double(), atol=1e-5)


def test_clips_too_short_to_stand_are_finished_too() -> None:
    clip = compile_constraints([RootPoint(0, 0.1, 0.1, 0.1)], persons=1, frames=3)
    assert finish(_walk()[:, :3], clip).worst[1] < 1e-5


def test_the_envelope_covers_and_goes_down_to_pins() -> None:
    lift = torch.rand(30).double() * 0.02
    pinned = torch.zeros(30, dtype=torch.bool)
    curve = smooth_envelope(lift)
    assert bool((curve >= lift - 1e-12).all())
    assert bool((smooth_envelope(lift, reach=5) >= lift - 1e-12).all())
    assert torch.equal(below_pins(curve, pinned), curve)
    pinned[10] = True
    found = below_pins(curve, pinned)
    assert found[10] == 0 and float(found.diff().abs().max()) < 0.021
    assert float(found[11]) <= 0.01


@pytest.mark.parametrize("seed", range(3))
def test_random_places_are_met(seed: int) -> None:
    make = np.random.default_rng(seed)
    frames = make.choice(np.arange(4, FRAMES), 8, replace=False)
    asked: list[Constraint] = []
    for frame in frames.tolist():
        x, y = make.normal(0, 0.1), 0.04 * frame + make.normal(0, 0.1)
        asked.append(RootPoint(0, frame / 20, float(x), float(y)))
        asked.append(JointTarget(0, frame / 20, "left_wrist", z=float(make.uniform(0.8, 1.2))))
    found = finish(_walk(), _compile(*asked))
    assert found.worst[1] < 1e-5
